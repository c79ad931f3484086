"""A U-Net and a training small enough to be taken many steps in a test."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from diffusion_gui.engine.denoisers.network import Precision
from diffusion_gui.engine.denoisers.unet import UNet
from diffusion_gui.engine.denoisers.unet_config import UNetConfig
from diffusion_gui.engine.training.data import PictureSet
from diffusion_gui.engine.training.options import TrainOptions
from diffusion_gui.engine.training.trainer import Trainer

CPU = torch.device("cpu")
SHAPE = UNetConfig(size=8, widths=(16, 16), depth=1, embedding=16)
OPTIONS = TrainOptions(batch=8, warmup=5, learning_rate=2e-3)


def lively(config: UNetConfig) -> UNet:
    """Return a network in which no layer begins with zeros, out of training."""
    torch.manual_seed(5)
    network = UNet(config)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.reset_parameters()
    return network.eval()


def flats(count: int = 6, size: int = 8) -> PictureSet:
    """Return pictures of one colour each, called "colour 0", "colour 1", ..."""
    colours = np.random.default_rng(3).integers(0, 256, (count, 1, 1, 3), np.uint8)
    pixels = np.broadcast_to(colours, (count, size, size, 3)).copy()
    return PictureSet.of(pixels, [f"colour {number}" for number in range(count)])


def training(
    options: TrainOptions = OPTIONS,
    sigmas: Tensor | None = None,
    config: UNetConfig = SHAPE,
    precision: Precision | None = Precision.FLOAT32,
) -> Trainer:
    """Return a training of the flat pictures at its beginning."""
    return Trainer(flats(), config, options, CPU, sigmas, precision)


def without_chance(config: UNetConfig = SHAPE) -> UNetConfig:
    """Return the shape without dropped channels."""
    return replace(config, dropout=0.0)
