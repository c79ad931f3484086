"""At which t the frames of a film strip stand: even in t, in log-SNR, or a sampler's. NumPy only.

Every placement is strictly increasing, counted 0..T, and has at least the two ends of what it
shows wherever `most` is 2 or more.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from diffusion_gui.engine.schedules.schedule import Array, Schedule

Times = tuple[int, ...]
MOST_STEEP = 16
"""How many steps at the end may be too steep for even frames."""


def even_in_t(T: int, most: int) -> Times:
    """Return at most `most` times evenly over 0..T, both ends among them.

    Rather a few frames less than odd times: 0, 100, 200, ... where T = 1000 allows it.
    """
    return _whole(np.linspace(0.0, T, _count(T, most)))


def even_in_log_snr(schedule: Schedule, most: int) -> Times:
    """Return 0, T and times between them at even log-SNR, min(most, T + 1) in all.

    Even over `log_snr_range`, where t = 0 (+inf) takes the place of t = 1, and T that of the end,
    whatever its own log-SNR. Where there are fewer steps than levels still, the later ones move to
    the next t that is free.
    """
    count = min(most, schedule.T + 1)
    if count == 2:  # perhaps there is no step with signal
        return 0, schedule.T
    times = _even(schedule, count, _end(schedule, count))
    order = np.arange(count)
    times = np.maximum.accumulate(times - order) + order  # each at least one after the last
    return _whole(np.minimum(times, schedule.T - order[::-1]))


def log_snr_range(schedule: Schedule, count: int) -> tuple[float, float]:
    """Return between which log-SNR, in nats, `count` frames are even: of t = 1 and near T.

    Of T itself, or of the last step before it that has signal and is not so steep that two frames
    would fall on one t: cosine falls by 30 dB in its last step, where nothing can be shown.
    """
    return float(schedule.log_snr[1]), float(schedule.log_snr[_end(schedule, count)])


def _end(schedule: Schedule, count: int) -> int:
    """Return the t at which the even levels end."""
    count = min(max(count, 2), schedule.T + 1)
    last = schedule.T - int(np.isneginf(schedule.log_snr[-1]) and schedule.T > 1)
    lowest = max(last - MOST_STEEP, 1)
    ends = range(last, lowest, -1)
    return next((t for t in ends if (np.diff(_even(schedule, count, t)) > 0).all()), last)


def _even(schedule: Schedule, count: int, end: int) -> NDArray[np.int64]:
    """Return the whole times nearest to even levels from t = 1 to `end`, the outer ones 0 and T."""
    levels = np.linspace(schedule.log_snr[1], schedule.log_snr[end], count)
    times = schedule.t_at(levels).round().astype(np.int64)
    times[0], times[-1] = 0, schedule.T
    return times


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
