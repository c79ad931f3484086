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
