"""A classifier of one's own: fine-tuned on cells that a user has named."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_deepheme.core.models.registry import DEFAULT_CLASSIFIER

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from napari_deepheme.core.training.manifest import LabelledCell
    from napari_deepheme.core.training.progress import FitProgress


@dataclass(frozen=True, slots=True)
class OwnFit:
    """Settings of a classifier's fit to own cells.

    Attributes
    ----------
    start_from : str or None
        Name or path of the classifier to go on from; None fits a `CropNet` anew.
    n_steps : int or None
        Batches at most, a fold; None takes a number that suits the cells.
    batch_size : int
        Pictures a batch.
    learning_rate : float or None
        Highest rate; None takes a low one to fine-tune, a higher one from scratch.
    n_folds : int
        Networks fitted on all parts of the cells but one, and averaged.
    n_snapshots : int
        Networks kept of each fold, one a cycle of the rate (Huang et al. 2017).
    patience : int
        Looks at the held-out cells without an improvement after which a fold ends;
        only where `n_snapshots` is 1.
    seed : int
        Of everything that is random, the split included.
    device : str
        "auto", "cpu", "cuda" or "mps".
    stain : float
        Spread of the stain in the views; see `augment.AugmentConfig`.
    frozen : {"auto", "none", "norms", "features"}
        What stays as it was: nothing, the statistics of the norms, or all but the
        last layer; "auto" keeps the norms' where there are fewer than 2,000 cells.
    """

    start_from: str | None = DEFAULT_CLASSIFIER
    n_steps: int | None = None
    batch_size: int = 64
    learning_rate: float | None = None
    n_folds: int = 1
    n_snapshots: int = 1
    patience: int = 8
    seed: int = 0
    device: str = "auto"
    stain: float = 0.12
    frozen: str = "auto"


def iter_classifier_training(
    cells: Sequence[LabelledCell],
    out: Path,
    name: str,
    config: OwnFit,
    *,
    overwrite: bool = False,
    command: str = "",
) -> Iterator[FitProgress]:
    """Fit a classifier to own cells; ends with ``out/NAME.json`` and its weights.

    A run that was broken off goes on where it was when it is called again with the
    same arguments. Close the generator to stop: what was done is kept. Read the result
    with ``ModelCard.read(out / f"{name}.json")`` after the last item.

    Parameters
    ----------
    cells : sequence of LabelledCell
        What `own_cells.read_own_cells` gives.
    out : Path
        Folder of checkpoints, weights and card.
    name : str
        Name of the model.
    config : OwnFit
        Settings.
    overwrite : bool
        Whether an unfinished run of other settings or cells is thrown away.
    command : str
        The command that says how to do it again, for the card.

    Yields
    ------
    FitProgress
        One a few steps.

    Raises
    ------
    TrainingError
        If the cells do not do, or an unfinished run with other settings lies there.
    ModelNotFoundError, InvalidModelError
        If the model to start from is none.
    """
    raise NotImplementedError
    yield


def held_out_cells(cells: Sequence[LabelledCell], config: OwnFit) -> list[LabelledCell]:
    """Return the cells that a fit with `config` never learns from.

    Those of split "test" where there are any, else those of "val"; where no split is
    given, the part that the fit holds out. With folds, all cells: each is judged by
    networks that did not see it only in the card's own figures.
    """
    raise NotImplementedError
