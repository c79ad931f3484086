"""The forward process: q(x_t | x_0) in one jump, q(x_t | x_{t-1}) step by step. NumPy only.

Equations as in DDPM (arXiv:2006.11239): eq. 2 (`markov_step`), eq. 4 (`closed_form`), eqs. 6-7
(`posterior`). `Noiser` is the same closed form as a fast kernel from pixels to pixels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.images import FloatImage, Pixels
from diffusion_gui.engine.schedules.schedule import Schedule

_BLOCK = 1 << 16
"""Values per block: 256 KiB of float32, inside the second-level cache."""


def closed_form(x_0: NDArray, eps: NDArray, schedule: Schedule, t: int) -> NDArray:  # type: ignore[type-arg]
    """Return x_t = a_t x_0 + s_t eps, any shape, `t` in 0..T, in the precision of `x_0`."""
    _check_t(schedule, t)
    return x_0.dtype.type(schedule.a[t]) * x_0 + x_0.dtype.type(schedule.s[t]) * eps


def markov_step(x_prev: NDArray, eps: NDArray, schedule: Schedule, t: int) -> NDArray:  # type: ignore[type-arg]
    """Return a draw of q(x_t | x_{t-1}), t in 1..T: a_t / a_{t-1} x_{t-1} + sqrt(var) eps.

    Where the variance is preserved this is sqrt(1 - beta_t) x_{t-1} + sqrt(beta_t) eps.
    """
    _check_t(schedule, t, first=1)
    kind = x_prev.dtype.type
    added = schedule.s[t] * np.sqrt(schedule.fresh_share[t])
    return kind(schedule.a[t] / schedule.a[t - 1]) * x_prev + kind(added) * eps


def posterior(schedule: Schedule, t: int) -> tuple[float, float, float]:
    """Return (coefficient of x_0, coefficient of x_t, variance) of q(x_{t-1} | x_t, x_0).

    `t` in 1..T (DDPM eqs. 6-7; here for every family of processes).
    """
    _check_t(schedule, t, first=1)
    x_0 = schedule.a[t - 1] * schedule.fresh_share[t]
    x_t = schedule.a[t] / schedule.a[t - 1] * (schedule.s[t - 1] / schedule.s[t]) ** 2
    return float(x_0), float(x_t), float(schedule.posterior_variance[t])


def _check_t(schedule: Schedule, t: int, first: int = 0) -> None:
    if not first <= t <= schedule.T:
        raise EngineError(f"t must be in {first}..{schedule.T}, got {t}")


class Noiser:
    """x_0 -> x_t for one picture and one noise, from pixels to pixels, fast enough for a drag.

    Both are kept in units of one grey level, so that x_t in display space is one multiply-add per
    term; the work runs in blocks that stay in the processor's cache.
    """

    def __init__(self, pixels: Pixels, eps: FloatImage) -> None:
        """Take `pixels` uint8 [H, W, 3] and `eps` float32 of the same shape."""
        if pixels.shape != eps.shape:
            raise EngineError(f"noise {eps.shape} does not match the picture {pixels.shape}")
        self.shape = pixels.shape
        self._signal = pixels.astype(np.float32).ravel() - np.float32(127.5)
        self._noise = eps.ravel() * np.float32(127.5)
        self._work = np.empty((2, min(_BLOCK, self._signal.size)), dtype=np.float32)

    def x_t(self, a: float, s: float) -> Pixels:
        """Return a x_0 + s eps as uint8 [H, W, 3], clipped to [-1, 1]."""
        return self._mix(a, s)

    def signal(self, a: float) -> Pixels:
        """Return the signal part a x_0 as uint8 [H, W, 3]."""
        return self._mix(a, 0.0)

    def noise(self, s: float) -> Pixels:
        """Return the noise part s eps as uint8 [H, W, 3], clipped to [-1, 1]."""
        return self._mix(0.0, s)

    def values(self, a: float, s: float, most: int = 1 << 16) -> FloatImage:
        """Return the values of a x_0 + s eps, not clipped; of large pictures every n-th pixel.

        At most `most` + 2 values, all channels of a pixel or none.
        """
        step = -(-self._signal.size // most)
        signal = self._signal.reshape(-1, self.shape[2])[::step]
        noise = self._noise.reshape(-1, self.shape[2])[::step]
        mixed = (signal * np.float32(a) + noise * np.float32(s)).ravel()
        return (mixed / np.float32(127.5)).astype(np.float32, copy=False)

    def _mix(self, a: float, s: float) -> Pixels:
        out = np.empty(self._signal.size, dtype=np.uint8)
        scale_a, scale_s = np.float32(a), np.float32(s)
        for start in range(0, out.size, _BLOCK):
            part = slice(start, min(start + _BLOCK, out.size))
            mixed, term = self._work[:, : part.stop - part.start]
            np.multiply(self._signal[part], scale_a, out=mixed)
            if s:
                np.multiply(self._noise[part], scale_s, out=term)
                mixed += term
            mixed += np.float32(128.0)
            np.clip(mixed, 0.0, 255.0, out=mixed)
            out[part] = mixed
        return out.reshape(self.shape)
