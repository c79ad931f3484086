"""Nothing moves under the mouse: the schedule panel is as wide whatever it shows."""

from __future__ import annotations

from dataclasses import replace

import pytest
from PySide6.QtGui import QFontMetrics
from PySide6.QtWidgets import QApplication

from diffusion_gui.app.main_window import MainWindow
from diffusion_gui.app.parts import Parts
from diffusion_gui.engine.schedules import PRESETS, ScheduleSpec, operations
from diffusion_gui.panels.schedule.editor import ScheduleEditor
from diffusion_gui.panels.schedule.notation import NOTATIONS

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


@pytest.mark.parametrize("T", [50, 10_000])
@pytest.mark.parametrize("key", PRESETS)
def test_no_preset_and_no_length_widens_the_panel(
    editor: ScheduleEditor, parts: Parts, key: str, T: int
) -> None:
    before = _least(editor)
    parts.document.replace_schedule(ScheduleSpec(key, T), "preset")
    assert _least(editor) == before


@pytest.mark.parametrize("notation", NOTATIONS)
def test_no_choice_of_points_widens_the_panel(
    editor: ScheduleEditor, parts: Parts, notation: str
) -> None:
    before = _least(editor)
    parts.document.replace_schedule(operations.fit(ScheduleSpec("karras", 10_000)), "points")
    parts.editor.set_notation(notation)
    parts.editor.show_pane("log_snr")
    assert _least(editor) == before
    places = [editor.points.t.x(), editor.points.value.x()]
    for chosen in ((), (0,), (1,), (1, 2, 3), range(8)):
        parts.editor.choose(chosen)
        assert _least(editor) == before
        assert [editor.points.t.x(), editor.points.value.x()] == places


@pytest.mark.parametrize("page", PAGES)
def test_no_operation_widens_the_panel(
    editor: ScheduleEditor, window: MainWindow, parts: Parts, page: str
) -> None:
    before = _least(editor)
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
