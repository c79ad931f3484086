"""Restart: a wrapper that goes back up to a noisier level and solves the way down again. No torch.

It runs any sampler of the registry in parts. Each part is a run of its own on some of the levels,
so that a sampler which remembers earlier estimates forgets them at a restart.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.params import Param
from diffusion_gui.engine.samplers.base import Levels, Noise, Step

if TYPE_CHECKING:
    from torch import Tensor

    from diffusion_gui.engine.denoisers.base import Denoiser

Walk = Callable[["Denoiser", "Tensor", Levels, Noise], Iterator[Step]]
"""A sampler with its parameters filled in: functools.partial(row.walk, **values)."""

RESTART_PARAMS: tuple[Param, ...] = (
    Param(
        "low", "σ min", 0.06, 0.001, 10.0,
        "Noise-to-signal at which the run goes back up. Range 0.001 to 10.", 3,
        words="back up at σ",
    ),
    Param(
        "high", "σ max", 0.3, 0.002, 100.0,
        "Noise-to-signal it goes back up to; above the one before. Range 0.002 to 100.", 3,
        words="up to σ",
    ),
    Param("rounds", "rounds", 2.0, 0.0, 20.0, "Times it goes back, 0 to 20; 0 is never.", 0),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Plan:
    """Where a run goes back: from level `bottom` to level `top` < `bottom`, `rounds` times."""

    top: int
    bottom: int
    rounds: int
    levels: Levels

    @classmethod
    def of(cls, levels: Levels, *, low: float, high: float, rounds: float) -> Plan:
        """Find the first level with noise-to-signal <= `low`, the last one before with >= `high`.

        A run that starts below `high` goes back to its start; one that starts at or below `low`,
        or never comes there, makes no rounds. Raises EngineError unless low < high.
        """
        if not low < high:
            raise EngineError(
                f"Restart: low = {low:g} must be below high = {high:g}; lower low or raise high"
            )
        reached = np.flatnonzero(levels.s <= low * levels.a)
        if reached.size == 0 or reached[0] == 0:
            return cls(0, 0, 0, levels)
        above = np.flatnonzero(levels.s >= high * levels.a)
        top = int(above[-1]) if above.size else 0
        return cls(top, int(reached[0]), round(rounds), levels)

    @property
    def parts(self) -> list[tuple[int, int, int]]:
        """The runs as (first level, last level, noise number of the first transition).

        The numbers follow one scheme, see `restart`.
        """
        n, span = len(self.levels), self.bottom - self.top
        again = [(self.top, self.bottom, n + r * (span + 1) + 1) for r in range(self.rounds)]
        if not again:
            return [(0, n, 0)]
        return [(0, self.bottom, 0), *again, (self.bottom, n, self.bottom)]

    @property
    def steps(self) -> int:
        """The number of transitions: the run yields one `Step` more."""
        return len(self.levels) + self.rounds * (self.bottom - self.top)

    def evaluations(self, calls: int) -> int:
        """Return the model calls of the whole run for a sampler with `calls` a step.

        One call for a step to a clean level, as `Sampler.evaluations` has it.
        """
        ends = [last for first, last, _ in self.parts if last > first]
        clean = sum(bool(self.levels.s[last] == 0.0) for last in ends)
        return self.steps * calls - clean * (calls - 1)


def restart(
    walk: Walk,
    denoise: Denoiser,
    x: Tensor,
    levels: Levels,
    noise: Noise,
    *,
    low: float,
    high: float,
    rounds: float,
) -> Iterator[Step]:
    """Restart sampling (arXiv:2306.14878, algorithm 1) around the sampler `walk`.

    At the first level with noise-to-signal <= `low` it adds noise up to the level at `high` and
    solves the way down again, `rounds` times, then goes on. Steps have running indices; their
    levels are those of the run, so t goes up at a restart.

    Noise numbers: the plain run's n transitions keep 0..n - 1; round r = 0, 1, ... of a way of m
    transitions has n + r (m + 1) for going up and the m numbers after that for the way down. None
    is used twice, and the first rounds do not depend on how many follow. Raises EngineError
    unless low < high.
    """
    plan = Plan.of(levels, low=low, high=high, rounds=rounds)
    return _run(plan, walk, denoise, x, noise)


def _run(plan: Plan, walk: Walk, denoise: Denoiser, x: Tensor, noise: Noise) -> Iterator[Step]:
    """Walk the parts of a plan; of the steps that carry a part's result yield the last one."""
    index, levels, parts = 0, plan.levels, plan.parts
    for number, (first, last, offset) in enumerate(parts):
        if 0 < number < len(parts) - 1:
            x = _back(levels, first, last, x, noise(offset - 1))
        for step in walk(denoise, x, levels.part(first, last), _from(noise, offset)):
            if step.index < last - first or number == len(parts) - 1:
                yield replace(step, index=index)
                index += 1
            x = step.x_t


def _back(levels: Levels, first: int, last: int, x: Tensor, z: Tensor) -> Tensor:
    """Return x of level `last` with noise z added up to level `first` (the forward process)."""
    a, s = float(levels.a[first]), float(levels.s[first])
    signal = a / float(levels.a[last])
    added = math.sqrt(max(s**2 - (signal * float(levels.s[last])) ** 2, 0.0))
    return signal * x + added * z


def _from(noise: Noise, offset: int) -> Noise:
    """Return `noise` with its numbers counted from `offset`."""
    return lambda i: noise(offset + i)
