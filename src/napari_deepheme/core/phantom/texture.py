"""Noise with a grain of known size, cut from sheets that are made once."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

SHEET_SIZE = 512
_STEPS_PER_OCTAVE = 4


def noise(
    rng: np.random.Generator, shape: tuple[int, int], scale_um: float, mpp: float
) -> npt.NDArray[np.float32]:
    """Return a window of smooth noise of mean 0 and deviation 1.

    Parameters
    ----------
    rng : numpy.random.Generator
        Chooses the window.
    shape : tuple of int
        Height and width in pixels.
    scale_um : float
        Radius of the grain (the sigma of the Gaussian that smooths it).
    mpp : float
        Micrometres per pixel.

    Returns
    -------
    ndarray of float32, shape (h, w)
    """
    sheet = noise_sheet(_sheet_key(scale_um / mpp))
    h, w = shape
    repeats = -(-max(h, w) // SHEET_SIZE)
    if repeats > 1:
        sheet = np.tile(sheet, (repeats, repeats))
    row, column, flip = rng.integers(
        0, (sheet.shape[0] - h + 1, sheet.shape[1] - w + 1, 8)
    )
    window = sheet[row : row + h, column : column + w]
    window = window[:: -1 if flip & 1 else 1, :: -1 if flip & 2 else 1]
    return window.T if flip & 4 and h == w else window


@lru_cache(maxsize=64)
def noise_sheet(key: int, size: int = SHEET_SIZE) -> npt.NDArray[np.float32]:
    """Return a sheet of noise that joins itself at its edges.

    Parameters
    ----------
    key : int
        Grain: its sigma is 2 ** (key / 4) pixels.
    size : int
        Side of the sheet, in pixels.

    Returns
    -------
    ndarray of float32, shape (size, size)
        Mean 0, deviation 1.
    """
    sigma = 2.0 ** (key / _STEPS_PER_OCTAVE)
    white = np.random.default_rng((7919, key + 64, size)).standard_normal((size, size))
    row = np.fft.fftfreq(size)[:, None]
    column = np.fft.rfftfreq(size)[None, :]
    low_pass = np.exp(-2 * (np.pi * sigma) ** 2 * (row**2 + column**2))
    low_pass[0, 0] = 0
    smooth = np.fft.irfft2(np.fft.rfft2(white) * low_pass, s=(size, size))
    sheet: npt.NDArray[np.float32] = (smooth / smooth.std()).astype(np.float32)
    sheet.setflags(write=False)
    return sheet


def _sheet_key(sigma_px: float) -> int:
    return round(_STEPS_PER_OCTAVE * float(np.log2(max(0.25, sigma_px))))
