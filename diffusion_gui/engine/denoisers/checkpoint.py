"""A network from a checkpoint as a denoiser: its time, its pixels, its classes. Imports torch.

Everything here is exact: pictures in 0..1 are those in -1..1 at half the contrast, and grey ones
are the mean of three channels, whose noise has a third of the variance.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from diffusion_gui.engine.checkpoint_use import Clock, PixelRange, Use
from diffusion_gui.engine.denoisers.base import Denoiser
from diffusion_gui.engine.denoisers.network import Precision, prepared
from diffusion_gui.engine.denoisers.parametrisation import FromPrediction


def checkpoint(
    network: nn.Module,
    use: Use,
    channels: int,
    device: torch.device,
    told: Tensor | None = None,
    precision: Precision = Precision.FLOAT32,
) -> Denoiser:
    """Return D over RGB pictures in [-1, 1] of network(x, level [B], told [B]) -> [B, C, H, W].

    `told` [1] is the class of every picture, for networks that know classes. Raises EngineError
    where a picture of `use` cannot be.
    """
    use.check(channels)
    clock = Clock(use)
    call = prepared(network, device, precision)
    also = None if told is None else told.to(device)

    def predict(x: Tensor, level: Tensor) -> Tensor:
        found = call(x, level) if also is None else call(x, level, also.expand(len(x)))
        return found[:, :channels]

    own: Denoiser = FromPrediction(predict, use.prediction, clock.form, number=clock)
    if channels == 1:
        own = grey(own)
    if use.pixels is PixelRange.UNIT:
        own = unit(own)
    return clipped(own) if use.clip else own


def clipped(own: Callable[[Tensor, float, float], Tensor]) -> Denoiser:
    """Return D whose estimates are held within [-1, 1], where the pictures lie."""

    def denoise(x: Tensor, a: float, s: float) -> Tensor:
        return own(x, a, s).clamp(-1.0, 1.0)

    return denoise


def grey(own: Callable[[Tensor, float, float], Tensor]) -> Denoiser:
    """Return D of RGB pictures from that of grey ones [B, 1, H, W]; exact where pictures are grey.

    Of x = a g + s eps_c in three channels c the mean tells all of g: a g + s / sqrt(3) eps.
    """

    def denoise(x: Tensor, a: float, s: float) -> Tensor:
        found = own(x.mean(dim=1, keepdim=True), a, s / math.sqrt(3.0))
        return found.expand(-1, 3, -1, -1).contiguous()

    return denoise


def unit(own: Callable[[Tensor, float, float], Tensor]) -> Denoiser:
    """Return D of pictures in [-1, 1] from that of pictures in [0, 1]: y = (x + 1) / 2."""

    def denoise(x: Tensor, a: float, s: float) -> Tensor:
        return 2.0 * own(0.5 * (x + a), a, 0.5 * s) - 1.0

    return denoise
