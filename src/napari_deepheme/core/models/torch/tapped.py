"""A network whose inner values can be had: its last map and its last linear layer."""

from __future__ import annotations

import copy
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from napari_deepheme.core.errors import NotExplainableError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_deepheme.core.models.cards.card import ModelCard


class TappedNetwork:
    """A twin of a network that keeps what passes through it.

    The twin has modules of its own and the weights of the original, so that a run on
    another thread neither sees nor disturbs it. What passes through it on a thread is
    kept for that thread, and no longer than for a call: tensors that a thread of Qt's
    still holds when it ends are freed without the interpreter's lock, and crash it.

    Parameters
    ----------
    network : Module
        Maps (n, 3, h, w) to (n, outputs).
    card : ModelCard
        Says how large its pictures are.

    Raises
    ------
    NotExplainableError
        If nothing in it is a map of at least 2 x 2 fields, or no layer is linear.
    """

    def __init__(self, network: nn.Module, card: ModelCard) -> None:
        tensors = (*network.parameters(), *network.buffers())
        self._twin = copy.deepcopy(network, {id(t): t for t in tensors}).eval()
        self._threads = threading.local()
        map_module, linear = self._find(card)
        map_module.register_forward_hook(self._keep_maps)
        linear.register_forward_pre_hook(self._keep_features)

    def as_features(self) -> nn.Module:
        """Return a network that gives what the last linear layer takes, (n, d)."""
        return _Features(self)

    def features(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return what the last linear layer takes, shape (n, d)."""
        with self._keeping() as kept:
            self._twin(pixels)
            return kept["features"]

    def maps_and_slope(
        self, pixels: torch.Tensor, channel: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the last maps, (n, c, h, w), and an output's slope along them."""
        with torch.enable_grad(), self._keeping() as kept:
            output = self._twin(pixels.clone().requires_grad_())[:, channel].sum()
            (slope,) = torch.autograd.grad(output, kept["maps"])
            return kept["maps"].detach(), slope

    def slope(self, pixels: torch.Tensor, channel: int) -> torch.Tensor:
        """Return an output's slope along the pixels, of their shape."""
        with torch.enable_grad(), self._keeping():
            pixels = pixels.detach().clone().requires_grad_()
            output = self._twin(pixels)[:, channel].sum()
            (slope,) = torch.autograd.grad(output, pixels)
        return slope

    @contextmanager
    def _keeping(self) -> Iterator[dict[str, torch.Tensor]]:
        """Keep what passes through on this thread, until the block ends."""
        kept = self._threads.kept = {}
        try:
            yield kept
        finally:
            del self._threads.kept
            kept.clear()

    def _find(self, card: ModelCard) -> tuple[nn.Module, nn.Module]:
        """Return the modules that give the last maps and take the last features."""
        maps: list[nn.Module] = []
        linears: list[nn.Module] = []

        def note(module: nn.Module, _: Any, output: Any) -> None:
            if isinstance(module, nn.Linear):
                linears.append(module)
            elif isinstance(output, torch.Tensor) and _is_map(output):
                maps.append(module)

        handles = [m.register_forward_hook(note) for m in self._twin.modules()]
        where = next((p.device for p in self._twin.parameters()), torch.device("cpu"))
        with torch.inference_mode():
            self._twin(torch.zeros(1, 3, card.size_px, card.size_px, device=where))
        for handle in handles:
            handle.remove()
        if not maps or not linears:
            missing = "map of features" if not maps else "linear layer"
            raise NotExplainableError(card.name, f"its network has no {missing}")
        return maps[-1], linears[-1]

    def _keep_maps(self, module: nn.Module, given: Any, output: torch.Tensor) -> None:
        self._threads.kept["maps"] = output

    def _keep_features(self, module: nn.Module, given: tuple[torch.Tensor]) -> None:
        self._threads.kept["features"] = given[0]


class _Features(nn.Module):
    """Gives the features as its output, for a runner to compute them in batches."""

    def __init__(self, tapped: TappedNetwork) -> None:
        super().__init__()
        self.twin = tapped._twin
        self._tapped = [tapped]

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self._tapped[0].features(pixels)


def _is_map(output: torch.Tensor) -> bool:
    return output.ndim == 4 and min(output.shape[2:]) > 1
