"""The sampling thread's maps: of the newest data sets, and the witness of the run."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from diffusion_gui.engine.denoisers import LEARNED
from diffusion_gui.engine.errors import ran_out_of_memory
from diffusion_gui.engine.experiment import EMOJI, Experiment
from diffusion_gui.engine.images import Pixels
from diffusion_gui.engine.labels import members
from diffusion_gui.engine.planning import model_key, uses_data
from diffusion_gui.engine.survey import Atlas, Survey
from diffusion_gui.session import library

if TYPE_CHECKING:
    import torch

    from diffusion_gui.engine.models import Built, Inputs
    from diffusion_gui.engine.witness import Witness
    from diffusion_gui.state.predecessor import Predecessor

T = TypeVar("T")
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
        self._undrawn: set[Any] = set()
        self._witness: Witness | None = None

    def begin(
        self,
        experiment: Experiment,
        num_steps: int,
        device: torch.device,
        before: Predecessor | None,
        told: Callable[[str], None],
    ) -> Witness | None:
        """Return the witness of a run, None where memory is short: a run does without a map.

        `before` is the run that it goes on from, `told` hears in one line what there is none of.
        """
        from diffusion_gui.engine.witness import Witness

        earlier = before.belief if before is not None else lambda step: None
        if not uses_data(experiment.sampling):
            return None  # a trained network knows no images that could be mapped
        atlas = self.atlas(experiment, device)
        if atlas is not None:
            survey = Survey(atlas, num_steps, experiment.sampling.count)
            self._witness = _spared(lambda: Witness(survey, device, earlier))
        if self._witness is None:
            told("not enough memory for the map of the images: this run goes without it")
        return self._witness

    def end(self) -> None:
        """Watch nothing any more."""
        self._witness = None
        self._undrawn.clear()

    def watch(self, experiment: Experiment, built: Built, device: torch.device) -> Built:
        """Return the experiment's model as the witness of the run watches it."""
        atlas = self.atlas(experiment, device) if self._witness is not None else None
        if self._witness is None or atlas is None:
            return built
        return self._witness.watch(built, atlas)

    def atlas(
        self, experiment: Experiment, device: torch.device, inputs: Inputs | None = None
    ) -> Atlas | None:
        """Return the map of the images that the experiment's model knows.

        None where memory is short; that is tried once for each run.
        """
        if not uses_data(experiment.sampling):
            return None
        key = experiment.sampling.label, *model_key(experiment)[-3:]
        if key in self._undrawn:
            return None
        if key not in self._atlases:
            drawn = _spared(lambda: self._drawn(experiment, device, inputs))
            if drawn is None:
                self._undrawn.add(key)
                return None
            self._atlases[key] = drawn
        self._atlases[key] = self._atlases.pop(key)  # the newest is the last
        while len(self._atlases) > KEPT:
            del self._atlases[next(iter(self._atlases))]
        return self._atlases[key]

    def _drawn(self, experiment: Experiment, device: torch.device, inputs: Inputs | None) -> Atlas:
        from diffusion_gui.engine.projection import principal_plane

        given = inputs or self._inputs(experiment)
        label = "" if experiment.sampling.model in LEARNED else experiment.sampling.label
        known = members(given.labels, label) if label else None
        data = given.data if known is None else given.data[known]
        names = _names(experiment)
        names = names if known is None else tuple(names[i] for i in known)
        plane = principal_plane(data, device, self._poll)
        return Atlas(_shown(data, self._poll), names, plane)


def _spared(make: Callable[[], T]) -> T | None:
    """Return what `make` returns, None where there is not enough memory for it."""
    from diffusion_gui.engine.denoisers.in_parts import release

    try:
        return make()
    except Exception as error:
        if not ran_out_of_memory(error):
            raise
    release()
    return None


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
