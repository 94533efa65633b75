#!/usr/bin/env bash
# Makes virtual environments with Optuna 5.0 (and its dashboard) and 4.x for the tests of src/search/interop.rs:
#
#     export FMTUI_TEST_OPTUNA=$(scripts/optuna_env.sh DIRECTORY)
#
# Prints their Pythons, separated by a colon; those that are there already are kept.
set -euo pipefail
directory="$1"

make() { # name, packages …
    local place="$directory/$1"
    shift
    if [ ! -e "$place/ready" ]; then
        python3 -m venv "$place" >&2
        "$place/bin/pip" install --quiet --disable-pip-version-check "$@" >&2
        touch "$place/ready"
    fi
    printf '%s' "$place/bin/python"
}

mkdir -p "$directory"
newest=$(make optuna-5 'optuna==5.0.0' 'optuna-dashboard==0.21.0')
older=$(make optuna-4 'optuna>=4,<5')
printf '%s:%s\n' "$newest" "$older"
