"""An experiment as it goes into files that are given away. Knows the engine, no Qt.

Paths tell who made a picture and where it lies; of a reference only what restoring uses goes along.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import PurePosixPath

from diffusion_gui.engine.experiment import PICTURES, Experiment, PictureRef, Sampling
from diffusion_gui.engine.planning import uses_data


def shared(experiment: Experiment, shown: Collection[str]) -> Experiment:
    """Return `experiment` with the references it needs, none of which holds a path.

    Needed are the pictures that are `shown`, by id, those a run begins with or keeps a part of, all
    of them where they are the data of the model, and the bundled ones, which every copy of the
    program has. The runs that it forks from keep what they need, and no more.
    """
    fork = experiment.fork
    kept = _kept(experiment, {*shown, *begun_with(experiment)}, True)
    if fork is not None:
        fork = replace(fork, parent=_alone(fork.parent))
    return replace(experiment, pictures=kept, sampling=_sampling(experiment.sampling), fork=fork)


def learns_from_tray(sampling: Sampling) -> bool:
    """Return whether a run's models are made from the pictures in the tray."""
    return sampling.data == PICTURES and uses_data(sampling)


def begun_with(experiment: Experiment) -> list[str]:
    """Return the ids of the pictures that a run begins with, or keeps a part of; forks aside."""
    sampling = experiment.sampling
    both = (sampling.start, sampling.inpaint)
    return list(dict.fromkeys(one.picture for one in both if one is not None))


def needed(experiment: Experiment) -> list[str]:
    """Return the ids of the pictures that a run takes in, its data last; forks aside."""
    data = experiment.pictures if learns_from_tray(experiment.sampling) else ()
    return list(dict.fromkeys([*begun_with(experiment), *(ref.id for ref in data)]))


def _alone(experiment: Experiment) -> Experiment:
    """Return a run that is forked from, with what it and those before it need."""
    fork = experiment.fork
    if fork is not None:
        fork = replace(fork, parent=_alone(fork.parent))
    kept = _kept(experiment, set(begun_with(experiment)), False)
    return replace(experiment, pictures=kept, sampling=_sampling(experiment.sampling), fork=fork)


def _sampling(sampling: Sampling) -> Sampling:
    """Return settings whose network is named by its content alone."""
    network = sampling.network
    if network is None or not network.source:
        return sampling
    return replace(sampling, network=replace(network, source=""))


def _kept(experiment: Experiment, ids: set[str], bundled: bool) -> tuple[PictureRef, ...]:
    everything = learns_from_tray(experiment.sampling)
    return tuple(
        PictureRef(ref.id, ref.name, _placeless(ref.source))
        for ref in experiment.pictures
        if everything or ref.id in ids or (bundled and ref.source == "bundled")
    )


def label_only(source: str) -> str:
    """Return of a path what is a picture's label, its folder's name; it leads nowhere any more."""
    parts = PurePosixPath(source.replace("\\", "/")).parts
    return f"restored:/{parts[-2]}/{parts[-1]}" if len(parts) > 1 else ""


def _placeless(source: str) -> str:
    """Return a source that is a path as a label, and others ("bundled") as they are."""
    return label_only(source) if "/" in source or "\\" in source else source
