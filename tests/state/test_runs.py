"""The list of runs: forks share frames, live runs replace each other, memory is bounded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from diffusion_gui.app.parts import Parts
from diffusion_gui.engine.experiment import Experiment, Fork
from diffusion_gui.engine.trajectory import Frame, Trajectory
from diffusion_gui.state import runs as runs_module
from diffusion_gui.state.runs import Outcome, Run, Runs
from diffusion_gui.state.sampling import RunState

TIMEOUT = 60_000


@pytest.fixture
def finish(parts: Parts, qtbot: QtBot) -> Callable[[], Run]:
    """Return a function that runs the document's experiment to its end."""

    def run() -> Run:
        parts.sampling.live = False
        parts.sampling.run()
        qtbot.waitUntil(lambda: parts.sampling.state is RunState.DONE, timeout=TIMEOUT)
        made = parts.sampling.recorded
        assert made is not None
        return made

    return run


def test_a_fork_goes_on_from_its_step(parts: Parts, finish: Callable[[], Run]) -> None:
    parts.document.replace_sampling("few", count=2, steps=8, sampler="dpmpp_2m")
    parent = finish()
    assert parent.outcome is Outcome.DONE
    assert parent.result is not None
    parts.sampling.fork(parent, 2)
    same = finish()
    assert parts.sampling.runs.parent_of(same) is parent
    assert [frame.index for frame in same.trajectory.frames] == list(range(9))
    assert all(same.trajectory.frames[i] is parent.trajectory.frames[i] for i in range(2))
    np.testing.assert_array_equal(same.result, parent.result)
    parts.document.replace_sampling("sampler", sampler="heun")
    other = finish()
    assert not np.array_equal(other.trajectory.frames[4].x_t, parent.trajectory.frames[4].x_t)
    np.testing.assert_array_equal(other.trajectory.frames[2].x_t, parent.trajectory.frames[2].x_t)
    parts.sampling.unfork()
    assert parts.document.experiment.fork is None
    assert len(parts.sampling.runs) == 3
    parts.document.history.undo()
    assert parts.document.experiment.fork == Fork(parent.experiment, 2)


def test_a_stopped_run_says_so(parts: Parts, qtbot: QtBot) -> None:
    parts.sampling.live = False
    parts.document.replace_sampling("many", steps=1000)
    parts.sampling.run()
    qtbot.waitUntil(lambda: parts.sampling.state is RunState.RUNNING, timeout=TIMEOUT)
    parts.sampling.stop()
    run = parts.sampling.recorded
    assert run is not None
    assert run.outcome is Outcome.STOPPED
    assert list(parts.sampling.runs) == [run]


def made(live: bool = False, experiment: Experiment | None = None, frames: int = 3) -> Run:
    trajectory = Trajectory(frames - 1)
    picture, numbers = np.zeros((1, 32, 32, 3), np.uint8), np.zeros(1, np.float32)
    for i in range(frames):
        trajectory.append(Frame(i, 9 - i, 1.0, picture, picture, picture, numbers, numbers))
    return Run(experiment or Experiment(), trajectory, "CPU", (1, 2, 3), live=live)


def test_a_live_run_replaces_the_live_run_before_it() -> None:
    runs = Runs()
    first, second, third, fourth, fifth = (made(live=True) for _ in range(5))
    runs.add(first)
    runs.add(second)
    assert list(runs) == [second]
    runs.annotate(second, "keep me")
    runs.add(third)
    assert list(runs) == [second, third]
    runs.pin(third, True)
    asked = made()
    for run in (fourth, asked, fifth):
        runs.add(run)
    assert list(runs) == [second, third, fourth, asked, fifth]
    fork = made(live=True, experiment=replace(fifth.experiment, fork=Fork(fifth.experiment, 1)))
    runs.add(fork)
    assert list(runs)[-2:] == [fifth, fork]
    assert runs.parent_of(fork) is fifth


def test_names_pins_notes_and_deletion_are_told_and_can_be_taken_back() -> None:
    runs, told = Runs(), []
    run, later = made(), made()
    runs.changed.connect(lambda: told.append(1))
    runs.add(run)
    runs.add(later)
    assert run.title == f"Run {run.number}"
    runs.rename(run, "  first light ")
    assert run.title == "first light"
    runs.delete(run)
    assert list(runs) == [later]
    runs.put_back(run)
    assert list(runs) == [run, later]
    assert len(told) == 5


def test_many_changes_are_told_once() -> None:
    runs, told = Runs(), []
    many = [made() for _ in range(5)]
    for run in many:
        runs.add(run)
    runs.changed.connect(lambda: told.append(len(runs)))
    with runs.together():
        for run in many[1:]:
            runs.pin(run, True)
            runs.delete(run)
    assert told == [1]
    with runs.together():
        for run in many[1:]:
            runs.put_back(run)
    assert told == [1, 5]
    runs.pin(many[0], True)
    assert told == [1, 5, 5]


def test_old_runs_keep_only_their_ends_when_memory_is_short(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    size = made().nbytes
    monkeypatch.setattr(runs_module, "BUDGET", 3 * size)
    runs = Runs()
    pinned, *rest = (made() for _ in range(5))
    runs.add(pinned)
    runs.pin(pinned, True)
    for run in rest:
        runs.add(run)
    assert [len(run.trajectory) for run in runs] == [3, 2, 2, 2, 3]
    monkeypatch.setattr(runs_module, "MOST_RUNS", 3)
    newest = made()
    runs.add(newest)
    assert list(runs) == [pinned, rest[-1], newest]
