"""Tensors are written as the library reads them, and as it writes them itself."""

from __future__ import annotations

import io

import safetensors.torch
import torch

from diffusion_gui.session.tensor_file import write_tensors


def test_the_file_is_byte_for_byte_the_librarys() -> None:
    generator = torch.Generator().manual_seed(0)
    numbers = torch.randn(7, 5, generator=generator)
    tensors = {
        "b": numbers,
        "a.half": numbers[:, :3].contiguous().half(),
        "scalar": torch.tensor(3.5, dtype=torch.float64),
        "words": torch.arange(9),
        "brain": numbers.bfloat16(),
        "empty": torch.zeros(0, 4),
        "turned": numbers.clone(),
    }
    said = {"format": "pt"}
    file = io.BytesIO()
    write_tensors(file, {**tensors, "turned": numbers.T.contiguous().T}, said)
    assert file.getvalue() == safetensors.torch.save(tensors, said)
    read = safetensors.torch.load(file.getvalue())
    for name, value in tensors.items():
        torch.testing.assert_close(read[name], value, rtol=0, atol=0)
