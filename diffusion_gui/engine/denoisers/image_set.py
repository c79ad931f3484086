"""The images of the exact denoiser about their mean, and products with them, tile by tile.

Imports torch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

from diffusion_gui.engine.errors import EngineError

ROWS = 16
"""Queries per matrix product, always padded to this: a row's result is the same in any batch."""
_TILE_VALUES = 1 << 23
"""Values of the set per matrix product; the caller may cancel between two."""
_WIDE_VALUES = 1 << 20
"""Values of the set turned to float64 at once: 8 MiB, which stay in the processor's cache."""


@dataclass(frozen=True, slots=True)
class Precision:
    """How the images are kept and multiplied, and what may be left out."""

    dtype: torch.dtype
    unit: float
    """Rounding error of a number, in units of float32's."""
    omitted_mass: float
    logit_tolerance: float
    """Nats by which logits may be wrong before the important ones are computed again."""
    weighted_tolerance: float
    """Posterior mass times nats that may stay wrong then."""


SINGLE = Precision(torch.float32, 1.0, 1e-6, 1e-3, 1e-4)
DOUBLE = Precision(torch.float64, 2.0**-29, 1e-16, 1e-11, 1e-12)


class ImageSet:
    """Images [N, C, H, W] as rows [N, D] about their mean [D], both in the set's precision.

    `poll` is called between tiles, and may raise.
    """

    def __init__(self, images: Tensor, poll: Callable[[], None], tile: int = 0) -> None:
        """Keep the images on their device; `tile` of them per product, 0: as many as fit 32 MiB."""
        if images.ndim != 4 or len(images) == 0:
            raise EngineError(f"images must be [N, C, H, W] with N >= 1, got {list(images.shape)}")
        home = "cpu" if images.device.type == "mps" else images.device  # Apple's GPU has no float64
        flat = images.to(home).reshape(len(images), -1)
        self.poll = poll
        self.precision = DOUBLE if flat.dtype == torch.float64 else SINGLE
        self.mean = flat.mean(dim=0, dtype=torch.float64).to(self.precision.dtype)  # [D]
        self.images = (flat - self.mean).to(self.precision.dtype)  # [N, D]
        self.tile = tile or max(1, _TILE_VALUES // flat.shape[1])
        norms = [0.5 * tile.square().sum(dim=1) for tile in self.wide_tiles()]
        self.half_norms = torch.cat(norms)  # [N]
        self.reach = math.sqrt(2.0 * float(self.half_norms.max()))

    def __len__(self) -> int:
        """The number of images."""
        return len(self.images)

    def centred(self, x: Tensor, a: float) -> Tensor:
        """Return pictures [B, C, H, W] at level a about the set's mean, [B, D]."""
        flat = x.to(self.mean.device).reshape(len(x), -1)
        return torch.sub(flat, self.mean, alpha=a).to(self.precision.dtype)

    def tiles(self) -> tuple[Tensor, ...]:
        """Return the rows, as many at a time as one product takes."""
        return self.images.split(self.tile)

    def weighted_few(self, weights: Tensor, reached: Tensor, numbers: Tensor) -> Tensor:
        """Return weights [R, N] times images where each row has `reached` only a few, `numbers`."""
        rows, index = reached.nonzero(as_tuple=True)
        bags = numbers.cumsum(dim=0) - numbers
        return embedding_bag(
            index, self.images, bags, mode="sum", per_sample_weights=weights[rows, index]
        )

    def weighted_all(self, weights: Tensor, reached: Tensor) -> Tensor:
        """Return weights [ROWS, N] times images; tiles that none has `reached` are left out."""
        if len(self.images) <= self.tile:
            self.poll()
            return weights @ self.images
        total = torch.zeros_like(self.mean, dtype=torch.float64).repeat(ROWS, 1)
        weights = torch.where(reached, weights, 0.0)
        tiles = self.tiles()
        for part, tile in zip(weights.split(self.tile, dim=1), tiles, strict=True):
            self.poll()
            if bool(part.any()):
                total += part @ tile
        return total.to(self.images.dtype)

    def products(self, queries: Tensor) -> Tensor:
        """Return q . x_i, [ROWS, N]."""
        parts = []
        for tile in self.tiles():
            self.poll()
            parts.append(queries @ tile.T)
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)

    def distances(self, queries: Tensor, rows: Tensor, index: Tensor, a: float) -> Tensor:
        """Return |q - a x_i|^2 in float64 for the pairs of `rows` and images `index` [k]."""
        parts = []
        chunk = max(2, _WIDE_VALUES // queries.shape[1])
        for row, i in zip(rows.split(chunk), index.split(chunk), strict=True):
            self.poll()
            parts.append(torch.sub(queries[row], self.images[i], alpha=a).square_().sum(dim=1))
        return torch.cat(parts)

    def wide_tiles(self) -> Iterator[Tensor]:
        """Yield the set in float64, in small tiles."""
        for tile in self.images.split(self.wide_tile):
            self.poll()
            yield tile.double()

    @property
    def wide_tile(self) -> int:
        """How many images are turned to float64 at once."""
        return min(self.tile, max(1, _WIDE_VALUES // self.images.shape[1]))
