"""The message bar keeps to two lines: of more it shows the first, and all of them on demand."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QLabel, QPushButton
from pytestqt.qtbot import QtBot

from diffusion_gui.app.main_window import MainWindow
from diffusion_gui.app.parts import Parts
from diffusion_gui.panels.common.details import Details

TIMEOUT = 20_000


@pytest.fixture(autouse=True)
def _no_runs(parts: Parts) -> None:
    parts.sampling.live = False


def _open(window: MainWindow, parts: Parts, qtbot: QtBot, paths: list[Path]) -> None:
    window.open([str(path) for path in paths])
    qtbot.waitUntil(lambda: not parts.loader.busy, timeout=TIMEOUT)


def _details(window: MainWindow) -> QPushButton:
    found = window.images.bar.findChild(QPushButton, "messageDetails")
    assert found is not None
    return found


def test_many_problems_are_one_line_and_all_of_them_behind_a_button(
    window: MainWindow, parts: Parts, qtbot: QtBot, make_image: Callable[..., Path], tmp_path: Path
) -> None:
    good = [make_image(f"good{i}.png") for i in range(9)]
    bad = [tmp_path / f"nonexist{i}.png" for i in range(6)]
    _open(window, parts, qtbot, [*bad[:3], *good, *bad[3:]])
    bar = window.images.bar
    first = "nonexist0.png: there is no such file"
    assert bar.text == f"6 of 15 could not be opened: {first}"
    assert bar.height() < 40
    qtbot.mouseClick(_details(window), Qt.MouseButton.LeftButton)
    dialog = window.findChild(Details)
    assert dialog is not None
    assert dialog.isVisible()
    lines = dialog.text.toPlainText().splitlines()
    assert lines == [f"{path.name}: there is no such file" for path in bad]
    dialog.text.setFocus()
    qtbot.keyClick(dialog.text, Qt.Key.Key_A, Qt.KeyboardModifier.ControlModifier)
    qtbot.keyClick(dialog.text, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert QGuiApplication.clipboard().text().splitlines() == lines
    qtbot.keyClick(dialog.text, Qt.Key.Key_X)
    assert dialog.text.toPlainText().splitlines() == lines
    with qtbot.waitSignal(dialog.destroyed):
        qtbot.keyClick(dialog, Qt.Key.Key_Escape)


def test_two_lines_stand_there_themselves(
    window: MainWindow, parts: Parts, qtbot: QtBot, tmp_path: Path
) -> None:
    _open(window, parts, qtbot, [tmp_path / "a.png", tmp_path / "b.png"])
    lines = window.images.bar.text.splitlines()
    assert lines == ["a.png: there is no such file", "b.png: there is no such file"]
    assert _details(window).isHidden()
    window.images.bar.show_lines(["x", "y", "z"])
    assert window.images.bar.text == "3 remarks: x"
    assert _details(window).isVisible()
    window.images.bar.show_lines(["x"])
    assert window.images.bar.text == "x"
    assert _details(window).isHidden()


def test_a_long_line_ends_with_an_ellipsis_and_is_whole_behind_the_button(
    window: MainWindow, qtbot: QtBot
) -> None:
    window.show()
    bar, line = window.sampling.bar, f"RuntimeError: {'x' * 300} {'some words ' * 60}"
    bar.show_lines([line])
    qtbot.waitUntil(lambda: bar.isVisible() and bar.height() > 10)
    text = bar.findChild(QLabel, "messageText")
    assert text is not None
    assert bar.text == line
    assert text.text().endswith("…")
    assert text.heightForWidth(text.width()) <= 2 * text.fontMetrics().lineSpacing() + 2
    assert text.toolTip() == line
    button = bar.findChild(QPushButton, "messageDetails")
    assert button is not None
    assert button.isVisible()
    bar.show_lines(["short"])
    assert text.text() == bar.text == "short"
    assert not button.isVisible()


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")
def test_a_link_to_a_folder_above_it_is_said_to_be_left_out(
    window: MainWindow, parts: Parts, qtbot: QtBot, make_image: Callable[..., Path], tmp_path: Path
) -> None:
    make_image("album/a.png")
    make_image("else/b.png")
    album = tmp_path / "album"
    (album / "again").symlink_to(album)
    (album / "other").symlink_to(tmp_path / "else")
    _open(window, parts, qtbot, [album])
    assert sorted(window.images.bar.text.splitlines()) == [
        "again: a link to a folder above it, left out",
        "other: a link to a folder; drop that folder itself",
    ]
