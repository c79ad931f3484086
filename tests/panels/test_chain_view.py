"""The page "Chain": its buttons and keys, its read-outs and the sentence that reads them."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QLabel, QPushButton
from pytestqt.qtbot import QtBot

from diffusion_gui.app.main_window import MainWindow
from diffusion_gui.app.parts import Parts
from diffusion_gui.engine.chain import Chain
from diffusion_gui.engine.schedules import ScheduleSpec
from diffusion_gui.panels.common.number_boxes import IntegerBox
from diffusion_gui.panels.images.chain_view import ChainView
from diffusion_gui.state.view_state import Page, Scaling

LEFT = Qt.MouseButton.LeftButton
Settle = Callable[[], None]


@pytest.fixture
def page(window: MainWindow, parts: Parts, qtbot: QtBot) -> ChainView:
    """Return the page, opened by its chip, of a short schedule."""
    parts.sampling.live = False
    parts.document.replace_schedule(ScheduleSpec("cosine", T=80), "T")
    qtbot.mouseClick(window.images.tools.chips[Page.CHAIN], LEFT)
    found = window.findChild(ChainView, "chainPage")
    assert isinstance(found, ChainView)
    return found


@pytest.fixture
def settle(page: ChainView, parts: Parts, qtbot: QtBot) -> Settle:
    """Return a function that waits until the chain has come to the cursor."""

    def wait() -> None:
        qtbot.waitUntil(lambda: not parts.chain.busy, timeout=20_000)

    return wait


def _button(page: ChainView, name: str) -> QPushButton:
    found = page.findChild(QPushButton, name)
    assert isinstance(found, QPushButton)
    return found


def _cell(page: ChainView, name: str) -> str:
    found = page.findChild(QLabel, name)
    assert isinstance(found, QLabel)
    return found.text()


def _values(image: QImage | None) -> np.ndarray:
    assert image is not None
    return np.array(image.constBits()).reshape(image.height(), image.bytesPerLine())


def test_it_is_made_when_it_is_first_looked_at(window: MainWindow, parts: Parts) -> None:
    assert window.findChild(ChainView, "chainPage") is None
    assert not parts.chain.busy
    window.images.tools.chips[Page.CHAIN].click()
    assert window.findChild(ChainView, "chainPage") is not None
    assert parts.chain.busy
    window.images.tools.chips[Page.TILES].click()
    parts.view.set_t(3)
    assert parts.chain.look is None or parts.chain.look.t != 3


def test_step_and_step_back_move_t_by_one(
    page: ChainView, parts: Parts, settle: Settle, qtbot: QtBot
) -> None:
    parts.view.set_t(40)
    settle()
    qtbot.mouseClick(_button(page, "chainStepButton"), LEFT)
    assert parts.view.t == 41
    settle()
    assert page.chain.caption.endswith("41 times")
    qtbot.mouseClick(_button(page, "chainStepBackButton"), LEFT)
    qtbot.mouseClick(_button(page, "chainStepBackButton"), LEFT)
    assert parts.view.t == 39
    settle()
    assert page.chain.caption.endswith("39 times")


def test_the_buttons_work_by_keys(
    page: ChainView, parts: Parts, settle: Settle, qtbot: QtBot
) -> None:
    settle()
    at = parts.view.t
    _button(page, "chainStepButton").setFocus()
    qtbot.keyClick(_button(page, "chainStepButton"), Qt.Key.Key_Space)
    assert parts.view.t == at + 1
    for name in ("chainStepBackButton", "chainPlayButton", "chainRedrawButton", "chainStopButton"):
        assert _button(page, name).focusPolicy() & Qt.FocusPolicy.TabFocus
        assert _button(page, name).toolTip()


def test_at_the_ends_there_is_no_step_further(
    page: ChainView, parts: Parts, settle: Settle
) -> None:
    parts.view.set_t(0)
    settle()
    assert not page.back.isEnabled()
    assert page.step.isEnabled()
    parts.view.set_t(80)
    settle()
    assert page.back.isEnabled()
    assert not page.step.isEnabled()


def test_both_columns_agree_to_twelve_digits(page: ChainView, parts: Parts, settle: Settle) -> None:
    parts.view.set_t(33)
    settle()
    alpha_bar = np.prod(1.0 - parts.document.schedule.beta[1:34])  # independent of abar itself
    assert _cell(page, "factorChain0") == _cell(page, "factorChain1") == f"{alpha_bar**0.5:.12f}"
    assert _cell(page, "varianceChain0") == _cell(page, "varianceChain1")
    assert _cell(page, "varianceChain0") == f"{1.0 - alpha_bar:.12f}"
    for name in ("factorChain2", "varianceChain2"):
        off = _cell(page, name).removeprefix("equal").removeprefix(" to ")
        assert not off or float(off) < 1e-14


def test_the_samples_are_within_the_errors_that_are_stated(
    page: ChainView, parts: Parts, settle: Settle
) -> None:
    parts.view.set_t(50)
    settle()
    look = parts.chain.look
    assert look is not None
    n = look.chain.pixels.size
    assert _cell(page, "meanChain2") == f"0 ± {n**-0.5:.2g}"
    assert _cell(page, "sampleChain2") == f"1 ± {(2 / n) ** 0.5:.2g}"
    assert _cell(page, "correlationChain2") == f"0 ± {n**-0.5:.2g}"
    assert _cell(page, "distanceChain2") == f"√2 ± {n**-0.5:.2g}"
    for name, expected, error in (
        ("meanChain0", 0.0, n**-0.5),
        ("meanChain1", 0.0, n**-0.5),
        ("sampleChain0", 1.0, (2 / n) ** 0.5),
        ("sampleChain1", 1.0, (2 / n) ** 0.5),
        ("correlationChain0", 0.0, n**-0.5),
        ("distanceChain0", 2**0.5, n**-0.5),
    ):
        value = float(_cell(page, name).replace("−", "-"))
        assert abs(value - expected) < 4.0 * error, name


def test_the_pixels_differ_and_the_sentence_says_so(
    page: ChainView, parts: Parts, settle: Settle
) -> None:
    parts.view.set_t(0)
    settle()
    assert np.array_equal(_values(page.chain.image), _values(page.jump.image))
    assert "pixel for pixel" in page.lesson.text()
    assert _cell(page, "meanChain0") == "–"
    parts.view.set_t(1)
    settle()
    assert "One step is one jump" in page.lesson.text()
    parts.view.set_t(40)
    settle()
    assert np.mean(_values(page.chain.image) != _values(page.jump.image)) > 0.9
    assert page.lesson.text().startswith("40 steps or one jump: the pixels differ")
    parts.view.set_t(80)
    settle()
    assert "both are noise" in page.lesson.text()


def test_a_redraw_changes_the_chain_alone(
    page: ChainView, parts: Parts, settle: Settle, qtbot: QtBot
) -> None:
    parts.view.set_t(40)
    settle()
    chain, jump = _values(page.chain.image).copy(), _values(page.jump.image).copy()
    mean = _cell(page, "meanChain1")
    qtbot.mouseClick(_button(page, "chainRedrawButton"), LEFT)
    settle()
    assert np.mean(_values(page.chain.image) != chain) > 0.9
    assert np.array_equal(_values(page.jump.image), jump)
    assert _cell(page, "meanChain1") == mean


def test_play_steps_runs_to_T_as_fast_as_it_is_told(
    page: ChainView, parts: Parts, settle: Settle, qtbot: QtBot
) -> None:
    parts.view.set_t(50)
    settle()
    box = page.findChild(IntegerBox, "chainPerFrameSpin")
    assert isinstance(box, IntegerBox)
    box.setFocus()
    box.selectAll()
    qtbot.keyClicks(box, "10")
    qtbot.keyClick(box, Qt.Key.Key_Return)
    times: list[int] = []
    parts.view.t_changed.connect(times.append)
    qtbot.mouseClick(_button(page, "chainPlayButton"), LEFT)
    assert _button(page, "chainPlayButton").isChecked()
    qtbot.waitUntil(lambda: not parts.chain.playing, timeout=20_000)
    assert times == [60, 70, 80]
    assert not _button(page, "chainPlayButton").isChecked()


def test_a_chain_on_its_way_can_be_stopped_where_it_is(
    page: ChainView, parts: Parts, settle: Settle, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle()
    advance, hurry = Chain.advance, threading.Event()

    def slowly(chain: Chain) -> None:
        hurry.wait(0.005)
        advance(chain)

    parts.document.replace_schedule(ScheduleSpec("cosine", T=2000), "T")
    monkeypatch.setattr(Chain, "advance", slowly)
    parts.view.set_t(2000)
    qtbot.waitUntil(lambda: page.stop.isVisible())
    assert " of 2000" in page.chain.caption
    assert page.lesson.text().startswith("The chain takes every step: it is at t = ")
    assert page.difference.image is None
    assert _cell(page, "correlationChain0") == "–"
    qtbot.mouseClick(_button(page, "chainStopButton"), LEFT)
    assert 0 < parts.view.t < 2000
    hurry.set()
    settle()
    assert not page.stop.isVisible()
    assert page.difference.image is not None


def test_the_plots_follow_the_chain_where_there_is_room(
    window: MainWindow, page: ChainView, parts: Parts, settle: Settle, qtbot: QtBot
) -> None:
    assert not page.variances.isVisible()
    window.resize(2560, 1440)
    parts.view.set_t(40)
    settle()
    qtbot.waitUntil(page.variances.isVisible)
    t, value = page.variances.points
    assert t[-1] == 40
    np.testing.assert_allclose(
        value, 1.0 - parts.document.schedule.alpha_bar[t.astype(int)], atol=1e-12
    )
    _, density = page.residuals.points
    centres = (np.arange(48) + 0.5) / 6.0 - 4.0
    normal = np.exp(-0.5 * centres**2) / np.sqrt(2.0 * np.pi)
    assert np.abs(density - normal).max() < 0.02
    place = page.variances.to_pixel(60.0, 0.5).toPoint()
    qtbot.mouseClick(page.variances.viewport(), LEFT, pos=place)
    assert abs(parts.view.t - 60) <= 1
    parts.view.set_t(0)
    settle()
    assert page.residuals.points[0].size == 0


def test_other_families_and_offset_noise_are_said(
    page: ChainView, parts: Parts, settle: Settle
) -> None:
    parts.document.replace_schedule(ScheduleSpec("ve", T=80), "preset")
    parts.document.replace_forward("offset", offset=0.2)
    parts.view.set_t(40)
    settle()
    assert "VP twin of the VE process" in page.notes.text()
    assert "offset 0.2 in both" in page.notes.text()
    a, s = parts.document.schedule.shown(40)
    assert float(_cell(page, "factorChain0")) == pytest.approx(a, abs=1e-12)
    assert float(_cell(page, "varianceChain0")) == pytest.approx(s**2, abs=1e-12)
    assert float(_cell(page, "meanChain2").split("± ")[1]) > 0.1


def test_nothing_is_cut_off(
    window: MainWindow, page: ChainView, parts: Parts, settle: Settle, qtbot: QtBot
) -> None:
    for size in ((1280, 800), (1440, 900), (1920, 1080), (2560, 1440)):
        window.resize(*size)
        parts.view.set_t(1)  # the smallest variance has the longest number
        settle()
        qtbot.wait(20)
        inside = page.rect()
        for cell in (*page.table.cells.values(), *page.table.heads):
            assert cell.width() >= cell.sizeHint().width(), cell.text()
            corner = cell.mapTo(page, QPoint(cell.width(), cell.height()))
            assert inside.contains(corner - QPoint(1, 1)), cell.text()
        bottom = page.lesson.mapTo(page, QPoint(0, page.lesson.height())).y()
        assert bottom <= page.back.mapTo(page, QPoint(0, 0)).y()
        for t in (0, 1, 40, 80):
            parts.view.set_t(t)
            settle()
            assert page.lesson.heightForWidth(page.lesson.width()) <= page.lesson.height()


def test_the_pictures_are_zoomed_and_read_together(
    page: ChainView, parts: Parts, settle: Settle, qtbot: QtBot
) -> None:
    parts.view.set_t(40)
    settle()
    qtbot.mouseMove(page.jump, page.jump.picture_rect().center())
    look, pixel = parts.chain.look, page.jump.pixel()
    assert look is not None
    assert pixel is not None
    chain, jump = (x[pixel.y(), pixel.x()] for x in look.values)
    for view, values in ((page.chain, chain), (page.jump, jump), (page.difference, chain - jump)):
        shown = view.reading.replace("−", "-").removeprefix("Δ ").split()
        np.testing.assert_allclose([float(v) for v in shown], values, atol=0.051)
        assert view.fits(view.reading)
    qtbot.keyClick(page.chain, Qt.Key.Key_Plus)
    assert page.jump.zoom.zoomed
    assert page.difference.zoom is page.chain.zoom
    parts.view.set_display(page=Page.TILES)
    assert page.chain.reading == ""


def test_the_scaling_that_is_chosen_holds_here_too(
    page: ChainView, parts: Parts, settle: Settle
) -> None:
    settle()
    parts.view.set_display(scaling=Scaling.SMOOTH)
    assert {view._scaling for view in (page.chain, page.jump, page.difference)} == {Scaling.SMOOTH}
