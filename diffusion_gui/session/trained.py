"""A network as its training has it at a step, in memory. Imports torch where it is used."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from diffusion_gui.engine.denoisers.unet_config import (
    SIGMA_MAX,
    SIGMA_MIN,
    UNetConfig,
    parameters,
)
from diffusion_gui.engine.networks import About, Told

if TYPE_CHECKING:
    import torch

    from diffusion_gui.engine.denoisers.base import Denoiser
    from diffusion_gui.engine.denoisers.unet import UNet
    from diffusion_gui.engine.training.trainer import Trainer

MOST_SUGGESTIONS = 4096


@dataclass(eq=False)
class TrainedNetwork:
    """The averaged weights of a training at one step; a copy, which is trained no further."""

    network: UNet
    name: str
    data: str
    """What it is trained on, in a few words."""
    step: int
    suggestions: tuple[str, ...] = ()

    @classmethod
    def of(cls, trainer: Trainer, data: str, name: str, captions: Sequence[str]) -> TrainedNetwork:
        """Copy the average of a trainer."""
        network = copy.deepcopy(trainer.average).to("cpu")
        return cls(network, name, data, trainer.step_number, suggestions(captions))

    @property
    def about(self) -> About:
        """What it says of itself."""
        return about(self.network.config, self.name, self.data, self.step, self.suggestions)

    def denoiser(self, device: torch.device, label: str) -> Denoiser:
        """Return D on a device, told the words of `label`."""
        from diffusion_gui.engine.denoisers.neural import neural
        from diffusion_gui.engine.denoisers.unet import encode

        words = encode([label], self.network.config.words) if label else None
        return neural(copy.deepcopy(self.network), device, words=words)

    def both(self, device: torch.device, label: str) -> Denoiser:
        """Return D told the words of `label` and D told nothing, in one call: [B, 2 C, H, W]."""
        from diffusion_gui.engine.denoisers.neural import Both
        from diffusion_gui.engine.denoisers.unet import encode

        return Both(copy.deepcopy(self.network), device, encode([label], self.network.config.words))


def about(
    shape: UNetConfig, name: str, data: str, step: int, suggested: tuple[str, ...] = ()
) -> About:
    """Return what a network of the program's own says of itself, trained on `data`, if known."""
    told = Told.WORDS if shape.words else Told.NOTHING
    of = f" on {data}" if data else ""
    source = f"trained{of}, {step:,} steps"
    count = parameters(shape)
    return About(
        name, shape.size, told, shape.words, suggested, count, SIGMA_MIN, SIGMA_MAX, source
    )


def suggestions(captions: Sequence[str]) -> tuple[str, ...]:
    """Return the captions that a network was trained with, each once."""
    return tuple(dict.fromkeys(filter(None, captions)))[:MOST_SUGGESTIONS]
