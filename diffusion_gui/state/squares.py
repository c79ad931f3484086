"""The central squares of pictures as the forward process takes them, for small views of many.

A picture that is not in memory, or large, is made ready in the background; until then there is its
thumbnail. What
is kept is the square alone, so that it stays when the store lets the picture go.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable
from typing import Generic, TypeVar

from PySide6.QtCore import QObject, Signal, Slot

from diffusion_gui.engine.experiment import Fit, Forward
from diffusion_gui.engine.forward import LARGE
from diffusion_gui.engine.images import MAX_SIDE, Picture, Pixels, arranged, colour, square
from diffusion_gui.session.picture_store import PictureStore
from diffusion_gui.state.jobs import Job, JobRunner

MOST_PICTURES = 12
"""Pictures of which the square is kept."""
KEPT_SIDE = 512
"""Side in pixels of the squares at the most."""

_V = TypeVar("_V")
Key = tuple[str, int, str, str]
"""Picture, working size, fit, background."""


class Recent(Generic[_V]):
    """The values asked for last, at most `most` of them; each is made when it is missing."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._values: OrderedDict[Hashable, _V] = OrderedDict()

    def __contains__(self, key: Hashable) -> bool:
        return key in self._values

    def get(self, key: Hashable, make: Callable[[], _V]) -> _V:
        """Return the value of `key`."""
        if key not in self._values:
            self._values[key] = make()
            if len(self._values) > self._most:
                self._values.popitem(last=False)
        self._values.move_to_end(key)
        return self._values[key]


class Squares(QObject):
    """Squares by picture and settings; `arrived` when one that was missing has been read."""

    arrived = Signal()

    def __init__(self, store: PictureStore, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._store = store
        self._whole: Recent[Pixels] = Recent(MOST_PICTURES)
        self._rough: Recent[Pixels] = Recent(MOST_PICTURES)
        self._reading: Key | None = None
        self._unreadable: set[Key] = set()
        self._runner = JobRunner("squares", self)
        self._runner.done.connect(self._on_read)
        self._runner.failed.connect(self._on_failed)

    def shutdown(self) -> None:
        """Stop reading; safe to call twice."""
        self._runner.shutdown()

    def get(self, picture: str, forward: Forward) -> tuple[Pixels, bool]:
        """Return the square, uint8 [side, side, 3], and whether it is more than the thumbnail.

        Raises EngineError if the picture was never added.
        """
        key = (picture, forward.size, str(forward.fit), forward.background)
        if key not in self._whole:
            kept = self._store.at_hand(picture)
            if kept is None or kept.pixels.shape[0] * kept.pixels.shape[1] > LARGE:
                rough = Picture("", self._store.thumbnail(picture))
                self._read(key, forward)
                return self._rough.get(key, lambda: _square(rough, forward)), False
            self._whole.get(key, lambda: _square(kept, forward))
        return self._whole.get(key, lambda: _square(self._store.get(picture), forward)), True

    def try_again(self, ids: Collection[str]) -> None:
        """Read these pictures once more when they are asked for, though they could not be."""
        self._unreadable = {key for key in self._unreadable if key[0] not in ids}

    def _read(self, key: Key, forward: Forward) -> None:
        """Read one picture at a time: who is told that it has arrived asks for the next."""
        if self._reading is None and key not in self._unreadable:
            self._reading = key
            store, picture = self._store, key[0]

            def work(job: Job) -> Pixels:
                kept = store.get(picture)
                job.poll()
                return _square(kept, forward)

            self._runner.submit(work)

    @Slot(object)
    def _on_read(self, pixels: Pixels) -> None:
        key, self._reading = self._reading, None
        self._whole.get(key, lambda: pixels)
        self.arrived.emit()

    @Slot(object)
    def _on_failed(self, error: Exception) -> None:
        """Keep to the thumbnail: why, the large view says when it is to show the picture."""
        assert self._reading is not None
        self._unreadable.add(self._reading)
        self._reading = None
        self.arrived.emit()


def _square(picture: Picture, forward: Forward) -> Pixels:
    # a picture in no file may be long, and its padded square is seen at KEPT_SIDE at the most
    size = forward.size or (MAX_SIDE if forward.fit is Fit.PAD else 0)
    pixels = arranged(picture, size, forward.fit, colour(forward.background))
    return square(pixels, min(*pixels.shape[:2], KEPT_SIDE))
