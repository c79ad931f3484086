"""Operations on the whole schedule under mouse and keys: live, one undo step, never stale."""

from __future__ import annotations

import math

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QAbstractSpinBox, QApplication, QComboBox, QSlider, QWidget
from pytestqt.qtbot import QtBot

from diffusion_gui.app.main_window import MainWindow
from diffusion_gui.app.parts import Parts
from diffusion_gui.engine.schedules import ScheduleSpec, build, operations
from diffusion_gui.panels.schedule.editor import ScheduleEditor
from diffusion_gui.panels.schedule.handles import HandlePlot
from diffusion_gui.panels.schedule.operations_bar import OperationsBar
from diffusion_gui.state.document import Document

LEFT = Qt.MouseButton.LeftButton
Key = Qt.Key


@pytest.fixture
def editor(window: MainWindow, parts: Parts) -> ScheduleEditor:
    parts.sampling.live = False
    return window.schedule


@pytest.fixture
def bar(editor: ScheduleEditor) -> OperationsBar:
    return editor.operations


@pytest.fixture
def document(parts: Parts) -> Document:
    return parts.document


def _spec(document: Document) -> ScheduleSpec:
    return document.experiment.schedule


def _begin(window: MainWindow, name: str) -> None:
    window.actions_by_name[name].trigger()


def _type(qtbot: QtBot, box: QAbstractSpinBox, text: str, end: Key = Key.Key_Tab) -> None:
    box.setFocus()
    box.selectAll()
    qtbot.keyClicks(box, text)
    qtbot.keyClick(box, end)


def _slide(qtbot: QtBot, slider: QSlider, *shares: float) -> None:
    """Press a slider at the first share of its width, drag over the others, and let go."""
    places = [QPoint(round(share * slider.width()), slider.height() // 2) for share in shares]
    qtbot.mousePress(slider, LEFT, pos=places[0])
    for place in places[1:]:
        qtbot.mouseMove(slider, place)
    qtbot.mouseRelease(slider, LEFT, pos=places[-1])


def _drag_grip(qtbot: QtBot, plot: HandlePlot, index: int, *by: QPoint) -> QPoint:
    start = plot.to_pixel(*plot.marks.grips[index]).toPoint()
    qtbot.mousePress(plot.viewport(), LEFT, pos=start)
    for offset in by:
        qtbot.mouseMove(plot.viewport(), start + offset)
    qtbot.mouseRelease(plot.viewport(), LEFT, pos=start + by[-1])
    return start + by[-1]


def _focused() -> QWidget:
    widget = QApplication.focusWidget()
    assert widget is not None
    return widget


# --- one use is one undo step -----------------------------------------------------------------


def test_the_shift_is_live_while_its_slider_is_dragged_and_is_one_undo_step(
    window: MainWindow, bar: OperationsBar, document: Document, qtbot: QtBot
) -> None:
    before = document.experiment
    _begin(window, "shiftScale")
    slider = bar.shift_scale.shift.slider
    seen = []
    document.schedule_changed.connect(lambda: seen.append(_spec(document).shift))
    _slide(qtbot, slider, 0.45, 0.4, 0.35, 0.3)
    _slide(qtbot, slider, 0.6, 0.65)
    assert len(set(seen)) >= 5
    assert seen[-1] == bar.shift_scale.shift.value > 0.5
    shown = build(before.schedule).log_snr[1:999] + seen[-1]
    np.testing.assert_allclose(document.schedule.log_snr[1:999], shown, atol=1e-9)
    qtbot.mouseClick(bar.done_button, LEFT)
    assert bar.isHidden()
    assert document.history.count == 1
    document.history.undo()
    assert document.experiment == before


def test_a_second_use_is_a_second_step_and_begins_where_the_first_ended(
    window: MainWindow, bar: OperationsBar, document: Document, qtbot: QtBot
) -> None:
    for text in ("-2", "1.5"):
        _begin(window, "shiftScale")
        _type(qtbot, bar.shift_scale.shift.box, text, Key.Key_Return)
        assert bar.isHidden()
    assert document.history.count == 2
    assert _spec(document) == ScheduleSpec(shift=1.5)
    _begin(window, "shiftScale")
    assert bar.shift_scale.shift.value == 1.5
    assert bar.shift_scale.shift.slider.value() == 150


@pytest.mark.parametrize("by_key", [True, False])
def test_cancel_returns_to_the_beginning_and_leaves_no_step(
    window: MainWindow, bar: OperationsBar, document: Document, qtbot: QtBot, by_key: bool
) -> None:
    before = document.experiment
    _begin(window, "shiftScale")
    _slide(qtbot, bar.shift_scale.shift.slider, 0.2, 0.1)
    _slide(qtbot, bar.shift_scale.scale.slider, 0.8)
    assert document.experiment != before
    if by_key:
        qtbot.keyClick(_focused(), Key.Key_Escape)
    else:
        qtbot.mouseClick(bar.cancel_button, LEFT)
    assert bar.isHidden()
    assert document.experiment == before
    assert document.history.count == 0


def test_a_number_that_was_not_entered_goes_with_cancel_and_counts_with_done(
    window: MainWindow, bar: OperationsBar, document: Document, qtbot: QtBot
) -> None:
    box = bar.shift_scale.shift.box
    for press, expected in ((bar.cancel_button, 0.0), (bar.done_button, -3.0)):
        _begin(window, "shiftScale")
        box.setFocus()
        box.selectAll()
        qtbot.keyClicks(box, "-3")
        qtbot.mouseClick(press, LEFT)
        assert _spec(document).shift == expected
    assert document.history.count == 1


def test_escape_stops_the_sampler_only_where_the_bar_has_not_the_keyboard(
    window: MainWindow, bar: OperationsBar, qtbot: QtBot
) -> None:
    stopped = []
    stop: QAction = window.actions_by_name["stop"]
    stop.triggered.connect(lambda: stopped.append(True))
    for name in ("shiftScale", "blend", "changeT", "resolutionShift"):
        _begin(window, name)
        qtbot.keyClick(_focused(), Key.Key_Escape)
        assert bar.isHidden()
    assert not stopped
    _begin(window, "shiftScale")
    window.schedule.presets.preset.setFocus()
    qtbot.keyClick(_focused(), Key.Key_Escape)
    assert stopped
    assert not bar.isHidden()


@pytest.mark.parametrize("page", ["changeT", "resolutionShift"])
def test_what_is_typed_when_a_page_opens_replaces_its_number(
    window: MainWindow, bar: OperationsBar, qtbot: QtBot, page: str
) -> None:
    _begin(window, page)
    box = _focused()
    assert isinstance(box, QAbstractSpinBox)
    qtbot.keyClicks(box, "500")
    assert box.text() == "500"
    bar.cancel()


def test_the_keyboard_goes_back_to_the_curve_when_the_bar_closes(
    window: MainWindow, editor: ScheduleEditor, bar: OperationsBar, qtbot: QtBot
) -> None:
    for end in ("Done", "Cancel", "Esc", "Enter"):
        for page in ("shiftScale", "blend", "changeT", "resolutionShift"):
            _close(window, editor, bar, qtbot, page, end)


def _close(
    window: MainWindow, editor: ScheduleEditor, bar: OperationsBar, qtbot: QtBot,
    page: str, end: str,
) -> None:  # fmt: skip
    """Open a page of the bar, close it one way, and see where the keyboard is."""
    _begin(window, page)
    match end:
        case "Done":
            qtbot.mouseClick(bar.done_button, LEFT)
        case "Cancel":
            bar.cancel_button.setFocus()
            qtbot.keyClick(bar.cancel_button, Key.Key_Space)
        case "Esc":
            qtbot.keyClick(_focused(), Key.Key_Escape)
        case "Enter":
            qtbot.keyClick(_focused(), Key.Key_Return)
    assert bar.isHidden()
    assert _focused() is editor.alpha_bar


# --- the numbers ------------------------------------------------------------------------------


def test_shift_and_scale_by_numbers_and_what_they_are_called_elsewhere(
    window: MainWindow, bar: OperationsBar, document: Document, qtbot: QtBot
) -> None:
    page = bar.shift_scale
    _begin(window, "shiftScale")
    _type(qtbot, page.shift.box, f"{-2.0 * math.log(3.0):.3f}")
    expected = "SD3 shift 3.00 · μ 1.10 · input scale 0.33 · resolution 192 px"
    assert page.equivalents.text() == expected
    _type(qtbot, page.scale.box, "0.5")
    assert _spec(document) == ScheduleSpec(scale=0.5, shift=-2.197)
    assert page.scale.slider.value() == -100
    _type(qtbot, page.shift.box, "-15")  # beyond the slider, within the field
    assert (page.shift.slider.value(), _spec(document).shift) == (-600, -15.0)
    assert document.history.count == 1


@pytest.mark.qt_log_ignore("plugin does not support", extend=True)
def test_by_keyboard_alone_from_the_menu_to_the_end(
    window: MainWindow, editor: ScheduleEditor, bar: OperationsBar, document: Document, qtbot: QtBot
) -> None:
    menu = editor.tools.more.menu()
    menu.popup(QPoint(0, 0))
    while menu.activeAction() is not window.actions_by_name["shiftScale"]:
        qtbot.keyClick(menu, Key.Key_Down)
    qtbot.keyClick(menu, Key.Key_Return)
    assert _focused() is bar.shift_scale.shift.slider
    qtbot.keyClick(_focused(), Key.Key_Left)
    qtbot.keyClick(_focused(), Key.Key_Left)
    assert _spec(document).shift == -0.1
    for _ in range(2):
        qtbot.keyClick(_focused(), Key.Key_Tab)
    assert _focused() is bar.shift_scale.scale.slider
    qtbot.keyClick(_focused(), Key.Key_PageUp)
    assert _spec(document).scale == pytest.approx(4.0**0.1, abs=1e-3)
    qtbot.keyClick(_focused(), Key.Key_Return)
    assert bar.isHidden()
    assert document.history.count == 1


def test_every_control_says_what_it_is(bar: OperationsBar) -> None:
    for page in (bar.shift_scale, bar.blend, bar.length, bar.resolution):
        kinds = (QSlider, QAbstractSpinBox, QComboBox)
        controls = [control for kind in kinds for control in page.findChildren(kind)]
        assert controls
        for control in controls:
            assert control.accessibleName()
            assert control.toolTip()


def test_a_blend_goes_from_one_schedule_to_the_other(
    window: MainWindow, bar: OperationsBar, parts: Parts, document: Document, qtbot: QtBot
) -> None:
    page = bar.blend
    _begin(window, "blend")
    index = page.other.findText("Linear")
    page.other.setFocus()
    while page.other.currentIndex() != index:
        qtbot.keyClick(
            page.other, Key.Key_Down if page.other.currentIndex() < index else Key.Key_Up
        )
    assert document.history.count == 0
    _slide(qtbot, page.ratio.slider, 0.2, 0.7)
    r = page.ratio.value
    assert 0.6 < r < 0.8
    cosine, linear = (build(ScheduleSpec(name)).log_snr[1:] for name in ("cosine", "linear"))
    np.testing.assert_allclose(
        document.schedule.log_snr[1:], (1.0 - r) * cosine + r * linear, rtol=1e-9
    )
    _type(qtbot, page.ratio.box, "1", Key.Key_Return)
    np.testing.assert_allclose(
        document.schedule.beta, build(ScheduleSpec("linear")).beta, rtol=1e-12
    )
    assert document.history.count == 1
    assert document.history.undo_text == "blend with Linear"


def test_the_other_side_and_the_pins_can_be_blended_with(
    window: MainWindow, bar: OperationsBar, parts: Parts, document: Document
) -> None:
    parts.comparison.pin(document.experiment.schedule, "mine")
    parts.comparison.switch()  # B begins as a copy of A
    parts.comparison.switch()
    document.replace_schedule(ScheduleSpec("linear"), "preset")
    _begin(window, "blend")
    names = [bar.blend.other.itemText(i) for i in range(3)]
    assert names[:2] == ["Side B", "Pin: mine"]
    assert bar.blend.other.currentText() == "Side B"
    bar.blend.ratio.slider.setValue(500)
    half = 0.5 * (build(ScheduleSpec("linear")).log_snr + build(ScheduleSpec("cosine")).log_snr)
    np.testing.assert_allclose(document.schedule.log_snr[1:], half[1:], rtol=1e-9)
    parts.comparison.pin(ScheduleSpec("sqrt"), "late")
    assert bar.blend.other.findText("Pin: late") >= 0


@pytest.mark.parametrize(
    ("shown", "pin", "other"),
    [
        (ScheduleSpec("linear"), None, "Scaled linear"),
        (ScheduleSpec("linear", params=(("beta_start", 1e-4),)), None, "Scaled linear"),
        (ScheduleSpec("cosine"), None, "Linear"),
        (ScheduleSpec("cosine"), ScheduleSpec("cosine"), "Linear"),
        (ScheduleSpec("cosine"), ScheduleSpec("sqrt"), "Pin: late"),
    ],
)
def test_a_blend_opens_on_a_schedule_that_is_another(
    window: MainWindow, bar: OperationsBar, parts: Parts, document: Document, qtbot: QtBot,
    shown: ScheduleSpec, pin: ScheduleSpec | None, other: str,
) -> None:  # fmt: skip
    document.replace_schedule(shown, "preset")
    if pin is not None:
        parts.comparison.pin(pin, "late")
    _begin(window, "blend")
    assert bar.blend.other.currentText() == other
    parts.comparison.pin(ScheduleSpec("constant"), "now")
    assert bar.blend.other.currentText() == other  # a pin made meanwhile changes nothing
    bar.blend.ratio.slider.setValue(500)
    assert _spec(document) != shown
    bar.done()
    bar.blend.other.setCurrentIndex(bar.blend.other.findText("Linear"))
    bar.blend.other.activated.emit(bar.blend.other.currentIndex())
    document.replace_schedule(ScheduleSpec("linear"), "preset")
    _begin(window, "blend")
    assert bar.blend.other.currentText() != "Linear"


def test_turning_into_points_says_by_how_much_it_is_off(
    window: MainWindow, document: Document
) -> None:
    before = document.schedule.log_snr[1:]
    _begin(window, "toPoints")
    off = np.abs(np.clip(before, -20, 20) - document.schedule.log_snr[1:]).max()
    count = len(_spec(document).points)
    assert 0.0 < off <= 0.06
    expected = f"Made {count} points, {off:.2g} nats off"
    assert window.toolbar.caption.text() == expected


def test_all_of_the_other_side_is_still_this_side(
    window: MainWindow, bar: OperationsBar, parts: Parts, document: Document
) -> None:
    other = operations.fit(ScheduleSpec("linear", 200))
    document.replace_schedule(other, "drawn")
    parts.comparison.switch()  # B begins as a copy of A
    parts.comparison.switch()
    document.replace_schedule(ScheduleSpec("cosine", 200), "preset")
    _begin(window, "blend")
    for place in (900, 1000, 500):
        bar.blend.ratio.slider.setValue(place)
        assert (parts.comparison.side, parts.comparison.other) == ("A", other)
        if place == 1000:
            np.testing.assert_allclose(document.schedule.beta, build(other).beta, rtol=1e-9)


def test_T_changes_and_the_curve_stays(
    window: MainWindow, bar: OperationsBar, document: Document, qtbot: QtBot
) -> None:
    _begin(window, "changeT")
    assert bar.length.T.value() == 1000
    _type(qtbot, bar.length.T, "77777")
    assert document.schedule.T == 10_000
    _type(qtbot, bar.length.T, "112", Key.Key_Return)
    assert bar.isHidden()
    plain = build(ScheduleSpec("cosine")).log_snr[1:]
    np.testing.assert_allclose(document.schedule.log_snr[1:-1], plain[:-1:9], atol=1e-3)
    assert document.history.count == 1


def test_a_resolution_shift_is_the_shift_of_its_sizes(
    window: MainWindow, bar: OperationsBar, document: Document, qtbot: QtBot
) -> None:
    _begin(window, "resolutionShift")
    assert _focused() is bar.resolution.start
    _type(qtbot, bar.resolution.to, "256")
    assert (
        bar.resolution.equivalents.text() == "Δλ −2.77 · SD3 shift 4.00 · μ 1.39 · input scale 0.25"
    )
    assert _spec(document).shift == pytest.approx(2.0 * math.log(64 / 256))
    _type(qtbot, bar.resolution.start, "32", Key.Key_Return)
    assert _spec(document).shift == pytest.approx(2.0 * math.log(32 / 256))
    assert document.history.count == 1


# --- the handles of the whole curve -------------------------------------------------------------


@pytest.mark.parametrize("pane", ["alpha_bar", "log_snr", "sigma"])
def test_the_grips_lie_on_every_level_curve_and_go_with_the_bar(
    window: MainWindow, editor: ScheduleEditor, bar: OperationsBar, parts: Parts, pane: str
) -> None:
    if pane != "alpha_bar":
        parts.editor.show_pane(pane)
    marks = editor.plots.plot(pane).marks
    assert marks.grips == []
    _begin(window, "shiftScale")
    assert len(marks.grips) == 2
    bar.shift_scale.shift.slider.setValue(-150)
    curve = editor.plots.plot(pane).curve
    for t, value in marks.grips:
        assert value == pytest.approx(np.interp(t, *curve.getData()), rel=0.01, abs=0.01)
    assert editor.beta.marks.grips == []
    if pane != "alpha_bar":
        parts.editor.show_pane("")  # out of sight while the bar closes
    bar.done()
    assert marks.grips == []
    if pane != "alpha_bar":
        parts.editor.show_pane(pane)
        assert marks.grips == []


@pytest.mark.parametrize(
    ("index", "by"), [(0, QPoint(0, 40)), (0, QPoint(30, -30)), (1, QPoint(0, 25))]
)
def test_a_grip_lets_the_curve_pass_through_the_mouse(
    window: MainWindow,
    editor: ScheduleEditor,
    bar: OperationsBar,
    document: Document,
    qtbot: QtBot,
    index: int,
    by: QPoint,
) -> None:
    _begin(window, "shiftScale")
    plot = editor.alpha_bar
    for _ in range(2):  # two drags are still one use
        end = _drag_grip(qtbot, plot, index, by / 2, by)
        there = plot.to_data(end.toPointF())
        level = document.schedule.log_snr_at(np.array(there.x()))
        assert 1.0 / (1.0 + math.exp(-level)) == pytest.approx(there.y(), abs=0.01)
        grip = plot.to_pixel(*plot.marks.grips[index]).toPoint()
        assert (grip - end).manhattanLength() <= 3
    spec = _spec(document)
    assert (spec.shift != 0.0, spec.scale != 1.0) == (index == 0, index == 1)
    assert document.history.count == 1
    knob = bar.shift_scale.scale if index else bar.shift_scale.shift
    assert _focused() is knob.slider
    qtbot.keyClick(_focused(), Key.Key_Escape)
    assert _spec(document) == ScheduleSpec()
    assert document.history.count == 0


def test_grips_on_any_schedule_stay_on_it_however_wildly_they_are_dragged(
    window: MainWindow, editor: ScheduleEditor, document: Document, qtbot: QtBot
) -> None:
    for spec in (
        ScheduleSpec("cosine", 1),
        ScheduleSpec("cosine", 2),
        ScheduleSpec("flow", 50),
        ScheduleSpec("linear", 1000, shift=18.0),
        ScheduleSpec("linear", 1000, shift=-18.0),
        operations.fit(ScheduleSpec("linear", 300)),
    ):
        document.replace_schedule(spec, "another")
        _begin(window, "shiftScale")
        plot = editor.alpha_bar
        for index in (0, 1):
            for by in (QPoint(-900, 900), QPoint(900, -900), QPoint(0, 15)):
                _drag_grip(qtbot, plot, index, by)
                assert (np.diff(document.schedule.log_snr[1:]) < 0.0).all()
                for t, value in plot.marks.grips:
                    assert 1.0 <= t <= document.schedule.T
                    assert np.isfinite(value)
        editor.operations.done()


# --- another hand -----------------------------------------------------------------------------


def test_undo_takes_the_use_back_and_the_bar_begins_again(
    window: MainWindow, bar: OperationsBar, document: Document, qtbot: QtBot
) -> None:
    _begin(window, "shiftScale")
    _slide(qtbot, bar.shift_scale.shift.slider, 0.1)
    document.history.undo()
    assert bar.shift_scale.shift.value == 0.0
    assert not bar.isHidden()
    document.history.redo()
    assert bar.shift_scale.shift.value == _spec(document).shift < -3.0
    qtbot.keyClick(bar.shift_scale.scale.slider, Key.Key_Right)
    assert document.history.count == 2
    bar.cancel()  # back to where redo led, not further
    assert _spec(document) == ScheduleSpec(shift=document.experiment.schedule.shift)
    assert _spec(document).shift < -3.0


@pytest.mark.parametrize("name", ["shiftScale", "blend", "changeT", "resolutionShift"])
def test_no_stale_schedule_overwrites_a_newer_one(
    window: MainWindow,
    editor: ScheduleEditor,
    bar: OperationsBar,
    document: Document,
    name: str,
) -> None:
    def touch() -> None:
        page = bar.page
        for control in (bar.shift_scale.shift.slider, bar.blend.ratio.slider):
            if control.isVisible():
                control.setValue(control.value() + 40)
        for box in (bar.length.T, bar.resolution.to):
            if box.isVisible():
                box.setValue(box.value() + 24)
        assert page is bar.page

    _begin(window, name)
    touch()
    index = editor.presets.preset.findData("sigmoid")
    editor.presets.preset.setCurrentIndex(index)
    editor.presets.preset.activated.emit(index)
    newer = _spec(document)
    assert newer.preset == "sigmoid"
    touch()
    assert bar.page is not None
    assert _spec(document) == bar.page.result() != newer
    bar.cancel()
    assert _spec(document) == newer
    assert document.history.count == 2


def test_a_curve_dragged_while_the_bar_is_open_is_kept(
    window: MainWindow, editor: ScheduleEditor, bar: OperationsBar, document: Document, qtbot: QtBot
) -> None:
    _begin(window, "shiftScale")
    _slide(qtbot, bar.shift_scale.shift.slider, 0.4)
    plot = editor.alpha_bar
    start = plot.to_pixel(*plot.points[3]).toPoint()
    view = plot.viewport()
    qtbot.mousePress(view, LEFT, pos=start)
    qtbot.mouseMove(view, start + QPoint(0, 10))
    qtbot.mouseMove(view, start + QPoint(0, 20))
    qtbot.mouseRelease(view, LEFT, pos=start + QPoint(0, 20))
    drawn = _spec(document)
    assert drawn.points
    assert bar.shift_scale.shift.value == drawn.shift != 0.0
    _type(qtbot, bar.shift_scale.shift.box, "0")
    assert _spec(document) == operations.placed(drawn, 1.0, 0.0)
    assert document.history.count == 3
    qtbot.keyClick(_focused(), Key.Key_Escape)
    assert _spec(document) == drawn


def test_what_cannot_be_is_refused_in_the_panel_and_the_last_schedule_kept(
    window: MainWindow, editor: ScheduleEditor, bar: OperationsBar, document: Document, qtbot: QtBot
) -> None:
    document.replace_schedule(ScheduleSpec(shift=-19.0), "far")
    _begin(window, "resolutionShift")
    _type(qtbot, bar.resolution.to, "256")
    assert "+-20 nats" in editor.bar.text
    assert _spec(document) == ScheduleSpec(shift=-19.0)
    _type(qtbot, bar.resolution.to, "70")
    assert editor.bar.text == ""
    assert _spec(document).shift < -19.0


# --- without values ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "expected"),
    [("zeroTerminal", operations.zero_terminal), ("toPoints", operations.fit)],
)
def test_operations_without_values_are_one_step_at_once(
    window: MainWindow, editor: ScheduleEditor, document: Document, name: str, expected: object
) -> None:
    before = _spec(document)
    _begin(window, name)
    assert _spec(document) == expected(before)  # type: ignore[operator]
    assert document.history.count == 1
    _begin(window, name)  # again: nothing is left to do, and it is said
    assert document.history.count == 1
    assert "stays as it is" in editor.bar.text
    document.history.undo()
    assert _spec(document) == before


def test_an_exploding_process_refuses_to_lose_its_signal(
    window: MainWindow, editor: ScheduleEditor, document: Document
) -> None:
    document.replace_schedule(ScheduleSpec("ve", 100), "preset")
    _begin(window, "zeroTerminal")
    assert "always keeps its signal" in editor.bar.text
    assert _spec(document) == ScheduleSpec("ve", 100)
