"""The measures of one picture at every noise level, and from them over t of any schedule.

What is shown of a process is its variance-preserving twin, so that x_t is a function of the log-SNR
alone, and so is the noise where it changes with t (`noise_fields`). A `Table` over log-SNR is
therefore filled once per picture and noise; a schedule only says where to read it, and curves
follow a drag at once. NumPy only.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from diffusion_gui.engine.measures import Pair, psnr_from_moments
from diffusion_gui.engine.schedules.schedule import Array, Family, Schedule, scales

LEVELS: Array = np.linspace(-16.0, 16.0, 129)
"""The log-SNR at which measures are taken; beyond, nothing but the PSNR changes any more."""
_STRIDES = (16, 8, 4, 2, 1)
FIRST = (len(LEVELS) - 1) // _STRIDES[0] + 1
"""After so many rows, the coarsest, a table spans all levels."""
_LEAST = 1e-12
_EVEN = 101
"""Times of a curve that are even in t, and again in log-SNR."""


def order() -> list[int]:
    """Return the rows in the order they are best taken: all over the levels, then between."""
    rows = [row for stride in _STRIDES for row in range(0, len(LEVELS), stride)]
    return list(dict.fromkeys(rows))


def level_scales(log_snr: Array | float) -> tuple[Array, Array]:
    """Return (a, s) of what is shown at a log-SNR, any shape."""
    return scales(np.asarray(log_snr, dtype=np.float64), Family.VP)


@dataclass(frozen=True, slots=True, eq=False)
class Curves:
    """The measures at times `t` [n] of one schedule; without a finite value they are nan."""

    t: Array
    snr_db: Array
    psnr: Array
    ssim: Array
    kl: Array


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Rows of measures at `LEVELS`, as far as they are known."""

    mean_square: float
    known: NDArray[np.bool_]
    rows: Array
    """mean(x_0 eps), mean(eps^2), SSIM and ln KL, [129, 4]."""

    @staticmethod
    def empty(mean_square: float) -> Table:
        """Return a table without rows, of a picture with this mean(x_0^2)."""
        return Table(mean_square, np.zeros(len(LEVELS), bool), np.zeros((len(LEVELS), 4)))

    @property
    def spans(self) -> bool:
        """Whether there are rows all over the levels."""
        return bool(self.known[:: _STRIDES[0]].all())

    @property
    def complete(self) -> bool:
        """Whether every row is known."""
        return bool(self.known.all())

    def taken(self, row: int, pair: Pair) -> Table:
        """Return the table with one more row, measured on a picture with its noise there."""
        known, rows = self.known.copy(), self.rows.copy()
        a, s = (float(scale) for scale in level_scales(LEVELS[row]))
        kl = max(pair.kl(a, s), _LEAST)
        known[row] = True
        rows[row] = pair.cross, pair.square, pair.ssim(a, s), np.log(kl)
        return replace(self, known=known, rows=rows)

    def curves(self, schedule: Schedule) -> Curves:
        """Return the measures over t of a schedule, straight between the rows known."""
        t = curve_times(schedule)
        level = schedule.log_snr[t]
        cross, noise, ssim, log_kl = (
            np.interp(level, LEVELS[self.known], column) for column in self.rows[self.known].T
        )
        a, s = level_scales(level)
        psnr = psnr_from_moments(a, s, self.mean_square, cross, noise)
        ssim[np.isposinf(level)] = 1.0
        snr_db, psnr = (
            np.where(np.isfinite(values), values, np.nan)
            for values in (10.0 / np.log(10.0) * level, psnr)
        )
        return Curves(t.astype(np.float64), snr_db, psnr, ssim, np.exp(log_kl))


def curve_times(schedule: Schedule) -> NDArray[np.intp]:
    """Return the t at which curves are drawn: even in t, and even in log-SNR where they bend."""
    T = schedule.T
    even = np.linspace(0, T, min(T + 1, _EVEN)).round()
    bends = schedule.t_at(np.linspace(LEVELS[0], LEVELS[-1], min(T + 1, _EVEN))).round()
    return np.array(sorted({*even.astype(int).tolist(), *bends.astype(int).tolist(), min(1, T)}))
