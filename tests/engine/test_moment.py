"""One time of the forward process: the three display ranges, single pixels, what is clipped."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.experiment import Forward, NoiseKind
from diffusion_gui.engine.forward import Moment, Process, Shown
from diffusion_gui.engine.images import Pixels
from diffusion_gui.engine.noise import START, gaussian
from diffusion_gui.engine.schedules import build_preset

COSINE = build_preset("cosine")
Values = NDArray[np.float64]


def _picture(height: int = 37, width: int = 53) -> Pixels:
    return np.random.default_rng(5).integers(0, 256, (height, width, 3), np.uint8)


def _parts(pixels: Pixels, t: int, seed: int = 0) -> tuple[Values, Values]:
    """Return sqrt(abar) x_0 and sqrt(1 - abar) eps in float64 by the formula alone."""
    x_0 = pixels.astype(np.float64) / 127.5 - 1.0
    eps = gaussian(seed, 0, START, pixels.shape).astype(np.float64)
    alpha_bar = COSINE.alpha_bar[t]
    return math.sqrt(alpha_bar) * x_0, math.sqrt(1.0 - alpha_bar) * eps


def _levels(values: Values, shown: Shown) -> Values:
    """Return grey levels, not rounded, by what the ranges mean."""
    low, high = -1.0, 1.0
    if shown is Shown.NORMALISE:
        low, high = values.min(), values.max()
    elif shown is Shown.SYMMETRIC:
        high = np.abs(values).max()
        low = -high
    return np.clip((values - low) / (high - low), 0.0, 1.0) * 255.0


@pytest.mark.parametrize("shown", list(Shown))
@pytest.mark.parametrize("t", [1, 100, 412, 800, 950])
def test_the_pictures_in_every_range_are_the_closed_form(t: int, shown: Shown) -> None:
    pixels = _picture()
    signal, noise = _parts(pixels, t)
    moment = Process(pixels, 0, Forward()).at(COSINE, t)
    spans = moment.spans(shown)
    for picture, values in (
        (moment.x_t(spans[0]), signal + noise),
        (moment.signal(spans[1]), signal),
        (moment.noise(spans[2]), noise),
    ):
        levels = _levels(values, shown)
        wrong = picture.astype(int) - np.floor(levels + 0.5).astype(int)
        assert np.abs(wrong).max() <= 1
        tie = np.abs(levels - np.floor(levels) - 0.5) < 2e-3
        assert tie.mean() < 0.02
        assert not wrong[~tie].any()


@pytest.mark.parametrize("kind", list(NoiseKind))
def test_a_pixel_has_the_values_of_its_formula_and_they_add_up(kind: NoiseKind) -> None:
    pixels = _picture()
    moment = Process(pixels, 3, Forward(noise=kind, offset=0.1)).at(COSINE, 700)
    for x, y in ((0, 0), (52, 0), (17, 36), (30, 12)):
        values = moment.pixel(x, y)
        x_0 = pixels[y, x] / 127.5 - 1.0
        eps = moment.eps[y, x].astype(np.float64)
        alpha_bar = COSINE.alpha_bar[700]
        np.testing.assert_allclose(values.x_0, x_0, atol=1e-7)
        np.testing.assert_allclose(values.signal, math.sqrt(alpha_bar) * x_0, atol=1e-7)
        np.testing.assert_allclose(values.noise, math.sqrt(1 - alpha_bar) * eps, atol=1e-12)
        np.testing.assert_allclose(values.x_t, np.add(values.signal, values.noise), atol=1e-15)


def test_a_pixel_of_the_frozen_noise_is_that_of_the_seed() -> None:
    pixels = _picture()
    signal, noise = _parts(pixels, 412, seed=9)
    values = Process(pixels, 9, Forward()).at(COSINE, 412).pixel(20, 11)
    np.testing.assert_allclose(values.x_t, (signal + noise)[11, 20], atol=1e-7)


@pytest.mark.parametrize("place", [(-1, 0), (0, -1), (53, 0), (0, 37)])
def test_a_pixel_beyond_the_picture_is_refused(place: tuple[int, int]) -> None:
    moment = Process(_picture(), 0, Forward()).at(COSINE, 412)
    with pytest.raises(EngineError, match=r"not in the picture, 53 x 37"):
        moment.pixel(*place)


def test_a_moment_stays_what_it_was_after_another() -> None:
    process = Process(_picture(), 0, Forward(noise=NoiseKind.FRESH))
    first = process.at(COSINE, 300)
    before = first.x_t(), first.pixel(4, 5), first.clipped(), first.values()
    process.at(COSINE, 900).x_t()
    np.testing.assert_array_equal(first.x_t(), before[0])
    assert first.pixel(4, 5) == before[1]
    assert first.clipped() == before[2]
    np.testing.assert_array_equal(first.values(), before[3])


@pytest.mark.parametrize("t", [0, 100, 412, 1000])
def test_the_share_clipped_is_exact_for_a_small_picture(t: int) -> None:
    pixels = _picture()
    signal, noise = _parts(pixels, t)
    x_t, of_noise = Process(pixels, 0, Forward()).at(COSINE, t).clipped()
    size = signal.size
    # a value beyond 1 by less than float32 can tell may count or not
    assert x_t == pytest.approx((np.abs(signal + noise) > 1.0).mean(), abs=3.0 / size)
    assert of_noise == pytest.approx((np.abs(noise) > 1.0).mean(), abs=3.0 / size)


def test_the_share_clipped_of_a_large_picture_is_within_the_error_of_its_sample() -> None:
    pixels = _picture(700, 600)
    x_t, of_noise = Process(pixels, 0, Forward()).at(COSINE, 600).clipped()
    signal, noise = _parts(pixels, 600)
    for share, values in ((x_t, signal + noise), (of_noise, noise)):
        exact = (np.abs(values) > 1.0).mean()
        assert abs(share - exact) < 5.0 * math.sqrt(exact * (1 - exact) / 65_536)


def test_no_noise_clips_nothing() -> None:
    moment: Moment = Process(_picture(), 0, Forward()).at(COSINE, 0)
    assert moment.clipped() == (0.0, 0.0)
