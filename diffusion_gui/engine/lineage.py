"""What a run goes back to: the runs that it forks from, one behind the other. No torch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from diffusion_gui.engine.experiment import Experiment


def origin(experiment: Experiment) -> Experiment:
    """Return the run without a fork that a run goes back to: that one makes the first x_t."""
    while experiment.fork is not None:
        experiment = experiment.fork.parent
    return experiment


def lineage(experiment: Experiment) -> Iterator[Experiment]:
    """Yield an experiment, the run that it forks from, the one that forks from, and so on."""
    yield experiment
    while experiment.fork is not None:
        experiment = experiment.fork.parent
        yield experiment


def shortest(experiment: Experiment) -> Experiment:
    """Return the same run without forks that it goes back behind.

    A fork of a fork at a step before that one, or at it, has nothing of its settings: it is a fork
    of the run before.
    """
    fork = experiment.fork
    while fork is not None and fork.parent.fork is not None:
        if fork.step > fork.parent.fork.step:
            break
        fork = replace(fork, parent=fork.parent.fork.parent)
    return experiment if fork is experiment.fork else replace(experiment, fork=fork)


def fork_refusal(experiment: Experiment) -> str:
    """Return why a fork is refused for its pictures, "" if they are those of its run."""
    if experiment.fork is None:
        return ""
    wish, had = experiment.sampling, experiment.fork.parent.sampling
    if (wish.count, wish.size) == (had.count, had.size):
        return ""
    pictures = f"{had.count} picture{'s' * (had.count != 1)} of {had.size} px"
    return f"a fork keeps the {pictures} of its run; set count and size back, or take it away"
