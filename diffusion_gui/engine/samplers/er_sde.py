"""ER-SDE: a stochastic sampler with a noise scale of its own, orders 1 to 3. No torch."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
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
    last_step,
    towards,
)

if TYPE_CHECKING:
    from torch import Tensor

    from diffusion_gui.engine.denoisers.base import Denoiser

_POINTS = np.arange(200) / 200.0
"""Where the integrals over a step are summed, as in the authors' code."""


def er_sde(
    denoise: Denoiser, x: Tensor, levels: Levels, noise: Noise, *, order: float
) -> Iterator[Step]:
    """ER-SDE-Solver (arXiv:2309.06169, algorithms 1 to 3 in VE form, times a').

    Its noise scale is f(sigma) = sigma (e^(sigma^0.3) + 10); f = sigma would be the ODE.
    """
    known: list[tuple[Tensor, float]] = []
    for jump in jumps(levels):
        x0_hat = denoise(x, jump.a, jump.s)
        yield jump.step(x, x0_hat)
        kept = _kept(jump)
        moved = towards(jump, x, x0_hat, kept)
        if jump.worth_remembering:
            known = [(x0_hat, jump.s / jump.a), *known][: round(order)]
            sigma = jump.s_next / jump.a_next
            kept_known = apart([place for _, place in known], known[0][1] - sigma)
            moved = moved + jump.a_next * _taylor([known[i] for i in kept_known], sigma)
        x = moved + fresh_noise(jump, noise, kept, x)
    yield last_step(levels, x)


def _kept(jump: Jump) -> float:
    """Return f(sigma') sigma / (f(sigma) sigma'), the share of the old noise that stays."""
    sigma = jump.s / jump.a if jump.a > 0.0 else math.inf
    if math.isinf(sigma):  # also where a tiny a overflows
        return 0.0
    here, after = _log_scale(np.array([sigma, jump.s_next / jump.a_next]))
    return math.exp(after - here)


def _taylor(known: Sequence[tuple[Tensor, float]], sigma: float) -> Tensor:
    """Return the second- and third-order terms of the step to `sigma` (estimates newest first).

    They hold int (f(sigma) / f(l)) dl and int (f(sigma) / f(l)) (l - sigma_0) dl over the step,
    both in units of sigma_0: a sigma below 1e-38 has no float32 inverse.
    """
    here, sigma_0 = known[0]
    if len(known) == 1:
        return 0.0 * here
    places = [(x0_hat, place / sigma_0) for x0_hat, place in known]
    move = sigma / sigma_0 - 1.0
    along = -_POINTS * move  # from sigma, back to sigma_0
    at = sigma + sigma_0 * along
    inverse = sigma / at * np.exp(_log_scale(np.array([sigma])) - _log_scale(at))
    inverse = inverse * (-move / len(at))
    slope = _slope(places[0], places[1])
    change = (move + float(inverse.sum())) * slope
    if len(known) == 2:
        return change
    bend = (slope - _slope(places[1], places[2])) * (2.0 / (1.0 - places[2][1]))
    return change + (0.5 * move**2 + float(inverse @ (move + along))) * bend


def _slope(newer: tuple[Tensor, float], older: tuple[Tensor, float]) -> Tensor:
    """Return the divided difference of two estimates over where they are."""
    return (newer[0] - older[0]) * (1.0 / (newer[1] - older[1]))


def _log_scale(sigma: np.ndarray) -> np.ndarray:
    """Return ln(f(sigma) / sigma) = ln(e^(sigma^0.3) + 10), which no sigma overflows."""
    return np.logaddexp(sigma**0.3, math.log(10.0))
