"""The Gaussian denoisers: closed forms, the exact flow, what the covariance cannot know."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from diffusion_gui.engine.denoisers import gaussian
from diffusion_gui.engine.denoisers.gaussian import Gaussian, Stationary
from diffusion_gui.engine.errors import Cancelled, EngineError
from diffusion_gui.engine.noise import gaussian_batch

LEVELS = [(0.0, 1.0), (1.0, 0.002), (1.0, 0.6), (0.3, 0.95), (1.0, 80.0)]


@pytest.fixture(scope="module")
def golden() -> dict[str, Any]:
    path = Path(__file__).with_name("reference_denoisers.json")
    return json.loads(path.read_text(encoding="utf-8"))["denoiser_golden"]


def _images(count: int, shape: tuple[int, int, int] = (3, 6, 6), seed: int = 0) -> Tensor:
    """Return correlated pictures, float64."""
    white = torch.from_numpy(gaussian_batch(seed, range(count), 0, shape)).double()
    return 0.2 + 0.4 * (white + white.roll(1, -1) + 0.5 * white.roll(1, -2) + white.roll(1, 1))


def _noise(count: int, shape: tuple[int, ...]) -> Tensor:
    return torch.from_numpy(gaussian_batch(9, range(count), 0, shape)).double()


def _wiener(images: Tensor, x: Tensor, a: float, s: float, floor: float = 0.0) -> Tensor:
    """Return mu + a C (a^2 C + s^2)^-1 (x - a mu) by solving the D x D system."""
    flat = images.double().flatten(1)
    mean = flat.mean(0)
    one = torch.eye(flat.shape[1], dtype=torch.float64)
    covariance = (flat - mean).T @ (flat - mean) / len(flat) + floor**2 * one
    noisy = a * a * covariance + s * s * one
    part = torch.linalg.solve(noisy, (x.double().flatten(1) - a * mean).T)
    return (mean + a * (covariance @ part).T).reshape(x.shape)


def test_equals_the_reference(golden: dict[str, Any]) -> None:
    y, x = np.mgrid[:4, :4]
    images = [np.sin((i + 1) * (1 + x) / 2) + 0.5 * np.cos((i + 2) * (1 + y) / 3) for i in range(3)]
    query = torch.tensor(0.3 * np.cos(1.3 * x + 0.7 * y))[None, None]
    expected = torch.tensor(golden["wiener(cov/N)"], dtype=torch.float64)
    data = torch.tensor(np.stack(images)[:, None])
    for scale in (1.0, 0.8):
        found = Gaussian(data)(scale * query, scale, scale * 0.6)[0, 0]
        assert_close(found, expected, rtol=0, atol=1e-9)
        found = Gaussian(data.float())(scale * query.float(), scale, scale * 0.6)[0, 0]
        assert_close(found.double(), expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("count", [1, 2, 40, 108, 200])  # fewer and more than the 108 values
@pytest.mark.parametrize("floor", [0.0, 0.1])
@pytest.mark.parametrize(("a", "s"), LEVELS)
def test_equals_the_solution_of_the_linear_system(
    a: float, s: float, floor: float, count: int
) -> None:
    images = _images(count)
    x = a * images[:1] + s * _noise(3, (3, 6, 6))
    found = Gaussian(images, floor=floor)(x, a, s)
    assert_close(found, _wiener(images, x, a, s, floor), rtol=0, atol=1e-9)


@pytest.mark.parametrize(("a", "s"), LEVELS)
def test_single_precision_is_good_to_a_ten_thousandth(a: float, s: float) -> None:
    images = _images(40).float()
    x = a * images[:20] + s * _noise(20, (3, 6, 6)).float()
    found = Gaussian(images)(x, a, s)
    assert found.dtype == torch.float32
    assert_close(found.double(), _wiener(images, x, a, s), rtol=0, atol=1e-4)


@pytest.mark.parametrize("make", [Gaussian, Stationary])
def test_the_best_affine_estimate_is_not_beaten_on_its_own_images(
    make: Callable[[Tensor], Gaussian | Stationary],
) -> None:
    images, s = _images(400), 0.7
    x = images + s * _noise(400, (3, 6, 6))
    error = (make(images)(x, 1.0, s) - images).square().mean().item()
    share = 1.0 / (1.0 + s * s / images.var().item())
    plain = images.mean() + share * (x - images.mean())
    assert error < 0.9 * (plain - images).square().mean().item()


def test_of_a_large_set_the_strongest_directions_and_the_mean_rest_are_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(0)
    size, count, rank = 60, 400, 5
    strong = rng.normal(size=(count, rank)) * [9, 7, 5, 4, 3] @ rng.normal(size=(rank, size))
    images = torch.tensor(strong + 0.1 * rng.normal(size=(count, size))).reshape(count, 3, 4, 5)
    whole = Gaussian(images)
    monkeypatch.setattr(gaussian, "_EXACT_RANK", 20)
    monkeypatch.setattr(gaussian, "_RANK", rank)
    part = Gaussian(images)
    assert part.variances.shape == (rank,)
    assert_close(part.variances, whole.variances[:rank], rtol=1e-5, atol=0)
    x = images[:9] + 0.3 * _noise(9, (3, 4, 5))
    assert_close(part(x, 1.0, 0.3), whole(x, 1.0, 0.3), rtol=0, atol=0.05)
    assert_close(part(x, 1.0, 3.0), whole(x, 1.0, 3.0), rtol=0, atol=0.01)


def test_a_very_large_set_is_represented_by_some_of_its_images(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    images = _images(4001)
    whole = Gaussian(images)
    monkeypatch.setattr(gaussian, "_MOST_IMAGES", 2000)
    x = images[:9] + 0.5 * _noise(9, (3, 6, 6))
    assert_close(Gaussian(images)(x, 1.0, 0.5), whole(x, 1.0, 0.5), rtol=0, atol=0.2)


def test_the_flow_equals_the_reference_in_one_dimension() -> None:
    denoise = Gaussian(torch.tensor([-0.2, 0.8], dtype=torch.float64).reshape(2, 1, 1, 1))
    x = torch.full((1, 1, 1, 1), 80.0, dtype=torch.float64)
    assert denoise.flow(x, (1.0, 80.0), (1.0, 0.0)).item() == pytest.approx(0.798115271281)


@pytest.mark.parametrize("make", [Gaussian, Stationary])
def test_the_flow_solves_the_differential_equation(
    make: Callable[..., Gaussian | Stationary],
) -> None:
    """dx/dsigma = (x - D) / sigma at a = 1, by central differences; and it composes."""
    denoise = make(_images(40), floor=0.05)
    x = 2.0 * _noise(3, (3, 6, 6))
    for sigma in (0.05, 0.5, 5.0):
        h = 1e-4 * sigma
        ahead, behind = (denoise.flow(x, (1.0, sigma), (1.0, sigma + d)) for d in (h, -h))
        slope = (x - denoise(x, 1.0, sigma)) / sigma
        assert_close((ahead - behind) / (2 * h), slope, rtol=1e-6, atol=1e-6)
    levels = [(1.0, 7.0), (0.6, 0.8), (0.9, 0.1), (1.0, 0.0)]
    step = x
    for here, after in pairwise(levels):
        step = denoise.flow(step, here, after)
    assert_close(step, denoise.flow(x, levels[0], levels[-1]), rtol=0, atol=1e-9)


@pytest.mark.parametrize("make", [Gaussian, Stationary])
def test_the_flow_brings_noise_to_the_covariance_of_the_images(
    make: Callable[[Tensor], Gaussian | Stationary],
) -> None:
    images = _images(60)
    noise = _noise(3000, (3, 6, 6))
    found = make(images).flow(noise, (0.0, 1.0), (1.0, 0.0))
    assert_close(found.mean(), images.mean(), rtol=0, atol=0.02)
    assert found.var().item() == pytest.approx(images.var().item(), rel=0.05)
    neighbours = [((p - p.mean()) * (p - p.mean()).roll(1, -1)).mean() for p in (found, images)]
    assert neighbours[0].item() == pytest.approx(neighbours[1].item(), rel=0.1)


@pytest.mark.parametrize(("a", "s"), LEVELS)
def test_a_stationary_filter_moves_with_the_picture(a: float, s: float) -> None:
    denoise = Stationary(_images(3, (3, 6, 8)))
    x = _noise(2, (3, 6, 8))
    moved = denoise(x.roll((2, 3), (-2, -1)), a, s)
    assert_close(moved, denoise(x, a, s).roll((2, 3), (-2, -1)), rtol=0, atol=1e-12)


@pytest.mark.parametrize("size", [(4, 4), (4, 5), (5, 4), (1, 7)])
def test_stationary_equals_the_covariance_of_all_translates(size: tuple[int, int]) -> None:
    images = _images(2, (3, *size))
    shifts = [images.roll((dy, dx), (-2, -1)) for dy in range(size[0]) for dx in range(size[1])]
    x = images[:1] + 0.4 * _noise(5, (3, *size))
    expected = _wiener(torch.cat(shifts), x, 1.0, 0.4)
    assert_close(Stationary(images)(x, 1.0, 0.4), expected, rtol=0, atol=1e-9)


def test_one_picture_is_enough_for_a_texture() -> None:
    image = _images(1, (3, 16, 16))
    found = Stationary(image).flow(_noise(50, (3, 16, 16)), (0.0, 1.0), (1.0, 0.0))
    assert found.var().item() == pytest.approx(image.var().item(), rel=0.1)
    assert not torch.allclose(found[0], found[1], atol=0.1)
    single = Gaussian(image)  # which has no covariance
    assert_close(single(found, 1.0, 0.5), image.expand_as(found))


@pytest.mark.parametrize("make", [Gaussian, Stationary])
def test_building_and_calling_can_be_ended(make: Callable[..., Gaussian | Stationary]) -> None:
    def cancel() -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        make(_images(5), cancel)
    polls: list[None] = []
    denoise = make(_images(5), lambda: polls.append(None))
    before = len(polls)
    denoise(_images(2), 1.0, 0.5)
    assert len(polls) > before > 0


@pytest.mark.parametrize("make", [Gaussian, Stationary])
def test_what_is_no_set_of_pictures_is_refused(
    make: Callable[..., Gaussian | Stationary],
) -> None:
    with pytest.raises(EngineError, match=r"N >= 1, got \[0, 3, 4, 4\]"):
        make(torch.zeros(0, 3, 4, 4))
    with pytest.raises(EngineError, match="floor must be >= 0, got -1"):
        make(torch.zeros(1, 3, 4, 4), floor=-1.0)


def test_a_cancel_does_not_wait_for_the_decomposition(monkeypatch: pytest.MonkeyPatch) -> None:
    eigh = torch.linalg.eigh
    begun, may_end, ended = threading.Event(), threading.Event(), threading.Event()

    def slow(symmetric: Tensor) -> Any:
        begun.set()
        may_end.wait(30.0)
        ended.set()
        return eigh(symmetric)

    def poll() -> None:
        if begun.is_set():
            raise Cancelled

    monkeypatch.setattr(torch.linalg, "eigh", slow)
    with pytest.raises(Cancelled):
        Gaussian(torch.rand(5, 3, 4, 4), poll)
    assert not ended.is_set()
    may_end.set()
