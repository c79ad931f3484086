"""Experiments back out of exported PNGs. Knows no Qt.

A stranger's file is trusted in nothing: what it says is checked as a session is, its pictures are
counted and measured before they are unpacked, and no path that it names is ever opened.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

import numpy as np

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.experiment import Experiment, Forward, NetworkRef, PictureRef
from diffusion_gui.engine.images import (
    Picture,
    Pixels,
    arranged,
    colour,
    fit_within,
    padded,
    square,
)
from diffusion_gui.session.export import METADATA_KEY
from diffusion_gui.session.files import AnyPath
from diffusion_gui.session.format import Saved, View, decode_saved
from diffusion_gui.session.png_parts import Carried, holds_text, read_carried
from diffusion_gui.session.shared import label_only

BUNDLED = "bundled"
"""The source of the pictures that come with the program."""
_ENDINGS = (".png", ".apng")


CLIPBOARD = "the copied picture"
"""What stands for a file's name where there is no file."""


def holds_experiment(source: AnyPath | bytes) -> bool:
    """Return whether a file, or its bytes, say that they are a PNG with an experiment inside.

    Reads no pixels.
    """
    try:
        if isinstance(source, bytes):
            return holds_text(source, METADATA_KEY)
        file = Path(source)
        return file.suffix.lower() in _ENDINGS and file.is_file() and holds_text(file, METADATA_KEY)
    except (EngineError, OSError):
        return False


@dataclass(frozen=True, slots=True, eq=False)
class Restored:
    """What a PNG holds, its pictures found."""

    experiment: Experiment
    """As it was saved, without the pictures that were not found."""
    view: View | None
    pictures: Mapping[str, Picture] = field(default_factory=dict)
    """The pictures that came out of the file, by the ids in `experiment`; the rest is loaded."""
    left_out: int = 0
    """Pictures that were neither in the file nor loaded."""


def read_experiment(
    source: AnyPath | bytes,
    known: Mapping[str, PictureRef],
    loaded: Callable[[str, Forward], Picture | None] = lambda picture_id, forward: None,
    network: Callable[[NetworkRef], NetworkRef] = lambda ref: NetworkRef(ref.id, ref.name),
) -> Restored:
    """Return the experiment in a PNG, a file or its bytes, with its pictures.

    `known` are references that may be trusted, `loaded` returns the picture of an id for a working
    size if it is at hand; such a picture is preferred, so long as it gives the pixels in the file.
    `network` returns for a stranger's reference one that may be trusted (`NetworkStore.trusted`).
    Raises EngineError with one line if the file holds no whole experiment that this version can
    read.
    """
    name = CLIPBOARD if isinstance(source, bytes) else Path(source).name
    try:
        carried = read_carried(source, (METADATA_KEY,))
        saved = _saved_in(carried)
    except EngineError as error:
        raise EngineError(f"{name}: {error}") from None
    except OSError as error:
        raise EngineError(f"{name}: cannot be read ({error.strerror or error})") from None
    finder = _Finder(saved.experiment, carried.pictures, known, loaded)
    experiment = with_networks(_found(saved.experiment, finder), network)
    return Restored(experiment, saved.view, finder.unpacked, len(finder.missing))


def with_networks(
    experiment: Experiment, trusted: Callable[[NetworkRef], NetworkRef]
) -> Experiment:
    """Return `experiment` with trusted references to its networks, its forks' too."""
    sampling, fork = experiment.sampling, experiment.fork
    if sampling.network is not None:
        named = replace(sampling.network, name=_plain(sampling.network.name, "a network"))
        sampling = replace(sampling, network=trusted(named))
    if fork is not None:
        fork = replace(fork, parent=with_networks(fork.parent, trusted))
    return replace(experiment, sampling=sampling, fork=fork)


def _found(experiment: Experiment, finder: _Finder) -> Experiment:
    """Return `experiment` without what was not found.

    A run that it forks from is whole or not at all: without one of its pictures it would be
    another run.
    """
    found = map(finder.find, experiment.pictures)
    kept = tuple(dict.fromkeys(ref for ref in found if ref is not None))
    sampling, fork = experiment.sampling, experiment.fork
    if sampling.start is not None and not finder.has(sampling.start.picture):
        sampling = replace(sampling, start=None)
    if sampling.inpaint is not None and not finder.has(sampling.inpaint.picture):
        sampling = replace(sampling, inpaint=None)
    if fork is not None:
        parent = _found(fork.parent, finder)
        fork = replace(fork, parent=parent) if _whole(parent, fork.parent) else None
    return replace(experiment, pictures=kept, sampling=sampling, fork=fork)


def _whole(found: Experiment, saved: Experiment) -> bool:
    lost = len(set(found.pictures)) < len({ref.id for ref in saved.pictures})
    same = found.sampling == saved.sampling
    return same and not lost and (found.fork is None) == (saved.fork is None)


def _saved_in(carried: Carried) -> Saved:
    if METADATA_KEY not in carried.texts:
        raise EngineError("it holds no experiment, or a damaged one")
    return decode_saved(carried.texts[METADATA_KEY])


class _Finder:
    """Finds the picture of a reference: loaded already, or in the file."""

    def __init__(
        self,
        experiment: Experiment,
        carried: Mapping[str, Pixels],
        known: Mapping[str, PictureRef],
        loaded: Callable[[str, Forward], Picture | None],
    ) -> None:
        self._experiment = experiment
        self._carried = carried
        self._known = known
        self._loaded = loaded
        self.unpacked: dict[str, Picture] = {}
        self.missing: set[str] = set()
        self._found: dict[str, PictureRef | None] = {}

    def find(self, ref: PictureRef) -> PictureRef | None:
        """Return a reference that may be trusted, or None if there is no such picture.

        References with one id are one picture, the first of them.
        """
        if ref.id not in self._found:
            self._found[ref.id] = self._find(ref)
        return self._found[ref.id]

    def has(self, picture_id: str) -> bool:
        """Return whether there is a picture of this id."""
        return self.find(PictureRef(picture_id, "start")) is not None

    def _find(self, ref: PictureRef) -> PictureRef | None:
        pixels = self._carried.get(ref.id)
        if ref.id in self._known and self._agrees(ref.id, pixels):
            return self._known[ref.id]
        if pixels is None:
            self.missing.add(ref.id)
            return None
        name = _plain(ref.name)
        self.unpacked.setdefault(ref.id, Picture(name, pixels))
        return PictureRef(ref.id, name, label_only(ref.source))

    def _agrees(self, picture_id: str, pixels: Pixels | None) -> bool:
        """Return whether the loaded picture gives the pixels in the file, if there are any."""
        forward, size = self._experiment.forward, self._experiment.sampling.size
        picture = self._loaded(picture_id, forward)
        if picture is None or pixels is None:
            return picture is not None
        ground = colour(forward.background)
        ways: tuple[Callable[[], Pixels], ...] = (
            lambda: arranged(picture, forward.size, forward.fit, ground),  # as the image panel
            lambda: square(picture.on(ground), size),  # as the data of a model
            lambda: square(padded(fit_within(picture.on(ground), size), ground), size),
        )
        return any(np.array_equal(pixels, way()) for way in ways)


def _plain(name: str, unnamed: str = "picture") -> str:
    """Return the last part of a name, whatever system it comes from."""
    last = PurePosixPath(name.replace("\\", "/")).name
    return last[:255] or unnamed


def renamed(restored: Restored, ids: Mapping[str, str]) -> Restored:
    """Return `restored` with other ids for some of its pictures."""

    def other(picture_id: str) -> str:
        return ids.get(picture_id, picture_id)

    view = restored.view
    return replace(
        restored,
        experiment=_renamed(restored.experiment, other),
        view=None if view is None else replace(view, picture=other(view.picture)),
        pictures={other(key): picture for key, picture in restored.pictures.items()},
    )


def _renamed(experiment: Experiment, other: Callable[[str], str]) -> Experiment:
    refs = tuple(dict.fromkeys(replace(ref, id=other(ref.id)) for ref in experiment.pictures))
    sampling, fork = experiment.sampling, experiment.fork
    if sampling.start is not None:
        start = replace(sampling.start, picture=other(sampling.start.picture))
        sampling = replace(sampling, start=start)
    if sampling.inpaint is not None:
        inpaint = replace(sampling.inpaint, picture=other(sampling.inpaint.picture))
        sampling = replace(sampling, inpaint=inpaint)
    if fork is not None:
        fork = replace(fork, parent=_renamed(fork.parent, other))
    return replace(experiment, pictures=refs, sampling=sampling, fork=fork)
