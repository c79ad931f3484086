"""Samplers that remember earlier model calls: DPM++ 2M to 3M, RES, LMS, DEIS, iPNDM. No torch.

One model call a step. The exponential family moves x' = (s'/s) x + a' (1 - r) D_bar with an
extrapolated estimate D_bar; the Adams family extrapolates eps_hat. Both are finite from pure noise
(a = 0) and to the clean picture, where they fall back to the newest estimate alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from diffusion_gui.engine.samplers.base import (
    APART,
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

if TYPE_CHECKING:
    from torch import Tensor

    from diffusion_gui.engine.denoisers.base import Denoiser


def dpmpp_2m(denoise: Denoiser, x: Tensor, levels: Levels, noise: Noise) -> Iterator[Step]:
    """DPM-Solver++(2M) (arXiv:2211.01095, algorithm 2)."""
    return dpmpp_2m_sde(denoise, x, levels, noise, eta=0.0)


def dpmpp_2m_sde(
    denoise: Denoiser, x: Tensor, levels: Levels, noise: Noise, *, eta: float
) -> Iterator[Step]:
    """DPM-Solver++(2M) for the SDE, midpoint form; `eta` is its share of fresh noise."""
    return _two_estimates(denoise, x, levels, noise, eta, lambda h, before: 0.5 * h / before)


def res_2m(denoise: Denoiser, x: Tensor, levels: Levels, noise: Noise) -> Iterator[Step]:
    """RES multistep, order 2 (arXiv:2308.02157): exact weights of the exponential integrator."""

    def weight(h: float, before: float) -> float:
        phi_1 = -math.expm1(-h) / h
        phi_2 = (1.0 - phi_1) / h
        return phi_2 / phi_1 * h / before

    return _two_estimates(denoise, x, levels, noise, 0.0, weight)


def _two_estimates(
    denoise: Denoiser,
    x: Tensor,
    levels: Levels,
    noise: Noise,
    eta: float,
    weight: Callable[[float, float], float],
) -> Iterator[Step]:
    """Move towards D + w (D - D_before), w = `weight(h, h_before)` of the two jumps."""
    before: Tensor | None = None
    h_before = math.inf
    for jump in jumps(levels):
        x0_hat = denoise(x, jump.a, jump.s)
        yield jump.step(x, x0_hat)
        target = x0_hat
        if before is not None and not jump.first_order_only and h_before >= APART * jump.h:
            target = x0_hat + weight(jump.h, h_before) * (x0_hat - before)
        kept = jump.ratio**eta
        x = towards(jump, x, target, kept) + fresh_noise(jump, noise, kept, x)
        before, h_before = x0_hat if jump.worth_remembering else None, jump.h
    yield last_step(levels, x)


def dpmpp_3m_sde(
    denoise: Denoiser, x: Tensor, levels: Levels, noise: Noise, *, eta: float
) -> Iterator[Step]:
    """DPM-Solver++(3M) for the SDE: divided differences of the last three estimates."""
    history: list[tuple[Tensor, float]] = []
    for jump in jumps(levels):
        x0_hat = denoise(x, jump.a, jump.s)
        yield jump.step(x, x0_hat)
        kept = jump.ratio**eta
        moved = towards(jump, x, x0_hat, kept)
        if not jump.first_order_only:
            moved = moved + jump.a_next * _curvature(jump.h, (1.0 + eta) * jump.h, x0_hat, history)
        x = moved + fresh_noise(jump, noise, kept, x)
        history = [(x0_hat, jump.h), *history[:1]] if jump.worth_remembering else []
    yield last_step(levels, x)


def _curvature(
    h: float, h_eta: float, x0_hat: Tensor, history: Sequence[tuple[Tensor, float]]
) -> Tensor:
    """Return the second- and third-order terms from the estimates before (newest first)."""
    if not history or history[0][1] < APART * h:
        return 0.0 * x0_hat
    phi_2 = math.expm1(-h_eta) / h_eta + 1.0
    newer, step = history[0]
    slope = (x0_hat - newer) * (h / step)
    if len(history) == 1 or history[1][1] < APART * h:
        return phi_2 * slope
    older, step_before = history[1]
    r_0, r_1 = step / h, step_before / h
    slope_before = (newer - older) / r_1
    bend = (slope - slope_before) / (r_0 + r_1)
    phi_3 = phi_2 / h_eta - 0.5
    return phi_2 * (slope + r_0 * bend) - phi_3 * bend


def lms(
    denoise: Denoiser, x: Tensor, levels: Levels, noise: Noise, *, order: float
) -> Iterator[Step]:
    """Linear multistep in sigma (Adams-Bashforth with exact weights on any grid; k-diffusion).

    As there, the last step extrapolates too: the result can lie a little off the last estimate.
    """

    def weights(sigmas: Sequence[float], target: float) -> list[float]:
        nodes, amounts = np.polynomial.legendre.leggauss(len(sigmas))
        middle, half = 0.5 * (target + sigmas[0]), 0.5 * (target - sigmas[0])
        at = middle + half * nodes
        return [half * float(amounts @ lagrange(sigmas, j, at)) for j in range(len(sigmas))]

    return _adams(denoise, x, levels, round(order), weights, extrapolate_last=True)


def deis(
    denoise: Denoiser, x: Tensor, levels: Levels, noise: Noise, *, order: float
) -> Iterator[Step]:
    """DEIS, the log-rho AB variant (arXiv:2204.13902, eq. 15): polynomials in ln(sigma).

    Where LMS extrapolates eps_hat in sigma; the integral over d sigma is exact on any grid.
    """
    nodes, amounts = np.polynomial.legendre.leggauss(32)

    def weights(sigmas: Sequence[float], target: float) -> list[float]:
        known = [math.log(sigma) for sigma in sigmas]
        middle, half = 0.5 * (math.log(target) + known[0]), 0.5 * (math.log(target) - known[0])
        at = middle + half * nodes
        moves = half * amounts * np.exp(at)  # d sigma = sigma d ln(sigma)
        return [float(moves @ lagrange(known, j, at)) for j in range(len(known))]

    return _adams(denoise, x, levels, round(order), weights)


def ipndm(
    denoise: Denoiser, x: Tensor, levels: Levels, noise: Noise, *, order: float
) -> Iterator[Step]:
    """Adams-Bashforth with the weights of an even grid (PNDM, arXiv:2202.09778; DEIS's iPNDM)."""

    def weights(sigmas: Sequence[float], target: float) -> list[float]:
        return [(target - sigmas[0]) * w for w in _ADAMS[len(sigmas) - 1]]

    return _adams(denoise, x, levels, round(order), weights)


def gradient_estimation(
    denoise: Denoiser, x: Tensor, levels: Levels, noise: Noise, *, gamma: float
) -> Iterator[Step]:
    """Euler along gamma eps + (1 - gamma) eps_before (Permenter & Yuan, arXiv:2306.04848)."""

    def weights(sigmas: Sequence[float], target: float) -> list[float]:
        move = target - sigmas[0]
        return [move] if len(sigmas) == 1 else [gamma * move, (1.0 - gamma) * move]

    return _adams(denoise, x, levels, 2, weights)


def _adams(
    denoise: Denoiser,
    x: Tensor,
    levels: Levels,
    order: int,
    weights: Callable[[Sequence[float], float], list[float]],
    extrapolate_last: bool = False,
) -> Iterator[Step]:
    """Move y = x / a by sum_j c_j eps_j; `weights(sigmas, sigma')` gives c, the newest first.

    The step to the clean picture takes the newest estimate as it is, unless `extrapolate_last`.
    What is kept is the noise part s eps: eps itself is not a float32 number where s is below 1e-38.
    """
    history: list[tuple[Tensor, float, float]] = []
    for jump in jumps(levels):
        x0_hat = denoise(x, jump.a, jump.s)
        yield jump.step(x, x0_hat)
        part = x - jump.a * x0_hat
        x = jump.a_next * x0_hat + (jump.s_next / jump.s) * part
        if jump.a > 1e-12 * jump.s and jump.ratio < 1.0:  # else there is nothing to extrapolate
            history = [(part, jump.s, jump.s / jump.a), *history[: order - 1]]
            if jump.s_next > 0.0 or extrapolate_last:
                sigmas, target = [sigma for *_, sigma in history], jump.s_next / jump.a_next
                kept = apart(sigmas, sigmas[0] - target)
                c = weights([sigmas[i] for i in kept], target)
                for (older, s, _), weight in zip(
                    [history[i] for i in kept[1:]], c[1:], strict=True
                ):
                    amount = jump.a_next * weight
                    x = x + (amount / s) * older - (amount / jump.s) * part
    yield last_step(levels, x)


_ADAMS = (
    (1.0,),
    (1.5, -0.5),
    (23 / 12, -16 / 12, 5 / 12),
    (55 / 24, -59 / 24, 37 / 24, -9 / 24),
)
