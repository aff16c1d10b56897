"""Random views of cells, a batch at a time: geometry, stain, focus, noise, ring."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch.nn import functional as F


@dataclass(frozen=True, slots=True)
class AugmentConfig:
    """How far a view may stray.

    Attributes
    ----------
    max_zoom : float
        Largest factor by which a view is enlarged or shrunk.
    max_shift_um : float
        Largest shift of the centre, a side.
    max_shear : float
        Largest shear.
    stain : float
        Spread of the 3 x 3 matrix that mixes the channels' optical densities.
    background : float
        Spread of the background's colour, a channel.
    max_blur_px : float
        Largest sigma of the blur.
    noise : float
        Largest standard deviation of the noise, of 255.
    ring : float
        Chance that what lies beyond the cell is another picture's.
    """

    max_zoom: float = 1.2
    max_shift_um: float = 1.6
    max_shear: float = 0.1
    stain: float = 0.12
    background: float = 0.05
    max_blur_px: float = 1.4
    noise: float = 5.0
    ring: float = 0.4


def augment(
    crops: torch.Tensor, *, size_px: int, size_um: float, config: AugmentConfig
) -> torch.Tensor:
    """Give a random view of each crop.

    Parameters
    ----------
    crops : Tensor of uint8, shape (n, h, h, 3)
        Whitened RGB, `size_um` wide.
    size_px : int
        Side of the view.
    size_um : float
        Field of the crop and of an unzoomed view, in micrometres.
    config : AugmentConfig
        How far views stray.

    Returns
    -------
    Tensor of float32, shape (n, 3, size_px, size_px)
        In [0, 1].
    """
    images = crops.permute(0, 3, 1, 2).float().div_(255)
    images = _swap_ring(images, config.ring)
    views = _warp(images, size_px, size_um, config)
    views = jitter_stain(views, stain=config.stain, background=config.background)
    views = random_blur(views, config.max_blur_px)
    sigma = torch.rand(len(views), 1, 1, 1) * config.noise / 255
    return (views + torch.randn_like(views) * sigma).clamp_(0, 1)


def jitter_stain(
    images: torch.Tensor, *, stain: float, background: float
) -> torch.Tensor:
    """Mix the optical densities of the channels and tint the background, by picture."""
    n = len(images)
    density = -torch.log(images.clamp(1 / 255, 1))
    mix = torch.eye(3) + stain * torch.randn(n, 3, 3)
    strength = torch.exp(0.25 * torch.randn(n, 1, 1))
    mixed = torch.einsum("nij,njhw->nihw", mix * strength, density)
    light = torch.randn(n, 3, 1, 1) + 1.5 * torch.randn(n, 1, 1, 1)
    tint = torch.exp(background * light)
    return (torch.exp(-mixed) * tint).clamp_(0, 1)


def recolour_red_cells(images: torch.Tensor, chance: float) -> torch.Tensor:
    """Give red cells another colour and strength, by picture; nuclei stay as they are.

    Haemoglobin takes blue light about as well as green, the stain of nuclei does not:
    this tells the two apart pixel by pixel.

    Parameters
    ----------
    images : Tensor of float32, shape (n, 3, h, w)
        Whitened RGB in [0, 1].
    chance : float
        Share of the pictures that are changed.
    """
    n = len(images)
    density = -torch.log((images / 0.94).clamp(1 / 255, 1))
    green, blue = density[:, 1:2], density[:, 2:3]
    red_cell = torch.sigmoid((blue / (green + 0.02) - 0.62) * 14)
    red_cell = red_cell * torch.sigmoid((0.75 - green) * 12)
    red_cell = red_cell * torch.sigmoid((green - 0.06) * 60)
    red_cell = red_cell * (torch.rand(n, 1, 1, 1) < chance)
    strength = torch.exp(-0.5 + 1.5 * torch.rand(n, 1, 1, 1))
    tint = torch.exp(0.28 * torch.randn(n, 3, 1, 1))
    changed = density * (1 + red_cell * (strength * tint - 1))
    # Where nothing is changed, pixels brighter than the white point stay so too.
    return torch.where(red_cell > 1e-3, 0.94 * torch.exp(-changed), images)


def random_blur(images: torch.Tensor, max_sigma_px: float) -> torch.Tensor:
    """Blur half of the batch, all by one sigma a call."""
    chosen = torch.rand(len(images)) < 0.5
    sigma = float(torch.rand(())) * max_sigma_px
    if sigma < 0.3 or not bool(chosen.any()):
        return images
    radius = math.ceil(2.5 * sigma)
    taps = torch.exp(-0.5 * (torch.arange(-radius, radius + 1) / sigma) ** 2)
    taps = (taps / taps.sum()).repeat(3, 1)
    blurred = images[chosen]
    padded = F.pad(blurred, (radius, radius, radius, radius), mode="reflect")
    across = F.conv2d(padded, taps[:, None, None, :], groups=3)
    images = images.clone()
    images[chosen] = F.conv2d(across, taps[:, None, :, None], groups=3)
    return images


def _warp(
    images: torch.Tensor, size_px: int, size_um: float, config: AugmentConfig
) -> torch.Tensor:
    n = len(images)
    angle = torch.rand(n) * 2 * math.pi
    zoom = torch.exp((2 * torch.rand(n) - 1) * math.log(config.max_zoom))
    flip = torch.where(torch.rand(n) < 0.5, -1.0, 1.0)
    shear = (2 * torch.rand(n) - 1) * config.max_shear
    cos, sin = torch.cos(angle) / zoom, torch.sin(angle) / zoom
    theta = torch.zeros(n, 2, 3)
    theta[:, 0, 0], theta[:, 0, 1] = cos * flip, -sin + shear
    theta[:, 1, 0], theta[:, 1, 1] = sin * flip, cos
    theta[:, :, 2] = (2 * torch.rand(n, 2) - 1) * 2 * config.max_shift_um / size_um
    grid = F.affine_grid(theta, [n, 3, size_px, size_px], align_corners=False)
    return F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)


def _swap_ring(images: torch.Tensor, chance: float) -> torch.Tensor:
    """Give some pictures the surroundings of another, beyond a soft circle."""
    n, _, height, width = images.shape
    y = torch.linspace(-1, 1, height)[:, None]
    x = torch.linspace(-1, 1, width)[None, :]
    radius = torch.sqrt(x * x + y * y)
    inner = 0.72 + 0.2 * torch.rand(n, 1, 1, 1)
    keep = torch.sigmoid((inner - radius) * 25)
    keep = torch.where(torch.rand(n, 1, 1, 1) < chance, keep, torch.ones(()))
    other = images[torch.randperm(n)]
    return images * keep + other * (1 - keep)
