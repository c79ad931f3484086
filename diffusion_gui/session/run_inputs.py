"""The pixels that a run and the runs it forks from take in, and how they go into a file with it.

Knows no Qt. Imports torch only where a run asks for its `Inputs`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from diffusion_gui.engine import legs
from diffusion_gui.engine.experiment import EMOJI, Experiment, PictureRef
from diffusion_gui.engine.images import Colour, Pixels, colour
from diffusion_gui.engine.legs import lineage
from diffusion_gui.session import library
from diffusion_gui.session.picture_store import PictureStore
from diffusion_gui.session.png_parts import MOST_PICTURES, portable
from diffusion_gui.session.shared import needed, shared

if TYPE_CHECKING:
    from diffusion_gui.engine.reverse import Inputs


def arrangement(experiment: Experiment) -> tuple[bool, Colour]:
    """Return how pictures become squares: whether padded (else cropped), and on which colour."""
    padded, background = legs.arrangement(experiment)
    return padded, colour(background)


class RunInputs:
    """Gives `reverse.run` the pixels of any experiment, from a store; keeps the last data set."""

    def __init__(
        self, store: PictureStore | None = None, poll: Callable[[], None] = lambda: None
    ) -> None:
        self._store = store or PictureStore()
        self._poll = poll
        self._newest: tuple[Any, Pixels] | None = None

    def __call__(self, experiment: Experiment) -> Inputs:
        """Return the pixels of an experiment; raises EngineError where a picture is missing."""
        from diffusion_gui.engine.reverse import Inputs

        sampling = experiment.sampling
        emoji = sampling.data == EMOJI
        labels = library.captions() if emoji else library.labels(experiment.pictures)
        return Inputs(
            library.emoji(sampling.size) if emoji else self._data(experiment),
            self._square(experiment, sampling.start.picture) if sampling.start else None,
            labels,
            self._square(experiment, sampling.inpaint.picture) if sampling.inpaint else None,
        )

    def _data(self, experiment: Experiment) -> Pixels:
        key = experiment.pictures, experiment.sampling.size, arrangement(experiment)
        if self._newest is None or self._newest[0] != key:
            self._newest = key, squares(self._store, experiment, experiment.pictures, self._poll)
        return self._newest[1]

    def _square(self, experiment: Experiment, picture: str) -> Pixels:
        return squares(self._store, experiment, (PictureRef(picture, ""),), self._poll)[0]


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
    pictures: dict[str, Pixels] = {}
    line = []
    left_out = 0
    for one in lineage(experiment):
        ids = needed(one)
        taken = ids[: max(MOST_PICTURES - len(pictures), 0)]
        left_out += len(ids) - len(taken)
        refs = tuple(PictureRef(picture_id, "") for picture_id in taken)
        found = squares(store, one, refs, poll) if refs else ()
        names = {i: _named(pictures, i, pixels) for i, pixels in zip(taken, found, strict=True)}
        line.append(_with_names(one, names))
    kept = portable(pictures)
    left_out += len(pictures) - len(kept)
    return Carriage(shared(_joined(line), set(kept)), kept, left_out)


def _named(pictures: dict[str, Pixels], picture_id: str, pixels: Pixels) -> str:
    """Put a picture among the others, under another id where that one is taken; return it."""
    name, number = picture_id, 1
    while name in pictures and pictures[name].tobytes() != pixels.tobytes():
        number += 1
        name = f"{picture_id}-{number}"
    pictures[name] = pixels
    return name


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
