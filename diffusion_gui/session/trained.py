"""A network as its training has it at a step, in memory. Imports torch where it is used."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

from diffusion_gui.engine.denoisers.unet_config import parameters
from diffusion_gui.engine.networks import About, Told

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    step: int
    suggestions: tuple[str, ...] = ()

    @classmethod
    def of(cls, trainer: Trainer, data: str, name: str, captions: Sequence[str]) -> TrainedNetwork:
        """Copy the average of a trainer."""
        known = tuple(dict.fromkeys(filter(None, captions)))[:MOST_SUGGESTIONS]
        network = copy.deepcopy(trainer.average).to("cpu")
        return cls(network, name, data, trainer.step_number, known)

    @property
    def config(self) -> UNetConfig:
        """The shape of the network."""
        return self.network.config

    @property
    def suggestions(captions: Sequence[str]) -> tuple[str, ...]:
    """Return the captions that a network was trained with, each once."""
    return tuple(dict.fromkeys(filter(None, captions)))[:MOST_SUGGESTIONS]
