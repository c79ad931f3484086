"""The schedule editor under mouse and keys, asserted on the document and on pixels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QAbstractSpinBox
from pytestqt.qtbot import QtBot

from diffusion_gui.app.main_window import MainWindow
from diffusion_gui.app.parts import Parts
from diffusion_gui.engine.schedules import PRESETS, ScheduleSpec, build_preset
from diffusion_gui.engine.schedules.operations import resampled
from diffusion_gui.panels.schedule.editor import ScheduleEditor
from diffusion_gui.panels.schedule.handles import HandlePlot

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def editor(window: MainWindow, parts: Parts) -> ScheduleEditor:
    parts.sampling.live = False
    return window.schedule


def _handle(plot: HandlePlot, index: int) -> QPoint:
    return plot.to_pixel(*plot.points[index]).toPoint()


def _drag(qtbot: QtBot, plot: HandlePlot, start: QPoint, *stops: QPoint) -> None:
    view = plot.viewport()
    qtbot.mousePress(view, LEFT, pos=start)
    for stop in stops:
        qtbot.mouseMove(view, stop)
    qtbot.mouseRelease(view, LEFT, pos=stops[-1])


def _type(qtbot: QtBot, box: QAbstractSpinBox, text: str) -> None:
    box.setFocus()
    box.selectAll()
    qtbot.keyClicks(box, text)
    qtbot.keyClick(box, Qt.Key.Key_Return)


@pytest.mark.parametrize("name", ["scheduleTSpin", "param_beta_start", "seedSpin"])
def test_undo_and_redo_work_from_a_number_field_until_something_is_typed_there(
    window: MainWindow, parts: Parts, qtbot: QtBot, name: str
) -> None:
    window.activateWindow()
    qtbot.waitActive(window)
    parts.sampling.live = False
    parts.document.replace_schedule(ScheduleSpec("linear"), "preset")
    before = parts.document.experiment
    box = window.findChild(QAbstractSpinBox, name)
    assert box is not None
    _type(qtbot, box, "0.002" if name.startswith("param") else "500")
    changed = parts.document.experiment
    assert changed != before
    for key, shift, expected in ((Qt.Key.Key_Z, False, before), (Qt.Key.Key_Z, True, changed)):
        modifiers = Qt.KeyboardModifier.ControlModifier
        modifiers |= Qt.KeyboardModifier.ShiftModifier if shift else modifiers
        qtbot.keyClick(box, key, modifiers)
        assert parts.document.experiment == expected
    box.selectAll()
    qtbot.keyClicks(box, "7")
    qtbot.keyClick(box, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert parts.document.experiment == changed
    assert box.text() != "7"  # it was the typing that was undone


def test_the_handles_lie_on_the_curve(editor: ScheduleEditor, parts: Parts) -> None:
    schedule = parts.document.schedule
    for t, value in editor.alpha_bar.points:
        assert value == pytest.approx(schedule.alpha_bar[round(t)], abs=1e-4)


def test_dragging_a_handle_down_lowers_alpha_bar_there_and_is_one_undo_step(
    editor: ScheduleEditor, parts: Parts, qtbot: QtBot
) -> None:
    plot, before = editor.alpha_bar, parts.document.experiment
    index = len(plot.points) // 2
    t = round(plot.points[index][0])
    start = _handle(plot, index)
    _drag(qtbot, plot, start, start + QPoint(0, 6), start + QPoint(0, 14), start + QPoint(0, 22))
    lowered = parts.document.schedule.alpha_bar[t]
    assert lowered < build_preset("cosine").alpha_bar[t] - 0.02
    assert _handle(plot, index).y() == pytest.approx(start.y() + 22, abs=2)
    assert parts.document.history.count == 1
    parts.document.history.undo()
    assert parts.document.experiment == before


def test_the_picture_follows_while_the_mouse_is_still_down(
    editor: ScheduleEditor, window: MainWindow, parts: Parts, qtbot: QtBot
) -> None:
    plot = editor.alpha_bar
    index = len(plot.points) // 2
    parts.view.set_t(round(plot.points[index][0]))
    image = window.images.tiles.x_t.image
    assert image is not None
    before = image.copy()
    start = _handle(plot, index)
    qtbot.mousePress(plot.viewport(), LEFT, pos=start)
    qtbot.mouseMove(plot.viewport(), start + QPoint(0, 15))
    assert window.images.tiles.x_t.image != before
    qtbot.mouseRelease(plot.viewport(), LEFT, pos=start + QPoint(0, 15))


@pytest.mark.parametrize("target", [QPoint(-400, -900), QPoint(900, 900), QPoint(0, 2000)])
def test_no_drag_however_wild_makes_an_illegal_schedule(
    editor: ScheduleEditor, parts: Parts, qtbot: QtBot, target: QPoint
) -> None:
    plot = editor.alpha_bar
    for index in range(len(plot.points)):
        start = _handle(plot, index)
        _drag(qtbot, plot, start, start + target)
        schedule = parts.document.schedule
        assert np.isfinite(schedule.beta).all()
        assert (schedule.beta[1:] > 0.0).all()
        assert (np.diff(schedule.alpha_bar) <= 0.0).all()
        times = [t for t, _ in plot.points]
        assert times == sorted(times)


def test_pressing_beside_the_handles_moves_the_time_cursor(
    editor: ScheduleEditor, parts: Parts, qtbot: QtBot
) -> None:
    for plot in (editor.alpha_bar, editor.beta):
        place = plot.to_pixel(700, 0.9 if plot is editor.alpha_bar else -4.5).toPoint()
        parts.view.set_t(0)
        qtbot.mouseClick(plot.viewport(), LEFT, pos=place)
        assert parts.view.t == pytest.approx(700, abs=5)
    assert parts.document.history.count == 0


def test_a_handle_is_chosen_and_nudged_by_keys(
    editor: ScheduleEditor, parts: Parts, qtbot: QtBot
) -> None:
    plot = editor.alpha_bar
    plot.setFocus()
    for _ in range(5):
        qtbot.keyClick(plot, Qt.Key.Key_BracketRight)
    t, value = plot.points[4]
    qtbot.keyClick(plot, Qt.Key.Key_Down)
    assert plot.points[4][1] == pytest.approx(value - 0.01, abs=1e-6)
    qtbot.keyClick(plot, Qt.Key.Key_Right, Qt.KeyboardModifier.ShiftModifier)
    assert plot.points[4][0] == pytest.approx(t + 1.0, abs=1e-6)


def test_choosing_a_preset_shows_its_parameters_and_curve(
    editor: ScheduleEditor, parts: Parts, qtbot: QtBot
) -> None:
    controls = editor.presets.params.control
    for key in PRESETS:
        index = editor.presets.preset.findData(key)
        editor.presets.preset.setFocus()
        editor.presets.preset.setCurrentIndex(index)
        editor.presets.preset.activated.emit(index)
        np.testing.assert_array_equal(parts.document.schedule.beta, build_preset(key).beta)
        for param in PRESETS[key].params:
            qtbot.waitUntil(lambda name=param.name: controls(name).isVisible())


def test_beta_end_beyond_one_is_clamped_and_the_clamped_value_is_shown(
    editor: ScheduleEditor, parts: Parts, qtbot: QtBot
) -> None:
    editor.presets.preset.setCurrentIndex(editor.presets.preset.findData("linear"))
    editor.presets.preset.activated.emit(0)
    box = editor.presets.params.control("beta_end")
    _type(qtbot, box, "1.5")
    assert box.value() == 0.999
    assert parts.document.schedule.beta[-1] == pytest.approx(0.999)
    assert np.isfinite(parts.document.schedule.log_snr[1:]).all()


def test_T_takes_what_is_typed_within_its_range(
    editor: ScheduleEditor, parts: Parts, qtbot: QtBot
) -> None:
    for typed, T in (("1", 1), ("10000", 10_000), ("0", 1), ("99999", 10_000)):
        _type(qtbot, editor.presets.steps, typed)
        assert parts.document.experiment.schedule.T == T
        assert editor.presets.steps.value() == T
        assert parts.view.T == T


def test_reset_returns_to_the_preset(editor: ScheduleEditor, parts: Parts, qtbot: QtBot) -> None:
    assert not editor.tools.reset.isVisible()
    start = _handle(editor.alpha_bar, 3)
    _drag(qtbot, editor.alpha_bar, start, start + QPoint(0, 10))
    assert editor.tools.reset.isVisible()
    qtbot.mouseClick(editor.tools.reset, LEFT)
    np.testing.assert_array_equal(parts.document.schedule.beta, build_preset("cosine").beta)


def test_reset_and_a_changed_parameter_keep_a_resampling(
    editor: ScheduleEditor, parts: Parts, qtbot: QtBot
) -> None:
    spec = resampled(ScheduleSpec("linear", 1000), 100)
    parts.document.replace_schedule(spec, "resample")
    assert "resampled from T = 1,000 to 100" in editor.presets.formula.text
    start = _handle(editor.alpha_bar, 3)
    _drag(qtbot, editor.alpha_bar, start, start + QPoint(0, 25))
    assert "bent through" in editor.presets.formula.text
    qtbot.mouseClick(editor.tools.reset, LEFT)
    assert parts.document.experiment.schedule == spec
    editor.presets.params.edited.emit((("beta_end", 0.03),))
    assert parts.document.experiment.schedule == replace(spec, params=(("beta_end", 0.03),))


def test_the_read_outs_name_the_values_at_t(editor: ScheduleEditor, parts: Parts) -> None:
    parts.view.set_t(500)
    schedule = parts.document.schedule
    assert f"{schedule.alpha_bar[500]:.4g}" in editor.alpha_bar.readout
    assert f"{schedule.beta[500]:.4g}" in editor.beta.readout


def test_junk_in_a_number_field_does_no_harm(
    editor: ScheduleEditor, parts: Parts, qtbot: QtBot
) -> None:
    for typed in ("--5", "+-5", "1e3", "seven", "-", ""):
        _type(qtbot, editor.presets.steps, typed)
        assert editor.presets.steps.value() == parts.document.experiment.schedule.T


def test_beta_start_below_its_range_is_clamped(
    editor: ScheduleEditor, parts: Parts, qtbot: QtBot
) -> None:
    for typed in ("0", "1e-9", "-3"):
        editor.presets.preset.setCurrentIndex(editor.presets.preset.findData("linear"))
        editor.presets.preset.activated.emit(0)
        _type(qtbot, editor.presets.params.control("beta_start"), typed)
        assert dict(parts.document.experiment.schedule.params)["beta_start"] >= 1e-7


def test_each_number_entered_is_its_own_undo_step(
    editor: ScheduleEditor, parts: Parts, qtbot: QtBot
) -> None:
    for typed in ("500", "200"):
        _type(qtbot, editor.presets.steps, typed)
    parts.document.history.undo()
    assert parts.document.experiment.schedule.T == 500


def test_a_curve_that_had_to_be_limited_says_so_and_its_handles_lie_on_it(
    editor: ScheduleEditor, parts: Parts, qtbot: QtBot
) -> None:
    _type(qtbot, editor.presets.steps, "3")
    plot = editor.alpha_bar
    for index in range(len(plot.points)):
        start = _handle(plot, index)
        _drag(qtbot, plot, start, start + QPoint(0, 2000))
    schedule = parts.document.schedule
    assert schedule.notes
    for t, value in plot.points:
        assert value == pytest.approx(schedule.alpha_bar[round(t)], abs=1e-9)


def test_the_end_is_written_with_a_subscript_and_a_short_power_of_ten(
    editor: ScheduleEditor,
) -> None:
    assert "ᾱ<sub>T</sub> = 2.4e-9" in editor.doctor.text()
    assert "_T" not in editor.doctor.text()


def test_an_edited_table_is_called_numbers(editor: ScheduleEditor, parts: Parts) -> None:
    betas = parts.document.schedule.beta[1:].tolist()
    editor.apply(ScheduleSpec("", 1000, betas=tuple(betas)), "β at t = 1")
    assert editor.caption.text().startswith("numbers, edited")
    assert "from a table" in editor.presets.formula.text
