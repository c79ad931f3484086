"""The noise of one picture over all t: for every kind, eps at a single t is N(0, I). NumPy only.

The kinds differ in how eps at two times belong together (see `experiment.NoiseKind`). A Brownian
path W in time sigma^2 gives x_t = a_t (x_0 + W(sigma_t^2)), so eps_t = W(sigma_t^2) / sigma_t: what
the Markov chain draws step by step, here at any t at once. W is built by Levy's bisection of
log sigma^2: the level at the middle is the bridge between both ends plus one fresh field.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence

import numpy as np

from diffusion_gui.engine.experiment import NoiseKind
from diffusion_gui.engine.noise import START, FloatImage, gaussian

REACH = 20.0
"""The path runs over log sigma^2 in -20..20; what lies beyond has the noise of the end."""
DEPTH = 6
"""Bisections: 64 pieces of 0.625 nats. Within a piece the bridge takes its shape from one field."""
CACHE_BYTES = 128 << 20
_PATH_STEP, _FRESH_STEP, _OFFSET_STEP = 1 << 32, 1 << 33, 1 << 40
"""Where the draws of a kind begin, far beyond the steps of a sampler (see `noise.gaussian`)."""

Terms = tuple[tuple[int, float], ...]
"""A noise as a sum: (number of the field, coefficient), the squares of which add up to 1."""


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


class NoiseField:
    """eps of one picture at any t, float32 of one shape, as a function of (seed, kind, offset)."""

    def __init__(self, seed: int, shape: Sequence[int], kind: str, offset: float = 0.0) -> None:
        """Take `shape` [H, W, C] and a kind of `experiment.NoiseKind`."""
        self.shape = tuple(shape)
        self._seed = seed
        self._kind = kind
        self._offset = offset
        self._fields: OrderedDict[int, FloatImage] = OrderedDict()
        self._most = max(DEPTH + 3, CACHE_BYTES // (4 * math.prod(self.shape)))

    def at(self, t: int, log_snr: float) -> FloatImage:
        """Return eps at time `t`, where the schedule has `log_snr`; do not write into it."""
        if self._kind == NoiseKind.FROZEN:
            return self._field(START)
        if self._kind == NoiseKind.FRESH:
            return self._draw(_FRESH_STEP + t)
        total = np.zeros(self.shape, np.float32)
        for field, part in brownian_terms(log_snr):
            total += np.float32(part) * self._field(_PATH_STEP + field)
        return total

    def _field(self, step: int) -> FloatImage:
        if step not in self._fields:
            if len(self._fields) >= self._most:
                self._fields.popitem(last=False)
            self._fields[step] = self._draw(step)
        self._fields.move_to_end(step)
        return self._fields[step]

    def _draw(self, step: int) -> FloatImage:
        return offset_noise(self._seed, step, self.shape, self._offset)


def offset_noise(seed: int, step: int, shape: Sequence[int], offset: float) -> FloatImage:
    """Return eps + offset * delta [H, W, C]: white noise, and one normal delta per channel."""
    eps = gaussian(seed, 0, step, shape)
    if offset:
        delta = gaussian(seed, 0, _OFFSET_STEP + step, shape[2:])
        eps += np.float32(offset) * delta
    return eps


def mean_snr_loss_db(offset: float, height: int, width: int) -> float:
    """Return by how many dB offset noise lowers the SNR of a channel's mean.

    The mean of white noise over H W pixels has variance 1 / (H W); delta adds offset^2 to it.
    """
    return 10.0 * math.log10(1.0 + offset**2 * height * width)
