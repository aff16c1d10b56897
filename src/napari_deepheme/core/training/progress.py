"""How far a fit has come."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FitProgress:
    """How far a fit has come.

    Attributes
    ----------
    fold, n_folds : int
        Which network is fitted, from 0; how many there are.
    step, n_steps : int
        Batches done of this network, and at most.
    loss : float
        Mean loss since the last item.
    val_loss : float or None
        On the held-out cells, where this item follows a look at them.
    message : str
        A line for people.
    """

    fold: int
    n_folds: int
    step: int
    n_steps: int
    loss: float
    val_loss: float | None = None
    message: str = ""

    @property
    def share(self) -> float:
        """Share of the whole that is done, in [0, 1]; a fold may end early."""
        return (self.fold + self.step / max(1, self.n_steps)) / max(1, self.n_folds)
