"""The one contract every denoiser fulfils. Imports torch for types only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from torch import Tensor


class Denoiser(Protocol):
    """D(x_t, a, s): an estimate of x_0 given x_t = a x_0 + s eps."""

    def __call__(self, x: Tensor, a: float, s: float) -> Tensor:
        """Return x0_hat [B, C, H, W] for x_t [B, C, H, W] at level (a, s), a >= 0, s > 0.

        Exact at a = 0, where x_t is pure noise and the estimate is the mean of the data.
        """
        ...
