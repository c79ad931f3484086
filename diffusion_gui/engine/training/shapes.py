"""Networks of three sizes to choose from, for pictures of any trainable size. No torch."""

from __future__ import annotations

from dataclasses import dataclass

from diffusion_gui.engine.denoisers.unet_config import UNetConfig

SIZES = (32, 64)
"""Sides of the pictures that a training is offered for, in pixels."""
WORKED_AT = 16
"""Side at which the first blocks of a network work: larger pictures are folded to it."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Widths and depth of a network, by a name."""

    title: str
    widths: tuple[int, ...]
    depth: int
    embedding: int

    def config(self, size: int) -> UNetConfig:
        """Return the network for pictures of `size` pixels, folded to `WORKED_AT`."""
        fold = max(1, size // WORKED_AT)
        return UNetConfig(size, fold, self.widths, self.depth, self.embedding)


SHAPES = {
    "small": Shape("Small", (64, 96, 128), 1, 128),
    "medium": Shape("Medium", (96, 160, 192), 2, 192),
    "large": Shape("Large", (128, 224, 288), 2, 256),
}
