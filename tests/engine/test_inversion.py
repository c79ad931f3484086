"""Inversion: the exact flow of Gaussian data, orders of convergence, and what a model can hold."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from diffusion_gui.engine.denoisers import Denoiser
from diffusion_gui.engine.denoisers.exact import Exact
from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.inversion import INVERSION_PARAMS, evaluations, invert, round_trip
from diffusion_gui.engine.samplers import Levels, Step, ddim
from diffusion_gui.engine.schedules import build_preset, from_betas, timesteps

LINEAR = build_preset("linear", 1000)
MEAN = 0.3
STD = torch.logspace(-0.7, 0.0, 75, dtype=torch.float64).reshape(3, 5, 5)
STIFF = torch.logspace(-2.0, 0.5, 75, dtype=torch.float64).reshape(3, 5, 5)
"""Each pixel has its own: a corrected step must suit flat and stiff directions at once."""


def gaussian(std: Tensor) -> Denoiser:
    """Return E[x_0 | x_t] for x_0 ~ N(MEAN, std^2) in each pixel."""

    def denoise(x: Tensor, a: float, s: float) -> Tensor:
        return MEAN + (a * std**2 / (a**2 * std**2 + s**2)).to(x.dtype) * (x - a * MEAN)

    return denoise


gaussian_denoiser = gaussian(STD)


def flow(x0: Tensor, a: float, s: float) -> Tensor:
    """Return where the probability-flow ODE takes x0: a Gaussian stays at its quantile."""
    return a * MEAN + (a**2 + (s / STD) ** 2).sqrt() * (x0 - MEAN)


def turning(n: int, top: float = 1.5) -> Levels:
    """Return the levels a = cos, s = sin of even angles, the last one clean."""
    angle = np.linspace(top, 0.0, n + 1)
    return Levels(np.arange(n, -1.0, -1), np.cos(angle), np.sin(angle))


def pictures(seed: int = 0, count: int = 3, dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, 3, 5, 5, generator=generator, dtype=dtype) * 2 - 1


def no_noise(i: int) -> Tensor:
    raise AssertionError(f"asked for the noise of step {i}")


def last(levels: Levels, iterations: int, x0: Tensor) -> Step:
    return list(invert(gaussian_denoiser, x0, levels, iterations=iterations))[-1]


def observed_order(errors: list[float]) -> float:
    return math.log2(errors[-2] / errors[-1])


# --- against the exact flow -----------------------------------------------------------------


@pytest.mark.parametrize("iterations", [0, 3])
def test_it_follows_the_probability_flow_with_first_order(iterations: int) -> None:
    """With and without corrections: those make it the inverse of DDIM, of first order itself."""
    x0, errors = pictures(), []
    for n in (128, 256):
        top = last(turning(n), iterations, x0)
        errors.append(float((top.x_t - flow(x0, top.a, top.s)).abs().max()))
    assert errors[-1] < 0.08  # where pictures are up to 5 from their mean
    assert observed_order(errors) == pytest.approx(1.0, abs=0.12)


def test_the_first_noisy_level_is_off_by_the_square_of_its_noise() -> None:
    x0, errors = pictures(), []
    for n in (64, 128, 256):
        step = list(invert(gaussian_denoiser, x0, turning(n)))[1]
        assert torch.equal(step.x_t, step.a * x0)
        errors.append(float((step.x_t - flow(x0, step.a, step.s)).abs().max()))
    assert observed_order(errors) == pytest.approx(2.0, abs=0.05)


# --- there and back -------------------------------------------------------------------------


@pytest.mark.parametrize(("iterations", "order"), [(0, 1.0), (3, 2.0)])
def test_the_round_trip_error_falls_with_the_steps(iterations: int, order: float) -> None:
    """Steps of DDIM do not undo each other: order 1. Corrected ones do: what is left is the start.

    That is (s / a)^2 of the first noisy level, which no correction can know: order 2.
    """
    errors = [
        float(round_trip(gaussian_denoiser, pictures(), turning(n), iterations=iterations).rms[0])
        for n in (64, 128, 256)
    ]
    assert observed_order(errors) == pytest.approx(order, abs=0.1)


@pytest.mark.parametrize("n", [8, 32])
def test_every_few_corrections_bring_the_way_up_nearer_to_the_way_down(n: int) -> None:
    """Also from the first noisy level to the second, where sigma doubles: a plain one diverges."""
    errors = []
    for iterations in (0, 2, 4, 8, 16):
        up = list(invert(gaussian(STIFF), pictures(), turning(n), iterations=iterations))
        down = list(ddim(gaussian(STIFF), up[-1].x_t, turning(n), no_noise, eta=0.0))
        errors.append(float((down[-2].x_t - up[1].x_t).abs().max()))  # at the first noisy level
    assert errors[0] > 0.1
    assert all(after < before / 4 for before, after in pairwise(errors))
    assert errors[-1] < 1e-10


def test_after_enough_corrections_the_way_down_is_the_way_up() -> None:
    up = list(invert(gaussian(STIFF), pictures(), turning(32), iterations=24))
    down = list(ddim(gaussian(STIFF), up[-1].x_t, turning(32), no_noise, eta=0.0))
    for one, other in zip(up[:0:-1], down, strict=False):
        assert one.t == other.t
        assert_close(one.x_t, other.x_t, rtol=1e-10, atol=1e-10)
        assert_close(one.x0_hat, other.x0_hat, rtol=1e-10, atol=1e-10)


def test_a_picture_does_not_depend_on_its_batch() -> None:
    x0, denoise = pictures(0, 4, torch.float32), Exact(pictures(1, 12, torch.float32))
    together = [step.x_t for step in invert(denoise, x0, turning(6), iterations=4)]
    for i, one in enumerate(x0):
        alone = [step.x_t for step in invert(denoise, one[None], turning(6), iterations=4)]
        assert all(
            torch.equal(row[i], other[0]) for row, other in zip(together, alone, strict=True)
        )


def test_the_error_is_each_pictures_rms_and_psnr() -> None:
    x0 = pictures()
    found = round_trip(gaussian_denoiser, x0, turning(8))
    for error, rms, psnr in zip(found.result - x0, found.rms, found.psnr, strict=True):
        assert float(rms) == pytest.approx(np.sqrt(np.mean(error.numpy() ** 2)))
        assert float(psnr) == pytest.approx(10 * math.log10(2.0**2 / float(rms) ** 2))


def test_a_picture_the_model_knows_comes_back_and_another_does_not() -> None:
    """The exact model holds its own images, and nothing else."""
    images = pictures(1, 12, torch.float32)
    levels = Levels.of(LINEAR, timesteps(1000, 50))
    inside = round_trip(Exact(images), images[:4], levels)
    assert float(inside.rms.max()) < 1e-5
    assert float(inside.psnr.min()) > 100.0
    outside = round_trip(Exact(images), pictures(2, 4, torch.float32), levels)
    assert float(outside.rms.min()) > 0.1
    distance = (outside.result[:, None] - images[None]).square().flatten(2).mean(2).sqrt()
    assert float(distance.amin(1).max()) < 1e-3


# --- promises -------------------------------------------------------------------------------


@pytest.mark.parametrize("iterations", [0, 3])
@pytest.mark.parametrize("n", [1, 2, 13])
def test_it_visits_each_level_upward_and_makes_the_calls_it_says(n: int, iterations: int) -> None:
    levels, made = Levels.of(LINEAR, timesteps(1000, n)), 0

    def counted(x: Tensor, a: float, s: float) -> Tensor:
        nonlocal made
        made += 1
        return gaussian_denoiser(x, a, s)

    x0 = pictures(dtype=torch.float32)
    steps = list(invert(counted, x0, levels, iterations=iterations))
    assert made == evaluations(n, iterations)
    assert [step.index for step in steps] == list(range(n + 1))
    assert [step.t for step in steps] == levels.t[::-1].tolist()
    assert torch.equal(steps[0].x_t, x0)
    assert torch.equal(steps[0].x0_hat, x0)
    for step in steps[1:]:
        assert (step.a, step.s) == (LINEAR.a[step.t], LINEAR.s[step.t])
        assert torch.equal(step.x0_hat, gaussian_denoiser(step.x_t, step.a, step.s))
        assert step.x_t.dtype == torch.float32
    round_trip(counted, x0, levels, iterations=iterations)
    assert made == 2 * evaluations(n, iterations) + n


@pytest.mark.parametrize("iterations", [0, 3])
def test_it_reaches_pure_noise(iterations: int) -> None:
    schedule = from_betas(np.r_[np.linspace(1e-4, 0.3, 29), 1.0])
    assert schedule.a[-1] == 0.0
    levels = Levels.of(schedule, timesteps(30, 30))
    images = pictures(1, 6, torch.float32)
    steps = list(invert(Exact(images), images, levels, iterations=iterations))
    assert all(torch.isfinite(step.x_t).all() for step in steps)
    assert_close(steps[-1].x0_hat, images.mean(0).expand_as(images), rtol=0, atol=1e-6)
    assert float(round_trip(Exact(images), images, levels, iterations=iterations).rms.max()) < 1e-3


def test_a_run_that_does_not_end_clean_is_refused_at_once() -> None:
    levels = Levels(np.array([2.0, 1.0]), np.array([0.6, 0.8]), np.array([0.8, 0.6]))
    with pytest.raises(EngineError, match=r"clean level, got s = 0\.6"):
        invert(gaussian_denoiser, pictures(), levels)


def test_rows_are_complete_for_the_form() -> None:
    (row,) = INVERSION_PARAMS
    assert row.minimum <= row.default <= row.maximum
    assert row.tooltip.endswith(".")
