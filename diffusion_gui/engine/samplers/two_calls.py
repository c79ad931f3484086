"""Samplers with a second model call inside each step: Heun, DPM-2, DPM++ 2S. No torch.

Written for y = x / a (a = 1, sigma = s / a) in their papers; here times a', so that nothing is
divided by a. From pure noise (a = 0) and to the clean picture they make a first-order step.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from diffusion_gui.engine.samplers.base import Jump, Levels, Noise, Step, jumps, last_step

if TYPE_CHECKING:
    from torch import Tensor

    from diffusion_gui.engine.denoisers.base import Denoiser


def heun(
    denoise: Denoiser, x: Tensor, levels: Levels, noise: Noise, *, churn: float, noise_scale: float
) -> Iterator[Step]:
    """Heun's second-order steps (EDM, arXiv:2206.00364, algorithm 2).

    `churn` / n of each level's noise, at most sqrt(2) - 1, is added afresh before the step; n is
    that of the whole run. A run that goes on from another's x adds none before its first step.
    """
    gamma = min(churn / max(levels.run_length, 1), math.sqrt(2.0) - 1.0)
    for jump in jumps(levels):
        if gamma > 0.0 and jump.a > 0.0 and not (levels.goes_on and jump.index == 0):
            raised = jump.s * (1.0 + gamma)
            added = noise_scale * math.sqrt(raised**2 - jump.s**2)
            x = x + added * noise(jump.index)
            jump = Jump(jump.index, jump.t, jump.a, raised, jump.a_next, jump.s_next)
        x0_hat = denoise(x, jump.a, jump.s)
        yield jump.step(x, x0_hat)
        x = _euler(jump, x, x0_hat, jump.a_next, jump.s_next)
        if not jump.first_order_only:
            again = denoise(x, jump.a_next, jump.s_next)
            x = x + 0.5 * jump.a_next * (1.0 / jump.ratio - 1.0) * (again - x0_hat)
    yield last_step(levels, x)


def dpm_2(denoise: Denoiser, x: Tensor, levels: Levels, noise: Noise) -> Iterator[Step]:
    """Midpoint steps at the geometric mean of the noise levels (k-diffusion's DPM-2)."""
    for jump in jumps(levels):
        x0_hat = denoise(x, jump.a, jump.s)
        yield jump.step(x, x0_hat)
        moved = _euler(jump, x, x0_hat, jump.a_next, jump.s_next)
        if not jump.first_order_only:
            a, s = jump.middle
            between = denoise(_euler(jump, x, x0_hat, a, s), a, s)
            weight = (1.0 - jump.ratio) / math.sqrt(jump.ratio)
            moved = moved + jump.a_next * weight * (between - x0_hat)
        x = moved
    yield last_step(levels, x)


def dpmpp_2s(denoise: Denoiser, x: Tensor, levels: Levels, noise: Noise) -> Iterator[Step]:
    """DPM-Solver++(2S) (arXiv:2211.01095, algorithm 1) with the midpoint in log-SNR."""
    for jump in jumps(levels):
        x0_hat = denoise(x, jump.a, jump.s)
        yield jump.step(x, x0_hat)
        target = x0_hat
        if not jump.first_order_only:
            a, s = jump.middle
            target = denoise(_euler(jump, x, x0_hat, a, s), a, s)
        x = (jump.s_next / jump.s) * x + jump.a_next * (1.0 - jump.ratio) * target
    yield last_step(levels, x)


def _euler(jump: Jump, x: Tensor, x0_hat: Tensor, a: float, s: float) -> Tensor:
    """Return the straight-line move of `x` to the level (a, s)."""
    return a * x0_hat + (s / jump.s) * (x - jump.a * x0_hat)
