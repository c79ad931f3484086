"""Samplers that correct a step with the model call after it: UniPC and SA-Solver. No torch.

Both move by the exponential integral of a polynomial through the estimates x0_hat known so far,
in l = ln(a / s): the predictor before the next model call, the corrector once more after it, so
that a step still costs one call. What they yield is the predicted x_t that the model saw.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from diffusion_gui.engine.samplers.base import (
    Jump,
    Levels,
    Noise,
    Step,
    apart,
    fresh_noise,
    jumps,
    lagrange,
    last_step,
    towards,
)
from diffusion_gui.engine.schedules.schedule import Array

if TYPE_CHECKING:
    from torch import Tensor

    from diffusion_gui.engine.denoisers.base import Denoiser

Estimates = Sequence[tuple["Tensor", float]]
"""(x0_hat, ln(a / s)) of the levels visited, the newest first."""

_BAND = (0.72, 25.8)
"""Noise-to-signal where SA-Solver adds noise: t = 0.2 to 0.8 of the linear schedule, as there."""


@cache
def _quadrature() -> tuple[Array, Array]:
    """Return places in 0..1 and weights of Gauss and Legendre's rule; made when first needed."""
    nodes, amounts = np.polynomial.legendre.leggauss(32)
    return 0.5 + 0.5 * nodes, amounts


def unipc(
    denoise: Denoiser, x: Tensor, levels: Levels, noise: Noise, *, order: float
) -> Iterator[Step]:
    """UniPC-p with B(h) = e^h - 1 (arXiv:2302.04867, algorithms 7 and 8); converges as p + 1."""
    p = round(order)
    return _correcting(denoise, x, levels, noise, (p, p + 1), lambda sigma: 0.0, lambda h: 0.5)


def sa_solver(
    denoise: Denoiser,
    x: Tensor,
    levels: Levels,
    noise: Noise,
    *,
    predictor_order: float,
    corrector_order: float,
    tau: float,
) -> Iterator[Step]:
    """SA-Solver (arXiv:2309.05019, algorithm 1, data prediction); `tau` on the middle levels.

    `tau` 0 is the probability-flow ODE, 1 the reverse SDE; a `corrector_order` of 0 only predicts.
    """

    def strength(sigma: float) -> float:
        return tau if _BAND[0] <= sigma <= _BAND[1] else 0.0

    def middle(h: float) -> float:
        """Read two estimates where the authors' code does, at h / (2 (1 - e^-h)), at most 1."""
        return min(-0.5 * h / math.expm1(-h), 1.0)

    orders = round(predictor_order), round(corrector_order)
    return _correcting(denoise, x, levels, noise, orders, strength, middle)


def _correcting(
    denoise: Denoiser,
    x: Tensor,
    levels: Levels,
    noise: Noise,
    orders: tuple[int, int],
    tau: Callable[[float], float],
    middle: Callable[[float], float],
) -> Iterator[Step]:
    """Predict with up to `orders[0]` estimates, correct with up to `orders[1]` of them.

    Fewer at both ends of the run. `tau(sigma)` is the strength of the fresh noise; a step draws
    it once, for both.
    """
    predictor, corrector = orders
    known: list[tuple[Tensor, float]] = []
    move: _Move | None = None
    for jump in jumps(levels):
        x0_hat = denoise(x, jump.a, jump.s)
        yield jump.step(x, x0_hat)
        left = len(levels) - jump.index
        known = [(x0_hat, jump.half_log_snr), *known[:3]]
        if move is not None and corrector > 0:
            x = move.to(known[: min(corrector, left + 2)])
        strength = tau(jump.s / jump.a) ** 2 if jump.a > 0.0 else 0.0
        kept = jump.ratio**strength
        fresh = fresh_noise(jump, noise, kept, x)
        move = _Move(jump, x, fresh, kept, (1.0 + strength) * jump.h, middle)
        x = move.to(known[: min(predictor, left)])
        if not jump.worth_remembering:
            known, move = [], None
    yield last_step(levels, x)


@dataclass(frozen=True, slots=True, eq=False)
class _Move:
    """A transition, to be made once by the predictor and again by the corrector."""

    jump: Jump
    x: Tensor
    fresh: Tensor
    kept: float
    decay: float
    """h (1 + tau^2): x0_hat at u in 0..1 of the step counts with e^(-decay (1 - u))."""
    middle: Callable[[float], float]

    def to(self, estimates: Estimates) -> Tensor:
        """Return x at the next level, from a polynomial through `estimates`."""
        target = estimates[0][0]
        if len(estimates) > 1 and not self.jump.first_order_only:
            start = self.jump.half_log_snr
            places = [(level - start) / self.jump.h for _, level in estimates]
            kept = apart(places, 1.0)
            weights = self._weights([places[i] for i in kept])
            for i, weight in zip(kept[1:], weights[1:], strict=True):
                target = target + weight * (estimates[i][0] - estimates[0][0])
        return towards(self.jump, self.x, target, self.kept) + self.fresh

    def _weights(self, places: Sequence[float]) -> list[float]:
        """Return the mean of each Lagrange polynomial over the step; of two, their middle value.

        `places` are u = 1 at the next level, 0 at this one and below 0 at those before.
        """
        at, amounts = np.array([self.middle(self.decay)]), np.ones(1)
        if len(places) > 2:
            at, amounts = _quadrature()
            amounts = amounts * np.exp(self.decay * (at - 1.0))
        amounts = amounts / amounts.sum()
        return [float(amounts @ lagrange(places, j, at)) for j in range(len(places))]
