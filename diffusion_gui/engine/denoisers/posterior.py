"""What is known of the exact posterior p(image | x_t): its likely images and its entropy.

Imports torch.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

_LATER_BYTES = 1 << 18
"""A larger posterior is not kept for later; it may be many estimates to the next step."""


@dataclass(frozen=True, slots=True, eq=False)
class Posterior:
    """What the exact posterior p(image | x_t) looks like, for each of B queries.

    `indices` and `weights` [B, k] are its k most probable images, descending, `entropy` [B] is in
    nats. `x0_hat` and `variance` [B, C, H, W] are the mean and variance of each pixel. Float64.
    """

    indices: Tensor
    weights: Tensor
    entropy: Tensor
    x0_hat: Tensor
    variance: Tensor

    @property
    def effective_number(self) -> Tensor:
        """exp(entropy), [B]: among how many equally probable images the answer is still open."""
        return self.entropy.exp()

    @property
    def max_weight(self) -> Tensor:
        """The probability of the most probable image, [B]."""
        return self.weights[:, 0]


Summary = tuple[Tensor, Tensor, Tensor]
"""The k most probable images of each query, descending, and their weights [B, k]; the entropy of
the posterior in nats, [B]. Weights and entropy are float64."""


class Glimpse:
    """The posterior p(image | x_t) behind one estimate, for each of its B queries.

    Where it is small it is summed up only when it is asked for: the run need not wait for that.
    """

    def __init__(self, blocks: list[Tensor], k: int) -> None:
        """Take the posterior [R, N] of each block of queries."""
        self._blocks, self._k = blocks, k
        self._count = sum(map(len, blocks))
        nbytes = sum(block.nbytes for block in blocks)
        self._known: Summary | None = None
        if nbytes > _LATER_BYTES:
            self.summary()

    def __len__(self) -> int:
        """The number of queries."""
        return self._count

    def summary(self) -> Summary:
        """Return what is to be known of it."""
        if self._known is None:
            parts = [summary_of(block, self._k) for block in self._blocks]
            indices, weights, entropy = map(torch.cat, zip(*parts, strict=True))
            self._known, self._blocks = (indices, weights, entropy), []
        return self._known


def summary_of(weights: Tensor, k: int) -> Summary:
    """Return indices and weights [R, k] of the largest of `weights` [R, N], and entropies [R]."""
    best, indices = weights.topk(k, dim=1)
    logs = weights.clamp(min=torch.finfo(weights.dtype).tiny).log()  # twice as fast as entr
    return indices, best, (weights * logs).sum(dim=1).clamp(max=0.0).abs()
