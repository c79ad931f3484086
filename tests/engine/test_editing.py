"""Edits of control points: one point on many curves, bounds, adding, removing, moving several."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from diffusion_gui.engine.schedules import ScheduleSpec, build, control_points
from diffusion_gui.engine.schedules.editing import (
    add_point,
    drag_on,
    drag_point,
    drag_points,
    move_points,
    remove_points,
    time_of,
)
from diffusion_gui.engine.schedules.operations import fit, resampled
from diffusion_gui.engine.schedules.quantities import QUANTITIES

SPECS = {
    "cosine": ScheduleSpec("cosine", 1000),
    "linear": ScheduleSpec("linear", 200),
    "zero": ScheduleSpec("scaled_linear", 100, zero_terminal=True),
    "flow": ScheduleSpec("flow", 50),
}


def _legal(spec: ScheduleSpec) -> None:
    schedule = build(spec)
    assert np.isfinite(schedule.beta).all()
    assert (schedule.beta[1:] > 0.0).all()
    assert (schedule.beta[1:] <= 1.0).all()
    assert (np.diff(schedule.log_snr[1:]) < 0.0).all()


@pytest.mark.parametrize("name", SPECS)
@pytest.mark.parametrize("nats", [-0.4, 0.3])
def test_a_point_reached_on_any_curve_is_the_same_schedule(name: str, nats: float) -> None:
    spec = SPECS[name]
    for index in range(1, len(control_points(spec)) - 1):
        t = round(time_of(spec, control_points(spec)[index]))
        level = control_points(spec)[index].log_snr
        wanted = drag_point(spec, index, t, QUANTITIES["log_snr"], level + nats)
        expected = build(wanted)
        for key, quantity in QUANTITIES.items():
            value = float(quantity.values(expected)[t])
            found = build(drag_point(spec, index, t, quantity, value))
            assert_allclose(found.alpha_bar, expected.alpha_bar, rtol=0, atol=1e-9, err_msg=key)
            assert_allclose(found.beta, expected.beta, rtol=0, atol=1e-9, err_msg=key)


@pytest.mark.parametrize("name", SPECS)
@pytest.mark.parametrize("nats", [-0.4, 0.3])
def test_later_points_taken_along_on_any_curve_are_the_same_schedule(
    name: str, nats: float
) -> None:
    spec = SPECS[name]
    for index in range(1, len(control_points(spec)) - 1):
        t = round(time_of(spec, control_points(spec)[index]))
        level = control_points(spec)[index].log_snr
        expected = build(drag_on(spec, index, t, QUANTITIES["log_snr"], level + nats))
        for key in ("alpha_bar", "log_snr", "beta", "sigma", "step"):
            value = float(QUANTITIES[key].values(expected)[t])
            found = build(drag_on(spec, index, t, QUANTITIES[key], value))
            assert_allclose(found.alpha_bar, expected.alpha_bar, rtol=0, atol=1e-9, err_msg=key)
            assert_allclose(found.beta, expected.beta, rtol=0, atol=1e-9, err_msg=key)


@pytest.mark.parametrize("preset", ["linear", "cosine", "scaled_linear"])
@pytest.mark.parametrize("factor", [0.75, 0.9, 1.1])
def test_later_points_taken_along_keep_their_betas_and_lose_one_factor(
    preset: str, factor: float
) -> None:
    spec = ScheduleSpec(preset, 1000)
    before, points = build(spec), control_points(spec)
    for index in range(1, len(points) - 2):
        t = round(time_of(spec, points[index]))
        wanted = factor * before.alpha_bar[t]
        first = round(time_of(spec, points[index - 1]))
        if wanted > 0.98 * before.alpha_bar[first]:
            continue  # the point before is in the way
        after = build(drag_on(spec, index, t, QUANTITIES["alpha_bar"], wanted))
        beyond = round(time_of(spec, points[index + 1]))
        ratio = after.beta[beyond + 1 :] / before.beta[beyond + 1 :]
        assert_allclose(ratio, 1.0, atol=0.03)
        assert np.median(np.abs(ratio - 1.0)) < 0.002
        share = after.alpha_bar[[t, beyond, 990]] / before.alpha_bar[[t, beyond, 990]]
        assert_allclose(share, factor, rtol=2e-3)
        if index > 1:
            assert_allclose(after.beta[:first], before.beta[:first], rtol=1e-6)


def test_a_beta_beyond_its_neighbours_is_reached_by_taking_the_later_points_along() -> None:
    spec = ScheduleSpec("linear", 1000)
    t = round(time_of(spec, control_points(spec)[3]))
    wanted = 2.0 * build(spec).beta[t]
    alone = build(drag_point(spec, 3, t, QUANTITIES["beta"], wanted))
    along = build(drag_on(spec, 3, t, QUANTITIES["beta"], wanted))
    assert alone.beta[t] < 0.9 * wanted
    assert along.beta[t] == pytest.approx(wanted, rel=1e-9)
    assert along.alpha_bar[500] < 0.5 * build(spec).alpha_bar[500]


def test_an_end_without_signal_stays_one_when_taken_along() -> None:
    spec = SPECS["zero"]
    for nats in (-1.0, 1.0):
        level = control_points(spec)[3].log_snr + nats
        moved = build(drag_on(spec, 3, 40, QUANTITIES["log_snr"], level))
        assert moved.alpha_bar[-1] == 0.0
        assert moved.beta[-1] == 1.0


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(sorted(SPECS)),
    st.integers(0, 7),
    st.integers(0, 7),
    st.floats(-50, 1100, allow_nan=False),
    st.sampled_from(sorted(QUANTITIES)),
    st.floats(-30, 30, allow_nan=False) | st.floats(0, 1) | st.just(float("nan")),
)
def test_no_drag_that_takes_points_along_is_illegal(
    name: str, index: int, other: int, t: float, key: str, value: float
) -> None:
    spec = SPECS[name]
    last = len(control_points(spec)) - 1
    moved = drag_on(spec, min(index, last), t, QUANTITIES[key], value)
    _legal(moved)
    again = drag_on(moved, min(other, last), t + 3.0, QUANTITIES[key], value)
    _legal(again)
    _legal(drag_point(again, min(index, last), t, QUANTITIES[key], value))


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(sorted(SPECS)),
    st.integers(0, 7),
    st.floats(-50, 1100, allow_nan=False),
    st.sampled_from(sorted(QUANTITIES)),
    st.floats(-30, 30, allow_nan=False) | st.floats(0, 1) | st.just(float("nan")),
)
def test_no_drag_is_illegal(name: str, index: int, t: float, key: str, value: float) -> None:
    spec = SPECS[name]
    index = min(index, len(control_points(spec)) - 1)
    moved = drag_point(spec, index, t, QUANTITIES[key], value)
    _legal(moved)
    again = drag_point(moved, index, t + 3.0, QUANTITIES[key], value)
    _legal(again)


def test_beta_out_of_reach_comes_as_near_as_the_neighbours_allow() -> None:
    spec = ScheduleSpec("cosine", 1000)
    t = round(time_of(spec, control_points(spec)[3]))
    reached = [
        build(drag_point(spec, 3, t, QUANTITIES["beta"], value)).beta[t] for value in (1e-9, 0.9)
    ]
    assert reached[0] < build(spec).beta[t] < reached[1]


def test_moved_points_sit_on_whole_steps() -> None:
    spec = ScheduleSpec("cosine", 1000)
    moved = drag_point(spec, 3, 402.4, QUANTITIES["alpha_bar"], 0.6)
    assert time_of(moved, control_points(moved)[3]) == pytest.approx(402.0, abs=1e-9)
    assert build(moved).alpha_bar[402] == pytest.approx(0.6, abs=1e-12)


def test_several_points_move_together_and_keep_their_distances() -> None:
    spec = ScheduleSpec("cosine", 1000)
    before = control_points(spec)
    after = control_points(move_points(spec, {2, 3, 4}, 25, -0.3))
    for index in (2, 3, 4):
        assert time_of(spec, after[index]) == pytest.approx(
            round(time_of(spec, before[index]) + 25), abs=1e-6
        )
        assert after[index].log_snr == pytest.approx(before[index].log_snr - 0.3)
    for index in (0, 1, 5, 6, 7):
        assert after[index] == before[index]
    _legal(move_points(spec, range(8), 10_000, 1e6))
    _legal(move_points(spec, range(8), -10_000, -1e6))


def test_points_dragged_by_one_of_them_follow_it() -> None:
    spec = ScheduleSpec("cosine", 1000)
    before = control_points(spec)
    value = float(build(spec).alpha_bar[round(time_of(spec, before[3]))]) - 0.05
    t = time_of(spec, before[3]) + 10
    alone = control_points(drag_point(spec, 3, t, QUANTITIES["alpha_bar"], value))
    together = control_points(drag_points(spec, {2, 3, 4}, 3, t, QUANTITIES["alpha_bar"], value))
    assert together[3].log_snr == pytest.approx(alone[3].log_snr)
    fall = alone[3].log_snr - before[3].log_snr
    assert together[2].log_snr == pytest.approx(before[2].log_snr + fall)
    assert together[4].log_snr == pytest.approx(before[4].log_snr + fall)
    beta = drag_points(spec, {2, 3}, 3, t, QUANTITIES["beta"], 0.01)
    _legal(beta)
    assert control_points(beta)[2].log_snr < before[2].log_snr


def test_an_added_point_lies_on_the_curve_and_changes_nothing_else() -> None:
    spec = ScheduleSpec("cosine", 1000)
    more, index = add_point(spec, 500.3)
    assert len(control_points(more)) == len(control_points(spec)) + 1
    assert time_of(more, control_points(more)[index]) == pytest.approx(500.0)
    assert_allclose(build(more).alpha_bar, build(spec).alpha_bar, rtol=0, atol=1e-9)
    assert add_point(more, 500.0) == (more, index)
    assert add_point(more, 1e9) == (more, len(control_points(more)) - 1)


@pytest.mark.parametrize("name", SPECS)
def test_points_can_be_added_everywhere(name: str) -> None:
    spec = SPECS[name]
    for t in (1, 2, spec.T // 2, spec.T - 1, spec.T):
        spec, index = add_point(spec, t)
        assert time_of(spec, control_points(spec)[index]) == pytest.approx(t)
        _legal(spec)


def test_points_can_be_removed_but_not_the_ends() -> None:
    spec = ScheduleSpec("cosine", 1000)
    count = len(control_points(spec))
    assert len(control_points(remove_points(spec, {2, 3}))) == count - 2
    assert len(control_points(remove_points(spec, range(count)))) == 2
    assert remove_points(spec, {0, count - 1}) == spec


@pytest.mark.parametrize("T", [1, 2, 3])
def test_short_schedules_survive_every_edit(T: int) -> None:
    spec = replace(SPECS["linear"], T=T)
    for key in QUANTITIES:
        for index in range(len(control_points(spec))):
            _legal(drag_point(spec, index, 2, QUANTITIES[key], 0.3))
            _legal(drag_on(spec, index, 2, QUANTITIES[key], 0.3))
            _legal(move_points(spec, {index}, 1, 0.5))
            _legal(remove_points(spec, {index}))
    _legal(add_point(spec, 1)[0])


@pytest.mark.parametrize("name", ["alpha_bar", "beta"])
def test_with_one_step_no_point_moves_sideways(name: str) -> None:
    spec = resampled(fit(ScheduleSpec("cosine")), 1)
    before = control_points(spec)
    for t in (0.0, 0.5, 1.0):
        after = control_points(drag_point(spec, 1, t, QUANTITIES[name], 0.3))
        assert [point.u for point in after] == [point.u for point in before]
