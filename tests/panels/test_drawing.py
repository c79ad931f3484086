"""Freehand strokes under mouse and keys, asserted on the document and on what is on show."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from PySide6.QtCore import QPoint, Qt
from pytestqt.qtbot import QtBot

from diffusion_gui.app.main_window import MainWindow
from diffusion_gui.app.parts import Parts
from diffusion_gui.engine.schedules import build_preset
from diffusion_gui.panels.schedule.editor import ScheduleEditor
from diffusion_gui.panels.schedule.handles import HandlePlot
from diffusion_gui.state.editor_state import Tool

LEFT = Qt.MouseButton.LeftButton
Key = Qt.Key
LINE = [(t, 0.9 - 0.8 * (t - 300) / 400) for t in range(300, 701, 25)]
"""A straight fall of alpha-bar from 0.9 to 0.1."""


@pytest.fixture
def editor(window: MainWindow, parts: Parts, qtbot: QtBot) -> ScheduleEditor:
    parts.sampling.live = False
    qtbot.mouseClick(window.schedule.points.draw, LEFT)
    return window.schedule


def _pixels(plot: HandlePlot, places: Sequence[tuple[float, float]]) -> list[QPoint]:
    return [plot.to_pixel(*place).toPoint() for place in places]


def _begin(qtbot: QtBot, plot: HandlePlot, places: Sequence[tuple[float, float]]) -> QPoint:
    """Draw through places of the axes and keep the button down; return where the mouse is."""
    first, *others = _pixels(plot, places)
    qtbot.mousePress(plot.viewport(), LEFT, pos=first)
    for pixel in others:
        qtbot.mouseMove(plot.viewport(), pixel)
    return others[-1] if others else first


def _draw(qtbot: QtBot, plot: HandlePlot, places: Sequence[tuple[float, float]]) -> None:
    qtbot.mouseRelease(plot.viewport(), LEFT, pos=_begin(qtbot, plot, places))


def _handles_shown(plot: HandlePlot) -> bool:
    return bool(plot._handles.isVisible())


def _line(plot: HandlePlot) -> int:
    """Return how many places the line of the stroke on show has."""
    item = plot.marks._stroke
    if item is None or item.xData is None:
        return 0
    return len(item.xData)


@pytest.mark.parametrize("places", [LINE, LINE[::-1]])
def test_alpha_bar_follows_a_stroke_which_is_one_undo_step(
    editor: ScheduleEditor, parts: Parts, qtbot: QtBot, places: list
) -> None:
    _draw(qtbot, editor.alpha_bar, places)
    drawn = parts.document.schedule
    wanted = np.interp(np.arange(320, 681), *np.transpose(LINE))
    assert_allclose(drawn.alpha_bar[320:681], wanted, atol=0.02)
    assert (drawn.beta[1:] > 0.0).all()
    spec = parts.document.experiment.schedule
    assert spec.preset == "cosine"
    assert 4 <= len(spec.points) <= 24
    assert parts.document.history.count == 1
    assert parts.document.history.undo_text == "draw ᾱ"
    parts.document.history.undo()
    assert_array_equal(parts.document.schedule.beta, build_preset("cosine").beta)


def test_a_second_stroke_is_another_undo_step_and_the_tool_stays(
    editor: ScheduleEditor, parts: Parts, qtbot: QtBot
) -> None:
    _draw(qtbot, editor.alpha_bar, LINE)
    first = parts.document.experiment
    _draw(qtbot, editor.alpha_bar, [(100, 0.97), (200, 0.93), (300, 0.9)])
    assert parts.editor.tool is Tool.DRAW
    assert parts.document.history.count == 2
    parts.document.history.undo()
    assert parts.document.experiment == first


def test_the_curve_follows_live_under_a_thin_line_without_handles(
    editor: ScheduleEditor, parts: Parts, qtbot: QtBot
) -> None:
    plot = editor.alpha_bar
    end = _begin(qtbot, plot, LINE)
    assert parts.document.schedule.alpha_bar[500] == pytest.approx(0.5, abs=0.02)
    assert _line(plot) == len(LINE)
    assert not _handles_shown(plot)
    assert not _handles_shown(editor.beta)
    assert plot.cursor().shape() is Qt.CursorShape.CrossCursor
    qtbot.mouseRelease(plot.viewport(), LEFT, pos=end)
    assert _line(plot) == 0
    assert _handles_shown(plot)
    for t, value in plot.points:
        assert value == pytest.approx(np.interp(t, range(1001), parts.document.schedule.alpha_bar))


def test_a_stroke_on_beta_keeps_every_other_beta_and_moves_alpha_bar_after_it(
    editor: ScheduleEditor, parts: Parts, qtbot: QtBot
) -> None:
    before = parts.document.schedule
    _draw(qtbot, editor.beta, [(300, -3.0), (350, -3.0), (400, -2.0)])
    drawn = parts.document.schedule
    assert drawn.beta[330] == pytest.approx(1e-3, rel=0.1)
    assert drawn.beta[395] == pytest.approx(10**-2.1, rel=0.2)
    changed = np.flatnonzero(drawn.beta != before.beta)
    assert 295 <= changed.min() <= changed.max() <= 405
    assert changed.max() - changed.min() >= 95
    first = int(changed.min())
    assert_allclose(drawn.alpha_bar[:first], before.alpha_bar[:first], rtol=1e-12)
    ratio = drawn.alpha_bar[410:990] / before.alpha_bar[410:990]
    assert abs(ratio[0] - 1.0) > 0.03
    assert_allclose(ratio, ratio[0], rtol=1e-9)
    assert parts.document.history.count == 1


@pytest.mark.parametrize("by", ["mouse", "keys"])
def test_esc_takes_the_stroke_back_and_does_not_stop_the_sampler(
    editor: ScheduleEditor, parts: Parts, window: MainWindow, qtbot: QtBot, by: str
) -> None:
    stopped: list[bool] = []
    window.actions_by_name["stop"].triggered.connect(lambda: stopped.append(True))
    plot, before = editor.alpha_bar, parts.document.experiment
    end = plot.rect().center()
    if by == "mouse":
        end = _begin(qtbot, plot, LINE)
    else:
        plot.setFocus()
        parts.view.set_t(500)
        qtbot.keyPress(plot, Key.Key_Space)
        qtbot.keyClick(plot, Key.Key_Up)
    assert parts.document.experiment != before
    qtbot.keyClick(plot, Key.Key_Escape)
    assert parts.document.experiment == before
    assert parts.document.history.count == 0
    assert _handles_shown(plot)
    assert _line(plot) == 0
    if by == "mouse":
        qtbot.mouseMove(plot.viewport(), end + QPoint(10, 10))
        qtbot.mouseRelease(plot.viewport(), LEFT, pos=end)
    else:
        qtbot.keyRelease(plot, Key.Key_Space)
    assert parts.document.experiment == before
    assert not stopped
    qtbot.keyClick(plot, Key.Key_Escape)
    assert stopped  # no stroke: Esc stops again


@pytest.mark.parametrize("T", [1, 2, 3, 10_000])
def test_wild_strokes_are_legal_on_every_curve(
    editor: ScheduleEditor, parts: Parts, qtbot: QtBot, T: int
) -> None:
    for key in ("alpha_bar", "beta", "sigma", "step"):
        editor.presets.steps.setValue(T)
        parts.editor.show_pane("" if key in ("alpha_bar", "beta") else key)
        plot = editor.plots.plot(key)
        view = plot.viewport().rect()
        outside = QPoint(-300, 900)
        stops = (view.topLeft(), view.bottomRight(), view.center(), outside, view.topRight())
        qtbot.mousePress(plot.viewport(), LEFT, pos=view.center())
        for place in stops:
            qtbot.mouseMove(plot.viewport(), place)
        qtbot.mouseRelease(plot.viewport(), LEFT, pos=view.center())
        schedule = parts.document.schedule
        assert np.isfinite(schedule.beta).all()
        assert (schedule.beta[1:] > 0.0).all()
        assert (np.diff(schedule.log_snr[1:]) < 0.0).all()
        assert not editor.bar.isVisible()


def test_a_curve_without_a_value_is_shown_empty(
    editor: ScheduleEditor, parts: Parts, window: MainWindow
) -> None:
    editor.presets.steps.setValue(1)
    parts.editor.show_pane("step")  # the only step falls from infinity
    assert not window.grab().isNull()


def test_handles_of_a_drawn_curve_can_be_taken_hold_of(
    editor: ScheduleEditor, parts: Parts, qtbot: QtBot
) -> None:
    plot = editor.alpha_bar
    _draw(qtbot, plot, LINE)
    qtbot.mouseClick(editor.points.draw, LEFT)
    index = int(np.argmin([abs(value - 0.5) for _, value in plot.points]))
    t, start = round(plot.points[index][0]), plot.to_pixel(*plot.points[index]).toPoint()
    before = parts.document.schedule.alpha_bar[t]
    qtbot.mousePress(plot.viewport(), LEFT, pos=start)
    qtbot.mouseMove(plot.viewport(), start + QPoint(0, 5))
    qtbot.mouseRelease(plot.viewport(), LEFT, pos=start + QPoint(0, 5))
    assert parts.document.schedule.alpha_bar[t] < before - 0.01


def test_d_takes_the_pen_and_puts_it_away(window: MainWindow, parts: Parts, qtbot: QtBot) -> None:
    plot = window.schedule.beta
    plot.setFocus()
    qtbot.keyClick(plot, Key.Key_D)
    assert parts.editor.tool is Tool.DRAW
    assert window.schedule.points.draw.isChecked()
    assert plot.cursor().shape() is Qt.CursorShape.CrossCursor
    qtbot.keyClick(plot, Key.Key_D)
    assert parts.editor.tool is Tool.POINTS
    qtbot.keyPress(plot, Key.Key_Space)
    qtbot.keyClick(plot, Key.Key_Up)
    qtbot.keyRelease(plot, Key.Key_Space)
    assert parts.document.history.count == 0


def test_one_beta_is_changed_by_keys_alone(
    editor: ScheduleEditor, parts: Parts, qtbot: QtBot
) -> None:
    plot, before = editor.beta, parts.document.schedule
    plot.setFocus()
    parts.view.set_t(400)
    qtbot.keyPress(plot, Key.Key_Space)
    for _ in range(5):
        qtbot.keyClick(plot, Key.Key_Up)
    qtbot.keyRelease(plot, Key.Key_Space)
    low, high = plot.span
    raised = before.beta[400] * 10 ** (0.05 * (high - low))
    drawn = parts.document.schedule
    assert drawn.beta[400] == pytest.approx(raised, rel=0.01)
    others = np.arange(1001) != 400
    assert_array_equal(drawn.beta[others], before.beta[others])
    assert parts.document.history.count == 1


def test_the_pen_is_drawn_along_by_keys(editor: ScheduleEditor, parts: Parts, qtbot: QtBot) -> None:
    plot, before = editor.beta, parts.document.schedule
    plot.setFocus()
    parts.view.set_t(400)
    qtbot.keyPress(plot, Key.Key_Space)
    qtbot.keyClick(plot, Key.Key_Right)
    assert parts.document.schedule is before  # nothing is drawn before the value was changed
    assert parts.view.t == 410
    qtbot.keyClick(plot, Key.Key_Up)
    qtbot.keyClick(plot, Key.Key_Right)
    qtbot.keyClick(plot, Key.Key_Right, Qt.KeyboardModifier.ShiftModifier)
    assert parts.view.t == 421
    qtbot.keyRelease(plot, Key.Key_Space)
    drawn = parts.document.schedule
    assert_array_equal(np.flatnonzero(drawn.beta != before.beta), np.arange(410, 422))
    assert_allclose(drawn.beta[410:422], drawn.beta[410], rtol=1e-9)
    assert parts.document.history.count == 1


def test_leaving_the_plot_ends_a_stroke_drawn_by_keys(
    editor: ScheduleEditor, parts: Parts, qtbot: QtBot
) -> None:
    plot = editor.alpha_bar
    plot.setFocus()
    parts.view.set_t(400)
    qtbot.keyPress(plot, Key.Key_Space)
    qtbot.keyClick(plot, Key.Key_Down)
    editor.presets.preset.setFocus()
    assert not plot.held
    assert _handles_shown(plot)
    assert parts.document.history.count == 1
