"""The sampling thread's maps: of the newest data sets, and the witness of the run."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from diffusion_gui.engine.experiment import EMOJI, Experiment
from diffusion_gui.engine.images import Pixels
from diffusion_gui.engine.labels import members
from diffusion_gui.engine.planning import model_key
from diffusion_gui.engine.survey import Atlas, Belief, Survey
from diffusion_gui.session import library

if TYPE_CHECKING:
    import torch

    from diffusion_gui.engine.models import Built, Inputs
    from diffusion_gui.engine.witness import Witness

KEPT = 3
"""Maps that are kept: going back to a data set just left costs nothing."""
MOST_BYTES = 64 * 1024**2
"""Of the pictures of one map; of larger sets it has smaller ones."""


class Surveyor:
    """Draws the map of a data set once; `watch` and `begin` are for one run after the other.

    `inputs` gives the pixels of an experiment.
    """

    def __init__(self, inputs: Callable[[Experiment], Inputs], poll: Callable[[], None]) -> None:
        self._inputs = inputs
        self._poll = poll
        self._atlases: dict[Any, Atlas] = {}
        self._witness: Witness | None = None

    def begin(
        self, experiment: Experiment, num_steps: int, device: torch.device, parent: Survey | None
    ) -> Witness:
        """Return the witness of a run; `parent` are the notes of the run that it forks from."""
        from diffusion_gui.engine.witness import Witness

        fork = experiment.fork

        def earlier(step: int) -> Belief | None:
            shared = parent is not None and fork is not None and step < fork.step
            return parent.belief(step) if shared and parent is not None else None

        survey = Survey(self.atlas(experiment, device), num_steps, experiment.sampling.count)
        self._witness = Witness(survey, device, earlier)
        return self._witness

    def end(self) -> None:
        """Watch nothing any more."""
        self._witness = None

    def watch(self, experiment: Experiment, built: Built, device: torch.device) -> Built:
        """Return the experiment's model as the witness of the run watches it."""
        if self._witness is None:
            return built
        return self._witness.watch(built, self.atlas(experiment, device))

    def atlas(
        self, experiment: Experiment, device: torch.device, inputs: Inputs | None = None
    ) -> Atlas:
        """Return the map of the images that the experiment's model knows."""
        from diffusion_gui.engine.projection import principal_plane

        sampling = experiment.sampling
        key = sampling.label, *model_key(experiment)[-3:]
        if key not in self._atlases:
            given = inputs or self._inputs(experiment)
            known = members(given.labels, sampling.label) if sampling.label else None
            data = given.data if known is None else given.data[known]
            names = _names(experiment)
            names = names if known is None else tuple(names[i] for i in known)
            plane = principal_plane(data, device, self._poll)
            self._atlases[key] = Atlas(_shown(data, self._poll), names, plane)
        self._atlases[key] = self._atlases.pop(key)  # the newest is the last
        while len(self._atlases) > KEPT:
            del self._atlases[next(iter(self._atlases))]
        return self._atlases[key]


def _names(experiment: Experiment) -> tuple[str, ...]:
    if experiment.sampling.data == EMOJI:
        return library.captions()
    return tuple(ref.name for ref in experiment.pictures)


def _shown(data: Pixels, poll: Callable[[], None]) -> Pixels:
    """Return the pictures of a map: the data set's own, or means of square blocks of pixels."""
    block, side = 1, data.shape[1]
    while data.nbytes > MOST_BYTES * block**2 and side % (2 * block) == 0:
        block *= 2
    if block == 1:
        return data
    small = np.empty((len(data), side // block, side // block, 3), np.uint8)
    for row, picture in zip(small, data, strict=True):
        poll()
        row[:] = picture.reshape(side // block, block, side // block, block, 3).mean(axis=(1, 3))
    return small
