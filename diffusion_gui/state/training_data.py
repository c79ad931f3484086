"""The pictures that a training learns from, as they are read in the thread of the trainings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from diffusion_gui.engine.experiment import PictureRef
from diffusion_gui.engine.torch_loading import import_torch
from diffusion_gui.session.picture_store import PictureStore
from diffusion_gui.session.training_plan import Plan, Source

if TYPE_CHECKING:
    from diffusion_gui.session.training_sets import TrainingSet


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which pictures, how large, and with which vocabulary, if a network has one already."""

    source: Source
    folder: str
    size: int
    tray: tuple[PictureRef, ...] = ()
    words: tuple[str, ...] | None = None

    @classmethod
    def of(
        cls, plan: Plan, tray: tuple[PictureRef, ...], words: tuple[str, ...] | None = None
    ) -> Wanted:
        """Return what a plan needs."""
        of_tray = tray if plan.source is Source.TRAY else ()
        folder = plan.folder if plan.source is Source.FOLDER else ""
        return cls(plan.source, folder, plan.size, of_tray, words)


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """Pictures that were read."""

    wanted: Wanted
    set: TrainingSet

    @property
    def count(self) -> int:
        """How many pictures they are."""
        return len(self.set.pictures.pixels)

    @property
    def captions(self) -> int:
        """How many different captions they have."""
        return len({caption for caption in self.set.pictures.captions if caption})


def read(wanted: Wanted, store: PictureStore, poll: Callable[[int, int], None]) -> Found:
    """Read the pictures; raises EngineError where there is none.

    `poll` is called with how many of how many are read, and may raise to cancel.
    """
    import_torch()
    from diffusion_gui.engine.training.data import PictureSet
    from diffusion_gui.session import training_sets as sets

    poll(0, 0)
    if wanted.source is Source.FOLDER:
        return Found(wanted, sets.folder_set(wanted.folder, wanted.size, wanted.words, poll))
    if wanted.source is Source.TRAY:
        return Found(wanted, sets.tray_set(store, wanted.tray, wanted.size, wanted.words, poll))
    found = sets.bundled_set(wanted.size)
    if wanted.words is not None:
        of = found.pictures
        found = replace(found, pictures=PictureSet.of(of.pixels, of.captions, wanted.words))
    return Found(wanted, found)
