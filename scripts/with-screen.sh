#!/bin/sh
# Runs a command on the screen that is there, on a virtual one where there is none.
if [ "$(uname)" = Linux ] && [ -z "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ] &&
    command -v xvfb-run >/dev/null; then
    exec env NAPARI_DEEPHEME_NO_SCREEN=1 \
        xvfb-run -a -s "-screen 0 1600x1000x24" "$@"
fi
exec "$@"
