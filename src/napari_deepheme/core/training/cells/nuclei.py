"""Classical segmentation of nuclei: labels for fields that nobody has boxed.

Nuclei are where the green light is lost: optical density of the green channel, a
threshold between it and the cytoplasm by Otsu's method, touching nuclei parted by a
watershed on the distance to the border. Used for training only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import ndimage
from skimage.feature import peak_local_max
from skimage.filters import threshold_otsu
from skimage.measure import regionprops
from skimage.segmentation import watershed

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

MIN_NUCLEUS_UM: Final = 4.0
"""Smallest equivalent diameter that is taken for a nucleus, in micrometres."""


LOBE_UM: Final = 6.0
"""Longest side of a piece that may be a lobe, in micrometres."""


@dataclass(frozen=True, slots=True)
class Nucleus:
    """One segmented nucleus.

    Attributes
    ----------
    x, y, width, height : float
        Box, in pixels of the picture.
    label : int
        Its number in the label image.
    solidity : float
        Area over the area of the convex hull; low where several nuclei hang together.
    at_border : bool
        Whether it is cut by the picture's border.
    """

    x: float
    y: float
    width: float
    height: float
    label: int
    solidity: float
    at_border: bool


def segment_nuclei(
    pixels: npt.NDArray[np.uint8], *, mpp: float
) -> tuple[npt.NDArray[np.int32], list[Nucleus]]:
    """Find the nuclei of a picture.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (h, w, 3)
        Whitened RGB.
    mpp : float
        Micrometres per pixel.

    Returns
    -------
    labels : ndarray of int32, shape (h, w)
        0 outside nuclei.
    nuclei : list of Nucleus
        One a label.
    """
    density = -np.log10(np.clip(pixels[..., 1] / 240.0, 1 / 240, 1))
    density = ndimage.gaussian_filter(density, 0.45 / mpp)
    mask = density > _threshold(density)
    mask = ndimage.binary_fill_holes(ndimage.binary_opening(mask, iterations=3))
    depth = ndimage.gaussian_filter(ndimage.distance_transform_edt(mask), 0.9 / mpp)
    apart = max(1, round(3.0 / mpp))
    peaks = peak_local_max(depth, min_distance=apart, labels=mask, exclude_border=False)
    markers = np.zeros(mask.shape, np.int32)
    markers[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    labels = watershed(-depth, markers, mask=mask).astype(np.int32)
    nuclei = [_nucleus(p, mask.shape) for p in regionprops(labels) if _large(p, mpp)]
    return labels, nuclei


def join_lobes(nuclei: Sequence[Nucleus], *, mpp: float) -> list[Nucleus]:
    """Join small pieces that lie together: the lobes of one segmented nucleus.

    Parameters
    ----------
    nuclei : sequence of Nucleus
        As `segment_nuclei` gives them.
    mpp : float
        Micrometres per pixel.

    Returns
    -------
    list of Nucleus
        Pieces under `LOBE_UM` with less than 1 um between them are one, with the label
        of the first.
    """
    joined = [n for n in nuclei if max(n.width, n.height) * mpp >= LOBE_UM]
    pieces = [n for n in nuclei if max(n.width, n.height) * mpp < LOBE_UM]
    while pieces:
        group = pieces.pop(0)
        near = [n for n in pieces if _gap(group, n) * mpp < 1.0]
        while near:
            pieces = [n for n in pieces if n not in near]
            group = union([group, *near])
            near = [n for n in pieces if _gap(group, n) * mpp < 1.0]
        joined.append(group)
    return joined


def union(nuclei: Sequence[Nucleus]) -> Nucleus:
    """Return the box around nuclei, with the label of the first."""
    x, y = min(n.x for n in nuclei), min(n.y for n in nuclei)
    right = max(n.x + n.width for n in nuclei)
    bottom = max(n.y + n.height for n in nuclei)
    at_border = any(n.at_border for n in nuclei)
    solidity = min(n.solidity for n in nuclei)
    return Nucleus(x, y, right - x, bottom - y, nuclei[0].label, solidity, at_border)


def _gap(a: Nucleus, b: Nucleus) -> float:
    across = max(a.x, b.x) - min(a.x + a.width, b.x + b.width)
    down = max(a.y, b.y) - min(a.y + a.height, b.y + b.height)
    return max(across, down)


def _threshold(density: npt.NDArray[np.float64]) -> float:
    stained = density[density > 0.2]
    if stained.size < 200:
        return 0.4
    return float(np.clip(0.85 * threshold_otsu(stained), 0.33, 0.6))


def _large(properties: object, mpp: float) -> bool:
    diameter: float = properties.equivalent_diameter_area  # type: ignore[attr-defined]
    return diameter * mpp >= MIN_NUCLEUS_UM


def _nucleus(p: object, shape: tuple[int, int]) -> Nucleus:
    top, left, bottom, right = p.bbox  # type: ignore[attr-defined]
    at_border = top == 0 or left == 0 or bottom == shape[0] or right == shape[1]
    return Nucleus(
        left,
        top,
        right - left,
        bottom - top,
        p.label,  # type: ignore[attr-defined]
        p.solidity,  # type: ignore[attr-defined]
        at_border,
    )
