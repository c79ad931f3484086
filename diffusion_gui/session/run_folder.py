"""Many files of one run in a folder: what each carries, how much room they take. No Qt, no torch.

The pictures that a run takes in may be many times as large as its own. Where copies in every file
would be too much, one more file carries them for all: a sheet of the run. Dropped on the program it
brings the run back; of the others the settings come back, and so does the run where its pictures
are loaded already.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.images import Pixels
from diffusion_gui.engine.numerals import size
from diffusion_gui.session.export import png_bytes
from diffusion_gui.session.files import AnyPath, free_bytes
from diffusion_gui.session.numbered import check_folder, write_all
from diffusion_gui.session.png_parts import png_info
from diffusion_gui.session.watch import Watch

MOST_CARRIED = 256 * 1024
"""Bytes of pictures that each of many files may carry."""
MOST_COPIES = 8 * 1024**2
"""Bytes of those of all files together."""
_SAMPLE = 256
"""Side in pixels of what is packed to tell the size of a picture."""
_TRIED = 5
"""Files whose size tells that of all."""


@dataclass(frozen=True, slots=True, eq=False)
class Folder:
    """Files of one run: `draw(i)` returns the pixels of `names[i]`.

    `whole()` returns those of the file called `keeper`, which is made only where it is needed.
    """

    names: Sequence[str]
    draw: Callable[[int], Pixels]
    keeper: str
    whole: Callable[[], Pixels]


@dataclass(frozen=True, slots=True)
class Written:
    """How many files were written; `keeper` is the one that carries the pictures for all."""

    files: int
    keeper: str = ""


def carried_by_each(nbytes: float, files: int) -> bool:
    """Return whether each of so many files carries pictures of `nbytes` bytes, packed."""
    return nbytes <= MOST_CARRIED and nbytes * files <= MOST_COPIES


def expected_bytes(pixels: Pixels) -> float:
    """Return about how many bytes a PNG of `pixels` takes, from its middle alone."""
    height, width = pixels.shape[:2]
    top, left = max(height - _SAMPLE, 0) // 2, max(width - _SAMPLE, 0) // 2
    middle = np.ascontiguousarray(pixels[top : top + _SAMPLE, left : left + _SAMPLE])
    return len(png_bytes(middle, {}, {})) * (height * width) / (middle.shape[0] * middle.shape[1])


def write_folder(
    folder: AnyPath,
    files: Folder,
    texts: Mapping[str, str],
    pictures: Mapping[str, Pixels],
    watch: Watch,
) -> Written:
    """Write the files, each with `texts`; all of them or none.

    Raises EngineError where one is there already, the folder cannot be written to, or the disk has
    no room for them.
    """
    full = png_info(texts, pictures, packed=True)
    carried = sum(len(chunk[1]) for chunk in full.chunks[len(texts) :])
    apart = not carried_by_each(carried, len(files.names))
    info = png_info(texts, {}, packed=True) if apart else full
    names = [*files.names, files.keeper] if apart else [*files.names]
    check_folder(folder, names)
    _check_room(folder, files, info, carried if apart else 0, watch)

    def write(index: int, file: BinaryIO) -> None:
        if index < len(files.names):
            _png(file, files.draw(index), info)
        else:
            _png(file, files.whole(), full)

    write_all(folder, names, write, watch.poll, watch.progress)
    return Written(len(names), files.keeper if apart else "")


def _check_room(folder: AnyPath, files: Folder, info: PngInfo, apart: int, watch: Watch) -> None:
    """Raise EngineError where the disk has no room for the files, and `apart` bytes more."""
    count = len(files.names)
    tried = sorted({round(i * (count - 1) / (_TRIED - 1)) for i in range(_TRIED)})
    each = 0.0
    for index in tried:
        watch.poll()
        each += expected_bytes(files.draw(index)) / len(tried)
    each += sum(len(chunk[1]) for chunk in info.chunks)
    need, free = each * count + apart, free_bytes(folder)
    if need > free:
        raise EngineError(
            f"{folder}: {count} files of about {size(each)} take {size(need)}, and {size(free)} are"
            " free there; choose fewer pictures or steps, a smaller size, or another folder"
        )


def _png(file: BinaryIO, pixels: Pixels, info: PngInfo) -> None:
    Image.fromarray(pixels).save(file, format="PNG", pnginfo=info)
