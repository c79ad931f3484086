"""Pictures that cannot be opened or shown in full: what is said then, and how they come back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pytestqt.qtbot import QtBot

from diffusion_gui.app.parts import Parts
from diffusion_gui.app.scenes import scene_on_show
from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.images import Picture, Pixels
from diffusion_gui.session.forward_export import save_frame
from diffusion_gui.state import forward_preview


def _pixels(height: int, width: int) -> Pixels:
    return np.random.default_rng(9).integers(0, 256, (height, width, 3), np.uint8)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a picture of 300 x 400 pixels."""
    path = tmp_path / "away.png"
    Image.fromarray(_pixels(300, 400)).save(path)
    return path


def _out_of_memory(parts: Parts, qtbot: QtBot, file: Path) -> str:
    """Open a file, show another picture, let the first go from memory and return its id."""
    parts.store._budget = 0
    parts.loader.open([str(file)])
    qtbot.waitUntil(lambda: not parts.loader.busy)
    first, second, *_ = parts.document.experiment.pictures
    parts.view.set_picture(second.id)
    parts.store.get(second.id)
    assert parts.store.peek(first.id) is None
    return first.id


def _gone(parts: Parts, qtbot: QtBot, file: Path) -> str:
    """Show a picture whose file has gone, and return its id."""
    picture = _out_of_memory(parts, qtbot, file)
    file.rename(file.with_suffix(".away"))
    parts.view.set_picture(picture)
    _wait_for_the_problem(parts, qtbot)
    return picture


def _wait_for_the_problem(parts: Parts, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: not parts.preview.opening)
    assert parts.preview.problem.startswith("away.png: the file is no longer there")


@pytest.mark.parametrize("change", ["seed", "offset", "noise"])
def test_the_thumbnail_of_a_file_that_has_gone_is_never_taken_for_the_picture(
    parts: Parts, qtbot: QtBot, file: Path, tmp_path: Path, change: str
) -> None:
    _gone(parts, qtbot, file)
    if change == "seed":
        parts.document.replace(replace(parts.document.experiment, seed=5), "reroll")
    else:
        parts.document.replace_forward("noise", **{change: 0.1 if change == "offset" else "path"})
    _wait_for_the_problem(parts, qtbot)
    assert parts.preview.pixels is None
    scene = scene_on_show(parts)
    assert scene is not None
    with pytest.raises(EngineError, match="no longer there"):
        save_frame(tmp_path / "frame.png", scene)
    file.with_suffix(".away").rename(file)
    parts.document.history.undo()
    qtbot.waitUntil(lambda: not parts.preview.opening)
    assert (parts.preview.problem, parts.preview.size) == ("", (400, 300))


def test_a_large_picture_that_could_not_be_rendered_is_tried_again_after_a_change(
    parts: Parts, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts.document.replace_forward("size", size=0)
    parts.loader.add(Picture("pasted", _pixels(1100, 1100)), "pasted")
    qtbot.waitUntil(lambda: not parts.preview.opening)
    real, calls = forward_preview._render, []

    def no_room(*args: object) -> object:
        if len(args) == 5:  # the whole of it
            calls.append(args)
            raise MemoryError
        return real(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(forward_preview, "_render", no_room)
    parts.preview.tiles_changed.connect(parts.preview.tiles)  # as a view does
    parts.preview.tiles()
    qtbot.waitUntil(lambda: bool(parts.preview.problem))
    assert parts.preview.problem == "not enough memory; choose a smaller working size"
    assert parts.preview.pixels is not None, "it is open all the same"
    qtbot.wait(300)
    assert len(calls) == 1, "it is not tried over and over"
    monkeypatch.undo()
    parts.view.set_t(100)
    assert parts.preview.problem == ""
    qtbot.waitUntil(lambda: parts.preview.stride == 1)
    parts.preview.tiles_changed.disconnect(parts.preview.tiles)
