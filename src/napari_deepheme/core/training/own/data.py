"""Own cells as a fit draws them: crops, right outputs, and cells to be kept as is."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import torch

from napari_deepheme.core.phantom import Stain, render_cell
from napari_deepheme.core.slide.background import WHITE_POINT
from napari_deepheme.core.taxonomy import CLASS_CODES
from napari_deepheme.core.training.cells.named import load_own_crops
from napari_deepheme.core.training.fitting.augment import AugmentConfig, augment
from napari_deepheme.core.training.own.network import target_rows
from napari_deepheme.core.wording import plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from napari_deepheme.core.models.cards.card import ModelCard
    from napari_deepheme.core.training.cells.manifest import LabelledCell

_OVERSAMPLING: Final = 1.5
"""Stored pixels per pixel of the input, so that a turned view stays sharp."""

N_RENDERED: Final = 8
"""Rendered cells of each class without own cells, to be kept as is."""


@dataclass(frozen=True, slots=True, eq=False)
class OwnData:
    """Cells with their pixels.

    Attributes
    ----------
    cells : list of LabelledCell
        Those that the model has an output for.
    stored : ndarray of uint8, shape (n, h, h, 3)
        Their crops, finer than the input: views are made of them.
    seen : ndarray of uint8, shape (n, size_px, size_px, 3)
        Their crops as the classifier sees them in use.
    targets : Tensor of bool, shape (n, channels)
        The right outputs.
    kept : ndarray of uint8, shape (m, h, h, 3)
        Crops of cells whose outputs are to stay as they were: the unnamed ones, then
        rendered ones.
    n_unnamed : int
        How many of these nobody has named.
    left_out : dict of str to int
        Named cells that the model has no output for, by word.
    """

    cells: list[LabelledCell]
    stored: npt.NDArray[np.uint8]
    seen: npt.NDArray[np.uint8]
    targets: torch.Tensor
    kept: npt.NDArray[np.uint8]
    n_unnamed: int
    left_out: dict[str, int]

    @classmethod
    def load(
        cls,
        cells: Sequence[LabelledCell],
        card: ModelCard,
        rendered: npt.NDArray[np.uint8] | None = None,
    ) -> OwnData:
        """Read the pictures of cells.

        Parameters
        ----------
        cells : sequence of LabelledCell
            Named and unnamed ones.
        card : ModelCard
            Of the network to be fitted.
        rendered : ndarray of uint8, optional
            What `render_absent` gives, to be kept as is like the unnamed cells; None
            where nothing is to be kept.
        """
        rows = target_rows(card, [cell.targets for cell in cells])
        named = rows.any(dim=1)
        chosen = [c for c, ok in zip(cells, named.tolist(), strict=True) if ok]
        others = [c for c, ok in zip(cells, named.tolist(), strict=True) if not ok]
        unnamed = [c for c in cells if not c.targets] if rendered is not None else []
        parts = [_stored(unnamed, card)]
        if rendered is not None:
            parts.append(rendered)
        return cls(
            chosen,
            _stored(chosen, card),
            load_own_crops(
                chosen, size_px=card.size_px, mpp=card.mpp, whitened=card.whitened
            ),
            rows[named],
            np.concatenate(parts),
            len(unnamed),
            dict(Counter("|".join(c.targets) for c in others if c.targets)),
        )

    @property
    def words_left_out(self) -> str:
        """Say how many named cells are left out, and why; empty for none."""
        if not self.left_out:
            return ""
        return (
            f"Left out: {self.counted_left_out}; a model with sigmoid outputs has none "
            "for what is none of the classes."
        )

    @property
    def counted_left_out(self) -> str:
        """Number of named cells that are left out, by word."""
        by_word = sorted(self.left_out.items())
        return ", ".join(f"{plural(n, 'cell')} of {word}" for word, n in by_word)

    def digest(self) -> str:
        """Return a hash of all that a fit learns from."""
        found = hashlib.sha256(self.stored.tobytes())
        found.update(self.kept.tobytes())
        found.update(self.targets.numpy().tobytes())
        for cell in self.cells:
            found.update(f"{cell.split}\n{cell.patient}\n".encode())
        return found.hexdigest()


@dataclass(frozen=True, slots=True, eq=False)
class BatchSource:
    """Draws batches of views.

    Attributes
    ----------
    data : OwnData
        The cells.
    rows : ndarray of int
        Those that are learned from.
    card : ModelCard
        Of the network.
    shares : ndarray of float, shape (len(rows),)
        How often each is drawn.
    n_named, n_kept : int
        Cells of each kind in a batch.
    stain : float
        Spread of the stain.
    """

    data: OwnData
    rows: npt.NDArray[np.intp]
    card: ModelCard
    shares: npt.NDArray[np.float64]
    n_named: int
    n_kept: int
    stain: float

    @classmethod
    def of(
        cls,
        data: OwnData,
        rows: npt.NDArray[np.intp],
        card: ModelCard,
        *,
        batch_size: int,
        stain: float,
    ) -> BatchSource:
        """Make a source whose classes are drawn by the square root of their size."""
        sets = ["|".join(data.cells[i].targets) for i in rows.tolist()]
        _, group, sizes = np.unique(sets, return_inverse=True, return_counts=True)
        weights = 1 / np.sqrt(sizes[group])
        n_kept = batch_size // 2 if len(data.kept) else 0
        return cls(
            data,
            rows,
            card,
            weights / weights.sum(),
            batch_size - n_kept,
            n_kept,
            stain,
        )

    def draw(self, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Give normalised views, and the right outputs: none for cells to be kept."""
        chosen = rng.choice(self.rows, self.n_named, p=self.shares)
        crops = self.data.stored[chosen]
        targets = self.data.targets[torch.from_numpy(chosen)]
        if self.n_kept:
            kept = rng.integers(len(self.data.kept), size=self.n_kept)
            crops = np.concatenate([crops, self.data.kept[kept]])
            nothing = torch.zeros(self.n_kept, targets.shape[1], dtype=torch.bool)
            targets = torch.cat([targets, nothing])
        views = augment(
            torch.from_numpy(crops),
            size_px=self.card.size_px,
            size_um=self.card.size_px * self.card.mpp,
            config=AugmentConfig(stain=self.stain),
        )
        mean = torch.tensor(self.card.mean).reshape(1, 3, 1, 1)
        std = torch.tensor(self.card.std).reshape(1, 3, 1, 1)
        views = ((views - mean) / std).contiguous(memory_format=torch.channels_last)
        return views, targets


def stored_px(card: ModelCard) -> int:
    """Return the side of the crops that views are made of."""
    return round(_OVERSAMPLING * card.size_px)


def render_absent(
    cells: Sequence[LabelledCell], card: ModelCard, *, seed: int
) -> npt.NDArray[np.uint8]:
    """Render some cells of each class of a model that no cell bears.

    Returns
    -------
    ndarray of uint8, shape (n, h, h, 3)
        RGB, each as large as `OwnData.stored` has them.
    """
    present = {code for cell in cells for code in cell.targets}
    absent = [code for code in card.class_codes if code not in present]
    return render_cells(absent, size_px=stored_px(card), mpp=_fine(card), seed=seed)


def render_cells(
    codes: Sequence[str], *, size_px: int, mpp: float, seed: int
) -> npt.NDArray[np.uint8]:
    """Render some cells of each class on bare glass.

    Returns
    -------
    ndarray of uint8, shape (n, size_px, size_px, 3)
        RGB, each cell in the centre.
    """
    crops = [np.empty((0, size_px, size_px, 3), np.uint8)]
    for code in codes:
        for i in range(N_RENDERED):
            rng = np.random.default_rng((seed, CLASS_CODES.index(code), i))
            crops.append(_rendered(code, size_px, mpp, rng)[None])
    return np.concatenate(crops)


def _rendered(
    code: str, size_px: int, mpp: float, rng: np.random.Generator
) -> npt.NDArray[np.uint8]:
    cell = render_cell(code, rng, mpp=mpp, stain=Stain.sample(rng))
    height, width = cell.mask.shape
    # On glass that is large enough, then cut.
    margin = max(height, width)
    glass = np.full((size_px + 2 * margin, size_px + 2 * margin, 3), WHITE_POINT)
    top = round(margin + size_px / 2 - cell.box.y - cell.box.height / 2)
    left = round(margin + size_px / 2 - cell.box.x - cell.box.width / 2)
    glass[top : top + height, left : left + width] *= np.exp(-cell.density)
    inner = glass[margin : margin + size_px, margin : margin + size_px]
    return inner.clip(0, 255).astype(np.uint8)


def _fine(card: ModelCard) -> float:
    return card.size_px * card.mpp / stored_px(card)


def _stored(cells: Sequence[LabelledCell], card: ModelCard) -> npt.NDArray[np.uint8]:
    return load_own_crops(
        cells, size_px=stored_px(card), mpp=_fine(card), whitened=card.whitened
    )
