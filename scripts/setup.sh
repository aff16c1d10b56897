#!/bin/sh
# Makes .venv, installs Qt's system libraries where apt may, and the project.
# Usage: setup.sh CONSTRAINTS-FILE-OR-NOTHING PIP-REQUIREMENT...
set -eu
constraints=$1
shift

# Beside pip: the one waits for the network and the disk while the other computes.
sh scripts/libraries.sh &

if [ ! -x .venv/bin/python ]; then
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        { echo "Python 3.11 or later is needed" >&2; exit 1; }
    if ! python3 -m venv .venv; then
        rm -rf .venv
        wait
        sh scripts/libraries.sh python3-venv python3-pip
        python3 -m venv .venv
    fi
fi
# Older ones do not know dependency groups.
.venv/bin/python -m pip install -q --upgrade "pip>=25.1"

first=$1
shift
if [ -n "$constraints" ]; then set -- "$@" -c "$constraints"; fi
# What is imported is compiled then, which is less than all that is installed.
.venv/bin/python -m pip install -q --no-compile -e "$first" "$@"
wait
