#!/usr/bin/env bash
# Train a config under several seeds, one after the other, and collect the ACC of a module.
#
#   docs/batch/seeds.sh [CONFIG [SEEDS [MODULE [OPTION...]]]]
#   docs/batch/seeds.sh configs/mnist_arabic_tuned.yaml "0 1 2" gmm --threads 1
#
# CONFIG  a config whose MODULE names labels   configs/mnist_arabic.yaml
# SEEDS   seeds, in one argument               0 to 9
# MODULE  the module whose ACC is collected    mlda
# OPTION  more for every `mmcli train`
#
# Prints a line per seed and then mean, minimum and maximum. What mmcli says meanwhile goes to stderr.
set -euo pipefail

config=${1:-configs/mnist_arabic.yaml}
seeds=${2:-0 1 2 3 4 5 6 7 8 9}
module=${3:-mlda}
options=("${@:4}")

# What the first seed compiles, the others load.
if [ -z "${JAX_COMPILATION_CACHE_DIR:-}" ]; then
    compiled=$(mktemp -d)
    trap 'rm -rf "$compiled"' EXIT
    export JAX_COMPILATION_CACHE_DIR=$compiled JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS=0
fi

collect() {
    for seed in $seeds; do
        RUN=$(mmcli train "$config" --seed "$seed" ${options[@]+"${options[@]}"})
        acc=$(cat "$RUN"/module[0-9][0-9][0-9]_"$module"/acc_learn.txt)
        printf '%s\t%s\t%s\n' "$seed" "$acc" "$RUN"
    done
}

collect | LC_ALL=C awk -F '\t' '
    BEGIN { print "seed  ACC     run" }
    { printf "%-4s  %.4f  %s\n", $1, $2, $3; fflush() }
    { sum += $2; if (NR == 1 || $2 < min) min = $2; if (NR == 1 || $2 > max) max = $2 }
    END { if (NR) printf "mean %.4f  min %.4f  max %.4f  of %d\n", sum / NR, min, max, NR }
'
