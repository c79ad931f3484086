"""Opening pictures: what opens is shown, what does not is named, nothing is lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from pytestqt.qtbot import QtBot

from diffusion_gui.app.parts import Parts
from diffusion_gui.engine.images import Picture

MakeImage = Callable[..., Path]


def _open(qtbot: QtBot, parts: Parts, *paths: Path) -> None:
    parts.loader.open([str(path) for path in paths])
    qtbot.waitUntil(lambda: not parts.loader.busy, timeout=20_000)


def test_dropped_pictures_come_first_in_their_order_and_the_first_is_shown(
    parts: Parts, qtbot: QtBot, make_image: MakeImage
) -> None:
    _open(qtbot, parts, make_image("a.png"), make_image("bb.png"))
    names = [ref.name for ref in parts.document.experiment.pictures]
    assert names[:3] == ["a.png", "bb.png", "chelsea.png"]
    assert parts.preview.picture is not None
    assert parts.preview.picture.name == "a.png"


def test_one_drop_is_one_undo_step(parts: Parts, qtbot: QtBot, make_image: MakeImage) -> None:
    before = parts.document.experiment
    _open(qtbot, parts, make_image("a.png"), make_image("bb.png"), make_image("ccc.png"))
    parts.document.history.undo()
    assert parts.document.experiment == before
    assert parts.view.picture == before.pictures[0].id


def test_what_cannot_be_opened_is_named_and_the_rest_opens(
    parts: Parts, qtbot: QtBot, make_image: MakeImage, tmp_path: Path
) -> None:
    (tmp_path / "notes.png").write_text("no picture at all", encoding="utf-8")
    (tmp_path / "empty.png").touch()
    good = make_image("good.png")
    with qtbot.waitSignal(parts.loader.problems_found, timeout=20_000) as problems:
        _open(qtbot, parts, tmp_path / "notes.png", good, tmp_path / "empty.png", tmp_path / "gone")
    lines = problems.args[0]
    assert [line.split(":")[0] for line in lines] == ["gone", "notes.png", "empty.png"]
    assert parts.document.experiment.pictures[0].name == "good.png"


def test_a_folder_without_pictures_is_named(parts: Parts, qtbot: QtBot, tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    with qtbot.waitSignal(parts.loader.problems_found, timeout=20_000) as problems:
        parts.loader.open([str(tmp_path / "nothing")])
    assert problems.args[0] == ["nothing: no images in this folder"]


def test_a_second_drop_while_the_first_is_opening_loses_neither(
    parts: Parts, qtbot: QtBot, make_image: MakeImage
) -> None:
    first = [make_image(f"one/{n:03d}.png") for n in range(30)]
    second = [make_image(f"two/{n:04d}.png") for n in range(5)]
    parts.loader.open([str(path) for path in first])
    parts.loader.open([str(path) for path in second])
    qtbot.waitUntil(lambda: not parts.loader.busy, timeout=20_000)
    names = {ref.name for ref in parts.document.experiment.pictures}
    assert {path.name for path in (*first, *second)} <= names


def test_a_pasted_picture_is_shown(parts: Parts, qtbot: QtBot) -> None:
    pixels = np.full((20, 30, 3), 200, dtype=np.uint8)
    parts.loader.add(Picture("pasted picture", pixels), "clipboard")
    tiles = parts.preview.tiles()
    assert tiles is not None
    np.testing.assert_array_equal(tiles.x_0.pixels, pixels)


def test_taking_out_the_picture_on_show_shows_another(parts: Parts) -> None:
    first, second, *_ = parts.document.experiment.pictures
    parts.pictures.remove([first.id])
    assert parts.view.picture == second.id
    for ref in parts.document.experiment.pictures:
        parts.pictures.remove([ref.id])
    assert parts.view.picture == ""
    assert parts.preview.tiles() is None
    assert parts.film.strip(5, 32) == []


def test_a_large_folder_opens_in_few_steps_and_is_one_undo_step(
    parts: Parts, qtbot: QtBot, make_image: MakeImage, tmp_path: Path
) -> None:
    for number in range(300):
        make_image(f"many/{number:03d}.png", size=8)
    changes: list[int] = []
    parts.document.pictures_changed.connect(lambda: changes.append(1))
    _open(qtbot, parts, tmp_path / "many")
    assert len(parts.document.experiment.pictures) == 303
    assert len(changes) < 150
    assert parts.document.history.count == 1


def test_every_path_that_cannot_be_used_is_named(
    parts: Parts, qtbot: QtBot, tmp_path: Path
) -> None:
    with qtbot.waitSignal(parts.loader.problems_found, timeout=20_000) as problems:
        parts.loader.open([str(tmp_path / name) for name in ("a.png", "b.png", "x" * 300)])
    assert len(problems.args[0]) == 3
