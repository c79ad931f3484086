"""The forward process: q(x_t | x_0) in one jump, q(x_t | x_{t-1}) step by step. NumPy only.

Equations as in DDPM (arXiv:2006.11239): eq. 2 (`markov_step`), eq. 4 (`closed_form`), eqs. 6-7
(`posterior`). `Noiser` is the same closed form as a fast kernel from pixels to pixels, `Process`
that kernel with the noise of every t.

A picture takes 3 bytes a pixel, its noise 12 while it is kept (see `noise_fields.CACHE_BYTES`), and
what is made of them 3 each; all else is done block by block, or band by band.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

import numpy as np
from numpy.typing import NDArray

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.experiment import Forward
from diffusion_gui.engine.images import FloatImage, Pixels, to_float
from diffusion_gui.engine.noise_fields import NoiseField, stride_for
from diffusion_gui.engine.schedules.schedule import Family, Schedule, scales
from diffusion_gui.engine.threads import share

_BLOCK = 1 << 17
"""Values per block: 512 KiB of float32, inside the second-level cache."""
_FAINT = 1e-12
"""Strength below which there is no noise: far below what float32 tells apart."""
LARGE = 1 << 20
"""Pixels above which the noise of a moment is made anew, band by band, each time it is needed."""
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

    The work runs in blocks that stay in the processor's cache, with the pixels kept as bytes: to
    convert a block again costs less than to fetch four times as much. Safe to use in several
    threads; large pictures are shared with helper threads.
    """

    def __init__(self, pixels: Pixels, eps: FloatImage) -> None:
        """Take `pixels` uint8 [H, W, 3] and `eps` float32 of the same shape."""
        if pixels.shape != eps.shape:
            raise EngineError(f"noise {eps.shape} does not match the picture {pixels.shape}")
        self.shape = pixels.shape
        self._pixels = pixels.reshape(-1)
        self._noise = eps.reshape(-1)

    def x_t(self, a: float, s: float, span: Span = CLIPPED, out: Pixels | None = None) -> Pixels:
        """Return a x_0 + s eps as uint8 [H, W, 3], clipped to `span`, a new array or `out`."""
        shown = np.empty(self.shape, dtype=np.uint8) if out is None else out
        flat = shown.reshape(-1)
        gain = 255.0 / (span.high - span.low)
        shift = 0.5 - span.low * gain
        within = s == 0.0 and span.low <= -a and a <= span.high

        def show(part: slice, mixed: FloatImage) -> None:
            if not within:
                np.clip(mixed, 0.0, 255.0, out=mixed)
            flat[part] = mixed

        self._mix(a * gain, s * gain, shift, show)
        return shown

    def signal(self, a: float, span: Span = CLIPPED) -> Pixels:
        """Return the signal part a x_0 as uint8 [H, W, 3]."""
        return self.x_t(a, 0.0, span)

    def noise(self, s: float, span: Span = CLIPPED) -> Pixels:
        """Return the noise part s eps as uint8 [H, W, 3], clipped to `span`."""
        return self.x_t(0.0, s, span)

    def values(self, a: float, s: float, most: int = 1 << 16) -> FloatImage:
        """Return the values of a x_0 + s eps, not clipped; of large pictures every n-th pixel.

        At most `most` + 2 values, all channels of a pixel or none.
        """
        step = -(-self._pixels.size // most)
        signal = self._pixels.reshape(-1, self.shape[2])[::step] - np.float32(127.5)
        noise = self._noise.reshape(-1, self.shape[2])[::step]
        mixed = signal * np.float32(a / 127.5) + noise * np.float32(s)
        return mixed.ravel()

    def extent(self, a: float, s: float) -> tuple[float, float]:
        """Return the smallest and the largest value of a x_0 + s eps."""
        ends: list[tuple[float, float]] = []
        self._mix(a, s, 0.0, lambda _, mixed: ends.append((float(mixed.min()), float(mixed.max()))))
        lows, highs = zip(*ends, strict=True)
        return min(lows), max(highs)

    def _mix(
        self, a: float, s: float, shift: float, take: Callable[[slice, FloatImage], None]
    ) -> None:
        """Hand a x_0 + s eps + shift to `take`, block by block in any order.

        A block is valid during the call. With x_0 = p / 127.5 - 1 it is ((a / 127.5 / s) p + eps) s
        + shift - a: one pass over each array, the rest in the cache.
        """
        size = self._pixels.size
        noisy = s > _FAINT
        of_signal = np.float32(a / 127.5 / s if noisy else a / 127.5)
        gain, shift_all = np.float32(s), np.float32(shift - a)

        def mix(left: Iterator[int]) -> None:
            work = np.empty(min(_BLOCK, size), dtype=np.float32)
            for at in left:
                part = slice(at, min(at + _BLOCK, size))
                mixed = work[: part.stop - at]
                if a or not noisy:
                    np.copyto(mixed, self._pixels[part])
                    mixed *= of_signal
                    if noisy:
                        mixed += self._noise[part]
                        mixed *= gain
                else:
                    np.multiply(self._noise[part], gain, out=mixed)
                mixed += shift_all
                take(part, mixed)

        share(range(0, size, _BLOCK), mix)


class Process:
    """The forward process of one picture at one size: `at` any time, with the noise it is told.

    A function of its arguments alone: the window, exports and the command line make the same
    pixels. Nothing is drawn before it is asked for. Safe to use in several threads.
    """

    def __init__(self, pixels: Pixels, seed: int, forward: Forward, stride: int = 1) -> None:
        """Take `pixels` uint8 [H, W, 3]; of `forward` only what concerns the noise."""
        self.pixels = pixels
        self.stride = stride
        """Every how many-th pixel, across and down, of the picture these are."""
        self._seed = seed
        self._forward = forward
        self._noise = NoiseField(seed, pixels.shape, forward.noise, forward.offset)

    @property
    def count(self) -> int:
        """The number of pixels."""
        return self.pixels.shape[0] * self.pixels.shape[1]

    def thinned(self, most: int) -> Process:
        """Return the process of every n-th pixel, n the smallest power of 2 for `most` of them.

        It has the noise of this one at these pixels, if `most` is `noise_fields.WHOLE` or above;
        where there are no more pixels than that it is this one.
        """
        n = stride_for(self.pixels.shape, most)
        if n == 1:
            return self
        pixels = np.ascontiguousarray(self.pixels[::n, ::n])
        return Process(pixels, self._seed, self._forward, n * self.stride)

    def draw(self) -> None:
        """Draw a noise that is frozen now, so that no moment waits for it."""
        self._noise.at(0, 0.0)

    def at(self, schedule: Schedule, t: int, poll: Callable[[], None] = lambda: None) -> Moment:
        """Return the picture at `t` in 0..T.

        While a large one is worked on, `poll` is called now and then and may raise to end it.
        """
        _check_t(schedule, t)
        bands = partial(self._noise.bands, t, float(schedule.log_snr[t]), poll)
        if self.count <= LARGE:
            whole = tuple(bands())
            return Moment(self.pixels, lambda: whole, *schedule.shown(t))
        return Moment(self.pixels, bands, *schedule.shown(t))

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

    pixels: Pixels
    bands: Callable[[], Iterable[tuple[slice, FloatImage]]]
    """The noise as (rows, eps) from top to bottom."""
    a: float
    s: float

    @property
    def eps(self) -> FloatImage:
        """The noise, float32 [H, W, 3]; do not write into it."""
        whole = [eps for _, eps in self.bands()]
        return whole[0] if len(whole) == 1 else np.concatenate(whole)

    def x_t(self, span: Span = CLIPPED) -> Pixels:
        """Return x_t as uint8 [H, W, 3]."""
        return self._frames((self.a, self.s, span))[0]

    def signal(self, span: Span = CLIPPED) -> Pixels:
        """Return a x_0 as uint8 [H, W, 3]."""
        return self._frames((self.a, 0.0, span))[0]

    def noise(self, span: Span = CLIPPED) -> Pixels:
        """Return s eps as uint8 [H, W, 3]."""
        return self._frames((0.0, self.s, span))[0]

    def parts(self, spans: tuple[Span, Span, Span]) -> tuple[Pixels, Pixels, Pixels]:
        """Return x_t, its signal part and its noise part: for a large picture at one go."""
        a, s = self.a, self.s
        x_t, signal, noise = self._frames((a, s, spans[0]), (a, 0.0, spans[1]), (0.0, s, spans[2]))
        return x_t, signal, noise

    def values(self, most: int = 1 << 16) -> FloatImage:
        """Return about `most` values of x_t, not clipped, of every n-th pixel."""
        return self._values(self.a, self.s, most)

    def pixel(self, x: int, y: int) -> PixelValues:
        """Return the values at column `x` in 0..W-1 and row `y` in 0..H-1.

        Raises EngineError outside the picture.
        """
        height, width = self.pixels.shape[:2]
        if not (0 <= x < width and 0 <= y < height):
            raise EngineError(f"the pixel ({x}, {y}) is not in the picture, {width} x {height}")
        x_0 = self.pixels[y, x] / 127.5 - 1.0
        eps = next(eps[y - rows.start, x] for rows, eps in self.bands() if y < rows.stop)
        signal, noise = self.a * x_0, self.s * eps.astype(np.float64)
        parts = (x_0, signal + noise, signal, noise)
        return PixelValues(*(tuple(part.tolist()) for part in parts))

    def clipped(self, most: int = 1 << 16) -> tuple[float, float]:
        """Return the shares of the values of x_t and of the noise beyond -1..1.

        Exact for pictures of up to `most` values, else of every n-th pixel.
        """
        return _beyond(self.values(most)), _beyond(self._values(0.0, self.s, most))

    def spans(self, shown: Shown) -> tuple[Span, Span, Span]:
        """Return the spans over which x_t, its signal part and its noise part are shown."""
        if shown is Shown.CLIP:
            return CLIPPED, CLIPPED, CLIPPED
        parts = ((self.a, self.s), (self.a, 0.0), (0.0, self.s))
        ends = np.array([[n.extent(*part) for part in parts] for _, n in self._noisers()])
        lows, highs = ends[..., 0].min(axis=0).tolist(), ends[..., 1].max(axis=0).tolist()
        x_t, signal, noise = (Span.of(shown, ends) for ends in zip(lows, highs, strict=True))
        return x_t, signal, noise

    def _frames(self, *wanted: tuple[float, float, Span]) -> list[Pixels]:
        """Return a x_0 + s eps for each (a, s, span)."""
        frames = [np.empty(self.pixels.shape, np.uint8) for _ in wanted]
        for rows, noiser in self._noisers():
            for frame, (a, s, span) in zip(frames, wanted, strict=True):
                noiser.x_t(a, s, span, frame[rows])
        return frames

    def _values(self, a: float, s: float, most: int) -> FloatImage:
        height = self.pixels.shape[0]
        return np.concatenate(
            [
                noiser.values(a, s, max(3, most * (rows.stop - rows.start) // height))
                for rows, noiser in self._noisers()
            ]
        )

    def _noisers(self) -> Iterator[tuple[slice, Noiser]]:
        return ((rows, Noiser(self.pixels[rows], eps)) for rows, eps in self.bands())


def _beyond(values: FloatImage) -> float:
    """Return the share of values that are shown black or white though they are beyond."""
    return float(np.count_nonzero(np.abs(values) > 1.0)) / values.size
