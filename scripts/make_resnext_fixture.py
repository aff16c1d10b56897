"""Record what torchvision's resnext50_32x4d gives for weights anyone can make again.

Needs torch and torchvision beside each other, which need not be those of this package::

    cd tests/core/models/networks
    python ../../../../scripts/make_resnext_fixture.py resnext50_32x4d.json

The file holds the names and shapes of the state dict and the outputs for `weights_for`
and `pictures`. The test makes both again without torchvision.
"""

from __future__ import annotations

import json
import math
import sys
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt


def weights_for(name: str, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """Return numbers that depend on a tensor's name and shape alone.

    They are scaled so that signals neither die nor explode on their way.

    Parameters
    ----------
    name : str
        Its name in the state dict.
    shape : tuple of int
        Its shape.
    """
    # RandomState, since its numbers stay the same in every version of numpy.
    random = np.random.RandomState(zlib.crc32(name.encode()))
    spread = random.uniform(-1, 1, shape)
    if len(shape) > 1:
        values = spread * math.sqrt(6 / math.prod(shape[1:]))
        values *= 0.25 if name == "fc.weight" else 1.0
    elif name.endswith("running_var"):
        values = 1 + spread / 2
    elif name.endswith("weight"):
        values = (0.2 if ".bn3." in name else 1.0) * (1 + spread / 4)
    else:
        values = spread / 20
    return values.astype(np.float32)


def pictures() -> npt.NDArray[np.float32]:
    """Return two pictures, coarse patches under fine noise, shape (2, 3, 96, 96)."""
    random = np.random.RandomState(1)
    patches = random.uniform(-1, 1, (2, 3, 6, 6)).repeat(16, axis=2).repeat(16, axis=3)
    noise = random.uniform(-1, 1, (2, 3, 96, 96))
    return (patches + noise / 2).astype(np.float32)


def main() -> None:
    """Write the file that the first argument names."""
    import torch
    import torchvision

    network = torchvision.models.resnext50_32x4d().eval()
    shapes = {k: tuple(v.shape) for k, v in network.state_dict().items()}
    network.load_state_dict(
        {
            name: torch.tensor(0)
            if name.endswith("num_batches_tracked")
            else torch.from_numpy(weights_for(name, shape))
            for name, shape in shapes.items()
        }
    )
    with torch.inference_mode():
        outputs = network(torch.from_numpy(pictures()))
    content = {
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "shapes": {name: list(shape) for name, shape in shapes.items()},
        "outputs": [[round(v, 7) for v in row] for row in outputs.tolist()],
    }
    Path(sys.argv[1]).write_text(json.dumps(content, indent=0) + "\n")


if __name__ == "__main__":
    main()
