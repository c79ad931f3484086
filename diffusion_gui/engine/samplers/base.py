"""What every sampler works with: the levels of a run, its steps, its noise. No torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from diffusion_gui.engine.schedules.schedule import Schedule

if TYPE_CHECKING:
    from torch import Tensor

Noise = Callable[[int], "Tensor"]
"""noise(i) -> standard normal [B, C, H, W] for transition i; pure: asking twice gives the same."""


@dataclass(frozen=True, slots=True)
class Levels:
    """The levels a run visits, descending, the last one clean: arrays of n + 1 entries."""

    t: NDArray[np.int64]
    a: NDArray[np.float64]
    s: NDArray[np.float64]

    @classmethod
    def of(cls, schedule: Schedule, t: NDArray[np.int64]) -> Levels:
        """Read the levels at times `t` off a schedule."""
        return cls(t, schedule.a[t], schedule.s[t])

    def __len__(self) -> int:
        """The number of transitions n."""
        return len(self.t) - 1


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
    def middle(self) -> tuple[float, float]:
        """(a, s) with a^2 + s^2 = 1 at the geometric mean of the two noise-to-signal ratios."""
        sigma = math.sqrt(self.s / self.a * self.s_next / self.a_next)
        a = 1.0 / math.hypot(1.0, sigma)
        return a, sigma * a

    @property
    def first_order_only(self) -> bool:
        """True at the ends, where the higher-order terms have no finite value."""
        return not 0.0 < self.ratio < 1.0

    def step(self, x: Tensor, x0_hat: Tensor) -> Step:
        """Return the step at the level this jump starts from."""
        return Step(self.index, self.t, self.a, self.s, x, x0_hat)


def jumps(levels: Levels) -> Iterator[Jump]:
    """Yield the transitions of a run."""
    for i in range(len(levels)):
        yield Jump(
            i,
            int(levels.t[i]),
            float(levels.a[i]),
            float(levels.s[i]),
            float(levels.a[i + 1]),
            float(levels.s[i + 1]),
        )


def last_step(levels: Levels, x: Tensor) -> Step:
    """Return the step that carries the result."""
    n = len(levels)
    return Step(n, int(levels.t[n]), float(levels.a[n]), float(levels.s[n]), x, x)
