"""Picture sets: the bundled emoji and photographs, and the user's own folders."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.experiment import PictureRef
from diffusion_gui.engine.images import Picture, Pixels, read_picture, square
from diffusion_gui.session.resources import resource

PHOTOS = ("chelsea.png", "astronaut.png", "hubble_deep_field.jpg")
THUMBNAIL = 64
"""Side of a thumbnail in pixels."""
_CELL = 64
_COLUMNS = 38
_atlas_lock = threading.Lock()


def photo(name: str) -> Picture:
    """Open the central square of a bundled photograph, by file name."""
    picture = read_picture(resource("photos", name))
    return Picture(name, square(picture.pixels, min(picture.pixels.shape[:2])))


@lru_cache(maxsize=1)
def captions() -> tuple[str, ...]:
    """Return the CLDR names of the bundled emoji, in order, e.g. "grinning face"."""
    rows = json.loads(resource("emoji", "captions.json").read_text(encoding="utf-8"))
    return tuple(row["name"] for row in rows)


def labels(pictures: Iterable[PictureRef]) -> tuple[str, ...]:
    """Return the class of each picture: the name of the folder it came from, if any."""
    return tuple(Path(ref.source).parent.name if ref.source else "" for ref in pictures)


def emoji(size: int = 32) -> Pixels:
    """Return the bundled emoji on white, uint8 [1377, size, size, 3], read-only, `size` in 1..64.

    Sizes below 64 are averaged down (box filter). Raises EngineError for other sizes.
    """
    if not 1 <= size <= _CELL:
        raise EngineError(
            f"the emoji are {_CELL} x {_CELL}; size must be in 1..{_CELL}, got {size}"
        )
    with _atlas_lock:
        return _emoji(size)


@lru_cache(maxsize=3)
def _emoji(size: int) -> Pixels:
    with Image.open(resource("emoji", "atlas.webp"), formats=("WEBP",)) as file:
        image = file.convert("RGB")
    width, height = image.size
    if size < _CELL:
        shape = (width // _CELL * size, height // _CELL * size)
        image = image.resize(shape, Image.Resampling.BOX)
    atlas = np.asarray(image)
    rows = atlas.shape[0] // size
    cells = atlas.reshape(rows, size, _COLUMNS, size, 3).swapaxes(1, 2)
    pictures = cells.reshape(-1, size, size, 3)[: len(captions())]
    pictures = np.ascontiguousarray(pictures)
    pictures.flags.writeable = False  # it is cached, and shared by all callers
    return pictures


class PictureStore:
    """The pixels behind `PictureRef`s, by content: the same picture twice is stored once."""

    def __init__(self) -> None:
        self._pictures: dict[str, Picture] = {}
        self._deferred: dict[str, str] = {}

    def add(self, picture: Picture, source: str = "") -> PictureRef:
        """Keep a picture and return its reference."""
        digest = hashlib.sha256(picture.pixels.tobytes())
        digest.update(str(picture.pixels.shape).encode())
        ref = PictureRef(digest.hexdigest()[:16], picture.name, source)
        self._pictures[ref.id] = picture
        return ref

    def defer_photo(self, name: str) -> PictureRef:
        """Return the reference of a bundled photograph, which is opened when it is first needed."""
        ref = PictureRef(f"photo-{Path(name).stem}", name, "bundled")
        self._deferred[ref.id] = name
        return ref

    def defer_emoji(self) -> tuple[PictureRef, ...]:
        """Return references of all bundled emoji, which are opened when they are first needed."""
        refs = tuple(
            PictureRef(f"emoji-{index}", name, "bundled") for index, name in enumerate(captions())
        )
        self._deferred.update({ref.id: ref.name for ref in refs})
        return refs

    def thumbnail(self, picture_id: str) -> Pixels:
        """Return the central square of a picture, uint8 [64, 64, 3]."""
        return square(self.get(picture_id).pixels, THUMBNAIL)

    def get(self, picture_id: str) -> Picture:
        """Return a picture; raises EngineError if it was never added."""
        if picture_id in self._deferred and picture_id not in self._pictures:
            self._pictures[picture_id] = self._bundled(picture_id)
        if picture_id not in self._pictures:
            raise EngineError(f"the picture {picture_id} is not loaded; open its file again")
        return self._pictures[picture_id]

    def _bundled(self, picture_id: str) -> Picture:
        kind, _, index = picture_id.partition("-")
        name = self._deferred[picture_id]
        return Picture(name, emoji(_CELL)[int(index)]) if kind == "emoji" else photo(name)

    def squares(self, pictures: tuple[PictureRef, ...], size: int) -> Pixels:
        """Return the central squares of pictures as a data set, uint8 [N, size, size, 3]."""
        if not pictures:
            raise EngineError("there are no pictures to sample from; drop some, or choose Emoji")
        return np.stack([square(self.get(ref.id).pixels, size) for ref in pictures])
