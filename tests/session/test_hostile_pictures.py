"""A stranger's PNG takes little memory and time, whatever it says about itself."""

from __future__ import annotations

import json
import struct
import tracemalloc
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.experiment import Experiment, Forward, PictureRef
from diffusion_gui.engine.images import Picture
from diffusion_gui.session import png_parts
from diffusion_gui.session.export import METADATA_KEY, save_png
from diffusion_gui.session.format import decode, encode
from diffusion_gui.session.png_parts import holds_text, read_carried
from diffusion_gui.session.restore import holds_experiment, read_experiment

BOMB = zlib.compress(b" " * png_parts.MOST_TEXT, 9)
KEY = METADATA_KEY.encode()


def _chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I4s", len(content), kind) + content + struct.pack(">I", checksum)


def _png(path: Path, *chunks: bytes) -> Path:
    """Write a PNG of one pixel with `chunks` before it."""
    header = _chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0))
    pixel = _chunk(b"IDAT", zlib.compress(b"\0abc"))
    parts = (b"\x89PNG\r\n\x1a\n", header, *chunks, pixel, _chunk(b"IEND", b""))
    path.write_bytes(b"".join(parts))
    return path


@pytest.fixture
def unpacked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that grows by the size of every text that is unpacked."""
    sizes: list[int] = []
    real = png_parts._unpacked

    def counted(*args: object) -> bytes:
        data = real(*args)
        sizes.append(len(data))
        return data

    monkeypatch.setattr(png_parts, "_unpacked", counted)
    return sizes


@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt"])
def test_texts_of_other_programs_are_not_unpacked(
    tmp_path: Path, unpacked: list[int], kind: bytes
) -> None:
    head = b"\0\0" if kind == b"zTXt" else b"\0\1\0\0\0"
    others = [_chunk(kind, b"k%d" % i + head + BOMB) for i in range(20)]
    own = _chunk(kind, KEY + head + zlib.compress(encode(Experiment()).encode()))
    path = _png(tmp_path / "a.png", *others, own)
    tracemalloc.start()
    try:
        assert holds_experiment(path)
        assert read_experiment(path, {}).experiment == Experiment()
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()
    assert sum(unpacked) == len(encode(Experiment()).encode())


def test_all_texts_together_have_one_budget(tmp_path: Path, unpacked: list[int]) -> None:
    path = _png(tmp_path / "a.png", *[_chunk(b"zTXt", KEY + b"\0\0" + BOMB)] * 20)
    assert len(read_carried(path, (METADATA_KEY,)).texts[METADATA_KEY]) == png_parts.MOST_TEXT
    assert unpacked == [png_parts.MOST_TEXT]
    large = _chunk(b"tEXt", KEY + b"\0" + b" " * (png_parts.MOST_TEXT - len(KEY) - 1))
    _png(path, _chunk(b"zTXt", KEY + b"\0\0" + zlib.compress(b"{}" * 99)), large)
    assert read_carried(path, (METADATA_KEY,)).texts[METADATA_KEY] == "{}" * 99


def test_a_look_at_what_a_file_holds_reads_no_text(
    tmp_path: Path, unpacked: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _png(tmp_path / "a.png", _chunk(b"zTXt", KEY + b"\0\0" + BOMB))
    assert holds_experiment(path)
    assert not holds_text(path, METADATA_KEY + "-schedule")
    assert not holds_text(path, METADATA_KEY[:-1])
    assert unpacked == []
    heads = Counter()
    real = struct.unpack

    def counted(form: str, data: bytes) -> tuple:
        heads[form] += 1
        return real(form, data)

    _png(path, *[_chunk(b"tEXt", b"k\0v")] * 50_000)
    monkeypatch.setattr(png_parts.struct, "unpack", counted)
    assert not holds_experiment(path)
    assert heads.total() <= 1000


def test_many_settings_are_compared_once_each() -> None:
    raw = json.loads(encode(Experiment()))
    names = [f"a{i}" for i in range(200_000)]  # each with each would take half an hour
    raw["experiment"]["sampling"]["params"] = [[name, 0] for name in names]
    with pytest.raises(EngineError, match="has no parameter 'a0'"):
        decode(json.dumps(raw))
    raw["experiment"]["sampling"]["params"].append(["a7", 1])
    with pytest.raises(EngineError, match="params: a7 is given twice; keep one of them"):
        decode(json.dumps(raw))


def test_references_with_one_id_are_one_picture_and_compared_once(tmp_path: Path) -> None:
    pixels = np.full((4, 4, 3), 7, np.uint8)
    refs = tuple(PictureRef("one", f"{i}.png") for i in range(5000))
    twice = (PictureRef("two", "a.png"), PictureRef("two", "b.png"), PictureRef("gone", "c.png"))
    experiment = Experiment(pictures=refs + twice, forward=Forward(0))
    path, carried = tmp_path / "a.png", {"one": pixels, "two": pixels}
    save_png(path, pixels, {METADATA_KEY: encode(experiment)}, carried)
    asked: list[str] = []

    def loaded(picture_id: str, forward: Forward) -> Picture:
        asked.append(picture_id)
        return Picture("mine.png", pixels)

    mine = PictureRef("one", "mine.png", "/mine.png")
    found = read_experiment(path, {"one": mine}, loaded)
    assert asked == ["one"]
    assert found.experiment.pictures == (mine, PictureRef("two", "a.png"))
    assert found.left_out == 1
