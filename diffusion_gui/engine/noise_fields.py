"""The noise of one picture over all t: for every kind, eps at a single t is N(0, I). NumPy only.

The kinds differ in how eps at two times belong together (see `experiment.NoiseKind`). A Brownian
path W in time sigma^2 gives x_t = a_t (x_0 + W(sigma_t^2)), so eps_t = W(sigma_t^2) / sigma_t: what
the Markov chain draws step by step, here at any t at once. W is built by Levy's bisection of
log sigma^2: the level at the middle is the bridge between both ends plus one fresh field.

The noise of a large picture is drawn in parts, the coarse lattice of its pixels first (`lattice`):
so every second pixel of it is the noise of the picture of half the size, and what is shown while
t moves is a thinned view of what is shown at rest.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np

from diffusion_gui.engine.experiment import NoiseKind
from diffusion_gui.engine.noise import START, FloatImage, gaussian, stream
from diffusion_gui.engine.threads import share

REACH = 20.0
"""The path runs over log sigma^2 in -20..20; what lies beyond has the noise of the end."""
DEPTH = 6
"""Bisections: 64 pieces of 0.625 nats. Within a piece the bridge takes its shape from one field."""
CACHE_BYTES = 256 << 20
"""Memory for the fields of one picture: a frozen noise of up to 22 megapixels is kept at hand."""
WHOLE = 1 << 18
"""Pixels up to which a field is drawn in one part."""
_BAND = 1 << 18
"""Pixels, about, that are drawn or added up at a time where a field is not kept."""
_BLOCK = 1 << 16
"""Values that are added up at a time: they stay in the processor's cache."""
_PATH_STEP, _FRESH_STEP, _OFFSET_STEP = 1 << 32, 1 << 33, 1 << 40
"""Where the draws of a kind begin, far beyond the steps of a sampler (see `noise.gaussian`)."""

Terms = tuple[tuple[int, float], ...]
"""A noise as a sum: (number of the field, coefficient), the squares of which add up to 1."""
Part = tuple[int, int, int, np.random.Generator]
"""First row, first column and stride of some pixels of a field, and the source of their noise."""


def brownian_terms(log_snr: float) -> Terms:
    """Return eps = W(sigma^2) / sigma at `log_snr` = -log sigma^2 as a sum of independent fields.

    The correlation of two times is sigma_1 / sigma_2 (sigma_1 the smaller) where an end of a piece
    lies between them, and at least that within a piece.
    """
    place = min(max(-log_snr, -REACH), REACH)
    low, high = -REACH, REACH
    left = {0: math.exp(0.5 * low)}  # W at the ends, as coefficients of the fields
    right = dict(left)
    right[1] = math.sqrt(math.exp(high) - math.exp(low))
    node = 1
    for _ in range(DEPTH):
        middle = 0.5 * (low + high)
        bridge = _bridge(left, right, low, high, middle, node + 1)
        node = 2 * node + (place >= middle)
        if place < middle:
            right, high = bridge, middle
        else:
            left, low = bridge, middle
    at = _bridge(left, right, low, high, place, node + 1)
    scale = math.exp(-0.5 * place)
    return tuple((field, scale * part) for field, part in at.items() if part)


def _bridge(
    left: dict[int, float], right: dict[int, float], low: float, high: float, at: float, fresh: int
) -> dict[int, float]:
    """Return W at log time `at`, given W at `low` and `high`, with one fresh field."""
    begin, here, end = math.exp(low), math.exp(at), math.exp(high)
    share = (here - begin) / (end - begin)
    result = {field: (1.0 - share) * part for field, part in left.items()}
    for field, part in right.items():
        result[field] = result.get(field, 0.0) + share * part
    result[fresh] = math.sqrt(max((here - begin) * (end - here) / (end - begin), 0.0))
    return result


def stride_for(shape: Sequence[int], most: int) -> int:
    """Return the smallest power of two n for which every n-th pixel of [H, W, C] are `most`."""
    stride = 1
    while math.ceil(shape[0] / stride) * math.ceil(shape[1] / stride) > most:
        stride *= 2
    return stride


def lattice(shape: Sequence[int]) -> list[tuple[int, int, int]]:
    """Return the parts of a field [H, W, C] as (first row, first column, stride), coarse to fine.

    Each pixel lies in one part. Those of the field of half the size are the first ones.
    """
    stride = stride_for(shape, WHOLE)
    parts = [(0, 0, stride)]
    while stride > 1:
        half = stride // 2
        parts += [(0, half, stride), (half, 0, stride), (half, half, stride)]
        stride = half
    return parts


class NoiseField:
    """eps of one picture at any t, float32 of one shape, as a function of (seed, kind, offset).

    Nothing is drawn before it is asked for. Safe to use in several threads.
    """

    def __init__(self, seed: int, shape: Sequence[int], kind: str, offset: float = 0.0) -> None:
        """Take `shape` [H, W, C] and a kind of `experiment.NoiseKind`."""
        self.shape = tuple(shape)
        self._seed = seed
        self._kind = kind
        self._offset = offset
        self._lock = threading.Lock()
        self._fields: OrderedDict[int, FloatImage] = OrderedDict()
        self._most = CACHE_BYTES // (4 * max(1, math.prod(self.shape)))

    def at(self, t: int, log_snr: float) -> FloatImage:
        """Return eps at time `t`, where the schedule has `log_snr`; do not write into it."""
        bands = [eps for _, eps in self.bands(t, log_snr)]
        return bands[0] if len(bands) == 1 else np.concatenate(bands)

    def bands(
        self, t: int, log_snr: float, poll: Callable[[], None] = lambda: None
    ) -> Iterator[tuple[slice, FloatImage]]:
        """Yield (rows, eps) from top to bottom: all at once where the fields can be kept.

        A band is the caller's until the next one. `poll` is called before each and may raise.
        """
        terms = self._terms(t, log_snr)
        if self._kind == NoiseKind.FRESH or len(terms) > self._most:
            drawn = [self._drawn(step) for step, _ in terms]
            for rows, *fields in zip(_rows(self.shape), *drawn, strict=True):
                poll()
                yield rows, _weighted(fields, terms)
            return
        with self._lock:
            kept = self._kept([step for step, _ in terms], poll)
        yield slice(0, self.shape[0]), _weighted(kept, terms)

    def _terms(self, t: int, log_snr: float) -> Terms:
        """Return eps at `t` as a sum: (step of the draw, coefficient)."""
        if self._kind == NoiseKind.PATH:
            return tuple((_PATH_STEP + field, part) for field, part in brownian_terms(log_snr))
        return ((START if self._kind == NoiseKind.FROZEN else _FRESH_STEP + t, 1.0),)

    def _kept(self, steps: Sequence[int], poll: Callable[[], None]) -> list[FloatImage]:
        """Return the fields of some draws, those that are missing drawn side by side."""
        drawn: dict[int, FloatImage] = {}

        def draw(left: Iterator[int]) -> None:
            for step in left:
                field = np.empty(self.shape, np.float32)
                for rows, band in zip(_rows(self.shape), self._drawn(step), strict=True):
                    poll()
                    field[rows] = band
                drawn[step] = field

        share([step for step in steps if step not in self._fields], draw)
        self._fields.update(drawn)
        for step in steps:
            self._fields.move_to_end(step)
        while len(self._fields) > self._most:
            self._fields.popitem(last=False)
        return [self._fields[step] for step in steps]

    def _drawn(self, step: int) -> Iterator[FloatImage]:
        """Yield the field of one draw from top to bottom."""
        return _bands(self._seed, step, self.shape, self._offset)


def offset_noise(seed: int, step: int, shape: Sequence[int], offset: float) -> FloatImage:
    """Return eps + offset * delta [H, W, C]: white noise, and one normal delta per channel."""
    bands = list(_bands(seed, step, shape, offset))
    return bands[0] if len(bands) == 1 else np.concatenate(bands)


def _bands(seed: int, step: int, shape: Sequence[int], offset: float) -> Iterator[FloatImage]:
    """Yield a field of `offset_noise` from top to bottom."""
    parts = [(*part, stream(seed, 0, step, n)) for n, part in enumerate(lattice(shape))]
    delta = gaussian(seed, 0, _OFFSET_STEP + step, shape[2:])
    for rows in _rows(shape):
        band = np.empty((rows.stop - rows.start, *shape[1:]), np.float32)
        share(parts, partial(_draw, band))
        if offset:
            band += np.float32(offset) * delta
        yield band


def _draw(band: FloatImage, parts: Iterator[Part]) -> None:
    """Draw the next pixels of each part into a band."""
    for row, column, stride, source in parts:
        place = band[row::stride, column::stride]
        place[...] = source.standard_normal(place.shape, dtype=np.float32)


def _rows(shape: Sequence[int]) -> Iterator[slice]:
    """Yield bands of rows of [H, W, C]; each begins on the coarsest lattice."""
    stride = stride_for(shape, WHOLE)
    height = max(1, _BAND // (shape[1] * stride)) * stride
    return (slice(at, min(at + height, shape[0])) for at in range(0, shape[0], height))


def _weighted(fields: Sequence[FloatImage], terms: Terms) -> FloatImage:
    """Return the sum of `fields`, each times its coefficient."""
    if terms[0][1] == 1.0 and len(terms) == 1:
        return fields[0]
    total = np.empty_like(fields[0])
    flat = [field.reshape(-1) for field in (total, *fields)]

    def add(left: Iterator[int]) -> None:
        product = np.empty(_BLOCK, np.float32)
        for at in left:
            here, *parts = (values[at : at + _BLOCK] for values in flat)
            term = product[: here.size]
            np.multiply(parts[0], np.float32(terms[0][1]), out=here)
            for part, (_, coefficient) in zip(parts[1:], terms[1:], strict=True):
                np.multiply(part, np.float32(coefficient), out=term)
                here += term

    share(range(0, total.size, _BLOCK), add)
    return total


def snr_loss_db(offset: float) -> float:
    """Return by how many dB offset noise lowers the SNR of each value, `offset` as in `Forward`.

    The noise of a value is eps + offset * delta, of variance 1 + offset^2: so that of x_t is
    s_t^2 (1 + offset^2), where a schedule's own SNR has s_t^2.
    """
    return 10.0 * math.log10(1.0 + offset**2)


def mean_snr_loss_db(offset: float, height: int, width: int) -> float:
    """Return by how many dB offset noise lowers the SNR of a channel's mean.

    The mean of white noise over H W pixels has variance 1 / (H W); delta adds offset^2 to it.
    """
    return 10.0 * math.log10(1.0 + offset**2 * height * width)
