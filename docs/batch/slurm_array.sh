#!/usr/bin/env bash
#SBATCH --job-name=mmcli
#SBATCH --array=0-9
#SBATCH --cpus-per-task=2
#SBATCH --mem=2G
#SBATCH --time=00:15:00
#SBATCH --output=slurm-%A_%a.log
#SBATCH --signal=B:TERM@30
#
# One seed per task of a Slurm array; runs that start at once take directories of their own.
#
#   sbatch docs/batch/slurm_array.sh configs/mnist_arabic.yaml
#   mmcli compare runs/mnist_arabic-s*      # at any time
set -euo pipefail

config=${1:?a config: sbatch docs/batch/slurm_array.sh CONFIG [OPTION...]}

# exec, so that Slurm's signals reach mmcli and a run that is cut off says so in its meta.json.
exec mmcli train "$config" --seed "$SLURM_ARRAY_TASK_ID" --threads "$SLURM_CPUS_PER_TASK" "${@:2}"
