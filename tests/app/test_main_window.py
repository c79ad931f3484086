"""The whole window: three panels, one time cursor, both themes, closing in mid-run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import (
    QApplication,
    QCheckBox,
    QDialog,
    QFileDialog,
    QLabel,
    QMenu,
    QMessageBox,
    QPushButton,
    QWidget,
)
from pytestqt.qtbot import QtBot

from diffusion_gui.app.actions import ACTIONS, shortcut_groups
from diffusion_gui.app.key_list import KeyList
from diffusion_gui.app.main_window import MainWindow
from diffusion_gui.app.parts import Parts
from diffusion_gui.engine.images import contact_sheet
from diffusion_gui.panels.common.style import style_sheet
from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.panels.common.tokens import LIGHT
from diffusion_gui.panels.sampling.sample_colours import sample_colour
from diffusion_gui.session.export import CELL
from diffusion_gui.state.editor_state import Tool
from diffusion_gui.state.sampling import RunState

NAMES = (
    "scheduleEditor",
    "imagePanel",
    "samplingPanel",
    "timeSlider",
    "presetCombo",
    "modelCombo",
    "samplerCombo",
    "stepsSpin",
    "seedSpin",
    "runButton",
    "pauseButton",
    "stepButton",
    "stopButton",
    "deviceCombo",
)
TIMEOUT = 60_000


def _contrast(first: str, second: str) -> float:
    def luminance(name: str) -> float:
        channels = np.array(QColor(name).getRgbF()[:3])
        linear = np.where(
            channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4
        )
        return float(linear @ [0.2126, 0.7152, 0.0722])

    high, low = sorted((luminance(first), luminance(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_the_promised_names_are_there(window: MainWindow) -> None:
    assert [name for name in NAMES if window.findChild(QWidget, name) is None] == []


def test_one_cursor_runs_through_all_panels(window: MainWindow, parts: Parts) -> None:
    parts.view.set_t(640)
    assert window.toolbar.slider.value() == 640
    assert window.toolbar.time.text() == "640 / 1000"
    assert "0.2" in window.schedule.alpha_bar.readout
    assert window.images.tiles.x_t.caption.endswith("640")


def test_closing_in_mid_run_ends_the_thread(parts: Parts, qtbot: QtBot) -> None:
    window = MainWindow(parts)
    qtbot.addWidget(window)
    window.show()
    parts.document.replace_sampling("long", steps=1000)
    parts.sampling.run()
    qtbot.waitUntil(lambda: parts.sampling.state is RunState.RUNNING, timeout=TIMEOUT)
    window.close()
    assert not window.isVisible()
    assert not parts.sampling._thread._runner._thread.isRunning()


def test_closing_while_torch_is_being_loaded_is_safe(parts: Parts, qtbot: QtBot) -> None:
    window = MainWindow(parts)
    qtbot.addWidget(window)
    parts.sampling.run()
    window.close()
    assert not parts.sampling._thread._runner._thread.isRunning()


def test_every_action_has_its_own_name_and_a_free_shortcut(window: MainWindow) -> None:
    rows = [row for row in ACTIONS if row.name != "-"]
    assert len({row.name for row in rows}) == len(rows)
    keys = [key for row in rows for key in row.shortcuts]
    assert len(set(keys)) == len(keys)
    assert set(window.actions_by_name) == {row.name for row in rows}


def test_the_theme_switches_at_run_time(window: MainWindow, parts: Parts) -> None:
    for name, colour in (("themeDark", "#15171B"), ("themeLight", "#F4F5F7")):
        window.actions_by_name[name].trigger()
        picture = window.grab().toImage()
        assert picture.pixelColor(3, picture.height() - 4) == QColor(colour)
    assert parts.settings.theme == "light"


def test_the_style_sheet_is_read_wherever_its_pictures_lie(
    qapp: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Qt warns "Could not parse", which fails the test, when a path is not quoted."""
    odd = tmp_path / "John (o) Doe's #1 <files>"
    odd.mkdir()
    monkeypatch.setattr("diffusion_gui.panels.common.icons._folder", lambda: Folder(odd))
    before = qapp.styleSheet()
    theme = Theme(qapp)
    theme._dress(style_sheet(LIGHT))
    widget = QCheckBox("checked")
    widget.setChecked(True)
    widget.ensurePolished()
    assert widget.grab().toImage().pixelColor(8, 8).isValid()
    theme._dress(before)
    theme.deleteLater()


class Folder:
    """Stands in for the temporary folder, at a path of the test's choice."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def path(self) -> str:
        return str(self._path)


def test_the_list_of_keys_has_those_of_menus_and_of_what_has_the_focus() -> None:
    groups = shortcut_groups()
    lines = {keys: text for group in groups.values() for keys, text in group}
    assert {"F5", "Ctrl+Z", "Del", "D", "Ctrl+A", "+, −, 0", "Alt+Arrows"} <= lines.keys()
    assert not any("\t" in text for text in lines.values())
    assert {"P", "N", "F2", "C", "Del"} <= dict(groups["List of runs"]).keys()
    assert list(groups)[:2] == ["File", "Edit"]


@pytest.mark.qt_log_ignore("plugin does not support", extend=True)
def test_the_menus_open_by_letters_and_F10(window: MainWindow, qtbot: QtBot) -> None:
    titles = [action.text() for action in window.menuBar().actions()]
    assert titles == ["&File", "&Edit", "&View", "&Image", "Sche&dule", "&Sampling", "&Help"]
    window.activateWindow()
    qtbot.waitActive(window)
    qtbot.keyClick(window.schedule.alpha_bar, Qt.Key.Key_F10)
    menu = window.menuBar().actions()[0].menu()
    assert isinstance(menu, QMenu)
    qtbot.waitUntil(menu.isVisible)
    assert QApplication.activePopupWidget() is menu
    menu.close()


def test_what_can_do_nothing_is_grey_in_the_schedule_menu(
    window: MainWindow, parts: Parts, qtbot: QtBot
) -> None:
    parts.sampling.live = False
    menu = window.schedule.tools.more.menu()
    names = ("removePoints", "resetCurve", "endSides", "clearPins")

    def enabled() -> list[bool]:
        menu.aboutToShow.emit()
        found = [window.actions_by_name[name].isEnabled() for name in names]
        menu.aboutToHide.emit()
        return found

    assert enabled() == [False] * 4
    window.schedule.plots.add_point(300.0)
    assert enabled() == [True, True, False, False]
    parts.comparison.switch()
    parts.comparison.pin(parts.document.experiment.schedule)
    assert enabled()[2:] == [True, True]
    assert all(action.isEnabled() for action in window.actions_by_name.values())


def test_the_schedule_menu_draws_and_saves(window: MainWindow, parts: Parts) -> None:
    draw = window.actions_by_name["drawFreehand"]
    draw.trigger()
    assert parts.editor.tool is Tool.DRAW
    assert window.schedule.points.draw.isChecked()
    parts.editor.set_tool(Tool.POINTS)
    assert not draw.isChecked()
    window.actions_by_name["savePreset"].trigger()
    assert window.schedule.presets.naming.isVisible()


@pytest.mark.parametrize("dark", [False, True])
def test_text_has_enough_contrast(parts: Parts, dark: bool) -> None:
    parts.theme.set_wish("dark" if dark else "light")
    tokens = parts.theme.tokens
    texts = "text", "secondary", "alpha_bar", "beta", "good", "warning", "error", "cursor_text"
    for text in texts:
        for ground in ("panel", "window", "field"):
            ratio = _contrast(getattr(tokens, text), getattr(tokens, ground))
            assert ratio >= 4.5, (text, ground, ratio)
    assert _contrast(tokens.on_accent, tokens.accent) >= 4.5
    lines = [sample_colour(parts.theme, index).name() for index in range(64)]
    assert len(set(lines)) == len(lines)
    assert min(_contrast(line, tokens.panel) for line in lines) >= 4.5
    parts.theme.set_wish("light")


def test_nothing_is_clipped_at_the_promised_sizes(window: MainWindow, qtbot: QtBot) -> None:
    for size in ((1280, 800), (1440, 900), (1920, 1080), (2560, 1440)):
        window.resize(*size)
        qtbot.waitUntil(lambda size=size: window.size() == QSize(*size))
        for button in window.findChildren(QPushButton):
            if button.isVisible():
                assert button.width() >= button.minimumSizeHint().width(), button.text()
        for panel in (window.schedule, window.images, window.sampling):
            outside = [
                child.objectName() or type(child).__name__
                for child in panel.findChildren(QWidget)
                if child.isVisible()
                and not isinstance(child, QLabel)
                and child.parentWidget() is panel
                and not panel.rect().contains(child.geometry())
            ]
            assert outside == []


def test_every_control_explains_itself(window: MainWindow) -> None:
    silent = [
        control.objectName() or control.text()
        for control in window.findChildren(QPushButton)
        if not control.toolTip()
    ]
    assert silent == []
    for name in NAMES[3:]:
        control = window.findChild(QWidget, name)
        assert control.toolTip(), name


def test_the_layout_is_remembered(window: MainWindow, parts: Parts, qtbot: QtBot) -> None:
    window._whole.setSizes([500, 900])
    sizes = window._whole.sizes()
    window.close()
    again = MainWindow(parts)
    qtbot.addWidget(again)
    again.show()
    again.resize(1440, 900)
    assert again._whole.sizes() == pytest.approx(sizes, abs=40)
    again.close()


def test_pictures_are_opened_by_dialog(
    window: MainWindow,
    parts: Parts,
    qtbot: QtBot,
    make_image: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chosen = [str(make_image("chosen.png"))]
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *_args: (chosen, ""))
    window.actions_by_name["openImages"].trigger()
    qtbot.waitUntil(lambda: not parts.loader.busy, timeout=TIMEOUT)
    assert parts.document.experiment.pictures[0].name == "chosen.png"


def test_the_grid_is_saved_and_a_bad_target_is_said(
    window: MainWindow,
    parts: Parts,
    qtbot: QtBot,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parts.document.replace_sampling("few", steps=3, count=2, size=16)
    parts.sampling.step()
    qtbot.waitUntil(lambda: parts.run_view.frame is not None, timeout=TIMEOUT)
    run = parts.run_view.run
    asked: list[tuple[str, str]] = []
    target = tmp_path / "grid.png"

    def ask(_parent: object, title: str, name: str, *_more: object) -> tuple[str, str]:
        asked.append((title, Path(name).name))
        return str(target), ""

    def saved() -> np.ndarray:
        window.actions_by_name["saveGrid"].trigger()
        qtbot.waitUntil(lambda: not window.run_files.busy, timeout=TIMEOUT)
        with Image.open(target) as image:
            return np.asarray(image.convert("RGB"))

    monkeypatch.setattr(QFileDialog, "getSaveFileName", ask)
    scale = round(CELL / 16)
    wanted = contact_sheet(run.trajectory.last.x_t, 2, scale=scale)
    np.testing.assert_array_equal(saved(), wanted)
    assert window.sampling.told.text == "Saved grid.png, x_t at step 0 of 3"
    parts.sampling.resume()
    qtbot.waitUntil(lambda: parts.sampling.state is RunState.DONE, timeout=TIMEOUT)
    parts.run_view.set_step(1)
    result = run.trajectory.last.x_t
    np.testing.assert_array_equal(saved(), contact_sheet(result, 2, scale=scale))
    assert window.sampling.told.text == "Saved grid.png"
    assert asked == [
        (f"Save x_t at step 0 of 3 of {run.title} as PNG", "run-1-x_t-step-0.png"),
        (f"Save the result of {run.title} as PNG", "run-1.png"),
    ]
    target = tmp_path / "no such folder" / "grid.png"
    window.actions_by_name["saveGrid"].trigger()
    qtbot.waitUntil(lambda: "no such folder" in window.sampling.bar.text, timeout=TIMEOUT)


def test_the_schedule_is_saved(
    window: MainWindow, parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "schedule.csv"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_args: (str(target), ""))
    window.actions_by_name["saveSchedule"].trigger()
    assert len(target.read_text(encoding="utf-8").splitlines()) == 1002


@pytest.mark.parametrize("name", ["shortcuts", "about"])
def test_the_help_boxes_open_and_close(window: MainWindow, qtbot: QtBot, name: str) -> None:
    window.actions_by_name[name].trigger()
    box = window.findChild(QDialog)
    assert isinstance(box, KeyList if name == "shortcuts" else QMessageBox)
    assert box.isVisible()
    qtbot.keyClick(box, Qt.Key.Key_Escape)
    qtbot.waitUntil(lambda: window.findChild(QDialog) is None)


def test_play_moves_t_and_stops_when_pressed_again(
    window: MainWindow, parts: Parts, qtbot: QtBot
) -> None:
    parts.view.set_t(0)
    qtbot.mouseClick(window.toolbar.play, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: parts.view.t > 20)
    qtbot.mouseClick(window.toolbar.play, Qt.MouseButton.LeftButton)
    assert window.toolbar.play.text() == "Play"


def test_reroll_takes_another_seed_and_undo_the_old_one(
    window: MainWindow, parts: Parts, qtbot: QtBot
) -> None:
    qtbot.mouseClick(window.toolbar.reroll, Qt.MouseButton.LeftButton)
    assert parts.document.experiment.seed != 0
    assert window.toolbar.seed.value() == parts.document.experiment.seed
    window.actions_by_name["undo"].trigger()
    assert window.toolbar.seed.value() == 0
