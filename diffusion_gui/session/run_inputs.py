"""The pixels that a run and the runs it forks from take in, and how they go into a file with it.

Knows no Qt. Imports torch only where a run asks for its `Inputs`.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from diffusion_gui.engine import legs
from diffusion_gui.engine.denoisers import LEARNED
from diffusion_gui.engine.experiment import EMOJI, Experiment, PictureRef
from diffusion_gui.engine.images import Colour, Pixels, colour
from diffusion_gui.engine.lineage import lineage
from diffusion_gui.engine.networks import Network
from diffusion_gui.engine.planning import uses_data
from diffusion_gui.session import library
from diffusion_gui.session.format import encode
from diffusion_gui.session.networks import NetworkStore
from diffusion_gui.session.picture_store import PictureStore
from diffusion_gui.session.png_parts import MOST_PICTURES, portable
from diffusion_gui.session.shared import needed, shared

if TYPE_CHECKING:
    from diffusion_gui.engine.reverse import Inputs

_PACKED = 0.6
"""About how much smaller a PNG of a small photograph is than its pixels."""


def arrangement(experiment: Experiment) -> tuple[bool, Colour]:
    """Return how pictures become squares: whether padded (else cropped), and on which colour."""
    padded, background = legs.arrangement(experiment)
    return padded, colour(background)


class RunInputs:
    """Gives `reverse.run` the pixels of any experiment, from a store; keeps the last data set."""

    def __init__(
        self,
        store: PictureStore | None = None,
        poll: Callable[[], None] = lambda: None,
        networks: NetworkStore | None = None,
    ) -> None:
        self._store = store or PictureStore()
        self._networks = networks or NetworkStore()
        self._poll = poll
        self._newest: tuple[Any, Pixels] | None = None

    def __call__(self, experiment: Experiment) -> Inputs:
        """Return the pixels of an experiment; raises EngineError where a picture is missing."""
        from diffusion_gui.engine.reverse import Inputs

        sampling = experiment.sampling
        emoji = sampling.data == EMOJI
        labels = library.captions() if emoji else library.labels(experiment.pictures)
        return Inputs(
            self._pixels(experiment),
            self._square(experiment, sampling.start.picture) if sampling.start else None,
            labels,
            self._square(experiment, sampling.inpaint.picture) if sampling.inpaint else None,
            network_of(experiment, self._networks),
        )

    def _pixels(self, experiment: Experiment) -> Pixels:
        sampling = experiment.sampling
        if not uses_data(sampling):
            return np.empty((0, sampling.size, sampling.size, 3), np.uint8)
        return library.emoji(sampling.size) if sampling.data == EMOJI else self._data(experiment)

    def _data(self, experiment: Experiment) -> Pixels:
        key = experiment.pictures, experiment.sampling.size, arrangement(experiment)
        if self._newest is None or self._newest[0] != key:
            self._newest = key, squares(self._store, experiment, experiment.pictures, self._poll)
        return self._newest[1]

    def _square(self, experiment: Experiment, picture: str) -> Pixels:
        return squares(self._store, experiment, (PictureRef(picture, ""),), self._poll)[0]


def network_of(experiment: Experiment, networks: NetworkStore) -> Network | None:
    """Return the trained network that an experiment's model is, None for another model."""
    learned = experiment.sampling.model in LEARNED
    return networks.find(experiment.sampling.network) if learned else None


def squares(
    store: PictureStore,
    experiment: Experiment,
    pictures: tuple[PictureRef, ...],
    poll: Callable[[], None] = lambda: None,
) -> Pixels:
    """Return pictures as a run takes them, uint8 [N, size, size, 3]."""
    return store.squares(pictures, experiment.sampling.size, *arrangement(experiment), poll)


@dataclass(frozen=True, slots=True, eq=False)
class Carriage:
    """A run as it goes into a file: without paths, and with the pictures it takes in."""

    experiment: Experiment
    pictures: dict[str, Pixels]
    """Squares uint8 [size, size, 3] by the ids in `experiment`."""
    left_out: int = 0
    """Pictures that are more than a PNG may carry."""


def carriage(
    experiment: Experiment, store: PictureStore, poll: Callable[[], None] = lambda: None
) -> Carriage:
    """Return a run, the runs that it forks from included, as it goes into a file.

    A picture that two of them take in differently goes along twice, under two ids.
    """
    if not any(map(needed, lineage(experiment))):
        return Carriage(shared(experiment, ()), {})
    load = _Load(store, poll)
    line = [_with_names(one, load.names(one)) for one in lineage(experiment)]
    kept = portable(load.pictures)
    left_out = len(load.left_out) + len(load.pictures) - len(kept)
    return Carriage(shared(_joined(line), set(kept)), kept, left_out)


class _Load:
    """Pictures for a file, each one once; `left_out` are those that there is no room for."""

    def __init__(self, store: PictureStore, poll: Callable[[], None]) -> None:
        self._store, self._poll = store, poll
        self.pictures: dict[str, Pixels] = {}
        self.left_out: set[Any] = set()
        self._names: dict[Any, str] = {}

    def names(self, experiment: Experiment) -> dict[str, str]:
        """Take in what a run needs; return under which ids, one by one."""
        how = experiment.sampling.size, arrangement(experiment)
        ids = needed(experiment)
        missing = [one for one in ids if (one, how) not in self._names]
        while missing and (room := MOST_PICTURES - len(self.pictures)) > 0:
            some, missing = missing[:room], missing[room:]
            refs = tuple(PictureRef(one, "") for one in some)
            found = squares(self._store, experiment, refs, self._poll)
            for one, pixels in zip(some, found, strict=True):
                self._names[one, how] = self._put(one, pixels)
        self.left_out.update((one, how) for one in missing)
        return {one: self._names.get((one, how)) or self._unused(one) for one in ids}

    def _put(self, picture_id: str, pixels: Pixels) -> str:
        """Put a picture among the others, under another id where that one is taken; return it."""
        name, number = picture_id, 1
        while name in self.pictures and self.pictures[name].tobytes() != pixels.tobytes():
            number += 1
            name = f"{picture_id}-{number}"
        self.pictures[name] = pixels
        return name

    def _unused(self, picture_id: str) -> str:
        """Return an id that no picture goes along under."""
        return f"{picture_id}-0" if picture_id in self.pictures else picture_id


def carried_bytes(experiment: Experiment) -> tuple[float, float]:
    """Return about how many bytes the settings take in a file, and the pictures with them."""
    ids = {picture_id for one in lineage(experiment) for picture_id in needed(one)}
    pictures = min(len(ids), MOST_PICTURES) * 3 * experiment.sampling.size**2 * _PACKED
    return len(zlib.compress(encode(shared(experiment, ())).encode())), pictures


def _with_names(experiment: Experiment, names: dict[str, str]) -> Experiment:
    """Return an experiment whose run takes in pictures by other ids, where there are others."""
    if all(old == new for old, new in names.items()):
        return experiment
    sampling = experiment.sampling
    if sampling.start is not None:
        start = replace(sampling.start, picture=names[sampling.start.picture])
        sampling = replace(sampling, start=start)
    if sampling.inpaint is not None:
        inpaint = replace(sampling.inpaint, picture=names[sampling.inpaint.picture])
        sampling = replace(sampling, inpaint=inpaint)
    refs = tuple(replace(ref, id=names.get(ref.id, ref.id)) for ref in experiment.pictures)
    return replace(experiment, sampling=sampling, pictures=refs)


def _joined(line: list[Experiment]) -> Experiment:
    """Return the first of a line of experiments, forked from the second, and so on."""
    *younger, whole = line
    for one in reversed(younger):
        assert one.fork is not None
        whole = replace(one, fork=replace(one.fork, parent=whole))
    return whole
