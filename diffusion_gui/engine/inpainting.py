"""Inpainting: its methods, and RePaint (Lugmayr et al., arXiv:2201.09865). No torch.

RePaint works with any sampler and model. Wherever the model looks, the known pixels are the picture
at that noise level, a x_img + s z. The samplers work pixel by pixel, so that pasting what the model
sees *is* pasting x_t: the unknown pixels move as if x_t had been pasted before every step.
`resamples` times each stretch of `jump` levels is noised up again and walked down again, so that
unknown pixels come to fit the known ones. What else there is stands in `INPAINTING`.

Noise: the sampler draws `noise(k)`, k the running number of the transition, as in a plain run;
the known pixels' z is `noise(KNOWN + d (n + 1) + i)` for level i on descent d, the noise of the
way up after descent d `noise(UP + d)`. The three ranges never meet.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.params import Param, resolve
from diffusion_gui.engine.samplers.base import Levels, Noise, Step, last_step

if TYPE_CHECKING:
    from torch import Tensor

    from diffusion_gui.engine.denoisers.base import Denoiser
    from diffusion_gui.engine.experiment import Inpaint
    from diffusion_gui.engine.samplers import Sampler

KNOWN = 1 << 40
UP = 1 << 41

REPAINT_PARAMS: tuple[Param, ...] = (
    Param(
        "resamples", "resamples", 10.0, 1.0, 50.0,
        "Times each stretch is walked: 1 only pastes, the paper takes 10. Range 1 to 50.", 0,
    ),
    Param(
        "jump", "jump", 5.0, 1.0, 100.0,
        "Steps of a stretch that is noised up and walked again. Range 1 to 100.", 0,
    ),
)  # fmt: skip
"""The parameters of `repaint`, by its keywords."""

EXACT_PARAMS: tuple[Param, ...] = (
    Param(
        "sigma", "σ of the known", 0.1, 0.01, 1.0,
        "How well the known pixels are known: the deviation of their noise, in units of [-1, 1]."
        " Small values let the one image that fits best win. Range 0.01 to 1.", 2,
    ),
)  # fmt: skip
"""The parameters of the exact conditional model, see `conditioning.Mask`."""


@dataclass(frozen=True, slots=True)
class Method:
    """A way to draw what a mask leaves open: title, source, explanation and parameters."""

    title: str
    source: str
    explanation: str
    params: tuple[Param, ...]


REPAINT, EXACT = "repaint", "exact"

INPAINTING: dict[str, Method] = {
    REPAINT: Method(
        title="RePaint",
        source="Lugmayr et al. 2022",
        explanation="Pastes the known pixels at every step, and goes back up and down again so that"
        " the others come to fit them. For every model.",
        params=REPAINT_PARAMS,
    ),
    EXACT: Method(
        title="Exact conditioning",
        source="Bayes' rule",
        explanation="The model's own posterior given the known pixels, in closed form: one pass,"
        " nothing pasted before the end. For Exact and Local.",
        params=EXACT_PARAMS,
    ),
}
"""The methods of `experiment.Inpaint`."""


def method_of(inpaint: Inpaint) -> Method:
    """Return the row of its method; raises EngineError for an unknown one."""
    if inpaint.method not in INPAINTING:
        names = ", ".join(INPAINTING)
        raise EngineError(f"unknown inpainting {inpaint.method!r}; choose one of: {names}")
    return INPAINTING[inpaint.method]


def values_of(inpaint: Inpaint) -> dict[str, float]:
    """Return its parameters, defaults filled in; raises EngineError where one is out of range."""
    row = method_of(inpaint)
    return resolve(row.params, inpaint.params, row.title)


@dataclass(frozen=True, slots=True)
class Descent:
    """A way down from level `start` to level `end`; `first` counts the transitions before it."""

    start: int
    end: int
    first: int

    def __len__(self) -> int:
        """The number of transitions."""
        return self.end - self.start


def descents(num_steps: int, resamples: int, jump: int) -> list[Descent]:
    """Return the ways down of a run over levels 0..num_steps (the last one clean).

    As in the paper, the stretches are counted from the last noisy level; neither the step to the
    clean picture nor what is left over at the noisy end is resampled.
    """
    if num_steps < 1 or resamples < 1 or jump < 1:
        raise EngineError(
            "RePaint needs at least 1 step, 1 resample and a jump of 1, "
            f"got {num_steps}, {resamples} and {jump}"
        )
    found: list[Descent] = []
    start = first = 0
    for bottom in reversed(range(num_steps - 1, jump - 1, -jump)):
        for _ in range(resamples - 1):
            found.append(Descent(start, bottom, first))
            first += bottom - start
            start = bottom - jump
    return [*found, Descent(start, num_steps, first)]


def transitions(num_steps: int, resamples: int, jump: int) -> int:
    """Return the number of transitions N of a run: it yields N + 1 steps."""
    return sum(map(len, descents(num_steps, resamples, jump)))


def evaluations(row: Sampler, num_steps: int, resamples: int, jump: int) -> int:
    """Return the model calls of a run; from pure noise (a = 0) a sampler may make one less."""
    *above, last = map(len, descents(num_steps, resamples, jump))
    return row.calls * sum(above) + row.evaluations(last, last)


def repaint(
    row: Sampler,
    denoise: Denoiser,
    x: Tensor,
    levels: Levels,
    noise: Noise,
    *,
    picture: Tensor,
    known: Tensor,
    resamples: float,
    jump: float,
    values: Mapping[str, float],
) -> Iterator[Step]:
    """Yield the steps of an inpainting run from x [B, C, H, W] at the first level.

    `picture` [C, H, W] or [B, C, H, W] in [-1, 1] is kept where `known` [H, W] is true, exactly so
    in the last step; `values` are the sampler's own parameters. Steps carry a running index and
    the pasted x_t; where the levels go on from another run, nothing is pasted before their first
    one is left. Raises EngineError for sizes that do not fit.
    """
    if known.shape != x.shape[2:] or picture.shape[-3:] != x.shape[1:]:
        raise EngineError(
            f"the picture must be {list(x.shape[1:])} and its mask {list(x.shape[2:])}, "
            f"got {list(picture.shape)} and {list(known.shape)}"
        )
    kept = _Known(picture.to(x), known.to(x.device).bool(), levels, noise, int(levels.goes_on))
    plan = descents(len(levels), round(resamples), round(jump))
    return _walk(row, denoise, x, kept, plan, values)


def way(
    row: Sampler, values: Mapping[str, float], *, resamples: float, jump: float
) -> Callable[[Denoiser, Tensor, Levels, Noise], Iterator[Step]]:
    """Return a sampler that goes the way of `repaint` up and down, and pastes nothing."""

    def follow(denoise: Denoiser, x: Tensor, levels: Levels, noise: Noise) -> Iterator[Step]:
        plan = descents(len(levels), round(resamples), round(jump))
        return _walk(row, denoise, x, _Nothing(levels, noise), plan, values)

    return follow


def _walk(
    row: Sampler,
    denoise: Denoiser,
    x: Tensor,
    kept: _Known | _Nothing,
    plan: list[Descent],
    values: Mapping[str, float],
) -> Iterator[Step]:
    levels, n = kept.levels, len(kept.levels)
    for number, way in enumerate(plan):
        steps = row.walk(
            kept.denoiser(denoise, number),
            x,
            levels.part(way.start, way.end),
            lambda i, way=way: kept.noise(way.first + i),
            **values,
        )
        for step in steps:
            x = step.x_t
            if step.index < len(way):
                pasted = kept.paste(x, step.a, step.s, number)
                yield replace(step, index=way.first + step.index, x_t=pasted)
        if way.end < n:
            x = _rise(x, levels, way.end, plan[number + 1].start, kept.noise(UP + number))
    end = last_step(levels, kept.restore(x))
    yield replace(end, index=plan[-1].first + len(plan[-1]))


def _rise(x: Tensor, levels: Levels, start: int, end: int, z: Tensor) -> Tensor:
    """Return `x` at level `start` noised to level `end`: q(x_end | x_start), forward in time."""
    a, s = float(levels.a[start]), float(levels.s[start])
    a_end, s_end = float(levels.a[end]), float(levels.s[end])
    ratio = a_end / a if a > 0.0 else 0.0
    return ratio * x + math.sqrt(max(s_end**2 - (ratio * s) ** 2, 0.0)) * z


@dataclass(frozen=True, slots=True, eq=False)
class _Nothing:
    """No known pixels."""

    levels: Levels
    noise: Noise

    def restore(self, x: Tensor) -> Tensor:
        """Return `x`."""
        return x

    def paste(self, x: Tensor, a: float, s: float, descent: int) -> Tensor:
        """Return `x`."""
        return x

    def denoiser(self, denoise: Denoiser, descent: int) -> Denoiser:
        """Return `denoise`."""
        return denoise


@dataclass(frozen=True, slots=True, eq=False)
class _Known:
    """The known pixels at any noise level: a pure function of the level and the descent."""

    picture: Tensor
    where: Tensor
    levels: Levels
    noise: Noise
    first: int = 0
    """The number, level and descent counted together, of the first level that is pasted."""

    def restore(self, x: Tensor) -> Tensor:
        """Return `x` with the picture in the known pixels."""
        return x.where(~self.where, self.picture)

    def paste(self, x: Tensor, a: float, s: float, descent: int) -> Tensor:
        """Return `x` at level (a, s) with the noised picture in the known pixels."""
        level = descent * (len(self.levels) + 1) + self._level(a, s)
        if level < self.first:
            return x
        return x.where(~self.where, a * self.picture + s * self.noise(KNOWN + level))

    def denoiser(self, denoise: Denoiser, descent: int) -> Denoiser:
        """Return `denoise` looking at pasted pictures, and knowing what is known."""

        def pasting(x: Tensor, a: float, s: float) -> Tensor:
            return self.restore(denoise(self.paste(x, a, s, descent), a, s))

        return pasting

    def _level(self, a: float, s: float) -> int:
        """Return the first level that is not noisier than (a, s): a level's own number."""
        noisier = self.levels.s * a > s * self.levels.a * (1.0 + 1e-9)  # without dividing by a
        return int(np.count_nonzero(noisier))
