"""Freehand strokes on the curves of a schedule: each becomes a legal schedule. NumPy only.

A stroke is what the mouse left behind, [(t, value)] in the order drawn: backwards, over itself,
beyond the axes. Where it passes a t more than once, the latest pass counts. Read next:
`fitting.py` (which control points) and `editing.py` (single points).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from diffusion_gui.engine.schedules import curve, editing, operations
from diffusion_gui.engine.schedules.build import (
    base_curve,
    build,
    control_points,
    family_of,
    with_points,
)
from diffusion_gui.engine.schedules.fitting import choose_points
from diffusion_gui.engine.schedules.quantities import QUANTITIES, Quantity
from diffusion_gui.engine.schedules.schedule import BETA_MAX, Array, ControlPoint, ScheduleSpec

Stroke = Sequence[tuple[float, float]]

LEAST_BETA = 1e-8
PLACES = 256
"""A level's stroke is looked at in so many places."""
JOINT = 0.02
"""Share of T beside a stroke in which the curve comes back to what it was."""
MORE_POINTS = 14
"""Most control points that a stroke brings, besides its own ends and joints."""
_LEAST_SHARE = 1e-13
"""Least beta, as a share of -ln alpha-bar before it, that still lowers a log-SNR in float64."""
_APART = 0.03
"""Least distance in u between the points of a stroke, so that each can be taken hold of."""
_SHARE, _NATS, _KEPT = 0.006, 0.05, 0.02
"""How far off the drawn curve may be: on an axis of 0..1, on others, beside the stroke (nats)."""
_TOP = curve.LOG_SNR_LIMIT - 0.05
"""Highest level drawn: leaves room for the points before it."""


def draw(spec: ScheduleSpec, quantity: Quantity, stroke: Stroke) -> ScheduleSpec:
    """Return `spec` with a stroke drawn on any of its curves."""
    if quantity.log_snr is not None:
        return draw_levels(spec, quantity, stroke)
    return draw_betas(spec, stroke) if quantity is QUANTITIES["beta"] else draw_falls(spec, stroke)


def draw_levels(spec: ScheduleSpec, quantity: Quantity, stroke: Stroke) -> ScheduleSpec:
    """Return `spec` with a level (alpha-bar, sigma, ...) following `stroke` over the t it covers.

    The stroke is resampled, smoothed lightly and made falling by isotonic regression in log-SNR;
    a few control points then draw it. Points outside the stroke stay; where they are on the wrong
    side of it, they are pushed as far as needed. A base stays what the points bend: so the curve
    keeps its shape outside.
    """
    painted = _painted(quantity, stroke, spec.T, PLACES)
    if painted is None:
        return spec
    steps, values = painted
    whole = _curve(spec)
    levels = _levels(quantity, _smoothed(values), whole[steps - 1])
    joined = _joined(spec, whole, steps.astype(np.float64), falling(levels))
    return with_points(spec, _points(spec, joined, quantity))


def draw_betas(spec: ScheduleSpec, stroke: Stroke) -> ScheduleSpec:
    """Return a table of the betas of `spec`, replaced by the stroke's over the t it covers.

    Between samples log10 of beta is linear, clipped to 1e-8..0.999; every other beta is kept, so
    that alpha-bar changes from the first t of the stroke on. The family is kept. Only a beta too
    small to change the digits of an alpha-bar that has become tiny is raised until it does.
    """
    painted = _painted(QUANTITIES["beta"], stroke, spec.T)
    if painted is None:
        return spec
    betas = build(spec).beta[1:].copy()
    betas[painted[0] - 1] = np.clip(10.0 ** painted[1], LEAST_BETA, BETA_MAX)
    first = int(painted[0][0])
    with np.errstate(divide="ignore"):
        log_abar = np.cumsum(np.log1p(-betas))
    betas[first:] = np.maximum(betas[first:], _LEAST_SHARE * -log_abar[first - 1 : -1])
    return operations.table(betas, family_of(spec).value)


def draw_falls(spec: ScheduleSpec, stroke: Stroke) -> ScheduleSpec:
    """Return a table of `spec` whose log-SNR falls as drawn, by as many nats per step.

    As with betas every other step keeps its fall, and the levels after it move along; no step may
    take more than 99.9 % of the signal. The first step falls from infinity and cannot be drawn.
    """
    painted = _painted(QUANTITIES["step"], stroke, spec.T)
    levels = build(spec).log_snr[1:]
    if painted is None or len(levels) < 2:
        return spec
    steps, falls = painted[0] - 1, 10.0 ** np.clip(painted[1], -6.0, 2.0)
    drawn = steps > 0
    change = np.zeros(len(levels))
    with np.errstate(invalid="ignore"):
        change[steps[drawn]] = (
            np.maximum(falls, curve.MIN_FALL)[drawn] + np.diff(levels)[steps[drawn] - 1]
        )
    if np.isneginf(levels[-1]) and drawn.any() and steps[-1] == len(levels) - 1:
        change[-1] = 0.0  # no fall leads out of a level without signal: it stays
    limited, _ = curve.limit_betas(curve.strictly_falling(levels - np.cumsum(change)))
    return operations.of_log_snr(limited, family_of(spec))


def falling(values: Array) -> Array:
    """Return the non-increasing sequence nearest to `values` [n] in squares: pool adjacent values.

    (Barlow et al. 1972.) Neighbours in the wrong order are replaced by their mean until none are.
    """
    means: list[float] = []
    counts: list[int] = []
    for value in values.tolist():
        count = 1
        while means and means[-1] <= value:
            more = counts.pop()
            value = (value * count + means.pop() * more) / (count + more)
            count += more
        means.append(value)
        counts.append(count)
    return np.repeat(means, counts)


# --- from samples to values over t ----------------------------------------------------------


def _painted(
    quantity: Quantity, stroke: Stroke, T: int, most: int = 0
) -> tuple[np.ndarray, Array] | None:
    """Return the steps that a stroke covers, ascending (at most `most`), and its places there.

    A stroke between two steps counts for the nearer; the places are on the quantity's usual axis.
    None without a single usable sample.
    """
    samples = np.asarray(stroke, dtype=np.float64).reshape(-1, 2)
    samples = samples[np.isfinite(samples[:, 0]) & ~np.isnan(samples[:, 1])]
    if not len(samples):
        return None
    t = samples[:, 0]
    y = quantity.on_axis(np.clip(samples[:, 1], -1e300, 1e300), quantity.logarithmic)
    first, last = max(np.ceil(t.min()), 1.0), min(np.floor(t.max()), float(T))
    if first > last:
        return np.array([min(max(round(t[-1]), 1), T)]), y[-1:]
    count = int(last - first) + 1
    steps = np.linspace(first, last, min(count, most or count)).round()
    return steps.astype(int), _along(t, y, steps)


def _along(t: Array, y: Array, at: Array) -> Array:
    """Return the values of the line through (t, y) [m], in the order drawn, at `at`, ascending."""
    if len(t) == 1:
        return np.full(len(at), y[0])
    first = np.searchsorted(at, np.minimum(t[:-1], t[1:]), side="left")
    last = np.searchsorted(at, np.maximum(t[:-1], t[1:]), side="right") - 1
    piece = _latest(first, last, len(at))
    width = t[piece + 1] - t[piece]
    share = np.where(width == 0.0, 1.0, (at - t[piece]) / np.where(width == 0.0, 1.0, width))
    result: Array = (1.0 - share) * y[piece] + share * y[piece + 1]
    return result


def _latest(first: np.ndarray, last: np.ndarray, count: int) -> np.ndarray:
    """Return for each of `count` cells the last of the ranges first..last [m] that covers it.

    Every cell must be covered. A range is the union of two of 2^k cells; those are handed down
    from the widest to single cells: m + n log n operations, however often a stroke turns back.
    """
    number = np.flatnonzero(first <= last)
    first, last = first[number], last[number]
    size = np.log2(last - first + 1).astype(int)
    table = np.full((int(size.max()) + 1, count), -1)
    np.maximum.at(table, (size, first), number)
    np.maximum.at(table, (size, last - (1 << size) + 1), number)
    for k in range(len(table) - 1, 0, -1):
        half = 1 << (k - 1)
        np.maximum(table[k - 1], table[k], out=table[k - 1])
        np.maximum(table[k - 1, half:], table[k, :-half], out=table[k - 1, half:])
    return table[0]


def _smoothed(values: Array) -> Array:
    """Return running means over up to 9 of 256 places, fewer towards the ends, which stay."""
    n = len(values)
    half = np.minimum(n // 64, np.minimum(np.arange(n), np.arange(n)[::-1]))
    total = np.r_[0.0, np.cumsum(values)]
    places = np.arange(n)
    result: Array = (total[places + half + 1] - total[places - half]) / (2 * half + 1)
    return np.where(half == 0, values, result)


def _levels(quantity: Quantity, places: Array, old: Array) -> Array:
    """Return log-SNR [n] of places on the quantity's axis.

    Where the stroke is at the limit of what can be drawn, levels beyond it are left.
    """
    assert quantity.log_snr is not None
    log = quantity.logarithmic
    drawn = np.array([quantity.log_snr(quantity.off_axis(y, log)) for y in places.tolist()])
    drawn = np.minimum(drawn, np.maximum(old, _TOP))
    return np.where(drawn <= -curve.LOG_SNR_LIMIT, np.minimum(drawn, old), drawn)


# --- from values over t to control points ---------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class _Joined:
    """A curve to draw: log-SNR `level` [n] at times `t`, and the places that must be points."""

    t: Array
    level: Array
    chosen: list[int]
    drawn: slice
    """The places of the stroke."""


def _curve(spec: ScheduleSpec) -> Array:
    """Return the finite log-SNR that points of `spec` at t = 1..T would have to draw it, [T]."""
    level = curve.finite_end(build(spec).log_snr[1:])
    alone = base_curve(spec) is None  # such points are drawn with a little fall on top
    return level + curve.MIN_FALL * np.arange(spec.T) if alone else level


def _joined(spec: ScheduleSpec, whole: Array, steps: Array, levels: Array) -> _Joined:
    """Return the stroke and, beside it, the old curve, pushed out of its way."""
    points = control_points(spec)
    times = np.array(editing.times_of(spec))
    own = np.array([point.log_snr for point in points])
    gap, joint = curve.MIN_GAP, max(1.0, round(JOINT * (spec.T - 1)))
    left, kept_left = _beside(times, 1.0, steps[0], joint)
    right, kept_right = _beside(times, float(spec.T), steps[-1], joint)
    old = [np.interp(t, np.arange(1.0, spec.T + 1), whole) for t in (left, right)]
    for t, level in zip((left, right), old, strict=True):
        level[np.isin(t, times)] = own[np.isin(times, t)]  # exactly, not off a table
    level = np.r_[np.maximum(old[0], levels[0] + gap), levels, np.minimum(old[1], levels[-1] - gap)]
    start, stop = len(left), len(left) + len(steps)
    chosen = {0, len(level) - 1, start, stop - 1}
    chosen |= set(kept_left) | {stop + place for place in kept_right}
    return _Joined(np.r_[left, steps, right], level, sorted(chosen), slice(start, stop))


def _beside(times: Array, end: float, edge: float, width: float) -> tuple[Array, list[int]]:
    """Return the times looked at between a stroke's edge and an end, and the control points there.

    The nearest of them is the joint, `width` beside the stroke; without room for it, the end is.
    """
    if end == edge:
        return np.zeros(0), []
    side = np.sign(end - edge)
    joint = edge + side * width
    if side * (end - joint) <= 0.0:
        return np.full(1, end), [0]
    first, last = sorted((end, joint))
    inside = times[(times >= first) & (times <= last)]
    spread = np.linspace(first, last, int(min(PLACES // 2, last - first + 1))).round()
    t: Array = np.unique(np.r_[spread, inside])
    kept = inside[(np.abs(inside - joint) >= 0.5 * width) | (inside == end)]
    return t, [int(np.searchsorted(t, time)) for time in (*kept.tolist(), float(joint))]


def _points(spec: ScheduleSpec, joined: _Joined, quantity: Quantity) -> tuple[ControlPoint, ...]:
    """Return the control points that draw a joined curve, at least a small gap apart."""
    u = (joined.t - 1.0) / max(spec.T - 1, 1)
    base, inside = base_curve(spec), joined.drawn
    plain = curve.along(base, u) if base is not None else None
    wanted = _shown(quantity, joined.level[inside])

    def error(drawn: Array) -> Array:
        off = np.abs(drawn - joined.level) / _KEPT
        off[inside] = np.abs(_shown(quantity, drawn[inside]) - wanted)
        return off

    most, apart = len(joined.chosen) + MORE_POINTS, np.zeros(len(u))
    apart[inside] = _APART
    chosen = choose_points(u, joined.level, joined.chosen, error, most, plain, apart)
    level = _apart(joined.level[chosen], chosen.index(inside.start))
    return tuple(ControlPoint(float(u[k]), float(y)) for k, y in zip(chosen, level, strict=True))


def _shown(quantity: Quantity, level: Array) -> Array:
    """Return levels in units of what may be off: shares of an axis from 0 to 1, else nats."""
    if not quantity.unit_range:
        return level / _NATS
    return quantity.of_level(level) / _SHARE


def _apart(level: Array, fixed: int) -> Array:
    """Return levels [n] that fall by a least gap from point to point, seen from one of them."""
    gap = curve.MIN_GAP * np.arange(len(level))
    after = np.minimum.accumulate((level + gap)[fixed:])
    before = np.maximum.accumulate((level + gap)[fixed::-1])[::-1]
    result: Array = np.r_[before[:-1], after] - gap
    return result
