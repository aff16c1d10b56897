"""Why a cell was called what it was: probabilities, members, maps of what was seen."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from napari_deepheme.core.boxes import box_centres
from napari_deepheme.core.engine.classify import crop_raster, cut_crops
from napari_deepheme.core.errors import DeephemeError, UnreadableRegionError
from napari_deepheme.core.geometry import Region
from napari_deepheme.core.models.postprocess import mirrored_views
from napari_deepheme.core.slide import estimate_background
from napari_deepheme.core.taxonomy import CLASS_CODES

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_deepheme.core.geometry import Mpp
    from napari_deepheme.core.models.protocols import CellClassifier
    from napari_deepheme.core.models.torch.insight import Insight
    from napari_deepheme.core.slide import SlideReader

N_TOP: Final = 5

_N_VIEWS: Final = 8

MemberKind = Literal["network", "mirrored view"]


@dataclass(frozen=True, slots=True, eq=False)
class CellExplanation:
    """What a classifier saw in one cell.

    Attributes
    ----------
    crop : ndarray of uint8, shape (crop_px, crop_px, 3)
        RGB as the classifier takes it: at its scale, whitened where it wants that.
    mpp : float
        Micrometres per pixel of the crop.
    box : ndarray of float64, shape (4,)
        x, y, width, height of the detection, in pixels of the crop.
    probabilities : ndarray of float32, shape (23,)
        In the order of `taxonomy.CELL_CLASSES`.
    top : tuple of (str, float)
        Code and probability of the five likeliest classes, the likeliest first.
    members : ndarray of float32, shape (m, 23)
        Probabilities by each network of an ensemble; where there is one network, by
        each of the eight mirrored views of the crop.
    member_kind : {"network", "mirrored view"}
        Which of the two.
    disagreement : ndarray of float32, shape (5, 2)
        Lowest and highest probability that a member gives to each class of `top`.
    class_code : str
        The class that the maps are of.
    grad_cam, smooth_grad : ndarray of float32, shape (crop_px, crop_px), or None
        See `models.torch.insight.Insight`; None where there can be none.
    no_maps : str
        Why there are none; else empty.
    """

    crop: npt.NDArray[np.uint8]
    mpp: float
    box: npt.NDArray[np.float64]
    probabilities: npt.NDArray[np.float32]
    top: tuple[tuple[str, float], ...]
    members: npt.NDArray[np.float32]
    member_kind: MemberKind
    disagreement: npt.NDArray[np.float32]
    class_code: str
    grad_cam: npt.NDArray[np.float32] | None = None
    smooth_grad: npt.NDArray[np.float32] | None = None
    no_maps: str = ""

    @property
    def votes(self) -> tuple[tuple[str, int], ...]:
        """Classes that members find likeliest, with how many do, most votes first."""
        called = Counter(CLASS_CODES[i] for i in self.members.argmax(axis=1))
        mean = dict(zip(CLASS_CODES, self.probabilities.tolist(), strict=True))
        return tuple(sorted(called.items(), key=lambda v: (-v[1], -mean[v[0]])))


def explain_cell(
    slide: SlideReader,
    box: npt.ArrayLike,
    classifier: CellClassifier,
    *,
    mpp: Mpp,
    class_code: str | None = None,
    background: npt.NDArray[np.float32] | None = None,
    maps: bool = True,
) -> CellExplanation:
    """Show what a classifier saw in a cell.

    Parameters
    ----------
    slide : SlideReader
        The slide.
    box : array-like, shape (4,)
        x, y, width, height of the detection, in level-0 pixels.
    classifier : CellClassifier
        Names the cell. Maps can be had of networks in torch only.
    mpp : Mpp
        Micrometres per pixel of level 0.
    class_code : str, optional
        The class that the maps are of; the likeliest if left out.
    background : ndarray of float32, shape (3,), optional
        Colour of the slide's background; estimated if left out.
    maps : bool
        Whether to make the maps, which take the longest; `with_maps` makes them later.

    Raises
    ------
    UnreadableRegionError
        If a part of the cell cannot be read.
    """
    boxes = np.asarray(box, np.int32).reshape(1, 4)
    spec = classifier.spec
    if background is None:
        background = estimate_background(slide, [Region(*boxes[0].tolist())])
    cut = cut_crops(slide, boxes, spec, mpp=mpp, background=background)
    if not cut.readable[0]:
        reason = "the picture of the cell is broken there"
        raise UnreadableRegionError(slide.name, Region(*boxes[0].tolist()), reason)
    raster = crop_raster(slide, spec, mpp)
    [window] = raster.windows(box_centres(boxes))
    probabilities = classifier.classify(cut.crops, batch_size=1).classes[0]
    members, kind = _members(classifier, cut.crops)
    top = np.argsort(-probabilities, kind="stable")[:N_TOP]
    seen = CellExplanation(
        crop=cut.crops[0],
        mpp=spec.mpp,
        box=raster.placed(boxes[0], window),
        probabilities=probabilities,
        top=tuple((CLASS_CODES[i], float(probabilities[i])) for i in top),
        members=members,
        member_kind=kind,
        disagreement=np.stack([members.min(axis=0), members.max(axis=0)], axis=1)[top],
        class_code=class_code or CLASS_CODES[top[0]],
    )
    return with_maps(seen, classifier) if maps else seen


def with_maps(
    seen: CellExplanation,
    classifier: CellClassifier,
    *,
    insight: Insight | None = None,
) -> CellExplanation:
    """Return an explanation with the maps of its class, or with why there are none.

    Parameters
    ----------
    seen : CellExplanation
        As `explain_cell` gives it.
    classifier, insight
        As for `explain_cell`.
    """
    from napari_deepheme.core.models.torch.insight import open_insight

    try:
        inside = insight or open_insight(classifier)
        return replace(
            seen,
            grad_cam=inside.grad_cam(seen.crop, seen.class_code),
            smooth_grad=inside.smooth_grad(seen.crop, seen.class_code),
        )
    except DeephemeError as error:
        # What the classifier says stands without the maps; the reason is shown.
        return replace(seen, no_maps=str(error))


def _members(
    classifier: CellClassifier, crops: npt.NDArray[np.uint8]
) -> tuple[npt.NDArray[np.float32], MemberKind]:
    of_each = getattr(classifier, "classify_members", None)
    if of_each is not None:
        given: npt.NDArray[np.float32] = of_each(crops, batch_size=1)[:, 0]
        if len(given) > 1:
            return given, "network"
    views = np.concatenate(mirrored_views(crops, _N_VIEWS))
    return classifier.classify(views, batch_size=_N_VIEWS).classes, "mirrored view"
