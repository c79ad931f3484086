"""The exact denoiser: the posterior mean over a finite set of images, the ideal score of that set.

    D(x) = sum_i w_i x_i,   w = softmax_i( (a x . x_i - a^2 |x_i|^2 / 2) / s^2 )

This is what a network trained for ever on exactly these images would compute; sampling with it
reproduces them. Imports torch.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from diffusion_gui.engine.errors import EngineError

_ROWS = 16
"""Queries per matrix product, always padded to this: a row's result is the same in any batch."""
_TILE_VALUES = 1 << 23
"""Values of the set per matrix product (64 MiB in float64); the caller may cancel between two."""
_OMITTED_MASS = 1e-6
_LOGIT_TOLERANCE = 1e-3
_FLOAT32_ERROR = 1e-6
"""Error of a float32 dot product per unit of |q| |x_i| (measured up to 3e-7 at D = 12,288)."""
_GATHER_VALUES = 1 << 22


class Exact:
    """Posterior mean over `images` [N, C, H, W] in [-1, 1], streamed in tiles of the set.

    Logits come from one float32 product with the centred images. Where their rounding error would
    matter (small noise) the candidates within reach of the largest logit are ranked again in
    float64; what is left out has at most 1e-6 of the posterior mass. The softmax is float64.
    """

    def __init__(self, images: Tensor, poll: Callable[[], None] | None = None, tile: int = 0):
        """Keep `images` centred on their device; `poll` is called between tiles, may raise.

        `tile` is the number of images per product, 0 for as many as fit 64 MiB.
        """
        if images.ndim != 4 or len(images) == 0:
            raise EngineError(f"images must be [N, C, H, W] with N >= 1, got {list(images.shape)}")
        home = "cpu" if images.device.type == "mps" else images.device  # Apple's GPU has no float64
        flat = images.to(home).reshape(len(images), -1)
        self._mean = flat.mean(dim=0, dtype=torch.float64)  # [D]
        self._images = (flat - self._mean).to(torch.float32)  # [N, D]
        self._tile = tile or max(1, _TILE_VALUES // flat.shape[1])
        self._half_norms = torch.cat(
            [0.5 * part.double().square().sum(dim=1) for part in self._images.split(self._tile)]
        )  # [N]
        self._reach = math.sqrt(2.0 * float(self._half_norms.max()))
        self._margin = math.log(len(images) / _OMITTED_MASS)
        self._poll = poll or (lambda: None)

    def __call__(self, x: Tensor, a: float, s: float) -> Tensor:
        """Return x0_hat [B, C, H, W] for x_t [B, C, H, W] at level (a, s), s > 0."""
        flat = x.to(self._mean.device).reshape(len(x), -1)
        queries = (flat - a * self._mean).to(torch.float32)  # [B, D]
        means = [self._posterior_mean(rows, a, s) for rows in queries.split(_ROWS)]
        return (torch.cat(means) + self._mean).to(x.dtype).reshape(x.shape).to(x.device)

    def _posterior_mean(self, queries: Tensor, a: float, s: float) -> Tensor:
        """Return sum_i w_i x_i (centred) for at most _ROWS queries [R, D], float64."""
        count = len(queries)
        if count < _ROWS:
            queries = torch.cat([queries, queries.new_zeros(_ROWS - count, queries.shape[1])])
        logits = self._logits(queries, a, s)  # [_ROWS, N]
        scale = a / s**2 * self._reach * (a * self._reach + s * math.sqrt(queries.shape[1]))
        error = _FLOAT32_ERROR * scale
        if error <= _LOGIT_TOLERANCE:
            return self._mean_of_all(logits)[:count]
        used = torch.arange(_ROWS, device=logits.device) < count
        return self._precise_mean(queries, logits, used, error, a, s)[:count]

    def _precise_mean(
        self, queries: Tensor, logits: Tensor, used: Tensor, error: float, a: float, s: float
    ) -> Tensor:
        """Return the means of the rows `used` where float32 logits, off by `error`, do not do.

        A query with few candidates gets their float64 distances, one with many float64 products
        with every image; each query is decided alone, so that the batch it is in does not matter.
        """
        threshold = logits.amax(dim=1, keepdim=True) - (self._margin + 2.0 * error)
        candidates = (logits >= threshold).sum(dim=1)  # [R]
        many = used & (candidates * _ROWS > len(self._images))
        means = torch.zeros(queries.shape, dtype=torch.float64, device=queries.device)
        if bool(many.any()):
            means[many] = self._mean_of_all(self._logits(queries.double(), a, s))[many]
        if bool((few := used & ~many).any()):
            means[few] = self._mean_of_best(
                queries[few], logits[few], threshold[few], int(candidates[few].max()), a, s
            )
        return means

    def _logits(self, queries: Tensor, a: float, s: float) -> Tensor:
        """Return the log-posterior up to a constant, float64 [R, N].

        The products are in the precision of `queries`.
        """
        parts = []
        for tile in self._images.split(self._tile):
            self._poll()
            parts.append(queries @ tile.to(queries.dtype).T)
        products = torch.cat(parts, dim=1).double()  # [R, N]
        return products.mul_(a).sub_(a * a * self._half_norms).div_(s * s)

    def _mean_of_all(self, logits: Tensor) -> Tensor:
        """Return the weighted mean of every image; float64 softmax, float32 products."""
        weights = logits.softmax(dim=1).to(torch.float32)  # [R, N]
        total = torch.zeros(len(logits), self._images.shape[1], dtype=torch.float64,
                            device=logits.device)  # fmt: skip
        for part, tile in zip(weights.split(self._tile, dim=1), self._images.split(self._tile),
                              strict=True):  # fmt: skip
            self._poll()
            total += part @ tile
        return total

    def _mean_of_best(
        self, queries: Tensor, logits: Tensor, threshold: Tensor, most: int, a: float, s: float
    ) -> Tensor:
        """Rank the candidates above `threshold`, at most `most` a query, again in float64."""
        rough, index = logits.topk(most, dim=1)  # [R, k]
        exact = self._distances(queries, index, a).mul_(-0.5 / s**2)
        exact.masked_fill_(rough < threshold, -torch.inf)
        weights = exact.softmax(dim=1)  # [R, k]
        mean = torch.zeros(queries.shape, dtype=torch.float64, device=queries.device)
        for columns in self._column_chunks(queries, most):
            chosen = self._images[index[:, columns]].double()  # [R, c, D]
            mean += (weights[:, columns, None] * chosen).sum(dim=1)
        return mean

    def _distances(self, queries: Tensor, index: Tensor, a: float) -> Tensor:
        """Return |x - a x_i|^2 in float64 for the images `index` [R, k] of each query."""
        wide = queries.double()[:, None]  # [R, 1, D]
        parts = []
        for columns in self._column_chunks(queries, index.shape[1]):
            self._poll()
            chosen = self._images[index[:, columns]].double()  # [R, c, D]
            parts.append((wide - a * chosen).square_().sum(dim=2))
        return torch.cat(parts, dim=1)

    @staticmethod
    def _column_chunks(queries: Tensor, count: int) -> list[slice]:
        """Split `count` candidates so that one gathered block stays small."""
        step = max(1, _GATHER_VALUES // queries.numel())
        return [slice(i, min(i + step, count)) for i in range(0, count, step)]
