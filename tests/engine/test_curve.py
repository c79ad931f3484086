"""Drawn curves: PCHIP against scipy, fitted handles, and edits that can never break a schedule."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.interpolate import PchipInterpolator

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.schedules import (
    PRESETS,
    ControlPoint,
    Family,
    ScheduleSpec,
    build,
    control_points,
    curve,
    with_points,
)
from diffusion_gui.engine.schedules.schedule import BETA_MAX

gaps = st.floats(1e-3, 1.0)
levels = st.integers(-20_000_000, 20_000_000).map(lambda k: k / 1e6)
knots = st.integers(2, 9).flatmap(
    lambda n: st.tuples(
        st.lists(gaps, min_size=n - 1, max_size=n - 1),
        st.lists(levels, min_size=n, max_size=n),
    )
)
wild = st.floats(allow_nan=True, allow_infinity=True)
near = st.floats(-30.0, 30.0)
moves = st.lists(
    st.tuples(st.integers(0, 8), st.one_of(wild, st.floats(-0.5, 1.5)), st.one_of(wild, near)),
    max_size=12,
)


def _assert_equals_scipy(x: np.ndarray, y: np.ndarray) -> None:
    at = np.union1d(np.linspace(x[0], x[-1], 201), x)
    expected = PchipInterpolator(x, y)(at)
    assert_allclose(curve.pchip(x, y, at), expected, rtol=0, atol=1e-12 * max(1, abs(y).max()))


@settings(deadline=None, max_examples=150)
@given(knots)
@example(([1.0, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0]))
@example(([0.5], [3.0, -2.0]))
def test_pchip_equals_scipy_on_any_data(data: tuple[list[float], list[float]]) -> None:
    steps, y = data
    _assert_equals_scipy(np.cumsum([0.0, *steps]), np.array(y))


@settings(deadline=None, max_examples=150)
@given(knots)
def test_pchip_equals_scipy_on_falling_data_and_never_overshoots(
    data: tuple[list[float], list[float]],
) -> None:
    steps, values = data
    x, y = np.cumsum([0.0, *steps]), np.sort(values)[::-1]
    _assert_equals_scipy(x, y)
    drawn = curve.pchip(x, y, np.linspace(0, x[-1], 500))
    assert np.all(np.diff(drawn) <= 1e-12)
    assert y[-1] - 1e-12 <= drawn.min()
    assert drawn.max() <= y[0] + 1e-12


@pytest.mark.parametrize("T", [1, 2, 3, 10, 1000, 10_000])
@pytest.mark.parametrize("preset", PRESETS)
def test_handles_lie_on_the_preset_and_change_nothing_until_moved(preset: str, T: int) -> None:
    spec = ScheduleSpec(preset, T)
    points, plain = control_points(spec), build(spec)
    assert 1 <= len(points) <= 9
    assert points[0].u == 0.0
    assert T == 1 or points[-1].u == 1.0
    for point in points:
        lowest = min(-curve.LOG_SNR_LIMIT, point.log_snr)  # stands for no signal at all
        assert point.log_snr == max(plain.log_snr[1 + round(point.u * (T - 1))], lowest)
    drawn = build(with_points(spec, points))
    assert_allclose(drawn.alpha_bar, plain.alpha_bar, rtol=1e-12)
    assert_allclose(drawn.beta, plain.beta, rtol=1e-6, atol=1e-14)


@pytest.mark.parametrize("preset", PRESETS)
def test_handles_can_be_told_apart_by_the_mouse(preset: str) -> None:
    """In a plot of 400 x 300 pixels, handles are at least 20 pixels from each other."""
    points = control_points(ScheduleSpec(preset, 1000))
    x = 400 * np.array([p.u for p in points])
    y = 300 / (1.0 + np.exp([-p.log_snr for p in points]))
    assert np.hypot(np.diff(x), np.diff(y)).min() > 20


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("by", [-0.8, 0.5])
def test_moving_a_handle_changes_the_curve_between_its_neighbours_only(
    preset: str, by: float
) -> None:
    spec = ScheduleSpec(preset, 1000)
    points, plain = control_points(spec), build(spec)
    j = len(points) // 2
    moved = curve.move(points, j, points[j].u, points[j].log_snr + by, 1000)
    bent = build(with_points(spec, moved))
    left, right = (1 + round(points[k].u * 999) for k in (j - 1, j + 1))
    outside = np.r_[1 : left + 1, right:1001]
    assert_allclose(bent.log_snr[outside], plain.log_snr[outside], rtol=0, atol=1e-3)
    assert np.sign(bent.log_snr[(left + right) // 2] - plain.log_snr[(left + right) // 2]) == (
        np.sign(by)
    )


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("T", [100, 1000])
@pytest.mark.parametrize("share", [0.5, 0.9, 0.99])
def test_a_point_near_its_bound_leaves_no_plateau_with_a_cliff_behind_it(
    preset: str, T: int, share: float
) -> None:
    """Move each point most of the way to a neighbour: the piece beyond falls all along."""
    spec = ScheduleSpec(preset, T)
    points, plain = control_points(spec), np.diff(build(spec).log_snr)
    for index, point in enumerate(points):
        for other in {max(index - 1, 0), min(index + 1, len(points) - 1)} - {index}:
            level = point.log_snr + share * (points[other].log_snr - point.log_snr)
            moved = curve.move(points, index, point.u, level, T)
            falls = -np.diff(build(with_points(spec, moved)).log_snr)
            first, last = sorted(1 + round(points[k].u * (T - 1)) for k in (index, other))
            if last - first < 3 or (last == T and not np.isfinite(plain[-1])):
                continue
            piece, base = falls[first:last], -plain[first:last]
            falling = piece >= 0.1 * np.minimum(piece.mean(), base)
            assert (
                falling.mean() > 0.98
            )  # a base may begin too steeply to be looked at step by step


def test_a_raised_end_falls_evenly_towards_it() -> None:
    spec = ScheduleSpec("linear", 1000)
    points = control_points(spec)
    raised = curve.move(points, len(points) - 1, 1.0, curve.logit(0.001), 1000)
    made = build(with_points(spec, raised))
    first = 1 + round(points[-2].u * 999)
    falls = -np.diff(made.log_snr)[first:]
    assert falls.min() > 0.1 * falls.mean()
    assert made.beta[first:].min() > 1e-4
    assert made.alpha_bar[-1] == pytest.approx(0.001)
    before = build(spec).log_snr
    assert_allclose(made.log_snr[1:first], before[1:first], rtol=0, atol=2e-3)


def test_a_bent_preset_still_says_that_its_beta_is_clipped_as_long_as_it_is() -> None:
    spec = ScheduleSpec("cosine", 1000)
    points = control_points(spec)
    bent = curve.move(points, 3, points[3].u, points[3].log_snr - 0.5, 1000)
    assert build(with_points(spec, bent)).notes == build(spec).notes != ()
    raised = curve.move(points, len(points) - 1, 1.0, points[-1].log_snr + 9.0, 1000)
    assert build(with_points(spec, raised)).notes == ()


def test_a_bent_curve_keeps_its_shape_when_T_changes() -> None:
    spec = ScheduleSpec("linear", 1000)
    points = control_points(spec)
    moved = curve.move(points, 3, points[3].u, points[3].log_snr - 0.5, 1000)
    long = build(with_points(spec, moved))
    short = build(replace(with_points(spec, moved), T=112))
    assert_allclose(short.log_snr[1:], long.log_snr[1::9], rtol=1e-9)


def test_handles_of_a_drawn_curve_are_its_own_points() -> None:
    points = (ControlPoint(0.0, 4.0), ControlPoint(0.3, 1.0), ControlPoint(1.0, -9.0))
    assert control_points(ScheduleSpec("", points=points)) == points


def test_a_drawn_curve_passes_through_its_points() -> None:
    points = (ControlPoint(0.0, 8.0), ControlPoint(0.25, 2.0), ControlPoint(1.0, -8.0))
    drawn = curve.to_log_snr(points, 101)
    assert_allclose(drawn[[0, 25, 100]], [8.0, 2.0, -8.0], atol=101 * curve.MIN_FALL)


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(list(PRESETS)), st.sampled_from([1, 2, 3, 12, 1000]), moves)
def test_no_sequence_of_moves_breaks_the_schedule(
    preset: str, T: int, moves: list[tuple[int, float, float]]
) -> None:
    spec = ScheduleSpec(preset, T)
    points = control_points(spec)
    for index, u, log_snr in moves:
        before = points
        points = curve.move(points, index % len(points), u, log_snr, T)
        _assert_in_order(points)
        assert (points[0].u, points[-1].u) == (before[0].u, before[-1].u)
    schedule = build(with_points(spec, points))
    assert np.isfinite(schedule.log_snr[1:-1]).all()
    assert schedule.log_snr[-1] < np.inf
    assert schedule.beta[1:].min() > 0.0
    if schedule.family is Family.VP:
        assert schedule.beta.max() <= BETA_MAX + 1e-12
    assert np.all(np.diff(schedule.alpha_bar) <= 0.0)


def _assert_in_order(points: tuple[ControlPoint, ...]) -> None:
    u = np.array([p.u for p in points])
    log_snr = np.array([p.log_snr for p in points])
    assert np.all(np.diff(u) > 0.0)
    assert np.all(np.diff(log_snr) < 0.0)


LINE = tuple(ControlPoint(u, -10.0 * u) for u in (0.0, 0.25, 0.5, 1.0))


@pytest.mark.parametrize(
    ("index", "wish", "expected"),
    [
        (1, (0.9, -20.0), (0.5 - 0.01, -5.0 + 1e-3)),
        (1, (-3.0, 99.0), (0.01, -1e-3)),
        (2, (0.6, -6.0), (0.6, -6.0)),
        (0, (0.4, 5.0), (0.0, 5.0)),
        (0, (0.4, 99.0), (0.0, 20.0)),
        (3, (0.4, -99.0), (1.0, -20.0)),
        (3, (0.4, 99.0), (1.0, -5.0 - 1e-3)),
    ],
)
def test_a_point_is_bounded_by_its_neighbours_and_ends_keep_their_u(
    index: int, wish: tuple[float, float], expected: tuple[float, float]
) -> None:
    moved = curve.move(LINE, index, *wish, T=101)
    assert_allclose((moved[index].u, moved[index].log_snr), expected, rtol=1e-12)
    assert [p for i, p in enumerate(moved) if i != index] == [
        p for i, p in enumerate(LINE) if i != index
    ]


@pytest.mark.parametrize("wish", [(math.nan, 0.0), (0.3, math.nan)])
def test_a_move_to_nowhere_changes_nothing(wish: tuple[float, float]) -> None:
    assert curve.move(LINE, 1, *wish, T=101) == LINE


def test_a_cliff_is_limited_to_beta_max_and_then_catches_up() -> None:
    cliff = (ControlPoint(0.0, 20.0), ControlPoint(0.5, 19.0), ControlPoint(0.6, -20.0),
             ControlPoint(1.0, -20.5))  # fmt: skip
    schedule = build(ScheduleSpec("", 11, points=cliff))
    assert schedule.beta.max() == pytest.approx(BETA_MAX, abs=1e-12)
    assert_allclose(schedule.alpha_bar[7:9], [1e-3, 1e-6], rtol=1e-6)
    assert schedule.beta[9:].max() < BETA_MAX - 1e-4
    assert schedule.log_snr[-1] == pytest.approx(-20.5, abs=1e-4)


@pytest.mark.parametrize("levels", [(3.0,), (-20.0, -20.0), (20.0, 20.0, -20.0, -20.0)])
def test_a_flat_curve_still_falls_and_adds_noise_at_every_step(levels: tuple[float, ...]) -> None:
    places = np.linspace(0, 1, len(levels)) if len(levels) > 1 else [0.0]
    points = tuple(ControlPoint(float(u), y) for u, y in zip(places, levels, strict=True))
    schedule = build(ScheduleSpec("", 300, points=points))
    assert np.all(np.diff(schedule.log_snr[1:]) < 0.0)
    assert schedule.beta[1:].min() > 0.0


@pytest.mark.parametrize(
    "bad",
    [
        (ControlPoint(0.0, 5.0), ControlPoint(0.0, -5.0)),
        (ControlPoint(0.0, 5.0), ControlPoint(0.7, 0.0), ControlPoint(0.5, -2.0)),
        (ControlPoint(0.0, 5.0), ControlPoint(1.0, math.nan)),
        (ControlPoint(math.nan, 5.0),),
        (ControlPoint(0.0, math.inf), ControlPoint(1.0, 0.0)),
    ],
)
def test_points_out_of_order_are_refused_by_number(bad: tuple[ControlPoint, ...]) -> None:
    with pytest.raises(EngineError, match=r"point \d is \("):
        build(ScheduleSpec("", 10, points=bad))


def test_points_that_rise_are_refused_with_the_time() -> None:
    rising = (ControlPoint(0.0, 0.0), ControlPoint(1.0, 5.0))
    with pytest.raises(EngineError, match="t = 2"):
        build(ScheduleSpec("", 10, points=rising))


def test_logit_inverts_the_logistic_and_is_clipped() -> None:
    inside = np.linspace(-19.9, 19.9, 41)
    back = [curve.logit(1.0 / (1.0 + math.exp(-v))) for v in inside]
    assert_allclose(back, inside, atol=1e-7)
    assert_array_equal([curve.logit(0.5)], [0.0])
    assert_allclose([curve.logit(0.0), curve.logit(1.0)], [-20.0, 20.0], atol=1e-7)
