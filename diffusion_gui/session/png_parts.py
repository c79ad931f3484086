"""What a PNG carries besides its own pixels: texts, and whole pictures in private chunks.

A chunk `dgPc` is the id of a picture, a zero byte, and the picture as a PNG. Its letters say:
ancillary, private, safe to copy. Standard library and Pillow; nothing here trusts a file: every
length is checked against the file and against a budget before anything is read or unpacked.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.images import Pixels
from diffusion_gui.session.files import AnyPath

PICTURE_CHUNK = b"dgPc"
MOST_PICTURES = 2000
MOST_PIXELS = 100_000_000
"""Pixels of all carried pictures together: 300 MB unpacked."""
MOST_TEXT = 16 * 1024**2
"""Bytes of all texts that are read, unpacked."""
_MOST_CHUNKS, _MOST_LOOKED_AT = 100_000, 1000
"""Chunks that are passed in reading a PNG, and in a look at what it holds."""
_MOST_PACKED = 512 * 1024**2
"""Bytes of a carried picture's chunk."""
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_LONGEST_ID = 64
_LONGEST_KEY = 79
"""Bytes of a text's key, as PNG has it."""
_TEXTS = (b"tEXt", b"zTXt", b"iTXt")


@dataclass(slots=True)
class Carried:
    """What was found in a PNG: texts by key, its pictures uint8 [H, W, 3] by id."""

    texts: dict[str, str] = field(default_factory=dict)
    pictures: dict[str, Pixels] = field(default_factory=dict)
    damaged: int = 0
    """Pictures that are in the file but cannot be read."""


def portable(pictures: Mapping[str, Pixels]) -> dict[str, Pixels]:
    """Return as many of `pictures`, in order, as a PNG may carry."""
    kept: dict[str, Pixels] = {}
    room = MOST_PIXELS
    for picture_id, pixels in pictures.items():
        room -= pixels.size // 3
        if room < 0 or len(kept) == MOST_PICTURES:
            break
        kept[picture_id] = pixels
    return kept


def png_info(
    texts: Mapping[str, str], pictures: Mapping[str, Pixels], packed: bool = False
) -> PngInfo:
    """Return texts and pictures as Pillow writes them into a PNG, pictures behind the pixels.

    `packed` texts are smaller, and no longer legible in the file as it lies. Raises EngineError
    for more text than would be read again.
    """
    size = sum(len(value.encode()) for value in texts.values())
    if size > MOST_TEXT:
        raise EngineError(
            f"what is told of this run, and of those that it forks from, takes {size / 1e6:.0f} MB:"
            f" a picture carries {MOST_TEXT / 1e6:.0f} MB at most; fork an earlier run, or sample"
            " over fewer pictures"
        )
    info = PngInfo()
    for key, value in texts.items():
        info.add_itxt(key, value, zip=packed)
    for picture_id, pixels in pictures.items():
        content = io.BytesIO()
        Image.fromarray(pixels).save(content, format="PNG")
        info.add(PICTURE_CHUNK, picture_id.encode() + b"\0" + content.getvalue(), after_idat=True)
    return info


def read_carried(source: AnyPath | bytes, keys: Collection[str] = ()) -> Carried:
    """Return the texts under `keys` and the pictures in a PNG; damaged ones are left out.

    `source` is a file or its bytes.

    Other texts are not unpacked. All that are take `MOST_TEXT` bytes together: those beyond count
    as damaged. Raises EngineError if the file is no PNG or carries more than this program writes,
    OSError if it cannot be read.
    """
    carried, room, text_room = Carried(), MOST_PIXELS, MOST_TEXT
    with _opened(source) as file:
        for kind, content in _chunks(file, keys):
            if kind != PICTURE_CHUNK:
                found = _text(kind, content, text_room)
                if found is not None:
                    carried.texts[found.key] = found.value
                    text_room -= found.size
                continue
            if len(carried.pictures) + carried.damaged >= MOST_PICTURES:
                raise EngineError(f"it carries over {MOST_PICTURES} pictures")
            picture = _picture(content, room)
            if picture is None:
                carried.damaged += 1
            else:
                carried.pictures[picture[0]] = picture[1]
                room -= picture[1].size // 3
    return carried


def holds_text(source: AnyPath | bytes, key: str) -> bool:
    """Return whether one of the first chunks of a PNG, before its pixels, is a text under `key`.

    The text itself is not read. Raises EngineError if the file is no PNG, OSError if it cannot be
    read.
    """
    wanted = key.encode("latin-1") + b"\0"
    with _opened(source) as file:
        return any(
            kind in _TEXTS and length >= len(wanted) and file.read(len(wanted)) == wanted
            for kind, length in _heads(file, b"IDAT", _MOST_LOOKED_AT)
        )


def _opened(source: AnyPath | bytes) -> BinaryIO:
    return io.BytesIO(source) if isinstance(source, bytes) else Path(source).open("rb")


def _heads(file: BinaryIO, until: bytes, most: int) -> Iterator[tuple[bytes, int]]:
    """Yield kind and length of up to `most` chunks of a PNG before the first one `until`.

    Meanwhile `file` stands at the chunk's content, which is whole.
    """
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    if file.read(len(_SIGNATURE)) != _SIGNATURE:
        raise EngineError("it is not a PNG")
    for _ in range(most):
        head = file.read(8)
        if len(head) < 8:
            return
        length, kind = struct.unpack(">I4s", head)
        end = file.tell() + length + 4
        if kind in (until, b"IEND") or end > size:
            return
        yield kind, length
        file.seek(end)


def _chunks(file: BinaryIO, keys: Collection[str]) -> Iterator[tuple[bytes, bytes]]:
    """Yield the pictures and the texts under `keys` whose checksums are right, packed."""
    wanted = tuple(key.encode("latin-1") + b"\0" for key in keys)
    for kind, length in _heads(file, b"IEND", _MOST_CHUNKS):
        if kind in _TEXTS and length <= MOST_TEXT:
            start = file.read(min(length, _LONGEST_KEY + 1))
            if not start.startswith(wanted):
                continue
        elif kind == PICTURE_CHUNK and length <= _MOST_PACKED:
            start = b""
        else:
            continue
        content, checksum = start + file.read(length - len(start)), file.read(4)
        if zlib.crc32(kind + content) == int.from_bytes(checksum):
            yield kind, content


@dataclass(frozen=True, slots=True)
class _Text:
    key: str
    value: str
    size: int
    """Bytes, unpacked."""


def _text(kind: bytes, content: bytes, room: int) -> _Text | None:
    """Return a text chunk, None if it is damaged or larger than `room` bytes."""
    key, _, rest = content.partition(b"\0")
    encoding, packed = "latin-1", kind == b"zTXt"
    try:
        if kind == b"zTXt":
            rest = rest[1:]
        elif kind == b"iTXt":
            encoding, packed = "utf-8", rest[:1] == b"\1"
            rest = rest[2:].split(b"\0", 2)[2]  # behind the language and the translated key
        data = _unpacked(rest, room) if packed else rest
        if len(data) > room:
            return None
        return _Text(key.decode("latin-1"), data.decode(encoding), len(data))
    except (UnicodeError, IndexError, zlib.error):
        return None


def _unpacked(data: bytes, room: int) -> bytes:
    """Return `data` unpacked; raises zlib.error if that is more than `room` bytes."""
    unpacker = zlib.decompressobj()
    text = unpacker.decompress(data, room + 1)
    if len(text) > room:
        raise zlib.error
    return text


def _picture(content: bytes, room: int) -> tuple[str, Pixels] | None:
    """Return (id, pixels) of a carried picture, None if it is damaged.

    Raises EngineError if it is larger than `room` pixels.
    """
    name, _, data = content.partition(b"\0")
    try:
        picture_id = name[: _LONGEST_ID + 1].decode()
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            _check_room(image.width * image.height, room)
            pixels = np.array(image.convert("RGB"))
    except EngineError:
        raise
    except Exception:  # decoders raise anything on damaged data: OSError, struct.error, zlib.error
        return None
    return (picture_id, pixels) if 0 < len(picture_id) <= _LONGEST_ID else None


def _check_room(pixels: int, room: int) -> None:
    if pixels > room:
        raise EngineError(f"its pictures have over {MOST_PIXELS // 10**6} megapixels")
