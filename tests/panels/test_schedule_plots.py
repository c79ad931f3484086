"""The linked curves: one point on many plots, several points, panes, axes, notations, steps."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from PySide6.QtCore import QEvent, QPoint, QRectF, Qt
from PySide6.QtGui import QColor
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from diffusion_gui.app.main_window import MainWindow
from diffusion_gui.app.parts import Parts
from diffusion_gui.engine.schedules import ScheduleSpec, build, control_points, grid
from diffusion_gui.engine.schedules.quantities import QUANTITIES
from diffusion_gui.panels.schedule.editor import ScheduleEditor
from diffusion_gui.panels.schedule.handles import HANDLE, HandlePlot
from diffusion_gui.panels.schedule.notation import NOTATIONS

LEFT = Qt.MouseButton.LeftButton
SHIFT, CTRL = Qt.KeyboardModifier.ShiftModifier, Qt.KeyboardModifier.ControlModifier


@pytest.fixture
def editor(window: MainWindow, parts: Parts) -> ScheduleEditor:
    parts.sampling.live = False
    return window.schedule


def _handle(plot: HandlePlot, index: int) -> QPoint:
    return plot.to_pixel(*plot.points[index]).toPoint()


def _drag(
    qtbot: QtBot, plot: HandlePlot, start: QPoint, *stops: QPoint, keys: Qt.KeyboardModifier = SHIFT
) -> None:
    view, held = plot.viewport(), keys if keys is not SHIFT else Qt.KeyboardModifier.NoModifier
    qtbot.mousePress(view, LEFT, held, start)
    for stop in stops:
        qtbot.mouseMove(view, stop)
    qtbot.mouseRelease(view, LEFT, held, stops[-1])


def _press(window: MainWindow, name: str) -> None:
    window.actions_by_name[name].trigger()


# --- one schedule, many curves ---------------------------------------------------------------


@pytest.mark.parametrize("pane", ["beta", "log_snr", "sigma", "signal", "step", "flow"])
def test_a_point_dragged_on_any_curve_moves_all_of_them(
    editor: ScheduleEditor, parts: Parts, qtbot: QtBot, pane: str
) -> None:
    if pane != "beta":
        qtbot.mouseClick(editor.chips.chips[pane], LEFT)
    plot = editor.plots.plot(pane)
    qtbot.waitUntil(lambda: plot.isVisible() and len(plot.points) > 4)
    before, index = parts.document.schedule, 4
    t = round(plot.points[index][0])
    start = _handle(plot, index)
    _drag(qtbot, plot, start, start + QPoint(0, 3), start + QPoint(0, 6))
    schedule = parts.document.schedule
    assert schedule.log_snr[t] != pytest.approx(before.log_snr[t], abs=1e-3)
    assert parts.document.history.count == 1
    for key, other in editor.plots.panes.items():
        shown = QUANTITIES[key].on_axis(QUANTITIES[key].values(schedule), other.logarithmic)
        at, value = other.plot.points[index]
        low, high = other.plot.span
        assert value == pytest.approx(float(np.clip(shown[round(at)], low, high)), abs=1e-6)


def test_the_same_place_reached_on_three_curves_is_the_same_schedule(
    editor: ScheduleEditor, parts: Parts, qtbot: QtBot
) -> None:
    """Drag on beta, on log-SNR and on alpha-bar of the same point (to 1e-9)."""
    editor.chips.chips["log_snr"].click()
    original = parts.document.experiment.schedule
    index, t = 4, round(1 + control_points(original)[4].u * 999)
    found = {}
    for key in ("alpha_bar", "log_snr", "beta"):
        plot = editor.plots.plot(key)
        target = build(
            ScheduleSpec("cosine", points=_lowered(control_points(original), index), base_T=1000)
        )
        quantity = QUANTITIES[key]
        logarithmic = editor.plots.panes[key].logarithmic
        place = float(quantity.on_axis(quantity.values(target), logarithmic)[t])
        plot.point_chosen.emit(index, False)
        plot.point_dragged.emit(index, float(t), place)
        plot.gesture_finished.emit()
        found[key] = parts.document.schedule
        parts.document.history.undo()
        assert parts.document.experiment.schedule == original
    for key in ("log_snr", "beta"):
        for name in ("alpha_bar", "beta"):
            assert_allclose(
                getattr(found[key], name), getattr(found["alpha_bar"], name), rtol=0, atol=1e-9
            )


def _lowered(points: tuple, index: int) -> tuple:
    from dataclasses import replace

    T = 1000
    u = (round(1 + points[index].u * (T - 1)) - 1) / (T - 1)
    moved = replace(points[index], u=u, log_snr=points[index].log_snr - 0.35)
    return (*points[:index], moved, *points[index + 1 :])


def test_going_back_while_the_mouse_is_down_leads_back(
    editor: ScheduleEditor, parts: Parts, qtbot: QtBot
) -> None:
    plot = editor.alpha_bar
    start = _handle(plot, 4)
    _drag(qtbot, plot, start, start + QPoint(2, 3))  # points sit on whole steps from here on
    settled = parts.document.schedule.alpha_bar.copy()
    start = _handle(plot, 4)
    _drag(qtbot, plot, start, start + QPoint(0, 300), start - QPoint(0, 300), start)
    assert_allclose(parts.document.schedule.alpha_bar, settled, rtol=0, atol=2e-3)


def test_a_drag_straight_up_keeps_its_t_when_the_plot_is_given_another_size_meanwhile(
    editor: ScheduleEditor, window: MainWindow, parts: Parts, qtbot: QtBot
) -> None:
    window.resize(1280, 800)
    plot, view = editor.alpha_bar, editor.alpha_bar.viewport()
    for index, wider in ((2, -30), (5, 30)):
        t, value = plot.points[index]
        start = _handle(plot, index) + QPoint(3, 2)
        qtbot.mousePress(view, LEFT, pos=start)
        qtbot.mouseMove(view, start - QPoint(0, 1))
        plot.resize(plot.width() + wider, plot.height() - 12)
        qtbot.mouseMove(view, start - QPoint(0, 2))
        assert plot.points[index][0] == pytest.approx(t, abs=1.0)
        qtbot.mouseMove(view, start + QPoint(0, 6))
        qtbot.mouseRelease(view, LEFT, pos=start + QPoint(0, 6))
        assert plot.points[index][0] == pytest.approx(t, abs=1.0)
        assert plot.points[index][1] < value


def _places(editor: ScheduleEditor, what: str) -> tuple[QPoint, QPoint]:
    """Return where to press on the curve for a thing, and how far to drag it."""
    plot = editor.alpha_bar
    if what == "grip":
        return plot.to_pixel(*plot.marks.grips[1]).toPoint(), QPoint(9, 12)
    if what == "mark":
        low = plot.getViewBox().viewRange()[1][0]
        return plot.to_pixel(500, low).toPoint() - QPoint(0, 4), QPoint(14, 0)
    return _handle(plot, 4), QPoint(5, 9)


@pytest.mark.parametrize("what", ["point", "later points", "grip", "mark"])
def test_esc_takes_a_drag_back_and_does_not_stop_the_sampler(
    editor: ScheduleEditor, window: MainWindow, parts: Parts, qtbot: QtBot, what: str
) -> None:
    stopped: list[bool] = []
    window.actions_by_name["stop"].triggered.connect(lambda: stopped.append(True))
    if what == "grip":
        _press(window, "shiftScale")
        editor.operations.shift_scale.shift.box.setValue(-0.7)
    before, count = parts.document.experiment, parts.document.history.count
    plot, keys = editor.alpha_bar, CTRL if what == "later points" else Qt.KeyboardModifier(0)
    start, by = _places(editor, what)
    qtbot.mousePress(plot.viewport(), LEFT, keys, start)
    qtbot.mouseMove(plot.viewport(), start + by / 2)
    qtbot.mouseMove(plot.viewport(), start + by)
    assert parts.document.experiment != before
    QTest.keyClick(window.windowHandle(), Qt.Key.Key_Escape)
    assert parts.document.experiment == before
    assert parts.document.history.count == count
    qtbot.mouseMove(plot.viewport(), start + 2 * by)
    qtbot.mouseRelease(plot.viewport(), LEFT, keys, start + 2 * by)
    assert parts.document.experiment == before
    assert not plot.held
    assert not stopped
    assert editor.operations.isVisible() == (what == "grip")


def test_a_plot_reached_by_tab_shows_a_ring_until_it_is_left(
    editor: ScheduleEditor, qtbot: QtBot
) -> None:
    plot = editor.alpha_bar

    def ring() -> Qt.PenStyle:
        return plot.getViewBox().border.style()

    qtbot.mouseClick(plot.viewport(), LEFT, pos=_handle(plot, 3))
    assert ring() is Qt.PenStyle.NoPen
    editor.beta.setFocus(Qt.FocusReason.TabFocusReason)
    plot.setFocus(Qt.FocusReason.BacktabFocusReason)
    assert ring() is Qt.PenStyle.SolidLine
    assert plot.getViewBox().border.color().name().upper() == plot.theme.tokens.accent
    assert editor.beta.getViewBox().border.style() is Qt.PenStyle.NoPen
    editor.beta.setFocus(Qt.FocusReason.TabFocusReason)
    assert ring() is Qt.PenStyle.NoPen


def test_lines_are_as_wide_on_a_scaled_screen(
    editor: ScheduleEditor, monkeypatch: pytest.MonkeyPatch
) -> None:
    plot = editor.alpha_bar

    def widths() -> list[float]:
        handles = plot._handles.data["pen"][0]
        axis = plot.getAxis("left").pen()
        lines = (plot.curve.opts["pen"], plot._cursor.pen, plot.marks._lane.opts["pen"])
        return [pen.widthF() for pen in (*lines, handles, axis)]

    plain = widths()
    monkeypatch.setattr(HandlePlot, "devicePixelRatioF", lambda _: 2.0)
    QApplication.sendEvent(plot, QEvent(QEvent.Type.DevicePixelRatioChange))
    assert_allclose(widths(), 2.0 * np.array(plain))


def test_a_handles_disc_is_12_pixels_wide(editor: ScheduleEditor) -> None:
    plot = editor.alpha_bar
    image, place = plot.grab().toImage(), _handle(plot, 3)
    disc = QColor(plot.theme.tokens.alpha_bar)

    def filled(y: int) -> bool:
        colour = image.pixelColor(place.x(), y)
        away = (
            colour.red() - disc.red(),
            colour.green() - disc.green(),
            colour.blue() - disc.blue(),
        )
        return sum(map(abs, away)) < 60

    rows = [y for y in range(place.y() - 12, place.y() + 13) if filled(y)]
    assert len(rows) >= 12


# --- several points ----------------------------------------------------------------------------


def test_a_rubber_band_chooses_points_and_they_move_together(
    editor: ScheduleEditor, parts: Parts, qtbot: QtBot
) -> None:
    plot = editor.alpha_bar
    corners = [_handle(plot, 3) - QPoint(12, 14), _handle(plot, 5) + QPoint(12, 14)]
    view = plot.viewport()
    qtbot.mousePress(view, LEFT, SHIFT, corners[0])
    qtbot.mouseMove(view, corners[1])
    qtbot.mouseRelease(view, LEFT, SHIFT, corners[1])
    assert parts.editor.chosen == {3, 4, 5}
    before = control_points(parts.document.experiment.schedule)
    start = _handle(plot, 4)
    _drag(qtbot, plot, start, start + QPoint(0, 8))
    after = control_points(parts.document.experiment.schedule)
    falls = [before[i].log_snr - after[i].log_snr for i in (3, 4, 5)]
    assert falls[1] > 0.05
    assert_allclose(falls, falls[1], atol=1e-9)
    assert after[2] == before[2]
    assert after[6] == before[6]
    assert parts.document.history.count == 1


def test_ctrl_adds_to_the_choice_and_takes_from_it(
    editor: ScheduleEditor, parts: Parts, qtbot: QtBot
) -> None:
    plot = editor.alpha_bar
    for index in (2, 5):
        qtbot.mouseClick(plot.viewport(), LEFT, CTRL, _handle(plot, index))
    assert parts.editor.chosen == {2, 5}
    qtbot.mouseClick(plot.viewport(), LEFT, CTRL, _handle(plot, 2))
    assert parts.editor.chosen == {5}
    qtbot.keyClick(plot, Qt.Key.Key_A, CTRL)
    assert len(parts.editor.chosen) == len(plot.points)
    assert parts.document.history.count == 0


@pytest.mark.parametrize("pane", ["alpha_bar", "beta"])
def test_a_drag_with_ctrl_takes_the_later_points_along(
    editor: ScheduleEditor, parts: Parts, qtbot: QtBot, pane: str
) -> None:
    parts.document.replace_schedule(ScheduleSpec("linear", 1000), "preset")
    plot, before = editor.plots.plot(pane), parts.document.schedule
    points = control_points(parts.document.experiment.schedule)
    start = _handle(plot, 2)
    by = QPoint(0, 12 if pane == "alpha_bar" else -6)
    _drag(qtbot, plot, start, start + by / 2, start + by, keys=CTRL)
    spec, after = parts.document.experiment.schedule, parts.document.schedule
    moved = control_points(spec)
    assert moved[:2] == points[:2]
    assert all(now.log_snr < then.log_snr for now, then in zip(moved[2:], points[2:], strict=True))
    assert after.alpha_bar[500] < 0.97 * before.alpha_bar[500]
    assert_allclose(after.beta[400:], before.beta[400:], rtol=0.03)
    assert plot.points[2][1] == pytest.approx(plot.to_data((start + by).toPointF()).y(), abs=0.02)
    assert parts.editor.chosen == {2}
    assert parts.document.history.count == 2
    parts.document.history.undo()
    assert parts.document.schedule == before


def test_a_click_with_ctrl_that_shakes_a_little_changes_the_choice_only(
    editor: ScheduleEditor, parts: Parts, qtbot: QtBot
) -> None:
    plot, start = editor.alpha_bar, _handle(editor.alpha_bar, 3)
    _drag(qtbot, plot, start, start + QPoint(1, 1), keys=CTRL)
    assert parts.editor.chosen == {3}
    assert parts.document.history.count == 0


def test_a_step_that_its_neighbour_keeps_from_its_value_says_how_to_go_on(
    editor: ScheduleEditor, parts: Parts, qtbot: QtBot
) -> None:
    parts.document.replace_schedule(ScheduleSpec("linear", 1000), "preset")
    told: list[bool] = []
    editor.plots.bounded.connect(told.append)
    pane = editor.plots.panes["beta"]
    view, start, size = pane.plot.viewport(), _handle(pane.plot, 4), pane.plot.size()
    least = pane.minimumSizeHint()
    qtbot.mousePress(view, LEFT, pos=start)
    qtbot.mouseMove(view, start - QPoint(0, 1))
    assert told == []
    qtbot.mouseMove(view, start - QPoint(0, 40))
    assert told == [True]
    assert "Ctrl+drag" in pane.hint.text()
    needed = pane.hint.fontMetrics().horizontalAdvance(pane.hint.text())
    qtbot.waitUntil(lambda: pane.hint.width() >= needed)
    assert pane.plot.size() == size
    assert pane.minimumSizeHint().width() <= least.width()
    qtbot.mouseRelease(view, LEFT, pos=start - QPoint(0, 40))
    assert told == [True, False]
    assert not pane.hint.text()
    assert "per step" in pane.heading.text()
    _drag(qtbot, pane.plot, start, start - QPoint(0, 40), keys=CTRL)
    assert told == [True, False]


def test_a_double_click_adds_a_point_and_removes_it(
    editor: ScheduleEditor, parts: Parts, qtbot: QtBot
) -> None:
    plot, count = editor.alpha_bar, len(editor.alpha_bar.points)
    between = 0.5 * (plot.points[3][0] + plot.points[4][0])
    place = plot.to_pixel(between, float(parts.document.schedule.alpha_bar[round(between)]))
    qtbot.mouseDClick(plot.viewport(), LEFT, pos=place.toPoint())
    assert len(plot.points) == count + 1
    assert plot.points[4][0] == pytest.approx(between, abs=3)
    assert parts.editor.chosen == {4}
    qtbot.mouseDClick(plot.viewport(), LEFT, pos=_handle(plot, 4))
    assert len(plot.points) == count
    assert parts.document.history.count == 2


def test_points_are_added_and_removed_by_keys_buttons_and_menu(
    editor: ScheduleEditor, window: MainWindow, parts: Parts, qtbot: QtBot
) -> None:
    plot, count = editor.alpha_bar, len(editor.alpha_bar.points)
    parts.view.set_t(500)
    plot.setFocus()
    for add in (
        lambda: qtbot.keyClick(plot, Qt.Key.Key_Insert),
        lambda: qtbot.mouseClick(editor.points.add, LEFT),
        lambda: _press(window, "addPoint"),
    ):
        add()
        assert len(plot.points) == count + 1
        assert any(t == pytest.approx(500) for t, _ in plot.points)
        for remove in (
            lambda: qtbot.keyClick(plot, Qt.Key.Key_Delete),
            lambda: qtbot.mouseClick(editor.points.remove, LEFT),
            lambda: _press(window, "removePoints"),
        ):
            remove()
            assert len(plot.points) == count
            parts.document.history.undo()
            lead = next(i for i, (t, _) in enumerate(plot.points) if t == pytest.approx(500))
            parts.editor.choose({lead})
        parts.document.history.undo()


def test_the_choice_is_cleared_when_the_points_are_others(
    editor: ScheduleEditor, window: MainWindow, parts: Parts, qtbot: QtBot
) -> None:
    plot, document = editor.alpha_bar, parts.document

    def choose() -> None:
        qtbot.mouseClick(plot.viewport(), LEFT, pos=_handle(plot, 4))
        assert parts.editor.chosen == {4}

    choose()
    start = _handle(plot, 4)
    _drag(qtbot, plot, start, start + QPoint(2, 6))
    qtbot.keyClick(plot, Qt.Key.Key_Right)
    _drag(qtbot, plot, _handle(plot, 4), start + QPoint(0, 9), keys=CTRL)
    editor.points.t.setValue(round(plot.points[4][0]) + 9)
    assert parts.editor.chosen == {4}  # it alone was moved, or by hand
    for change in (
        lambda: document.replace_schedule(ScheduleSpec("linear", 1000), "preset"),
        lambda: document.replace_schedule(ScheduleSpec("linear", 900), "T"),
        lambda: document.replace_schedule(ScheduleSpec("linear", 900, shift=0.5), "shift"),
        lambda: _press(window, "toPoints"),
        document.history.undo,
    ):
        choose()
        change()
        assert parts.editor.chosen == frozenset()


def test_the_chosen_point_is_edited_in_numbers(
    editor: ScheduleEditor, parts: Parts, qtbot: QtBot
) -> None:
    row = editor.points
    assert not row.t.isEnabled()
    qtbot.mouseClick(editor.alpha_bar.viewport(), LEFT, pos=_handle(editor.alpha_bar, 4))
    assert row.t.isEnabled()
    for box, text in ((row.t, "600"), (row.value, "0.25")):
        box.setFocus()
        box.selectAll()
        qtbot.keyClicks(box, text)
        qtbot.keyClick(box, Qt.Key.Key_Return)
    assert parts.document.schedule.alpha_bar[600] == pytest.approx(0.25, abs=1e-9)
    parts.editor.set_notation("edm")
    assert row.value.value() == pytest.approx(3**0.5, abs=1e-5)
    assert row.value_name.text() == "σ"


def test_snapped_points_stop_at_round_values(
    editor: ScheduleEditor, parts: Parts, qtbot: QtBot
) -> None:
    qtbot.mouseClick(editor.points.snap, LEFT)
    plot = editor.alpha_bar
    start = _handle(plot, 4)
    _drag(qtbot, plot, start, start + QPoint(7, 9))
    t, value = plot.points[4]
    assert t % 50 == pytest.approx(0, abs=1e-6)
    assert value / 0.05 == pytest.approx(round(value / 0.05), abs=1e-6)


# --- panes, axes, notations ----------------------------------------------------------------------


def test_a_chip_shows_its_curve_below_the_two_that_stay(
    editor: ScheduleEditor, qtbot: QtBot
) -> None:
    for pane in ("log_snr", "sigma", "signal", "step", "flow"):
        chip = editor.chips.chips[pane]
        qtbot.mouseClick(chip, LEFT)
        assert editor.alpha_bar.isVisible()
        assert editor.beta.isVisible()
        assert editor.plots.plot(pane).isVisible()
        assert editor.plots.plot(pane).height() >= 60
        qtbot.mouseClick(chip, LEFT)
        assert not editor.plots.plot(pane).isVisible()
        assert editor.alpha_bar.isVisible()


def test_the_axis_of_alpha_bar_can_be_logarithmic_and_handles_follow(
    editor: ScheduleEditor, parts: Parts, qtbot: QtBot
) -> None:
    pane = editor.plots.panes["alpha_bar"]
    qtbot.mouseClick(pane.log, LEFT)
    schedule = parts.document.schedule
    t, place = pane.plot.points[5]
    assert place == pytest.approx(np.log10(schedule.alpha_bar[round(t)]), abs=1e-3)
    start = _handle(pane.plot, 5)
    _drag(qtbot, pane.plot, start, start + QPoint(0, 5))
    assert parts.document.schedule.alpha_bar[round(t)] < schedule.alpha_bar[round(t)]
    qtbot.mouseClick(editor.plots.panes["beta"].log, LEFT)
    t, place = editor.beta.points[4]
    assert place == pytest.approx(parts.document.schedule.beta[round(t)], abs=1e-3)


@pytest.mark.parametrize("key", list(NOTATIONS))
def test_a_notation_names_curves_readouts_and_tooltips(
    editor: ScheduleEditor, parts: Parts, qtbot: QtBot, key: str
) -> None:
    parts.view.set_t(400)
    editor.tools.notation.setCurrentIndex(editor.tools.notation.findData(key))
    editor.tools.notation.activated.emit(editor.tools.notation.currentIndex())
    row = NOTATIONS[key]
    for name in ("alpha_bar", "beta"):
        pane = editor.plots.panes[name]
        assert row.formulas[name] in pane.heading.text()
        assert row.formulas[name] in pane.plot.toolTip()
        assert pane.plot.toolTip().count("\n") == 1
    schedule = parts.document.schedule
    expected = {
        "ddpm": f"ᾱ = {schedule.alpha_bar[400]:.4g}",
        "edm": f"σ = {schedule.sigma[400]:.4g}",
        "flow": f"s = {schedule.sigma[400] / (1 + schedule.sigma[400]):.4g}",
        "snr": f"SNR = {schedule.snr_db(400):.1f} dB",
    }
    assert expected[key] in editor.alpha_bar.readout
    parts.editor.show_pane("log_snr")
    assert editor.plots.panes["log_snr"].heading.text().startswith("λ = ")
    parts.editor.show_pane(row.level if row.level not in ("alpha_bar", "beta") else "")
    if key != "ddpm":
        assert editor.plots.plot(row.level).isVisible()


def test_the_time_cursor_runs_through_all_curves_and_is_dragged_on_any(
    editor: ScheduleEditor, parts: Parts, qtbot: QtBot
) -> None:
    editor.chips.chips["sigma"].click()
    for t, (key, pane) in zip((300, 500, 700), editor.plots.panes.items(), strict=True):
        low, high = pane.plot.span
        place = pane.plot.to_pixel(t, low + 0.95 * (high - low)).toPoint()
        qtbot.mouseClick(pane.plot.viewport(), LEFT, pos=place)
        assert parts.view.t == pytest.approx(t, abs=4), key
        for other in editor.plots.panes.values():
            assert other.plot._cursor.value() == parts.view.t


def _text_rect(plot: HandlePlot) -> QRectF:
    """Return where the text beside the cursor is, in pixels of the plot."""
    item = plot._readout
    return plot.viewportTransform().mapRect(item.mapRectToScene(item.boundingRect()))


def _inside(plot: HandlePlot, rect: QRectF) -> bool:
    box = plot.getViewBox()
    view = plot.viewportTransform().mapRect(box.mapRectToScene(box.boundingRect()))
    return bool(view.adjusted(-2, -2, 2, 2).contains(rect))


def test_the_text_beside_the_cursor_is_whole_after_every_change_of_size_and_range(
    editor: ScheduleEditor, window: MainWindow, parts: Parts, qtbot: QtBot
) -> None:
    for t in (0, 60, 500, 940, 1000):
        parts.view.set_t(t)
        for size in ((1280, 800), (1900, 1100), (1280, 720)):
            window.resize(*size)
            qtbot.wait(1)
            for key in ("alpha_bar", "beta"):
                plot = editor.plots.plot(key)
                assert _inside(plot, _text_rect(plot)), (t, size, key)
    plot.set_ranges(1000, -9.0, 0.0)
    plot.grab()
    assert _inside(plot, _text_rect(plot))


@pytest.mark.parametrize("preset", ["linear", "sigmoid"])
def test_the_text_beside_the_cursor_covers_neither_curve_nor_handle(
    editor: ScheduleEditor, parts: Parts, preset: str
) -> None:
    parts.document.replace_schedule(ScheduleSpec(preset, 1000), "preset")
    covered = 0
    for key in ("alpha_bar", "beta", "log_snr", "sigma"):
        parts.editor.show_pane(key if key in ("log_snr", "sigma") else "")
        plot = editor.plots.plot(key)
        line = zip(*plot.curve.getData(), strict=True)
        places = [plot.to_pixel(*at) for at in (*line, *plot.points)]
        for t in range(0, 1001, 20):
            parts.view.set_t(t)
            rect = _text_rect(plot).adjusted(3, 3, -3, -3)
            covered += any(rect.contains(place) for place in places)
    assert covered == 0


# --- the sampler's steps -------------------------------------------------------------------


def test_the_samplers_steps_are_marked_and_follow_its_settings(
    editor: ScheduleEditor, parts: Parts
) -> None:
    marks = editor.alpha_bar.marks
    document = parts.document
    assert_allclose(marks.times, grid(document.schedule, 20)[:-1])
    document.replace_sampling("steps", steps=5, spacing="karras")
    assert_allclose(marks.times, grid(document.schedule, 5, "karras")[:-1])
    document.replace_schedule(ScheduleSpec("linear", 300), "preset")
    assert_allclose(marks.times, grid(document.schedule, 5, "karras")[:-1])


def test_a_step_dragged_along_the_axis_makes_the_grid_a_list(
    editor: ScheduleEditor, window: MainWindow, parts: Parts, qtbot: QtBot
) -> None:
    plot = editor.alpha_bar
    assert plot.marks.times[10] == 500
    low = plot.getViewBox().viewRange()[1][0]
    start = plot.to_pixel(500, low).toPoint() - QPoint(0, 4)
    aim = QPoint(plot.to_pixel(530, low).toPoint().x(), start.y())
    _drag(qtbot, plot, start, start + QPoint(3, 0), aim)
    sampling = parts.document.experiment.sampling
    assert sampling.spacing == "times"
    assert len(sampling.levels) == 20
    assert sampling.levels[10] == pytest.approx(530, abs=4)
    assert sampling.levels[9] == 550
    assert parts.document.history.count == 1
    form = window.sampling.form
    assert form.spacing.currentText() == "List of t"
    assert not form.steps.isEnabled()
    parts.document.history.undo()
    assert parts.document.experiment.sampling.spacing == "trailing"
    assert form.spacing.currentText() == "Trailing"
    assert form.steps.isEnabled()


def test_a_step_is_moved_to_the_time_cursor_by_a_key(
    editor: ScheduleEditor, window: MainWindow, parts: Parts, qtbot: QtBot
) -> None:
    parts.view.set_t(512)
    qtbot.keyClick(window, Qt.Key.Key_T, CTRL)
    levels = parts.document.experiment.sampling.levels
    assert levels[10] == 512
    assert (levels[9], levels[11]) == (550, 450)
    parts.document.history.undo()
    assert parts.document.experiment.sampling.spacing == "trailing"


@pytest.mark.parametrize("index", [0, 10])
def test_a_step_is_taken_hold_of_anywhere_on_it_and_says_its_t(
    editor: ScheduleEditor, parts: Parts, qtbot: QtBot, index: int
) -> None:
    """Also the first, below the handle at T."""
    plot, t = editor.alpha_bar, float(editor.alpha_bar.marks.times[index])
    axis = plot.to_pixel(t, plot.getViewBox().viewRange()[1][0]).toPoint()
    left, right = plot.to_pixel(t - 18, 0.0), plot.to_pixel(t, 0.0)
    for aside in (-6, 6):
        start = axis + QPoint(aside, -4)
        qtbot.mousePress(plot.viewport(), LEFT, pos=start)
        qtbot.mouseMove(plot.viewport(), start + QPoint(round((left - right).x()), 0))
        held = plot.marks._held_name
        assert parts.document.experiment.sampling.spacing == "times"
        moved = round(parts.document.experiment.sampling.levels[index])
        assert moved == pytest.approx(t - 18, abs=3)
        assert held.isVisible()
        assert held.toPlainText() == f"t = {moved}"
        qtbot.mouseRelease(plot.viewport(), LEFT, pos=start)
        assert not held.isVisible()
        parts.document.history.undo()


def test_the_steps_stand_between_the_axis_and_the_handles(editor: ScheduleEditor) -> None:
    plot = editor.alpha_bar
    axis = plot.to_pixel(0.0, plot.getViewBox().viewRange()[1][0]).y()
    t, value = plot.points[-1]
    assert axis - plot.to_pixel(t, value).y() > HANDLE / 2 + 9
    for _, place in zip(*plot.marks._lane.getData(), strict=True):
        up = axis - plot.to_pixel(0.0, place).y()
        size, shape = plot.marks._lane.opts["size"], plot.marks._lane.opts["symbol"].boundingRect()
        assert up - size * shape.bottom() > 1.0  # whole
        assert shape.top() >= -0.5  # more is cut off


# --- the doctor ----------------------------------------------------------------------------


def test_a_finding_is_marked_in_the_curve_and_mended_by_a_click(
    editor: ScheduleEditor, parts: Parts
) -> None:
    parts.document.replace_schedule(ScheduleSpec("linear", 100), "preset")
    found = next(f for f in editor.doctor.findings if f.fix is not None and f.kind == "end")
    marked = editor.alpha_bar.marks._range
    assert marked is not None
    assert marked.isVisible()
    low, high = marked.getRegion()
    assert low <= 100 <= high
    index = editor.doctor.findings.index(found)
    assert f"href='{index}'" in editor.doctor.text()
    editor.doctor.linkActivated.emit(str(index))
    assert all(f.kind != "end" or f.severity == "good" for f in editor.doctor.findings)
    assert parts.document.history.undo_text == found.fix.label.lower()
    parts.document.history.undo()
    assert found in editor.doctor.findings or any(f.kind == "end" for f in editor.doctor.findings)


def test_a_finding_is_mended_by_keys(editor: ScheduleEditor, parts: Parts, qtbot: QtBot) -> None:
    parts.document.replace_schedule(ScheduleSpec("linear", 100), "preset")
    fix = next(finding.fix for finding in editor.doctor.findings if finding.fix is not None)
    editor.doctor.setFocus(Qt.FocusReason.TabFocusReason)
    for key in (Qt.Key.Key_Tab, Qt.Key.Key_Return):  # to the first mend, and take it
        qtbot.keyClick(editor.doctor, key)
    assert parts.document.experiment.schedule == fix.spec


def test_findings_about_the_samplers_steps_follow_its_settings(
    editor: ScheduleEditor, parts: Parts
) -> None:
    kinds = [finding.kind for finding in editor.doctor.findings]
    assert "spacing" not in kinds
    parts.document.replace_sampling("spacing", spacing="leading")
    assert "spacing" in [finding.kind for finding in editor.doctor.findings]
    parts.document.history.undo()
    assert [finding.kind for finding in editor.doctor.findings] == kinds


def test_a_good_schedule_says_what_is_good(editor: ScheduleEditor) -> None:
    assert "Reaches noise" in editor.doctor.text()
