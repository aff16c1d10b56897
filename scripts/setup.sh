#!/bin/sh
# Makes .venv, installs Qt's system libraries where apt may, and the project.
# Usage: setup.sh CONSTRAINTS-FILE-OR-NOTHING PIP-REQUIREMENT...
set -eu
constraints=$1
shift

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"
    elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then sudo "$@"
    else return 1
    fi
}

install_with_apt() {
    command -v apt-get >/dev/null || return 1
    as_root apt-get update -qq &&
        as_root env DEBIAN_FRONTEND=noninteractive \
            apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

# What PyQt6 and napari need of a bare Debian or Ubuntu, and a screen without a screen.
libraries="xvfb xauth libegl1 libgl1 libgl1-mesa-dri libglx-mesa0 libxkbcommon-x11-0
    libxcb-cursor0 libxcb-icccm4 libxcb-image0 libxcb-keysyms1 libxcb-randr0
    libxcb-render-util0 libxcb-shape0 libxcb-xinerama0 libxcb-xkb1 libdbus-1-3
    libfontconfig1 libglib2.0-0 fonts-dejavu-core"

if [ "$(uname)" = Linux ] && command -v dpkg-query >/dev/null; then
    missing=""
    for package in $libraries; do
        # libglib2.0-0 is called libglib2.0-0t64 from Debian 13 on.
        dpkg-query -W -f '${Status}\n' "$package" "${package}t64" 2>/dev/null |
            grep -q "install ok installed" || missing="$missing $package"
    done
    if [ -n "$missing" ]; then
        # shellcheck disable=SC2086
        install_with_apt $missing ||
            echo "could not install$missing: napari may not find a screen" >&2
    fi
fi

if [ ! -x .venv/bin/python ]; then
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        { echo "Python 3.11 or later is needed" >&2; exit 1; }
    if ! python3 -m venv .venv; then
        rm -rf .venv
        install_with_apt python3-venv python3-pip
        python3 -m venv .venv
    fi
fi
# Older ones do not know dependency groups.
.venv/bin/python -m pip install -q --upgrade "pip>=25.1"

first=$1
shift
if [ -n "$constraints" ]; then set -- "$@" -c "$constraints"; fi
.venv/bin/python -m pip install -q -e "$first" "$@"
