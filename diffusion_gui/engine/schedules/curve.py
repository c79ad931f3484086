"""Schedules drawn by hand: control points in log-SNR joined by a monotone cubic. NumPy only.

PCHIP (Fritsch & Carlson 1980, slopes as in Fritsch & Butland 1984) never overshoots: monotone
points give a legal schedule, and the first point that bends a preset leaves it untouched beyond
its neighbours (later ones reach a little further, through the slopes there). Dragging a point can
break the order only with its neighbours, and `move` bounds it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
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
LEAST_FALL = 0.2
"""A bent curve falls at least by this share of its base's fall, and of the mean between points."""
PARTS = 32
"""In so many parts of the piece between two points that is looked at."""
_LEAST_SHARE = 1.0 / (1.0 + math.exp(LOG_SNR_LIMIT))


def pchip(x: Array, y: Array, at: Array) -> Array:
    """Interpolate (x [n], y [..., n]) at `at` [m] by the monotone piecewise cubic: [..., m].

    n >= 2, x ascending. Outside [x_0, x_{n-1}] the end pieces are continued. Agrees with scipy's
    PchipInterpolator.
    """
    width = np.diff(x)
    secant = np.diff(y) / width
    slope = _slopes(width, secant)
    piece = np.clip(np.searchsorted(x, at, side="right") - 1, 0, len(x) - 2)
    h, d = width[piece], secant[..., piece]
    m0, m1 = slope[..., piece], slope[..., piece + 1]
    w = at - x[piece]
    quadratic = (3.0 * d - 2.0 * m0 - m1) / h
    cubic = (m0 + m1 - 2.0 * d) / h**2
    result: Array = y[..., piece] + w * (m0 + w * (quadratic + w * cubic))
    return result


def _slopes(width: Array, secant: Array) -> Array:
    """Return the derivative at every knot: weighted harmonic means, 0 at a turning point."""
    if len(width) == 1:
        return np.repeat(secant, 2, axis=-1)
    w1 = 2.0 * width[1:] + width[:-1]
    w2 = width[1:] + 2.0 * width[:-1]
    same_sign = secant[..., :-1] * secant[..., 1:] > 0.0
    before, after = (np.where(same_sign, d, 1.0) for d in (secant[..., :-1], secant[..., 1:]))
    inner = np.where(same_sign, (w1 + w2) / (w1 / before + w2 / after), 0.0)
    first = _end_slope(width[0], width[1], secant[..., :1], secant[..., 1:2])
    last = _end_slope(width[-1], width[-2], secant[..., -1:], secant[..., -2:-1])
    return np.concatenate([first, inner, last], axis=-1)


def _end_slope(h0: float, h1: float, d0: Array, d1: Array) -> Array:
    """Return the one-sided three-point derivative, limited so that the end stays monotone."""
    slope = ((2.0 * h0 + h1) * d0 - h0 * d1) / (h0 + h1)
    limit = np.where(np.sign(d0) != np.sign(d1), np.abs(3.0 * d0), np.inf)
    slope = np.where(np.abs(slope) > limit, 3.0 * d0, slope)
    return np.where(np.sign(slope) == np.sign(d0), slope, 0.0)


def to_log_snr(points: Sequence[ControlPoint], T: int, base: Array | None = None) -> Array:
    """Return log-SNR at t = 1..T, shape [T], of the curve through `points`.

    With a `base` curve (log-SNR at t = 1..T_0, of any length), the points bend it: what is
    interpolated is their distance from it, so that a preset keeps its shape where no point was
    moved; without points it is resampled. Without a base, the curve is the points' own. A base
    that ends without signal still does unless its end was raised.

    Every step falls by at least 1e-6. Raises EngineError where the points are not in order.
    """
    x = np.array([p.u for p in points])
    y = np.array([p.log_snr for p in points])
    _check_points(x, y)
    u = np.linspace(0.0, 1.0, T) if T > 1 else np.ones(1)  # one step goes to the end
    fall = MIN_FALL * np.arange(T)
    if base is None:
        return interpolate(x, y, u) - fall
    no_signal = np.isneginf(base[-1]) and (not len(y) or y[-1] <= -LOG_SNR_LIMIT)
    plain = along(base, u) - (fall if len(base) == 1 else 0.0)
    bent = bend(base, x, y, u) + (plain - along(base, u))
    least = min(MIN_FALL, float(-np.diff(plain).max(initial=-np.inf)))
    if np.any(np.diff(bent) >= -0.5 * least):  # pushed further than the base falls there
        inside = between_points(x, y, u, bent) if len(x) else bent
        bent = strictly_falling(inside)
    return np.r_[bent[:-1], -np.inf] if no_signal else bent


def bend(base: Array, x: Array, y: Array, at: Array) -> Array:
    """Return a base curve bent through points (x [n], y [..., n]) at shares `at` [m]: [..., m].

    The points' distance from the base is interpolated. Where that alone would let a piece between
    two points fall too little (a point is near its bound), as much as it takes of the straight line
    between them is mixed in: such a piece has no plateau with a cliff behind it.
    """
    if len(x) < 2:
        return along(base, at) + interpolate(x, y - along(base, x), at)
    piece = np.clip(np.searchsorted(x, at) - 1, 0, len(x) - 2)
    touched, place = np.unique(piece, return_inverse=True)
    parts = x[touched, None] + np.diff(x)[touched, None] * np.linspace(0.0, 1.0, PARTS + 1)
    looked_at = np.r_[at, parts.ravel()]
    plain = along(base, looked_at)
    both = plain + pchip(x, y - along(base, x), looked_at)
    bent, inside = both[..., : len(at)], both[..., len(at) :].reshape(*y.shape[:-1], *parts.shape)
    mean = np.diff(y)[..., touched] / PARTS
    share = _straight_shares(plain[len(at) :].reshape(parts.shape), inside, mean)
    if share.any():
        chord = y[..., piece] + (at - x[piece]) * (np.diff(y) / np.diff(x))[..., piece]
        bent = bent + share[..., place] * (chord - bent)
    return bent


def _straight_shares(base: Array, bent: Array, mean: Array) -> Array:
    """Return how much of a straight line each of p pieces needs, 0..1: [..., p].

    Given are the levels at the ends of each piece's parts, `base` [p, n] and `bent` [..., p, n],
    and the `mean` [..., p] change from one to the next. As little is needed as lets every part fall
    by `LEAST_FALL` of what the base falls there, or of the piece's mean fall if that is less.
    """
    falls, even = -np.diff(bent), -mean[..., None]
    lack = LEAST_FALL * np.minimum(-np.diff(base), even) - falls
    gain = np.where(lack > 0.0, even - falls, 1.0)
    result: Array = np.maximum(lack / gain, 0.0).max(axis=-1)
    return result


def between_points(x: Array, y: Array, at: Array, values: Array) -> Array:
    """Return `values` at `at` [m], each brought between the points (x [n], y [n]) on its sides."""
    piece = np.clip(np.searchsorted(x, at, side="right") - 1, 0, max(len(x) - 2, 0))
    return np.clip(values, y[np.minimum(piece + 1, len(x) - 1)], y[piece])


def interpolate(x: Array, y: Array, at: Array) -> Array:
    """Return the curve through (x [n], y [..., n]) at `at` [m]; one point is a level, none is 0."""
    if len(x) > 1:
        return pchip(x, y, at)
    level = y[..., :1] if len(x) else np.zeros((*y.shape[:-1], 1))
    return np.broadcast_to(level, (*y.shape[:-1], len(at))).copy()


def along(log_snr: Array, u: Array) -> Array:
    """Return a curve of log-SNR at t = 1..n, [n], at shares `u` [m] of its length, finite."""
    return np.interp(u, np.linspace(0.0, 1.0, len(log_snr)), finite_end(log_snr))


def strictly_falling(log_snr: Array) -> Array:
    """Return levels [n] lowered where they must be, to fall by at least 1e-6 at every step."""
    fall = MIN_FALL * np.arange(len(log_snr))
    result: Array = np.minimum.accumulate(log_snr + fall) - fall
    return result


def finite_end(log_snr: Array) -> Array:
    """Return a curve whose last value, where no signal is left, is -20 or a little lower."""
    if not np.isneginf(log_snr[-1]):
        return log_snr
    before = log_snr[-2] if len(log_snr) > 1 else 0.0
    return np.r_[log_snr[:-1], min(-LOG_SNR_LIMIT, before - MIN_GAP)]


def _check_points(x: Array, y: Array) -> None:
    good = np.isfinite(x) & np.isfinite(y) & (np.diff(x, prepend=-1.0) > 0.0)
    if not good.all():
        j = int(np.argmin(good))
        raise EngineError(
            f"control points must be finite and ascend in u, but point {j} is ({x[j]:g}, {y[j]:g})"
        )


def limit_betas(log_snr: Array) -> tuple[Array, tuple[str, ...]]:
    """Raise alpha-bar where one step would fall below (1 - BETA_MAX) of the one before.

    Returns the curve [T] and a line that says where it was limited, if it was. A last level
    without signal is let be.
    """
    if np.isneginf(log_snr[-1]):
        limited, notes = limit_betas(log_snr[:-1]) if len(log_snr) > 1 else (log_snr[:-1], ())
        return np.r_[limited, -np.inf], notes
    log_abar = -np.logaddexp(0.0, -log_snr)
    most = np.log1p(-BETA_MAX)
    over = np.flatnonzero(np.diff(log_abar, prepend=0.0) < most - 1e-9)
    if not over.size:
        return log_snr, ()
    floor = 0.0
    for t in range(len(log_abar)):
        log_abar[t] = floor = max(log_abar[t], floor + most)
    note = f"β clipped to {BETA_MAX:g} at t = {over[0] + 1}: a step keeps 0.1 % of ᾱ"
    lifted: Array = log_abar - np.log(-np.expm1(log_abar))
    return lifted, (note,)


def handles(log_snr: Array, count: int = 8) -> tuple[ControlPoint, ...]:
    """Return at most `count` points on the curve `log_snr` [T], t = 1..T, both ends among them.

    They are spread evenly along the line that alpha-bar draws over t, so that each can be held.
    """
    T, log_snr = len(log_snr), finite_end(log_snr)
    u = np.linspace(0.0, 1.0, T)
    length = np.cumsum(np.hypot(np.diff(u, prepend=0.0), np.diff(logistic(log_snr), prepend=1.0)))
    wanted = np.linspace(length[0], length[-1], count)
    places = sorted({0, T - 1, *np.searchsorted(length, wanted).clip(0, T - 1).tolist()})
    return tuple(ControlPoint(float(u[k]), float(log_snr[k])) for k in places)


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
    gap = MIN_GAP
    if left and right:  # there may be less room than that
        gap = min(gap, 0.25 * (left.log_snr - right.log_snr))
    top = left.log_snr - gap if left else LOG_SNR_LIMIT
    bottom = right.log_snr + gap if right else -LOG_SNR_LIMIT
    if top < bottom:  # an end beyond the limit stays where its neighbour is
        top = bottom = points[index].log_snr
    moved = replace(points[index], log_snr=float(min(max(log_snr, bottom), top)))
    if left and right:
        step = 1.0 / (T - 1) if T > 1 else 1.0  # one step leaves no room
        low, high = left.u + step, right.u - step
        if low <= high:
            moved = replace(moved, u=float(min(max(u, low), high)))
    return (*points[:index], moved, *points[index + 1 :])


def logit(alpha_bar: float) -> float:
    """Return the log-SNR of an alpha-bar, clipped to +-20 nats (so 0 and 1 are allowed)."""
    p = min(max(alpha_bar, _LEAST_SHARE), 1.0 - _LEAST_SHARE)
    return math.log(p) - math.log1p(-p)


def logistic(x: Array) -> Array:
    """Return the alpha-bar of a log-SNR, 1 / (1 + exp(-x)), without overflow."""
    result: Array = np.exp(-np.logaddexp(0.0, -x))
    return result
