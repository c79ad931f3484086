"""Gaussian data, where every answer is known: the denoiser, exact propagation, ways to run.

Shared by the samplers' tests.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from diffusion_gui.engine.params import resolve
from diffusion_gui.engine.samplers import SAMPLERS, Levels, Step

MEAN, STD = 0.3, 0.5


def gaussian_denoiser(x: Tensor, a: float, s: float) -> Tensor:
    """Return E[x_0 | x_t] for x_0 ~ N(MEAN, STD^2)."""
    return MEAN + a * STD**2 / (a**2 * STD**2 + s**2) * (x - a * MEAN)


def no_noise(i: int) -> Tensor:
    raise AssertionError(f"a deterministic sampler asked for the noise of step {i}")


def ones(i: int) -> Tensor:
    return torch.ones(1, 1, 1, 1, dtype=torch.float64)


def start(value: float) -> Tensor:
    return torch.full((1, 1, 1, 1), value, dtype=torch.float64)


def pictures(step: int) -> Tensor:
    generator = torch.Generator().manual_seed(step)
    return torch.randn(4, 3, 5, 5, generator=generator)


def ve(sigmas: np.ndarray) -> Levels:
    """Return the levels x = x_0 + sigma eps."""
    return Levels(np.arange(len(sigmas), dtype=np.float64)[::-1], np.ones_like(sigmas), sigmas)


def vp(sigmas: np.ndarray) -> Levels:
    """Return the levels of the same noise-to-signal with a^2 + s^2 = 1."""
    a = 1.0 / np.hypot(1.0, sigmas)
    return Levels(np.arange(len(sigmas), dtype=np.float64)[::-1], a, sigmas * a)


def walk(name: str, params: dict[str, float], *args: Any) -> list[Step]:
    row = SAMPLERS[name]
    return list(row.walk(*args, **resolve(row.params, tuple(params.items()), row.title)))


def last(steps: Iterator[Step]) -> Step:
    return list(steps)[-1]


def exact_flow(x: float, sigma: float, target: float) -> float:
    """Return x at `target`: on the probability flow a Gaussian stays at its quantile."""
    return MEAN + (x - MEAN) * math.sqrt((target**2 + STD**2) / (sigma**2 + STD**2))


def moments(
    run: Callable[..., Iterator[Step]], levels: Levels, draws: int, mean: float, variance: float
) -> tuple[float, float]:
    """Return mean and variance of the result for a start with `mean` and `variance`, exactly.

    The denoiser is affine, so the result is offset + gain x + sum_i gain_i z_i. One run on a
    basis tells them: row 0 is the offset, row 1 has x = 1, row 2 + i the i-th noise drawn.
    """
    x = torch.zeros(draws + 2, 1, 1, 1, dtype=torch.float64)
    x[1] = 1.0
    rows: dict[int, int] = {}

    def noise(i: int) -> Tensor:
        z = torch.zeros_like(x)
        z[rows.setdefault(i, 2 + len(rows))] = 1.0
        return z

    *_, step = run(gaussian_denoiser, x, levels, noise)
    offset, *gains = step.x_t.flatten().tolist()
    gain, *noises = (value - offset for value in gains)
    return offset + gain * mean, gain**2 * variance + sum(value**2 for value in noises)
