"""Experiments come back out of PNGs, or one line says why not; no stranger's path is opened."""

from __future__ import annotations

import builtins
import io
import json
import os
import struct
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.experiment import (
    PICTURES,
    Experiment,
    Forward,
    PictureRef,
    Sampling,
    Start,
)
from diffusion_gui.engine.forward import Shown
from diffusion_gui.engine.images import Picture, arranged
from diffusion_gui.engine.schedules import MAX_STEPS, ScheduleSpec
from diffusion_gui.session import png_parts
from diffusion_gui.session.export import METADATA_KEY, save_grid, save_png
from diffusion_gui.session.format import View, decode_saved, encode
from diffusion_gui.session.library import labels
from diffusion_gui.session.png_parts import read_carried
from diffusion_gui.session.restore import holds_experiment, read_experiment, renamed

REFS = (PictureRef("one", "Ä 猫.png", "/home/someone/cats/Ä 猫.png"), PictureRef("two", "b.png"))
EXPERIMENT = Experiment(ScheduleSpec("linear", 200), REFS, Forward(32), seed=9)
VIEW = View(77, "one", Shown.NORMALISE)


def _pixels(seed: int = 0, side: int = 8) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)


def _png(path: Path, text: str | None = None, pictures: dict | None = None) -> Path:
    text = encode(EXPERIMENT, VIEW) if text is None else text
    save_png(path, _pixels(3), {METADATA_KEY: text}, pictures or {})
    return path


def _chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I4s", len(content), kind) + content + struct.pack(">I", checksum)


def _with_chunk(path: Path, chunk: bytes) -> Path:
    """Put a chunk before the pixels of a PNG."""
    data = path.read_bytes()
    place = data.index(b"IDAT") - 4
    path.write_bytes(data[:place] + chunk + data[place:])
    return path


# --- there and back -------------------------------------------------------------------------------


def test_experiment_view_and_pictures_come_back(tmp_path: Path) -> None:
    path = _png(tmp_path / "a.png", pictures={"one": _pixels(), "two": _pixels(1)})
    assert holds_experiment(path)
    found = read_experiment(path, {})
    assert found.experiment.seed == 9
    assert found.experiment.schedule == EXPERIMENT.schedule
    assert found.view == VIEW
    assert found.left_out == 0
    assert [ref.name for ref in found.experiment.pictures] == ["Ä 猫.png", "b.png"]
    assert_array_equal(found.pictures["one"].pixels, _pixels())
    assert_array_equal(found.pictures["two"].pixels, _pixels(1))
    with Image.open(path) as image:  # for every other program it is an ordinary picture
        assert_array_equal(np.array(image), _pixels(3))


@given(
    st.lists(st.text(min_size=1, max_size=20), max_size=4, unique=True),
    st.integers(0, 200),
    st.sampled_from(list(Shown)),
    st.none() | st.tuples(*[st.floats(-9, 9, allow_nan=False)] * 2),
)
@settings(max_examples=60)
def test_whatever_is_looked_at_survives_its_text(names, t, shown, span):
    names = [name.encode("utf-8", "replace").decode() for name in names]
    refs = tuple(PictureRef(f"p{i}", name, name) for i, name in enumerate(names))
    view = View(t, refs[0].id if refs else "", shown, span)
    saved = decode_saved(encode(replace(EXPERIMENT, pictures=refs), view))
    assert saved.experiment.pictures == refs
    assert saved.view == view


def test_a_text_without_a_view_has_none() -> None:
    assert "view" not in json.loads(encode(EXPERIMENT))
    assert decode_saved(encode(EXPERIMENT)).view is None


@pytest.mark.parametrize("way", ["tEXt", "zTXt", "iTXt packed"])
def test_texts_are_read_however_another_program_has_kept_them(tmp_path: Path, way: str) -> None:
    info, text = PngInfo(), encode(replace(EXPERIMENT, pictures=()))
    if way.startswith("i"):
        info.add_itxt(METADATA_KEY, text, zip=True)
    else:
        info.add_text(METADATA_KEY, text, zip=way == "zTXt")
    Image.fromarray(_pixels()).save(tmp_path / "a.png", pnginfo=info)
    assert way[:4].encode() in (tmp_path / "a.png").read_bytes()
    assert read_experiment(tmp_path / "a.png", {}).experiment.seed == 9


def test_what_is_loaded_is_preferred_if_it_gives_the_same_pixels(tmp_path: Path) -> None:
    large = Picture("Ä 猫.png", _pixels(5, 64))
    own = PictureRef("one", "Ä 猫.png", "/mine")
    path = _png(tmp_path / "a.png", pictures={"one": arranged(large, 32, "fit"), "two": _pixels(1)})
    found = read_experiment(path, {"one": own}, lambda key, _: {"one": large}.get(key))
    assert found.experiment.pictures[0] is own
    assert set(found.pictures) == {"two"}
    other = Picture("Ä 猫.png", _pixels(6, 64))
    found = read_experiment(path, {"one": own}, lambda key, _: {"one": other}.get(key))
    assert set(found.pictures) == {"one", "two"}


def test_pictures_that_are_nowhere_are_left_out_and_counted(tmp_path: Path) -> None:
    sampling = Sampling(start=Start("three", 5))
    text = encode(replace(EXPERIMENT, sampling=sampling), VIEW)
    found = read_experiment(_png(tmp_path / "a.png", text, {"two": _pixels()}), {})
    assert [ref.id for ref in found.experiment.pictures] == ["two"]
    assert found.experiment.sampling.start is None
    assert found.left_out == 2


def test_a_grid_brings_back_its_data_and_its_start(tmp_path: Path) -> None:
    sampling = Sampling(data=PICTURES, start=Start("two", 5), label="cats")
    experiment = replace(EXPERIMENT, sampling=sampling)
    data = {"one": _pixels(0, 32), "two": _pixels(1, 32)}
    save_grid(tmp_path / "g.png", np.stack([_pixels(2, 32)] * 4), experiment, pictures=data)
    found = renamed(read_experiment(tmp_path / "g.png", {}), {"one": "x", "two": "y"})
    assert [ref.id for ref in found.experiment.pictures] == ["x", "y"]
    assert found.experiment.sampling == replace(sampling, start=Start("y", 5))
    assert labels(found.experiment.pictures) == ("cats", "")
    assert_array_equal(found.pictures["x"].pixels, data["one"])
    assert found.view is None


# --- what a stranger may have written -------------------------------------------------------------


def test_no_path_that_a_file_names_is_kept_or_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "secret.png"
    Image.fromarray(_pixels(4)).save(secret)
    refs = (
        PictureRef("one", str(secret), str(secret)),
        PictureRef("two", "..\\..\\b.png", "C:\\Users\\me\\cats\\b.png"),
    )
    path = _png(tmp_path / "a.png", encode(replace(EXPERIMENT, pictures=refs)), {"two": _pixels()})
    opened: list[str] = []

    def watched(real):
        def call(file, *args, **kwargs):
            opened.append(str(file))
            return real(file, *args, **kwargs)

        return call

    for owner, name in ((builtins, "open"), (io, "open"), (os, "open"), (os, "stat")):
        monkeypatch.setattr(owner, name, watched(getattr(owner, name)))
    found = read_experiment(path, {})
    monkeypatch.undo()
    assert set(opened) == {str(path)}
    (ref,) = found.experiment.pictures
    assert ref.name == "b.png"
    assert not Path(ref.source).is_absolute()
    assert labels((ref,)) == ("cats",)
    assert found.left_out == 1


def _json(**changes: object) -> str:
    raw = json.loads(encode(EXPERIMENT, VIEW))
    for path, value in changes.items():
        *way, last = path.split("__")
        place = raw
        for key in way:
            place = place[key]
        place[last] = value
    return json.dumps(raw)


DAMAGED = {
    "not json": "{",
    "empty": "",
    "deep": "[" * 100_000,
    "other format": _json(format="other/1"),
    "newer": _json(format="diffusion-gui/2"),
    "T": _json(experiment__schedule__T=10**9),
    "t": _json(view__t=10**9),
    "t below": _json(view__t=-1),
    "size": _json(experiment__forward__size=10**9),
    "shown": _json(view__shown="x"),
    "key": _json(view__x=1),
    "type": _json(experiment__seed="7"),
    "points": _json(experiment__schedule__betas=[0.1] * (MAX_STEPS + 1)),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_experiment_is_one_line(tmp_path: Path, name: str) -> None:
    path = _png(tmp_path / "a.png", DAMAGED[name])
    with pytest.raises(EngineError) as caught:
        read_experiment(path, {})
    line = str(caught.value)
    assert line.startswith("a.png: ")
    assert "\n" not in line
    assert len(line) < 400


def test_a_text_bomb_is_refused_unpacked(tmp_path: Path) -> None:
    bomb = zlib.compress(b"[" * (png_parts.MOST_TEXT + 1), 9)
    path = tmp_path / "a.png"
    Image.fromarray(_pixels()).save(path)
    _with_chunk(path, _chunk(b"zTXt", METADATA_KEY.encode() + b"\0\0" + bomb))
    assert path.stat().st_size < 50_000
    assert read_carried(path, (METADATA_KEY,)).texts == {}
    with pytest.raises(EngineError, match="holds no experiment, or a damaged one"):
        read_experiment(path, {})


def _bomb(side: int) -> bytes:
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    parts = _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(b"\0" * 99))
    return _chunk(b"dgPc", b"one\0\x89PNG\r\n\x1a\n" + parts)


def test_a_picture_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = _with_chunk(_png(tmp_path / "a.png"), _bomb(11_000))
    with pytest.raises(EngineError, match="its pictures have over 100 megapixels"):
        read_experiment(path, {})
    path = _with_chunk(_png(tmp_path / "b.png"), _bomb(40_000))  # beyond what Pillow opens
    assert read_experiment(path, {}).left_out == 2


def test_many_pictures_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(png_parts, "MOST_PICTURES", 3)
    path = _png(tmp_path / "a.png", pictures={f"p{i}": _pixels() for i in range(4)})
    with pytest.raises(EngineError, match="carries over 3 pictures"):
        read_carried(path)
    assert len(png_parts.portable({f"p{i}": _pixels() for i in range(4)})) == 3


@pytest.mark.parametrize("content", [b"", b"one", b"one\0", b"one\0nonsense", b"\0" + b"x" * 9])
def test_a_damaged_picture_is_left_out(tmp_path: Path, content: bytes) -> None:
    path = _with_chunk(_png(tmp_path / "a.png"), _chunk(b"dgPc", content))
    found = read_experiment(path, {})
    assert found.left_out == 2
    assert not found.pictures


def test_a_broken_checksum_is_not_believed(tmp_path: Path) -> None:
    path = _png(tmp_path / "a.png", pictures={"one": _pixels()})
    data = bytearray(path.read_bytes())
    data[data.index(b"dgPc") + 60] ^= 1
    path.write_bytes(data)
    assert read_experiment(path, {}).left_out == 2


@given(place=st.floats(0, 1), byte=st.integers(0, 255), cut=st.booleans())
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_damaged_is_an_error_of_one_line_or_no_harm(tmp_path, place, byte, cut):
    path = tmp_path / "a.png"
    _png(path, pictures={"one": _pixels(), "two": _pixels(1)})
    data = bytearray(path.read_bytes())
    at = int(place * (len(data) - 1))
    data[at] = byte
    path.write_bytes(data[:at] if cut else data)
    try:
        found = read_experiment(path, {})
    except EngineError as error:
        assert "\n" not in str(error)  # noqa: PT017
    else:
        assert found.experiment.schedule == EXPERIMENT.schedule


@pytest.mark.parametrize("content", [b"", b"GIF89a", b"\x89PNG\r\n\x1a\n", b"\x89PNG"])
def test_other_files_hold_no_experiment(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.png").write_bytes(content)
    assert not holds_experiment(tmp_path / "a.png")
    assert not holds_experiment(tmp_path)
    assert not holds_experiment(tmp_path / "none.png")


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.png")
    assert not holds_experiment(tmp_path / "a.png")
