"""The exact denoiser's speed: 16 queries against the two bare float32 products, timed in turn."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np
import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch import Tensor

from diffusion_gui.engine.denoisers.exact import Exact
from diffusion_gui.engine.samplers import SAMPLERS, Levels
from diffusion_gui.engine.schedules import build_preset, timesteps
from diffusion_gui.session import library

SCHEDULE = build_preset("cosine")
LEVELS = Levels.of(SCHEDULE, timesteps(SCHEDULE.T, 20, "trailing"))
NOT_USED = "DDIM at eta = 0 draws no noise"


def _pictures(count: int) -> Tensor:
    """Return the emoji, then slightly noisy copies of them: [count, 3, 32, 32] in [-1, 1]."""
    emoji = torch.from_numpy(library.emoji(32).astype(np.float32) / 127.5 - 1.0)
    flat = emoji.permute(0, 3, 1, 2).contiguous()
    generator = torch.Generator().manual_seed(0)
    pictures = torch.empty(count, 3, 32, 32)
    for start in range(0, count, len(flat)):
        part = flat[: count - start]
        noise = torch.randn(part.shape, generator=generator) if start else torch.zeros(())
        pictures[start : start + len(part)] = (part + 0.05 * noise).clamp(-1, 1)
    return pictures


def _ratios(
    works: list[Callable[[], object]], bare: Callable[[], object], rounds: int
) -> list[float]:
    """Return each work's median time over that of `bare`, all timed in turn after a warm-up."""
    times: list[list[float]] = [[] for _ in [bare, *works]]
    for index in range(rounds + 1):
        for kept, work in zip(times, [bare, *works], strict=True):
            begin = time.perf_counter()
            work()
            if index:
                kept.append(time.perf_counter() - begin)
    base, *others = map(statistics.median, times)
    return [other / base for other in others]


@pytest.mark.parametrize("count", [1000, 10_000, 100_000])
def test_the_exact_denoiser_against_its_bare_products(
    benchmark: BenchmarkFixture, count: int
) -> None:
    torch.set_num_threads(1)
    pictures = _pictures(count)
    data = pictures.flatten(1)
    denoise = Exact(pictures)
    start = torch.randn(16, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    walk = SAMPLERS["ddim"].walk(denoise, start, LEVELS, lambda i: pytest.fail(NOT_USED), eta=0.0)
    steps = list(walk)[:-1]
    queries = start.flatten(1)

    def bare() -> Tensor:
        return (queries @ data.T) @ data

    works: list[Callable[[], object]] = [
        lambda step=step: denoise(step.x_t, step.a, step.s)  # type: ignore[misc]
        for step in steps
    ]
    ratios = _ratios(works, bare, rounds=9 if count < 50_000 else 2)
    whole = statistics.mean(ratios)
    benchmark.extra_info.update(ratio=whole, worst=max(ratios))
    benchmark.pedantic(works[len(works) // 2], rounds=1)
    worst = steps[ratios.index(max(ratios))].t
    print(
        f"\nexact denoiser / bare products, N = {count}: mean of a run {whole:.3f},"
        f" worst level {max(ratios):.3f} at t = {worst} (promise: 1.3)"
    )
