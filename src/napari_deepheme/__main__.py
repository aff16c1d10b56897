"""``python -m napari_deepheme`` and the command ``napari-deepheme``."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and leave with its exit status."""
    try:
        from napari_deepheme.cli import run

        status = run(sys.argv[1:])
    except KeyboardInterrupt:
        # Stopped while the packages were still being loaded.
        status = 130
    sys.exit(status)


if __name__ == "__main__":
    main()
