"""The pixels behind the pictures of an experiment: kept within a budget, read again on demand."""

from __future__ import annotations

import math
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.experiment import Fit, Forward, PictureRef
from diffusion_gui.engine.forward import LARGE
from diffusion_gui.engine.images import (
    MAX_SIDE,
    WHITE,
    Colour,
    Picture,
    Pixels,
    fit_within,
    padded,
    pixel_digest,
    read_picture,
    scaled,
    square,
)
from diffusion_gui.session.library import PHOTOS, captions, emoji_picture, photo
from diffusion_gui.session.spill import Spill

BUDGET = 512 * 1024**2
"""Bytes of pixels kept, besides a thumbnail of at most 16 KiB for every picture."""
THUMBNAIL = 64
"""Side of a thumbnail in pixels."""
_TIERS = ((64, MAX_SIDE), (256, 512), (1024, 256))
_SMALLEST = 128
_BUNDLED = _PHOTO, _EMOJI = ("photo-", "emoji-")
"""What the ids of bundled pictures begin with; no digest does."""


def side_for(count: int) -> int:
    """Return the longest side at which each of `count` pictures opened together is kept.

    Up to 1,024 of them take 192 MiB at most, 10,000 take 469 MiB.
    """
    return next((side for most, side in _TIERS if count <= most), _SMALLEST)


@dataclass(slots=True)
class _Known:
    """A picture the store has seen: how to read it again at some size, and at which it is kept."""

    name: str
    read: Callable[[int], Picture] | None
    """None for a pasted picture that is in no file, nor in a temporary one yet."""
    side: int
    """0 for its own size."""
    thumbnail: Picture | None = None
    stays: bool = False
    """Whether there was no room for a temporary file: it is not let go."""


class PictureStore:
    """Pictures by content: the same picture twice is stored once. Safe to use in any thread.

    Pixels are kept scaled down to the side they were opened at. Over `budget` bytes, those not
    used for longest are let go, and read from their file when they are asked for again; a
    picture without one goes to a temporary file. A thumbnail of every picture stays.
    """

    def __init__(self, budget: int = BUDGET) -> None:
        self._budget = budget
        self._lock = threading.Lock()
        self._making_room = threading.Lock()
        self._spill = Spill()
        self._known: dict[str, _Known] = {}
        self._kept: OrderedDict[str, Picture] = OrderedDict()
        """The least recently used first."""
        self._kept_bytes = 0
        self.problem = ""
        """One line where pictures had to stay in memory over the budget."""

    def close(self) -> None:
        """Remove the temporary files; safe to call twice."""
        self._spill.close()

    def has_room(self, picture: Picture) -> bool:
        """Return whether nothing has to be let go for another picture."""
        with self._lock:
            return self._kept_bytes + picture.nbytes <= self._budget

    @property
    def nbytes(self) -> int:
        """The memory taken, in bytes: kept pixels and thumbnails."""
        with self._lock:
            thumbnails = (
                k.thumbnail.nbytes for k in self._known.values() if k.thumbnail is not None
            )
            return self._kept_bytes + sum(thumbnails)

    def add(self, picture: Picture, source: str = "", side: int = MAX_SIDE) -> PictureRef:
        """Keep a picture and return its reference.

        `source` is the file it was read from at `side`, the place it is read again from; a
        picture without a digest was in no file, whatever its `source` says.
        """
        if picture.digest:
            ref = PictureRef(picture.digest[:16], picture.name, source)
            read = partial(_read_again, source, picture.name, ref.id)
            known = _Known(picture.name, read, side)
        else:
            ref = PictureRef(pixel_digest(picture), picture.name, source)
            known = _Known(picture.name, None, 0)
        known.thumbnail = _thumbnail(picture)
        self._learn(ref.id, known, picture)
        return ref

    def open(self, path: str, side: int = MAX_SIDE) -> PictureRef:
        """Read a file, keep it at `side` and return its reference; raises EngineError."""
        return self.add(read_picture(path, side), path, side)

    def knows(self, picture_id: str) -> bool:
        """Return whether a picture was ever added."""
        with self._lock:
            return picture_id in self._known

    def side_of(self, picture_id: str) -> int:
        """Return the longest side at which a picture is kept, 0 for its own size."""
        return self._find(picture_id).side

    def defer_photo(self, name: str) -> PictureRef:
        """Return the reference of a bundled photograph, which is opened when it is first needed."""
        ref = PictureRef(f"{_PHOTO}{Path(name).stem}", name, "bundled")
        self._defer(ref, lambda: photo(name))
        return ref

    def defer_emoji(self) -> tuple[PictureRef, ...]:
        """Return references of all bundled emoji, which are opened when they are first needed."""
        refs = tuple(
            PictureRef(f"{_EMOJI}{index}", name, "bundled") for index, name in enumerate(captions())
        )
        for index, ref in enumerate(refs):
            self._defer(ref, partial(emoji_picture, index))
        return refs

    def defer_bundled(self) -> tuple[PictureRef, ...]:
        """Return references of all that ships with the program: photographs, then emoji."""
        return (*map(self.defer_photo, PHOTOS), *self.defer_emoji())

    def get(self, picture_id: str) -> Picture:
        """Return a picture as it is kept, read again from its file where that is needed.

        Raises EngineError if it was never added, or its file has changed or is gone. Reading takes
        a while: the GUI thread asks `peek` first.
        """
        picture = self.peek(picture_id)
        if picture is None:
            known = self._find(picture_id)
            assert known.read is not None  # others are not let go
            picture = known.read(known.side)
            self._learn(picture_id, known, picture)
        return picture

    def peek(self, picture_id: str) -> Picture | None:
        """Return a picture if it is in memory; reads no file."""
        with self._lock:
            if picture_id in self._kept:
                self._kept.move_to_end(picture_id)
            return self._kept.get(picture_id)

    def at_hand(self, picture_id: str) -> Picture | None:
        """Return a picture that is in memory, or bundled and so soon opened; else None."""
        bundled = picture_id.startswith(_BUNDLED) and picture_id in self._known
        return self.get(picture_id) if bundled else self.peek(picture_id)

    def read(self, picture_id: str, max_side: int) -> Picture:
        """Return a picture with its longest side at most `max_side`, 0 for the file's own size.

        It comes from its file, unless what is kept is as good, and is not kept. A pasted picture
        has its own size at most. Raises EngineError as `get` does.
        """
        known, kept = self._find(picture_id), self._glance(picture_id)
        if kept is not None and _as_good(kept, max_side):
            return kept
        if kept is not None and known.side == 0:
            return scaled(kept, max_side)
        assert known.read is not None  # others are not let go
        return known.read(max_side)

    def source(self, picture_id: str, forward: Forward) -> Picture:
        """Return a picture as large as a working size needs it; raises EngineError as `get` does.

        It may be read from its file: not for the GUI thread.
        """
        kept = self.get(picture_id)
        side = side_needed(kept, forward)
        return kept if side is None else self.read(picture_id, side)

    def thumbnail(self, picture_id: str, background: Colour = WHITE) -> Pixels:
        """Return the central square of a picture on a background, uint8 [64, 64, 3].

        Only a bundled picture that was never shown is opened for it. Raises EngineError if the
        picture was never added.
        """
        known = self._find(picture_id)
        if known.thumbnail is None:
            known.thumbnail = _thumbnail(self.get(picture_id))
        return square(known.thumbnail.on(background), THUMBNAIL)

    def squares(
        self,
        pictures: Sequence[PictureRef],
        size: int,
        pad: bool = False,
        background: Colour = WHITE,
        poll: Callable[[], None] = lambda: None,
    ) -> Pixels:
        """Return pictures as a data set of squares, uint8 [N, size, size, 3].

        Each is the central square, or with `pad` the whole picture on a square of `background`,
        which also shows through what is transparent. `poll` is called before each and may raise.
        Raises EngineError as `get` does, and where there are no pictures.
        """
        if not pictures:
            raise EngineError("there are no pictures to learn from: drop some, or choose Emoji")
        data = np.empty((len(pictures), size, size, 3), np.uint8)
        for row, ref in zip(data, pictures, strict=True):
            poll()
            pixels = self._fine_enough(ref.id, size, pad).on(background)
            row[:] = square(padded(fit_within(pixels, size), background) if pad else pixels, size)
        return data

    def _fine_enough(self, picture_id: str, size: int, pad: bool) -> Picture:
        """Return a picture whose square of `size` is not enlarged if that can be.

        What is read for it is not kept: going through a large set once must not push out all that
        is in memory.
        """
        known, kept = self._find(picture_id), self._glance(picture_id)
        if known.read is None:
            assert kept is not None
            return kept
        picture = kept or known.read(known.side)
        if picture.whole or (max if pad else min)(picture.pixels.shape[:2]) >= size:
            return picture
        longest, shortest = max(picture.full_size), min(picture.full_size)
        return known.read(size if pad else math.ceil(size * longest / shortest))

    def _glance(self, picture_id: str) -> Picture | None:
        """Return what is in memory of a picture, which does not count as using it."""
        with self._lock:
            return self._kept.get(picture_id)

    def _find(self, picture_id: str) -> _Known:
        with self._lock:
            if picture_id not in self._known:
                raise EngineError(f"the picture {picture_id} is not loaded; open its file again")
            return self._known[picture_id]

    def _defer(self, ref: PictureRef, open_it: Callable[[], Picture]) -> None:
        with self._lock:
            self._known.setdefault(ref.id, _Known(ref.name, _reader(open_it), MAX_SIDE))

    def _learn(self, picture_id: str, known: _Known, picture: Picture) -> None:
        """Keep a picture, unless it is kept larger, and let go what is over the budget."""
        with self._lock:
            before = self._known.get(picture_id)
            if before is not None and before.side > known.side:
                before.read = known.read  # the file that was there last
                return
            if before is not None and known.read is None:
                known.read = before.read  # a temporary file
            self._known[picture_id] = known
            if picture_id in self._kept:
                self._kept_bytes -= self._kept.pop(picture_id).nbytes
            self._kept[picture_id] = picture
            self._kept_bytes += picture.nbytes
        self._make_room()

    def _make_room(self) -> None:
        """Let go what is over the budget; what is in no file first goes to a temporary one."""
        while (found := self._over_budget()) is not None:
            picture_id, known, picture = found
            with self._making_room:
                try:
                    if known.read is None:
                        known.read = _reader(self._spill.write(picture))
                except OSError as error:
                    known.stays = True
                    self.problem = f"{picture.name}: stays in memory, as there is no room on the "
                    self.problem += f"disk for temporary files ({error.strerror or error})"
            with self._lock:
                kept = self._kept.get(picture_id) is picture
                if kept and self._known[picture_id].read is not None:
                    self._kept_bytes -= self._kept.pop(picture_id).nbytes

    def _over_budget(self) -> tuple[str, _Known, Picture] | None:
        """Return what is to go next: the least recently used, but not the last of all."""
        with self._lock:
            if self._kept_bytes > self._budget:
                for picture_id, picture in islice(self._kept.items(), len(self._kept) - 1):
                    known = self._known[picture_id]
                    if not known.stays:
                        return picture_id, known, picture
            return None


def side_needed(kept: Picture, forward: Forward) -> int | None:
    """Return at which longest side to read a picture for a working size.

    0 stands for its own; None if what is kept is as good, and small enough to be taken at once.
    """
    height, width = kept.pixels.shape[:2]
    if kept.whole:
        return None if max(height * width, padded_side(kept, forward) ** 2) <= LARGE else 0
    needed = forward.size
    if forward.fit is Fit.CROP:
        needed = math.ceil(needed * max(kept.full_size) / min(kept.full_size))
    return needed if needed > max(height, width) or not needed else None


def padded_side(kept: Picture, forward: Forward) -> int:
    """Return the side of the square that a picture is padded to at a working size, 0 for none."""
    longest = max(kept.pixels.shape[:2])
    return min(forward.size or longest, longest) if forward.fit is Fit.PAD else 0


def _as_good(kept: Picture, max_side: int) -> bool:
    """Return whether `kept` is what reading the file at `max_side` would give."""
    longest = max(kept.pixels.shape[:2])
    if kept.whole:
        return max_side == 0 or max_side >= longest
    return max_side == longest


def _reader(read: Callable[[], Picture]) -> Callable[[int], Picture]:
    return lambda max_side: scaled(read(), max_side)


def _thumbnail(picture: Picture) -> Picture:
    """Return the central square, at most 64 wide: small pictures are enlarged when asked for."""
    side, alpha = min(THUMBNAIL, *picture.pixels.shape[:2]), picture.alpha
    if alpha is not None:
        alpha = np.ascontiguousarray(square(alpha[..., None].repeat(3, axis=2), side)[..., 0])
    return Picture(picture.name, square(picture.pixels, side), alpha=alpha)


def _read_again(source: str, name: str, picture_id: str, max_side: int) -> Picture:
    """Read a file that was opened before; raises EngineError if it is another one by now."""
    if not os.path.lexists(source):
        raise EngineError(
            f"{name}: the file is no longer there; put it back or take the picture out of the tray"
        )
    picture = read_picture(source, max_side)
    if picture.digest[:16] != picture_id:
        raise EngineError(f"{name}: the file has changed since it was opened; open it again")
    return picture
