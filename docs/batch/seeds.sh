#!/usr/bin/env bash
# Train a config under several seeds, one after the other, and compare the runs.
#
#   docs/batch/seeds.sh [CONFIG [SEEDS [OPTION...]]]
#   docs/batch/seeds.sh configs/mnist_arabic_tuned.yaml "0 1 2" --threads 1
#
# CONFIG  a config                  configs/mnist_arabic.yaml
# SEEDS   seeds, in one argument    0 to 9
# OPTION  further options of every `mmcli train`
#
# Prints the output of `mmcli compare`: a line per seed, then mean, minimum, maximum and standard deviation. Progress
# goes to stderr.
set -euo pipefail

config=${1:-configs/mnist_arabic.yaml}
seeds=${2:-0 1 2 3 4 5 6 7 8 9}
options=("${@:3}")

# The first seed compiles; the others load the compiled code.
if [ -z "${JAX_COMPILATION_CACHE_DIR:-}" ]; then
    compiled=$(mktemp -d)
    trap 'rm -rf "$compiled"' EXIT
    export JAX_COMPILATION_CACHE_DIR=$compiled JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS=0
fi

runs=()
for seed in $seeds; do
    run=$(mmcli train "$config" --seed "$seed" ${options[@]+"${options[@]}"})
    runs+=("$run")
done
mmcli compare "${runs[@]}"
