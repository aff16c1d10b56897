"""The stain of a slide: what each dye takes from the light, and how strongly it took.

Colours are optical densities to the base e for red, green and blue, so that dyes add
and a pixel is ``background * exp(-density)``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, Self

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

Dye = Literal[
    "chromatin",
    "heterochromatin",
    "basophilic",
    "ground_glass",
    "lilac",
    "pink",
    "polychromatic",
    "haemoglobin",
    "azurophil",
    "neutrophilic",
    "eosin",
    "violet",
    "nucleolus",
]
Rgb = tuple[float, float, float]

DYES: Final[dict[Dye, Rgb]] = {
    "chromatin": (0.46, 0.98, 0.24),
    "heterochromatin": (1.18, 1.86, 0.48),
    "basophilic": (0.88, 0.85, 0.24),
    "ground_glass": (0.42, 0.45, 0.21),
    "lilac": (0.24, 0.38, 0.17),
    "pink": (0.10, 0.22, 0.13),
    "polychromatic": (0.36, 0.42, 0.24),
    "haemoglobin": (0.24, 0.30, 0.29),
    "azurophil": (0.62, 1.30, 0.42),
    "neutrophilic": (0.26, 0.50, 0.24),
    "eosin": (0.20, 0.62, 0.54),
    "violet": (1.10, 1.70, 0.62),
    "nucleolus": (0.62, 0.80, 0.20),
}

# Methylene blue and azure B take the first group, eosin Y the second.
_AZURE: Final[frozenset[Dye]] = frozenset(
    {
        "chromatin",
        "heterochromatin",
        "basophilic",
        "ground_glass",
        "polychromatic",
        "azurophil",
        "violet",
        "nucleolus",
    }
)

_RUBY: Final = ((-0.06, 0.0, 0.0), (0.0, 0.14, 0.0), (0.0, 0.13, 0.08))
_BACKGROUNDS: Final[tuple[Rgb, ...]] = (
    (226, 224, 228),
    (238, 233, 236),
    (243, 236, 222),
    (248, 230, 212),
    (238, 234, 246),
    (206, 205, 208),
)


@dataclass(frozen=True, slots=True)
class Stain:
    """How one slide was stained and lit.

    Attributes
    ----------
    azure, eosin : float
        Strength of the blue and of the red dye; 1 is usual.
    matrix : tuple of three tuples of float
        Turns the usual densities into this slide's: its hue.
    background : tuple of float
        Red, green and blue of the empty glass, 0 to 255.
    haemoglobin : tuple of float
        Density of a red cell one unit thick, before the hue.
    """

    azure: float = 1.0
    eosin: float = 1.0
    matrix: tuple[Rgb, Rgb, Rgb] = ((1, 0, 0), (0, 1, 0), (0, 0, 1))
    background: Rgb = _BACKGROUNDS[0]
    haemoglobin: Rgb = DYES["haemoglobin"]

    @classmethod
    def sample(cls, rng: np.random.Generator, *, spread: float = 1.0) -> Self:
        """Draw the stain of a slide.

        Parameters
        ----------
        rng : numpy.random.Generator
            Source of chance.
        spread : float
            How far laboratories differ; 1 covers what is seen in practice.

        Examples
        --------
        >>> stain = Stain.sample(np.random.default_rng(1))
        >>> 0.4 < stain.azure < 2.0
        True
        """
        mixed = np.eye(3) + rng.normal(0, 0.045 * spread, (3, 3))
        mixed += np.diag(rng.normal(0, 0.07 * spread, 3))
        # From violet and grey to ruby and brown, as buffers and scanners differ.
        mixed += rng.uniform(-0.3, 1.0) * spread * np.array(_RUBY)
        background = np.array(_BACKGROUNDS[rng.integers(len(_BACKGROUNDS))])
        background = np.clip(
            background + rng.normal(0, 6 * spread) + rng.normal(0, 2.5 * spread, 3),
            150,
            254,
        )
        grey, red = rng.normal(0, 0.05 * spread), rng.normal(0.02, 0.05 * spread)
        usual = np.array(DYES["haemoglobin"])
        blood = np.clip(usual + grey + red * np.array([-1, 1, 0.5]), 0.05, None)
        return cls(
            azure=float(np.exp(rng.normal(0, 0.14 * spread))),
            eosin=float(np.exp(rng.normal(0, 0.2 * spread))),
            matrix=(_rgb(mixed[0]), _rgb(mixed[1]), _rgb(mixed[2])),
            background=_rgb(background),
            haemoglobin=_rgb(blood),
        )

    def density(self, dye: Dye) -> npt.NDArray[np.float32]:
        """Return what one unit of a dye takes from red, green and blue."""
        usual = self.haemoglobin if dye == "haemoglobin" else DYES[dye]
        strength = self.azure if dye in _AZURE else self.eosin
        mixed = np.array(self.matrix) @ np.array(usual) * strength
        return np.asarray(np.maximum(mixed, 0.01), np.float32)


def _rgb(values: npt.NDArray[np.float64]) -> Rgb:
    return float(values[0]), float(values[1]), float(values[2])
