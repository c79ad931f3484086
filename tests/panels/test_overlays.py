"""Compared curves: pins, their legend, and A and B, under mouse and keys."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QRect, Qt
from PySide6.QtGui import QColor, QImage
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from diffusion_gui.app.main_window import MainWindow
from diffusion_gui.app.parts import Parts
from diffusion_gui.engine.schedules import PRESETS, ScheduleSpec, build, build_preset
from diffusion_gui.panels.common.tokens import DARK, LIGHT
from diffusion_gui.panels.schedule.editor import ScheduleEditor
from diffusion_gui.panels.schedule.legend import HEIGHT, MOST_ROWS, Entry, Legend
from diffusion_gui.panels.schedule.marks import overlay_pen
from diffusion_gui.state.comparison import OTHER

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def editor(window: MainWindow, parts: Parts) -> ScheduleEditor:
    parts.sampling.live = False
    return window.schedule


def _legend(window: MainWindow) -> Legend:
    legend = window.findChild(Legend)
    assert legend is not None
    return legend


def _names(window: MainWindow) -> list[str]:
    return [entry.full_name for entry in _legend(window).entries]


def _press(qtbot: QtBot, entry: Entry) -> None:
    qtbot.mouseClick(entry, LEFT, pos=QPoint(30, HEIGHT // 2))


def _overlays(editor: ScheduleEditor, key: str = "alpha_bar") -> list[tuple[np.ndarray, ...]]:
    """Return the places of the compared curves that are drawn, as (t, values)."""
    data = [item.getOriginalDataset() for item in editor.plots.plot(key).marks._overlays]
    return [(t, values) for t, values in data if t is not None and len(t)]


def _has_colour(image: QImage, colour: str) -> bool:
    shape = (image.height(), image.bytesPerLine() // 4, 4)
    image = image.convertToFormat(QImage.Format.Format_RGB32)
    pixels = np.frombuffer(image.constBits(), np.uint8).reshape(shape)[:, :, 2::-1].astype(int)
    wanted = QColor(colour)
    rgb = (wanted.red(), wanted.green(), wanted.blue())
    return bool((np.abs(pixels - rgb).max(axis=2) < 40).any())


# --- pins -----------------------------------------------------------------------------------------


def test_a_pinned_schedule_stays_as_a_curve_while_another_is_chosen(
    editor: ScheduleEditor, window: MainWindow, parts: Parts, qtbot: QtBot
) -> None:
    assert window.findChild(Legend) is None
    qtbot.keyClick(window, Qt.Key.Key_P, Qt.KeyboardModifier.ControlModifier)
    editor.apply(ScheduleSpec("linear"), "linear")
    assert _names(window) == ["Cosine"]
    assert _legend(window).isVisible()
    for key in ("alpha_bar", "beta"):
        ((t, values),) = _overlays(editor, key)
        curve = getattr(build_preset("cosine"), key)[t.round().astype(int)]
        np.testing.assert_allclose(values, np.log10(curve) if key == "beta" else curve, rtol=1e-9)
    assert _has_colour(editor.alpha_bar.grab().toImage(), LIGHT.pins[0])
    window.actions_by_name["clearPins"].trigger()
    assert not _legend(window).isVisible()
    assert _overlays(editor) == []
    assert not _has_colour(editor.alpha_bar.grab().toImage(), LIGHT.pins[0])


def test_a_pin_of_another_length_is_drawn_over_the_same_width(
    editor: ScheduleEditor, parts: Parts
) -> None:
    parts.comparison.pin(ScheduleSpec("linear", T=100))
    editor.apply(ScheduleSpec("cosine", T=400), "T")
    ((t, values),) = _overlays(editor)
    assert (t[0], t[-1]) == (4.0, 400.0)
    np.testing.assert_allclose(values, build(ScheduleSpec("linear", T=100)).alpha_bar[1:])


def test_a_pane_that_is_opened_later_shows_the_compared_curves_too(
    editor: ScheduleEditor, parts: Parts
) -> None:
    parts.comparison.pin(ScheduleSpec("linear"))
    parts.editor.show_pane("log_snr")
    assert len(_overlays(editor, "log_snr")) == 1


def test_presets_and_own_schedules_are_pinned_without_leaving_the_current_one(
    editor: ScheduleEditor, window: MainWindow, parts: Parts
) -> None:
    menu = window.actions_by_name["pinPreset"].menu()
    editor.apply(ScheduleSpec("cosine", T=300), "T")
    parts.presets.save("Mine & yours", ScheduleSpec("sqrt", T=77))
    menu.aboutToShow.emit()
    texts = [action.text() for action in menu.actions() if not action.isSeparator()]
    assert texts == [*(row.title for row in PRESETS.values()), "Mine && yours"]
    next(action for action in menu.actions() if action.text() == "Laplace").trigger()
    menu.actions()[-1].trigger()
    assert [(pin.name, pin.spec) for pin in parts.comparison.pins] == [
        ("Laplace", ScheduleSpec("laplace", T=300)),
        ("Mine & yours", ScheduleSpec("sqrt", T=77)),
    ]
    assert parts.document.experiment.schedule == ScheduleSpec("cosine", T=300)
    menu.aboutToShow.emit()
    assert not menu.actions()[-1].isEnabled()


def test_dragging_the_curve_leaves_the_compared_curves_alone(
    editor: ScheduleEditor, parts: Parts, qtbot: QtBot
) -> None:
    parts.comparison.pin(ScheduleSpec("linear"))
    drawn = []
    item = editor.alpha_bar.marks._overlays[0]
    item.sigPlotChanged.connect(drawn.append)
    before = _overlays(editor)[0][1].copy()
    start = editor.alpha_bar.to_pixel(*editor.alpha_bar.points[3]).toPoint()
    view = editor.alpha_bar.viewport()
    qtbot.mousePress(view, LEFT, pos=start)
    qtbot.mouseMove(view, start + QPoint(0, 12))
    qtbot.mouseRelease(view, LEFT, pos=start + QPoint(0, 12))
    assert parts.document.history.count == 1
    np.testing.assert_array_equal(_overlays(editor)[0][1], before)
    assert drawn == []  # not even drawn again


# --- the legend -----------------------------------------------------------------------------------


def test_a_click_on_an_entry_makes_it_the_schedule_and_can_be_undone(
    editor: ScheduleEditor, window: MainWindow, parts: Parts, qtbot: QtBot
) -> None:
    parts.comparison.pin(ScheduleSpec("linear"))
    _press(qtbot, _legend(window).entries[0])
    assert parts.document.experiment.schedule == ScheduleSpec("linear")
    assert parts.document.history.undo_text == "show Linear"
    parts.document.history.undo()
    assert parts.document.experiment.schedule == ScheduleSpec("cosine")


def test_the_x_takes_a_pin_away_and_leaves_the_schedule(
    editor: ScheduleEditor, window: MainWindow, parts: Parts, qtbot: QtBot
) -> None:
    for key in ("linear", "sqrt"):
        parts.comparison.pin(ScheduleSpec(key))
    qtbot.mouseClick(_legend(window).entries[0].close_button, LEFT)
    assert _names(window) == ["Square root"]
    assert parts.document.history.count == 0


def test_the_legend_is_reached_and_worked_by_keys(
    editor: ScheduleEditor, window: MainWindow, parts: Parts, qtbot: QtBot
) -> None:
    for key in ("linear", "sqrt", "laplace"):
        parts.comparison.pin(ScheduleSpec(key))
    window.activateWindow()
    editor.points.draw.setFocus()
    for _ in range(30):
        focused = QApplication.focusWidget()
        if isinstance(focused, Entry):
            break
        qtbot.keyClick(focused, Qt.Key.Key_Tab)
    assert isinstance(focused, Entry)
    qtbot.keyClick(focused, Qt.Key.Key_Return)
    assert parts.document.experiment.schedule == focused.pin.spec
    removed = focused.full_name
    qtbot.keyClick(focused, Qt.Key.Key_Delete)
    assert removed not in _names(window)
    assert isinstance(QApplication.focusWidget(), Entry)  # on to the next
    assert QApplication.focusWidget() in _legend(window).entries


def test_a_long_name_is_elided_and_told_whole_by_the_tooltip(
    editor: ScheduleEditor, window: MainWindow, parts: Parts
) -> None:
    name = "A schedule with a very long name & an ampersand"
    parts.comparison.pin(ScheduleSpec("cosine", T=1234), name)
    (entry,) = _legend(window).entries
    assert entry.text().endswith("…")
    for words in (name, "T = 1,234", PRESETS["cosine"].formula, "β clipped"):
        assert words in entry.toolTip()


@pytest.mark.parametrize("pins", [1, 3, 8, 30])
def test_the_legend_takes_two_rows_at_most_and_never_covers_the_curve(
    editor: ScheduleEditor, window: MainWindow, parts: Parts, pins: int, qtbot: QtBot
) -> None:
    window.resize(1280, 800)
    for T in range(2, 2 + pins):
        parts.comparison.pin(ScheduleSpec("linear", T=T))
    QApplication.processEvents()
    legend = _legend(window)
    rects = [entry.geometry() for entry in legend.entries]
    assert all(not a.intersects(b) for i, a in enumerate(rects) for b in rects[:i])
    assert max(rect.right() for rect in rects) <= legend.viewport().width()
    assert legend.height() <= MOST_ROWS * (HEIGHT + 2)
    top = legend.mapTo(window, QPoint())
    plot = editor.alpha_bar.mapTo(window, QPoint())
    assert top.y() + legend.height() <= plot.y()
    assert legend.verticalScrollBar().isVisible() == (pins > 6)
    last = legend.entries[-1]
    last.setFocus()
    legend.ensureWidgetVisible(last)
    seen = QRect(QPoint(), legend.viewport().size())
    assert seen.contains(QRect(last.mapTo(legend.viewport(), QPoint()), last.size()))


@pytest.mark.parametrize("tokens", [LIGHT, DARK])
def test_sixteen_pins_and_the_other_side_look_different(tokens: object, qapp: object) -> None:
    pens = [overlay_pen(tokens, style) for style in (OTHER, *range(16))]
    looks = {(pen.color().name(), tuple(pen.dashPattern())) for pen in pens}
    assert len(looks) == len(pens)


def test_the_samples_follow_the_theme(
    editor: ScheduleEditor, window: MainWindow, parts: Parts
) -> None:
    parts.comparison.pin(ScheduleSpec("linear"))
    for tokens in (DARK, LIGHT):
        parts.theme.tokens = tokens
        parts.theme.changed.emit()
        assert _has_colour(_legend(window).grab().toImage(), tokens.pins[0])


# --- A and B --------------------------------------------------------------------------------------


def test_the_buttons_say_what_is_on_each_side(
    editor: ScheduleEditor, parts: Parts, qtbot: QtBot
) -> None:
    a, b = editor.tools.side["A"], editor.tools.side["B"]
    assert (a.isChecked(), b.isChecked()) == (True, False)
    assert "begins as a copy of A" in b.toolTip()
    qtbot.mouseClick(a, LEFT)  # already on show
    assert a.isChecked()
    assert parts.comparison.other is None
    qtbot.mouseClick(b, LEFT)
    assert (a.isChecked(), b.isChecked()) == (False, True)
    editor.apply(ScheduleSpec("linear", T=500), "linear")
    assert a.toolTip() == "A: Cosine, T = 1,000 (F7 shows it)"
    assert b.toolTip() == "B: Linear, T = 500 (on show)"
    qtbot.mouseClick(b, LEFT)
    assert b.isChecked()


def test_one_key_switches_and_undo_brings_the_letter_back(
    editor: ScheduleEditor, window: MainWindow, parts: Parts, qtbot: QtBot
) -> None:
    qtbot.keyClick(window, Qt.Key.Key_F7)
    editor.apply(ScheduleSpec("linear"), "linear")
    qtbot.keyClick(window, Qt.Key.Key_F7)
    assert editor.tools.side["A"].isChecked()
    assert editor.presets.preset.currentData() == "cosine"
    parts.document.history.undo()
    assert editor.tools.side["B"].isChecked()
    assert editor.presets.preset.currentData() == "linear"
    parts.document.history.redo()
    assert editor.tools.side["A"].isChecked()


def test_the_side_not_on_show_is_a_dashed_curve_with_its_letter_in_the_legend(
    editor: ScheduleEditor, window: MainWindow, parts: Parts, qtbot: QtBot
) -> None:
    qtbot.keyClick(window, Qt.Key.Key_F7)
    editor.apply(ScheduleSpec("linear"), "linear")
    assert _names(window) == ["A · Cosine"]
    ((t, values),) = _overlays(editor)
    np.testing.assert_allclose(values, build_preset("cosine").alpha_bar[t.round().astype(int)])
    assert editor.alpha_bar.marks._overlays[0].opts["pen"].dashPattern()
    _press(qtbot, _legend(window).entries[0])
    assert parts.comparison.side == "A"
    assert _names(window) == ["B · Linear"]


def test_keeping_the_side_on_show_ends_the_comparison(
    editor: ScheduleEditor, window: MainWindow, parts: Parts, qtbot: QtBot
) -> None:
    qtbot.keyClick(window, Qt.Key.Key_F7)
    editor.apply(ScheduleSpec("linear"), "linear")
    window.actions_by_name["endSides"].trigger()
    assert parts.document.experiment.schedule == ScheduleSpec("linear")
    assert editor.tools.side["A"].isChecked()
    assert not _legend(window).isVisible()
    assert _overlays(editor) == []


def test_the_x_of_the_other_side_ends_the_comparison_too(
    editor: ScheduleEditor, window: MainWindow, parts: Parts, qtbot: QtBot
) -> None:
    qtbot.keyClick(window, Qt.Key.Key_F7)
    qtbot.mouseClick(_legend(window).entries[0].close_button, LEFT)
    assert parts.comparison.other is None


def test_dragging_on_A_leaves_B_as_it_was(
    editor: ScheduleEditor, window: MainWindow, parts: Parts, qtbot: QtBot
) -> None:
    qtbot.keyClick(window, Qt.Key.Key_F7)
    qtbot.keyClick(window, Qt.Key.Key_F7)
    plot = editor.alpha_bar
    start = plot.to_pixel(*plot.points[3]).toPoint()
    qtbot.mousePress(plot.viewport(), LEFT, pos=start)
    qtbot.mouseMove(plot.viewport(), start + QPoint(0, 15))
    qtbot.mouseRelease(plot.viewport(), LEFT, pos=start + QPoint(0, 15))
    sides = dict(parts.comparison.sides())
    assert sides["A"].points
    assert sides["B"] == ScheduleSpec("cosine")
