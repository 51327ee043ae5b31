#!/usr/bin/env bash
#SBATCH --job-name=mmcli
#SBATCH --array=0-9
#SBATCH --cpus-per-task=2
#SBATCH --mem=2G
#SBATCH --time=00:15:00
#SBATCH --output=slurm-%A_%a.log
#SBATCH --open-mode=append
#SBATCH --requeue
#SBATCH --signal=USR1@60
#
# One seed per task of a Slurm array. A task whose time is up, or whose node fails, is requeued and resumes its run.
#
#   sbatch docs/batch/slurm_array.sh configs/mnist_arabic.yaml
#   mmcli compare runs/mnist_arabic-s*      # at any time
set -euo pipefail

config=${1:?a config: sbatch docs/batch/slurm_array.sh CONFIG [OPTION...]}
run=runs/$(basename "${config%.*}")-s$SLURM_ARRAY_TASK_ID

code=0
srun mmcli train "$config" -o "$run" --resume --seed "$SLURM_ARRAY_TASK_ID" --threads "$SLURM_CPUS_PER_TASK" "${@:2}" ||
    code=$?
# 128 + SIGUSR1, which Slurm sends a minute before the time is up: the state is saved.
if [ "$code" -eq 138 ]; then
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
