"""Edits of a drawn schedule's control points: each takes a `ScheduleSpec` and returns a new one.

Whatever curve a point is dragged on, the drag ends as a log-SNR of that point, so that the same
place reached on two curves is the same schedule. Moved points sit on whole steps. NumPy only.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

import numpy as np

from diffusion_gui.engine.schedules import curve
from diffusion_gui.engine.schedules.build import (
    base_curve,
    base_length,
    build,
    control_points,
    with_points,
)
from diffusion_gui.engine.schedules.quantities import Quantity
from diffusion_gui.engine.schedules.schedule import Array, ControlPoint, ScheduleSpec

LOWEST = -100.0
"""Points taken along by another one sink no further: far below any signal, yet no underflow."""
_CANDIDATES = 65
_ROUNDS = 6
"""Grid searches for a step's value: each narrows the log-SNR 32 times or more."""


def time_of(spec: ScheduleSpec, point: ControlPoint) -> float:
    """Return the t of a control point, 1..T, not always whole."""
    return 1.0 + point.u * (spec.T - 1)


def times_of(spec: ScheduleSpec) -> list[float]:
    """Return the t of all control points."""
    return [time_of(spec, point) for point in control_points(spec)]


def only_moved(before: ScheduleSpec, after: ScheduleSpec, chosen: Collection[int]) -> bool:
    """Return whether `after` is `before` with no other points than `chosen` moved."""
    bases = [replace(spec, points=(), base_T=base_length(spec)) for spec in (before, after)]
    points = [control_points(spec) for spec in (before, after)]
    if bases[0] != bases[1] or len(points[0]) != len(points[1]):
        return False
    return all(i in chosen or a == b for i, (a, b) in enumerate(zip(*points, strict=True)))


def drag_point(
    spec: ScheduleSpec, index: int, t: float, quantity: Quantity, value: float
) -> ScheduleSpec:
    """Return `spec` with one control point moved to time `t` and to `value` of a quantity.

    Its neighbours bound it. Where a step's value (beta) cannot be reached between them, it comes as
    near as it can; where several log-SNRs give it, the nearest is taken.
    """
    points = control_points(spec)
    u = _share(spec, t)
    if quantity.log_snr is not None:
        log_snr = quantity.log_snr(value)
    else:
        points = curve.move(points, index, u, points[index].log_snr, spec.T)
        low = points[index + 1].log_snr + curve.MIN_GAP if index + 1 < len(points) else -np.inf
        bounds = max(low, -curve.LOG_SNR_LIMIT), _top(points, index, curve.MIN_GAP)
        y = _levels_of(points)

        def moved(levels: Array) -> Array:
            return np.where(np.arange(len(y)) == index, levels[:, None], y)

        log_snr = _solved(spec, points, index, moved, bounds, quantity, value)
    return with_points(spec, curve.move(points, index, u, log_snr, spec.T))


def drag_on(
    spec: ScheduleSpec, index: int, t: float, quantity: Quantity, value: float
) -> ScheduleSpec:
    """Return `spec` with point `index` moved to time `t` and to `value`, the later points with it.

    They keep their t; the alpha-bar of all of them is multiplied by the one factor that leads the
    point to `value`. So the betas after its right neighbour stay what they were: beside it to 3 %,
    mostly to 0.2 %, as the cubic between points goes. The neighbours bound t, the one before also
    the value. An end without signal stays one. Where a step's value (beta) is dragged, the factor
    is solved for.
    """
    points = control_points(spec)
    points = curve.move(points, index, _share(spec, t), points[index].log_snr, spec.T)
    y, bounds = _levels_of(points), _bounds_on(points, index)
    no_signal = _ends_without_signal(spec, points) and index + 1 < len(points)

    def sunk(levels: Array) -> Array:
        return _sunk(y, index, levels, no_signal)

    if quantity.log_snr is not None:
        level = float(np.clip(quantity.log_snr(value), *bounds))
    else:
        level = _solved(spec, points, index, sunk, bounds, quantity, value)
    if np.isnan(level):
        return spec
    moved = sunk(np.array([level]))[0].tolist()
    return with_points(
        spec, tuple(replace(p, log_snr=level) for p, level in zip(points, moved, strict=True))
    )


def drag_points(
    spec: ScheduleSpec,
    chosen: Collection[int],
    index: int,
    t: float,
    quantity: Quantity,
    value: float,
) -> ScheduleSpec:
    """Return `spec` with point `index` dragged as in `drag_point`, the others `chosen` with it.

    They move by as many steps and nats as it would alone, without the others in its way.
    """
    others = set(chosen) - {index}
    if not others:
        return drag_point(spec, index, t, quantity, value)
    point = control_points(spec)[index]
    if quantity.log_snr is not None:
        nats = quantity.log_snr(value) - point.log_snr
    else:
        moved = drag_point(spec, index, time_of(spec, point), quantity, value)
        nats = control_points(moved)[index].log_snr - point.log_snr
    return move_points(spec, {index, *others}, t - time_of(spec, point), nats)


def move_points(
    spec: ScheduleSpec, chosen: Collection[int], steps: float, nats: float
) -> ScheduleSpec:
    """Return `spec` with the points `chosen` moved by `steps` in t and `nats` of log-SNR.

    Those that are not chosen bound the others; the ends keep their t.
    """
    points = control_points(spec)
    for index in sorted(chosen, reverse=steps > 0.0):  # the foremost first, out of the way
        t = time_of(spec, points[index]) + steps
        points = curve.move(points, index, _share(spec, t), points[index].log_snr, spec.T)
    for index in sorted(chosen, reverse=nats < 0.0):
        point = points[index]
        points = curve.move(points, index, point.u, point.log_snr + nats, spec.T)
    return with_points(spec, points)


def add_point(spec: ScheduleSpec, t: float) -> tuple[ScheduleSpec, int]:
    """Return `spec` with one more control point on its curve at time `t`, and its place.

    Where a point is already, nothing is added and its place is returned.
    """
    points, T = control_points(spec), spec.T
    u = _share(spec, t)
    step = 0.5 / (T - 1) if T > 1 else 1.0
    for index, point in enumerate(points):
        if abs(point.u - u) < step:
            return spec, index
    index = int(np.searchsorted([point.u for point in points], u))
    level = float(curve.finite_end(build(spec).log_snr[1:])[round(u * (T - 1))])
    low = points[index].log_snr + curve.MIN_GAP if index < len(points) else -np.inf
    high = points[index - 1].log_snr - curve.MIN_GAP if index else np.inf
    if low > high:
        return spec, max(index - 1, 0)
    added = ControlPoint(u, min(max(level, low), high))
    return with_points(spec, (*points[:index], added, *points[index:])), index


def remove_points(spec: ScheduleSpec, chosen: Collection[int]) -> ScheduleSpec:
    """Return `spec` without the points `chosen`; the two ends always stay."""
    points = control_points(spec)
    inner = set(chosen) - {0, len(points) - 1}
    kept = tuple(point for index, point in enumerate(points) if index not in inner)
    return with_points(spec, kept) if inner else spec


def levels_through(spec: ScheduleSpec, x: Array, y: Array, t: Array) -> Array:
    """Return log-SNR at times `t` [m] of `spec` bent through points at shares `x` [n] with levels
    `y` [K, n]: [K, m], before anything is limited; +inf at t = 0.
    """
    base = base_curve(spec)
    u = (t - 1.0) / (spec.T - 1) if spec.T > 1 else np.ones(len(t))  # one step goes to the end
    if base is None:
        bent = curve.interpolate(x, y, u) - curve.MIN_FALL * (t - 1.0)
    else:
        bent = curve.bend(base, x, y, u)
    return np.where(t >= 1.0, bent, np.inf)


def _levels_of(points: Sequence[ControlPoint]) -> Array:
    return np.array([point.log_snr for point in points])


def _top(points: Sequence[ControlPoint], index: int, gap: float) -> float:
    """Return the highest log-SNR that point `index` may have."""
    high = points[index - 1].log_snr - gap if index else np.inf
    return min(high, curve.LOG_SNR_LIMIT)


def _bounds_on(points: Sequence[ControlPoint], index: int) -> tuple[float, float]:
    """Return how low and how high a point may go that takes the later ones along."""
    now, last = points[index].log_snr, points[-1].log_snr
    above = points[index - 1].log_snr if index else np.inf
    top = _top(points, index, min(curve.MIN_GAP, 0.25 * (above - now)))
    room = max(last - LOWEST, 0.0)
    floor = -np.logaddexp(0.0, -now) - room
    floor = max(floor, -np.logaddexp(0.0, curve.LOG_SNR_LIMIT))
    return min(float(_log_snr_of(floor)), now), max(top, now)


def _log_snr_of(log_alpha_bar: Array | float) -> Array:
    """Return the log-SNR of a ln alpha-bar below 0."""
    return log_alpha_bar - np.log(-np.expm1(log_alpha_bar))


def _sunk(y: Array, index: int, levels: Array, no_signal: bool) -> Array:
    """Return levels `y` [n], point `index` at each of `levels` [K] and the later ones with it.

    Their ln alpha-bar moves by as much as the point's: [K, n]. With `no_signal` the last stays
    where it means that there is none.
    """
    if not len(levels) or index + 1 == len(y):
        return np.concatenate([np.tile(y[:-1], (len(levels), 1)), levels[:, None]], axis=1)
    log_abar = -np.logaddexp(0.0, -y[index:])
    nats = -np.logaddexp(0.0, -levels) - log_abar[0]
    later = _log_snr_of(log_abar[1:] + nats[:, None])
    if no_signal:
        later[:, -1] = np.minimum(later[:, -1], -curve.LOG_SNR_LIMIT)
    gap = min(curve.MIN_GAP, float(-np.diff(y[index:]).max()))
    moved = np.concatenate([levels[:, None], later], axis=1)
    apart = gap * np.arange(moved.shape[1])
    moved = np.minimum.accumulate(moved + apart, axis=1) - apart
    return np.concatenate([np.tile(y[:index], (len(levels), 1)), moved], axis=1)


def _ends_without_signal(spec: ScheduleSpec, points: Sequence[ControlPoint]) -> bool:
    base = base_curve(spec)
    ends = base is not None and bool(np.isneginf(base[-1]))
    return ends and points[-1].log_snr <= -curve.LOG_SNR_LIMIT


def _solved(
    spec: ScheduleSpec,
    points: Sequence[ControlPoint],
    index: int,
    moved: Callable[[Array], Array],
    bounds: tuple[float, float],
    quantity: Quantity,
    value: float,
) -> float:
    """Return the log-SNR of point `index` that gives its step the `value`, nearest to its own.

    `moved(levels)` says which levels [K, n] all points have when it has each of `levels` [K].
    """
    now, (low, high) = points[index].log_snr, bounds
    x = np.array([point.u for point in points])
    t = float(round(time_of(spec, points[index])))
    if low >= high or np.isnan(value):
        return now
    for _ in range(_ROUNDS):
        levels = np.linspace(low, high, _CANDIDATES)
        both = levels_through(spec, x, moved(levels), np.array([t - 1.0, t]))
        off = quantity.of_levels(both[:, 0], both[:, 1]) - value
        off = np.nan_to_num(off, nan=np.inf)
        crossed = np.flatnonzero(np.sign(off[1:]) != np.sign(off[:-1]))
        if crossed.size:
            at = int(crossed[np.argmin(np.abs(levels[crossed] - now))])
            low, high = float(levels[at]), float(levels[at + 1])
        else:
            best = np.flatnonzero(np.abs(off) <= np.abs(off).min())
            at = int(best[np.argmin(np.abs(levels[best] - now))])
            low = float(levels[max(at - 1, 0)])
            high = float(levels[min(at + 1, len(levels) - 1)])
    return 0.5 * (low + high)


def _share(spec: ScheduleSpec, t: float) -> float:
    """Return the u of the whole step nearest to `t`."""
    whole = min(max(round(t), 1), spec.T) if not np.isnan(t) else 1
    return (whole - 1) / (spec.T - 1) if spec.T > 1 else 0.0
