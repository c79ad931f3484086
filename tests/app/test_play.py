"""Play by mouse, by its menu and by keys."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from diffusion_gui.app.main_window import MainWindow
from diffusion_gui.app.parts import Parts
from diffusion_gui.state.player import PlayMode


def test_the_button_says_what_it_will_do(window: MainWindow, parts: Parts, qtbot: QtBot) -> None:
    play = window.toolbar.play
    qtbot.mouseClick(play, Qt.MouseButton.LeftButton)
    assert (parts.player.playing, play.text()) == (True, "Pause")
    qtbot.mouseClick(play, Qt.MouseButton.LeftButton)
    assert (parts.player.playing, play.text()) == (False, "Play")


def test_the_menu_ticks_and_sets_mode_and_speed(window: MainWindow, parts: Parts) -> None:
    menu = window.toolbar.play_menu.menu()
    rows = {row.text().split()[0]: row for row in menu.actions() if not row.isSeparator()}
    assert rows["Around:"].isChecked()
    assert rows["1"].isChecked()
    rows["To"].trigger()
    rows["0.25"].trigger()
    assert (parts.player.mode, parts.player.speed) == (PlayMode.PING_PONG, 0.25)
    assert [name for name, row in rows.items() if row.isChecked()] == ["To", "0.25"]


@pytest.mark.parametrize("where", ["slider", "strip"])
def test_space_plays_and_the_arrows_move_by_one(
    window: MainWindow, parts: Parts, where: str
) -> None:
    focus = window.toolbar.slider if where == "slider" else window.images
    parts.view.set_t(500)
    QTest.keyClick(focus, Qt.Key.Key_Space)
    assert parts.player.playing
    QTest.keyClick(focus, Qt.Key.Key_Space)
    assert not parts.player.playing
    parts.view.set_t(500)
    QTest.keyClick(focus, Qt.Key.Key_Right)
    assert parts.view.t == 501
    QTest.keyClick(focus, Qt.Key.Key_Left)
    QTest.keyClick(focus, Qt.Key.Key_Left)
    assert parts.view.t == 499


def test_space_in_a_number_field_plays_nothing(window: MainWindow, parts: Parts) -> None:
    QTest.keyClick(window.toolbar.seed, Qt.Key.Key_Space)
    assert not parts.player.playing


def test_closing_the_window_ends_the_playing(window: MainWindow, parts: Parts) -> None:
    parts.player.toggle()
    window.close()
    QApplication.processEvents()
    assert not parts.player.playing
