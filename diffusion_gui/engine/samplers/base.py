"""What every sampler works with: the levels of a run, its steps, its noise. No torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from diffusion_gui.engine.schedules.schedule import Schedule

if TYPE_CHECKING:
    from torch import Tensor

APART = 0.02
"""Estimates closer than this part of a step count as one; the presets' grids hardly do."""
_NO_SIGNAL = 1e-12
"""Signal-to-noise ratio, of deviations, below which a picture says nothing about x_0."""

Noise = Callable[[int], "Tensor"]
"""noise(i) -> standard normal [B, C, H, W] for transition i; pure: asking twice gives the same."""


@dataclass(frozen=True, slots=True)
class Levels:
    """The levels a run visits, descending, the last one clean: arrays of n + 1 entries.

    `t` may lie between the steps of the schedule; a `Step` tells the nearest one.
    """

    t: NDArray[np.float64]
    a: NDArray[np.float64]
    s: NDArray[np.float64]
    whole: int = 0
    """Transitions of the run that these levels are a part of; 0 where they are all of it."""
    goes_on: bool = False
    """Whether x at the first level is that of a run which goes on from there: it stays as it is."""

    @classmethod
    def of(cls, schedule: Schedule, t: NDArray[Any]) -> Levels:
        """Read the levels at times `t` in 0..T off a schedule, also between its steps."""
        t = np.asarray(t, dtype=np.float64)
        return cls(t, *schedule.scales_at(t))

    def __len__(self) -> int:
        """The number of transitions n."""
        return len(self.t) - 1

    @property
    def run_length(self) -> int:
        """The number of transitions of the run, also where these levels are a part of it."""
        return self.whole or len(self)

    def part(self, first: int, last: int) -> Levels:
        """Return the levels `first` to `last`, as a part of the run."""
        span, goes_on = slice(first, last + 1), self.goes_on and first == 0
        return Levels(self.t[span], self.a[span], self.s[span], self.run_length, goes_on)


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """Where the reverse process stands: x_t [B, C, H, W] at level t, and the x_0 seen from there.

    `index` runs 0..n; at n the run is over: t = 0 and x_t = x0_hat is the result.
    """

    index: int
    t: int
    a: float
    s: float
    x_t: Tensor
    x0_hat: Tensor


@dataclass(frozen=True, slots=True)
class Jump:
    """From one level to the next, as the numbers that every update needs."""

    index: int
    t: int
    a: float
    s: float
    a_next: float
    s_next: float

    @property
    def ratio(self) -> float:
        """r = sigma' / sigma of the two levels; 0 to the clean picture and from pure noise."""
        return (self.s_next * self.a) / (self.a_next * self.s) if self.a > 0.0 else 0.0

    @property
    def h(self) -> float:
        """ln(sigma / sigma'), infinite from pure noise and to the clean picture."""
        return -math.log(self.ratio) if self.ratio > 0.0 else math.inf

    @property
    def half_log_snr(self) -> float:
        """ln(a / s) at the start, half the log-SNR; -inf from pure noise."""
        return math.log(self.a / self.s) if self.a > 0.0 else -math.inf

    @property
    def middle(self) -> tuple[float, float]:
        """(a, s) with a^2 + s^2 = 1 at the geometric mean of the two noise-to-signal ratios."""
        sigma = math.sqrt(self.s / self.a) * math.sqrt(self.s_next / self.a_next)
        a = 1.0 / math.hypot(1.0, sigma)
        return a, sigma * a

    @property
    def first_order_only(self) -> bool:
        """True at the ends, where the higher-order terms have no finite value.

        So it is without any signal, too: its last traces would be divided by.
        """
        return not 0.0 < self.ratio < 1.0 or self.a <= _NO_SIGNAL * self.s

    @property
    def worth_remembering(self) -> bool:
        """False where the estimate made at the start must not serve later extrapolations.

        So it is without any signal, and where the next level is no other than this one.
        """
        return not self.first_order_only

    def step(self, x: Tensor, x0_hat: Tensor) -> Step:
        """Return the step at the level this jump starts from."""
        return Step(self.index, self.t, self.a, self.s, x, x0_hat)


def jumps(levels: Levels) -> Iterator[Jump]:
    """Yield the transitions of a run."""
    for i in range(len(levels)):
        yield Jump(
            i,
            round(levels.t[i]),
            float(levels.a[i]),
            float(levels.s[i]),
            float(levels.a[i + 1]),
            float(levels.s[i + 1]),
        )


def last_step(levels: Levels, x: Tensor) -> Step:
    """Return the step that carries the result."""
    n = len(levels)
    return Step(n, round(levels.t[n]), float(levels.a[n]), float(levels.s[n]), x, x)


def towards(jump: Jump, x: Tensor, x0_hat: Tensor, kept: float = 1.0) -> Tensor:
    """Return x' = kept (s'/s) x + a' (1 - kept r) x0_hat, the part of a step without fresh noise.

    `kept` in 0..1 is the share of the old noise that stays; 1 is the probability-flow ODE.
    """
    pull = jump.a_next * (1.0 - jump.ratio * kept)
    return (jump.s_next / jump.s * kept) * x + pull * x0_hat


def fresh_noise(jump: Jump, noise: Noise, kept: float, x: Tensor) -> Tensor:
    """Return s' sqrt(1 - kept^2) z, the fresh noise that fills what `kept` leaves, or zeros."""
    amount = jump.s_next * math.sqrt(max(1.0 - kept * kept, 0.0))
    return amount * noise(jump.index) if amount > 0.0 else 0.0 * x


def apart(places: Sequence[float], step: float) -> list[int]:
    """Return which estimates at `places`, newest first, a step of size `step` can use.

    The newest, and each older one that is some way from the one before. Of estimates much closer
    to each other than the step is long, an extrapolation is only their rounding error: so it is
    where a schedule is all but flat.
    """
    kept = [0]
    for i in range(1, len(places)):
        if abs(places[i] - places[kept[-1]]) >= APART * abs(step):
            kept.append(i)
    return kept


def lagrange(nodes: Sequence[float], j: int, at: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the j-th Lagrange basis polynomial of `nodes` at points `at`."""
    value = np.ones_like(at)
    for k, node in enumerate(nodes):
        if k != j:
            value *= (at - node) / (nodes[j] - node)
    return value
