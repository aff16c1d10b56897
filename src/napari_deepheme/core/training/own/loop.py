"""The loop that fits a network to own data: looks, early stopping, snapshots, resume.

Every step draws its random numbers from the seed and its own number alone, and the
checkpoint holds all that later steps depend on, so a run that is killed and resumed
ends, on a CPU, with the very weights of one that was not.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Generator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch

from napari_deepheme.core.errors import OutOfMemoryError
from napari_deepheme.core.models.device_faults import device_faults_told
from napari_deepheme.core.models.torch.runner import reduced_precision
from napari_deepheme.core.training.progress import FitProgress
from napari_deepheme.core.training.tensor_files import read_checkpoint, write_checkpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from torch import nn

_log = logging.getLogger(__name__)

Weights = dict[str, torch.Tensor]

Fit = Generator[FitProgress, None, list[Weights]]
"""What `iter_loop` gives."""

_WARM_UP: Final = 0.05
"""Share of the first cycle over which the rate rises."""


@dataclass(frozen=True, slots=True)
class LoopConfig:
    """Settings of a loop.

    Attributes
    ----------
    n_steps : int
        Batches at most.
    learning_rate : float
        Highest rate; it falls along a cosine, once a cycle.
    n_cycles : int
        Cycles of the rate; at the end of each the weights are kept (Huang et al. 2017,
        "Snapshot ensembles"). With one, the best of all looks is kept instead.
    look_every : int
        Steps between two looks at the held-out data, and between checkpoints.
    patience : int
        Looks without an improvement after which the loop ends; with one cycle only.
    weight_decay : float
        Of AdamW.
    seed : int
        Of everything that is random.
    device : str
        As `runner.choose_device` returns it.
    """

    n_steps: int
    learning_rate: float
    n_cycles: int = 1
    look_every: int = 20
    patience: int = 8
    weight_decay: float = 0.0
    seed: int = 0
    device: str = "cpu"


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be learned.

    Attributes
    ----------
    draw : callable
        Gives the tensors of a batch on the CPU, a row a picture; its chance is the
        generator's and torch's.
    loss : callable
        Mean loss of a network on such tensors, on the network's device.
    look : callable
        Loss on the held-out data and the macro F1 there, None where there is none.
    ready : callable
        Puts a network into training, but for what is to stay as it is.
    """

    draw: Callable[[np.random.Generator], tuple[torch.Tensor, ...]]
    loss: Callable[[nn.Module, tuple[torch.Tensor, ...]], torch.Tensor]
    look: Callable[[nn.Module], tuple[float, float | None]]
    ready: Callable[[nn.Module], object]


@dataclass(slots=True)
class _State:
    """Where a loop is: all of it goes into the checkpoint."""

    step: int = 0
    best_loss: float = math.inf
    best_step: int = 0
    n_worse: int = 0
    best: Weights = field(default_factory=dict)
    members: list[Weights] = field(default_factory=list)
    largest_batch: int = 0
    finished: bool = False


def iter_loop(
    network: nn.Module,
    task: Task,
    config: LoopConfig,
    *,
    checkpoint: Path,
    digest: str = "",
) -> Fit:
    """Fit a network in place.

    Parameters
    ----------
    network : Module
        What to fit.
    task : Task
        What it learns.
    config : LoopConfig
        Settings.
    checkpoint : Path
        Where the state is kept; when it exists, the loop goes on from there. It is
        written at each look, and when the generator is closed.
    digest : str
        Of what the fit was begun with; a checkpoint of another is not gone on from.

    Yields
    ------
    FitProgress
        Of each step, so that it can be stopped there; of fold 0 of 1.

    Returns
    -------
    list of dict
        Weights, on the CPU: the best, or one a cycle.

    Raises
    ------
    TrainingError
        If the checkpoint is none of this loop.
    """
    run = _Run(network, task, config, checkpoint, digest)
    try:
        yield from run.steps()
    except GeneratorExit:
        run.save()
        raise
    state = run.state
    return state.members if config.n_cycles > 1 else [state.best]


def numbered(fit: Fit, run: int, n_runs: int, word: str) -> Fit:
    """Say of which network the progress is; return what the fit returns.

    Parameters
    ----------
    fit : generator
        As `iter_loop` gives it.
    run, n_runs : int
        Which network, from 0, and of how many.
    word : str
        What a network is called before its number; alone, it bears none.
    """
    while True:
        try:
            told = next(fit)
        except StopIteration as end:
            members: list[Weights] = end.value
            return members
        words = f"{word} {run + 1} of {n_runs}, " if n_runs > 1 else ""
        try:
            yield replace(told, fold=run, n_folds=n_runs, message=words + told.message)
        except GeneratorExit:
            fit.close()
            raise


class _Run:
    """A network, its optimiser, and how far they are."""

    def __init__(
        self,
        network: nn.Module,
        task: Task,
        config: LoopConfig,
        checkpoint: Path,
        digest: str,
    ) -> None:
        self._network = network.to(
            device=config.device,
            memory_format=torch.channels_last,  # type: ignore[call-overload]
        )
        self._task = task
        self._config = config
        self._checkpoint = checkpoint
        self._digest = digest
        learned = [p for p in network.parameters() if p.requires_grad]
        self._optimiser = torch.optim.AdamW(
            learned, lr=config.learning_rate, weight_decay=config.weight_decay
        )
        self._dtype = reduced_precision(config.device)
        self._scaler = torch.amp.GradScaler(
            "cuda", enabled=self._dtype == torch.float16
        )
        self.state = _State()
        if checkpoint.exists():
            self._load()

    def steps(self) -> Iterator[FitProgress]:
        """Go on to the end."""
        config, state = self._config, self.state
        if state.step == 0 and not state.best:
            # What it was started from is the one to beat.
            yield self._look(math.nan)
        losses: list[float] = []
        while not state.finished:
            losses.append(self._step(state.step))
            state.step += 1
            last = state.step == config.n_steps
            cycle_ends = state.step in _cycle_ends(config)
            if cycle_ends and config.n_cycles > 1:
                state.members.append(_weights(self._network))
            if last or cycle_ends or state.step % config.look_every == 0:
                yield self._look(float(np.mean(losses)))
                losses.clear()
            else:
                yield self._progress(float(np.mean(losses)))

    def save(self) -> None:
        """Write the checkpoint."""
        saved = {name: getattr(self.state, name) for name in _State.__slots__}
        saved["digest"] = self._digest
        saved["network"] = self._network.state_dict()
        saved["optimiser"] = self._optimiser.state_dict()
        saved["scaler"] = self._scaler.state_dict()
        write_checkpoint(self._checkpoint, saved)

    def _load(self) -> None:
        with read_checkpoint(self._checkpoint, device=self._config.device) as saved:
            # Earlier versions wrote none.
            if saved.pop("digest", self._digest) != self._digest:
                _log.info("%s is of another training: begun anew", self._checkpoint)
                return
            self._network.load_state_dict(saved.pop("network"))
            self._optimiser.load_state_dict(saved.pop("optimiser"))
            self._scaler.load_state_dict(saved.pop("scaler"))
            self.state = _state_of(saved)

    def _step(self, step: int) -> float:
        config = self._config
        torch.manual_seed(config.seed * 1_000_003 + step)
        rate = config.learning_rate * _schedule(step, config)
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        self._task.ready(self._network)
        batch = self._task.draw(np.random.default_rng((config.seed, step)))
        loss = self._backward(batch)
        self._scaler.unscale_(self._optimiser)
        torch.nn.utils.clip_grad_norm_(self._network.parameters(), 5.0)
        self._scaler.step(self._optimiser)
        self._scaler.update()
        return loss

    def _backward(self, batch: tuple[torch.Tensor, ...]) -> float:
        """Gather the gradients of a batch, in parts where memory is short."""
        n = len(batch[0])
        while True:
            size = self.state.largest_batch or n
            self._optimiser.zero_grad(set_to_none=True)
            try:
                with device_faults_told(self._config.device):
                    return sum(
                        self._backward_part(tuple(t[at : at + size] for t in batch), n)
                        for at in range(0, n, size)
                    )
            except OutOfMemoryError:
                if size == 1:
                    raise
            # Here, where the error no longer holds on to what the batch had taken.
            self.state.largest_batch = max(1, min(size, n) // 2)
            if self._config.device == "cuda":
                torch.cuda.empty_cache()
            _log.info("out of memory: going on with %d", self.state.largest_batch)

    def _backward_part(self, part: tuple[torch.Tensor, ...], n: int) -> float:
        device = self._config.device
        on_cuda = device == "cuda"
        moved = tuple(
            (t.pin_memory() if on_cuda else t).to(device, non_blocking=on_cuda)
            for t in part
        )
        with torch.autocast(device, self._dtype, enabled=self._dtype is not None):
            loss = self._task.loss(self._network, moved) * (len(part[0]) / n)
        self._scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        return float(loss.detach())

    def _look(self, loss: float) -> FitProgress:
        """Judge the network on what is held out, and keep it if it is the best."""
        config, state = self._config, self.state
        val_loss, val_f1 = self._task.look(self._network)
        if val_loss < state.best_loss or not state.best:
            state.best_loss, state.best_step = val_loss, state.step
            state.n_worse = 0
            state.best = _weights(self._network)
        else:
            state.n_worse += 1
        tired = config.n_cycles == 1 and state.n_worse >= config.patience
        state.finished = tired or state.step >= config.n_steps
        self.save()
        told = replace(self._progress(loss), val_loss=val_loss)
        ended = f", no better since step {state.best_step}" if tired else ""
        f1 = "" if val_f1 is None else f", F1 {val_f1:.3f}"
        words = f"{told.message}; held out: loss {val_loss:.4f}{f1}{ended}"
        return replace(told, message=words)

    def _progress(self, loss: float) -> FitProgress:
        step, n_steps = self.state.step, self._config.n_steps
        words = f"step {step} of {n_steps}"
        if loss == loss:
            words += f", loss {loss:.4f}"
        return FitProgress(0, 1, step, n_steps, loss, message=words)


def _state_of(saved: dict[str, Any]) -> _State:
    """Return what a checkpoint says of the loop, if it says just that."""
    kinds = {name: type(getattr(_State(), name)) for name in _State.__slots__}
    for name, value in saved.items():
        if type(value) is not kinds[name]:
            raise TypeError(f"{name} is no {kinds[name].__name__}")
    state = _State(**saved)
    if min(state.step, state.best_step, state.n_worse, state.largest_batch) < 0:
        raise ValueError("it counts below 0")
    values = [v for m in (state.best, *state.members) for v in m.values()]
    if not all(isinstance(value, torch.Tensor) for value in values):
        raise TypeError("its weights are no tensors")
    return state


def _weights(network: nn.Module) -> Weights:
    return {k: v.detach().cpu().clone() for k, v in network.state_dict().items()}


def _cycle_ends(config: LoopConfig) -> list[int]:
    n = config.n_cycles
    return [round((i + 1) * config.n_steps / n) for i in range(n)]


def _schedule(step: int, config: LoopConfig) -> float:
    """Return the share of the highest rate at a step."""
    start = 0
    for end in _cycle_ends(config):
        if step < end:
            break
        start = end
    done = (step - start) / max(1, end - start)
    if start == 0 and done < _WARM_UP:
        return (done + 1 / (end + 1)) / (_WARM_UP + 1 / (end + 1))
    return 0.5 * (1 + math.cos(math.pi * done)) + 0.005
