"""Nothing moves under the mouse: the schedule panel is as wide whatever it shows."""

from __future__ import annotations

from dataclasses import replace

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QFont, QFontMetrics
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from diffusion_gui.app.main_window import MainWindow
from diffusion_gui.app.parts import Parts
from diffusion_gui.engine.schedules import PRESETS, ScheduleSpec, operations
from diffusion_gui.panels.schedule.editor import ScheduleEditor
from diffusion_gui.panels.schedule.notation import NOTATIONS

LEFT = Qt.MouseButton.LeftButton
PAGES = ("shiftScale", "blend", "changeT", "resolutionShift")
LONG = "a_name_without_any_place_to_break_" * 8


@pytest.fixture
def editor(window: MainWindow, parts: Parts) -> ScheduleEditor:
    parts.sampling.live = False
    window.resize(1280, 800)
    return window.schedule


def _least(editor: ScheduleEditor) -> int:
    """Return the least width of the panel, once the layout has taken notice."""
    QApplication.processEvents()
    return editor.minimumSizeHint().width()


def test_no_preset_and_no_length_widens_the_panel(editor: ScheduleEditor, parts: Parts) -> None:
    before = _least(editor)
    for key in PRESETS:
        for T in (50, 10_000):
            parts.document.replace_schedule(ScheduleSpec(key, T), "preset")
            assert _least(editor) == before, (key, T)


def test_no_choice_of_points_widens_the_panel(editor: ScheduleEditor, parts: Parts) -> None:
    before = _least(editor)
    for notation in NOTATIONS:
        parts.document.replace_schedule(operations.fit(ScheduleSpec("karras", 10_000)), "points")
        parts.editor.set_notation(notation)
        parts.editor.show_pane("log_snr")
        assert _least(editor) == before
        places = [editor.points.t.x(), editor.points.value.x()]
        for chosen in ((), (0,), (1,), (1, 2, 3), range(8)):
            parts.editor.choose(chosen)
            assert _least(editor) == before
            assert [editor.points.t.x(), editor.points.value.x()] == places


def test_no_operation_widens_the_panel(
    editor: ScheduleEditor, window: MainWindow, parts: Parts
) -> None:
    before = _least(editor)
    for page in PAGES:
        parts.document.replace_schedule(ScheduleSpec("linear", 10_000), "preset")
        window.actions_by_name[page].trigger()
        assert _least(editor) == before
        editor.operations.done()
        assert _least(editor) == before


def test_no_message_widens_the_panel(editor: ScheduleEditor, parts: Parts) -> None:
    before = _least(editor)
    editor.bar.show_lines([LONG])
    assert _least(editor) == before
    editor.presets.ask_name()
    editor.presets.naming.say(LONG, "Overwrite")
    assert _least(editor) == before
    parts.comparison.switch()
    parts.document.replace_schedule(
        replace(operations.fit(ScheduleSpec("cosine")), preset="cosine"), "points on a base"
    )
    assert _least(editor) == before


def test_the_fields_of_a_point_are_there_before_one_is_chosen_and_hold_its_numbers(
    editor: ScheduleEditor, parts: Parts
) -> None:
    row = editor.points
    parts.document.replace_schedule(operations.fit(ScheduleSpec("karras", 10_000)), "points")
    for box in (row.t, row.value):
        assert box.isVisible()
        assert not box.isEnabled()
        assert box.text() == ""
    for notation in NOTATIONS:
        parts.editor.set_notation(notation)
        for point in range(1, len(editor.alpha_bar.points) - 1):
            parts.editor.choose({point})
            for box in (row.t, row.value):
                assert box.isEnabled()
                wide = QFontMetrics(box.font()).horizontalAdvance(box.text())
                assert box.text()
                assert wide + 14 <= box.width(), box.text()
    parts.editor.choose({1, 2, 3})
    assert row.what.text() == "3 points"
    assert QFontMetrics(row.what.font()).horizontalAdvance("3 points") <= row.what.width()


def test_a_number_entered_as_it_was_shown_keeps_the_digits_that_were_not(
    editor: ScheduleEditor, parts: Parts
) -> None:
    box = editor.points.value
    parts.document.replace_schedule(operations.fit(ScheduleSpec("ve", 1000)), "points")
    parts.editor.set_notation("edm")
    parts.editor.choose({2})
    exact, before = box.value(), parts.document.experiment.schedule
    assert len(box.text()) <= 9
    box.interpretText()
    assert box.value() == exact
    assert parts.document.experiment.schedule == before


def _settled(editor: ScheduleEditor) -> tuple[int, ...]:
    """Return the heights of the plots and of the doctor's place, the layout having taken notice."""
    QApplication.processEvents()
    return editor.alpha_bar.height(), editor.beta.height(), editor.doctor_area.height()


def test_the_plots_stand_still_whatever_the_doctor_finds(
    editor: ScheduleEditor, parts: Parts, qtbot: QtBot
) -> None:
    parts.document.replace_schedule(ScheduleSpec("linear", 60), "ends early")
    plot = editor.alpha_bar
    before = _settled(editor)
    view, last = plot.viewport(), len(plot.points) - 1
    start = plot.to_pixel(*plot.points[last]).toPoint()
    qtbot.mousePress(view, LEFT, pos=start)
    lines = {editor.doctor.text()}
    for fall in (20, 60, 120, 200):
        qtbot.mouseMove(view, start + QPoint(0, fall))
        assert _settled(editor) == before
        lines.add(editor.doctor.text())
    assert len(lines) > 1
    end = start + QPoint(0, 200)
    qtbot.mouseRelease(view, LEFT, pos=end)
    assert _settled(editor) == before
    needed, scrolled = set(), editor.doctor_area.verticalScrollBar()
    for T in (1000, 60, 20, 5, 2):
        parts.document.replace_schedule(ScheduleSpec("linear", T), f"{T} steps")
        assert _settled(editor) == before, T
        height = editor.doctor.heightForWidth(editor.doctor.width())
        needed.add(height)
        assert editor.doctor.height() >= height
        assert bool(scrolled.maximum()) == (height > before[-1]), T
    assert min(needed) < before[-1] < max(needed)


def test_a_message_goes_when_the_mouse_lets_go_and_not_before(
    editor: ScheduleEditor, qtbot: QtBot
) -> None:
    editor.bar.show_lines(["a line"])
    before = _settled(editor)
    plot = editor.alpha_bar
    start = plot.to_pixel(*plot.points[len(plot.points) // 2]).toPoint()
    qtbot.mousePress(plot.viewport(), LEFT, pos=start)
    qtbot.mouseMove(plot.viewport(), start + QPoint(0, 12))
    assert _settled(editor) == before
    assert editor.bar.text == "a line"
    qtbot.mouseRelease(plot.viewport(), LEFT, pos=start + QPoint(0, 12))
    assert editor.bar.text == ""


def test_the_plots_stand_still_while_a_slider_of_an_operation_is_dragged(
    editor: ScheduleEditor, window: MainWindow, qtbot: QtBot
) -> None:
    window.actions_by_name["shiftScale"].trigger()
    slider = editor.operations.shift_scale.shift.slider
    before = _settled(editor)
    middle = QPoint(slider.width() // 2, slider.height() // 2)
    qtbot.mousePress(slider, LEFT, pos=middle)
    for share in (0.3, 0.05, 0.95):
        qtbot.mouseMove(slider, QPoint(round(share * slider.width()), middle.y()))
        assert _settled(editor) == before
    qtbot.mouseRelease(slider, LEFT, pos=middle)
    assert _settled(editor) == before


def test_the_second_line_of_a_finding_does_not_go_under_its_bullet(
    editor: ScheduleEditor, parts: Parts
) -> None:
    parts.document.replace_schedule(ScheduleSpec("linear", 60), "short")
    _settled(editor)
    doctor = editor.doctor
    assert doctor.height() > 2.5 * doctor.fontMetrics().lineSpacing()
    image = doctor.grab().toImage()
    ground = image.pixel(image.width() - 1, image.height() - 1)
    bullet = doctor.fontMetrics().horizontalAdvance("●")
    ink = [any(image.pixel(x, y) != ground for x in range(bullet)) for y in range(image.height())]
    runs = sum(now and not was for was, now in zip([False, *ink], ink, strict=False))
    assert runs == len(doctor.findings)


def _border(chip: QWidget) -> str:
    """Return the colour in the middle of the upper border."""
    return chip.grab().toImage().pixelColor(chip.width() // 2, 0).name()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_what_is_checked_and_what_has_the_keyboard_are_told_apart(
    editor: ScheduleEditor, window: MainWindow, parts: Parts, qtbot: QtBot, theme: str
) -> None:
    parts.theme.set_wish(theme)
    window.activateWindow()
    qtbot.waitActive(window)
    tokens = parts.theme.tokens
    for chip in (*editor.chips.chips.values(), editor.points.draw):
        editor.alpha_bar.setFocus()
        for checked in (False, True):
            chip.setChecked(checked)
            assert _border(chip) == tokens.hairline.lower()
            ground = tokens.hover if checked else tokens.field
            assert chip.grab().toImage().pixelColor(4, 4).name() == ground.lower()
        chip.setFocus()
        assert _border(chip) == tokens.accent.lower()


def test_no_chip_is_cut_off_while_it_is_checked(editor: ScheduleEditor) -> None:
    _settled(editor)
    for chip in editor.chips.chips.values():
        bold = QFont(chip.font())
        bold.setWeight(QFont.Weight.DemiBold)
        assert QFontMetrics(bold).horizontalAdvance(chip.text()) + 14 <= chip.width()
