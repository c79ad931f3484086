"""How large a patch the local denoiser looks at, read off the images' power spectrum.

At noise sigma the best linear shift-invariant denoiser is the Wiener filter P_f / (P_f + sigma^2);
beyond the support of its kernel pixels say nothing about the centre, so a patch need not be larger.
Trained convolutional networks come to nearly the same sizes (Kamb & Ganguli 2024,
arXiv:2412.20292, their fitted scales). Imports torch.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

_SUPPORT = 0.05
"""A pixel belongs to the kernel's support if its weight is above this part of the peak."""
_CHUNK_VALUES = 1 << 20
"""Values of the set transformed at once; the caller may cancel between two."""


def power_spectrum(images: Tensor, poll: Callable[[], None] = lambda: None) -> Tensor:
    """Return the mean power per frequency [H, W] of `images` [N, C, H, W], float64.

    `poll` is called between pieces of work and may raise.

    The mean image and every picture's mean colour are taken out: a background that all share, or
    an even tint, would look like a correlation over the whole picture. The power at frequency 0
    is that of its neighbours.
    """
    count, _, height, width = images.shape
    power = torch.zeros(height, width, dtype=torch.float64, device=images.device)
    mean = images.mean(dim=0)
    for part in images.split(max(1, _CHUNK_VALUES // images[0].numel())):
        poll()
        varied = part - mean
        varied = varied - varied.mean(dim=(2, 3), keepdim=True)
        spectrum = torch.fft.fft2(varied, norm="ortho")
        power += (spectrum.real.square() + spectrum.imag.square()).mean(dim=1).double().sum(dim=0)
    power /= count
    power[0, 0] = 0.5 * (power[0, 1 % width] + power[1 % height, 0])
    return power


def patch_size(power: Tensor, sigma: float) -> int:
    """Return the odd side P of the patch for noise `sigma`, 3 <= P <= 2 max(H, W) - 1.

    P is the diameter of the disc with as many pixels as the Wiener kernel has above 5 % of its
    peak, rounded to the nearest odd number. (The kernel's extent along an axis gives the same
    for a bare 1 / f^2 spectrum, but is at the mercy of long faint tails in real sets.)
    """
    largest = 2 * max(power.shape) - 1
    if not math.isfinite(sigma) or not bool((power > 0.0).any()):
        return largest
    kernel = torch.fft.ifft2(power / (power + sigma**2)).real
    area = int((kernel > _SUPPORT * kernel[0, 0]).sum())
    if area >= kernel.numel():
        return largest
    diameter = math.sqrt(4.0 * area / math.pi)
    return min(max(2 * round((diameter - 1.0) / 2.0) + 1, 3), largest)
