"""Lay the cells of one class side by side, surest first, to judge them by eye.

    python scripts/contact_sheet.py SLIDE --code U4 --out sheet.png

Beside each crop stand its number in reading order, the probability and, for a mitotic
figure, the phase. The sheet shows the slide's own pixels: it stays on your machine.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from napari_deepheme import analyze_region, load_models, open_slide
from napari_deepheme.core.further_columns import PHASE
from napari_deepheme.core.geometry import Region
from napari_deepheme.core.slide import PixelGrid, plausible_mpp, read_grid

_SIDE_UM = 24.0
_MPP = 0.2
_COLUMNS = 8
_TEXT_PX = 16


def main() -> None:
    """Parse the command and write the sheet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("slide", type=Path)
    parser.add_argument("--code", default="U4")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    with open_slide(options.slide) as slide:
        cells = analyze_region(slide, None, load_models()).cells
        rows = np.flatnonzero(np.array(cells.class_codes) == options.code)
        rows = rows[np.argsort(-cells.probabilities[rows])]
        pictures = []
        for row in rows:
            picture = _crop(slide, cells.centres[row])
            words = f"{row + 1}: {cells.probabilities[row]:.2f} "
            ImageDraw.Draw(picture).text(
                (2, picture.height - _TEXT_PX + 2), words + cells.further[PHASE][row]
            )
            pictures.append(picture)
    print(f"{len(rows)} of {len(cells)} cells are called {options.code}")
    if pictures:
        _sheet(pictures).save(options.out)


def _crop(slide, centre) -> Image.Image:
    grid = PixelGrid.for_mpp(plausible_mpp(slide), _MPP)
    side = round(_SIDE_UM / _MPP)
    x, y = np.rint(grid.from_level0(centre[None])[0] - side / 2).astype(int).tolist()
    read = read_grid(slide, grid, Region(x, y, side, side))
    picture = Image.new("RGB", (side, side + _TEXT_PX))
    picture.paste(Image.fromarray(read.pixels), (0, 0))
    return picture


def _sheet(pictures: list[Image.Image]) -> Image.Image:
    width, height = pictures[0].size
    n_rows = -(-len(pictures) // _COLUMNS)
    sheet = Image.new("RGB", (_COLUMNS * (width + 4), n_rows * (height + 4)), "white")
    for i, picture in enumerate(pictures):
        row, column = divmod(i, _COLUMNS)
        sheet.paste(picture, (column * (width + 4), row * (height + 4)))
    return sheet


if __name__ == "__main__":
    main()
