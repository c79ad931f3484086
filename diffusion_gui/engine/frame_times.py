"""At which t the frames of a film strip stand: even in t, in log-SNR, or a sampler's. NumPy only.

Every placement is strictly increasing, counted 0..T, and has at least the two ends of what it
shows wherever `most` is 2 or more.
"""

from __future__ import annotations

import numpy as np

from diffusion_gui.engine.schedules.schedule import Array, Schedule

Times = tuple[int, ...]


def even_in_t(T: int, most: int) -> Times:
    """Return at most `most` times evenly over 0..T, both ends among them.

    Rather a few frames less than odd times: 0, 100, 200, ... where T = 1000 allows it.
    """
    return _whole(np.linspace(0.0, T, _count(T, most)))


def even_in_log_snr(schedule: Schedule, most: int) -> Times:
    """Return 0, T and times between them at even log-SNR, min(most, T + 1) in all.

    The range is that of the finite values: t = 0 (+inf) takes the place of t = 1, and T, where no
    signal is left (-inf), that of the noisiest step with signal. Where the curve is so steep that
    two levels fall on one t, the later ones move to the next that is free.
    """
    count = min(most, schedule.T + 1)
    high, low = finite_range(schedule)
    times = schedule.t_at(np.linspace(high, low, count)).round().astype(int)
    times[0], times[-1] = 0, schedule.T
    order = np.arange(count)
    times = np.maximum.accumulate(times - order) + order  # each at least one after the last
    room = schedule.T - order[::-1]
    return _whole(np.minimum(times, room))


def finite_range(schedule: Schedule) -> tuple[float, float]:
    """Return the largest and the smallest finite log-SNR of t = 1..T, in nats."""
    finite = schedule.log_snr[np.isfinite(schedule.log_snr)]
    return (float(finite.max()), float(finite.min())) if len(finite) else (0.0, 0.0)


def of_levels(levels: Array, most: int) -> Times:
    """Return at most `most` of a run's times in 0..T, in any order, at the nearest whole t.

    Evenly chosen from what is distinct, the first and the last among them.
    """
    times = np.sort(np.asarray(levels).round().astype(int))
    distinct = times[np.diff(times, prepend=-1) > 0]  # np.unique imports masked arrays
    last = len(distinct) - 1
    return _whole(distinct[np.linspace(0.0, last, _count(last, most)).round().astype(int)])


def _count(pieces: int, most: int) -> int:
    """Return a number of frames, at most `most` and not much less, that divides `pieces` evenly."""
    most = min(most, pieces + 1)
    even = (n for n in range(most, int(0.7 * most), -1) if n > 1 and pieces % (n - 1) == 0)
    return next(even, most)


def _whole(times: Array) -> Times:
    return tuple(np.asarray(times).round().astype(int).tolist())
