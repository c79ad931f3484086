"""The sampling panel: run, stop, scrub, denoise from here, settings by mouse and keys."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import QPoint, Qt
from pytestqt.qtbot import QtBot

from diffusion_gui.app.main_window import MainWindow
from diffusion_gui.app.parts import Parts
from diffusion_gui.engine import reverse
from diffusion_gui.engine.experiment import Guidance
from diffusion_gui.engine.params import pack
from diffusion_gui.panels.sampling.batch_view import best_grid
from diffusion_gui.panels.sampling.panel import SamplingPanel
from diffusion_gui.panels.sampling.runs_model import figures
from diffusion_gui.session import export
from diffusion_gui.state.run_view import Quantity, SamplingPage
from diffusion_gui.state.sampling import RunState

LEFT = Qt.MouseButton.LeftButton
TIMEOUT = 60_000


@pytest.fixture
def panel(window: MainWindow, parts: Parts) -> SamplingPanel:
    parts.document.replace_sampling("few", steps=6, count=4)
    return window.sampling


def _run(qtbot: QtBot, panel: SamplingPanel, parts: Parts) -> None:
    qtbot.mouseClick(panel.transport.run, LEFT)
    qtbot.waitUntil(lambda: parts.sampling.state is RunState.DONE, timeout=TIMEOUT)


def test_run_shows_the_pictures_and_the_numbers(
    panel: SamplingPanel, parts: Parts, qtbot: QtBot
) -> None:
    _run(qtbot, panel, parts)
    assert len(panel.batch.images[Quantity.X0_HAT]) == 4
    assert "step 6 of 6" in panel.caption.text()
    assert "NFE 6" in panel.caption.text()
    assert panel.tools.export.isEnabled()


def test_the_calls_of_guidance_and_restart_are_counted(
    panel: SamplingPanel, parts: Parts, qtbot: QtBot
) -> None:
    guidance = Guidance("cfg", pack({"scale": 2.0}), "gaussian")
    again = pack({"low": 0.5, "high": 5.0, "rounds": 1.0})
    parts.document.replace_sampling("dear", sampler="heun", guidance=guidance, restart=again)
    _run(qtbot, panel, parts)
    experiment = parts.document.experiment
    calls = reverse.model_calls(experiment)
    assert calls > 24
    assert f"NFE {calls}" in panel.caption.text()


def test_the_timeline_scrubs_through_the_steps_and_moves_t(
    panel: SamplingPanel, parts: Parts, qtbot: QtBot
) -> None:
    _run(qtbot, panel, parts)
    assert panel.transport.timeline.maximum() == 6
    panel.transport.timeline.setFocus()
    qtbot.keyClick(panel.transport.timeline, Qt.Key.Key_Home)
    assert panel.frame is not None
    assert panel.frame.index == 0
    assert parts.view.t == parts.view.T
    first = panel.batch.images[Quantity.X0_HAT][0].copy()
    qtbot.keyClick(panel.transport.timeline, Qt.Key.Key_End)
    assert parts.view.t == 0
    assert panel.batch.images[Quantity.X0_HAT][0] != first


def test_moving_t_shows_the_step_nearest_to_it(
    panel: SamplingPanel, parts: Parts, qtbot: QtBot
) -> None:
    _run(qtbot, panel, parts)
    parts.view.set_t(round(parts.view.T * 0.5))
    assert panel.frame is not None
    assert panel.frame.t == 500
    assert panel.transport.position.text() == "step 3 of 6   t = 500"
    parts.view.set_t(parts.view.t + 7)
    assert panel.frame.t == 500
    assert panel.transport.position.text() == "step 3 of 6   t ≈ 507", "the cursor of all panels"
    qtbot.keyClick(panel.transport.timeline, Qt.Key.Key_Right)
    assert panel.transport.position.text() == f"step 4 of 6   t = {parts.view.t}"


def test_the_timeline_can_be_scrubbed_while_the_run_goes_on(
    panel: SamplingPanel, parts: Parts, qtbot: QtBot
) -> None:
    parts.document.replace_sampling("long", steps=1000, count=1)
    qtbot.mouseClick(panel.transport.run, LEFT)
    qtbot.waitUntil(lambda: panel.transport.timeline.value() > 10, timeout=TIMEOUT)
    assert panel.transport.timeline.maximum() == 1000
    panel.transport.timeline.setValue(3)
    assert parts.sampling.trajectory is not None
    reached = len(parts.sampling.trajectory.frames)
    qtbot.waitUntil(lambda: len(parts.sampling.trajectory.frames) > reached + 5, timeout=TIMEOUT)
    assert panel.transport.timeline.value() == 3
    assert panel.frame is not None
    assert panel.frame.index == 3
    qtbot.mouseClick(panel.transport.stop, LEFT)
    assert parts.sampling.state is RunState.STOPPED


def test_the_accent_button_runs_pauses_and_resumes(
    panel: SamplingPanel, parts: Parts, qtbot: QtBot
) -> None:
    parts.document.replace_sampling("long", steps=1000, count=1)
    qtbot.mouseClick(panel.transport.run, LEFT)
    qtbot.waitUntil(lambda: parts.sampling.state is RunState.RUNNING, timeout=TIMEOUT)
    assert panel.transport.pause.isVisible()
    assert not panel.transport.run.isVisible()
    qtbot.waitUntil(lambda: panel.transport.timeline.value() > 3, timeout=TIMEOUT)
    qtbot.mouseClick(panel.transport.pause, LEFT)
    assert parts.sampling.state is RunState.PAUSED
    assert panel.transport.run.text() == "Resume"
    run = parts.sampling.recorded
    assert run is not None
    assert panel.caption.text().startswith("paused")
    assert figures(run).startswith("paused")
    qtbot.mouseClick(panel.transport.run, LEFT)
    assert parts.sampling.state is RunState.RUNNING
    assert figures(run).startswith("running")
    qtbot.mouseClick(panel.transport.stop, LEFT)


def test_denoise_from_here_starts_at_the_t_on_show(
    panel: SamplingPanel, parts: Parts, qtbot: QtBot
) -> None:
    _run(qtbot, panel, parts)
    parts.view.set_t(300)
    panel.start.here.trigger()
    qtbot.waitUntil(
        lambda: (
            parts.sampling.experiment == parts.document.experiment
            and parts.sampling.state is RunState.DONE
        ),
        timeout=TIMEOUT,
    )
    assert parts.sampling.trajectory is not None
    assert parts.sampling.trajectory.frames[0].t == 300
    assert panel.start.text() == "from picture"
    assert panel.start.accessibleName() == "from chelsea.png at t = 300"
    panel.start.noise.trigger()
    assert parts.document.experiment.sampling.start is None
    qtbot.waitUntil(lambda: not parts.sampling.active, timeout=TIMEOUT)


def test_denoise_from_a_clean_picture_is_refused_in_one_line(
    panel: SamplingPanel, parts: Parts, qtbot: QtBot
) -> None:
    parts.view.set_t(0)
    panel.start.here.trigger()
    assert panel.bar.text == "Move t above 0 and choose a picture to denoise from"


def test_the_form_changes_the_document_and_follows_undo(
    panel: SamplingPanel, parts: Parts, qtbot: QtBot
) -> None:
    parts.sampling.live = False
    form = panel.form
    form.sampler.setFocus()
    qtbot.keyClick(form.sampler, Qt.Key.Key_Down)
    assert parts.document.experiment.sampling.sampler == "ddpm"
    qtbot.waitUntil(lambda: form.params.control("variance").isVisible())
    parts.document.history.undo()
    assert form.sampler.currentData() == "ddim"
    assert "Order 1, one model call a step, no fresh noise" in form.sampler.toolTip()
    qtbot.waitUntil(lambda: form.params.control("eta").isVisible())


def test_more_steps_than_T_are_said(panel: SamplingPanel, parts: Parts, qtbot: QtBot) -> None:
    parts.sampling.live = False
    parts.document.replace_schedule(
        type(parts.document.experiment.schedule)(preset="linear", T=3), "T"
    )
    _run(qtbot, panel, parts)
    assert "at most 3 steps" in panel.caption.text()


def test_the_saved_grid_holds_the_pictures_and_the_experiment(
    panel: SamplingPanel, parts: Parts, qtbot: QtBot, tmp_path: Path
) -> None:
    _run(qtbot, panel, parts)
    assert panel.frame is not None
    assert parts.sampling.experiment is not None
    export.save_grid(tmp_path / "g.png", panel.frame.x0_hat, parts.sampling.experiment)
    with Image.open(tmp_path / "g.png") as image:
        assert np.asarray(image).std() > 20
        assert '"steps":6' in image.text["diffusion-gui"].replace(" ", "")


@pytest.mark.parametrize(
    ("count", "width", "height", "columns"),
    [(16, 400, 400, 4), (16, 800, 50, 16), (1, 300, 200, 1), (5, 50, 800, 1)],
)
def test_the_grid_uses_the_room(count: int, width: int, height: int, columns: int) -> None:
    found, side = best_grid(count, width, height)
    assert found == columns
    assert 0 < side <= min(width, height)


def test_the_pictures_of_the_grid_lie_inside_it(panel: SamplingPanel) -> None:
    left, right = panel.batch.areas()
    assert panel.batch.rect().contains(left)
    assert panel.batch.rect().contains(right)
    assert not left.intersects(right)
    assert left.topLeft() == QPoint(0, 0)


def test_chips_choose_the_grids_and_the_page_beside_them(
    panel: SamplingPanel, parts: Parts, qtbot: QtBot
) -> None:
    _run(qtbot, panel, parts)
    parts.run_view.set_step(3)
    grids = panel.tools.grids
    qtbot.mouseClick(grids[Quantity.EPS_HAT], LEFT)
    frame = panel.frame
    assert frame is not None
    assert list(panel.batch.images) == list(Quantity)
    shown = panel.batch.images[Quantity.EPS_HAT][0].pixelColor(5, 7)
    assert (shown.red(), shown.green(), shown.blue()) == tuple(frame.eps_hat[0, 7, 5])
    for quantity in (Quantity.X_T, Quantity.X0_HAT, Quantity.EPS_HAT):
        qtbot.mouseClick(grids[quantity], LEFT)
    assert list(panel.batch.images) == [Quantity.EPS_HAT], "the last grid stays"
    assert grids[Quantity.EPS_HAT].isChecked()
    wide = panel.batch.width()
    page = panel.tools.pages[SamplingPage.CURVES]
    qtbot.mouseClick(page, LEFT)
    qtbot.waitUntil(lambda: panel.batch.width() > wide + 100)
    qtbot.mouseClick(page, LEFT)
    assert panel.middle.pages.isVisible()


def test_steps_are_walked_by_buttons_and_keys(
    panel: SamplingPanel, window: MainWindow, parts: Parts, qtbot: QtBot
) -> None:
    transport = panel.transport
    assert not transport.step_back.isEnabled()
    _run(qtbot, panel, parts)
    qtbot.mouseClick(transport.step_back, LEFT)
    assert transport.timeline.value() == 5
    assert transport.position.text().startswith("step 5 of 6")
    qtbot.mouseClick(transport.step, LEFT)
    assert transport.timeline.value() == 6
    window.actions_by_name["firstStep"].trigger()
    assert transport.timeline.value() == 0
    assert not transport.step_back.isEnabled()
    window.actions_by_name["lastStep"].trigger()
    qtbot.keyClick(window, Qt.Key.Key_F6, Qt.KeyboardModifier.ShiftModifier)
    qtbot.waitUntil(lambda: transport.timeline.value() == 5)


def test_the_mark_of_the_step_on_show_lights_up(
    panel: SamplingPanel, window: MainWindow, parts: Parts, qtbot: QtBot
) -> None:
    plots = window.schedule.plots
    assert plots.lit is None
    _run(qtbot, panel, parts)
    assert plots.lit is None, "the last step, t = 0, has no mark"
    parts.run_view.set_step(3)
    assert plots.lit == 500.0
    x, y = plots.plot("alpha_bar").marks._lit[1].getData()
    assert (list(x), len(y)) == ([500.0], 1)
    parts.sampling.live = False
    parts.document.replace_sampling("other steps", steps=7)
    assert plots.lit is None, "the settings no longer go there"
    parts.document.history.undo()
    assert plots.lit == 500.0


def test_stepping_through_a_run_lays_nothing_out_anew(
    window: MainWindow, parts: Parts, qtbot: QtBot
) -> None:
    parts.sampling.live = False
    parts.document.replace_sampling("few", count=2, steps=12)
    parts.sampling.run()
    qtbot.waitUntil(lambda: parts.sampling.state is RunState.DONE, timeout=60_000)
    parts.run_view.set_step(11)
    for label in (window.sampling.transport.position, window.toolbar.time):
        before, text = label.size(), label.text()
        assert label.minimumSize() == label.maximumSize(), "Qt asks for a new layout otherwise"
        parts.run_view.set_step(0 if label is window.sampling.transport.position else 6)
        assert label.text() != text
        assert label.size() == before
        assert label.fontMetrics().horizontalAdvance(label.text()) < before.width()
