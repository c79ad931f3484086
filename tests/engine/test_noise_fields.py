"""Every kind of noise is N(0, I) at a single t; how two times belong together is its own."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffusion_gui.engine import noise_fields
from diffusion_gui.engine.experiment import Forward, NoiseKind
from diffusion_gui.engine.forward import Process
from diffusion_gui.engine.noise import START, gaussian
from diffusion_gui.engine.noise_fields import (
    DEPTH,
    REACH,
    NoiseField,
    brownian_terms,
    lattice,
    mean_snr_loss_db,
    snr_loss_db,
)
from diffusion_gui.engine.schedules import build_preset

SHAPE = (48, 56, 3)
COUNT = math.prod(SHAPE)
PIECE = 2.0 * REACH / 2**DEPTH
log_snrs = st.floats(-40.0, 40.0)


def _correlation(one: float, other: float) -> float:
    first, second = dict(brownian_terms(one)), dict(brownian_terms(other))
    return sum(part * second.get(field, 0.0) for field, part in first.items())


@given(log_snrs)
def test_a_brownian_noise_has_variance_one_at_every_t(log_snr: float) -> None:
    terms = brownian_terms(log_snr)
    assert sum(part**2 for _, part in terms) == pytest.approx(1.0, abs=1e-12)
    assert len({field for field, _ in terms}) == len(terms) <= DEPTH + 3


@given(st.floats(-REACH, REACH), st.floats(-REACH, REACH))
def test_two_times_are_correlated_as_a_brownian_path_is(one: float, other: float) -> None:
    """W(s) / sqrt(s) and W(u) / sqrt(u), s < u, have correlation sqrt(s / u)."""
    expected = math.exp(-0.5 * abs(one - other))
    if math.floor((REACH - one) / PIECE) == math.floor((REACH - other) / PIECE):
        assert _correlation(one, other) >= expected - 1e-9
    else:
        assert _correlation(one, other) == pytest.approx(expected, abs=1e-7)  # near an end of it


def test_the_increments_of_the_path_are_independent() -> None:
    """Cov(W(u) - W(s), W(s)) = 0: what the chain adds knows nothing of what was there."""
    early, late = 1.25, -3.125  # ends of pieces
    s, u = math.exp(-early), math.exp(-late)
    assert math.sqrt(s * u) * _correlation(early, late) == pytest.approx(s, rel=1e-12)


@pytest.mark.parametrize("kind", list(NoiseKind))
@pytest.mark.parametrize("log_snr", [math.inf, 9.0, 0.3, -7.7, -math.inf])
def test_every_kind_is_standard_normal_at_one_t(kind: NoiseKind, log_snr: float) -> None:
    eps = NoiseField(5, SHAPE, kind).at(412, log_snr).astype(np.float64)
    assert eps.shape == SHAPE
    assert abs(eps.mean()) < 5.0 / math.sqrt(COUNT)
    assert abs(eps.var() - 1.0) < 5.0 * math.sqrt(2.0 / COUNT)
    assert abs((eps**4).mean() - 3.0) < 5.0 * math.sqrt(96.0 / COUNT)


def test_the_path_made_of_fields_has_the_correlation_of_its_terms() -> None:
    noise = NoiseField(1, SHAPE, NoiseKind.PATH)
    one, other = noise.at(1, 2.0).copy(), noise.at(2, 1.0)
    measured = float((one.astype(np.float64) * other).mean())
    assert measured == pytest.approx(math.exp(-0.5), abs=5.0 / math.sqrt(COUNT))


def test_frozen_noise_is_one_noise_and_fresh_noise_never_the_same() -> None:
    frozen, fresh = (NoiseField(2, SHAPE, kind) for kind in (NoiseKind.FROZEN, NoiseKind.FRESH))
    np.testing.assert_array_equal(frozen.at(1, 5.0), gaussian(2, 0, START, SHAPE))
    np.testing.assert_array_equal(frozen.at(1, 5.0), frozen.at(900, -5.0))
    one, other = fresh.at(1, 5.0).astype(np.float64), fresh.at(2, 5.0)
    assert abs((one * other).mean()) < 5.0 / math.sqrt(COUNT)
    np.testing.assert_array_equal(fresh.at(1, 5.0), fresh.at(1, -2.0))


@pytest.mark.parametrize("kind", list(NoiseKind))
def test_noise_is_a_function_of_its_arguments_whatever_was_asked_before(kind: NoiseKind) -> None:
    moved = NoiseField(3, SHAPE, kind)
    for t in range(0, 1000, 13):
        moved.at(t, 12.0 - 0.024 * t)
    np.testing.assert_array_equal(moved.at(7, 1.5), NoiseField(3, SHAPE, kind).at(7, 1.5))


@pytest.mark.parametrize("kind", list(NoiseKind))
def test_offset_noise_adds_its_variance_to_the_mean_of_each_channel(kind: NoiseKind) -> None:
    means = np.stack(
        [NoiseField(seed, (8, 8, 3), kind, 0.5).at(9, 0.7).mean(axis=(0, 1)) for seed in range(400)]
    ).astype(np.float64)
    expected = 1.0 / 64.0 + 0.25
    assert means.var() == pytest.approx(expected, abs=5.0 * expected * math.sqrt(2.0 / means.size))


@pytest.mark.parametrize("offset", [0.0, 0.1, 0.5, 1.0])
def test_the_loss_of_a_value_is_the_ratio_of_the_variances(offset: float) -> None:
    values = np.stack(
        [
            NoiseField(seed, (4, 4, 3), NoiseKind.FROZEN, offset).at(9, 0.7)[seed % 4, 1]
            for seed in range(3000)
        ]
    ).astype(np.float64)
    measured = 10.0 * math.log10(np.mean(values**2))
    assert snr_loss_db(offset) == pytest.approx(measured, abs=5.0 * 4.34 * math.sqrt(2.0 / 9000))
    assert snr_loss_db(offset) == pytest.approx(10.0 * math.log10(1.0 + offset**2), abs=1e-12)


def test_the_loss_of_the_mean_is_the_ratio_of_the_variances() -> None:
    assert mean_snr_loss_db(0.1, 64, 64) == pytest.approx(10.0 * math.log10(41.96))
    assert mean_snr_loss_db(0.0, 512, 512) == 0.0


@pytest.mark.parametrize("kind", list(NoiseKind))
@pytest.mark.parametrize("offset", [0.0, 0.2])
def test_the_pictures_are_the_closed_form_in_float64(kind: NoiseKind, offset: float) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, SHAPE, np.uint8)
    schedule = build_preset("cosine", 1000)
    process = Process(pixels, 4, Forward(noise=kind, offset=offset))
    for t in (0, 1, 333, 999, 1000):
        eps = NoiseField(4, SHAPE, kind, offset).at(t, float(schedule.log_snr[t]))
        abar = float(schedule.alpha_bar[t])
        clean = pixels.astype(np.float64) / 127.5 - 1.0
        exact = np.sqrt(abar) * clean + np.sqrt(1.0 - abar) * eps.astype(np.float64)
        level = np.floor((np.clip(exact, -1.0, 1.0) + 1.0) * 127.5 + 0.5)
        assert np.abs(process.at(schedule, t).x_t() - level).max() <= 1
        np.testing.assert_allclose(
            process.at(schedule, t).values(1 << 20).reshape(SHAPE), exact, atol=2e-6
        )


# --- large fields ---------------------------------------------------------------------------------

LARGE_SHAPES = [(513, 512, 3), (600, 1100, 3), (1025, 1023, 3), (3, 400_001, 3), (400_001, 1, 3)]


@pytest.mark.parametrize("shape", [(1, 1, 3), (512, 512, 3), *LARGE_SHAPES])
def test_the_parts_of_a_field_hold_each_pixel_once(shape: tuple[int, int, int]) -> None:
    seen = np.zeros(shape[:2], int)
    for row, column, stride in lattice(shape):
        seen[row::stride, column::stride] += 1
    assert (seen == 1).all()


@pytest.mark.parametrize("kind", list(NoiseKind))
@pytest.mark.parametrize("shape", LARGE_SHAPES)
def test_every_second_pixel_is_the_noise_of_the_half_size(
    shape: tuple[int, int, int], kind: NoiseKind
) -> None:
    whole = NoiseField(3, shape, kind, 0.1).at(5, 1.3)
    half = (-(-shape[0] // 2), -(-shape[1] // 2), 3)
    np.testing.assert_array_equal(whole[::2, ::2], NoiseField(3, half, kind, 0.1).at(5, 1.3))


@pytest.mark.parametrize("kind", list(NoiseKind))
def test_a_large_noise_is_standard_normal_and_white(kind: NoiseKind) -> None:
    eps = NoiseField(8, (900, 1000, 3), kind).at(3, -0.4).astype(np.float64)
    n = eps.size
    assert abs(eps.mean()) < 5.0 / math.sqrt(n)
    assert abs(eps.var() - 1.0) < 5.0 * math.sqrt(2.0 / n)
    assert abs((eps**4).mean() - 3.0) < 5.0 * math.sqrt(96.0 / n)
    neighbours = (eps[1:] * eps[:-1], eps[:, 1:] * eps[:, :-1], eps[2:, 2:] * eps[:-2, :-2])
    for product in (*neighbours, eps[..., 0] * eps[..., 1]):
        assert abs(product.mean()) < 5.0 / math.sqrt(product.size)


@pytest.mark.parametrize("kind", [NoiseKind.FROZEN, NoiseKind.PATH])
def test_a_noise_too_large_to_keep_is_the_same_noise(
    kind: NoiseKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    shape = (700, 800, 3)
    kept = NoiseField(2, shape, kind, 0.3).at(1, 0.9)
    monkeypatch.setattr(noise_fields, "CACHE_BYTES", 1 << 20)
    field = NoiseField(2, shape, kind, 0.3)
    bands = list(field.bands(1, 0.9))
    assert len(bands) > 1
    np.testing.assert_array_equal(np.concatenate([eps for _, eps in bands]), kept)
    np.testing.assert_array_equal(field.at(1, 0.9), kept)


def test_the_fields_kept_stay_within_their_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    shape = (64, 64, 3)
    monkeypatch.setattr(noise_fields, "CACHE_BYTES", 11 * 4 * math.prod(shape))
    field = NoiseField(2, shape, NoiseKind.PATH)
    for log_snr in np.linspace(-12.0, 12.0, 60):
        field.at(0, float(log_snr))
        assert sum(kept.nbytes for kept in field._fields.values()) <= noise_fields.CACHE_BYTES
    np.testing.assert_array_equal(field.at(0, 0.5), NoiseField(2, shape, NoiseKind.PATH).at(0, 0.5))
