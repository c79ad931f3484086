"""The local denoiser's promise of speed: against a plain pixel-by-pixel sum, timed in turn."""

from __future__ import annotations

import statistics
import time

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch import Tensor
from torch.nn.functional import pad

from diffusion_gui.engine.denoisers.local import Local
from diffusion_gui.session import library


def _images(size: int, count: int) -> Tensor:
    emoji = torch.from_numpy(library.emoji(size)[:count].copy())
    return emoji.permute(0, 3, 1, 2).float() / 127.5 - 1.0


def _pixel_by_pixel(x: Tensor, images: Tensor, sigma: float, P: int) -> Tensor:
    """Return LS of one picture [C, H, W]: the patches of all images, one pixel after another."""
    r, (height, width) = P // 2, x.shape[1:]
    wide, known, out = pad(x, (r,) * 4), pad(images, (r,) * 4), torch.empty_like(x)
    for y in range(height):
        for u in range(width):
            patches = known[:, :, y : y + P, u : u + P]
            away = (patches - wide[:, y : y + P, u : u + P]).square().sum((1, 2, 3))
            weights = (away * (-0.5 / sigma**2)).softmax(0)
            out[:, y, u] = weights @ images[:, :, y, u]
    return out


@pytest.mark.parametrize("sigma", [0.1, 0.3, 1.0, 3.0])
def test_local_against_pixel_by_pixel(benchmark: BenchmarkFixture, sigma: float) -> None:
    torch.set_num_threads(1)
    images = _images(32, 1377)
    local = Local(images)
    x = images[:1] + sigma * torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    P = local.patch_size(sigma)
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(4):
        for kept, work in zip(
            times,
            (lambda: local(x, 1.0, sigma)[0], lambda: _pixel_by_pixel(x[0], images, sigma, P)),
            strict=True,
        ):
            begin = time.perf_counter()
            result = work()
            kept.append(time.perf_counter() - begin)
    torch.testing.assert_close(result, local(x, 1.0, sigma)[0], rtol=0, atol=1e-3)
    ours, plain = (statistics.median(kept) for kept in times)
    benchmark.extra_info.update(ratio=plain / ours)
    benchmark.pedantic(lambda: local(x, 1.0, sigma), rounds=1)
    print(f"\nlocal, sigma {sigma}, P = {P}: {ours * 1e3:.0f} ms, pixel by pixel"
          f" {plain * 1e3:.0f} ms: {plain / ours:.1f} times as fast (promise: 20)")  # fmt: skip


@pytest.mark.parametrize("freedom", [0.0, 0.02, 0.25, 1.0])
@pytest.mark.parametrize(("size", "count"), [(64, 100), (32, 1377)])
def test_local_with_freedom(
    benchmark: BenchmarkFixture, size: int, count: int, freedom: float
) -> None:
    torch.set_num_threads(1)
    local = Local(_images(size, count), freedom=freedom)
    x = torch.randn(8, 3, size, size, generator=torch.Generator().manual_seed(0))
    benchmark.pedantic(lambda: local(x, 1.0, 0.3), rounds=3, warmup_rounds=1)
    seconds = benchmark.stats.stats.median
    print(f"\nlocal, {size} x {size}, {count} images, 8 samples, freedom {freedom}:"
          f" {seconds:.2f} s a step")  # fmt: skip
