"""Masks by hand: which pixels of a picture are kept, as a short text. NumPy only."""

from __future__ import annotations

import base64
import binascii
import zlib

import numpy as np
from numpy.typing import NDArray

from diffusion_gui.engine.errors import EngineError

MASK_SIDE = 64
"""A mask is drawn on so many pixels a side, whatever the size of the model's pictures."""

Mask = NDArray[np.bool_]


def encode(mask: Mask) -> str:
    """Return a mask [64, 64], true where the picture is kept, as text that `decode` reads."""
    return base64.b64encode(zlib.compress(np.packbits(mask).tobytes(), 9)).decode()


def decode(text: str) -> Mask:
    """Return the mask in `text`; raises EngineError where it is none."""
    size = MASK_SIDE * MASK_SIDE // 8
    try:
        unpacker = zlib.decompressobj()
        raw = unpacker.decompress(base64.b64decode(text, validate=True), size + 1)
    except (binascii.Error, zlib.error, ValueError):
        raw = b""
    if len(raw) != size or not unpacker.eof:
        raise EngineError("the mask cannot be read; paint it again")
    bits = np.unpackbits(np.frombuffer(raw, np.uint8))
    return bits.reshape(MASK_SIDE, MASK_SIDE).astype(bool)


def at_size(mask: Mask, size: int) -> Mask:
    """Return a mask for pictures of `size` pixels a side; a pixel is kept where its centre is."""
    centres = ((np.arange(size) + 0.5) * MASK_SIDE / size).astype(int)
    return mask[np.ix_(centres, centres)]


def stroke(
    mask: Mask, start: tuple[float, float], end: tuple[float, float], radius: float, value: bool
) -> Mask:
    """Return a mask [64, 64] painted with a round brush from `start` to `end`, (x, y) in cells.

    A cell is painted where its middle lies within `radius` of the line; the cells under both ends
    are, however small the brush.
    """
    y, x = np.indices(mask.shape) + 0.5
    way = np.subtract(end, start)
    length = max(float(way @ way), 1e-12)
    along = np.clip(((x - start[0]) * way[0] + (y - start[1]) * way[1]) / length, 0.0, 1.0)
    away = np.hypot(x - start[0] - along * way[0], y - start[1] - along * way[1])
    painted = np.where(away <= radius, value, mask)
    for column, row in (start, end):
        if 0.0 <= column < MASK_SIDE and 0.0 <= row < MASK_SIDE:
            painted[int(row), int(column)] = value
    return painted


def rectangle(
    mask: Mask, corner: tuple[float, float], other: tuple[float, float], value: bool
) -> Mask:
    """Return a mask [64, 64] filled between two corners, (x, y) in cells; all cells touched are."""
    (left, right), (top, bottom) = (sorted(pair) for pair in zip(corner, other, strict=True))
    painted = mask.copy()
    rows = slice(max(int(np.floor(top)), 0), max(int(np.floor(bottom)) + 1, 0))
    columns = slice(max(int(np.floor(left)), 0), max(int(np.floor(right)) + 1, 0))
    painted[rows, columns] = value
    return painted
