"""The schedule as a value: identities, precision near 0 and 1, and what it refuses."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.schedules import (
    ControlPoint,
    ScheduleSpec,
    build,
    build_preset,
    from_betas,
    from_log_snr,
)
from diffusion_gui.engine.schedules.schedule import Schedule

ARRAYS = ("alpha_bar", "beta", "log_snr", "a", "s")
RAMP = np.linspace(1e-4, 0.02, 50)


def test_time_zero_is_the_clean_image() -> None:
    schedule = from_betas(RAMP)
    assert schedule.T == 50
    assert (schedule.alpha_bar[0], schedule.beta[0], schedule.a[0], schedule.s[0]) == (1, 0, 1, 0)
    assert schedule.log_snr[0] == np.inf
    assert schedule.sigma[0] == 0.0


def test_alpha_bar_is_the_product_of_alphas() -> None:
    betas = [Fraction(1, 7), Fraction(2, 9), Fraction(1, 3)]
    product, expected = Fraction(1), [1.0]
    for beta in betas:
        product *= 1 - beta
        expected.append(float(product))
    schedule = from_betas(np.array(betas, dtype=float))
    assert_allclose(schedule.alpha_bar, expected, rtol=1e-15)
    assert_allclose(schedule.alpha, [1.0, *(1 - b for b in map(float, betas))], rtol=1e-15)


@pytest.mark.parametrize("beta", [1e-12, 1e-7, 0.02, 0.999])
def test_noise_keeps_its_digits_where_almost_no_noise_was_added(beta: float) -> None:
    exact = [float(1 - (1 - Fraction(beta)) ** t) for t in range(1, 8)]
    schedule = from_betas(np.full(7, beta))
    assert_allclose(schedule.s[1:] ** 2, exact, rtol=1e-13)


def test_derived_arrays_agree_with_their_definitions() -> None:
    schedule = from_betas(RAMP)
    abar = schedule.alpha_bar
    assert_allclose(schedule.a**2 + schedule.s**2, 1.0, rtol=1e-15)
    assert_allclose(schedule.log_snr[1:], np.log(abar[1:] / (1 - abar[1:])), rtol=1e-11)
    assert_allclose(schedule.sigma[1:], schedule.s[1:] / schedule.a[1:], rtol=1e-14)
    assert_allclose(schedule.snr_db(20), 10 * np.log10(abar[20] / (1 - abar[20])), rtol=1e-11)


def test_posterior_variance_is_beta_tilde() -> None:
    schedule = from_betas(RAMP)
    abar, beta = schedule.alpha_bar, schedule.beta
    expected = (1 - abar[:-1]) / (1 - abar[1:]) * beta[1:]
    assert_allclose(schedule.posterior_variance[1:], expected, rtol=1e-9)
    assert_array_equal(schedule.posterior_variance[:2], [0.0, 0.0])


def test_log_snr_and_betas_describe_the_same_schedule() -> None:
    forward = from_betas(RAMP)
    back = from_log_snr(forward.log_snr[1:])
    for name in ARRAYS:
        assert_allclose(getattr(back, name), getattr(forward, name), rtol=1e-11)


@pytest.mark.parametrize("level", [-700.0, -40.0, 0.0, 40.0, 500.0])
def test_log_snr_survives_where_alpha_bar_is_0_or_1_in_float64(level: float) -> None:
    schedule = from_log_snr(np.array([level]))
    assert schedule.log_snr[1] == pytest.approx(level, rel=1e-15)
    assert_allclose(2 * np.log(schedule.a[1] / schedule.s[1]), level, rtol=1e-13, atol=1e-15)


def test_the_last_step_may_leave_no_signal_at_all() -> None:
    for schedule in (from_betas(np.array([0.1, 1.0])), from_log_snr(np.array([2.0, -np.inf]))):
        assert (schedule.a[2], schedule.s[2], schedule.beta[2]) == (0.0, 1.0, 1.0)
        assert schedule.log_snr[2] == -np.inf
        assert schedule.sigma[2] == np.inf


def test_sigma_is_infinite_without_warning_where_signal_underflows() -> None:
    schedule = from_betas(np.full(1000, 0.999))
    assert schedule.a[-1] == 0.0
    assert schedule.sigma[-1] == np.inf
    assert np.isfinite(schedule.log_snr[-1])


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_are_read_only_float64(name: str) -> None:
    array = getattr(from_betas(RAMP), name)
    assert array.dtype == np.float64
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 0.5


@pytest.mark.parametrize("bad", [0.0, -0.1, 1.0000001, np.nan, np.inf])
def test_a_bad_beta_is_named_with_its_time(bad: float) -> None:
    betas = np.full(5, 0.1)
    betas[3] = bad
    with pytest.raises(EngineError, match=rf"beta_4 = {bad:g}$"):
        from_betas(betas)


@pytest.mark.parametrize(
    ("log_snr", "t"),
    [([1, 0, 0], 3), ([1, 2, 0], 2), ([1, np.nan, 0], 2), ([np.nan], 1), ([np.inf, 1], 1)],
)
def test_a_rising_log_snr_is_named_with_its_time(log_snr: list[float], t: int) -> None:
    with pytest.raises(EngineError, match=rf"t = {t}$"):
        from_log_snr(np.array(log_snr, dtype=float))


@pytest.mark.parametrize("T", [0, 10_001])
def test_the_number_of_steps_is_bounded(T: int) -> None:
    with pytest.raises(EngineError, match=rf"got {T}$"):
        from_betas(np.full(T, 0.01))
    with pytest.raises(EngineError, match=rf"got {T}$"):
        from_log_snr(-np.arange(T, dtype=float))
    with pytest.raises(EngineError, match=rf"got {T}$"):
        build(ScheduleSpec("linear", T))


def test_notes_travel_with_the_schedule() -> None:
    assert from_betas(RAMP, ("clipped",)).notes == ("clipped",)
    assert from_betas(RAMP).notes == ()


def test_equal_specs_share_one_schedule_and_points_win_over_the_preset() -> None:
    assert build(ScheduleSpec("linear", 10)) is build_preset("linear", 10)
    points = (ControlPoint(0.0, 5.0), ControlPoint(1.0, -5.0))
    drawn: Schedule = build(ScheduleSpec("", 11, points=points))
    assert_allclose(drawn.log_snr[1:], np.linspace(5, -5, 11), atol=2e-5)
