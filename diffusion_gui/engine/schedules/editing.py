"""Edits of a drawn schedule's control points: each takes a `ScheduleSpec` and returns a new one.

Whatever curve a point is dragged on, the drag ends as a log-SNR of that point, so that the same
place reached on two curves is the same schedule. Moved points sit on whole steps. NumPy only.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from diffusion_gui.engine.schedules import curve
from diffusion_gui.engine.schedules.build import base_curve, build, control_points, with_points
from diffusion_gui.engine.schedules.quantities import Quantity
from diffusion_gui.engine.schedules.schedule import Array, ControlPoint, ScheduleSpec

_CANDIDATES = 65
_ROUNDS = 7
"""Grid searches for a step's value: each narrows the log-SNR 32 times or more."""


def time_of(spec: ScheduleSpec, point: ControlPoint) -> float:
    """Return the t of a control point, 1..T, not always whole."""
    return 1.0 + point.u * (spec.T - 1)


def times_of(spec: ScheduleSpec) -> list[float]:
    """Return the t of all control points."""
    return [time_of(spec, point) for point in control_points(spec)]


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
        log_snr = _solved(spec, points, index, quantity, value)
    return with_points(spec, curve.move(points, index, u, log_snr, spec.T))


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


def levels_through(
    spec: ScheduleSpec, points: Sequence[ControlPoint], levels: Array, index: int, t: Array
) -> Array:
    """Return log-SNR at times `t` [m] of `spec` bent through `points`, where point `index` has each
    of `levels` [K]: [K, m], before anything is limited; +inf at t = 0.
    """
    x = np.array([point.u for point in points])
    y = np.tile([point.log_snr for point in points], (len(levels), 1))
    y[:, index] = levels
    base = base_curve(spec)
    u = (t - 1.0) / (spec.T - 1) if spec.T > 1 else np.ones(len(t))  # one step goes to the end
    if base is None:
        bent = curve.interpolate(x, y, u) - curve.MIN_FALL * (t - 1.0)
    else:
        bent = curve.along(base, u) + curve.interpolate(x, y - curve.along(base, x), u)
    return np.where(t >= 1.0, bent, np.inf)


def _solved(
    spec: ScheduleSpec,
    points: Sequence[ControlPoint],
    index: int,
    quantity: Quantity,
    value: float,
) -> float:
    """Return the log-SNR of point `index` that gives its step the `value`, nearest to its own."""
    now = points[index].log_snr
    low = points[index + 1].log_snr + curve.MIN_GAP if index + 1 < len(points) else -np.inf
    high = points[index - 1].log_snr - curve.MIN_GAP if index else np.inf
    low, high = max(low, -curve.LOG_SNR_LIMIT), min(high, curve.LOG_SNR_LIMIT)
    t = float(round(time_of(spec, points[index])))
    if low >= high or np.isnan(value):
        return now
    for _ in range(_ROUNDS):
        levels = np.linspace(low, high, _CANDIDATES)
        both = levels_through(spec, points, levels, index, np.array([t - 1.0, t]))
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
