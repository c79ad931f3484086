"""The sampling controller: real runs of the real engine in its thread."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from diffusion_gui.app.parts import Parts
from diffusion_gui.engine import recorder, reverse
from diffusion_gui.engine.experiment import PICTURES, Start
from diffusion_gui.engine.schedules import ScheduleSpec
from diffusion_gui.session import library
from diffusion_gui.state.sampling import RunState

TIMEOUT = 60_000


def _wait(qtbot: QtBot, parts: Parts, *states: RunState) -> None:
    qtbot.waitUntil(lambda: parts.sampling.state in states, timeout=TIMEOUT)


def _run_to_end(qtbot: QtBot, parts: Parts) -> None:
    parts.sampling.run()
    _wait(qtbot, parts, RunState.DONE, RunState.FAILED)
    assert parts.sampling.state is RunState.DONE, parts.sampling.message


def test_a_run_goes_to_the_end_and_gives_the_pixels_of_the_engine(
    parts: Parts, qtbot: QtBot
) -> None:
    _run_to_end(qtbot, parts)
    trajectory = parts.sampling.trajectory
    assert trajectory is not None
    assert trajectory.finished
    inputs = reverse.Inputs(library.emoji(32))
    *_, last = reverse.run(parts.document.experiment, inputs)
    np.testing.assert_array_equal(trajectory.frames[-1].x0_hat, recorder.to_pixels(last.x_t))
    assert [frame.index for frame in trajectory.frames] == list(range(21))


def test_a_newer_request_supersedes_the_run_in_progress(parts: Parts, qtbot: QtBot) -> None:
    parts.document.replace_sampling("long", steps=1000)
    parts.sampling.run()
    _wait(qtbot, parts, RunState.RUNNING)
    parts.sampling.live = False
    parts.document.replace_sampling("short", steps=3, count=2)
    _run_to_end(qtbot, parts)
    assert parts.sampling.trajectory is not None
    assert parts.sampling.trajectory.num_steps == 3
    assert parts.sampling.experiment == parts.document.experiment


def test_after_a_failure_the_next_run_works(parts: Parts, qtbot: QtBot) -> None:
    parts.sampling.live = False
    empty = replace(parts.document.experiment, pictures=())
    parts.document.replace(empty, "remove all")
    parts.document.replace_sampling("own pictures", data=PICTURES)
    parts.sampling.run()
    _wait(qtbot, parts, RunState.FAILED)
    assert "no pictures to learn from" in parts.sampling.message
    parts.document.history.undo()
    _run_to_end(qtbot, parts)


def test_stop_keeps_the_steps_made_so_far(parts: Parts, qtbot: QtBot) -> None:
    parts.document.replace_sampling("long", steps=1000)
    parts.sampling.run()
    qtbot.waitUntil(
        lambda: parts.sampling.trajectory is not None and len(parts.sampling.trajectory.frames) > 5,
        timeout=TIMEOUT,
    )
    parts.sampling.stop()
    assert parts.sampling.state is RunState.STOPPED
    assert parts.sampling.trajectory is not None
    assert 5 < len(parts.sampling.trajectory.frames) < 1001
    assert not parts.sampling.trajectory.finished


def test_pause_holds_and_step_makes_exactly_one_step(parts: Parts, qtbot: QtBot) -> None:
    controller = parts.sampling
    controller.step()
    qtbot.waitUntil(
        lambda: controller.trajectory is not None and len(controller.trajectory.frames) == 1,
        timeout=TIMEOUT,
    )
    assert controller.state is RunState.PAUSED
    assert controller.trajectory is not None
    for made in (2, 3):
        controller.step()
        qtbot.waitUntil(lambda n=made: len(controller.trajectory.frames) == n, timeout=TIMEOUT)
    qtbot.wait(100)
    assert len(controller.trajectory.frames) == 3
    controller.resume()
    _wait(qtbot, parts, RunState.DONE)
    assert controller.trajectory.finished


def test_live_an_edit_samples_again(parts: Parts, qtbot: QtBot) -> None:
    parts.document.replace_sampling("few", steps=4, count=2)
    _run_to_end(qtbot, parts)
    first = parts.sampling.trajectory
    parts.document.replace_schedule(ScheduleSpec("linear"), "preset")
    qtbot.waitUntil(
        lambda: (
            parts.sampling.experiment == parts.document.experiment
            and parts.sampling.state is RunState.DONE
        ),
        timeout=TIMEOUT,
    )
    assert parts.sampling.trajectory is not first


def test_a_long_drag_still_shows_results_and_ends_with_the_last_edit(
    parts: Parts, qtbot: QtBot
) -> None:
    parts.document.replace_sampling("few", steps=4, count=2)
    _run_to_end(qtbot, parts)
    shown = set()
    for seed in range(1, 60):
        parts.document.replace(replace(parts.document.experiment, seed=seed), "drag", "seed")
        qtbot.wait(5)
        if parts.sampling.experiment is not None and parts.sampling.trajectory is not None:
            shown.add(parts.sampling.experiment.seed)
    qtbot.waitUntil(
        lambda: (
            parts.sampling.experiment == parts.document.experiment
            and parts.sampling.state is RunState.DONE
        ),
        timeout=TIMEOUT,
    )
    assert len(shown) > 3


def test_not_live_an_edit_leaves_the_result_alone(parts: Parts, qtbot: QtBot) -> None:
    parts.sampling.live = False
    parts.document.replace_sampling("few", steps=4, count=2)
    _run_to_end(qtbot, parts)
    recorded = parts.sampling.recorded
    parts.document.replace_schedule(ScheduleSpec("linear"), "preset")
    qtbot.wait(50)
    assert parts.sampling.recorded is recorded
    assert parts.sampling.outdated
    parts.document.history.undo()
    assert not parts.sampling.outdated


def test_denoise_from_here_at_little_noise_gives_the_picture_back(
    parts: Parts, qtbot: QtBot
) -> None:
    start = Start(parts.view.picture, 60)
    parts.document.replace_sampling("here", data=PICTURES, start=start, count=2)
    _run_to_end(qtbot, parts)
    assert parts.sampling.trajectory is not None
    frames = parts.sampling.trajectory.frames
    assert frames[0].t == 60
    pictures = parts.document.experiment.pictures
    clean = parts.store.squares(pictures[:1], parts.document.experiment.sampling.size)[0]
    for result in frames[-1].x0_hat:
        assert np.abs(result.astype(int) - clean).max() <= 1


@pytest.mark.parametrize("T", [1, 2, 10_000])
def test_extreme_lengths_run_without_nan(parts: Parts, qtbot: QtBot, T: int) -> None:
    parts.document.replace_schedule(ScheduleSpec("cosine", T), "T")
    parts.document.replace_sampling("few", steps=4, count=2)
    _run_to_end(qtbot, parts)
    assert parts.sampling.trajectory is not None
    last = parts.sampling.trajectory.frames[-1]
    assert last.t == 0
    assert np.isfinite([frame.change for frame in parts.sampling.trajectory.frames]).all()


def test_an_edit_early_in_a_long_run_takes_effect_before_it_ends(
    parts: Parts, qtbot: QtBot
) -> None:
    parts.document.replace_sampling("long", steps=1000)
    parts.sampling.run()
    _wait(qtbot, parts, RunState.RUNNING)
    old = parts.sampling.recorded
    parts.document.replace_sampling("short", steps=3, count=2)
    qtbot.waitUntil(lambda: parts.sampling.state is RunState.DONE, timeout=TIMEOUT)
    assert old is not None
    assert not old.trajectory.finished
    assert parts.sampling.experiment == parts.document.experiment


def test_a_picture_that_the_run_does_not_use_leaves_it_alone(parts: Parts, qtbot: QtBot) -> None:
    parts.document.replace_sampling("few", steps=4, count=2)
    _run_to_end(qtbot, parts)
    recorded = parts.sampling.recorded
    parts.pictures.remove([parts.document.experiment.pictures[0].id])
    qtbot.wait(50)
    assert parts.sampling.recorded is recorded
    assert parts.sampling.state is RunState.DONE


def test_a_pause_does_not_count_as_time_of_the_steps(parts: Parts, qtbot: QtBot) -> None:
    controller = parts.sampling
    parts.document.replace_sampling("few", steps=4, count=2)
    _run_to_end(qtbot, parts)
    controller.step()
    qtbot.waitUntil(
        lambda: controller.state is RunState.PAUSED and len(controller.trajectory or ()) == 1,
        timeout=TIMEOUT,
    )
    qtbot.wait(1200)
    controller.resume()
    _wait(qtbot, parts, RunState.DONE)
    assert controller.trajectory is not None
    assert controller.trajectory.last is not None
    assert controller.trajectory.last.seconds < 1.0


def test_experiment_and_frames_never_part(parts: Parts, qtbot: QtBot) -> None:
    controller, seen = parts.sampling, set()

    def look() -> None:
        run = controller.recorded
        assert run is not None
        seen.add((run.experiment.sampling.steps, run.trajectory.num_steps))

    controller.frames_changed.connect(look)
    for steps in (5, 9, 7, 11, 6):
        parts.document.replace_sampling("steps", steps=steps, count=1)
        controller.run()
        qtbot.wait(7)
    _wait(qtbot, parts, RunState.DONE)
    assert seen
    assert all(asked == made for asked, made in seen)
