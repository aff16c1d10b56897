"""One loop that fits a network: schedule, averaged weights, checkpoints.

Every step draws its random numbers from the seed and its own number alone, so a run
that is killed and resumed ends as one that was not.
"""

from __future__ import annotations

import copy
import logging
import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from napari_deepheme.core.training.tensor_files import read_checkpoint, write_checkpoint

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torch import nn

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FitConfig:
    """Settings of a fit.

    Attributes
    ----------
    n_steps : int
        Batches in all.
    batch_size : int
        Pictures a batch.
    learning_rate : float
        Highest rate; it rises over the first twentieth and falls along a cosine.
    weight_decay : float
        Of AdamW.
    ema : float
        Decay of the averaged weights, which are the result.
    seed : int
        Of everything that is random.
    checkpoint_every : int
        Steps between two checkpoints and lines of progress.
    half : bool
        Whether to compute in bfloat16; networks of depthwise convolutions are quicker
        on a CPU without.
    head : str
        Beginning of the names of parameters that start from chance in a network that
        does not; they learn `head_rate` times as fast.
    head_rate : float
        See `head`.
    """

    n_steps: int
    batch_size: int = 128
    learning_rate: float = 3e-3
    weight_decay: float = 0.05
    ema: float = 0.998
    seed: int = 0
    checkpoint_every: int = 100
    half: bool = True
    head: str = ""
    head_rate: float = 1.0

    def __post_init__(self) -> None:
        """Refuse settings that fit nothing."""
        if self.n_steps < 1 or self.batch_size < 2:
            raise ValueError("a fit takes at least 1 step of 2 pictures")


def fit(
    network: nn.Module,
    draw: Callable[[np.random.Generator], tuple[torch.Tensor, torch.Tensor]],
    loss_of: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    config: FitConfig,
    *,
    checkpoint: Path,
) -> nn.Module:
    """Fit a network in place and return its averaged twin, in evaluation mode.

    Parameters
    ----------
    network : Module
        What to fit.
    draw : callable
        Gives a random batch of inputs and targets; its chance is the generator's and
        torch's.
    loss_of : callable
        Mean loss of outputs (float32) against targets, a scalar.
    config : FitConfig
        Settings.
    checkpoint : Path
        Where the state is kept; when it exists, the fit goes on from there.

    Raises
    ------
    TrainingError
        If the checkpoint is none of this fit.
    """
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    averaged = copy.deepcopy(network).requires_grad_(False)
    optimiser = _optimiser(network, config)
    state: dict[str, Any] = {
        "network": network,
        "averaged": averaged,
        "optimiser": optimiser,
    }
    first = _load(checkpoint, state)
    started, losses = time.monotonic(), []
    for step in range(first, config.n_steps):
        torch.manual_seed(config.seed * 1_000_003 + step)
        rng = np.random.default_rng((config.seed, step))
        for group in optimiser.param_groups:
            rate = config.learning_rate * group["rate"]
            group["lr"] = rate * _schedule(step / config.n_steps)
        network.train()
        inputs, targets = draw(rng)
        with torch.autocast("cpu", torch.bfloat16, enabled=config.half):
            outputs = network(inputs)
        loss = loss_of(outputs.float(), targets)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimiser.step()
        move_towards(averaged, network, 1 - min(config.ema, (1 + step) / (10 + step)))
        losses.append(float(loss.detach()))
        if (step + 1) % config.checkpoint_every == 0 or step + 1 == config.n_steps:
            _save(checkpoint, state, step + 1)
            rate = (step + 1 - first) / (time.monotonic() - started)
            _log.info(
                "step %d of %d, loss %.4f, %.0f s left",
                step + 1,
                config.n_steps,
                float(np.mean(losses)),
                (config.n_steps - step - 1) / rate,
            )
            losses.clear()
    return _as_able_to_learn(averaged, network).eval()


@torch.no_grad()
def move_towards(network: nn.Module, other: nn.Module, share: float) -> None:
    """Move all weights of a network a share of the way to those of another, in place.

    What is counted (the batches that a norm has seen) is the other's.
    """
    for value, goal in zip(
        network.state_dict().values(), other.state_dict().values(), strict=True
    ):
        if value.is_floating_point():
            value.lerp_(goal, share)
        else:
            value.copy_(goal)


def _as_able_to_learn(averaged: nn.Module, network: nn.Module) -> nn.Module:
    """Let the twin learn what the network does: another fit may start from it."""
    for mean, value in zip(averaged.parameters(), network.parameters(), strict=True):
        mean.requires_grad_(value.requires_grad)
    return averaged


def _schedule(done: float) -> float:
    if done < 0.05:
        return 0.05 + 0.95 * done / 0.05
    return 0.005 + 0.995 * 0.5 * (1 + math.cos(math.pi * (done - 0.05) / 0.95))


def _optimiser(network: nn.Module, config: FitConfig) -> torch.optim.Optimizer:
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        in_head = bool(config.head) and name.startswith(config.head)
        # Norms and biases are not decayed.
        groups.setdefault((in_head, parameter.ndim > 1), []).append(parameter)
    return torch.optim.AdamW(
        [
            {
                "params": parameters,
                "weight_decay": config.weight_decay if is_decayed else 0.0,
                "rate": config.head_rate if in_head else 1.0,
            }
            for (in_head, is_decayed), parameters in groups.items()
        ],
        lr=config.learning_rate,
    )


def _load(checkpoint: Path, state: dict[str, Any]) -> int:
    if not checkpoint.exists():
        return 0
    with read_checkpoint(checkpoint) as saved:
        for name, part in state.items():
            part.load_state_dict(saved[name])
        return int(saved["step"])


def _save(checkpoint: Path, state: dict[str, Any], step: int) -> None:
    saved = {name: part.state_dict() for name, part in state.items()}
    write_checkpoint(checkpoint, {**saved, "step": step})
