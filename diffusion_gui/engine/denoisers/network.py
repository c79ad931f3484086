"""How a network is called: where it lies in memory and in which numbers it works. Imports torch.

For networks only. What follows from a closed form stays in float32 and float64: there the small
differences that half precision loses decide which image is meant.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from enum import StrEnum

import torch
from torch import Tensor, nn

from diffusion_gui.engine.denoisers.base import Denoiser


class Precision(StrEnum):
    """The numbers that a network's products are made in; it takes and gives float32."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"
    """The range of float32 with 8 binary digits: needs no care, on GPUs since 2020."""
    FLOAT16 = "float16"
    """11 binary digits, but nothing above 65,504: for older GPUs and Apple's."""


def prepared(
    network: nn.Module, device: torch.device, precision: Precision = Precision.FLOAT32
) -> Callable[..., Tensor]:
    """Return network(x [B, C, H, W], level [B], ...) -> [B, C, H, W], for `FromPrediction`.

    What follows the level is given to the network as it is, on its device. The network is moved
    to `device` for good, out of training, its convolutions channels-last, which is
    the order that tensor cores and CPUs multiply in. Below float32 its products run under autocast
    and the prediction is made float32 again.
    """
    network = network.to(device).to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    dtype = dtype_of(precision)

    @torch.no_grad()
    def predict(x: Tensor, level: Tensor, *told: Tensor) -> Tensor:
        there = x.to(device).contiguous(memory_format=torch.channels_last)
        with torch.autocast(device.type, dtype) if dtype is not None else nullcontext():
            found: Tensor = network(there, level.to(device), *told)
        return found.to(x.dtype).contiguous()

    return predict


class InPrecision:
    """A denoiser whose network makes its products in `precision`; a Denoiser.

    What is computed around the network stays in the numbers that it is given in.
    """

    def __init__(self, denoise: Denoiser, device: torch.device, precision: Precision):
        self._denoise = denoise
        self._device, self._dtype = device, dtype_of(precision)

    def __call__(self, x: Tensor, a: float, s: float) -> Tensor:
        """Return x0_hat for x_t [B, C, H, W] at level (a, s), as the denoiser does."""
        with torch.autocast(self._device.type, self._dtype, enabled=self._dtype is not None):
            return self._denoise(x, a, s)


def dtype_of(precision: Precision) -> torch.dtype | None:
    """Return the type that autocast shall make products in; None for float32, without autocast."""
    return {Precision.BFLOAT16: torch.bfloat16, Precision.FLOAT16: torch.float16}.get(precision)
