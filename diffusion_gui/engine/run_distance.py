"""How far apart two runs are, picture by picture and step by step. NumPy only.

Distances are root mean squares in units of pictures in [-1, 1]. Those of results are of their
floats; those of steps are of the 8-bit frames, so steps that differ by less than 1/255 may count
as equal.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.experiment import Experiment
from diffusion_gui.engine.images import FloatImage, Pixels
from diffusion_gui.engine.inpainting import REPAINT
from diffusion_gui.engine.samplers import SAMPLERS
from diffusion_gui.engine.schedules import SPACINGS, build
from diffusion_gui.engine.schedules.schedule import Array
from diffusion_gui.engine.trajectory import Frame, Numbers, Trajectory, over_batch

REFERENCE_STEPS = 1000
REFERENCE_SAMPLER = "heun"
GREY = 128
UNIT = 127.5
"""Levels of an 8-bit picture per unit of [-1, 1]."""


class Matching(StrEnum):
    """Which steps of two runs are looked at together."""

    STEP = "step"
    LEVEL = "level"
    """Those of the nearest noise level: runs of other numbers of steps, or other spacings."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What running an experiment a second time has shown."""

    largest: float
    """The largest difference of the results, in units of [-1, 1]; 0 if they are identical."""
    equal: int
    """How many of the recorded steps are the same in every 8-bit picture."""
    steps: int
    """How many were recorded, and compared."""
    device: str
    """Where it ran the second time."""

    @property
    def identical(self) -> bool:
        """True if nothing differs."""
        return self.largest == 0.0 and self.equal == self.steps


@dataclass(frozen=True, slots=True)
class ReferenceDistance:
    """The distance of every picture of a result to that of its reference, see `reference_of`."""

    each: tuple[float, ...]
    """The rms difference of each picture."""
    reference: Experiment
    steps: int
    """How many steps the reference took: fewer than 1000 where t has no more to visit."""

    @property
    def rms(self) -> float:
        """The rms difference over the whole batch."""
        return over_batch(np.array(self.each, np.float32))


def reference_of(experiment: Experiment) -> Experiment:
    """Return the experiment whose result a run of `experiment` is measured by.

    The same schedule, spacing, model, guidance, pictures and starting noise, in 1000 steps of
    Heun's second order (fewer where t has no more), without fresh noise: what the probability-flow
    ODE draws from this seed, nearly. A fork
    takes its own settings all the way, from the noise of the run that it goes back to. Raises
    EngineError where there is no such thing: after an inversion a run starts from noise that
    depends on its own levels, and another number of steps would take it from other noise.
    """
    root = experiment
    while root.fork is not None:
        root = root.fork.parent
    sampling = experiment.sampling
    if _pastes(experiment):
        raise EngineError(
            "RePaint draws fresh noise each time it goes back up: such a run has no reference;"
            " measure one without a mask, or with exact conditioning"
        )
    if root.sampling.start is not None and root.sampling.start.inverted:
        raise EngineError(
            "inverting the picture in 1000 steps ends at other noise than this run began with, so"
            " it has no reference; measure a run from noise, or from a picture that is noised"
        )
    if root.sampling.start is not None and root.schedule != experiment.schedule:
        raise EngineError(
            "this fork has another schedule than the run that started from a picture: it has no"
            " reference; measure a run from the beginning"
        )
    plain = replace(
        sampling,
        sampler=REFERENCE_SAMPLER,
        params=(),
        restart=(),
        steps=REFERENCE_STEPS,
        levels=_refined(experiment),
        start=root.sampling.start,
    )
    return replace(experiment, sampling=plain, seed=root.seed, fork=None)


def _refined(experiment: Experiment) -> tuple[float, ...]:
    """Return a thousand levels from the first of a list of levels on, () for other spacings."""
    sampling = experiment.sampling
    row = SPACINGS.get(sampling.spacing)
    if row is None or not row.listed or not sampling.levels:
        return sampling.levels
    first = max(sampling.levels)
    if row.listed == "t":
        return tuple(np.linspace(first, 1.0, REFERENCE_STEPS).tolist())
    last = float(build(experiment.schedule).sigma[1])
    return tuple(np.geomspace(first, last, REFERENCE_STEPS).tolist())


def is_random(experiment: Experiment) -> bool:
    """Return whether a run draws fresh noise on its way, so that more steps have no one limit."""
    sampling = experiment.sampling
    row = SAMPLERS[sampling.sampler]
    values = {param.name: param.default for param in row.params} | dict(sampling.params)
    shares = [values[name] for name in ("eta", "churn", "tau") if name in values]
    noisy = any(shares) if shares else row.stochastic
    return noisy or bool(sampling.restart) or _pastes(experiment)


def _pastes(experiment: Experiment) -> bool:
    """Return whether a run keeps a part of a picture by pasting it, noised anew, at every step."""
    inpaint = experiment.sampling.inpaint
    return inpaint is not None and inpaint.method == REPAINT


def rms(one: FloatImage | Pixels, other: FloatImage | Pixels) -> Numbers:
    """Return the rms difference of each picture, float32 [B], of two batches [B, ...] alike.

    Floats are in [-1, 1]; 8-bit pictures count as such. Of batches of other sizes the pictures
    that both have are compared. Raises EngineError for pictures of other sizes.
    """
    count = min(len(one), len(other))
    _check_alike(one, other)
    unit = np.float32(UNIT if one.dtype == np.uint8 else 1.0)
    apart = one[:count].astype(np.float32) - other[:count].astype(np.float32)
    flat = (apart / unit).reshape(count, -1)
    return np.sqrt(np.mean(np.square(flat), axis=1, dtype=np.float64)).astype(np.float32)


def difference(one: Pixels, other: Pixels, gain: float) -> Pixels:
    """Return 128 + gain * (one - other), clipped to uint8: equal pixels are grey.

    Raises EngineError for pictures of other sizes.
    """
    count = min(len(one), len(other))
    _check_alike(one, other)
    apart = one[:count].astype(np.float32) - other[:count].astype(np.float32)
    return np.clip(np.rint(GREY + gain * apart), 0, 255).astype(np.uint8)


def largest_difference(one: Pixels, other: Pixels) -> int:
    """Return the largest |one - other| in 0..255 of the pictures that both have.

    Raises EngineError for pictures of other sizes.
    """
    count = min(len(one), len(other))
    _check_alike(one, other)
    if not count:
        return 0
    high, low = np.maximum(one[:count], other[:count]), np.minimum(one[:count], other[:count])
    return int((high - low).max())


def natural_gain(largest: int) -> float:
    """Return the largest power of two by which `difference` goes to the ends and not beyond.

    1 where all is equal.
    """
    return 2.0 ** math.floor(math.log2(GREY / largest)) if largest else 1.0


def matched(frame: Frame, trajectory: Trajectory, matching: Matching) -> Frame | None:
    """Return the recorded step of another run that is looked at together with `frame`.

    By noise level, the nearest in log sigma; at the clean end the last one if it is clean too.
    """
    return next(iter(all_matched([frame], trajectory, matching)), None)


def all_matched(wanted: Sequence[Frame], trajectory: Trajectory, matching: Matching) -> list[Frame]:
    """Return what `matched` says of each of `wanted`; of a run without a step, nothing.

    It is made for thousands of steps: none is looked at twice.
    """
    frames = trajectory.frames
    if not frames:
        return []
    if matching is Matching.STEP:
        found = (trajectory.at_step(frame.index) for frame in wanted)
        return [frame for frame in found if frame is not None]
    places = _nearest(_log_sigmas(frames), _log_sigmas(wanted))
    return [frames[place] for place in places.tolist()]


def _nearest(values: Array, wanted: Array) -> NDArray[np.int64]:
    """Return where the value nearest to each of `wanted` is; of equally near ones the first."""
    levels, first = np.unique(values, return_index=True)
    right = np.clip(np.searchsorted(levels, wanted), 0, len(levels) - 1)
    left = np.maximum(right - 1, 0)
    over, under = np.abs(levels[right] - wanted), np.abs(levels[left] - wanted)
    earlier = (over == under) & (first[left] < first[right])
    return first[np.where((under < over) | earlier, left, right)]


def _log_sigmas(frames: Sequence[Frame]) -> Array:
    """Return ln sigma, within -20..20: also where there is no noise, or no signal."""
    sigmas = np.array([frame.sigma for frame in frames], float)
    with np.errstate(divide="ignore"):
        return np.clip(np.log(np.maximum(sigmas, 0.0)), -20.0, 20.0)


def natural_matching(one: Trajectory, other: Trajectory) -> Matching:
    """Return how the steps of two runs go together: by number if there are as many of them."""
    return Matching.STEP if one.num_steps == other.num_steps else Matching.LEVEL


def compare_frames(one: Frame, other: Frame) -> bool:
    """Return whether two steps are the same in every 8-bit picture."""
    return all(
        np.array_equal(getattr(one, name), getattr(other, name))
        for name in ("x_t", "x0_hat", "eps_hat")
    )


def _check_alike(one: FloatImage | Pixels, other: FloatImage | Pixels) -> None:
    if one.shape[1:] != other.shape[1:]:
        sizes = " and ".join(str(batch.shape[-2]) for batch in (one, other))
        raise EngineError(f"pictures of {sizes} px cannot be compared; choose runs of one size")
