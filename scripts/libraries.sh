#!/bin/sh
# Installs, where apt may, what Qt and napari need of a bare Linux, and the packages named.
set -eu

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
    for package in $libraries "$@"; do
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
