"""The forward process: chain, jump and posterior agree, and the fast kernel with all of them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.experiment import Forward, NoiseKind
from diffusion_gui.engine.forward import (
    CLIPPED,
    LARGE,
    Noiser,
    Process,
    Shown,
    Span,
    closed_form,
    markov_step,
    posterior,
)
from diffusion_gui.engine.images import to_float, to_uint8
from diffusion_gui.engine.noise import gaussian
from diffusion_gui.engine.noise_fields import WHOLE, NoiseField
from diffusion_gui.engine.schedules import PRESETS, Family, Schedule, build_preset

LINEAR = build_preset("linear", 1000)


@pytest.mark.parametrize("preset", PRESETS)
def test_the_chain_and_the_closed_form_have_the_same_mean_and_variance(preset: str) -> None:
    schedule = build_preset(preset, 1000)
    mean, variance = np.ones(1001), np.zeros(1001)
    for t in range(1, 1001):
        scale, added = _one_step(schedule, t)
        mean[t] = scale * mean[t - 1]
        variance[t] = scale**2 * variance[t - 1] + added**2
        if schedule.family is Family.VP:
            beta = schedule.beta[t]
            assert_allclose([scale, added], [np.sqrt(1.0 - beta), np.sqrt(beta)], rtol=1e-12)
    assert_allclose(mean, schedule.a, rtol=0, atol=1e-12)
    assert_allclose(variance, schedule.s**2, rtol=1e-11, atol=1e-12)


def _one_step(schedule: Schedule, t: int) -> tuple[float, float]:
    """Return (scale, deviation of the noise) of x_{t-1} -> x_t."""
    one, zero = np.ones(1), np.zeros(1)
    scale = float(markov_step(one, zero, schedule, t)[0])
    return scale, float(markov_step(zero, one, schedule, t)[0])


def test_the_jump_is_signal_plus_noise_in_the_precision_of_the_picture() -> None:
    x_0 = np.array([[-1.0, 0.25], [0.5, 1.0]])
    eps = np.array([[0.3, -2.0], [1.5, 0.0]])
    abar = LINEAR.alpha_bar[300]
    expected = np.sqrt(abar) * x_0 + np.sqrt(1 - abar) * eps
    assert_allclose(closed_form(x_0, eps, LINEAR, 300), expected, rtol=1e-13)
    single = closed_form(x_0.astype(np.float32), eps.astype(np.float32), LINEAR, 300)
    assert single.dtype == np.float32
    assert_allclose(single, expected, rtol=1e-6)


def test_at_time_zero_the_picture_is_untouched() -> None:
    x_0 = gaussian(0, 0, 0, (8, 8, 3))
    assert_array_equal(closed_form(x_0, gaussian(0, 1, 0, x_0.shape), LINEAR, 0), x_0)


@pytest.mark.parametrize("t", [1, 500, 1000])
def test_a_markov_step_has_the_promised_mean_and_variance(t: int) -> None:
    beta, n = LINEAR.beta[t], 1_000_000
    eps = gaussian(5, 0, t, (n,)).astype(np.float64)
    x_t = markov_step(np.full(n, 0.7), eps, LINEAR, t)
    assert abs(x_t.mean() - 0.7 * np.sqrt(1 - beta)) < 5 * np.sqrt(beta / n)
    assert abs(x_t.var() / beta - 1) < 5 * np.sqrt(2 / n)


def test_many_markov_steps_reach_the_distribution_of_the_jump() -> None:
    schedule, n = build_preset("cosine", 12), 200_000
    x = np.full(n, -0.6)
    for t in range(1, 11):
        x = markov_step(x, gaussian(1, 0, t, (n,)).astype(np.float64), schedule, t)
    assert abs(x.mean() + 0.6 * schedule.a[10]) < 5 * schedule.s[10] / np.sqrt(n)
    assert abs(x.var() / schedule.s[10] ** 2 - 1) < 5 * np.sqrt(2 / n)


def test_posterior_equals_the_reference(reference: dict[str, Any]) -> None:
    expected = reference["posterior_linear_index_500"]
    golden = (expected["coef_x0"], expected["coef_xt"], expected["beta_tilde"])
    assert_allclose(posterior(LINEAR, 501), golden, rtol=1e-12)


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("t", [2, 50, 99, 100])
def test_posterior_is_bayes_rule_on_two_gaussians(preset: str, t: int) -> None:
    schedule = build_preset(preset, 100)
    prior = 1 / schedule.s[t - 1] ** 2  # precision of q(x_{t-1} | x_0), mean a_{t-1} x_0
    scale, added = _one_step(schedule, t)
    likelihood = scale**2 / added**2  # of x_t about scale x_{t-1}
    variance = 1 / (prior + likelihood)
    x_0 = variance * prior * schedule.a[t - 1]
    x_t = variance * scale / added**2
    assert_allclose(posterior(schedule, t), (x_0, x_t, variance), rtol=1e-10)


def test_the_posterior_of_the_first_step_is_the_picture_itself() -> None:
    assert_allclose(posterior(LINEAR, 1), (1.0, 0.0, 0.0), rtol=1e-12)


def test_times_out_of_range_are_refused() -> None:
    x = np.zeros(3)
    for t in (-1, 1001):
        with pytest.raises(EngineError, match=rf"0\.\.1000, got {t}$"):
            closed_form(x, x, LINEAR, t)
    for t in (0, 1001):
        with pytest.raises(EngineError, match=rf"1\.\.1000, got {t}$"):
            markov_step(x, x, LINEAR, t)
        with pytest.raises(EngineError, match=rf"1\.\.1000, got {t}$"):
            posterior(LINEAR, t)


ALL_LEVELS = np.arange(256, dtype=np.uint8).repeat(3).reshape(16, 16, 3)


def _picture(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (height, width, 3)).astype(np.uint8)


@pytest.mark.parametrize("shape", [(1, 1), (200, 151)])
@pytest.mark.parametrize("t", [0, 1, 250, 700, 1000])
def test_noiser_is_the_closed_form_up_to_float32_ties(shape: tuple[int, int], t: int) -> None:
    pixels = _picture(*shape)
    eps = gaussian(11, 0, 0, pixels.shape)
    x_0 = pixels / 127.5 - 1.0  # float64
    x_t = closed_form(x_0, eps.astype(np.float64), LINEAR, t)
    exact = np.clip(x_t, -1, 1) * 127.5 + 128.0
    shown = Noiser(pixels, eps).x_t(LINEAR.a[t], LINEAR.s[t])
    assert shown.dtype == np.uint8
    assert shown.shape == pixels.shape
    off = shown != np.minimum(np.floor(exact), 255)
    # a pixel may differ only where the exact value lies at the border of two grey levels
    assert_allclose(exact[off], np.round(exact[off]), rtol=0, atol=2e-4)
    assert_allclose(shown[off].astype(float), exact[off], rtol=0, atol=1 + 2e-4)
    assert off.mean() < 1e-3


def test_noiser_agrees_with_the_float32_path_within_one_level() -> None:
    pixels = _picture(64, 64)
    eps = gaussian(2, 0, 0, pixels.shape)
    noiser = Noiser(pixels, eps)
    for t in (1, 40, 400, 1000):
        slow = to_uint8(closed_form(to_float(pixels), eps, LINEAR, t)).astype(int)
        assert abs(noiser.x_t(LINEAR.a[t], LINEAR.s[t]) - slow).max() <= 1


def test_noiser_without_noise_returns_every_grey_level_itself() -> None:
    eps = gaussian(0, 0, 0, ALL_LEVELS.shape)
    assert_array_equal(Noiser(ALL_LEVELS, eps).x_t(1.0, 0.0), ALL_LEVELS)
    assert_array_equal(Noiser(ALL_LEVELS, eps).signal(1.0), ALL_LEVELS)


def test_noiser_shows_the_two_parts_separately() -> None:
    pixels = _picture(40, 30)
    eps = gaussian(4, 0, 0, pixels.shape)
    noiser = Noiser(pixels, eps)
    assert_array_equal(noiser.signal(0.6), noiser.x_t(0.6, 0.0))
    assert_array_equal(noiser.noise(0.8), noiser.x_t(0.0, 0.8))
    assert abs(noiser.noise(0.8) - to_uint8(np.float32(0.8) * eps).astype(int)).max() <= 1
    assert_array_equal(noiser.signal(0.0), np.full_like(pixels, 128))


def test_noiser_results_are_its_callers_to_keep() -> None:
    pixels = _picture(8, 8)
    noiser = Noiser(pixels, gaussian(0, 0, 0, pixels.shape))
    first = noiser.x_t(1.0, 0.0)
    noiser.x_t(0.0, 1.0)
    assert_array_equal(first, pixels)


def test_noise_of_another_shape_is_refused() -> None:
    with pytest.raises(EngineError, match=r"\(4, 4, 3\).*\(16, 16, 3\)"):
        Noiser(ALL_LEVELS, gaussian(0, 0, 0, (4, 4, 3)))


@pytest.mark.parametrize("most", [100, 1 << 16])
def test_noiser_values_are_the_closed_form_before_clipping(most: int) -> None:
    pixels = _picture(40, 30)
    eps = gaussian(4, 0, 0, pixels.shape)
    values = Noiser(pixels, eps).values(0.3, 0.9, most)
    exact = (0.3 * (pixels / 127.5 - 1.0) + 0.9 * eps).reshape(-1, 3)
    every = -(-exact.size // most)
    assert values.dtype == np.float32
    assert_allclose(values, exact[::every].ravel(), rtol=0, atol=1e-6)
    assert abs(values).max() > 1.0
    assert len(values) <= most + 2


# --- blocks, threads, large pictures --------------------------------------------------------------

SHAPES = [
    (1, 1), (1, 43_690), (43_691, 1), (3, 14_563), (256, 512), (513, 769),
]  # fmt: skip
"""Single pixels, one value before and after the end of a block of 2^17 values, odd sizes."""


def _exact(pixels: np.ndarray, eps: np.ndarray, a: float, s: float, span: Span) -> np.ndarray:
    """Return grey levels in float64, not rounded, by the formula alone."""
    values = a * (pixels / 127.5 - 1.0) + s * eps.astype(np.float64)
    return (np.clip(values, span.low, span.high) - span.low) / (span.high - span.low) * 255.0


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("span", [CLIPPED, Span(-4.5, 3.25), Span(-0.3, 0.1)])
@pytest.mark.parametrize(("a", "s"), [(1.0, 0.0), (0.0, 1.0), (0.6, 0.8), (0.02, 80.0), (1, 1e-9)])
def test_noiser_rounds_half_up_in_every_range_and_size(
    shape: tuple[int, int], span: Span, a: float, s: float
) -> None:
    pixels, eps = _picture(*shape), gaussian(1, 0, 0, (*shape, 3))
    exact = _exact(pixels, eps, a, s, span)
    wrong = Noiser(pixels, eps).x_t(a, s, span) - np.floor(exact + 0.5)
    assert abs(wrong).max() <= 1
    scale = 255.0 / (span.high - span.low) * max(a, s, 1.0)
    tie = abs(exact + 0.5 - np.round(exact + 0.5)) < 1e-6 * scale
    assert not wrong[~tie].any()


def test_noiser_can_be_used_in_several_threads_at_once() -> None:
    pixels, eps = _picture(700, 600), gaussian(1, 0, 0, (700, 600, 3))
    noiser = Noiser(pixels, eps)
    levels = [(0.1 * n, 1.0 - 0.1 * n) for n in range(11)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda level: noiser.x_t(*level), levels))
    for shown, (a, s) in zip(together, levels, strict=True):
        assert_array_equal(shown, Noiser(pixels, eps).x_t(a, s))


@pytest.mark.parametrize(("kind", "shape"), [
    (NoiseKind.FROZEN, (1200, 1000)), (NoiseKind.FROZEN, (2, 600_001)),
    (NoiseKind.PATH, (1025, 1031)), (NoiseKind.FRESH, (1025, 1031)),
])  # fmt: skip
def test_a_large_picture_band_by_band_is_the_plain_computation(
    kind: NoiseKind, shape: tuple[int, int]
) -> None:
    pixels = _picture(*shape)
    assert shape[0] * shape[1] > LARGE
    t, forward = 600, Forward(noise=kind, offset=0.2)
    moment = Process(pixels, 7, forward).at(LINEAR, t)
    whole = NoiseField(7, pixels.shape, kind, 0.2).at(t, float(LINEAR.log_snr[t]))
    plain = Noiser(pixels, whole)
    a, s = LINEAR.shown(t)
    for shown in Shown:
        spans = moment.spans(shown)
        x_t, signal, noise = moment.parts(spans)
        assert_array_equal(x_t, plain.x_t(a, s, spans[0]))
        assert_array_equal(signal, plain.signal(a, spans[1]))
        assert_array_equal(noise, plain.noise(s, spans[2]))
        assert spans[0] == Span.of(shown, plain.extent(a, s))
    assert_array_equal(moment.x_t(), plain.x_t(a, s))
    exact = a * (pixels / 127.5 - 1.0) + s * whole.astype(np.float64)
    y, x = shape[0] - 1, shape[1] // 2
    assert_allclose(moment.pixel(x, y).x_t, exact[y, x], rtol=0, atol=1e-6)
    values = moment.values().astype(np.float64)
    assert 30_000 < values.size < 80_000
    assert abs(values.mean() - exact.mean()) < 5.0 * exact.std() / np.sqrt(values.size)


@pytest.mark.parametrize("kind", list(NoiseKind))
def test_a_thinned_process_has_the_pixels_and_the_noise_of_the_whole(kind: NoiseKind) -> None:
    pixels = _picture(1030, 1501)
    whole = Process(pixels, 5, Forward(noise=kind, offset=0.1))
    thin = whole.thinned(WHOLE)
    assert thin.stride == 4
    assert thin.count <= WHOLE
    assert_array_equal(thin.pixels, pixels[::4, ::4])
    for t in (0, 1, 300, 1000):
        assert_array_equal(thin.at(LINEAR, t).x_t(), whole.at(LINEAR, t).x_t()[::4, ::4])
    assert whole.thinned(1 << 21) is whole


def test_the_work_on_a_large_picture_can_be_ended() -> None:
    class EndedError(Exception):
        pass

    def poll() -> None:
        raise EndedError

    moment = Process(_picture(1200, 1000), 0, Forward(noise=NoiseKind.FRESH)).at(LINEAR, 5, poll)
    with pytest.raises(EndedError):
        moment.x_t()
