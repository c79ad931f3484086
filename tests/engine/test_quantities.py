"""The curves of a schedule against its own arrays, and their ways back."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from diffusion_gui.engine.schedules import ScheduleSpec, build, build_preset
from diffusion_gui.engine.schedules.quantities import QUANTITIES

SCHEDULES = ("linear", "cosine", "flow", "ve")


@pytest.mark.parametrize("preset", SCHEDULES)
def test_the_curves_are_the_schedules_arrays(preset: str) -> None:
    schedule = build_preset(preset, 400)
    shown = {key: quantity.values(schedule) for key, quantity in QUANTITIES.items()}
    assert_allclose(shown["alpha_bar"], schedule.alpha_bar, rtol=1e-12)
    assert_allclose(shown["beta"], schedule.beta, rtol=1e-9, atol=1e-15)
    assert_allclose(shown["log_snr"], schedule.log_snr)
    assert_allclose(shown["sigma"], schedule.sigma, rtol=1e-12)
    assert_allclose(shown["signal"], np.sqrt(schedule.alpha_bar), rtol=1e-12)
    assert_allclose(shown["noise"] ** 2 + shown["signal"] ** 2, 1.0, rtol=1e-12)
    with np.errstate(invalid="ignore"):
        flow = np.where(np.isinf(schedule.sigma), 1.0, schedule.sigma / (1.0 + schedule.sigma))
    assert_allclose(shown["flow"], flow, rtol=1e-12)
    assert np.isnan(shown["step"][:2]).all()
    fall = -np.diff(schedule.log_snr[1:])
    finite = np.isfinite(fall)
    assert_allclose(shown["step"][2:][finite], fall[finite])


@pytest.mark.parametrize("key", [key for key, q in QUANTITIES.items() if q.log_snr])
def test_a_value_leads_back_to_its_log_snr(key: str) -> None:
    quantity = QUANTITIES[key]
    assert quantity.log_snr is not None
    for level in np.linspace(-12.0, 12.0, 49):
        value = float(quantity.of_levels(np.array(np.nan), np.array(level)))
        assert quantity.log_snr(value) == pytest.approx(level, abs=1e-9)


@pytest.mark.parametrize("key", [key for key, q in QUANTITIES.items() if q.log_snr])
@pytest.mark.parametrize("value", [-np.inf, -1e9, -1.0, 0.0, 1.0, 2.0, 1e300, np.inf])
def test_any_place_of_the_mouse_means_some_log_snr(key: str, value: float) -> None:
    quantity = QUANTITIES[key]
    assert quantity.log_snr is not None
    assert abs(quantity.log_snr(value)) <= 20.0 + 1e-6


def test_an_end_without_signal_has_values() -> None:
    schedule = build(ScheduleSpec("linear", 50, zero_terminal=True))
    last = {key: float(q.values(schedule)[-1]) for key, q in QUANTITIES.items()}
    assert last["alpha_bar"] == last["signal"] == last["snr"] == 0.0
    assert last["beta"] == last["noise"] == last["flow"] == 1.0
    assert last["sigma"] == np.inf
    assert last["log_snr"] == -np.inf


def test_a_logarithmic_axis_has_a_floor() -> None:
    sigma = QUANTITIES["sigma"]
    assert_allclose(sigma.on_axis(np.array([0.0, 0.1, 100.0]), True), [-12.0, -1.0, 2.0])
    assert sigma.off_axis(-1.0, True) == pytest.approx(0.1)
    assert sigma.off_axis(0.3, False) == 0.3
    assert np.isfinite(sigma.off_axis(1e9, True))
