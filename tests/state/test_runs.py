"""The list of runs: forks share frames, live runs replace each other, memory is bounded."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from pytestqt.qtbot import QtBot

from diffusion_gui.app.parts import Parts
from diffusion_gui.engine import masks, projection, witness
from diffusion_gui.engine.experiment import MOST_FORKS, Experiment, Fork, Inpaint, Sampling
from diffusion_gui.engine.legs import shared_calls
from diffusion_gui.engine.planning import model_calls
from diffusion_gui.engine.survey import Atlas, Belief, Plane, Survey
from diffusion_gui.engine.tape import Tape
from diffusion_gui.engine.trajectory import Frame, Trajectory
from diffusion_gui.state import pace
from diffusion_gui.state import runs as runs_module
from diffusion_gui.state.run import Outcome, Run
from diffusion_gui.state.run_memory import RunMemory
from diffusion_gui.state.runs import Runs
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


def noted() -> Run:
    """Return a run of 4 frames of its own with a tape, a result and a survey, at its end."""
    run = made(frames=0)
    run.trajectory = Trajectory(3)
    for i in range(4):
        three = (np.zeros((1, 8, 8, 3), np.uint8) for _ in range(3))
        numbers = np.zeros(1, np.float32), np.zeros(1, np.float32)
        run.trajectory.append(Frame(i, 9 - i, 1.0, *three, *numbers))
    run.calls, run.outcome = (1, 2, 3, 4), Outcome.DONE
    run.tape = Tape([torch.zeros(1, 3, 8, 8)])
    run.result = np.zeros((1, 3, 8, 8), np.float32)
    points = np.zeros((5, 2), np.float32)
    plane = Plane(np.zeros(192, np.float32), np.zeros((2, 192), np.float32), (0.5, 0.5), points)
    atlas = Atlas(np.zeros((5, 8, 8, 3), np.uint8), tuple("abcde"), plane)
    run.survey = Survey(atlas, 3, 1)
    some = np.ones((1, 2), np.int64), np.ones((1, 2), np.float32), np.ones(1, np.float32)
    run.survey.append(np.zeros((2, 1, 2), np.float32), Belief(atlas, *some))
    return run


FRAME_BYTES, TAPE_BYTES = 3 * 8 * 8 * 3 + 8, 4 * 3 * 8 * 8


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


def test_old_runs_let_go_of_tapes_then_frames_then_notes_and_then_go(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runs = Runs()
    pinned, *rest = (noted() for _ in range(5))
    runs.add(pinned)
    runs.pin(pinned, True)
    for run in rest:
        runs.add(run)
    newest = rest[-1]

    def holds(run: Run) -> str:
        frames = "all" if len(run.trajectory) == 4 else "ends"
        notes = "notes" if run.result is not None and run.survey is not None else ""
        return " ".join(filter(None, (frames, notes, "tape" if run.tape is not None else "")))

    def within(budget: int) -> list[str]:
        monkeypatch.setattr(runs_module, "BUDGET", budget)
        runs.end(newest, Outcome.DONE)
        assert RunMemory().held(runs) <= max(budget, pinned.nbytes + newest.nbytes)
        return [holds(run) for run in runs]

    tape, frames = TAPE_BYTES, 2 * FRAME_BYTES
    total = RunMemory().held(runs)
    whole = "all notes tape"
    assert within(total) == [whole] * 5
    assert within(total - 1) == ["all notes", *[whole] * 4], "nothing is seen of a tape"
    total -= 4 * tape
    assert within(total) == [*["all notes"] * 4, whole]
    assert within(total - 1) == ["all notes", "ends notes", "all notes", "all notes", whole]
    total -= 3 * frames
    assert within(total) == ["all notes", *["ends notes"] * 3, whole]
    assert within(total - 1) == ["all notes", "ends", "ends notes", "ends notes", whole]
    assert rest[0].let_go
    assert not rest[1].let_go
    assert within(pinned.nbytes + newest.nbytes + frames) == ["all notes", "ends", whole]
    assert list(runs) == [pinned, rest[2], newest]
    assert within(0) == ["all notes", whole]


def test_what_several_runs_hold_is_counted_once() -> None:
    parent, other = noted(), noted()
    fork = noted()
    for frame in parent.trajectory.frames[:2]:
        fork.trajectory._frames[frame.index] = frame
    assert fork.tape is not None
    assert parent.tape is not None
    fork.tape = parent.tape.first(1)
    assert parent.survey is not None
    fork.survey = Survey(parent.survey.atlas, 3, 1)
    shared = 2 * FRAME_BYTES + TAPE_BYTES + parent.survey.atlas.nbytes
    together = RunMemory().held((parent, fork, other))
    assert together == parent.nbytes + fork.nbytes + other.nbytes - shared


def test_three_hundred_large_runs_stay_within_the_budget(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is really alive is counted apart from the list, array by array; all at a 16th."""
    monkeypatch.setattr(runs_module, "BUDGET", runs_module.BUDGET // 16)
    alive: list[weakref.ref[np.ndarray]] = []

    def pixels(*shape: int, kind: type = np.uint8) -> np.ndarray:
        made = np.zeros(shape, kind)
        alive.append(weakref.ref(made))
        return made

    def large(seed: int) -> Run:
        trajectory = Trajectory(4)
        numbers = np.zeros(256, np.float32)
        for i in range(5):
            three = (pixels(256, 16, 16, 3) for _ in range(3))
            trajectory.append(Frame(i, 4 - i, 1.0, *three, numbers, numbers))
        run = Run(Experiment(seed=seed), trajectory, "CPU", tuple(range(5)))
        run.result = pixels(256, 3, 16, 16, kind=np.float32)
        points = np.zeros((9, 2), np.float32)
        plane = Plane(np.zeros(3, np.float32), np.zeros((2, 3), np.float32), (0.0, 0.0), points)
        run.survey = Survey(Atlas(pixels(500, 16, 16, 3), ("a",) * 500, plane), 4, 256)
        return run

    runs, most = Runs(), 0
    budget = runs_module.BUDGET + large(0).nbytes
    for seed in range(300):
        run = large(seed)
        runs.add(run)
        runs.end(run, Outcome.DONE)
        if seed == 150:
            runs.delete(next(iter(runs)))  # it may be put back: it is held, and counts
        there = [one for ref in alive if (one := ref()) is not None]
        alive[:] = map(weakref.ref, there)
        most = max(most, sum(one.nbytes for one in there))
        del there, one, run
    assert 0.9 * runs_module.BUDGET < most <= budget
    assert len(runs) > 30
    assert runs._memory.held(runs) == RunMemory().held(runs), "as if counted anew"


def test_a_deleted_run_takes_memory_until_it_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    runs, forgotten = Runs(), []
    runs.forgotten.connect(forgotten.append)
    deleted, kept = noted(), noted()
    runs.add(deleted)
    runs.pin(deleted, True)
    runs.add(kept)
    runs.delete(deleted)
    monkeypatch.setattr(runs_module, "BUDGET", 2 * kept.nbytes)
    runs.add(noted())
    assert not forgotten
    assert deleted.let_go, "before any run in the list"
    assert not kept.let_go
    monkeypatch.setattr(runs_module, "BUDGET", 0)
    runs.add(noted())
    assert forgotten == [deleted]


def test_too_many_runs_go_unless_they_are_pinned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs_module, "MOST_RUNS", 3)
    runs = Runs()
    pinned, *rest = (noted() for _ in range(5))
    runs.add(pinned)
    runs.pin(pinned, True)
    for run in rest:
        runs.add(run)
    assert list(runs) == [pinned, *rest[-2:]]


def test_a_run_that_goes_on_and_one_that_has_just_ended_are_not_thinned(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(runs_module, "BUDGET", 0)
    runs = Runs()
    stopped, again, last = noted(), noted(), noted()
    again.outcome = Outcome.RUNNING
    runs.add(stopped)
    runs.add(last)
    runs.replace(stopped, again)
    runs.end(last, Outcome.DONE)
    assert len(again.trajectory) == 4
    runs.end(again, Outcome.DONE)
    assert len(again.trajectory) == 4
    assert again.tape is not None


def _until(qtbot: QtBot, parts: Parts, steps: int) -> Run:
    """Run the document's experiment, and stop it when so many frames are there."""
    before = parts.sampling.recorded
    parts.sampling.run()
    qtbot.waitUntil(
        lambda: (
            parts.sampling.recorded is not before and len(parts.sampling.trajectory.frames) > steps
        ),
        timeout=TIMEOUT,
    )
    parts.sampling.stop()
    stopped = parts.sampling.recorded
    assert stopped is not None
    qtbot.waitUntil(lambda: not parts.sampling._thread._runner.busy, timeout=TIMEOUT)
    return stopped


def test_a_finished_run_has_the_time_and_the_posteriors_of_before(
    parts: Parts, qtbot: QtBot
) -> None:
    parts.sampling.live = False
    parts.document.replace_sampling("long", steps=400, count=16, size=16)
    stopped = _until(qtbot, parts, 30)
    made = len(stopped.trajectory)
    assert made < 400
    age = stopped.trajectory.last.seconds
    parts.document.replace_sampling("other", steps=7)
    parts.sampling.finish(stopped)
    assert parts.sampling.outdated  # the document is another
    qtbot.waitUntil(lambda: parts.sampling.state is RunState.DONE, timeout=TIMEOUT)
    run = parts.sampling.recorded
    assert run is not None
    frames, survey = run.trajectory.frames, run.survey
    assert survey is not None
    assert all(survey.belief(i) is not None for i in range(399))
    assert frames[made - 1] is stopped.trajectory.last
    assert (np.diff([frame.seconds for frame in frames]) >= 0.0).all()
    assert run.seconds > age
    each = parts.sampling.pace.per_call(run.experiment, parts.sampling.device)
    took = frames[-1].seconds - frames[0].seconds
    assert each == pytest.approx(took / (run.calls[-1] - run.calls[0]))
    assert parts.sampling.outdated
    # a fork goes on with the time of its run
    parts.sampling.fork(run, 200)
    parts.document.replace_sampling("other", steps=400, sampler="ddpm")
    parts.sampling.run()
    qtbot.waitUntil(lambda: parts.sampling.state is RunState.DONE, timeout=TIMEOUT)
    forked = parts.sampling.trajectory.frames
    assert (np.diff([frame.seconds for frame in forked]) >= 0.0).all()
    assert forked[200].seconds >= frames[199].seconds


def test_a_finished_run_is_not_given_up_for_a_document_that_was_another_before(
    parts: Parts, qtbot: QtBot
) -> None:
    parts.sampling.live = False
    parts.document.replace_sampling("long", steps=300, count=4, size=16)
    stopped = _until(qtbot, parts, 10)
    parts.document.replace_sampling("other", steps=7)
    parts.sampling.live = True
    parts.sampling.finish(stopped)
    parts.document.replace_forward("nothing to a run", size=64)
    qtbot.waitUntil(lambda: parts.sampling.state is RunState.DONE, timeout=TIMEOUT)
    assert parts.sampling.recorded.experiment == stopped.experiment
    assert list(parts.sampling.runs) == [parts.sampling.recorded]


def test_on_another_device_nothing_is_gone_on_with(parts: Parts, finish: Callable[[], Run]) -> None:
    parts.document.replace_sampling("few", count=2, steps=8, size=16)
    parent = finish()
    parent.device = "another"
    parent.tape = Tape([one.to("meta") for one in parent.tape._estimates])
    parts.sampling.fork(parent, 4)
    same = finish()
    assert same.trajectory.frames[2] is not parent.trajectory.frames[2]
    np.testing.assert_array_equal(same.result, parent.result)


def test_a_run_of_an_edit_that_a_person_stopped_stays(parts: Parts, qtbot: QtBot) -> None:
    parts.document.replace_sampling("few", count=1, steps=3, size=16)
    parts.sampling.run()
    qtbot.waitUntil(lambda: parts.sampling.state is RunState.DONE, timeout=TIMEOUT)
    parts.sampling.live = False
    parts.document.replace_sampling("long", steps=1000, count=64)
    parts.sampling.live = True
    parts.sampling._submit(live=True)
    qtbot.waitUntil(lambda: parts.sampling.recorded.live, timeout=TIMEOUT)
    stopped = parts.sampling.recorded
    parts.sampling.stop()
    parts.document.replace_sampling("short", steps=3, count=1)
    qtbot.waitUntil(
        lambda: parts.sampling.recorded is not stopped and parts.sampling.state is RunState.DONE,
        timeout=TIMEOUT,
    )
    assert stopped in parts.sampling.runs


def test_a_run_that_is_loading_can_be_held(parts: Parts, qtbot: QtBot) -> None:
    parts.sampling.live = False
    parts.document.replace_sampling("few", count=1, steps=5, size=16)
    parts.sampling.run()
    assert parts.sampling.state is RunState.LOADING
    parts.sampling.pause()
    assert parts.sampling.state is RunState.PAUSED
    qtbot.waitUntil(lambda: len(parts.sampling.trajectory or ()) == 1, timeout=TIMEOUT)
    parts.sampling.step()
    qtbot.waitUntil(lambda: len(parts.sampling.trajectory or ()) == 2, timeout=TIMEOUT)
    assert parts.sampling.state is RunState.PAUSED


def test_a_line_of_forks_ends_where_a_file_ends(parts: Parts) -> None:
    parts.sampling.live = False
    run = parts.document.experiment
    for seed in range(MOST_FORKS):
        run = replace(run, seed=seed + 1, fork=Fork(run, 3))
    before = parts.document.experiment
    parts.sampling.fork(made(experiment=run), 1)
    assert parts.document.experiment is before
    assert "the last of 64 forks" in parts.sampling.message


def test_without_memory_for_the_map_a_run_goes_without_it(
    parts: Parts, finish: Callable[[], Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    drawn = projection.principal_plane
    monkeypatch.setattr(projection, "principal_plane", full)
    parts.document.replace_sampling("few", count=2, steps=5, size=16)
    run = finish()
    assert run.survey is None
    assert "goes without it" in run.message
    monkeypatch.setattr(projection, "principal_plane", drawn)
    place, times = witness.Projector.__call__, iter(range(100))

    def scarce(self: witness.Projector, *given: object) -> torch.Tensor:
        if next(times) in (3, 6, 7):  # once, and once again when asked anew
            raise torch.OutOfMemoryError("CUDA out of memory")
        return place(self, *given)

    monkeypatch.setattr(witness.Projector, "__call__", scarce)
    run = finish()
    assert run.survey is not None
    assert len(run.survey) == 6
    assert np.isnan(run.survey.x_t).any(axis=(1, 2)).sum() == 1


def test_of_a_long_fork_the_calls_are_about_right_and_not_counted_through() -> None:
    kept = Inpaint("p", masks.encode(np.zeros((64, 64), bool)), (("jump", 5.0), ("resamples", 9.0)))
    for sampling in (
        Sampling(steps=900, restart=(("high", 10.0), ("low", 0.05), ("rounds", 5.0))),
        Sampling(steps=900, inpaint=kept),
        Sampling(steps=900, sampler="heun"),
    ):
        root = Experiment(sampling=sampling)
        fork = replace(root, seed=1, fork=Fork(root, 300))
        late = replace(root, sampling=replace(sampling, steps=500), fork=Fork(fork, 600))
        for run in (root, fork, late):
            exact = model_calls(run) - shared_calls(run)
            assert pace._calls(run) == pytest.approx(exact, rel=0.25)
    counted: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pace, "model_calls", lambda run: counted.append(run.sampling.steps) or 1)
        pace._calls(late)
    assert counted[0] < 60


def test_a_branch_of_edits_does_not_take_the_place_of_a_fork() -> None:
    runs = Runs()
    first = made(live=False)
    runs.add(first)
    forked = replace(first.experiment, seed=3, fork=Fork(first.experiment, 1))
    fork, again = (made(live=True, experiment=replace(forked, seed=seed)) for seed in (3, 4))
    runs.add(fork)
    runs.add(again)
    assert list(runs) == [first, again]  # edits of one fork take turns
    plain_run = made(live=True)
    runs.add(plain_run)
    assert list(runs)[-2:] == [again, plain_run]


def test_a_fork_is_first_seen_at_its_step_and_costs_what_is_new(
    parts: Parts, finish: Callable[[], Run], qtbot: QtBot
) -> None:
    parts.document.replace_sampling("few", count=2, steps=12, size=16)
    parent = finish()
    parts.sampling.fork(parent, 8)
    parts.document.replace_sampling("sampler", sampler="dpmpp_2m")
    qtbot.waitUntil(lambda: "NFE 13 (4 new)" in parts.forecaster.text, timeout=TIMEOUT)
    seen: list[int] = []

    def note() -> None:
        run = parts.sampling.recorded
        if run is not parent and run is not None and run.trajectory.last is not None:
            seen.append(run.trajectory.last.index)

    parts.sampling.frames_changed.connect(note)
    finish()
    assert min(seen) >= 7


def test_settings_are_held_against_the_run_on_show(parts: Parts, finish: Callable[[], Run]) -> None:
    parts.document.replace_sampling("few", count=2, steps=5, size=16)
    one = finish()
    parts.document.replace_sampling("more", steps=7)
    assert parts.sampling.differs(one)
    other = finish()
    assert not parts.sampling.differs(other)
    assert parts.sampling.differs(one)
