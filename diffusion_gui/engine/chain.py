"""The Markov chain of the forward process, walked step by step, beside the jump. NumPy only.

q(x_t | x_{t-1}) applied t times and q(x_t | x_0) applied once are one distribution (DDPM,
arXiv:2006.11239, eqs. 2 and 4) but not one picture: the chain has added up t draws, the jump has
one. `Chain` walks, `compare` measures how far both agree.

The chain is shown in the variance-preserving twin (`preserving`), as all pictures are: x_t / c_t
of a chain of any family is a Markov chain again, with the same noise, whose steps have the alpha_t
and beta_t of the schedule.
"""

from __future__ import annotations

import itertools
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.forward import Span, markov_step
from diffusion_gui.engine.images import Pixels, to_float
from diffusion_gui.engine.noise_fields import offset_noise
from diffusion_gui.engine.schedules.schedule import BETA_MAX, Array, Family, Schedule, scales

SNAPSHOTS = 16
"""States kept evenly over 0..T, besides x_0: from one of them going back sets out."""
RECENT = 16
"""Latest states kept: so many steps back cost nothing."""
MOST_DRAWS = 1 << 20
_FIRST_STEP, _STEPS_PER_DRAW = 1 << 34, 1 << 14
"""Where the chain's noise begins (see `noise_fields`), and room for one walk of T <= 10,000."""

BINS = 48
REACH = 4.0
"""Residuals are counted over -4..4 standard deviations; what lies beyond, in the end bins."""
COUNTED = 1 << 16
"""About how many values of a residual are counted."""


def preserving(schedule: Schedule) -> Schedule:
    """Return the variance-preserving twin: the same SNR, alpha-bar and beta at every t."""
    if schedule.family is Family.VP:
        return schedule
    a, s = scales(schedule.log_snr, Family.VP)
    return replace(schedule, a=a, s=s, family=Family.VP)


class Chain:
    """x_0 -> x_1 -> ... -> x_T of one picture, with its mean factor and noise variance.

    A walk is a function of (picture, schedule, seed, draw, offset): states that are come back to
    are the same to the last bit. x is float64, which ten thousand steps round without a trace.
    """

    def __init__(
        self, pixels: Pixels, schedule: Schedule, seed: int, draw: int = 0, offset: float = 0.0
    ) -> None:
        """Stand at t = 0 with `pixels` uint8 [H, W, 3]; `draw` in 0..2^20 - 1 counts redraws.

        Raises EngineError for another `draw`, or a schedule that does not preserve the variance.
        """
        if not 0 <= draw < MOST_DRAWS:
            raise EngineError(f"draw must be in 0..{MOST_DRAWS - 1}, got {draw}")
        if schedule.family is not Family.VP:
            raise EngineError("the chain walks in the variance-preserving twin; see `preserving`")
        self.schedule = schedule
        self.x_0: Array = to_float(pixels).astype(np.float64)
        self.x: Array = self.x_0
        self.k = 0
        self._seed = seed
        self._first = _FIRST_STEP + draw * _STEPS_PER_DRAW
        self._offset = offset
        self._stride = -(-schedule.T // SNAPSHOTS)
        self._kept: dict[int, Array] = {0: self.x_0}
        self._recent: deque[tuple[int, Array]] = deque(maxlen=RECENT)
        self._factors, self._variances = np.ones(schedule.T + 1), np.zeros(schedule.T + 1)

    @property
    def mean_factor(self) -> float:
        """E[x_k] = mean_factor x_0, by the recursion."""
        return float(self._factors[self.k])

    @property
    def noise_variance(self) -> float:
        """Var[x_k | x_0], by the recursion."""
        return float(self._variances[self.k])

    @property
    def variances(self) -> Array:
        """The noise variances of the steps 0..k, by the recursion."""
        return self._variances[: self.k + 1].copy()

    @property
    def most_bytes(self) -> int:
        """The most memory that the kept states take."""
        return self.x_0.nbytes * (SNAPSHOTS + RECENT + 1)

    def advance(self) -> None:
        """Draw one step of q(x_t | x_{t-1}); raises EngineError at T."""
        if self.k == self.schedule.T:
            raise EngineError(f"the chain has come to its end, t = {self.k}")
        t = self.k + 1
        eps = offset_noise(self._seed, self._first + t, self.x_0.shape, self._offset)
        self.x = markov_step(self.x, eps, self.schedule, t)
        alpha, beta = _alpha(self.schedule, t), float(self.schedule.beta[t])
        self._factors[t] = math.sqrt(alpha) * self._factors[t - 1]
        self._variances[t] = alpha * self._variances[t - 1] + beta
        self._stand_at(t, self.x)
        self._recent.append((t, self.x))
        if t % self._stride == 0:
            self._kept.setdefault(t, self.x)

    def to(self, t: int, poll: Callable[[], None] = lambda: None) -> None:
        """Walk to `t` in 0..T: on from here, or from the nearest state kept before it.

        `poll` is called before every step and may raise to stop: the chain then stands where it
        is.
        """
        if not 0 <= t <= self.schedule.T:
            raise EngineError(f"t must be in 0..{self.schedule.T}, got {t}")
        self._stand_at(*self._nearest(t))
        while self.k < t:
            poll()
            self.advance()

    def _nearest(self, t: int) -> tuple[int, Array]:
        """Return the latest state at or before `t`, the present one among them."""
        known = [(self.k, self.x), *self._recent, *self._kept.items()]
        return max((state for state in known if state[0] <= t), key=lambda state: state[0])

    def _stand_at(self, k: int, x: Array) -> None:
        self.k, self.x = k, x


def _alpha(schedule: Schedule, t: int) -> float:
    """Return alpha_t = 1 - beta_t, with its digits where beta is nearly 1."""
    if schedule.beta[t] <= BETA_MAX:
        return 1.0 - float(schedule.beta[t])
    log_abar = -np.logaddexp(0.0, -schedule.log_snr[t - 1 : t + 1])
    return float(np.exp(log_abar[1] - log_abar[0]))


@dataclass(frozen=True, slots=True, eq=False)
class Residual:
    """The noise found in a picture, r = (x_t - a x_0) / s, which N(0, 1) should be."""

    mean: float
    variance: float
    """About the means of the channels, so that offset noise does not enter."""
    density: Array
    """Histogram over -4..4 in 48 bins, as a density; of a large picture, of every n-th pixel."""


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """How far chain and jump agree, each number with its standard error."""

    values: int
    """How many values a picture has: H W C."""
    chain: Residual
    jump: Residual
    correlation: float
    """Of both residuals, about the means of the channels; 0 is expected."""
    distance: float
    """Root mean square difference of both pictures in units of s, expected to be sqrt(2)."""
    mean_error: float
    variance_error: float
    correlation_error: float
    """Also that of `distance`."""

    @property
    def scores(self) -> dict[str, float]:
        """Return by how many standard errors each number is off what is expected."""
        return {
            "mean of the chain": self.chain.mean / self.mean_error,
            "mean of the jump": self.jump.mean / self.mean_error,
            "variance of the chain": (self.chain.variance - 1.0) / self.variance_error,
            "variance of the jump": (self.jump.variance - 1.0) / self.variance_error,
            "correlation": self.correlation / self.correlation_error,
            "rms difference": (self.distance - math.sqrt(2.0)) / self.correlation_error,
        }


def compare(
    chain: Array, jump: Array, x_0: Array, a: float, s: float, offset: float = 0.0
) -> Comparison | None:
    """Measure two pictures [H, W, C] at one time; None without noise or with a single pixel.

    The standard errors are those of independent normal values; `offset` adds the variance
    offset^2 of every channel's mean to that of the mean.
    """
    channels = x_0.shape[2]
    pixels = x_0.size // channels
    free = x_0.size - channels
    if s == 0.0 or pixels == 1:
        return None
    one, other = (((x - a * x_0) / s).reshape(-1, channels) for x in (chain, jump))
    means = [np.einsum("nc->c", r) / pixels for r in (one, other)]
    own, cross, theirs = (  # sums of products about the means of the channels
        _product(r, q) - pixels * float(m @ n)
        for (r, m), (q, n) in itertools.combinations_with_replacement(
            zip((one, other), means, strict=True), 2
        )
    )
    return Comparison(
        values=x_0.size,
        chain=Residual(float(means[0].mean()), own / free, _density(one)),
        jump=Residual(float(means[1].mean()), theirs / free, _density(other)),
        correlation=cross / math.sqrt(own * theirs),
        distance=math.sqrt((own + theirs - 2.0 * cross) / free),
        mean_error=math.sqrt(1.0 / x_0.size + offset**2 / channels),
        variance_error=math.sqrt(2.0 / free),
        correlation_error=math.sqrt(1.0 / free),
    )


def _product(one: Array, other: Array) -> float:
    """Return the sum of all products; BLAS would take ten times as long to wake its threads."""
    return float(np.einsum("nc,nc->", one, other))


def _density(residual: Array) -> Array:
    """Return the histogram of a residual [pixels, C], of a large one of every n-th pixel."""
    values = residual[:: -(-residual.size // COUNTED)].ravel()
    places = (values + REACH) * (BINS / (2.0 * REACH))
    counts = np.bincount(np.clip(places, 0.0, BINS - 1).astype(np.intp), minlength=BINS)
    return counts / (values.size * 2.0 * REACH / BINS)


def extent(*pictures: Array) -> tuple[float, float]:
    """Return the smallest and the largest value of some pictures."""
    return min(float(x.min()) for x in pictures), max(float(x.max()) for x in pictures)


def as_pixels(x: Array, span: Span) -> Pixels:
    """Return a picture as uint8, what lies beyond `span` clipped, rounded half up."""
    gain = 255.0 / (span.high - span.low)
    return np.clip((x - span.low) * gain + 0.5, 0.0, 255.0).astype(np.uint8)
