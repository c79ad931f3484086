"""How long a model call takes, learnt from the runs there were. No torch.

Asked in two ways: strictly, of the same model on the same data for as many pictures, and loosely,
of the nearest there was.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.experiment import EMOJI, Experiment, Fork
from diffusion_gui.engine.legs import lineage, shared_calls, shortest
from diffusion_gui.engine.planning import model_calls, transitions
from diffusion_gui.engine.schedules import SPACINGS
from diffusion_gui.state.runs import Run

ENOUGH_SECONDS = 0.02
"""A run shorter than this tells the clock's grain, and is only believed where nothing else is."""
_COUNTED_STEPS = 50
"""Of a longer run the calls are counted over so many steps, and scaled: for whole ones it takes
up to half a second."""


class Pace:
    """Seconds per model call, by what the calls were of."""

    def __init__(self) -> None:
        self._strict: dict[Any, float] = {}
        self._loose: dict[Any, float] = {}

    def learn(self, run: Run, device: str) -> None:
        """Take the time of a run's steps so far, but for those it has from the run it forks from.

        `device` is the one that was wished for.
        """
        fork, last = run.experiment.fork, run.trajectory.last
        if last is None:
            return
        begun = run.trajectory.at_step(fork.step if fork is not None else 0)
        if begun is not None and begun.index < last.index:  # the first call is slow: all is cold
            before = begun.seconds, run.calls[begun.index]
        else:
            before = 0.0, 0
        seconds, calls = last.seconds - before[0], run.calls[last.index] - before[1]
        if calls <= 0 or seconds <= 0.0:
            return
        key = _strict(run.experiment, device)
        if seconds >= ENOUGH_SECONDS or key not in self._strict:
            self._strict[key] = seconds / calls
            self._loose[_loose(run.experiment, device)] = seconds / calls / _pixels(run.experiment)

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
        """Return about how many seconds a run will take, its model built; None: not known."""
        each = self.nearest(experiment, device)
        try:
            return each * _calls(experiment) if each is not None else None
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
    return len(sampling.levels) if listed else min(sampling.steps, experiment.schedule.T)


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
    steps = max(round(min(sampling.steps, experiment.schedule.T) * share), 1)
    levels = sampling.levels[:: max(round(1.0 / share), 1)]
    return replace(experiment, sampling=replace(sampling, steps=steps, levels=levels))


def _strict(experiment: Experiment, device: str) -> Any:
    sampling = experiment.sampling
    pictures = () if sampling.data == EMOJI else len(experiment.pictures)
    model = sampling.model, sampling.model_params, sampling.label, sampling.guidance.against
    return model, sampling.data, pictures, sampling.size, sampling.count, device


def _loose(experiment: Experiment, device: str) -> Any:
    sampling = experiment.sampling
    return sampling.model, sampling.data, sampling.guidance.against, device


def _pixels(experiment: Experiment) -> int:
    return experiment.sampling.count * experiment.sampling.size**2
