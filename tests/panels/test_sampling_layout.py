"""The sampling panel in windows of all sizes: what gives way, nothing is cut, nothing jumps."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QRect, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from diffusion_gui.app.main_window import MainWindow
from diffusion_gui.app.parts import Parts
from diffusion_gui.engine.experiment import Guidance
from diffusion_gui.panels.common.combo import ElidedCombo
from diffusion_gui.panels.common.widgets import Chip
from diffusion_gui.panels.sampling.batch_view import GAP, best_grid
from diffusion_gui.panels.sampling.compare_canvas import shorter
from diffusion_gui.panels.sampling.panel import SamplingPanel
from diffusion_gui.panels.schedule.marks import thinned
from diffusion_gui.session.networks import open_file
from diffusion_gui.state.run_view import SamplingPage
from diffusion_gui.state.sampling import RunState

LEFT = Qt.MouseButton.LeftButton
TIMEOUT = 60_000
SMALLEST = (1100, 680)
SIZES = (SMALLEST, (1280, 800), (1440, 900), (2560, 1440))


@pytest.fixture
def panel(window: MainWindow, parts: Parts) -> SamplingPanel:
    parts.sampling.live = False
    parts.document.replace_sampling("few", steps=5, count=16)
    return window.sampling


def _settle() -> None:
    for _ in range(4):
        QApplication.processEvents()


def _resize(window: MainWindow, size: tuple[int, int]) -> None:
    window.resize(*size)
    _settle()
    assert (window.width(), window.height()) == size


def _run(qtbot: QtBot, panel: SamplingPanel, parts: Parts) -> None:
    qtbot.mouseClick(panel.transport.run, LEFT)
    qtbot.waitUntil(lambda: parts.sampling.state is RunState.DONE, timeout=TIMEOUT)


def _place(widget: QWidget, panel: SamplingPanel) -> QRect:
    return QRect(widget.mapTo(panel, QPoint()), widget.size())


def _assert_apart(panel: SamplingPanel) -> None:
    """Drawer, pictures, comparison and page lie beside each other, inside the panel."""
    of = (panel.drawer, panel.stage, panel.compare, panel.middle.pages)
    places = [_place(one, panel) for one in of if one is not None and one.isVisible()]
    inside = panel.rect().adjusted(0, 0, -10, -10)
    for left, right in pairwise(places):
        assert left.right() < right.left()
    assert all(inside.contains(place) for place in places), places


def test_a_window_of_any_size_cuts_no_button_and_no_field(
    window: MainWindow, panel: SamplingPanel, parts: Parts, qtbot: QtBot
) -> None:
    for size in SIZES:
        _resize(window, size)
        assert panel.tools.narrow == (size == SMALLEST), size
        chips = [chip for chip in panel.tools.findChildren(QPushButton) if chip.isVisible()]
        assert len(chips) == (6 if size == SMALLEST else 9)
        for chip in chips:
            assert chip.width() >= chip.sizeHint().width(), (size, chip.objectName())
        for one in (panel.tools, panel.form.count, panel.form.spacing):
            assert _place(one, panel).right() <= panel.width() - 12, size
        run = panel.transport.run
        for text in ("Run", "Resume"):
            run.setText(text)
            assert run.sizeHint().width() <= run.width(), text
        run.setText("Run")
    _resize(window, SIZES[1])
    for model in ("gaussian", "smoothed"):
        parts.document.replace_sampling("model", model=model)
        for combo in panel.form.findChildren(ElidedCombo):
            assert combo.shown_text == combo.currentText()
    _resize(window, SMALLEST)
    parts.document.replace_sampling("long", sampler="gradient_estimation")
    assert panel.form.sampler.shown_text.endswith("…")
    parts.document.replace_sampling("three parameters", sampler="sa_solver", params=())
    _settle()
    assert not panel.form.params.isVisible()  # the drawer has them
    _resize(window, SIZES[2])
    assert panel.form.params.isVisible()


def test_a_caption_has_room_in_a_window_of_any_size(
    window: MainWindow, panel: SamplingPanel, parts: Parts, make_network: Callable[..., Path]
) -> None:
    parts.networks.add(*open_file(make_network()))
    settings = {"model": "neural", "network": parts.networks.refs[0], "size": 16}
    parts.document.replace_sampling("network", label="red heart", **settings)
    form = panel.form
    for against in ("", "gaussian"):  # beside a closed form stands its data too
        guidance = Guidance("cfg" if against else "", (), against)
        parts.document.replace_sampling("guidance", guidance=guidance)
        for size in SIZES:
            _resize(window, size)
            _settle()
            assert form.data.isVisible() == bool(against)
            assert _place(form.count, panel).right() <= panel.width() - 12, size
            shown = (form.model, form.told.caption, form.told.scale, form.data_size, form.sampler)
            places = [_place(one, panel) for one in shown if one.isVisible()]
            assert form.data_size.isVisible() == (size != SMALLEST)
            assert all(one.right() < other.left() for one, other in pairwise(places)), size
            line = form.told.caption.lineEdit()
            wide = line.fontMetrics().horizontalAdvance("red heart") + 8
            assert wide < line.width(), size


def test_the_timeline_keeps_its_room_for_the_words_of_the_buttons(
    window: MainWindow, panel: SamplingPanel, parts: Parts, qtbot: QtBot
) -> None:
    transport = panel.transport
    words = {transport.step: "Step", transport.stop: "Stop", transport.fork: "Fork"}
    parts.document.replace_sampling("many", model="gaussian", steps=1000, count=1)
    parts.sampling.step()
    qtbot.waitUntil(lambda: parts.run_view.frame is not None, timeout=TIMEOUT)
    for size, shown in ((SMALLEST, False), ((1440, 900), True), (SMALLEST, False)):
        _resize(window, size)
        assert transport.timeline.width() >= 140, size
        for widget, word in words.items():
            assert widget.text() == (word if shown else "")
            assert widget.width() >= widget.sizeHint().width()
            assert widget.accessibleName() == word
    parts.sampling.stop()


def test_at_the_smallest_size_page_and_drawer_take_turns(
    window: MainWindow, panel: SamplingPanel, parts: Parts, qtbot: QtBot
) -> None:
    _resize(window, SMALLEST)
    _run(qtbot, panel, parts)
    panel.tools.page_menu.rows[SamplingPage.RUNS].trigger()
    assert parts.run_view.page is SamplingPage.RUNS
    assert panel.tools.page_menu.text() == "Runs"
    qtbot.mouseClick(panel.tools.settings, LEFT)
    _settle()
    assert panel.drawer is not None
    assert panel.drawer.isVisible()
    assert not panel.middle.pages.isVisible()
    assert panel.tools.page_menu.text() == "No page"
    assert panel.tools.page_menu.rows[None].text() == "No page", "one name for it"
    _assert_apart(panel)
    panel.tools.page_menu.rows[SamplingPage.RUNS].trigger()
    _settle()
    assert panel.middle.pages.isVisible()
    assert not panel.drawer.isVisible()
    assert not panel.tools.settings.isChecked()
    _assert_apart(panel)
    _resize(window, SIZES[2])
    qtbot.mouseClick(panel.tools.settings, LEFT)
    for page in SamplingPage:
        if panel.tools.pages[page].isChecked():
            continue
        qtbot.mouseClick(panel.tools.pages[page], LEFT)
        _settle()
        assert panel.middle.pages.isVisible(), page
        assert panel.drawer.isVisible(), page
        _assert_apart(panel)


def test_a_comparison_takes_the_place_of_list_and_form_until_they_are_asked_for(
    window: MainWindow, panel: SamplingPanel, parts: Parts, qtbot: QtBot
) -> None:
    _resize(window, SIZES[1])
    _run(qtbot, panel, parts)
    parts.run_view.set_page(SamplingPage.RUNS)
    parts.document.replace_sampling("another", sampler="euler_ancestral", params=())
    _run(qtbot, panel, parts)
    parts.run_comparison.compare(list(parts.sampling.runs))
    _settle()
    view = panel.compare.view
    assert view is not None
    assert not panel.middle.pages.isVisible()
    assert not panel.form.isVisible()
    canvas = view.canvas
    rooms = canvas.rooms()
    assert len(rooms) == 4
    assert len({room.top() for room in rooms[:2]}) == len({room.top() for room in rooms[2:]})
    assert canvas.cells(rooms[0], 16)[0].width() >= 28
    assert view.chart.isVisible()
    qtbot.mouseClick(panel.tools.settings, LEFT)
    for size in SIZES[:2]:
        _resize(window, size)
        assert not view.chart.isVisible()
        for chip in (*view.modes.values(), *view.matching.values()):
            assert isinstance(chip, Chip)
            assert chip.shown_text == chip.text(), size
        _assert_apart(panel)
    qtbot.mouseClick(panel.tools.settings, LEFT)
    _resize(window, SIZES[1])
    qtbot.mouseClick(panel.tools.pages[SamplingPage.RUNS], LEFT)
    assert panel.middle.pages.isVisible()
    qtbot.mouseClick(view.close_button, LEFT)
    _settle()
    assert panel.form.isVisible()
    assert panel.middle.pages.isVisible()


def test_what_comes_and_goes_in_the_panel_moves_no_edge_of_it(
    window: MainWindow, panel: SamplingPanel, parts: Parts, qtbot: QtBot
) -> None:
    _run(qtbot, panel, parts)
    for size in SIZES:
        _resize(window, size)
        edge = panel.y()
        for page in SamplingPage:
            parts.run_view.set_page(page)
            _settle()
            assert panel.y() == edge, (size, page)
        parts.view.set_t(400)  # at t = 0 there is nothing to start from
        parts.starts.from_here()
        _settle()
        assert panel.start_bar.isVisible()
        assert panel.y() == edge, size
        parts.starts.from_noise()


def test_tab_goes_through_the_panel_as_one_reads(
    window: MainWindow, panel: SamplingPanel, parts: Parts, qtbot: QtBot
) -> None:
    _run(qtbot, panel, parts)
    _resize(window, (1440, 1000))
    qtbot.mouseClick(panel.tools.settings, LEFT)
    parts.run_view.set_page(SamplingPage.RUNS)
    assert panel.drawer is not None
    for section in panel.drawer.sections.values():
        section.heading.setChecked(True)
    guidance = Guidance("cfg")
    parts.document.replace_sampling("late fields", sampler="heun", params=(), guidance=guidance)
    _settle()
    panel.form.sampler.setFocus()
    seen: list[str] = []
    for _ in range(60):
        QTest.keyClick(QApplication.focusWidget() or panel, Qt.Key.Key_Tab)
        focus = QApplication.focusWidget()
        assert focus is not None
        seen.append(focus.objectName())
        if focus is panel.transport.step_back:
            break
    wanted = ("param_churn", "param_noise_scale", "stepsSpin", "countSpin", "modelSection",
              "guidanceCombo", "guidance_scale", "samplerSection", "sampler_churn",
              "picturesSection", "batchView", "runsTree", "stepBackButton")  # fmt: skip
    assert set(wanted) <= set(seen), seen
    places = [seen.index(name) for name in wanted]
    assert places == sorted(places), seen


def test_steps_nearer_than_a_few_pixels_are_thinned_out(window: MainWindow, parts: Parts) -> None:
    parts.sampling.live = False
    parts.document.replace_sampling("many", steps=200)
    _settle()
    marks = window.schedule.alpha_bar.marks
    assert len(marks.times) == 200  # each can still be dragged
    for item, apart in ((marks._lane, 11.0), (marks._steps, 7.0)):
        assert item is not None
        drawn = np.sort(item.getData()[0])
        assert 10 < len(drawn) < 120
        assert np.diff(drawn).min() >= apart * window.schedule.alpha_bar.pixel()[0]
    assert thinned(np.array([5.0, 0.0, 4.0, 9.0]), 4.0).tolist() == [False, True, True, True]


def test_grids_have_whole_rows_and_captions_keep_the_t() -> None:
    assert best_grid(16, 300, 420) != (3, 0)
    for width, height in ((300, 420), (220, 300), (160, 160), (500, 100)):
        columns, side = best_grid(16, width, height)
        assert 16 % columns == 0
        assert columns * side <= width
        assert 16 // columns * side <= height
    for count in (5, 7, 11, 13, 16, 20, 37, 64, 128):
        for share in np.geomspace(0.12, 8.0, 60):
            width, height = 400, round(400 * share)
            columns, side = best_grid(count, width, height)
            rows = -(-count // columns)
            last = count - (rows - 1) * columns
            assert (columns * side <= width) & (rows * side <= height)
            largest = max(min(width // n, height // -(-count // n)) for n in range(1, count + 1))
            assert side >= 0.7 * (largest - GAP) - 1
            assert 2 * last >= columns or count not in (16, 64), share
    text = "A x_t   Run 1   step 3   t = 20"
    assert shorter(text, lambda part: len(part) <= 100) == text
    assert shorter(text, lambda part: len(part) <= 20) == "A x_t   t = 20"
    assert shorter(text, lambda part: False) == "A x_t"
