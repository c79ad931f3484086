"""How long a model call takes, learnt from the runs there were. No torch.

Asked in two ways: strictly, of the same model on the same data for as many pictures, and loosely,
of the nearest there was.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.experiment import Experiment, Fork, Sampling
from diffusion_gui.engine.legs import shared_calls
from diffusion_gui.engine.lineage import lineage, shortest
from diffusion_gui.engine.planning import model_calls, network_id, transitions, uses_data
from diffusion_gui.engine.schedules import SPACINGS
from diffusion_gui.session.shared import learns_from_tray
from diffusion_gui.state.run import Run

ENOUGH_SECONDS = 0.02
"""A run shorter than this tells the clock's grain, and is only believed where nothing else is."""
_COUNTED_STEPS = 50
"""Of a longer run the calls are counted over so many steps, and scaled: for whole ones it takes
up to half a second."""


@dataclass(frozen=True, slots=True)
class Measured:
    """The time of some model calls of a run."""

    seconds: float
    calls: int
    shared: int
    """Calls before those, which the run has from the one it forks from; 0 for a whole run."""
    warm: bool
    """False if the first call is among them, which is slow: all is cold."""


def measured(run: Run) -> Measured | None:
    """Return the time of a run's steps so far, but for those it has from the run it forks from."""
    fork, last = run.experiment.fork, run.trajectory.last
    begun = run.trajectory.at_step(fork.step if fork is not None else 0)
    if last is None or begun is None:
        return None
    shared = run.calls[begun.index] if fork is not None else 0
    warm = begun.index < last.index
    before = (begun.seconds, run.calls[begun.index]) if warm else (0.0, 0)
    seconds, calls = last.seconds - before[0], run.calls[last.index] - before[1]
    return Measured(seconds, calls, shared, warm) if calls > 0 and seconds > 0.0 else None


class Pace:
    """Seconds per model call, by what the calls were of."""

    def __init__(self) -> None:
        self._strict: dict[Any, float] = {}
        self._loose: dict[Any, float] = {}
        self._slow: set[Any] = set()
        self._rough: set[Any] = set()
        """What is known from a moment only, and makes way for anything else."""

    def learn(self, run: Run, device: str) -> None:
        """Take the time of a run's steps so far, but for those it has from the run it forks from.

        `device` is the one that was wished for.
        """
        found = measured(run)
        if found is None:
            return
        key, each = _strict(run.experiment, device), found.seconds / found.calls
        sure = found.warm and found.seconds >= ENOUGH_SECONDS
        if sure or key in self._rough or key not in self._strict:
            self._rough.discard(key) if sure else self._rough.add(key)
            self._strict[key] = each
            self._loose[_loose(run.experiment, device)] = each / _pixels(run.experiment)

    def doubt(self, experiment: Experiment, device: str) -> None:
        """Note that a run of this model was given up before there was any step to learn from."""
        self._slow.add(_loose(experiment, device))

    def knows(self, experiment: Experiment, device: str) -> bool:
        """Return whether `expected` has something to go by; cheap."""
        loose = _loose(experiment, device)
        return loose in self._loose or loose in self._slow

    def per_call(self, experiment: Experiment, device: str) -> float | None:
        """Return the seconds of a call as `experiment` makes them, None before there was one."""
        return self._strict.get(_strict(experiment, device))

    def nearest(self, experiment: Experiment, device: str) -> float | None:
        """Return about how many seconds a call takes, None: nothing is known.

        Where there was no run of this model with these parameters, one with others serves, in
        proportion to the pixels.
        """
        each = self.per_call(experiment, device)
        per_pixel = self._loose.get(_loose(experiment, device))
        if each is None and per_pixel is not None:
            each = per_pixel * _pixels(experiment)
        return each

    def expected(self, experiment: Experiment, device: str) -> float | None:
        """Return about how many seconds a run will take, its model built; None: not known.

        Infinity for a model that is in doubt.
        """
        each = self.nearest(experiment, device)
        if each is None:
            return math.inf if self.knows(experiment, device) else None
        try:
            return each * _calls(experiment)
        except EngineError:
            return None  # the run will be refused, which takes no time


def _calls(experiment: Experiment) -> float:
    """Return about how many model calls a run makes that a fork has not in common."""
    experiment = shortest(experiment)
    longest = max(map(_length, lineage(experiment)))
    share = min(1.0, _COUNTED_STEPS / longest)
    fewer = _shortened(experiment, share) if share < 1.0 else experiment
    return (model_calls(fewer) - shared_calls(fewer)) / share


def _length(experiment: Experiment) -> int:
    """Return the steps that a run is told to make, its way up again left out."""
    sampling = experiment.sampling
    spacing = SPACINGS.get(sampling.spacing)
    listed = spacing is not None and spacing.listed
    return len(sampling.levels) if listed else _steps(experiment)


def _steps(experiment: Experiment) -> int:
    """Return how many of the steps that are asked for there is room for below T, or the start."""
    sampling = experiment.sampling
    first = sampling.start.t if sampling.start is not None else experiment.schedule.T
    return min(sampling.steps, first)


def _shortened(experiment: Experiment, share: float) -> Experiment:
    """Return a run with about a share of the steps, its forks at the same share of their runs."""
    *younger, root = lineage(experiment)
    short = _fewer(root, share)
    for one in reversed(younger):
        assert one.fork is not None
        least = short.fork.step + 1 if short.fork is not None else 0
        step = max(round(one.fork.step * share), least)
        step = min(step, transitions(short) - 1)
        short = replace(_fewer(one, share), fork=Fork(short, step))
    return short


def _fewer(experiment: Experiment, share: float) -> Experiment:
    sampling = experiment.sampling
    steps = max(round(_steps(experiment) * share), 1)
    levels = sampling.levels[:: max(round(1.0 / share), 1)]
    return replace(experiment, sampling=replace(sampling, steps=steps, levels=levels))


def _strict(experiment: Experiment, device: str) -> Any:
    sampling = experiment.sampling
    pictures = len(experiment.pictures) if learns_from_tray(sampling) else ()
    model = network_id(sampling), sampling.model_params, sampling.label, sampling.guidance.against
    return sampling.model, model, _data(sampling), pictures, sampling.size, sampling.count, device


def _loose(experiment: Experiment, device: str) -> Any:
    sampling = experiment.sampling
    name = network_id(sampling)
    network = name, sampling.model_params if name is not None else ()
    return sampling.model, network, _data(sampling), sampling.guidance.against, device


def _data(sampling: Sampling) -> str:
    """Return what a run's models are made of, "" for a trained network, which is made already."""
    return sampling.data if uses_data(sampling) else ""


def _pixels(experiment: Experiment) -> int:
    return experiment.sampling.count * experiment.sampling.size**2
