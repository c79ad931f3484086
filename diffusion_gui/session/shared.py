"""An experiment as it goes into files that are given away. Knows the engine, no Qt.

Paths tell who made a picture and where it lies; of a reference only what restoring uses goes along.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import PurePosixPath

from diffusion_gui.engine.experiment import PICTURES, Experiment, PictureRef


def shared(experiment: Experiment, shown: Collection[str]) -> Experiment:
    """Return `experiment` with the references it needs, none of which holds a path.

    Needed are the pictures that are `shown`, by id, the one a run begins with, all of them where
    they are the data of the model, and the bundled ones, which every copy of the program has.
    """
    sampling = experiment.sampling
    needed = {*shown, *([sampling.start.picture] if sampling.start is not None else ())}
    everything = sampling.data == PICTURES
    kept = (
        PictureRef(ref.id, ref.name, _placeless(ref.source))
        for ref in experiment.pictures
        if everything or ref.id in needed or ref.source == "bundled"
    )
    return replace(experiment, pictures=tuple(kept))


def label_only(source: str) -> str:
    """Return of a path what is a picture's label, its folder's name; it leads nowhere any more."""
    parts = PurePosixPath(source.replace("\\", "/")).parts
    return f"restored:/{parts[-2]}/{parts[-1]}" if len(parts) > 1 else ""


def _placeless(source: str) -> str:
    """Return a source that is a path as a label, and others ("bundled") as they are."""
    return label_only(source) if "/" in source or "\\" in source else source
