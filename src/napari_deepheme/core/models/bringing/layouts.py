"""The layouts in which DeepHeme's weights are passed on, told by their names alone.

All are ResNeXt-50 32x4d. In the original, ``pretrained.*`` holds torchvision's network
with its 1000 outputs, and ``my_new_layers`` or ``classifier`` two layers behind it. The
retraining by Lightning holds ``model.*``, whose `fc` gives the classes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import torch

from napari_deepheme.core.errors import InvalidModelError
from napari_deepheme.core.models.networks.resnext import ResNeXt50
from napari_deepheme.core.models.torch.weights import check_variance
from napari_deepheme.core.taxonomy import CLASS_CODES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_deepheme.core.models.cards.card import Activation

RGB = tuple[float, float, float]

NORMALISATIONS: Final[dict[str, tuple[RGB, RGB]]] = {
    "deployed": ((0.5594, 0.4984, 0.6937), (0.2701, 0.2835, 0.2176)),
    "training": ((0.5642, 0.5026, 0.6960), (0.2724, 0.2838, 0.2167)),
    "none": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
}
"""Mean and standard deviation of red, green and blue that DeepHeme's code states."""

MPP: Final = 0.2298

SIZE_PX: Final = 96


@dataclass(frozen=True, slots=True)
class Layout:
    """One way in which the weights are laid out.

    Attributes
    ----------
    title : str
        What it is, for people.
    n_features : int
        Outputs of `fc` before two further layers; 0 where there are none.
    normalisation : str
        Key of `NORMALISATIONS` that belongs to it.
    activation : {"softmax", "sigmoid"}
        What makes probabilities of its outputs.
    """

    title: str
    n_features: int
    normalisation: str
    activation: Activation


ORIGINAL: Final = Layout("the original DeepHeme layout", 1000, "deployed", "sigmoid")

RETRAINED: Final = Layout("the Lightning layout of DeepHeme", 0, "none", "softmax")

_WRAPPERS: Final = ("module.", "_orig_mod.", "model.")
"""What DataParallel, torch.compile and Lightning put before the names."""

_HEAD: Final = re.compile(r"^(?:my_new_layers|classifier)\.([02])\.")

_COUNTER: Final = "num_batches_tracked"

_PRECISIONS: Final = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def recognise(
    file: str, state: Mapping[str, torch.Tensor]
) -> tuple[Layout, dict[str, torch.Tensor]]:
    """Tell the layout of a state dict and give its tensors the names of `ResNeXt50`.

    Parameters
    ----------
    file : str
        Named in errors.
    state : mapping of str to Tensor
        As read from the file.

    Returns
    -------
    layout : Layout
        Which it is.
    tensors : dict of str to Tensor
        Fit for ``ResNeXt50(23, n_features=layout.n_features)``, in its order and of
        the precision they had; counters of batches, which only training reads, are 0.

    Raises
    ------
    InvalidModelError
        If it is none of the layouts, a name or shape differs, it has two heads, or the
        network lies in it twice.
    """
    bare = _unwrapped(file, state)
    if any(name.startswith("pretrained.") for name in bare):
        layout = ORIGINAL
        _refuse_two_heads(file, bare)
        bare = {_HEAD.sub(r"head.\1.", k): v for k, v in bare.items()}
        bare = {k.removeprefix("pretrained."): v for k, v in bare.items()}
    elif "conv1.weight" in bare:
        layout = RETRAINED
    else:
        raise InvalidModelError(file, _unknown(state))
    return layout, _checked(file, layout, bare)


def _refuse_two_heads(file: str, bare: Mapping[str, torch.Tensor]) -> None:
    heads = sorted({name.split(".")[0] for name in bare if _HEAD.match(name)})
    if len(heads) > 1:
        reason = (
            f"expected one head; found {' and '.join(heads)}: save it without the one "
            "that is not used"
        )
        raise InvalidModelError(file, reason)


def _unwrapped(file: str, state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    bare = dict(state)
    while True:
        for prefix in _WRAPPERS:
            inner = {
                name.removeprefix(prefix): value
                for name, value in bare.items()
                if name.startswith(prefix)
            }
            # Beside a Lightning model lie its loss and its metrics.
            if inner and (prefix == "model." or len(inner) == len(bare)):
                _refuse_copy(file, prefix, set(bare), set(inner))
                bare = inner
                break
        else:
            return bare


def _refuse_copy(file: str, prefix: str, names: set[str], inner: set[str]) -> None:
    """Refuse to take one of two networks, such as weights and their moving average."""
    others = names - {prefix + name for name in inner}
    for name in sorted(n for n in others if n.endswith("conv1.weight"))[:1]:
        other = name.removesuffix("conv1.weight")
        words = f"{prefix}* and {other}*" if other else f"{prefix}* and {name}"
        reason = f"expected one network; found {words}: save the one to be used alone"
        raise InvalidModelError(file, reason)


def _unknown(state: Mapping[str, torch.Tensor]) -> str:
    found = f"found {len(state)} tensors"
    if state:
        strange = [n for n in state if not n.startswith((*_WRAPPERS, "pretrained."))]
        found += f", such as {(strange or list(state))[0][:60]!r}"
    return (
        "expected a DeepHeme state dict (names pretrained.*, module.pretrained.* or "
        f"model.conv1.*), or safetensors or ONNX with a card beside; {found}"
    )


def _checked(
    file: str, layout: Layout, bare: Mapping[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    n_classes = len(CLASS_CODES)
    with torch.device("meta"):
        wanted = ResNeXt50(n_classes, n_features=layout.n_features).state_dict()
    present = dict(bare)
    for name, value in wanted.items():
        if name.endswith(_COUNTER):
            present.setdefault(name, torch.zeros_like(value, device="cpu"))
    differences = _differences(wanted, present)
    if differences:
        more = len(differences) - 1
        raise InvalidModelError(
            file,
            f"expected ResNeXt-50 32x4d with {n_classes} classes, {len(wanted)} "
            f"tensors in {layout.title}; found {differences[0]}"
            + (f" and {more} more" if more else ""),
        )
    return {name: _plain(file, name, present[name]) for name in wanted}


def _differences(
    wanted: Mapping[str, torch.Tensor], present: Mapping[str, torch.Tensor]
) -> list[str]:
    """Word what differs, other shapes last: the last layer's tells the classes."""
    shapes = [
        f"{name} of shape {_shape(present[name])} instead of {_shape(value)}"
        for name, value in reversed(list(wanted.items()))
        if name in present and present[name].shape != value.shape
    ]
    missing = [f"no {name}" for name in wanted if name not in present]
    unknown = [f"an unknown {name[:60]}" for name in present if name not in wanted]
    return [*missing, *unknown, *shapes]


def _shape(tensor: torch.Tensor) -> str:
    return " x ".join(str(side) for side in tensor.shape) or "one number"


def _plain(file: str, name: str, tensor: torch.Tensor) -> torch.Tensor:
    """Return a tensor of the CPU that shares its memory with none."""
    if name.endswith(_COUNTER):
        # In half precision a long training is infinite.
        return torch.tensor(0)
    if tensor.is_meta or tensor.layout is not torch.strided:
        kind = "no numbers (device meta)" if tensor.is_meta else "a sparse tensor"
        reason = f"expected dense weights; {name} holds {kind}"
        raise InvalidModelError(file, reason)
    if tensor.dtype not in _PRECISIONS:
        reason = f"expected weights of 16, 32 or 64 bits; {name} holds {tensor.dtype}"
        raise InvalidModelError(file, reason)
    if tensor.dtype is torch.float64:
        tensor = tensor.float()
    if not bool(torch.isfinite(tensor).all()):
        reason = f"expected finite weights; {name} holds NaN or infinity"
        raise InvalidModelError(file, reason)
    check_variance(file, name, tensor)
    return tensor.detach().clone(memory_format=torch.contiguous_format)
