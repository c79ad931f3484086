"""Power spectra against SciPy, and known cases: white noise, 1 / f^2, a constant."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.fft import dctn, idctn

from diffusion_gui.engine.measures import Clean, Pair
from diffusion_gui.engine.noise import gaussian
from diffusion_gui.engine.noise_fields import NoiseField
from diffusion_gui.engine.spectrum import (
    Rings,
    cosine_transform,
    cutoff,
    noise_floor,
    radial_spectrum,
)

SHAPES = [(1, 1, 3), (1, 5, 3), (7, 2, 1), (13, 13, 3), (16, 9, 3), (64, 48, 3)]


def _noise(*shape: int) -> np.ndarray:
    return gaussian(3, 0, 0, shape).astype(np.float64)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_transform_is_the_orthonormal_dct(shape: tuple[int, ...]) -> None:
    x = _noise(*shape)
    expected = dctn(x, type=2, norm="ortho", axes=(0, 1))
    np.testing.assert_allclose(cosine_transform(x), expected, atol=1e-13)


@pytest.mark.parametrize("shape", SHAPES)
def test_power_times_count_is_the_sum_of_squares(shape: tuple[int, ...]) -> None:
    x = _noise(*shape) + 0.3
    _, power = radial_spectrum(x)
    rings = Rings.of(*shape[:2])
    assert rings.counts.sum() == shape[0] * shape[1]
    total = float((rings.counts * power).sum())
    assert total == pytest.approx(float((x**2).sum()) / shape[2], rel=1e-12)


def test_white_noise_has_power_one_at_every_frequency() -> None:
    f, power = radial_spectrum(_noise(128, 96, 3))
    counts = Rings.of(128, 96).counts
    # a ring's mean of n squares of normal values has variance 2 / n
    deviation = (power - 1.0) / np.sqrt(2.0 / (3.0 * counts))
    assert np.abs(deviation).max() < 5.0
    assert len(f) > 30
    assert f[0] == 0.0
    assert np.all(np.diff(f) > 0.0)


def test_a_picture_made_with_one_over_f_squared_is_found_so() -> None:
    height, width = 128, 160
    f = np.hypot(np.arange(height)[:, None] / (2 * height), np.arange(width) / (2 * width))
    f[0, 0] = 1.0
    waves = _noise(height, width, 3) / f[..., None]
    found, power = radial_spectrum(idctn(waves, type=2, norm="ortho", axes=(0, 1)))
    inside = found > 0.02
    slope, level = np.polyfit(np.log(found[inside]), np.log(power[inside]), 1)
    assert slope == pytest.approx(-2.0, abs=0.05)
    assert math.exp(level) == pytest.approx(1.0, abs=0.15)


def test_a_wave_lies_in_the_ring_of_its_frequency() -> None:
    k, width = 12, 64
    wave = np.cos(np.pi * k * (np.arange(width) + 0.5) / width) * np.ones((32, 1))
    f, power = radial_spectrum(wave[..., None])
    assert f[np.argmax(power)] == pytest.approx(k / (2 * width), rel=0.05)
    assert power.max() * Rings.of(32, width).counts[np.argmax(power)] == pytest.approx(32 * 64 / 2)


def test_a_constant_is_in_the_mean_alone() -> None:
    _, power = radial_spectrum(np.full((20, 30, 3), 0.25))
    assert power[0] == pytest.approx(20 * 30 * 0.25**2)
    assert np.abs(power[1:]).max() < 1e-25


@pytest.mark.parametrize("offset", [0.0, 0.3])
def test_offset_noise_raises_the_floor_at_the_mean_alone(offset: float) -> None:
    shape, s = (8, 8, 3), 0.8
    drawn = [
        radial_spectrum(s * NoiseField(seed, shape, "frozen", offset).at(0, 0.0).astype(float))
        for seed in range(600)
    ]
    f, counts = drawn[0][0], Rings.of(8, 8).counts
    floor = noise_floor(f, s, offset, 64)
    mean = np.mean([power for _, power in drawn], axis=0)
    spread = floor * np.sqrt(2.0 / (3.0 * counts * len(drawn)))
    assert np.abs((mean - floor) / spread).max() < 4.5
    assert floor[0] == pytest.approx(s**2 * (1.0 + offset**2 * 64))
    np.testing.assert_array_equal(floor[1:], s**2)


def test_the_cutoff_is_where_the_last_crossing_lies() -> None:
    f = np.array([0.0, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32])
    floor = np.ones(7)
    signal = np.array([9.0, 100.0, 0.5, 16.0, 4.0, 1.0 / 4.0, 1.0 / 16.0])
    assert cutoff(f, signal, floor) == pytest.approx(0.08 * math.sqrt(2.0))  # 4 -> 1/4
    power = 0.01 / np.maximum(f, 1e-9) ** 2  # crosses 1 at f = 0.1, straight in log-log
    assert cutoff(f, power, floor) == pytest.approx(0.1)


def test_the_cutoff_of_all_and_of_nothing() -> None:
    f = np.array([0.0, 0.1, 0.2])
    one = np.ones(3)
    assert cutoff(f, 2.0 * one, one) == math.inf
    assert cutoff(f, np.array([9.0, 0.5, 0.5]), one) == 0.0
    assert cutoff(f, np.zeros(3), np.zeros(3)) == math.inf  # t = 0: there is no noise yet
    assert cutoff(f[:1], one[:1], one[:1]) == 0.0  # one pixel has a mean and nothing else
    assert cutoff(f, np.array([9.0, 2.0, 0.0]), one) == 0.1


def test_a_flat_picture_loses_its_mean_last() -> None:
    pixels = np.full((16, 16, 3), 255, np.uint8)
    eps = gaussian(0, 0, 0, pixels.shape)
    pair = Pair(Clean(pixels), eps).with_spectrum(eps)
    early, late = pair.spectrum(0.8, 0.6), pair.spectrum(0.01, 1.0)
    assert early.cutoff == late.cutoff == 0.0
    assert not early.mean_drowned
    assert late.mean_drowned
