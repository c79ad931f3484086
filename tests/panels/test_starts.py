"""Starts, masks and round trips through their widgets, sampled by the real worker."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from diffusion_gui.app.main_window import MainWindow
from diffusion_gui.app.parts import Parts
from diffusion_gui.engine import images, masks
from diffusion_gui.engine.inpainting import EXACT, REPAINT
from diffusion_gui.engine.params import pack
from diffusion_gui.panels.sampling.mask_painter import MaskPainter
from diffusion_gui.panels.sampling.panel import SamplingPanel
from diffusion_gui.panels.sampling.trips_dialog import LITTLE, LITTLE_NOISE, TripsDialog, in_words
from diffusion_gui.state.run import Run
from diffusion_gui.state.sampling import RunState

LEFT, RIGHT = Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton
TIMEOUT = 60_000
SIZE = 16


@pytest.fixture
def panel(window: MainWindow, parts: Parts) -> SamplingPanel:
    parts.document.replace_sampling("few", steps=6, count=2, size=SIZE)
    parts.sampling.live = False
    return window.sampling


def _done(qtbot: QtBot, parts: Parts) -> Run:
    qtbot.waitUntil(
        lambda: (
            parts.sampling.experiment == parts.document.experiment
            and parts.sampling.state in (RunState.DONE, RunState.FAILED)
        ),
        timeout=TIMEOUT,
    )
    assert parts.sampling.state is RunState.DONE, parts.sampling.message
    assert parts.sampling.recorded is not None
    return parts.sampling.recorded


def _run(qtbot: QtBot, panel: SamplingPanel, parts: Parts) -> Run:
    button = panel.transport.run
    qtbot.waitUntil(lambda: button.isVisible() and button.isEnabled(), timeout=TIMEOUT)
    qtbot.mouseClick(button, LEFT)
    return _done(qtbot, parts)


def _square(qtbot: QtBot, parts: Parts) -> Any:
    qtbot.waitUntil(lambda: parts.starts.square(parts.view.picture) is not None, timeout=TIMEOUT)
    return parts.starts.square(parts.view.picture)


def _drag(qtbot: QtBot, widget: QWidget, places: list[QPointF], button: Any = LEFT) -> None:
    points: list[QPoint] = [place.toPoint() for place in places]
    qtbot.mousePress(widget, button, pos=points[0])
    for point in points[1:]:
        qtbot.mouseMove(widget, point)
    qtbot.mouseRelease(widget, button, pos=points[-1])


def test_the_noised_start_on_show_is_the_first_frame_and_the_strength_a_slider(
    panel: SamplingPanel, parts: Parts, qtbot: QtBot
) -> None:
    assert panel.start_bar.isHidden()
    parts.view.set_t(300)
    panel.start.here.trigger()
    _done(qtbot, parts)
    bar = panel.start_bar
    assert bar.isVisible()
    assert bar.mask_card.isHidden()
    assert bar.iterations.isHidden()
    bar.strength.setFocus()
    count = parts.document.history.count
    for _ in range(3):
        qtbot.keyClick(bar.strength, Qt.Key.Key_PageUp)
    t = bar.strength.value()
    assert t > 300
    assert parts.document.experiment.sampling.start.t == t
    assert parts.document.history.count == count + 1  # one gesture
    assert (panel.start.accessibleName(), bar.t.text()) == (
        f"from chelsea.png at t = {t}",
        f"t = {t}",
    )
    run = _run(qtbot, panel, parts)
    np.testing.assert_array_equal(bar.clean.pixels, _square(qtbot, parts))
    first = run.trajectory.frames[0]
    assert first.t == t
    np.testing.assert_allclose(bar.noised.pixels.astype(int), first.x_t[0].astype(int), atol=1)
    assert (bar.noised.pixels == first.x_t[0]).mean() > 0.99
    qtbot.mouseClick(bar.drop_start, LEFT)
    assert parts.document.experiment.sampling.start is None
    assert bar.isHidden()
    assert panel.start.text() == "from noise"


def test_an_inversion_brings_the_picture_back_better_with_corrections(
    panel: SamplingPanel, parts: Parts, qtbot: QtBot
) -> None:
    parts.document.replace_sampling("its own", data="pictures", model="gaussian", steps=10)
    parts.view.set_t(900)
    panel.start.inversion.trigger()
    assert panel.start.text() == "from inversion"
    assert panel.start.accessibleName() == "from chelsea.png inverted at t = 900"
    alone = panel.start_bar.text.text()
    parts.document.replace_sampling("several", count=3)
    assert panel.start_bar.text.text() == "chelsea.png: 3 alike, 1 is enough"
    parts.document.replace_sampling("with noise", sampler="ddpm")
    assert panel.start_bar.text.text() == "chelsea.png, inverted"
    parts.document.history.undo()
    parts.document.history.undo()
    assert panel.start_bar.text.text() == alone
    bar, wanted = panel.start_bar, images.to_float(_square(qtbot, parts))
    assert bar.noised.isHidden()
    errors = []
    for iterations in (3, 0):
        bar.iterations.setValue(iterations)
        run = _run(qtbot, panel, parts)
        start = run.experiment.sampling.start
        assert (start.inverted, start.iterations) == (True, iterations)
        assert run.calls[0] == 10 + 9 * iterations + 1
        np.testing.assert_array_equal(run.result[0], run.result[1])  # the way back has no noise
        errors.append(np.square(run.result[0].transpose(1, 2, 0) - wanted).mean())
    assert errors[0] < 0.25 * errors[1]


@pytest.fixture
def painter(panel: SamplingPanel, parts: Parts, qtbot: QtBot) -> MaskPainter:
    panel.start.masked.trigger()
    made = panel.start_windows.painter
    assert made is not None
    qtbot.waitExposed(made)
    _square(qtbot, parts)
    return made


def test_strokes_are_masks_and_undo_steps_and_the_run_keeps_the_rest(
    panel: SamplingPanel, painter: MaskPainter, parts: Parts, qtbot: QtBot
) -> None:
    canvas, history = painter.canvas, parts.document.history
    assert panel.start.masked.isChecked() is False
    assert not painter.undo.isEnabled(), "opening the picture was not painted"
    assert "every stroke takes effect at once" in painter.summary.text()
    count = history.count
    canvas.set_size(12)
    line = [QPointF(20, 30), QPointF(32, 30), QPointF(44, 30)]
    _drag(qtbot, canvas, [canvas.place_of(cell) for cell in line])
    kept = parts.starts.mask
    y, x = np.indices(kept.shape) + 0.5
    away = np.hypot(np.clip(x, 20, 44) - x, y - 30)
    assert not kept[away < 5].any()  # the mouse stands on whole pixels: not to the cell
    assert kept[away > 7].all()
    assert history.count == count + 1
    assert painter.undo.isEnabled()
    assert "paint the mask" in painter.undo.toolTip()
    _drag(qtbot, canvas, [canvas.place_of(QPointF(32, 30))], RIGHT)
    assert parts.starts.mask[30, 32]
    assert not parts.starts.mask[30, 22]
    qtbot.keyClick(canvas, Qt.Key.Key_R)
    box = [QPointF(4.5, 4.5), QPointF(9, 9), QPointF(11.5, 7.5)]
    _drag(qtbot, canvas, [canvas.place_of(cell) for cell in box])
    expected = np.ones_like(kept)
    expected[4:8, 4:12] = False
    np.testing.assert_array_equal(parts.starts.mask[:20, :14], expected[:20, :14])
    qtbot.keyClick(painter, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    qtbot.mouseClick(painter.undo, LEFT)
    np.testing.assert_array_equal(canvas.kept, kept)
    assert history.count == count + 3
    assert "pixels are drawn anew" in painter.summary.text()
    for method in (REPAINT, EXACT):
        painter.method.setCurrentIndex(painter.method.findData(method))
        painter.method.activated.emit(painter.method.currentIndex())
        run = _run(qtbot, panel, parts)
        assert run.experiment.sampling.inpaint.method == method
        known = masks.at_size(kept, SIZE)
        picture = images.to_float(_square(qtbot, parts))
        for one in run.result.transpose(0, 2, 3, 1):
            np.testing.assert_array_equal(one[known], picture[known])
            assert not np.array_equal(one[~known], picture[~known])
        assert panel.start_bar.mask_card.isVisible()
        assert panel.start.text().endswith(" · mask")
    qtbot.mouseClick(painter.clear, LEFT)
    assert parts.document.experiment.sampling.inpaint is None
    assert panel.start_bar.isHidden()
    qtbot.mouseClick(painter.close_button, LEFT)
    assert not painter.isVisible()


def test_the_brush_is_set_by_keys_wheel_and_slider_and_the_mask_inverted(
    painter: MaskPainter, parts: Parts, qtbot: QtBot
) -> None:
    canvas = painter.canvas
    before = canvas.size_of_brush
    qtbot.keyClicks(canvas, "]]]")
    qtbot.keyClicks(canvas, "[")
    assert canvas.size_of_brush == painter.size_slider.value() == before + 2
    painter.size_slider.setValue(4)
    assert painter.size_text.text() == "1 px"  # 4 of 64 cells at 16 px
    qtbot.keyClicks(canvas, "x")
    assert painter.keep.isChecked()
    qtbot.mouseClick(painter.redraw, LEFT)
    assert not canvas.keeps
    _drag(qtbot, canvas, [canvas.place_of(QPointF(10.5, 10.5))])
    mask = parts.starts.mask
    assert 0 < (~mask).sum() <= 16
    qtbot.mouseClick(painter.invert, LEFT)
    np.testing.assert_array_equal(parts.starts.mask, ~mask)
    np.testing.assert_array_equal(canvas.kept, ~mask)
    history = parts.document.history
    before = history.count
    qtbot.keyClicks(canvas, "x")
    for key in (Qt.Key.Key_Right, Qt.Key.Key_Down, Qt.Key.Key_Down, Qt.Key.Key_Space):
        qtbot.keyClick(canvas, key)
    assert history.count == before + 1
    changed = np.argwhere(parts.starts.mask == mask)
    assert 0 < len(changed) <= 16  # a pixel of the 16 is 4 x 4 cells
    resamples = painter.params.control("resamples")
    resamples.setValue(3.0)
    assert dict(parts.document.experiment.sampling.inpaint.params)["resamples"] == 3.0


def test_live_samples_again_after_each_stroke_and_gaussian_has_no_posterior(
    panel: SamplingPanel, painter: MaskPainter, parts: Parts, qtbot: QtBot
) -> None:
    _run(qtbot, panel, parts)
    parts.starts.set_params(pack({"resamples": 1.0}))  # quick: long runs are only offered
    parts.sampling.live = True
    canvas = painter.canvas
    _drag(qtbot, canvas, [canvas.place_of(QPointF(32, 32)), canvas.place_of(QPointF(40, 40))])
    assert _done(qtbot, parts).experiment.sampling.inpaint is not None
    parts.sampling.live = False
    exact = painter.method.findData(EXACT)
    assert painter.method.model().item(exact).isEnabled()
    parts.document.replace_sampling("other", model="gaussian")
    assert not painter.method.model().item(exact).isEnabled()
    assert "Exact conditioning goes with Exact and Local" in painter.explanation.text()
    other = parts.document.experiment.pictures[1]
    parts.view.set_picture(other.id)
    assert painter.move_mask.isVisible()
    qtbot.mouseClick(painter.move_mask, LEFT)
    assert parts.document.experiment.sampling.inpaint.picture == other.id
    assert painter.move_mask.isHidden()


def test_a_new_start_ends_a_fork_and_a_fork_shows_no_start(
    panel: SamplingPanel, parts: Parts, qtbot: QtBot
) -> None:
    parts.view.set_t(400)
    panel.start.here.trigger()
    run = _done(qtbot, parts)
    parts.sampling.fork(run, 2)
    assert panel.start_bar.isHidden()
    parts.view.set_t(200)
    parts.starts.from_here()
    assert parts.document.experiment.fork is None
    assert panel.start_bar.strength.value() == 200
    assert _done(qtbot, parts).trajectory.frames[0].t == 200


def test_a_picture_that_is_gone_is_said(painter: MaskPainter, parts: Parts, qtbot: QtBot) -> None:
    with qtbot.waitSignal(parts.starts.square_arrived, timeout=TIMEOUT):
        parts.starts.set_mask(np.zeros((64, 64), bool), "mask", "gone")
    assert parts.starts.unreadable("gone")
    assert "cannot be read" in painter.canvas._message
    parts.view.set_picture("")
    parts.starts.keep_nothing()
    lines: list[str] = []
    parts.starts.refused.connect(lines.append)
    parts.starts.set_mask(np.zeros((64, 64), bool), "mask")
    parts.starts.from_here()
    assert [line.split(" ")[0] for line in lines] == ["Choose", "Move"]


def test_round_trips_show_pictures_and_say_the_error(
    panel: SamplingPanel, parts: Parts, qtbot: QtBot
) -> None:
    parts.document.replace_sampling("its own", data="pictures", model="gaussian", steps=10)
    ids = [ref.id for ref in parts.document.experiment.pictures[:2]]
    parts.view.choose(ids)
    panel.start.trip.trigger()
    dialog = panel.start_windows.trips
    assert isinstance(dialog, TripsDialog)
    assert dialog.go.text() == "Make 2 round trips"
    assert dialog.empty.isVisible()
    dialog.iterations.setValue(4)
    qtbot.mouseClick(dialog.go, LEFT)
    assert dialog.progress.isVisible()
    qtbot.waitUntil(lambda: len(dialog.rows) == 2, timeout=TIMEOUT)
    qtbot.waitUntil(dialog.go.isVisible, timeout=TIMEOUT)
    trip = parts.starts.trips.trips[0][1]
    for view, pixels in zip(
        dialog.rows[0], (trip.picture, trip.noise, trip.result, trip.difference), strict=True
    ):
        np.testing.assert_array_equal(view.pixels, pixels)
    np.testing.assert_array_equal(trip.picture, _square(qtbot, parts))
    words = [one.text() for one in dialog.findChildren(QWidget, "tripWords")]
    assert words[0].splitlines()[0] == (
        f"rms {trip.rms:.3g}   PSNR {trip.psnr:.1f} dB   {in_words(trip.rms, trip.psnr)}"
    )
    assert (LITTLE in words[0]) == (trip.deviation < LITTLE_NOISE)
    parts.document.replace_sampling("more", steps=20)
    assert dialog.made.text() == "the settings have changed since"
    parts.document.replace_sampling("long", steps=1000)
    dialog.iterations.setValue(50)
    qtbot.mouseClick(dialog.go, LEFT)
    qtbot.waitUntil(lambda: dialog.progress.value() > 2, timeout=TIMEOUT)
    qtbot.mouseClick(dialog.cancel, LEFT)
    assert dialog.go.isVisible()
    assert dialog.made.text() == "stopped"


def test_errors_have_words() -> None:
    assert in_words(0.001, 66.0) == "the same picture, to 8 bits"
    said = {in_words(2.0 / 10 ** (psnr / 20), psnr) for psnr in (45.0, 35.0, 25.0, 5.0)}
    assert len(said) == 4
