"""Guidance: two denoisers made one, D = D_u + w (D_c - D_u). Imports torch.

`main` (D_c) is followed, `against` (D_u) is moved away from. What the second one is names the
method: the same model without its condition (classifier-free guidance, arXiv:2207.12598) or a
worse model (autoguidance, arXiv:2406.02507). `main` may be conditioned: see `conditioning.py`.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.guidance import UNBOUNDED, calls_within, check_interval

if TYPE_CHECKING:
    from diffusion_gui.engine.denoisers.base import Denoiser

_REMEMBERED = 3
"""Deltas kept: enough for a sampler that asks a level twice or goes up a little (Heun's churn)."""


class Guided:
    """Classifier-free guidance and autoguidance; a Denoiser.

    Applied for low < sigma = s / a <= high (arXiv:2404.07724), elsewhere `main` alone. `rescale`
    in [0, 1] pulls each picture's deviation back to that of `main` (arXiv:2305.08891, eq. 15-16).
    """

    def __init__(
        self,
        main: Denoiser,
        against: Denoiser,
        *,
        scale: float,
        rescale: float = 0.0,
        low: float = 0.0,
        high: float = math.inf,
        both: Denoiser | None = None,
    ):
        """Guide `main` away from `against` by `scale` w: 0 is `against` alone, 1 `main` alone.

        `both` is asked where both are needed, if it is given: their estimates in one call,
        [B, 2 C, H, W], those of `main` first.

        Raises EngineError for a scale that is not finite, a rescale outside 0 to 1 and an empty
        interval.
        """
        if not math.isfinite(scale):
            raise EngineError(f"the guidance scale must be a finite number, got {scale:g}")
        if not 0.0 <= rescale <= 1.0:
            raise EngineError(f"the guidance rescale must be in 0 to 1, got {rescale:g}")
        check_interval(low, high)
        self._main, self._against, self._both = main, against, both
        self._scale, self._rescale = scale, rescale
        self._low, self._high = low, math.inf if high >= UNBOUNDED else high

    def __call__(self, x: Tensor, a: float, s: float) -> Tensor:
        """Return x0_hat [B, C, H, W] for x_t [B, C, H, W] at level (a, s), s > 0."""
        if self.calls(a, s) == 1:
            return self._main(x, a, s)
        if self._both is not None:
            positive, negative = self._both(x, a, s).chunk(2, dim=1)
        else:
            positive, negative = self._main(x, a, s), self._against(x, a, s)
        return self._combine(positive, negative, _sigma(a, s))

    def calls(self, a: float, s: float) -> int:
        """Return the model calls that one call at level (a, s) makes: 1 or 2."""
        return calls_within(a, s, self._scale, self._low, self._high)

    def _combine(self, positive: Tensor, negative: Tensor, sigma: float) -> Tensor:
        """Return the guided estimate of D_c `positive` and D_u `negative`."""
        guided = negative + self._scale * (positive - negative)
        if self._rescale == 0.0:
            return guided
        wanted, found = _per_picture(torch.std, positive), _per_picture(torch.std, guided)
        ratio = torch.where(found > 0.0, wanted / found, torch.ones_like(found))
        return guided * (1.0 + self._rescale * (ratio - 1.0))


class APG(Guided):
    """Adaptive projected guidance (arXiv:2410.02416, algorithm 1) on D; a Denoiser for one run.

        Delta = D_c - D_u + momentum Delta_before,   |Delta| <= norm,
        D = D_c + (w - 1) (Delta_orthogonal + eta Delta_parallel),   parallel to D_c

    The momentum makes it depend on the run's earlier levels, and on nothing else: Delta_before is
    that of the last call at a *higher* sigma. Asking a level twice (as Heun does) gives the same
    twice; going up by more than two calls forgets, and so does starting over. Build one object
    per run (it holds no model of its own): then so does a run that begins below where another was
    cut off.
    """

    def __init__(
        self,
        main: Denoiser,
        against: Denoiser,
        *,
        scale: float,
        eta: float = 0.0,
        momentum: float = -0.5,
        norm: float = 0.0,
        low: float = 0.0,
        high: float = math.inf,
        both: Denoiser | None = None,
    ):
        """Guide as `Guided` does; `norm` limits each picture's |Delta| (L2), 0 does not.

        Raises EngineError as `Guided` does, for |momentum| >= 1 and for a negative norm.
        """
        super().__init__(main, against, scale=scale, low=low, high=high, both=both)
        if not -1.0 < momentum < 1.0:
            raise EngineError(f"the momentum must be between -1 and 1, got {momentum:g}")
        if not norm >= 0.0:
            raise EngineError(f"the norm must be 0 (no limit) or more, got {norm:g}")
        self._eta, self._momentum, self._norm = eta, momentum, norm
        self._past: deque[tuple[float, Tensor]] = deque(maxlen=_REMEMBERED)  # (sigma, Delta)

    def _combine(self, positive: Tensor, negative: Tensor, sigma: float) -> Tensor:
        delta = self._remember(positive - negative, sigma)
        if self._norm > 0.0:
            length = _per_picture(torch.linalg.vector_norm, delta)
            delta = delta * (self._norm / length.clamp(min=self._norm))
        square = _per_picture(torch.sum, positive.square())
        along = _per_picture(torch.sum, delta * positive)
        share = torch.where(square > 0.0, along / square, torch.zeros_like(square))
        parallel = share * positive
        return positive + (self._scale - 1.0) * (delta + (self._eta - 1.0) * parallel)

    def _remember(self, delta: Tensor, sigma: float) -> Tensor:
        """Return `delta` with the momentum of the calls above `sigma`, and keep it."""
        past = self._past
        while past and (past[-1][0] <= sigma or past[-1][1].shape != delta.shape):
            past.pop()
        if past:
            delta = delta + self._momentum * past[-1][1]
        past.append((sigma, delta))
        return delta


def _sigma(a: float, s: float) -> float:
    """Return s / a, infinite for pure noise."""
    return s / a if a > 0.0 else math.inf


def _per_picture(function: Callable[[Tensor], Tensor], batch: Tensor) -> Tensor:
    """Return `function` of each picture alone, [B, 1, 1, 1]: the same number in any batch."""
    return torch.stack([function(picture) for picture in batch]).reshape(-1, 1, 1, 1)
