"""Schedules drawn by hand: control points in log-SNR joined by a monotone cubic. NumPy only.

PCHIP (Fritsch & Carlson 1980, slopes as in Fritsch & Butland 1984) never overshoots, so monotone
points always give a legal schedule: dragging a point can break the order only with its neighbours,
and `move` bounds it by them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.schedules.schedule import BETA_MAX, Array, ControlPoint

LOG_SNR_LIMIT = 20.0
"""Control points live in [-20, 20] nats: alpha-bar from 2e-9 to 1 - 2e-9."""
MIN_FALL = 1e-6
"""Every step lowers log-SNR by at least this, so that beta stays positive."""
MIN_GAP = 1e-3
"""Least log-SNR between two neighbouring control points."""
_FIT_DISTANCES = (14, 5, 1)
"""Fitted points are at least this many of the 240 sampled places apart, so that each can be held:
the first of these that reaches `_FIT_ERROR` in alpha-bar is taken, else the last."""
_FIT_ERROR = 0.006


def pchip(x: Array, y: Array, at: Array) -> Array:
    """Interpolate (x, y) [n] at points `at` by the monotone piecewise cubic; n >= 2, x ascending.

    Outside [x_0, x_{n-1}] the end pieces are continued. Agrees with scipy's PchipInterpolator.
    """
    width = np.diff(x)
    secant = np.diff(y) / width
    slope = _slopes(width, secant)
    piece = np.clip(np.searchsorted(x, at, side="right") - 1, 0, len(x) - 2)
    h, d = width[piece], secant[piece]
    m0, m1 = slope[piece], slope[piece + 1]
    w = at - x[piece]
    quadratic = (3.0 * d - 2.0 * m0 - m1) / h
    cubic = (m0 + m1 - 2.0 * d) / h**2
    result: Array = y[piece] + w * (m0 + w * (quadratic + w * cubic))
    return result


def _slopes(width: Array, secant: Array) -> Array:
    """Return the derivative at every knot: weighted harmonic means, 0 at a turning point."""
    if len(secant) == 1:
        return np.repeat(secant, 2)
    w1 = 2.0 * width[1:] + width[:-1]
    w2 = width[1:] + 2.0 * width[:-1]
    same_sign = secant[:-1] * secant[1:] > 0.0
    before, after = (np.where(same_sign, d, 1.0) for d in (secant[:-1], secant[1:]))
    inner = np.where(same_sign, (w1 + w2) / (w1 / before + w2 / after), 0.0)
    first = _end_slope(width[0], width[1], secant[0], secant[1])
    last = _end_slope(width[-1], width[-2], secant[-1], secant[-2])
    return np.r_[first, inner, last]


def _end_slope(h0: float, h1: float, d0: float, d1: float) -> float:
    """Return the one-sided three-point derivative, limited so that the end stays monotone."""
    slope = ((2.0 * h0 + h1) * d0 - h0 * d1) / (h0 + h1)
    if np.sign(slope) != np.sign(d0):
        return 0.0
    if np.sign(d0) != np.sign(d1) and abs(slope) > abs(3.0 * d0):
        return 3.0 * d0
    return slope


def to_log_snr(points: Sequence[ControlPoint], T: int) -> Array:
    """Return log-SNR at t = 1..T, shape [T], of the curve through `points`.

    The curve is kept strictly falling (by at least 1e-6 per step) and no step removes more than
    99.9 % of alpha-bar (beta <= 0.999). Raises EngineError where the points are not in order.
    """
    x = np.array([p.u for p in points])
    y = np.array([p.log_snr for p in points])
    _check_points(x, y)
    u = np.linspace(0.0, 1.0, T)
    drawn = pchip(x, y, u) if len(points) > 1 else np.full(T, y[0])
    return _limit_betas(drawn - MIN_FALL * np.arange(T))


def _check_points(x: Array, y: Array) -> None:
    good = np.isfinite(x) & np.isfinite(y) & (np.diff(x, prepend=-1.0) > 0.0)
    if not good.all():
        j = int(np.argmin(good))
        raise EngineError(
            f"control points must be finite and ascend in u, but point {j} is ({x[j]:g}, {y[j]:g})"
        )


def _limit_betas(log_snr: Array) -> Array:
    """Raise alpha-bar where one step would fall below (1 - BETA_MAX) of the one before."""
    log_abar = -np.logaddexp(0.0, -log_snr)
    most = np.log1p(-BETA_MAX)
    if np.all(np.diff(log_abar, prepend=0.0) >= most):
        return log_snr
    floor = 0.0
    for t in range(len(log_abar)):
        log_abar[t] = floor = max(log_abar[t], floor + most)
    limited: Array = log_abar - np.log(-np.expm1(log_abar))
    return limited


def fit(log_snr: Array, max_points: int = 9, tolerance: float = 0.002) -> tuple[ControlPoint, ...]:
    """Return at most `max_points` control points that reproduce `log_snr` [T] at t = 1..T.

    Greedy: both ends, then the t where alpha-bar is furthest from the interpolated curve, each
    addition followed by a small search for better places of the inner points; done when alpha-bar
    is within `tolerance` everywhere. log-SNR is first clipped to +-20.
    """
    target = np.clip(log_snr, -LOG_SNR_LIMIT, LOG_SNR_LIMIT)
    T = len(target)
    if T == 1:
        return (ControlPoint(0.0, float(target[0])),)
    u = np.linspace(0.0, 1.0, T)
    spread = np.linspace(0, T - 1, min(T, 241)).round().astype(int)
    samples = np.array(sorted({*spread.tolist(), T - 2}))
    for distance in _FIT_DISTANCES:
        knots, error = _place_knots(u[samples], target[samples], max_points, tolerance, distance)
        if error <= _FIT_ERROR:
            break
    return tuple(ControlPoint(float(u[k]), float(target[k])) for k in samples[knots])


def _place_knots(
    u: Array, target: Array, max_points: int, tolerance: float, distance: int
) -> tuple[list[int], float]:
    """Return the indices of few knots whose PCHIP follows `target` in alpha-bar, and the misfit."""
    abar = _sigmoid(target)

    def misfit(knots: list[int]) -> Array:
        return np.abs(_sigmoid(pchip(u[knots], target[knots], u)) - abar)

    knots = pinned = _first_knots(u, target)

    def worst_misfit(knots: list[int]) -> float:
        return float(misfit(knots).max())

    while len(knots) < min(max_points, len(u)):
        error = misfit(knots)
        for knot in knots:
            error[max(knot - distance + 1, 0) : knot + distance] = 0.0
        worst = int(np.argmax(error))
        if error[worst] <= tolerance:
            break
        knots = _settle(sorted({*knots, worst}), pinned, worst_misfit, distance)
    return knots, worst_misfit(knots)


def _first_knots(u: Array, target: Array) -> list[int]:
    """Return both ends, and the last t but one where the last step is a cliff (a clipped beta)."""
    n = len(u)
    if n > 3:
        slope = np.diff(target[-3:]) / np.diff(u[-3:])
        if slope[1] < 4.0 * slope[0]:
            return [0, n - 2, n - 1]
    return [0, n - 1]


def _settle(
    knots: list[int], pinned: list[int], cost: Callable[[list[int]], float], distance: int
) -> list[int]:
    """Shift knots that are not pinned to better places nearby; two rounds."""
    best = cost(knots)
    for j in 2 * list(range(1, len(knots) - 1)):
        low, high = knots[j - 1] + distance, knots[j + 1] - distance
        here = knots[j]
        if low > high or here in pinned:
            continue
        for place in (here - 8, here - 2, here + 2, here + 8):
            trial = [*knots[:j], min(max(place, low), high), *knots[j + 1 :]]
            trial_cost = cost(trial)
            if trial_cost < best:
                knots, best = trial, trial_cost
    return knots


def move(
    points: Sequence[ControlPoint], index: int, u: float, log_snr: float, T: int
) -> tuple[ControlPoint, ...]:
    """Return `points` with one moved to (u, log_snr), bounded by its neighbours.

    The first and the last point keep their u. In u a point stays one step away from its
    neighbours, in log-SNR `MIN_GAP`.
    """
    if np.isnan(u) or np.isnan(log_snr):
        return tuple(points)
    left = points[index - 1] if index > 0 else None
    right = points[index + 1] if index + 1 < len(points) else None
    top = left.log_snr - MIN_GAP if left else LOG_SNR_LIMIT
    bottom = right.log_snr + MIN_GAP if right else -LOG_SNR_LIMIT
    moved = replace(points[index], log_snr=float(min(max(log_snr, bottom), top)))
    if left and right:
        step = 1.0 / (T - 1) if T > 1 else 0.0
        low, high = left.u + step, right.u - step
        if low <= high:
            moved = replace(moved, u=float(min(max(u, low), high)))
    return (*points[:index], moved, *points[index + 1 :])


def logit(alpha_bar: float) -> float:
    """Return the log-SNR of an alpha-bar, clipped to +-20 nats (so 0 and 1 are allowed)."""
    edge = _sigmoid(np.array(-LOG_SNR_LIMIT))
    p = min(max(alpha_bar, float(edge)), 1.0 - float(edge))
    return float(np.log(p) - np.log1p(-p))


def _sigmoid(x: Array) -> Array:
    result: Array = np.exp(-np.logaddexp(0.0, -x))
    return result
