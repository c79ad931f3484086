"""What samples depend on: whether two experiments ask for the same ones. No Qt, no torch."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from diffusion_gui.engine.experiment import EMOJI, Experiment, NetworkRef
from diffusion_gui.engine.lineage import shortest
from diffusion_gui.engine.planning import network_id, uses_data
from diffusion_gui.session.run_inputs import arrangement
from diffusion_gui.session.shared import learns_from_tray


def plain(experiment: Experiment) -> Experiment:
    """Return the run that a fork without any other settings is the rest of; else the experiment."""
    experiment = shortest(experiment)
    fork = experiment.fork
    if fork is None:
        return experiment
    alone = replace(experiment, fork=fork.parent.fork)
    same = depends_on(alone) == depends_on(fork.parent)
    return plain(fork.parent) if same else experiment


def depends_on(experiment: Experiment) -> tuple[Any, ...]:
    """Return the parts of an experiment that its samples depend on."""
    sampling = experiment.sampling
    pictures = experiment.pictures if learns_from_tray(sampling) else ()
    start = sampling.start is not None
    kept = sampling.inpaint is not None
    arranged = arrangement(experiment) if pictures or start or kept else None
    name = network_id(sampling)
    network = NetworkRef(name, "") if name else None  # wherever its file lies
    data = sampling.data if uses_data(sampling) else EMOJI
    sampling = replace(sampling, network=network, data=data)
    return experiment.schedule, sampling, experiment.seed, experiment.fork, pictures, arranged


def same_samples(one: Experiment, other: Experiment) -> bool:
    """Return whether two experiments ask for the same samples."""
    return depends_on(plain(one)) == depends_on(plain(other))
