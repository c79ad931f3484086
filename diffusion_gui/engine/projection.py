"""The plane of a data set's first two principal components. Imports torch.

The components are the leading right singular vectors of the centred images. Of so many values only
those two are wanted, so a block of a few vectors is brought to them by subspace iteration with
Rayleigh-Ritz (Halko, Martinsson & Tropp 2011, arXiv:0909.4061, algorithm 4.4): each round is two
thin products with the set, which is turned to floats chunk by chunk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.images import Pixels
from diffusion_gui.engine.survey import Plane

_COLUMNS = 12
"""Vectors of the block: two are wanted, the others make it converge quickly."""
_ROUNDS = 60
_TURN = 1e-10
"""The block has converged when a round turns both components by less: 1 - |cosine|."""
_NONE = 1e-9
"""A share of the variance that is rounding."""
_CHUNK_VALUES = 1 << 22
_FITTED_VALUES = 1 << 25
"""Of a larger set, evenly spaced images with at most so many values decide the plane."""


def principal_plane(
    images: Pixels,
    device: torch.device | None = None,
    poll: Callable[[], None] = lambda: None,
) -> Plane:
    """Return the plane of the first two principal components of `images`, uint8 [N, H, W, C].

    Pictures count as floats in [-1, 1]. Each axis points to where its largest entry is positive.
    Sets of one or two images have fewer components: an axis without variance has some direction
    orthogonal to the other, and explains 0. `poll` is called between pieces and may raise. Raises
    EngineError for an empty set.
    """
    if images.ndim != 4 or len(images) == 0:
        raise EngineError(f"images must be [N, H, W, C] with N >= 1, got {list(images.shape)}")
    device = device or torch.device("cpu")
    stride = -(-images.size // _FITTED_VALUES)
    fitted = images[::stride]
    mean, total = _moments(fitted, device, poll)
    axes, variances = _components(fitted, mean, poll)
    parts = [(chunk - mean) @ axes for chunk in _chunks(images, device, poll)]
    shape = (*images.shape[1:], 2)
    by_channel = axes.reshape(shape).permute(3, 2, 0, 1).reshape(2, -1)  # [2, C H W]
    first, second = (float(one) / total if float(one) > _NONE * total else 0.0 for one in variances)
    return Plane(
        mean.reshape(shape[:-1]).permute(2, 0, 1).flatten().cpu().numpy(),
        by_channel.contiguous().cpu().numpy(),
        (first, second),
        torch.cat(parts).cpu().numpy(),
    )


class Projector:
    """Projects batches onto a plane, on their device."""

    def __init__(self, plane: Plane, device: torch.device) -> None:
        self._axes = torch.from_numpy(plane.axes).to(device).T.contiguous()  # [D, 2]
        self._origin = torch.from_numpy(plane.mean).to(device) @ self._axes  # [2]

    def __call__(self, batch: Tensor, scale: float = 1.0) -> Tensor:
        """Return where `scale` times the pictures [B, C, H, W] lie on the plane, [B, 2]."""
        return torch.sub(scale * (batch.flatten(1) @ self._axes), self._origin)


def _chunks(images: Pixels, device: torch.device, poll: Callable[[], None]) -> Iterator[Tensor]:
    """Yield the images as float32 [M, D] in [-1, 1], some at a time."""
    flat = images.reshape(len(images), -1)
    rows = max(1, _CHUNK_VALUES // flat.shape[1])
    for first in range(0, len(flat), rows):
        poll()
        part = torch.from_numpy(flat[first : first + rows].astype(np.float32)).to(device)
        yield part.mul_(1.0 / 127.5).sub_(1.0)


def _moments(
    images: Pixels, device: torch.device, poll: Callable[[], None]
) -> tuple[Tensor, float]:
    """Return the mean image [D] and the sum of squared distances to it."""
    total = torch.zeros(images[0].size, dtype=torch.float64)
    for chunk in _chunks(images, device, poll):
        total += chunk.sum(dim=0).cpu().double()
    mean = (total / len(images)).float().to(device)
    squares = (float((chunk - mean).square().sum()) for chunk in _chunks(images, device, poll))
    return mean, sum(squares)


def _components(images: Pixels, mean: Tensor, poll: Callable[[], None]) -> tuple[Tensor, Tensor]:
    """Return the first two principal components [D, 2] and their sums of squares [2]."""
    values = len(mean)
    seeded = torch.Generator().manual_seed(0)
    start = torch.randn(values, min(_COLUMNS, values), generator=seeded, dtype=torch.float64)
    block = torch.linalg.qr(start)[0]  # [D, K]
    before, squares = block[:, :2], torch.zeros(2, dtype=torch.float64)
    for _ in range(_ROUNDS):
        thin = block.float().to(mean.device)
        gram = torch.zeros(block.shape[1], block.shape[1], dtype=torch.float64)
        image = torch.zeros_like(thin)
        for chunk in _chunks(images, mean.device, poll):
            seen = chunk.sub_(mean) @ thin  # [M, K]
            wide = seen.cpu().double()
            gram += wide.T @ wide
            image += chunk.T @ seen
        found, turn = torch.linalg.eigh(gram)  # ascending
        order = turn.flip(1)
        ritz = block @ order[:, :2]
        squares = found.flip(0)[:2].clamp(min=0.0)
        turned = 1.0 - (before * ritz).sum(dim=0).abs()
        before = ritz
        if bool((turned < _TURN).all()):
            break
        block = torch.linalg.qr(image.cpu().double() @ order)[0]
    signs = before.gather(0, before.abs().argmax(dim=0, keepdim=True)).sign()
    return (before * signs).float().to(mean.device), squares
