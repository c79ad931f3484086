"""Notes every step of a run besides its pictures, see `survey.py`. Imports torch.

It costs two thin products a step; the posterior comes from the weights that the exact denoiser has
anyhow. On a CUDA device the notes travel as the frames do: see `recorder.py`.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from diffusion_gui.engine.denoisers.exact import Exact
from diffusion_gui.engine.denoisers.in_parts import release
from diffusion_gui.engine.denoisers.posterior import Glimpse
from diffusion_gui.engine.errors import ran_out_of_memory
from diffusion_gui.engine.experiment import MAX_COUNT
from diffusion_gui.engine.models import Built
from diffusion_gui.engine.projection import Projector
from diffusion_gui.engine.recorder import pinned
from diffusion_gui.engine.samplers import Step
from diffusion_gui.engine.schedules.schedule import display_scale
from diffusion_gui.engine.survey import Atlas, Belief, Survey

Seen = list[tuple[Atlas, Glimpse]]
"""What a model has told since the step before, the newest last."""
TOP = 8
"""Most probable images that are kept of every posterior."""


@dataclass(frozen=True, slots=True, eq=False)
class _Parcel:
    """The notes of a step, perhaps on their way from the device: [2, B, 2] places, flat."""

    index: int
    places: Tensor
    glimpse: Tensor | None
    atlas: Atlas | None


class Witness:
    """Takes notes of one run into `survey`.

    `earlier(step)` is the posterior of a step whose estimate is not asked of a model, because it is
    on the tape of the run that this one goes on from. `put` every step, with what was `seen`,
    before the recorder gets it, and `take` a step when its frame has arrived.
    """

    def __init__(
        self,
        survey: Survey,
        device: torch.device,
        earlier: Callable[[int], Belief | None] = lambda step: None,
    ) -> None:
        self.survey = survey
        self._project = Projector(survey.atlas.plane, device)
        self._earlier = earlier
        self._seen: deque[tuple[Atlas, Glimpse]] = deque(maxlen=MAX_COUNT)
        self._queue: deque[_Parcel] = deque()

    def watch(self, built: Built, atlas: Atlas) -> Built:
        """Return a model that tells its posterior over the images of `atlas`, if it has one.

        Under guidance it is that of the model which is followed, before it is guided.
        """
        if not isinstance(built.main, Exact):
            return built
        return replace(built, main=built.main.watched(partial(self._note, atlas), TOP))

    def _note(self, atlas: Atlas, glimpse: Glimpse) -> None:
        self._seen.append((atlas, glimpse))

    def seen(self) -> Seen:
        """Return, once, what was seen on the way to a step: in the thread of the run."""
        seen = list(self._seen)
        self._seen.clear()
        return seen

    @torch.no_grad()
    def put(self, step: Step, seen: Seen) -> None:
        """Note a step; at s = 0 no estimate is made, whatever was asked on the way there.

        Where memory is short a step has no notes, which is no reason to end the run.
        """
        for _ in range(2):
            try:
                parcel = self._parcel(step, seen)
            except Exception as error:
                if not ran_out_of_memory(error):
                    raise
            else:
                break
            release()
        else:
            nowhere = torch.full((2, len(step.x_t), 2), math.nan)
            parcel = _Parcel(step.index, nowhere, None, None)
        self._queue.append(parcel)

    def _parcel(self, step: Step, seen: Seen) -> _Parcel:
        newest = _newest(list(seen), len(step.x_t)) if step.s > 0.0 else None
        shown = self._project(step.x_t, display_scale(step.a, step.s))
        places = _home(torch.stack([shown, self._project(step.x0_hat)]))
        if newest is None:
            return _Parcel(step.index, places, None, None)
        atlas, numbers = newest
        return _Parcel(step.index, places, _home(numbers), atlas)

    def take(self, index: int) -> None:
        """Write the notes up to step `index`, which have arrived with its frame."""
        while self._queue and self._queue[0].index <= index:
            parcel = self._queue.popleft()
            belief = self._earlier(parcel.index)
            if parcel.glimpse is not None and parcel.atlas is not None:
                belief = _belief(parcel.atlas, parcel.glimpse)
            self.survey.append(parcel.places.numpy(), belief)


def _newest(seen: Seen, count: int) -> tuple[Atlas, Tensor] | None:
    """Return the numbers of the newest `count` pictures; a batch may be asked in parts."""
    parts: list[Glimpse] = []
    atlas: Atlas | None = None
    for of, glimpse in reversed(seen):
        if sum(map(len, parts)) >= count:
            break
        atlas = of
        parts.insert(0, glimpse)
    if atlas is None or sum(map(len, parts)) != count:
        return None
    return atlas, torch.cat([_columns(*part.summary()) for part in parts])


def _columns(indices: Tensor, weights: Tensor, entropy: Tensor) -> Tensor:
    return torch.cat((indices.double(), weights, entropy[:, None]), dim=1)  # [part, 2 k + 1]


def _belief(atlas: Atlas, numbers: Tensor) -> Belief:
    table = numbers.numpy()
    k = (table.shape[1] - 1) // 2
    small = table[:, k:].astype(np.float32)
    return Belief(atlas, table[:, :k].astype(np.int64), small[:, :k], small[:, k])


def _home(tensor: Tensor) -> Tensor:
    """Start bringing a tensor to the CPU."""
    return pinned(tensor) if tensor.device.type == "cuda" else tensor.cpu()
