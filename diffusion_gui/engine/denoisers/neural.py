"""The denoiser of a trained `UNet`: level and caption told to it. Imports torch."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from diffusion_gui.engine.denoisers.network import Precision, prepared
from diffusion_gui.engine.denoisers.parametrisation import (
    Form,
    FromPrediction,
    Prediction,
    level_number,
)
from diffusion_gui.engine.denoisers.unet import UNet
from diffusion_gui.engine.denoisers.unet_config import SIGMA_MAX, SIGMA_MIN


def neural(
    network: UNet,
    device: torch.device,
    precision: Precision = Precision.FLOAT32,
    words: Tensor | None = None,
) -> FromPrediction:
    """Return D of the network, told `words` [1, W] (`unet.encode`) for every picture, or none."""
    call = prepared(network, device, precision)
    caption = None if words is None else words.to(device)

    def predict(x: Tensor, level: Tensor) -> Tensor:
        return call(x, level) if caption is None else call(x, level, caption.expand(len(x), -1))

    return _denoiser(network, predict)


class Both:
    """D told a caption and D told nothing, asked in one call of the network; a Denoiser of pairs.

    One batch of 2 B instead of two of B: the same estimates but for rounding, and less time.
    """

    def __init__(self, network: UNet, device: torch.device, words: Tensor):
        """Ask `network` on `device`, told `words` [1, W] (`unet.encode`), and told nothing."""
        self._call = prepared(network, device)
        self._words = torch.cat((words, torch.zeros_like(words))).to(device)  # [2, W]
        self._denoise = _denoiser(network, self._predict)

    def __call__(self, x: Tensor, a: float, s: float) -> Tensor:
        """Return both x0_hat [B, 2 C, H, W], the told one first, for x_t [B, C, H, W]."""
        return torch.cat(self._denoise(torch.cat((x, x)), a, s).chunk(2), dim=1)

    def _predict(self, x: Tensor, level: Tensor) -> Tensor:
        return self._call(x, level, self._words.repeat_interleave(len(x) // 2, dim=0))


def _denoiser(network: UNet, predict: Callable[[Tensor, Tensor], Tensor]) -> FromPrediction:
    return FromPrediction(
        predict, Prediction.EDM, Form.EDM, number=_told, sigma_data=network.config.sigma_data
    )


def _told(a: float, s: float) -> float:
    """Return c_noise = ln(sigma) / 4, sigma held within [SIGMA_MIN, SIGMA_MAX]."""
    lowest, highest = math.log(SIGMA_MIN) / 4, math.log(SIGMA_MAX) / 4
    if s <= 0.0:
        return lowest
    return min(max(level_number(Form.EDM, a, s), lowest), highest)
