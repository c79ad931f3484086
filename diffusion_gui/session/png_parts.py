"""What a PNG carries besides its own pixels: texts, and whole pictures in private chunks.

A chunk `dgPc` is the id of a picture, a zero byte, and the picture as a PNG. Its letters say:
ancillary, private, safe to copy. Standard library and Pillow; nothing here trusts a file: every
length is checked against the file and against a budget before anything is read or unpacked.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator, Mapping
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
"""Bytes of a text, unpacked."""
_MOST_CHUNKS = 100_000
_MOST_PACKED = 512 * 1024**2
"""Bytes of a carried picture's chunk."""
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_LONGEST_ID = 64


@dataclass(slots=True)
class Carried:
    """What was found in a PNG: its texts by key, its pictures uint8 [H, W, 3] by id."""

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


def png_info(texts: Mapping[str, str], pictures: Mapping[str, Pixels]) -> PngInfo:
    """Return texts and pictures as Pillow writes them into a PNG, pictures behind the pixels."""
    info = PngInfo()
    for key, value in texts.items():
        info.add_itxt(key, value)
    for picture_id, pixels in pictures.items():
        content = io.BytesIO()
        Image.fromarray(pixels).save(content, format="PNG")
        info.add(PICTURE_CHUNK, picture_id.encode() + b"\0" + content.getvalue(), after_idat=True)
    return info


def read_carried(source: AnyPath | bytes) -> Carried:
    """Return the texts and pictures in a PNG, a file or its bytes; damaged ones are left out.

    Raises EngineError if the file is no PNG or carries more than this program writes, OSError if it
    cannot be read.
    """
    carried, room = Carried(), MOST_PIXELS
    with _opened(source) as file:
        for kind, content in _chunks(file, {b"tEXt", b"zTXt", b"iTXt", PICTURE_CHUNK}):
            if kind != PICTURE_CHUNK:
                carried.texts.update(_text(kind, content))
                continue
            if len(carried.pictures) + carried.damaged >= MOST_PICTURES:
                raise EngineError(f"it carries over {MOST_PICTURES} pictures")
            found = _picture(content, room)
            if found is None:
                carried.damaged += 1
            else:
                carried.pictures[found[0]] = found[1]
                room -= found[1].size // 3
    return carried


def read_texts(source: AnyPath | bytes) -> dict[str, str]:
    """Return the texts before the pixels of a PNG, a file or its bytes, without reading the pixels.

    Raises EngineError if the file is no PNG, OSError if it cannot be read.
    """
    texts: dict[str, str] = {}
    with _opened(source) as file:
        for kind, content in _chunks(file, {b"tEXt", b"zTXt", b"iTXt"}, until=b"IDAT"):
            texts.update(_text(kind, content))
    return texts


def _opened(source: AnyPath | bytes) -> BinaryIO:
    return io.BytesIO(source) if isinstance(source, bytes) else Path(source).open("rb")


def _chunks(
    file: BinaryIO, wanted: set[bytes], until: bytes = b"IEND"
) -> Iterator[tuple[bytes, bytes]]:
    """Yield the wanted chunks of a PNG whose checksums are right, up to the first one `until`."""
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    if file.read(len(_SIGNATURE)) != _SIGNATURE:
        raise EngineError("it is not a PNG")
    for _ in range(_MOST_CHUNKS):
        head = file.read(8)
        if len(head) < 8:
            return
        length, kind = struct.unpack(">I4s", head)
        if kind in (until, b"IEND") or length > size - file.tell() - 4:
            return
        if kind not in wanted or length > (_MOST_PACKED if kind == PICTURE_CHUNK else MOST_TEXT):
            file.seek(length + 4, io.SEEK_CUR)
            continue
        content, checksum = file.read(length), file.read(4)
        if zlib.crc32(kind + content) == int.from_bytes(checksum):
            yield kind, content


def _text(kind: bytes, content: bytes) -> dict[str, str]:
    """Return a text chunk as {key: text}, {} if it is damaged."""
    key, _, rest = content.partition(b"\0")
    try:
        name = key.decode("latin-1")
        if kind == b"tEXt":
            return {name: rest.decode("latin-1")}
        if kind == b"zTXt":
            return {name: _unpacked(rest[1:]).decode("latin-1")}
        packed, rest = rest[:1] == b"\1", rest[2:]
        text = rest.split(b"\0", 2)[2]  # behind the language and the translated key
        return {name: (_unpacked(text) if packed else text).decode()}
    except (UnicodeError, IndexError, zlib.error):
        return {}


def _unpacked(data: bytes) -> bytes:
    """Return `data` unpacked; raises zlib.error if that is more than `MOST_TEXT` bytes."""
    unpacker = zlib.decompressobj()
    text = unpacker.decompress(data, MOST_TEXT)
    if unpacker.unconsumed_tail:
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
