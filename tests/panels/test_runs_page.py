"""The page of runs, forks and the comparison, by mouse and keys in the window."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QApplication, QLineEdit, QStyleOptionViewItem
from pytestqt.qtbot import QtBot

from diffusion_gui.app.main_window import MainWindow
from diffusion_gui.app.parts import Parts
from diffusion_gui.engine.experiment import PICTURES, Fork
from diffusion_gui.engine.numerals import spelled
from diffusion_gui.engine.run_distance import Matching
from diffusion_gui.panels.sampling.compare_view import CompareView
from diffusion_gui.panels.sampling.panel import SamplingPanel
from diffusion_gui.panels.sampling.runs_page import RunsPage
from diffusion_gui.state.run_comparison import CompareMode
from diffusion_gui.state.run_view import Quantity, SamplingPage
from diffusion_gui.state.sampling import Run, RunState

LEFT = Qt.MouseButton.LeftButton
CTRL = Qt.KeyboardModifier.ControlModifier
TIMEOUT = 60_000
FEW = {"model": "gaussian", "data": PICTURES, "size": 16, "count": 4, "steps": 6}


@pytest.fixture
def panel(window: MainWindow, parts: Parts) -> SamplingPanel:
    parts.sampling.live = False
    parts.document.replace_sampling("few", **FEW)
    return window.sampling


@pytest.fixture
def finish(panel: SamplingPanel, parts: Parts, qtbot: QtBot) -> Callable[..., Run]:
    """Return a function that changes settings and runs to the end by the button."""

    def run(**changes: object) -> Run:
        if changes:
            parts.document.replace_sampling("change", **changes)
        before = parts.sampling.recorded
        qtbot.mouseClick(panel.transport.run, LEFT)
        qtbot.waitUntil(
            lambda: parts.sampling.state is RunState.DONE and parts.sampling.recorded is not before,
            timeout=TIMEOUT,
        )
        assert parts.sampling.recorded is not None
        return parts.sampling.recorded

    return run


def open_page(panel: SamplingPanel, qtbot: QtBot) -> RunsPage:
    chip = panel.tools.pages[SamplingPage.RUNS]
    if not chip.isChecked():
        qtbot.mouseClick(chip, LEFT)
    page = panel._made[SamplingPage.RUNS]
    assert isinstance(page, RunsPage)
    return page


def click(page: RunsPage, run: Run, qtbot: QtBot, held: object = None) -> None:
    index = page.model.index_of(run)
    page.tree.scrollTo(index)
    place = page.tree.visualRect(index).center()
    modifier = held or Qt.KeyboardModifier.NoModifier
    qtbot.mouseClick(page.tree.viewport(), LEFT, modifier, place)


def test_fork_from_the_middle_goes_on_bit_for_bit_and_with_another_sampler(
    panel: SamplingPanel, parts: Parts, window: MainWindow, finish: Callable[..., Run], qtbot: QtBot
) -> None:
    button, chip = panel.transport.fork, panel.fork
    assert not button.isEnabled()
    assert chip.isHidden()
    parent = finish(sampler="dpmpp_2m")
    assert not button.isEnabled(), "the last step is no place to go on from"
    parts.run_view.set_step(2)
    qtbot.mouseClick(button, LEFT)
    assert parts.document.experiment.fork == Fork(parent.experiment, 2)
    assert chip.words.text() == f"step 2 of {parent.title}"
    armed = f"fork at step 2 of {parent.title}: change a setting to go on"
    assert panel.forecast.text() == armed, "alone, for there is little room"
    parts.run_view.set_step(4)
    qtbot.mouseClick(chip.words, LEFT)
    assert parts.document.experiment.fork is not None, "only the cross takes it away"
    assert (parts.run_view.run, parts.run_view.step) == (parent, 2)
    assert panel.start.isHidden()
    same = finish()
    for one, other in zip(parent.trajectory.frames, same.trajectory.frames, strict=True):
        for name in ("x_t", "x0_hat", "eps_hat"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    np.testing.assert_array_equal(parent.result, same.result)
    [mark] = panel.transport.timeline.marks()
    share = mark / panel.transport.timeline.width()
    assert share == pytest.approx(2 / 6, abs=0.02)
    assert panel.forecast.text() == armed
    other = finish(sampler="heun")
    assert "fork at step" not in panel.forecast.text()
    np.testing.assert_array_equal(other.trajectory.frames[2].x_t, parent.trajectory.frames[2].x_t)
    assert not np.array_equal(other.result, parent.result)
    page = open_page(panel, qtbot)
    assert page.model.parent(page.model.index_of(other)) == page.model.index_of(parent)
    parts.document.replace_sampling("count", count=3)
    qtbot.mouseClick(panel.transport.run, LEFT)
    qtbot.waitUntil(lambda: parts.sampling.state is RunState.FAILED, timeout=TIMEOUT)
    assert "set count and size back, or take it away" in panel.bar.text
    parts.document.history.undo()
    parts.sampling.runs.delete(parent)
    assert chip.words.text() == "step 2 of a deleted run"
    assert not chip.words.isEnabled()
    alone = finish()
    np.testing.assert_array_equal(alone.result, other.result)
    qtbot.mouseClick(chip.remove, LEFT)
    assert parts.document.experiment.fork is None
    assert chip.isHidden()
    assert not panel.start.isHidden()
    assert "Ctrl+Z" in panel.caption.text()
    assert parts.document.experiment.sampling.sampler == "heun", "what was set stays"
    parts.document.history.undo()
    assert chip.words.text() == "step 2 of a deleted run"
    chip.words.setFixedWidth(chip.words.sizeHint().width() - 30)
    assert chip.words.shown_text == "from step 2", "not cut, but said briefly"


def test_a_run_that_is_held_is_forked_by_key_finished_and_compared(
    panel: SamplingPanel, parts: Parts, window: MainWindow, finish: Callable[..., Run], qtbot: QtBot
) -> None:
    transport = panel.transport
    for made in range(3):
        qtbot.mouseClick(transport.step, LEFT)
        qtbot.waitUntil(
            lambda made=made: parts.run_view.frame is not None and parts.run_view.step == made,
            timeout=TIMEOUT,
        )
    parent = parts.sampling.recorded
    assert parent is not None
    qtbot.keyClick(window, Qt.Key.Key_F8)
    assert parts.sampling.state is RunState.STOPPED
    assert panel.caption.text() == f"Stopped {parent.title}, to fork; Runs can finish it"
    assert not parts.sampling.outdated, "nothing else was changed: there is nothing to sample"
    assert transport.run.text() == "Run"
    qtbot.mouseClick(transport.step, LEFT)
    qtbot.waitUntil(lambda: parts.run_view.run is not parent, timeout=TIMEOUT)
    assert parts.sampling.state is RunState.PAUSED
    qtbot.waitUntil(lambda: parts.run_view.step == 2, timeout=TIMEOUT)
    qtbot.mouseClick(transport.stop, LEFT)
    parts.sampling.live = True
    qtbot.keyClick(panel.form.sampler, Qt.Key.Key_Down)
    qtbot.waitUntil(lambda: parts.sampling.state is RunState.DONE, timeout=TIMEOUT)
    parts.sampling.live = False
    fork = parts.sampling.recorded
    assert fork is not None
    assert fork.experiment.sampling.sampler == "ddpm"
    assert (fork.forked_at, parts.sampling.runs.parent_of(fork)) == (2, parent)
    page = open_page(panel, qtbot)
    click(page, fork, qtbot)
    qtbot.mouseClick(page.compare, LEFT)
    view = panel.compare.view
    assert view is not None
    assert parts.run_comparison.runs == (parent, fork)
    assert view.finish.text() == f"Finish {parent.title}"
    qtbot.mouseClick(view.finish, LEFT)
    qtbot.waitUntil(lambda: parts.sampling.state is RunState.DONE, timeout=TIMEOUT)
    whole = parts.run_comparison.runs[0]
    assert whole is not parent
    assert whole.number == parent.number
    assert whole.trajectory.finished
    assert whole.trajectory.frames[1] is parent.trajectory.frames[1]
    assert view.finish.isHidden()
    assert parts.document.experiment.fork is not None, "the settings are as they were"


def test_runs_are_shown_named_noted_pinned_deleted_and_restored(
    panel: SamplingPanel, parts: Parts, finish: Callable[..., Run], qtbot: QtBot
) -> None:
    page = open_page(panel, qtbot)
    assert page.empty.isVisible()
    first = finish()
    second = finish(steps=4)
    assert not page.empty.isVisible()
    assert page.chosen() == [second]
    click(page, first, qtbot)
    assert parts.run_view.run is first
    qtbot.keyClick(page.tree, Qt.Key.Key_Up)
    assert parts.run_view.run is second
    click(page, first, qtbot)
    qtbot.keyClick(page.tree, Qt.Key.Key_F2)
    editor = page.tree.viewport().findChild(QLineEdit)
    assert editor is not None
    qtbot.keyClicks(editor, "the first")
    qtbot.keyClick(editor, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: first.title == "the first")
    low = page.tree.visualRect(page.model.index_of(first)).height()
    page.details.note.setFocus()
    qtbot.keyClicks(page.details.note, "good one, this")
    assert first.note == "good one, this"
    for left in ("good one, ", "good "):
        qtbot.keyClick(page.details.note, Qt.Key.Key_Z, CTRL)
        assert first.note == left, "a word at a time"
    qtbot.waitUntil(lambda: page.tree.visualRect(page.model.index_of(first)).height() > low)
    qtbot.keyClick(page.details.note, Qt.Key.Key_Return)
    assert page.tree.hasFocus()
    page.actions_by_name["pinRun"].trigger()
    assert first.pinned
    before = parts.document.experiment
    page.actions_by_name["restoreRun"].trigger()
    assert parts.document.experiment == first.experiment
    parts.document.history.undo()
    assert parts.document.experiment == before
    page.tree.setFocus()
    click(page, first, qtbot)
    click(page, second, qtbot, CTRL)
    assert page.chosen() == [first, second]
    qtbot.keyClick(page.tree, Qt.Key.Key_Delete)
    assert list(parts.sampling.runs) == [first], "what is pinned stays"
    assert panel.bar.text == "the first is pinned: let go of the pin (P), then delete"
    assert page.chosen() == [first]
    qtbot.keyClick(page.tree, Qt.Key.Key_P)
    qtbot.keyClick(page.tree, Qt.Key.Key_Delete)
    assert len(parts.sampling.runs) == 0
    assert page.deleted.text.text() == "the first deleted, 1 deletion before"
    steps = parts.document.history.count
    qtbot.keyClick(QApplication.focusWidget(), Qt.Key.Key_Z, CTRL)
    assert list(parts.sampling.runs) == [first]
    assert page.deleted.text.text() == f"{second.title} deleted"
    qtbot.mouseClick(page.deleted.undo, LEFT)
    assert list(parts.sampling.runs) == [first, second]
    assert page.deleted.isHidden()
    assert parts.document.history.count == steps
    assert parts.document.experiment == before
    page.tree.setFocus()
    qtbot.keyClick(page.tree, Qt.Key.Key_Z, CTRL)
    assert parts.document.experiment != before, "with nothing deleted it is the document's"
    click(page, first, qtbot)
    qtbot.keyClick(page.tree, Qt.Key.Key_Delete)
    assert page.deleted.isVisible()
    parts.sampling.runs.forgotten.emit(first)
    assert page.deleted.isHidden(), "nothing is offered whose memory is gone"


def test_what_the_next_change_replaces_says_so_and_a_click_keeps_it(
    panel: SamplingPanel, parts: Parts, finish: Callable[..., Run], qtbot: QtBot
) -> None:
    page, runs = open_page(panel, qtbot), parts.sampling.runs
    first = finish()

    def height(run: Run) -> int:
        return page.tree.visualRect(page.model.index_of(run)).height()

    def edit(steps: int) -> Run:
        before = parts.sampling.recorded
        parts.document.replace_sampling("steps", steps=steps)
        qtbot.waitUntil(
            lambda: parts.sampling.recorded is not before and not parts.sampling.active,
            timeout=TIMEOUT,
        )
        assert parts.sampling.recorded is not None
        return parts.sampling.recorded

    low = height(first)
    parts.sampling.live = True
    assert parts.sampling.fleeting is None, "it was asked for by hand"
    live = edit(4)
    assert parts.sampling.fleeting is live
    qtbot.waitUntil(lambda: height(live) > low)
    assert page.chosen() == [live]
    parts.sampling.live = False
    qtbot.waitUntil(lambda: height(live) == low)
    parts.sampling.live = True
    qtbot.waitUntil(lambda: height(live) > low)
    delegate, option = page.tree.itemDelegate(), QStyleOptionViewItem()
    option.rect = page.tree.visualRect(page.model.index_of(live))
    qtbot.mouseClick(page.tree.viewport(), LEFT, pos=delegate.pin_rect(option).center())
    assert live.pinned
    assert parts.sampling.fleeting is None
    qtbot.waitUntil(lambda: height(live) == low)
    newest = edit(5)
    assert list(runs) == [first, live, newest]
    parts.sampling.live = False


def test_what_is_chosen_is_what_is_on_show_when_a_comparison_ends(
    panel: SamplingPanel, parts: Parts, finish: Callable[..., Run], qtbot: QtBot
) -> None:
    page = open_page(panel, qtbot)
    first, second = finish(), finish(steps=4)
    assert not page.compare.isEnabled()
    assert page._count.text() == "2 runs: choose 2 to 4 to compare"
    click(page, first, qtbot)
    click(page, second, qtbot, CTRL)
    assert page._count.text() == "2 runs, 2 chosen"
    qtbot.mouseClick(page.compare, LEFT)
    third = finish(steps=5)
    assert not parts.run_comparison.on
    assert parts.run_view.run is third
    assert page.chosen() == [third], "Del is meant for what is seen"
    click(page, first, qtbot)
    click(page, second, qtbot, CTRL)
    qtbot.mouseClick(page.compare, LEFT)
    qtbot.mouseClick(page.compare, LEFT)
    assert not parts.run_comparison.on
    assert page.chosen() == [parts.run_view.run]


def test_a_hidden_page_takes_in_what_happened_when_it_is_on_show_again(
    panel: SamplingPanel, parts: Parts, finish: Callable[..., Run], qtbot: QtBot
) -> None:
    page = open_page(panel, qtbot)
    first, second = finish(), finish(steps=4)
    click(page, first, qtbot)
    click(page, second, qtbot, CTRL)
    parts.run_view.set_page(SamplingPage.CURVES)
    parts.sampling.runs.annotate(first, "kept")
    assert page.model.rowCount() == 0, "hidden, it does nothing"
    parts.run_view.set_page(SamplingPage.RUNS)
    assert page.model.rowCount() == 2
    assert page.chosen() == [first, second]
    heights = [page.tree.visualRect(page.model.index_of(run)).height() for run in (first, second)]
    assert heights[0] > heights[1]
    parts.run_view.set_page(None)
    third = finish(model="exact", steps=3)
    parts.sampling.runs.delete(first)
    parts.sampling.runs.delete(second)
    parts.run_view.set_page(SamplingPage.RUNS)
    assert page.chosen() == [third]


def test_a_verified_run_says_so_below_the_list(
    panel: SamplingPanel, parts: Parts, finish: Callable[..., Run], qtbot: QtBot
) -> None:
    page = open_page(panel, qtbot)
    run = finish(sampler="ddpm")
    page.actions_by_name["verifyRun"].trigger()
    qtbot.waitUntil(lambda: run.verdict is not None, timeout=TIMEOUT)
    found = "Run again: largest difference 0 (identical in all 7 frames)"
    assert page.details.verdict.text() == found
    page.actions_by_name["measureRun"].trigger()
    assert page.progress.isVisible()
    assert page._count.isHidden(), "in its place: the list keeps its rows"
    assert page.progress.bar.toolTip() == f"drawing the reference of {run.title}"
    qtbot.mouseClick(page.progress.cancel, LEFT)
    assert page.progress.isHidden()
    assert page._count.isVisible()
    assert run.distance is None
    page.actions_by_name["measureRun"].trigger()
    qtbot.waitUntil(lambda: run.distance is not None, timeout=TIMEOUT)
    assert "it draws fresh noise, the reference does not" in page.details.distance.text()
    one_line = page.details.verdict.sizeHint().height()
    assert page.details.height() <= 2 * (one_line + 2) + page.details.note.height()


def test_two_runs_are_compared_pixel_by_pixel(
    panel: SamplingPanel, parts: Parts, finish: Callable[..., Run], qtbot: QtBot
) -> None:
    shown, comparison = parts.run_view, parts.run_comparison
    first, second = finish(), finish(sampler="heun", steps=4)
    page = open_page(panel, qtbot)
    click(page, first, qtbot)
    click(page, second, qtbot, CTRL)
    qtbot.mouseClick(page.compare, LEFT)
    assert comparison.runs == (first, second)
    assert panel.stage.isHidden()
    view = panel.compare.view
    assert isinstance(view, CompareView)
    assert comparison.matching is Matching.LEVEL
    shown.set_quantities([Quantity.X0_HAT])
    shown.set_step(3)
    one, other = comparison.frames
    assert one is not None
    assert other is not None
    sigmas = [frame.sigma for frame in second.trajectory.frames]
    nearest = int(np.argmin(np.abs(np.log(np.clip(sigmas, 1e-9, 1e9)) - np.log(one.sigma))))
    assert (one.index, other.index) == (3, nearest)
    canvas = view.canvas
    assert [len(area.images) for area in canvas.areas] == [4, 4]
    _check_side_by_side(canvas, one, other)
    _check_difference(view, comparison, one, other, qtbot)
    _check_swipe(view, comparison, one, other, qtbot)
    qtbot.mouseClick(view.matching[Matching.STEP], LEFT)
    assert [frame.index for frame in comparison.frames if frame] == [3, 3]
    _check_distances(view, comparison, first, second, qtbot)
    qtbot.mouseClick(view.close_button, LEFT)
    assert not comparison.on
    assert panel.stage.isVisible()


def test_compared_runs_of_different_models_say_which(
    panel: SamplingPanel, parts: Parts, finish: Callable[..., Run], qtbot: QtBot
) -> None:
    first, second = finish(model="exact"), finish(model="gaussian")
    parts.run_view.set_quantities([Quantity.X0_HAT])
    parts.run_comparison.compare([first, second])
    view = panel.compare.view
    heads = [area.text.split("   ")[0] for area in view.canvas.areas]
    assert heads == ["A 𝑥̂₀ Exact", "B 𝑥̂₀ Gaussian"]
    qtbot.waitUntil(lambda: "B</b>" in view.told.text(), timeout=TIMEOUT)
    view.chart.setFixedWidth(400)
    view._show_step()
    assert f"{second.title} (Gaussian): " in view.told.text()
    assert f"to A, {first.title} (Exact), by step" in view.told.text()
    parts.run_comparison.set_mode(CompareMode.DIFFERENCE)
    [area] = view.canvas.areas
    assert area.text.split("   ")[1] == "Gaussian − Exact"
    third = finish(model="exact", steps=3)
    parts.run_comparison.compare([first, third])
    parts.run_comparison.set_mode(CompareMode.SIDE)
    assert not any("Exact" in area.text for area in view.canvas.areas)


def _colour(canvas: object, place: QPoint) -> tuple[int, int, int]:
    colour = canvas.grab().toImage().pixelColor(place)
    return colour.red(), colour.green(), colour.blue()


def _check_side_by_side(canvas: object, one: object, other: object) -> None:
    for room, frame in zip(canvas.rooms(), (one, other), strict=True):
        cell = canvas.cells(room, 4)[1]
        pixel = cell.topLeft() + QPoint(cell.width() * 9 // 32, cell.height() * 5 // 32)
        assert _colour(canvas, pixel) == tuple(frame.x0_hat[1, 2, 4])


def _check_difference(view: object, comparison: object, one: object, other: object,
                      qtbot: QtBot) -> None:  # fmt: skip
    qtbot.mouseClick(view.modes[CompareMode.DIFFERENCE], LEFT)
    largest = int(np.abs(other.x0_hat.astype(int) - one.x0_hat).max())
    [area] = view.canvas.areas
    assert view.gain.currentText() == "× auto"
    assert area.text.endswith(f"largest {spelled(largest / 127.5)}")
    span = largest * float(area.text.split("× ")[1].split()[0])
    assert 64 < span <= 128, "as large as can be with nothing clipped"
    view.gain.setCurrentIndex(4)
    view.gain.activated.emit(4)
    [area] = view.canvas.areas
    assert "× 8" in area.text
    apart = 8.0 * (other.x0_hat.astype(float) - one.x0_hat)
    wanted = np.clip(np.rint(128 + apart), 0, 255)
    for number, image in enumerate(area.images):
        shown = image.pixelColor(6, 9)
        assert (shown.red(), shown.green(), shown.blue()) == tuple(wanted[number, 9, 6])


def _check_swipe(view: object, comparison: object, one: object, other: object,
                 qtbot: QtBot) -> None:  # fmt: skip
    qtbot.mouseClick(view.modes[CompareMode.SWIPE], LEFT)
    canvas = view.canvas
    qtbot.waitUntil(lambda: len(canvas.rooms()) == 1)
    [room] = canvas.rooms()
    cells = canvas.cells(room, 4)
    qtbot.mouseDClick(canvas, LEFT, pos=cells[2].center())
    assert [len(area.images) for area in canvas.areas] == [1]
    [cell] = canvas.cells(room, 1)
    for share in (0.75, 0.25):
        place = cell.topLeft() + QPoint(round(share * cell.width()), cell.height() // 3)
        qtbot.mousePress(canvas, LEFT, pos=cell.center())
        qtbot.mouseMove(canvas, place)
        qtbot.mouseRelease(canvas, LEFT, pos=place)
        assert comparison.divider == pytest.approx(share, abs=0.01)
        pixel = cell.topLeft() + QPoint(cell.width() * 17 // 32, cell.height() * 5 // 32)
        frame = one if share > 0.5 else other
        assert _colour(canvas, pixel) == tuple(frame.x0_hat[2, 2, 8])
    qtbot.mouseDClick(canvas, LEFT, pos=cell.center())
    assert len(canvas.areas[0].images) == 4


def _check_distances(view: object, comparison: object, first: Run, second: Run,
                     qtbot: QtBot) -> None:  # fmt: skip
    qtbot.waitUntil(lambda: len(comparison.distances[0].steps) == 5, timeout=TIMEOUT)
    [found] = comparison.distances
    for step, value in zip(found.steps, found.values, strict=True):
        one = first.trajectory.frames[step].x0_hat.astype(float)
        other = second.trajectory.frames[step].x0_hat.astype(float)
        assert value == pytest.approx(np.sqrt(np.mean(((one - other) / 127.5) ** 2)), abs=1e-6)
    apart = np.sqrt(np.mean((first.result.astype(float) - second.result) ** 2))
    assert found.final == pytest.approx(apart, rel=1e-5)
    qtbot.waitUntil(lambda: "end" in view.told.text())
    x, y = view.chart.curves[0].getData()
    assert (x.tolist(), y.tolist()) == (list(found.steps), list(found.values))
    assert view.chart._marker.value() == 3
    middle = view.chart.height() // 2
    for pixel in range(30, view.chart.width(), 8):
        qtbot.mouseClick(view.chart.viewport(), LEFT, pos=QPoint(pixel, middle))
    assert view.chart._marker.value() == 6, "the last step of the first run"


def test_runs_flicker_and_a_comparison_follows_live_runs(
    panel: SamplingPanel, parts: Parts, finish: Callable[..., Run], qtbot: QtBot
) -> None:
    comparison = parts.run_comparison
    first = finish()
    parts.run_view.set_step(2)
    parts.sampling.fork(first, 2)
    parts.sampling.live = True
    parts.document.replace_sampling("sampler", sampler="heun")
    qtbot.waitUntil(
        lambda: len(parts.sampling.runs) == 2 and not parts.sampling.active, timeout=TIMEOUT
    )
    [_, fork] = parts.sampling.runs
    comparison.compare([first, fork])
    comparison.set_mode(CompareMode.FLICKER)
    view = panel.compare.view
    assert view is not None
    turns = []
    qtbot.waitUntil(
        lambda: turns.append(view.canvas.areas[0].text[0]) or set(turns) == {"A", "B"},
        timeout=TIMEOUT,
    )
    parts.document.replace_sampling("sampler", sampler="unipc")
    qtbot.waitUntil(
        lambda: parts.sampling.recorded is not fork and not parts.sampling.active, timeout=TIMEOUT
    )
    assert comparison.runs == (first, parts.sampling.recorded)
    assert fork not in parts.sampling.runs
    parts.sampling.runs.delete(first)
    assert not comparison.on
    assert not view.canvas._flicker.isActive()
