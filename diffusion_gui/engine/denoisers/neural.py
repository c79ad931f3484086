"""The denoiser of a trained `UNet`: level and caption told to it. Imports torch."""

from __future__ import annotations

import math

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

    return FromPrediction(
        predict, Prediction.EDM, Form.EDM, number=_told, sigma_data=network.config.sigma_data
    )


def _told(a: float, s: float) -> float:
    """Return c_noise = ln(sigma) / 4, sigma held within [SIGMA_MIN, SIGMA_MAX]."""
    lowest, highest = math.log(SIGMA_MIN) / 4, math.log(SIGMA_MAX) / 4
    return min(max(level_number(Form.EDM, a, s), lowest), highest)
