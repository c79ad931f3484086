"""Live sampling: quick runs follow the edits without flicker, long ones are offered."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from diffusion_gui.app.main_window import MainWindow
from diffusion_gui.app.parts import Parts
from diffusion_gui.engine.experiment import Experiment, Sampling
from diffusion_gui.engine.schedules import ScheduleSpec
from diffusion_gui.engine.trajectory import Frame, Trajectory
from diffusion_gui.state import live
from diffusion_gui.state.pace import Pace
from diffusion_gui.state.run import Run
from diffusion_gui.state.sampling import RunState

TIMEOUT = 60_000


def _settled(parts: Parts) -> bool:
    controller = parts.sampling
    return controller.state is RunState.DONE and not controller.outdated


def test_a_run_that_would_take_long_is_offered_and_one_click_makes_it(
    window: MainWindow, parts: Parts, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    controller, panel = parts.sampling, window.sampling
    parts.document.replace_sampling("few", steps=4, count=2)
    controller.run()
    qtbot.waitUntil(lambda: _settled(parts), timeout=TIMEOUT)
    made = controller.recorded
    assert made is not None
    first, *_, last = made.trajectory.frames
    per_call = (last.seconds - first.seconds) / 3
    monkeypatch.setattr(live, "LIVE_SECONDS", 200 * per_call)
    parts.document.replace_sampling("more", steps=1000)
    assert controller.state is RunState.DONE
    assert controller.recorded is made
    assert controller.offered == pytest.approx(1000 * per_call)
    qtbot.waitUntil(lambda: "   NFE 1,000   about " in panel.forecast.text(), timeout=TIMEOUT)
    assert panel.forecast.text().startswith("settings changed: press Run   NFE")
    parts.document.replace_sampling("of another count", count=3)
    qtbot.waitUntil(lambda: "NFE 1,000   roughly " in panel.forecast.text(), timeout=TIMEOUT)
    assert controller.recorded is made
    parts.document.history.undo()
    parts.document.replace_schedule(ScheduleSpec("linear"), "preset")
    assert controller.recorded is made
    parts.document.replace_sampling("fewer", steps=20)
    assert controller.offered is None
    qtbot.waitUntil(lambda: _settled(parts), timeout=TIMEOUT)
    assert controller.recorded is not made
    assert "settings changed" not in panel.forecast.text()
    monkeypatch.setattr(live, "LIVE_SECONDS", 0.0)
    parts.document.replace_sampling("more", steps=40)
    assert controller.offered is not None
    qtbot.mouseClick(panel.transport.run, Qt.MouseButton.LeftButton)
    assert controller.offered is None
    qtbot.waitUntil(lambda: _settled(parts), timeout=TIMEOUT)
    assert controller.recorded is not None
    assert controller.recorded.trajectory.num_steps == 40


def test_a_drag_shows_results_only_and_ends_with_the_last_edit(
    window: MainWindow, parts: Parts, qtbot: QtBot
) -> None:
    controller, panel, shown = parts.sampling, window.sampling, parts.run_view
    controller._judge._patience.setInterval(60_000)
    parts.document.replace_sampling("few", steps=6, count=2)
    controller.run()
    qtbot.waitUntil(lambda: _settled(parts), timeout=TIMEOUT)
    seen: list[tuple[int, bool]] = []

    def look() -> None:
        assert shown.frame is not None
        assert shown.run is not None
        seen.append((shown.frame.index, shown.run.trajectory.finished))

    shown.step_changed.connect(look)
    for step in (6, 2):  # following the newest step, then looking at one in the middle
        shown.set_step(step)
        seen.clear()
        for seed in range(1, 30):
            parts.document.replace(replace(parts.document.experiment, seed=seed), "drag", "seed")
            assert panel.transport.run.isVisible(), "the buttons flicker"
            qtbot.wait(5)
        qtbot.waitUntil(lambda: _settled(parts), timeout=TIMEOUT)
        assert shown.run is controller.recorded
        assert len(seen) > 1
        assert set(seen) == {(step, True)}
    panel.batch.grab()


def test_an_edit_does_not_take_the_place_of_a_run_that_is_about_to_begin(
    parts: Parts, qtbot: QtBot
) -> None:
    controller = parts.sampling
    parts.document.replace_sampling("few", steps=4, count=2)
    controller.run()
    qtbot.waitUntil(lambda: _settled(parts), timeout=TIMEOUT)

    def edit(seed: int) -> object:
        parts.document.replace(replace(parts.document.experiment, seed=seed), "drag", "seed")
        assert controller.state is RunState.LOADING
        return controller._thread.job

    first = edit(1)
    assert edit(2) is first
    parts.document.replace_sampling("another model", model="stack")
    assert controller._thread.job is not first
    parts.document.history.undo()
    parts.document.history.undo()
    qtbot.waitUntil(lambda: _settled(parts), timeout=TIMEOUT)
    assert edit(3) is not first
    edit(4)
    qtbot.waitUntil(lambda: _settled(parts), timeout=TIMEOUT)
    assert controller.recorded is not None
    assert controller.recorded.experiment.seed == 4


def test_a_live_run_that_takes_its_time_is_shown_as_it_grows(
    parts: Parts, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "LIVE_SECONDS", 1000.0)
    controller = parts.sampling
    parts.document.replace_sampling("few", steps=4, count=1)
    controller.run()
    qtbot.waitUntil(lambda: _settled(parts), timeout=TIMEOUT)
    controller._judge._patience.setInterval(1)
    parts.document.replace_sampling("more", steps=600)
    qtbot.waitUntil(lambda: controller.shown_state is RunState.RUNNING, timeout=TIMEOUT)
    run = controller.recorded
    qtbot.waitUntil(lambda: parts.run_view.run is run, timeout=TIMEOUT)
    assert run is not None
    assert not run.trajectory.finished
    controller.stop()
    assert controller.shown_state is RunState.STOPPED


def test_a_model_of_unknown_pace_is_tried_out_of_sight_and_offered_where_it_is_slow(
    window: MainWindow, parts: Parts, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    controller, panel = parts.sampling, window.sampling
    parts.document.replace_sampling("few", steps=4, count=2)
    controller.run()
    qtbot.waitUntil(lambda: _settled(parts), timeout=TIMEOUT)
    made = controller.recorded
    seen: list[object] = []
    parts.run_view.run_changed.connect(lambda: seen.append(parts.run_view.run))

    monkeypatch.setattr(live, "LIVE_SECONDS", 1e-9)
    parts.document.replace_sampling("not timed yet", model="gaussian", steps=600)
    assert controller.state is RunState.LOADING
    qtbot.waitUntil(lambda: controller.offered is not None, timeout=TIMEOUT)
    assert 0.0 < controller.offered < 60.0
    assert (controller.state, controller.recorded, list(controller.runs)) == (
        RunState.DONE, made, [made],
    )  # fmt: skip
    assert panel.forecast.text().startswith("pictures still by Exact: press Run   NFE 600   about ")
    parts.document.replace_sampling("fewer", steps=5)
    assert controller.state is RunState.DONE, "known by now: offered at once"

    controller._judge._tried.setInterval(60_000)
    parts.document.replace_sampling("not timed yet", model="stack")
    assert controller.state is RunState.LOADING
    parts.document.history.undo()
    assert (controller.state, controller.offered is None) == (RunState.DONE, False)

    controller._judge._tried.setInterval(0)
    parts.document.replace_sampling("not timed yet", model="smoothed")
    qtbot.waitUntil(lambda: controller.offered is not None, timeout=TIMEOUT)
    assert panel.forecast.text().startswith(
        "pictures still by Exact: press Run (it takes a while)   "
    )
    parts.document.replace_sampling("fewer", steps=4)
    assert controller.state is RunState.DONE, "it is not tried again"
    assert seen == []
    qtbot.mouseClick(panel.transport.run, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: _settled(parts), timeout=TIMEOUT)
    assert [run.experiment.sampling.model for run in controller.runs] == ["exact", "smoothed"]
    assert "about" in panel.forecast.text()

    monkeypatch.setattr(live, "LIVE_SECONDS", 1000.0)
    controller._judge._tried.setInterval(60_000)
    parts.document.replace_sampling("not timed yet", model="local", size=16, model_params=())
    qtbot.waitUntil(lambda: _settled(parts), timeout=TIMEOUT)
    assert [run.experiment.sampling.model for run in controller.runs][2:] == ["local"]
    assert parts.run_view.run is controller.recorded


def _run(sampling: Sampling, seconds: float) -> Run:
    pixels, numbers = np.zeros((1, 2, 2, 3), np.uint8), np.zeros(1, np.float32)
    trajectory = Trajectory(4)
    for i in range(5):
        pictures = pixels, pixels, pixels
        age = seconds * i / 4
        trajectory.append(Frame(i, 4 - i, 1.0, *pictures, numbers, numbers, age))
    return Run(Experiment(sampling=sampling), trajectory, "CPU", (0, 1, 2, 3, 4))


def test_the_pace_of_the_same_model_is_preferred_to_a_similar_one() -> None:
    pace, plain = Pace(), Sampling(steps=10)
    assert pace.expected(Experiment(), "cpu") is None
    pace.learn(_run(replace(plain, steps=4), 0.8), "cpu")
    assert pace.expected(Experiment(sampling=plain), "cpu") == pytest.approx(2.0)
    twice = replace(plain, count=2 * plain.count)
    assert pace.per_call(Experiment(sampling=twice), "cpu") is None
    assert pace.expected(Experiment(sampling=twice), "cpu") == pytest.approx(4.0)
    other = replace(plain, model_params=(("temperature", 2.0),))
    assert pace.expected(Experiment(sampling=other), "cpu") == pytest.approx(2.0)
    assert pace.expected(Experiment(sampling=plain), "cuda") is None
    assert pace.expected(Experiment(sampling=replace(plain, model="local")), "cpu") is None
    pace.learn(_run(replace(twice, steps=4), 1.2), "cpu")
    assert pace.expected(Experiment(sampling=twice), "cpu") == pytest.approx(3.0)
    heun = replace(plain, sampler="heun", steps=1000)
    assert pace.expected(Experiment(sampling=heun), "cpu") == pytest.approx(400.0, rel=0.02)
