"""Picture sets: the bundled emoji and photographs, the user's own folders, and their pixels.

`PictureStore` holds the pixels behind the pictures of an experiment in bounded memory.
"""

from __future__ import annotations

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
_CELL = 64
_COLUMNS = 38
_atlas_lock = threading.Lock()


def photo(name: str) -> Picture:
    """Open the central square of a bundled photograph, by file name."""
    picture = read_picture(resource("photos", name))
    return Picture(name, square(picture.pixels, min(picture.pixels.shape[:2])))


def emoji_picture(index: int) -> Picture:
    """Return one of the bundled emoji, 64 x 64, by its place in the set."""
    return Picture(captions()[index], emoji(_CELL)[index])


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
