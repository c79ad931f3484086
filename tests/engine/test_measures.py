"""PSNR, SSIM and KL against direct float64 computation, and the moments against both."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.images import Pixels, to_float
from diffusion_gui.engine.measures import (
    BINS,
    EDGES,
    MOST_VALUES,
    Clean,
    Pair,
    histogram,
    kl_bias,
    kl_to_normal,
    normal_shares,
    psnr,
    psnr_from_moments,
    sample,
    ssim,
)
from diffusion_gui.engine.noise import gaussian
from diffusion_gui.engine.spectrum import radial_spectrum


def _picture(height: int, width: int, seed: int = 0) -> Pixels:
    """Return something with edges, flat parts and texture."""
    y, x = np.mgrid[0:height, 0:width].astype(float)
    rows = np.stack([np.sin(x / 9 + c) * 90 + 40 * (y > height / 2) + 100 for c in range(3)], -1)
    rough = np.random.default_rng(seed).integers(-20, 21, rows.shape) * (x < width / 2)[..., None]
    return np.clip(rows + rough, 0, 255).astype(np.uint8)


def _mixed(pixels: Pixels, eps: np.ndarray, a: float, s: float) -> tuple[np.ndarray, np.ndarray]:
    x_0 = to_float(pixels).astype(np.float64)
    return x_0, a * x_0 + s * eps.astype(np.float64)


# --- PSNR ------------------------------------------------------------------------------------


def test_psnr_of_a_known_error() -> None:
    x = np.zeros((4, 5, 3))
    assert psnr(x, x + 0.2) == pytest.approx(20.0)  # 20 log10(2 / 0.2)
    assert psnr(x, x) == math.inf
    assert psnr(x, x + 2.0) == pytest.approx(0.0)


def test_the_expected_psnr_is_that_of_the_mean_error_over_many_noises() -> None:
    pixels, a, s = _picture(12, 10), 0.7, 0.6
    errors = []
    for seed in range(2000):
        x_0, x_t = _mixed(pixels, gaussian(seed, 0, 0, pixels.shape), a, s)
        errors.append(np.mean((x_t - x_0) ** 2))
    expected = float(psnr_from_moments(a, s, float(np.mean(x_0**2))))
    assert expected == pytest.approx(10.0 * math.log10(4.0 / np.mean(errors)), abs=0.03)


# --- SSIM ------------------------------------------------------------------------------------


def _ssim_by_hand(x: np.ndarray, y: np.ndarray) -> float:
    """Return Wang et al. eq. 13 window by window."""
    place = np.arange(11) - 5.0
    window = np.exp(-(place[:, None] ** 2 + place**2) / (2.0 * 1.5**2))
    window /= window.sum()
    c1, c2, found = (0.01 * 2.0) ** 2, (0.03 * 2.0) ** 2, []
    for channel in range(x.shape[2]):
        for i in range(x.shape[0] - 10):
            for j in range(x.shape[1] - 10):
                p, q = x[i : i + 11, j : j + 11, channel], y[i : i + 11, j : j + 11, channel]
                mp, mq = (window * p).sum(), (window * q).sum()
                vp, vq = (window * (p - mp) ** 2).sum(), (window * (q - mq) ** 2).sum()
                cov = (window * (p - mp) * (q - mq)).sum()
                likeness = (2 * mp * mq + c1) * (2 * cov + c2)
                found.append(likeness / ((mp**2 + mq**2 + c1) * (vp + vq + c2)))
    return float(np.mean(found))


@pytest.mark.parametrize("s", [0.05, 0.5, 1.0])
def test_ssim_is_wangs_window_by_window(s: float) -> None:
    pixels = _picture(17, 23)
    x_0, x_t = _mixed(pixels, gaussian(1, 0, 0, pixels.shape), math.sqrt(1 - s**2), s)
    assert ssim(x_0, x_t) == pytest.approx(_ssim_by_hand(x_0, x_t), abs=1e-12)


def test_ssim_agrees_with_scikit_image() -> None:
    """Its structural_similarity, version 0.26, Gaussian weights, population covariance."""
    y, x, c = np.meshgrid(np.arange(24), np.arange(31), np.arange(3), indexing="ij")
    p = np.sin(0.37 * x + 0.21 * y * (c + 1))
    q = 0.5 * p + 0.7 * np.cos(1.9 * x - 2.3 * y + 0.31 * x * y + c)
    assert ssim(p, q) == pytest.approx(SCIKIT_IMAGE, abs=1e-12)


SCIKIT_IMAGE = 0.30001572669446047


def test_equal_pictures_have_ssim_one_and_a_negative_none() -> None:
    x = to_float(_picture(20, 20)).astype(np.float64)
    assert ssim(x, x) == pytest.approx(1.0, abs=1e-12)
    checks = np.indices((20, 20, 3)).sum(axis=0) % 2 * 2.0 - 1.0
    assert ssim(checks, -checks) == pytest.approx(-1.0, abs=0.01)


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 40, 3), (40, 2, 3), (10, 11, 1)])
def test_pictures_smaller_than_a_window_are_mirrored(shape: tuple[int, ...]) -> None:
    x = gaussian(0, 0, 0, shape).astype(np.float64)
    y = x + 0.5 * gaussian(1, 0, 0, shape)
    pads = [(5, 5) if length < 11 else (0, 0) for length in shape[:2]]
    wide = [np.pad(z, (*pads, (0, 0)), mode="symmetric") for z in (x, y)]
    assert ssim(x, x) == pytest.approx(1.0)
    assert ssim(x, y) == pytest.approx(_ssim_by_hand(*wide), abs=1e-12)


def test_pictures_of_two_shapes_are_refused() -> None:
    with pytest.raises(EngineError, match=r"one shape .* \(3, 3, 1\) and \(3, 4, 1\)"):
        ssim(np.zeros((3, 3, 1)), np.zeros((3, 4, 1)))
    with pytest.raises(EngineError, match="one shape"):
        psnr(np.zeros((3, 3, 1)), np.zeros((3, 4, 1)))
    with pytest.raises(EngineError, match="does not match"):
        Pair(Clean(_picture(4, 4)), gaussian(0, 0, 0, (4, 5, 3)))


# --- KL --------------------------------------------------------------------------------------


def test_the_shares_of_the_bins_are_the_normal_ones() -> None:
    expected = np.diff(stats.norm.cdf(EDGES))
    expected[0], expected[-1] = stats.norm.cdf(EDGES[1]), stats.norm.sf(EDGES[-2])
    np.testing.assert_allclose(normal_shares(), expected, rtol=1e-12)
    assert normal_shares().sum() == pytest.approx(1.0, abs=1e-15)


def test_the_histogram_counts_every_value_once() -> None:
    values = np.r_[-9.0, -4.0, -1e-3, 0.0, 1e-3, 3.999, 4.0, 9.0, gaussian(0, 0, 0, (999,))]
    inner, _ = np.histogram(np.clip(values, -4.0, 4.0), EDGES)
    np.testing.assert_array_equal(histogram(values), inner)


def test_kl_is_the_relative_entropy_of_the_bins() -> None:
    values = 0.4 + 0.7 * gaussian(5, 0, 0, (5000,)).astype(np.float64)
    counts = histogram(values)
    assert kl_to_normal(counts) == pytest.approx(stats.entropy(counts, normal_shares()), rel=1e-12)
    assert kl_to_normal(np.zeros(BINS, np.intp)) == 0.0


@pytest.mark.parametrize("n", [2_000, 60_000])
def test_draws_of_the_normal_itself_show_the_bias(n: int) -> None:
    """2 n KL is the G statistic, chi-squared with bins - 1 degrees of freedom."""
    found = [kl_to_normal(histogram(gaussian(seed, 0, 0, (n,)))) for seed in range(60)]
    spread = math.sqrt(2.0 * (BINS - 1)) / (2.0 * n) / math.sqrt(len(found))
    excess = 0.1 * kl_bias(n)  # the tails' bins are nearly empty
    assert abs(np.mean(found) - kl_bias(n)) < 4.0 * spread + excess


@pytest.mark.parametrize("a", [0.95, 0.5, 0.1])
def test_kl_of_x_t_is_that_of_the_mixture_of_grey_levels(a: float) -> None:
    """Values of x_t are a mixture: each grey level g of x_0 gives N(a g, s^2)."""
    pixels, s = _picture(128, 128), math.sqrt(1.0 - a**2)
    eps = gaussian(2, 0, 0, pixels.shape)
    grey, counts = np.unique(pixels, return_counts=True)
    centres = a * (grey / 127.5 - 1.0)
    below = stats.norm.cdf((EDGES[:, None] - centres) / s)
    below[0], below[-1] = 0.0, 1.0
    shares = np.diff(below @ (counts / counts.sum()))
    expected = stats.entropy(shares, normal_shares())
    n = sample(eps).size
    assert Pair(Clean(pixels), eps).kl(a, s) == pytest.approx(
        expected + kl_bias(n), abs=0.02 * expected + 2.0 * kl_bias(n)
    )


# --- every measure from second moments -------------------------------------------------------


@settings(max_examples=15, deadline=None)
@given(
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.floats(0.0, 1.0),
    st.integers(0, 1000),
    st.sampled_from([0.0, 0.2]),
)
def test_the_moments_give_what_measuring_gives(
    size: tuple[int, int], a: float, seed: int, offset: float
) -> None:
    pixels, s = _picture(*size, seed), math.sqrt(1.0 - a**2)
    eps = gaussian(seed, 0, 0, pixels.shape) + np.float32(offset)
    pair = Pair(Clean(pixels), eps, offset).with_spectrum(eps)
    x_0, x_t = _mixed(pixels, eps, a, s)
    assert pair.psnr(a, s) == pytest.approx(psnr(x_0, x_t), abs=1e-4)
    assert pair.ssim(a, s) == pytest.approx(ssim(x_0, x_t), abs=1e-4)
    np.testing.assert_allclose(pair.values(a, s), x_t.ravel(), atol=1e-5)
    spectrum = pair.spectrum(a, s)
    for power, x in ((spectrum.x_0, x_0), (spectrum.signal, a * x_0), (spectrum.x_t, x_t)):
        f, expected = radial_spectrum(x)
        np.testing.assert_allclose(power, expected, rtol=1e-4, atol=1e-4 * expected.max())
    np.testing.assert_array_equal(spectrum.f, f)


def test_at_the_ends_x_t_is_the_picture_and_the_noise() -> None:
    pixels = _picture(30, 30)
    eps = gaussian(0, 0, 0, pixels.shape)
    pair = Pair(Clean(pixels), eps).with_spectrum(eps)
    assert (pair.psnr(1.0, 0.0), pair.ssim(1.0, 0.0)) == (math.inf, 1.0)
    assert pair.spectrum(1.0, 0.0).cutoff == math.inf
    assert pair.spectrum(0.0, 1.0).cutoff == 0.0
    assert pair.spectrum(0.0, 1.0).mean_drowned
    assert abs(pair.ssim(0.0, 1.0)) < 0.05


def test_a_large_picture_is_measured_at_every_nth_window_and_pixel() -> None:
    pixels = _picture(300, 420)
    eps = gaussian(0, 0, 0, pixels.shape)
    clean = Clean(pixels)
    pair = Pair(clean, eps)
    assert clean.stride == 2
    assert MOST_VALUES // 2 < pair.values(1.0, 0.0).size <= MOST_VALUES + 2
    for a in (0.99, 0.8, 0.3):
        s = math.sqrt(1.0 - a**2)
        x_0, x_t = _mixed(pixels, eps, a, s)
        assert pair.ssim(a, s) == pytest.approx(ssim(x_0, x_t), abs=1e-3)
        assert pair.psnr(a, s) == pytest.approx(psnr(x_0, x_t), abs=1e-4)
