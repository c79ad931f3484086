"""Radial power spectra of pictures, in units of white noise, and where noise drowns a signal.

NumPy only, float64. A picture is taken apart by the orthonormal cosine transform (DCT-II): the
Fourier transform of the picture mirrored at its edges, which has no jump there that would fill
every frequency (a window would do that too, but would hide the border). Being orthonormal it keeps
the sum of squares (Parseval), makes noise of variance 1 into coefficients of variance 1, and
leaves a constant to the coefficient of frequency 0 alone. So signal and noise are compared
coefficient by coefficient: at one frequency a^2 P(f) stands against s^2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diffusion_gui.engine.schedules.schedule import Array

PER_OCTAVE = 8
"""Rings of frequency from one to its double."""


def cosine_transform(x: Array) -> Array:
    """Return the orthonormal DCT-II of `x` [H, W, C] over its rows and columns, float64.

    Coefficient (k, l) belongs to k / 2H and l / 2W cycles per pixel. By one FFT per axis of the
    same length (Makhoul 1980, IEEE Trans. ASSP 28, 27-34).
    """
    return _along_first(_along_first(x).swapaxes(0, 1)).swapaxes(0, 1)


def _along_first(x: Array) -> Array:
    n = x.shape[0]
    order = np.r_[0:n:2, np.arange(1, n, 2)[::-1]]  # even places, then odd ones backwards
    turned = np.fft.rfft(np.asarray(x, dtype=np.float64)[order], axis=0)
    k = np.arange(len(turned)).reshape(-1, *([1] * (x.ndim - 1)))
    turned *= np.exp(-0.5j * np.pi * k / n) * math.sqrt(2.0 / n)
    result = np.empty(x.shape)
    result[: len(turned)] = turned.real
    half = (n - 1) // 2
    result[n - half :] = -turned.imag[half:0:-1]
    result[0] *= math.sqrt(0.5)
    return result


@dataclass(frozen=True, slots=True, eq=False)
class Rings:
    """The coefficients of one size of picture, gathered by their frequency in every direction."""

    f: Array
    """Mean frequency of each ring in cycles per pixel, ascending, [R]; the first is 0, the mean."""
    counts: Array
    """Coefficients in each ring, [R]."""
    index: NDArray[np.intp]
    """The ring of each coefficient, [H W]."""

    @staticmethod
    def of(height: int, width: int) -> Rings:
        """Return the rings of pictures [height, width, C]: 0 alone, then equal ones in log f."""
        vertical = np.arange(height)[:, None] / (2.0 * height)
        f = np.hypot(vertical, np.arange(width) / (2.0 * width)).ravel()
        lowest = 1.0 / (2.0 * max(height, width))
        with np.errstate(divide="ignore"):
            octaves = np.maximum(np.log2(f / lowest), -1.0)
        ring = np.where(f > 0.0, 1 + np.floor(PER_OCTAVE * octaves + 0.5), 0).astype(np.intp)
        filled = np.flatnonzero(np.bincount(ring))
        index = np.searchsorted(filled, ring)
        counts = np.bincount(index).astype(np.float64)
        return Rings(np.bincount(index, weights=f) / counts, counts, index)

    def mean(self, power: Array) -> Array:
        """Return the mean of `power` [H, W, C] in each ring and over the channels, [R]."""
        flat = power.mean(axis=2).ravel()
        return np.bincount(self.index, weights=flat, minlength=len(self.f)) / self.counts


def radial_spectrum(x: Array) -> tuple[Array, Array]:
    """Return (f [R] in cycles per pixel, mean power [R]) of `x` [H, W, C], float64.

    White noise of variance 1 has power 1 at every frequency; f = 0 is the mean: H W mean^2.
    """
    rings = Rings.of(*x.shape[:2])
    return rings.f, rings.mean(cosine_transform(x) ** 2)


@dataclass(frozen=True, slots=True, eq=False)
class Spectrum:
    """Power over frequency at one time, all [R], in units of white noise of variance 1."""

    f: Array
    """Cycles per pixel, ascending; the first is 0, the mean."""
    x_0: Array
    signal: Array
    """Of a x_0."""
    floor: Array
    """Of the noise, as expected."""
    x_t: Array
    """Of the sum, with the noise as drawn."""

    @property
    def cutoff(self) -> float:
        """The lowest f above which the signal stays below the noise (see `cutoff`)."""
        return cutoff(self.f, self.signal, self.floor)

    @property
    def mean_drowned(self) -> bool:
        """Whether the picture's mean is below the noise."""
        return bool(self.signal[0] < self.floor[0])


def noise_floor(f: Array, s: float, offset: float, pixels: int) -> Array:
    """Return the expected power of the noise s (eps + offset delta) at each `f`, [R].

    White noise has s^2 everywhere; delta, one normal value per channel, is a constant over the
    `pixels` = H W of a picture and adds s^2 offset^2 H W to its mean alone.
    """
    floor = np.full(f.shape, s**2)
    floor[f == 0.0] *= 1.0 + offset**2 * pixels
    return floor


def cutoff(f: Array, signal: Array, floor: Array) -> float:
    """Return the lowest frequency above which `signal` stays below `floor`, all of shape [R].

    0 where no frequency above 0 is left, infinity where the highest one is. Between two rings both
    powers run straight in log f.
    """
    above = np.flatnonzero((signal >= floor) & (f > 0.0))
    if not len(above):
        return 0.0
    last = int(above[-1])
    if last == len(f) - 1:
        return math.inf
    with np.errstate(divide="ignore"):
        margin = np.log(signal[last : last + 2]) - np.log(floor[last : last + 2])
    if not np.isfinite(margin).all():
        return float(f[last])
    share = margin[0] / (margin[0] - margin[1])
    return float(f[last] * (f[last + 1] / f[last]) ** share)
