"""The tree of runs: forks below their parents, rows that stay, a model that Qt agrees with."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from PySide6.QtCore import QPersistentModelIndex, Qt
from pytestqt.modeltest import ModelTester
from pytestqt.qtbot import QtBot

from diffusion_gui.engine.experiment import Experiment, Fork
from diffusion_gui.engine.run_distance import ReferenceDistance, Verdict
from diffusion_gui.engine.trajectory import Frame, Trajectory
from diffusion_gui.panels.sampling.runs_model import RUN, RunsModel, figures, forked
from diffusion_gui.state.run import Outcome, Run
from diffusion_gui.state.runs import Runs

ROLE = Qt.ItemDataRole


def made(seed: int = 0, fork: Fork | None = None, live: bool = False, steps: int = 3) -> Run:
    trajectory = Trajectory(3)
    picture, numbers = np.zeros((1, 8, 8, 3), np.uint8), np.zeros(1, np.float32)
    for i in range(steps + 1):
        trajectory.append(Frame(i, 9 - i, 1.0, picture, picture, picture, numbers, numbers))
    return Run(Experiment(seed=seed, fork=fork), trajectory, "CPU", (1, 2, 3, 4), live=live)


def titles(model: RunsModel, parent: object = None) -> list[object]:
    """Return the tree as nested lists of the runs' titles."""
    parent = model.index(-1, 0) if parent is None else parent
    rows = [model.index(row, 0, parent) for row in range(model.rowCount(parent))]
    found: list[object] = []
    for row in rows:
        found.append(row.data())
        if model.rowCount(row):
            found.append(titles(model, row))
    return found


def test_forks_stand_below_their_parents_and_move_up_when_those_go(
    qtmodeltester: ModelTester,
) -> None:
    runs = Runs()
    model = RunsModel(runs)
    qtmodeltester.check(model)
    first = made(1)
    second = made(2)
    child = made(1, Fork(first.experiment, 2))
    grandchild = made(1, Fork(child.experiment, 1))
    other = made(7, Fork(first.experiment, 1))
    for run, name in zip(
        (first, second, child, grandchild, other), ("a", "b", "c", "d", "e"), strict=True
    ):
        runs.add(run)
        runs.rename(run, name)
    assert titles(model) == ["b", "a", ["e", "c", ["d"]]]
    kept = QPersistentModelIndex(model.index_of(grandchild))
    runs.delete(second)
    runs.pin(first, True)
    assert kept.isValid()
    assert kept.data(RUN) is grandchild
    runs.delete(first)
    assert titles(model) == ["e", "c", ["d"]]
    runs.put_back(first)
    runs.put_back(second)
    assert titles(model) == ["b", "a", ["e", "c", ["d"]]]
    assert model.parent(model.index_of(child)) == model.index_of(first)
    finished = made(1, Fork(first.experiment, 2))
    kept = QPersistentModelIndex(model.index_of(child))
    runs.replace(child, finished)
    assert kept.data(RUN) is finished
    assert titles(model) == ["b", "a", ["e", "c", ["d"]]]
    qtmodeltester.check(model, force_py=True)


def test_many_rows_come_and_go_at_once_and_none_are_kept_while_no_one_looks(
    qtmodeltester: ModelTester, qtbot: QtBot
) -> None:
    runs = Runs()
    model = RunsModel(runs)
    qtmodeltester.check(model, force_py=True)
    made_runs = [made(seed) for seed in range(12)]
    made_runs.append(made(3, Fork(made_runs[3].experiment, 1)))
    for run in made_runs:
        runs.add(run)
    whole = titles(model)
    with qtbot.waitSignal(model.modelReset), runs.together():
        for run in made_runs[1:]:
            runs.delete(run)
    assert titles(model) == ["Run 1"]
    with runs.together():
        for run in made_runs[1:]:
            runs.put_back(run)
    assert titles(model) == whole
    model.set_watched(False)
    assert titles(model) == whole, "as long as nothing changes"
    runs.delete(made_runs[0])
    assert model.rowCount() == 0
    runs.rename(made_runs[1], "a")
    model.set_watched(True)
    assert titles(model) == [*whole[:-2], "a"]
    assert model.parent(model.index_of(made_runs[-1])) == model.index_of(made_runs[3])


def test_live_runs_that_replace_one_another_leave_one_row(qtmodeltester: ModelTester) -> None:
    runs = Runs()
    model = RunsModel(runs)
    qtmodeltester.check(model, force_py=True)
    for seed in range(5):
        runs.add(made(seed, live=True))
    assert model.rowCount() == 1
    assert model.index(0, 0).data(RUN).experiment.seed == 4


def test_a_row_says_what_differs_and_how_it_went() -> None:
    runs = Runs()
    model = RunsModel(runs)
    first, again = made(0), made(0)
    runs.add(first)
    runs.add(again)
    assert model.summary(first) == "Exact, DDIM, 20 steps, Trailing, Cosine, seed 0"
    assert model.summary(again) == "Exact, DDIM, 20 steps"
    sampling = replace(Experiment().sampling, sampler="heun", steps=10, params=(("churn", 2.0),))
    fork = made(steps=1)
    fork.experiment = Experiment(sampling=sampling, seed=3, fork=Fork(first.experiment, 2))
    runs.add(fork)
    assert model.summary(fork) == "Exact, Heun churn 2, 10 steps, seed 3"
    assert forked(fork) == "from step 2"
    assert "from step 2: Heun churn 2, 10 steps, seed 3" in model.index_of(fork).data(
        ROLE.ToolTipRole
    )
    runs.end(first, Outcome.DONE)
    first.seconds = 0.123
    assert figures(first) == "0.123 s · NFE 4"
    assert figures(fork).startswith("running · 1 of 3 steps")
    told: list[None] = []
    runs.changed.connect(lambda: told.append(None))
    runs.hold(fork, True)
    assert figures(fork).startswith("paused · 1 of 3 steps")
    runs.hold(fork, True)
    assert len(told) == 1
    runs.end(fork, Outcome.STOPPED)
    assert not fork.held
    assert figures(fork) == "stopped · 1 of 3 steps · 0 s · NFE 2"
    index = model.index_of(first)
    assert model.setData(index, "the first", ROLE.EditRole)
    assert (first.name, index.data()) == ("the first", "the first")
    runs.judge(first, Verdict(0.0, 4, 4, "CPU"))
    runs.judge(first, ReferenceDistance((0.25, 0.75), first.experiment, 1000))
    tip = index.data(ROLE.ToolTipRole)
    assert "largest difference 0 (identical in all 4 frames)" in tip
    assert "To 1,000 Heun steps from the same noise: rms 0.559 over the batch, 0.25 to 0.75" in tip
    runs.judge(first, Verdict(0.5, 3, 4, "CUDA"))
    tip = index.data(ROLE.ToolTipRole)
    assert "difference 0.5 (identical in 3 of 4 frames), on CUDA instead of CPU" in tip
