"""Strokes on the curves of a schedule: always legal, near to what was drawn, still beside it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import isotonic_regression

from diffusion_gui.engine.schedules import (
    Family,
    ScheduleSpec,
    build,
    control_points,
    editing,
    family_of,
    operations,
)
from diffusion_gui.engine.schedules import curve as curves
from diffusion_gui.engine.schedules.quantities import QUANTITIES
from diffusion_gui.engine.schedules.strokes import (
    draw,
    draw_betas,
    draw_falls,
    draw_levels,
    falling,
)

SPECS = {
    "cosine": ScheduleSpec("cosine", 1000),
    "bent": editing.move_points(ScheduleSpec("linear", 300), {2, 4}, 5, -0.4),
    "alone": operations.fit(ScheduleSpec("cosine", 200)),
    "table": operations.blend(ScheduleSpec("linear", 60), ScheduleSpec("cosine", 60), 0.5),
    "zero": ScheduleSpec("scaled_linear", 100, zero_terminal=True),
    "flow": ScheduleSpec("flow", 50),
    "ve": ScheduleSpec("ve", 40),
    "beyond": ScheduleSpec("sqrt_beta", 1000),
    **{f"T{T}": ScheduleSpec("linear", T) for T in (1, 2, 3)},
    "long": ScheduleSpec("cosine", 10_000),
}
ALPHA_BAR = QUANTITIES["alpha_bar"]
SHARED = ("alpha_bar", "signal", "noise", "flow")


def _legal(spec: ScheduleSpec) -> None:
    schedule = build(spec)
    assert np.isfinite(schedule.beta).all()
    assert (schedule.beta[1:] > 0.0).all()
    assert (schedule.beta[1:] <= 1.0).all()
    assert (np.diff(schedule.log_snr[1:]) < 0.0).all()
    assert np.isfinite(schedule.log_snr[1:-1]).all()
    u = [point.u for point in spec.points]
    assert u == sorted(set(u))


def _stroke(spec: ScheduleSpec, key: str, first: int, last: int, bump: float) -> list:
    """Return a stroke along the curve that leaves it by `bump` nats in its middle."""
    level = curves.finite_end(build(spec).log_snr[1:])[first - 1 : last]
    level = level + bump * np.sin(np.pi * np.linspace(0.0, 1.0, len(level)))
    values = QUANTITIES[key].of_levels(np.array(np.nan), level)
    return list(zip(range(first, last + 1), values.tolist(), strict=True))


@given(st.lists(st.floats(-30, 30) | st.sampled_from([0.0, 1.0]), min_size=1, max_size=60))
def test_the_projection_is_the_isotonic_regression(values: list[float]) -> None:
    expected = isotonic_regression(np.array(values), increasing=False).x
    assert_allclose(falling(np.array(values)), expected, rtol=0, atol=1e-9)


def test_the_projection_leaves_what_falls_and_pools_what_rises() -> None:
    assert_array_equal(falling(np.array([3.0, 2.0, 1.0])), [3.0, 2.0, 1.0])
    assert_array_equal(falling(np.array([0.0, 1.0, 5.0, 0.0])), [2.0, 2.0, 2.0, 0.0])


wild = st.floats(allow_nan=True, allow_infinity=True)
near = st.tuples(st.floats(-300, 1300) | wild, st.floats(-0.3, 1.3) | st.floats(-25, 25) | wild)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(sorted(SPECS)),
    st.sampled_from(sorted(QUANTITIES)),
    st.lists(near, max_size=40),
    st.sampled_from(sorted(QUANTITIES)),
    st.lists(near, max_size=10),
)
def test_no_stroke_is_illegal_nor_a_second_one(
    name: str, key: str, first: list, other: str, second: list
) -> None:
    drawn = draw(SPECS[name], QUANTITIES[key], first)
    _legal(drawn)
    again = draw(drawn, QUANTITIES[other], second)
    _legal(again)
    assert family_of(again) is family_of(SPECS[name])
    for index in range(len(control_points(again))):
        _legal(editing.drag_point(again, index, 3.0, ALPHA_BAR, 0.4))


@pytest.mark.parametrize("key", [key for key in QUANTITIES if QUANTITIES[key].log_snr])
@pytest.mark.parametrize("name", ["cosine", "bent", "alone", "zero", "flow", "ve", "long"])
def test_a_level_follows_the_stroke_and_is_still_beside_it(name: str, key: str) -> None:
    spec, quantity = SPECS[name], QUANTITIES[key]
    T = spec.T
    first, last = round(0.4 * T), round(0.7 * T)
    before = build(spec)
    stroke = _stroke(spec, key, first, last, 0.4)
    drawn = build(draw_levels(spec, quantity, stroke))
    on_axis = [quantity.on_axis(v, quantity.logarithmic) for v in (
        np.array([value for _, value in stroke]), quantity.values(drawn)[first : last + 1]
    )]  # fmt: skip
    assert_allclose(on_axis[1], on_axis[0], rtol=0, atol=0.012 if key in SHARED else 0.08)
    t = np.arange(1, T)
    beside = t[(t < first - 0.02 * T - 1) | (t > last + 0.02 * T + 1)]
    assert_allclose(drawn.log_snr[beside], before.log_snr[beside], rtol=0, atol=0.05)
    assert drawn.log_snr[T] == pytest.approx(before.log_snr[T], abs=0.05)


@pytest.mark.parametrize("name", ["cosine", "zero", "flow", "ve"])
def test_a_preset_keeps_its_exact_shape_beside_the_stroke_and_its_name(name: str) -> None:
    spec = SPECS[name]
    T = spec.T
    drawn = draw_levels(spec, ALPHA_BAR, _stroke(spec, "alpha_bar", T // 2, 3 * T // 4, -0.4))
    assert drawn.preset == spec.preset
    assert_allclose(
        build(drawn).log_snr[1 : int(0.47 * T)], build(spec).log_snr[1 : int(0.47 * T)], atol=1e-9
    )
    assert len(drawn.points) <= 20


def test_a_stroke_over_everything_needs_few_points() -> None:
    t = np.linspace(-20.0, 1020.0, 400)
    alpha_bar = 1.0 / (1.0 + np.exp((t - 450.0) / 90.0))
    noise = np.random.default_rng(0).normal(0.0, 0.003, 400)
    drawn = draw_levels(SPECS["cosine"], ALPHA_BAR, list(zip(t, alpha_bar + noise, strict=True)))
    assert 4 <= len(drawn.points) <= 18
    wanted = np.interp(np.arange(1, 1001), t, alpha_bar)
    assert_allclose(build(drawn).alpha_bar[1:], wanted, rtol=0, atol=0.015)


def test_direction_does_not_matter_and_the_latest_pass_wins() -> None:
    forth = [(300.0, 0.7), (400.0, 0.6), (500.0, 0.5)]
    assert draw(SPECS["cosine"], ALPHA_BAR, forth) == draw(SPECS["cosine"], ALPHA_BAR, forth[::-1])
    betas = QUANTITIES["beta"]
    drawn = build(draw(SPECS["cosine"], betas, [(300, 0.1), (400, 0.1), (350, 0.01)]))
    assert drawn.beta[350] == pytest.approx(0.01)
    assert drawn.beta[375] == pytest.approx(0.1**1.5)
    assert drawn.beta[349] == pytest.approx(0.1)


def test_levels_on_the_wrong_side_of_a_stroke_are_pushed_only_as_far_as_needed() -> None:
    before = build(SPECS["cosine"])
    drawn = build(draw(SPECS["cosine"], ALPHA_BAR, [(500.0, 0.8), (600.0, 0.75)]))
    higher = before.alpha_bar > 0.82
    assert_allclose(drawn.alpha_bar[higher], before.alpha_bar[higher], atol=0.01)
    pushed = (before.alpha_bar < 0.79) & (np.arange(1001) <= 500)
    assert pushed.sum() > 100
    assert_allclose(drawn.alpha_bar[pushed], 0.8, atol=0.012)


def test_drawn_betas_keep_every_other_beta_and_change_alpha_bar_downstream() -> None:
    for name in ("cosine", "bent", "zero", "flow", "ve"):
        spec = SPECS[name]
        before, first, last = build(spec), spec.T // 3, spec.T // 2
        drawn = build(draw_betas(spec, [(first, 0.01), (last, 0.1)]))
        steps = np.arange(spec.T + 1)
        inside = (steps >= first) & (steps <= last)
        assert_array_equal(drawn.beta[~inside], before.beta[~inside])
        expected = 10 ** np.interp(steps[inside], [first, last], [-2.0, -1.0])
        assert_allclose(drawn.beta[inside], expected, rtol=1e-12)
        assert_allclose(drawn.alpha_bar[:first], before.alpha_bar[:first], rtol=1e-12)
        factor = drawn.alpha_bar[last] / before.alpha_bar[last]
        assert factor != pytest.approx(1.0)
        assert_allclose(drawn.alpha_bar[last:], factor * before.alpha_bar[last:], rtol=1e-9)
        assert drawn.family is before.family


@pytest.mark.parametrize(("value", "beta"), [(7.0, 0.999), (np.inf, 0.999), (-1.0, 1e-8)])
def test_drawn_betas_are_clipped(value: float, beta: float) -> None:
    drawn = build(draw_betas(SPECS["cosine"], [(100.0, value), (110.0, value)]))
    assert_allclose(drawn.beta[100:111], beta)


@pytest.mark.parametrize("name", ["cosine", "zero", "ve"])
def test_drawn_falls_keep_the_others_and_move_the_levels_after_them(name: str) -> None:
    spec = SPECS[name]
    first, last = spec.T // 4, spec.T // 2
    before, drawn = build(spec), build(draw_falls(spec, [(first, 0.02), (last, 0.02)]))
    fall = -np.diff(drawn.log_snr[1:-1])
    assert_allclose(fall[first - 2 : last - 1], 0.02, atol=1e-6)
    others = np.r_[fall[: first - 2], fall[last - 1 :]]
    old = -np.diff(before.log_snr[1:-1])
    assert_allclose(others, np.r_[old[: first - 2], old[last - 1 :]], atol=1e-6)
    assert np.isneginf(drawn.log_snr[-1]) == np.isneginf(before.log_snr[-1])


@pytest.mark.parametrize("key", QUANTITIES)
def test_a_stroke_without_a_usable_sample_changes_nothing(key: str) -> None:
    nothing = [(np.nan, 0.5), (3.0, np.nan), (np.inf, 0.5)]
    assert draw(SPECS["cosine"], QUANTITIES[key], nothing) is SPECS["cosine"]
    assert draw(SPECS["cosine"], QUANTITIES[key], []) is SPECS["cosine"]


def test_a_dot_moves_the_step_nearest_to_it() -> None:
    assert build(draw(SPECS["cosine"], ALPHA_BAR, [(400.4, 0.6)])).alpha_bar[400] == pytest.approx(
        0.6
    )
    spec = replace(SPECS["cosine"], T=3)
    drawn = build(draw(spec, QUANTITIES["beta"], [(2.3, 0.25)]))
    assert_array_equal(drawn.beta[[1, 3]], build(spec).beta[[1, 3]])
    assert drawn.beta[2] == pytest.approx(0.25)


def test_a_flow_drawn_to_the_bottom_still_ends_without_signal() -> None:
    spec = ScheduleSpec("flow", 100)
    drawn = build(draw(spec, ALPHA_BAR, [(60.0, 0.2), (80.0, 0.0), (120.0, -0.2)]))
    assert drawn.alpha_bar[-1] == 0.0
    assert drawn.family is Family.FLOW
    raised = build(draw(spec, ALPHA_BAR, [(60.0, 0.2), (110.0, 0.1)]))
    assert raised.alpha_bar[-1] == pytest.approx(0.12, abs=0.01)
