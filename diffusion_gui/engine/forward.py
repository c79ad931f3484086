"""The forward process: q(x_t | x_0) in one jump, q(x_t | x_{t-1}) step by step. NumPy only.

Equations as in DDPM (arXiv:2006.11239): eq. 2 (`markov_step`), eq. 4 (`closed_form`), eqs. 6-7
(`posterior`). `Noiser` is the same closed form as a fast kernel from pixels to pixels, `Process`
that kernel with the noise of every t.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.experiment import Forward
from diffusion_gui.engine.images import FloatImage, Pixels, to_float
from diffusion_gui.engine.noise_fields import NoiseField
from diffusion_gui.engine.schedules.schedule import Family, Schedule, scales

_BLOCK = 1 << 16
"""Values per block: 256 KiB of float32, inside the second-level cache."""
_LEAST_SCALE = 1e-290
"""Below it a scale of x_0 has lost digits."""


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
    added = schedule.s[t] * np.sqrt(_fresh(schedule, t))
    return kind(_kept(schedule, t)) * x_prev + kind(added) * eps


def posterior(schedule: Schedule, t: int) -> tuple[float, float, float]:
    """Return (coefficient of x_0, coefficient of x_t, variance) of q(x_{t-1} | x_t, x_0).

    `t` in 1..T (DDPM eqs. 6-7; here for every family of processes).
    """
    _check_t(schedule, t, first=1)
    x_0 = schedule.a[t - 1] * _fresh(schedule, t)
    x_t = _kept(schedule, t) * (schedule.s[t - 1] / schedule.s[t]) ** 2
    return float(x_0), float(x_t), float(schedule.posterior_variance[t])


def _kept(schedule: Schedule, t: int) -> float:
    """Return a_t / a_{t-1}, also where both have underflowed."""
    if schedule.a[t - 1] > _LEAST_SCALE:
        return float(schedule.a[t] / schedule.a[t - 1])
    fall = schedule.log_snr[t] - schedule.log_snr[t - 1]
    return float(np.exp(0.5 * fall) * schedule.s[t] / schedule.s[t - 1])


def _fresh(schedule: Schedule, t: int) -> float:
    """Return `schedule.fresh_share[t]` without the others."""
    noise = scales(schedule.log_snr[t : t + 1], Family.VP)[1][0]
    return float(schedule.beta[t] / noise**2)


def _check_t(schedule: Schedule, t: int, first: int = 0) -> None:
    if not first <= t <= schedule.T:
        raise EngineError(f"t must be in {first}..{schedule.T}, got {t}")


class Shown(StrEnum):
    """Which values of x_t a picture on screen spans."""

    CLIP = "clip"
    """-1 to 1; what lies beyond is black or white."""
    NORMALISE = "normalise"
    """From the smallest to the largest value."""
    SYMMETRIC = "symmetric"
    """As far as needed to both sides of 0, which stays mid grey."""


@dataclass(frozen=True, slots=True)
class Span:
    """The values shown as black and as white, in the units of x_0 in [-1, 1]."""

    low: float = -1.0
    high: float = 1.0

    @staticmethod
    def of(shown: Shown, extent: tuple[float, float]) -> Span:
        """Return what `shown` means for a picture whose values reach over `extent`."""
        if shown is Shown.CLIP:
            return CLIPPED
        low, high = extent
        if shown is Shown.SYMMETRIC:
            high = max(abs(low), abs(high))
            low = -high
        return Span(low, high) if high - low > 1e-6 else CLIPPED


CLIPPED = Span()


class Noiser:
    """x_0 -> x_t for one picture and one noise, from pixels to pixels, fast enough for a drag.

    The picture is kept in units of one grey level, so that x_t in display space is one multiply-add
    per term; the work runs in blocks that stay in the processor's cache.
    """

    def __init__(self, pixels: Pixels, eps: FloatImage) -> None:
        """Take `pixels` uint8 [H, W, 3] and `eps` float32 of the same shape."""
        self.shape = pixels.shape
        self._signal = pixels.astype(np.float32).ravel() - np.float32(127.5)
        self._work = np.empty((2, min(_BLOCK, self._signal.size)), dtype=np.float32)
        self.use(eps)

    def use(self, eps: FloatImage) -> None:
        """Take another noise of the picture's shape."""
        if self.shape != eps.shape:
            raise EngineError(f"noise {eps.shape} does not match the picture {self.shape}")
        self._noise = eps.reshape(-1)

    def x_t(self, a: float, s: float, span: Span = CLIPPED) -> Pixels:
        """Return a x_0 + s eps as uint8 [H, W, 3], clipped to `span`."""
        return self._mix(a, s, span)

    def signal(self, a: float, span: Span = CLIPPED) -> Pixels:
        """Return the signal part a x_0 as uint8 [H, W, 3]."""
        return self._mix(a, 0.0, span)

    def noise(self, s: float, span: Span = CLIPPED) -> Pixels:
        """Return the noise part s eps as uint8 [H, W, 3], clipped to `span`."""
        return self._mix(0.0, s, span)

    def values(self, a: float, s: float, most: int = 1 << 16) -> FloatImage:
        """Return the values of a x_0 + s eps, not clipped; of large pictures every n-th pixel.

        At most `most` + 2 values, all channels of a pixel or none.
        """
        step = -(-self._signal.size // most)
        signal = self._signal.reshape(-1, self.shape[2])[::step]
        noise = self._noise.reshape(-1, self.shape[2])[::step]
        mixed = signal * np.float32(a / 127.5) + noise * np.float32(s)
        return mixed.ravel()

    def x_0(self, x: int, y: int) -> NDArray[np.float64]:
        """Return the values of x_0 at column `x` and row `y`, float64 [3] in [-1, 1]."""
        at = (y * self.shape[1] + x) * self.shape[2]
        return self._signal[at : at + self.shape[2]].astype(np.float64) / 127.5

    def extent(self, a: float, s: float) -> tuple[float, float]:
        """Return the smallest and the largest value of a x_0 + s eps."""
        lows, highs = [], []
        for part in self._blocks():
            mixed = self._sum(part, a / 127.5, s)
            lows.append(float(mixed.min()))
            highs.append(float(mixed.max()))
        return min(lows), max(highs)

    def _mix(self, a: float, s: float, span: Span) -> Pixels:
        out = np.empty(self._signal.size, dtype=np.uint8)
        gain = 255.0 / (span.high - span.low)
        shift = np.float32(0.5 - span.low * gain)
        for part in self._blocks():
            mixed = self._sum(part, a * gain / 127.5, s * gain)
            mixed += shift
            np.clip(mixed, 0.0, 255.0, out=mixed)
            out[part] = mixed
        return out.reshape(self.shape)

    def _blocks(self) -> Iterator[slice]:
        size = self._signal.size
        return (slice(at, min(at + _BLOCK, size)) for at in range(0, size, _BLOCK))

    def _sum(self, part: slice, of_signal: float, of_noise: float) -> FloatImage:
        """Return a stretch of the weighted sum, in the work space: valid until the next call."""
        mixed, term = self._work[:, : part.stop - part.start]
        np.multiply(self._signal[part], np.float32(of_signal), out=mixed)
        if of_noise:
            np.multiply(self._noise[part], np.float32(of_noise), out=term)
            mixed += term
        return mixed


class Process:
    """The forward process of one picture at one size: `at` any time, with the noise it is told.

    A function of its arguments alone: the window, exports and the command line make the same
    pixels.
    """

    def __init__(self, pixels: Pixels, seed: int, forward: Forward) -> None:
        """Take `pixels` uint8 [H, W, 3]; of `forward` only what concerns the noise."""
        self.pixels = pixels
        self._noise = NoiseField(seed, pixels.shape, forward.noise, forward.offset)
        self._kernel = Noiser(pixels, self._noise.at(0, 0.0))

    def at(self, schedule: Schedule, t: int) -> Moment:
        """Return the picture at `t` in 0..T."""
        _check_t(schedule, t)
        eps = self._noise.at(t, float(schedule.log_snr[t]))
        return Moment(self._kernel, eps, *schedule.shown(t))

    def x_t(self, schedule: Schedule, t: int) -> FloatImage:
        """Return x_t as a model sees it: a_t x_0 + s_t eps of the schedule's own family."""
        _check_t(schedule, t)
        eps = self._noise.at(t, float(schedule.log_snr[t]))
        return closed_form(to_float(self.pixels), eps, schedule, t)


@dataclass(frozen=True, slots=True)
class PixelValues:
    """One pixel: x_t = signal + noise and x_0, each (R, G, B) in [-1, 1] units, not clipped."""

    x_0: tuple[float, ...]
    x_t: tuple[float, ...]
    signal: tuple[float, ...]
    noise: tuple[float, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """A picture at one time: x_t = a x_0 + s eps and its parts, as pictures and as values."""

    kernel: Noiser
    eps: FloatImage
    a: float
    s: float

    def x_t(self, span: Span = CLIPPED) -> Pixels:
        """Return x_t as uint8 [H, W, 3]."""
        return self._noiser().x_t(self.a, self.s, span)

    def signal(self, span: Span = CLIPPED) -> Pixels:
        """Return a x_0 as uint8 [H, W, 3]."""
        return self.kernel.signal(self.a, span)

    def noise(self, span: Span = CLIPPED) -> Pixels:
        """Return s eps as uint8 [H, W, 3]."""
        return self._noiser().noise(self.s, span)

    def values(self, most: int = 1 << 16) -> FloatImage:
        """Return up to `most` + 2 values of x_t, not clipped, of every n-th pixel."""
        return self._noiser().values(self.a, self.s, most)

    def pixel(self, x: int, y: int) -> PixelValues:
        """Return the values at column `x` in 0..W-1 and row `y` in 0..H-1.

        Raises EngineError outside the picture.
        """
        height, width = self.eps.shape[:2]
        if not (0 <= x < width and 0 <= y < height):
            raise EngineError(f"the pixel ({x}, {y}) is not in the picture, {width} x {height}")
        x_0 = self.kernel.x_0(x, y)
        signal, noise = self.a * x_0, self.s * self.eps[y, x].astype(np.float64)
        parts = (x_0, signal + noise, signal, noise)
        return PixelValues(*(tuple(part.tolist()) for part in parts))

    def clipped(self, most: int = 1 << 16) -> tuple[float, float]:
        """Return the shares of the values of x_t and of the noise beyond -1..1.

        Exact for pictures of up to `most` values, else of every n-th pixel.
        """
        noiser = self._noiser()
        x_t, noise = (noiser.values(a, self.s, most) for a in (self.a, 0.0))
        return _beyond(x_t), _beyond(noise)

    def spans(self, shown: Shown) -> tuple[Span, Span, Span]:
        """Return the spans over which x_t, its signal part and its noise part are shown."""
        if shown is Shown.CLIP:
            return CLIPPED, CLIPPED, CLIPPED
        noiser = self._noiser()
        parts = ((self.a, self.s), (self.a, 0.0), (0.0, self.s))
        x_t, signal, noise = (Span.of(shown, noiser.extent(*part)) for part in parts)
        return x_t, signal, noise

    def _noiser(self) -> Noiser:
        """Return the kernel with the noise of this moment."""
        self.kernel.use(self.eps)
        return self.kernel


def _beyond(values: FloatImage) -> float:
    """Return the share of values that are shown black or white though they are beyond."""
    return float(np.count_nonzero(np.abs(values) > 1.0)) / values.size
