"""The fastest way to compute a classifier here, measured once and remembered."""

from __future__ import annotations

import hashlib
import logging
import platform
import time
from dataclasses import replace
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

import orjson
import torch

from napari_deepheme.core.errors import (
    CannotWriteError,
    DeviceNotAvailableError,
    HomeNotKnownError,
    UnfitBackendError,
)
from napari_deepheme.core.files import atomic_file, check_regular, make_folder
from napari_deepheme.core.models.cache_folder import cache_folder
from napari_deepheme.core.models.compute import Compute, has_openvino
from napari_deepheme.core.models.measuring_cells import measuring_cells
from napari_deepheme.core.models.postprocess import closeness
from napari_deepheme.core.models.torch.runner import (
    available_devices,
    choose_device,
    plain_compute,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

    from napari_deepheme.core.models.cards.card import ModelCard
    from napari_deepheme.core.models.protocols import CellClassifier

_log = logging.getLogger(__name__)

_begun = logging.getLogger(f"{__name__}.begun")
"""Apart, so that what takes a while can be told without the figures behind it."""

_ROUNDS: Final = 3

_SECONDS: Final = 0.1
"""Time given to each candidate in each round, after a batch to warm up."""

_FAR: Final = 2
"""A way that takes so many times as long as another is measured once, not in turns."""

_ENOUGH: Final = 1.0
"""Seconds after which a way is measured no further; where two batches at once take
longer, one is measured."""

_LONG: Final = 3.0
"""Seconds of a first batch that are the measurement, though it is to warm up."""

_LONG_NAMING: Final = 30.0
"""Seconds of naming in single precision that are too long for all measuring cells."""

_PARTS: Final = 2
"""Of so many parts of the measuring cells one is named then: each cell in two views of
its four. Of these 288, 99 % are all but two, 99.5 % all but one."""

_BATCH: Final = 32

_ALIKE: Final = 0.99
"""Part of the measuring cells that a reduced precision must name as single does."""

_ALIKE_MENDED: Final = 0.995
"""The same in eight bits, and where close calls are computed again in single."""

_CLOSE_CALLS: Final = (0.9, 0.8, 0.7, 0.6, 0.5)
"""Which calls are close, as `Compute.close_call` has it: the first that suffices."""

_MOST_CLOSE: Final = 1 / 3
"""Part of the cells that may be computed twice; with more, single precision for all."""


def candidates(device: str = "auto", backend: str = "auto") -> list[Compute]:
    """Return the ways to compute that this machine has.

    Parameters
    ----------
    device : {"auto", "cpu", "cuda", "mps"}
        "auto": all that are there.
    backend : {"auto", "torch", "openvino"}
        "auto": all that are installed.

    Raises
    ------
    DeviceNotAvailableError
        If the machine has no such device, or the backend does not compute on it.
    """
    devices = available_devices() if device == "auto" else (choose_device(device),)
    ways = [plain_compute(word) for word in devices if backend != "openvino"]
    # Asked for by name, it is tried, so that what is missing is said.
    if "cpu" in devices and (
        backend == "openvino" or (backend == "auto" and has_openvino())
    ):
        plain = plain_compute("cpu")
        ways += [
            Compute("cpu", "openvino", precision, plain.n_threads)
            for precision in (plain.precision, "int8")
        ]
    if not ways:
        raise DeviceNotAvailableError(f"{device} for {backend}", ("auto", "cpu"))
    return ways


def choose_compute(
    card: ModelCard,
    load: Callable[[ModelCard, Compute], CellClassifier],
    *,
    device: str = "auto",
    backend: str = "auto",
) -> Compute:
    """Choose the fastest way to compute a classifier.

    Where there are several, each is measured for a third of a second on rendered cells,
    in turns, of an ensemble by its first member: the others are as quick. A reduced
    precision is taken where it names at least 99 % of them as single precision does (in
    eight bits 99.5 %), also where there is one way alone; else where that holds for
    99.5 % once close calls, of a third of the cells at most, are computed again in
    single precision, and the way is still the quickest with these. Where naming them
    all takes long, half of them are named. The outcome is remembered by machine,
    libraries and model, so that later runs take the same.

    Parameters
    ----------
    card : ModelCard
        The classifier.
    load : callable
        Makes a classifier of a card for a way to compute.
    device, backend : str
        As for `candidates`.

    Raises
    ------
    DeviceNotAvailableError
        As for `candidates`; of an ONNX classifier also if onnxruntime, as it is
        installed, does not compute on the device.
    UnfitBackendError
        If a backend is asked for that does not compute it.
    MissingExtraError
        If onnxruntime is needed and not installed.
    InvalidModelError
        If the weights do not fit the card.
    """
    if card.weights_format == "onnx":
        if backend != "auto":
            raise UnfitBackendError(card.name, backend)
        from napari_deepheme.core.models.onnx.runner import computes_on

        chosen = choose_device(device)
        if not computes_on(chosen):
            if device != "auto":
                words = f"{device} for onnxruntime"
                raise DeviceNotAvailableError(words, ("auto", "cpu"))
            chosen = "cpu"
        return Compute(chosen, "onnxruntime", "float32")
    ways = candidates(device, backend)
    if len(ways) == 1 and ways[0].precision == "float32":
        return ways[0]
    known, key = _remembered(), _key(card, ways)
    trusted = [replace(way, close_call=close) for way in ways for close in _CLOSE_CALLS]
    for way in (*ways, *(way.exact for way in ways), *trusted):
        if known.get(key) == way.to_json():
            return way
    _begun.info(
        "measuring the fastest way to compute %s, once on this machine", card.name
    )
    fastest = _measured(card, load, ways)
    _remember({**known, key: fastest.to_json()})
    return fastest


def _measured(
    card: ModelCard,
    load: Callable[[ModelCard, Compute], CellClassifier],
    ways: list[Compute],
) -> Compute:
    cells, n_members = measuring_cells(card.size_px), len(card.weights)
    member = replace(card, weights=card.weights[:1])
    loaded = {way: load(member, way) for way in ways}
    tried = {way: n_members * each for way, each in _timed(loaded, cells).items()}
    if n_members > 1:
        loaded.clear()
    for way, seconds in tried.items():
        _log.info("%s: %.0f crops/s", way, 1 / seconds)
    best: tuple[Compute, float] | None = None
    exact: dict[Compute, tuple[npt.NDArray[np.float32], float]] = {}
    for way, seconds in sorted(tried.items(), key=lambda pair: pair[1]):
        if best and seconds >= best[1]:
            break
        if way.precision == "float32":
            return way
        if way.exact not in exact:
            single = loaded.get(way.exact) or load(card, way.exact)
            exact[way.exact] = _named(single, cells, longest=_LONG_NAMING)
        given, exact_seconds = exact[way.exact]
        reduced, _ = _named(loaded.get(way) or load(card, way), cells[: len(given)])
        trusted, again = _kept_alike(way, given, reduced)
        whole = (
            exact_seconds if trusted == way.exact else seconds + again * exact_seconds
        )
        if best is None or whole < best[1]:
            best = trusted, whole
    assert best is not None, "there is at least one way"
    return best[0]


def _kept_alike(
    way: Compute,
    exact: npt.NDArray[np.float32],
    reduced: npt.NDArray[np.float32],
) -> tuple[Compute, float]:
    """Say how far a reduced precision is to be trusted, by what both make of cells.

    Beside it: the part of the cells that is computed again in single precision.
    """
    alike = exact.argmax(axis=1) == reduced.argmax(axis=1)
    _log.info(
        "%s names %.1f %% of cells as in single precision", way, alike.mean() * 100
    )
    if alike.mean() >= (_ALIKE_MENDED if way.precision == "int8" else _ALIKE):
        return way, 0.0
    near = closeness(reduced)
    for close_call in _CLOSE_CALLS:
        again = near > close_call
        if (alike | again).mean() >= _ALIKE_MENDED and again.mean() <= _MOST_CLOSE:
            return replace(way, close_call=close_call), float(again.mean())
    return way.exact, 1.0


def check_available(compute: Compute) -> None:
    """Refuse a way to compute that this machine does not have.

    Raises
    ------
    DeviceNotAvailableError
        If its device is not there.
    MissingExtraError
        If its backend is not installed.
    """
    if compute.device not in available_devices():
        raise DeviceNotAvailableError(compute.device, available_devices())
    if compute.backend == "openvino":
        from napari_deepheme.core.models.openvino.runner import import_openvino

        import_openvino()


def _timed(
    loaded: Mapping[Compute, CellClassifier], cells: npt.NDArray[np.uint8]
) -> dict[Compute, float]:
    """Tell how many seconds a crop takes by each way.

    They take turns, and a way's quickest batch counts: other programs that compute
    meanwhile slow down now one, now another.
    """
    best, spent = dict.fromkeys(loaded, float("inf")), dict.fromkeys(loaded, 0.0)
    crops = {}
    for way, classifier in loaded.items():
        crops[way] = cells[:_BATCH]
        seconds = _BATCH * _seconds_a_crop(classifier, crops[way])
        if seconds <= _LONG:
            # The first batch is also compiled for: it does not tell how quick they are.
            seconds = _BATCH * _seconds_a_crop(classifier, crops[way])
        if 2 * seconds < _ENOUGH:
            crops[way] = cells[: 2 * _BATCH]
            _seconds_a_crop(classifier, crops[way])
        else:
            best[way], spent[way] = seconds / _BATCH, seconds
    for number in range(_ROUNDS):
        least = min(best.values())
        for way, classifier in loaded.items():
            if spent[way] >= _ENOUGH or (number and best[way] > _FAR * least):
                continue
            started = time.perf_counter()
            while time.perf_counter() - started < _SECONDS:
                best[way] = min(best[way], _seconds_a_crop(classifier, crops[way]))
            spent[way] += time.perf_counter() - started
    return best


def _seconds_a_crop(classifier: CellClassifier, crops: npt.NDArray[np.uint8]) -> float:
    started = time.perf_counter()
    classifier.classify(crops, batch_size=_BATCH)
    return (time.perf_counter() - started) / len(crops)


def _named(
    classifier: CellClassifier,
    cells: npt.NDArray[np.uint8],
    *,
    longest: float = float("inf"),
) -> tuple[npt.NDArray[np.float32], float]:
    """Return the probabilities of cells, and the seconds that one took.

    Of one of `_PARTS` alone, where all cells would take longer.
    """
    if len(cells) * _seconds_a_crop(classifier, cells[:_BATCH]) > longest:
        cells = cells[: len(cells) // _PARTS]
    started = time.perf_counter()
    classes = classifier.classify(cells, batch_size=_BATCH).classes
    return classes, (time.perf_counter() - started) / len(cells)


def _key(card: ModelCard, ways: list[Compute]) -> str:
    facts = [
        platform.node(),
        platform.machine(),
        version("napari-deepheme"),
        torch.__version__,
        card.facts,
        *(w.sha256 or str(w.path) for w in card.weights),
        *(str(way.to_json()) for way in ways),
    ]
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:20]


def _path() -> Path:
    return cache_folder() / "fastest.json"


def _remembered() -> dict[str, Any]:
    try:
        check_regular(_path())
        stored = orjson.loads(_path().read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return {}
    return stored if isinstance(stored, dict) else {}


def _remember(known: dict[str, Any]) -> None:
    try:
        make_folder(_path().parent)
        with atomic_file(_path()) as stream:
            stream.write(orjson.dumps(known, option=orjson.OPT_INDENT_2))
    except (CannotWriteError, HomeNotKnownError) as error:
        _log.info("cannot remember what is fastest: %s", error)
