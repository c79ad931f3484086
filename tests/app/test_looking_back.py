"""What is looked at goes with undo and redo: of a restore, and of every edit of the pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QSettings, Qt
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from diffusion_gui.app.main_window import MainWindow
from diffusion_gui.app.parts import Parts, build_parts
from diffusion_gui.engine.experiment import Experiment, PictureRef
from diffusion_gui.engine.forward import Shown
from diffusion_gui.engine.images import Picture
from diffusion_gui.engine.schedules import ScheduleSpec
from diffusion_gui.session.export import METADATA_KEY, save_png
from diffusion_gui.session.format import View, encode
from diffusion_gui.session.library import PHOTOS, captions
from diffusion_gui.state.settings import Settings

TIMEOUT = 20_000


@pytest.fixture
def bare(qapp: QApplication, qtbot: QtBot, tmp_path: Path) -> Iterator[tuple[MainWindow, Parts]]:
    """Return a program that was started without any picture."""
    store = QSettings(str(tmp_path / "bare.ini"), QSettings.Format.IniFormat)
    parts = build_parts(qapp, Settings(store), theme="light", device="cpu", photos=())
    parts.sampling.live = False
    window = MainWindow(parts)
    qtbot.addWidget(window)
    window.show()
    yield window, parts
    window.close()
    window.deleteLater()
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


@pytest.fixture(autouse=True)
def _no_runs(parts: Parts) -> None:
    parts.sampling.live = False


def _saved(path: Path, experiment: Experiment, view: View) -> str:
    save_png(path, np.zeros((8, 8, 3), np.uint8), {METADATA_KEY: encode(experiment, view)}, {})
    return str(path)


def _restore(window: MainWindow, parts: Parts, qtbot: QtBot, path: str) -> None:
    window.open([path])
    qtbot.waitUntil(lambda: not window.picture_files.busy, timeout=TIMEOUT)
    qtbot.waitUntil(lambda: parts.document.history.undo_text.startswith("restore"))


def _do(window: MainWindow, name: str) -> None:
    window.actions_by_name[name].trigger()


# --- what ships with the program ------------------------------------------------------------------


def test_bundled_pictures_come_back_by_what_they_are_called(
    bare: tuple[MainWindow, Parts], qtbot: QtBot, tmp_path: Path
) -> None:
    window, parts = bare
    count = len(captions())
    refs = (
        *(PictureRef(f"emoji-{n}", "a stranger's name", "/etc/x") for n in range(count)),
        *(PictureRef(f"photo-{Path(name).stem}", name, "bundled") for name in PHOTOS),
    )
    path = _saved(tmp_path / "a.png", Experiment(pictures=refs), View(100, "emoji-7"))
    _restore(window, parts, qtbot, path)
    found = parts.document.experiment.pictures
    assert [ref.id for ref in found] == [ref.id for ref in refs]
    assert [ref.name for ref in found] == [*captions(), *PHOTOS]
    assert {ref.source for ref in found} == {"bundled"}
    assert window.images.bar.text == ""
    assert parts.view.picture == "emoji-7"
    assert parts.store.get("emoji-1376").pixels.shape == (64, 64, 3)


@pytest.mark.parametrize("name", ["emoji-1377", "emoji--1", "emoji-07", "photo-../x", "emoji-"])
def test_only_known_ids_are_bundled(
    bare: tuple[MainWindow, Parts], qtbot: QtBot, tmp_path: Path, name: str
) -> None:
    window, parts = bare
    refs = (PictureRef("emoji-3", "three"), PictureRef(name, "x", "bundled"))
    path = _saved(tmp_path / "a.png", Experiment(pictures=refs), View(100, "emoji-3"))
    _restore(window, parts, qtbot, path)
    assert [ref.id for ref in parts.document.experiment.pictures] == ["emoji-3"]
    assert window.images.bar.text.startswith("1 picture left out")


# --- a restore is one step ------------------------------------------------------------------------


def test_undo_of_a_restore_brings_back_t_and_picture_and_redo_those_of_the_file(
    window: MainWindow, parts: Parts, qtbot: QtBot, tmp_path: Path
) -> None:
    pictures = parts.document.experiment.pictures
    saved = replace(parts.document.experiment, schedule=ScheduleSpec("cosine", 200), seed=5)
    path = _saved(tmp_path / "a.png", saved, View(77, pictures[2].id, Shown.SYMMETRIC))
    parts.view.set_t(613)
    parts.view.choose([pictures[0].id, pictures[1].id], pictures[1].id)
    before = parts.view.look
    _restore(window, parts, qtbot, path)
    assert window.toolbar.caption.text() == "Restored a.png; Ctrl+Z undoes it"
    restored = parts.view.look
    assert (restored.t, restored.picture, restored.shown) == (77, pictures[2].id, Shown.SYMMETRIC)
    _do(window, "undo")
    assert parts.view.look == before
    _do(window, "redo")
    assert parts.view.look == restored
    parts.view.set_t(50)  # what became of it counts, not what was in the file
    _do(window, "undo")
    _do(window, "redo")
    assert parts.view.t == 50


def test_two_restores_are_two_steps_and_other_steps_leave_t_alone(
    window: MainWindow, parts: Parts, qtbot: QtBot, tmp_path: Path
) -> None:
    experiment = parts.document.experiment
    shown = experiment.pictures[0].id
    for seed, t in ((5, 100), (6, 200)):
        saved = replace(experiment, seed=seed)
        path = _saved(tmp_path / f"{seed}.png", saved, View(t, shown))
        window.open([path])
        qtbot.waitUntil(lambda: not window.picture_files.busy, timeout=TIMEOUT)
        qtbot.waitUntil(lambda seed=seed: parts.document.experiment.seed == seed)
    _do(window, "reroll")
    parts.view.set_t(300)
    _do(window, "undo")
    assert (parts.document.experiment.seed, parts.view.t) == (6, 300)
    _do(window, "undo")
    assert (parts.document.experiment.seed, parts.view.t) == (5, 100)


def test_restoring_what_is_there_already_promises_no_undo(
    window: MainWindow, parts: Parts, qtbot: QtBot, tmp_path: Path
) -> None:
    shown = parts.document.experiment.pictures[0].id
    window.open([_saved(tmp_path / "a.png", parts.document.experiment, View(9, shown))])
    qtbot.waitUntil(lambda: parts.view.t == 9, timeout=TIMEOUT)
    assert window.toolbar.caption.text() == "Restored a.png"
    assert not parts.document.history.undo_text


def test_a_restore_that_takes_pictures_out_of_the_tray_says_so(
    window: MainWindow, parts: Parts, qtbot: QtBot, tmp_path: Path
) -> None:
    first, *others = parts.document.experiment.pictures
    saved = replace(parts.document.experiment, pictures=(first,))
    _restore(window, parts, qtbot, _saved(tmp_path / "a.png", saved, View(9, first.id)))
    count = f"{len(others)} pictures left the tray"
    assert window.toolbar.caption.text() == f"Restored a.png; {count}; Ctrl+Z undoes it"
    _do(window, "undo")
    assert parts.document.experiment.pictures == (first, *others)


# --- edits of the pictures ------------------------------------------------------------------------


def test_undo_of_delete_shows_what_was_taken_out(
    window: MainWindow, parts: Parts, qtbot: QtBot
) -> None:
    first, second, third = (ref.id for ref in parts.document.experiment.pictures)
    parts.view.choose([first, second], second)
    window.images.tray.setFocus()
    qtbot.keyClick(window.images.tray.list, Qt.Key.Key_Delete)
    assert parts.view.look.chosen == (third,)
    _do(window, "undo")
    assert (parts.view.picture, parts.view.chosen) == (second, (first, second))
    assert window.images.tray.list.selected == (first, second)
    _do(window, "redo")
    assert (parts.view.picture, parts.view.chosen) == (third, (third,))


def test_redo_of_a_picture_that_was_opened_or_pasted_shows_it(
    window: MainWindow, parts: Parts, qtbot: QtBot, make_image: Callable[..., Path]
) -> None:
    second = parts.document.experiment.pictures[1].id
    parts.view.choose([second])
    window.open([str(make_image("new.png"))])
    qtbot.waitUntil(lambda: not parts.loader.busy, timeout=TIMEOUT)
    opened = parts.view.picture
    parts.loader.add(Picture("pasted", np.full((9, 9, 3), 7, np.uint8)), "clipboard")
    pasted = parts.view.picture
    assert len({second, opened, pasted}) == 3
    for expected in (opened, second):
        _do(window, "undo")
        assert (parts.view.picture, parts.view.chosen) == (expected, (expected,))
    for expected in (opened, pasted):
        _do(window, "redo")
        assert (parts.view.picture, parts.view.chosen) == (expected, (expected,))
    qtbot.waitUntil(lambda: parts.preview.picture is not None)
    assert parts.preview.picture is not None
    assert parts.preview.picture.name == "pasted"


def test_undo_of_another_edit_leaves_what_is_chosen(window: MainWindow, parts: Parts) -> None:
    first, second, third = (ref.id for ref in parts.document.experiment.pictures)
    parts.view.choose([first])
    _do(window, "reroll")
    parts.view.choose([second, third], third)
    _do(window, "undo")
    assert (parts.view.picture, parts.view.chosen) == (third, (second, third))
    parts.pictures.remove([first])
    assert (parts.view.picture, parts.view.chosen) == (third, (second, third))


def test_the_tray_scrolls_to_what_undo_brings_back(window: MainWindow, parts: Parts) -> None:
    refs = parts.store.defer_emoji()[:300]
    parts.document.replace(replace(parts.document.experiment, pictures=refs), "open")
    row = window.images.tray.list
    parts.view.choose([refs[250].id])
    _do(window, "removePictures")
    parts.view.choose([refs[0].id])
    assert row.horizontalScrollBar().value() == 0
    _do(window, "undo")
    assert parts.view.picture == refs[250].id
    place = row.visualRect(row.currentIndex())
    assert row.viewport().rect().contains(place)


# --- keys in the tray -----------------------------------------------------------------------------


def test_space_in_the_tray_plays_and_arrows_choose_there(
    window: MainWindow, parts: Parts, qtbot: QtBot
) -> None:
    first, second, _ = (ref.id for ref in parts.document.experiment.pictures)
    parts.view.choose([first])
    row, t = window.images.tray.list, parts.view.t
    row.setFocus()
    qtbot.keyClick(row, Qt.Key.Key_Space)
    assert parts.player.playing
    qtbot.keyClick(row, Qt.Key.Key_Space)
    assert not parts.player.playing
    parts.view.set_t(t)
    qtbot.keyClick(row, Qt.Key.Key_Right)
    assert (parts.view.picture, parts.view.t) == (second, t)
    qtbot.keyClick(row, Qt.Key.Key_Left)
    assert (parts.view.picture, parts.view.t) == (first, t)
