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
from diffusion_gui.session import export
from diffusion_gui.state.sampling import RunState

LEFT = Qt.MouseButton.LeftButton
TIMEOUT = 60_000


@pytest.fixture
def panel(window: MainWindow, parts: Parts) -> SamplingPanel:
    parts.document.replace_sampling("few", steps=6, count=4)
    return window.sampling


def _run(qtbot: QtBot, panel: SamplingPanel, parts: Parts) -> None:
    qtbot.mouseClick(panel.run, LEFT)
    qtbot.waitUntil(lambda: parts.sampling.state is RunState.DONE, timeout=TIMEOUT)


def test_run_shows_the_pictures_and_the_numbers(
    panel: SamplingPanel, parts: Parts, qtbot: QtBot
) -> None:
    _run(qtbot, panel, parts)
    assert len(panel.batch.x0_hat) == 4
    assert "step 6 of 6" in panel.caption.text()
    assert "NFE 6" in panel.caption.text()
    assert panel.save.isEnabled()


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
    assert panel.timeline.maximum() == 6
    panel.timeline.setFocus()
    qtbot.keyClick(panel.timeline, Qt.Key.Key_Home)
    assert panel.frame is not None
    assert panel.frame.index == 0
    assert parts.view.t == parts.view.T
    first = panel.batch.x0_hat[0].copy()
    qtbot.keyClick(panel.timeline, Qt.Key.Key_End)
    assert parts.view.t == 0
    assert panel.batch.x0_hat[0] != first


def test_moving_t_shows_the_step_nearest_to_it(
    panel: SamplingPanel, parts: Parts, qtbot: QtBot
) -> None:
    _run(qtbot, panel, parts)
    parts.view.set_t(round(parts.view.T * 0.5))
    assert panel.frame is not None
    assert panel.frame.t == 500


def test_the_timeline_can_be_scrubbed_while_the_run_goes_on(
    panel: SamplingPanel, parts: Parts, qtbot: QtBot
) -> None:
    parts.document.replace_sampling("long", steps=1000, count=1)
    qtbot.mouseClick(panel.run, LEFT)
    qtbot.waitUntil(lambda: panel.timeline.value() > 10, timeout=TIMEOUT)
    assert panel.timeline.maximum() == 1000
    panel.timeline.setValue(3)
    assert parts.sampling.trajectory is not None
    reached = len(parts.sampling.trajectory.frames)
    qtbot.waitUntil(lambda: len(parts.sampling.trajectory.frames) > reached + 5, timeout=TIMEOUT)
    assert panel.timeline.value() == 3
    assert panel.frame is not None
    assert panel.frame.index == 3
    qtbot.mouseClick(panel.stop, LEFT)
    assert parts.sampling.state is RunState.STOPPED


def test_the_accent_button_runs_pauses_and_resumes(
    panel: SamplingPanel, parts: Parts, qtbot: QtBot
) -> None:
    parts.document.replace_sampling("long", steps=1000, count=1)
    qtbot.mouseClick(panel.run, LEFT)
    qtbot.waitUntil(lambda: parts.sampling.state is RunState.RUNNING, timeout=TIMEOUT)
    assert panel.pause.isVisible()
    assert not panel.run.isVisible()
    qtbot.waitUntil(lambda: panel.timeline.value() > 3, timeout=TIMEOUT)
    qtbot.mouseClick(panel.pause, LEFT)
    assert parts.sampling.state is RunState.PAUSED
    assert panel.run.text() == "Resume"
    qtbot.mouseClick(panel.run, LEFT)
    assert parts.sampling.state is RunState.RUNNING
    qtbot.mouseClick(panel.stop, LEFT)


def test_denoise_from_here_starts_at_the_t_on_show(
    panel: SamplingPanel, parts: Parts, qtbot: QtBot
) -> None:
    _run(qtbot, panel, parts)
    parts.view.set_t(300)
    qtbot.mouseClick(panel.from_here, LEFT)
    qtbot.waitUntil(
        lambda: (
            parts.sampling.experiment == parts.document.experiment
            and parts.sampling.state is RunState.DONE
        ),
        timeout=TIMEOUT,
    )
    assert parts.sampling.trajectory is not None
    assert parts.sampling.trajectory.frames[0].t == 300
    assert panel.from_noise.isVisible()
    assert "t = 300" in panel.from_noise.text()
    qtbot.mouseClick(panel.from_noise, LEFT)
    assert parts.document.experiment.sampling.start is None
    qtbot.waitUntil(lambda: not parts.sampling.active, timeout=TIMEOUT)


def test_denoise_from_a_clean_picture_is_refused_in_one_line(
    panel: SamplingPanel, parts: Parts, qtbot: QtBot
) -> None:
    parts.view.set_t(0)
    qtbot.mouseClick(panel.from_here, LEFT)
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
