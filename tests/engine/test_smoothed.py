"""The smoothed exact denoisers: against brute force, and what becomes of their limits."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from diffusion_gui.engine.denoisers.exact import Exact
from diffusion_gui.engine.denoisers.smoothed import Smoothed
from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.noise import gaussian_batch

SHAPE = (3, 8, 8)
LEVELS = [(0.0, 1.0), (1.0, 0.01), (1.0, 0.6), (0.3, 0.95), (1.0, 20.0)]


def _images(count: int = 30) -> Tensor:
    return torch.from_numpy(gaussian_batch(0, range(count), 0, SHAPE)).clamp(-1, 1)


def _noisy(images: Tensor, a: float, s: float) -> Tensor:
    eps = torch.from_numpy(gaussian_batch(1, range(len(images)), 0, SHAPE))
    return a * images + s * eps


def _kernel_mean(images: Tensor, x: Tensor, a: float, s: float, h: float) -> Tensor:
    """Return E[x_0 | x] for the prior (1/N) sum_i N(x_i, h^2), component by component."""
    data, query = images.double(), x.double()
    total = s * s + a * a * h * h
    away = query[:, None] - a * data[None]  # [B, N, C, H, W]
    weights = (-0.5 * away.square().flatten(2).sum(2) / total).softmax(1)
    each = data[None] + (a * h * h / total) * away
    return torch.einsum("bn,bnchw->bchw", weights, each)


@pytest.mark.parametrize(("a", "s"), LEVELS)
def test_without_smoothing_it_is_exact(a: float, s: float) -> None:
    images = _images()
    x = _noisy(images[:5], a, s)
    expected = Exact(images)(x, a, s)
    assert_close(Smoothed(images, spread=0.0)(x, a, s), expected, rtol=0, atol=1e-6)
    assert_close(Smoothed(images, probes=1)(x, a, s), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("bandwidth", [0.05, 0.5])
@pytest.mark.parametrize(("a", "s"), LEVELS)
def test_the_bandwidth_is_that_of_a_kernel_density(a: float, s: float, bandwidth: float) -> None:
    images = _images()
    x = _noisy(images[:5], a, s)
    found = Smoothed(images, spread=0.0, bandwidth=bandwidth)(x, a, s)
    expected = _kernel_mean(images, x, a, s, bandwidth)
    assert_close(found.double(), expected, rtol=0, atol=2e-5)


@pytest.mark.parametrize(("a", "s"), LEVELS)
def test_the_spread_averages_exact_estimates_around_the_picture(a: float, s: float) -> None:
    images = _images()
    x = _noisy(images[:3], a, s)
    half = 0.7 * torch.from_numpy(gaussian_batch(4, range(3), 0, SHAPE))
    around = [Exact(images)(x + a * sign * xi, a, s) for xi in half for sign in (1, -1)]
    found = Smoothed(images, spread=0.7, probes=6, seed=4)(x, a, s)
    assert_close(found, torch.stack(around).mean(0), rtol=0, atol=2e-5)


@pytest.mark.parametrize(("a", "s"), LEVELS)
def test_of_float64_images_all_is_float64(a: float, s: float) -> None:
    images = _images().double() / 3.0
    x = _noisy(images[:3], a, s)
    expected = _kernel_mean(images, x, a, s, 0.05)
    found = Smoothed(images, spread=0.0, bandwidth=0.05)(x, a, s)
    assert_close(found, expected, rtol=0, atol=1e-9)
    half = 0.7 * torch.from_numpy(gaussian_batch(4, range(3), 0, SHAPE))
    around = [_kernel_mean(images, x + a * sign * xi, a, s, 0.0) for xi in half for sign in (1, -1)]
    found = Smoothed(images, spread=0.7, probes=6, seed=4)(x, a, s)
    assert_close(found, torch.stack(around).mean(0), rtol=0, atol=1e-9)


def test_between_two_images_it_blends_where_the_exact_one_chooses() -> None:
    images = _images(2)
    x = 0.55 * images[:1] + 0.45 * images[1:]
    chosen = Exact(images)(x, 1.0, 0.05)
    blended = Smoothed(images, spread=2.0, probes=64)(x, 1.0, 0.05)
    assert_close(chosen, images[:1], rtol=0, atol=1e-3)
    share = torch.linalg.lstsq((images[1] - images[0]).reshape(-1, 1),
                               (blended - images[:1]).reshape(-1, 1)).solution.item()  # fmt: skip
    assert 0.2 < share < 0.5


@pytest.mark.parametrize(("a", "s"), LEVELS)
def test_the_spread_alone_stays_within_the_images(a: float, s: float) -> None:
    images = _images()
    found = Smoothed(images, spread=3.0)(_noisy(images[:5], a, s), a, s)
    assert (found >= images.amin(0) - 1e-5).all()
    assert (found <= images.amax(0) + 1e-5).all()


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"spread": -1.0}, "spread must be >= 0, got -1"),
        ({"bandwidth": float("inf")}, "bandwidth must be >= 0, got inf"),
        ({"probes": 0}, "probes must be an integer >= 1, got 0"),
    ],
)
def test_bad_values_are_refused(params: dict[str, Any], message: str) -> None:
    with pytest.raises(EngineError, match=message):
        Smoothed(_images(), **params)
