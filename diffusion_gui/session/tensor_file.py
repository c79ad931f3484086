"""Writing a safetensors file piece by piece, for a program that has a window to paint.

The library's own `save` keeps the interpreter's lock while it copies everything into one string: a
training of 7 million parameters stopped the window for 0.3 s and more at each checkpoint. Reading
is left to the library. Imports torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import BinaryIO

import msgspec
import torch
from torch import Tensor

_TYPES = {
    torch.int64: "I64",
    torch.float64: "F64",
    torch.float32: "F32",
    torch.bfloat16: "BF16",
    torch.float16: "F16",
    torch.uint8: "U8",
}
"""Names of the types in the order of their tensors in a file: wider ones first, so that each is
aligned."""
_PLACE = {dtype: place for place, dtype in enumerate(_TYPES)}
_ALIGNED = 8
_PIECE = 4 * 1024**2
"""Bytes written at a time: between two pieces another thread may run."""


def write_tensors(file: BinaryIO, tensors: Mapping[str, Tensor], metadata: dict[str, str]) -> None:
    """Write tensors and strings in the layout of safetensors.

    Eight bytes with the length of the header, the header as JSON padded with spaces, the numbers.
    The file is the library's own, byte for byte.
    """
    named = sorted(tensors.items(), key=lambda item: (_PLACE[item[1].dtype], item[0]))
    header: dict[str, object] = {"__metadata__": metadata}
    end = 0
    for name, value in named:
        begin, end = end, end + value.numel() * value.element_size()
        shape = list(value.shape)
        header[name] = {"dtype": _TYPES[value.dtype], "shape": shape, "data_offsets": [begin, end]}
    text = msgspec.json.encode(header)
    text += b" " * (-len(text) % _ALIGNED)
    file.write(len(text).to_bytes(8, "little") + text)
    for _, value in named:
        if not value.numel():
            continue
        numbers = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
        for start in range(0, len(numbers), _PIECE):
            file.write(numbers[start : start + _PIECE].data)
