"""The comparison of long runs: which steps go together is worked out once."""

from __future__ import annotations

import math

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from diffusion_gui.app.parts import Parts
from diffusion_gui.engine.experiment import Experiment
from diffusion_gui.engine.run_distance import Matching
from diffusion_gui.engine.trajectory import Frame, Trajectory
from diffusion_gui.state import run_comparison
from diffusion_gui.state.run import Outcome, Run
from diffusion_gui.state.run_comparison import RunComparison


class _Counted(Trajectory):
    """A trajectory that counts how often all its frames are looked through."""

    looks = 0

    @property
    def frames(self) -> tuple[Frame, ...]:
        self.looks += 1
        return super().frames


def _frame(index: int, steps: int) -> Frame:
    picture = np.full((2, 4, 4, 3), index * 255 // steps, np.uint8)
    numbers = np.zeros(2, np.float32)
    return Frame(
        index, steps - index, float(steps - index), picture, picture, picture, numbers, numbers
    )


def _run(parts: Parts, steps: int, seed: int, upto: int) -> Run:
    trajectory = _Counted(steps)
    for index in range(upto + 1):
        trajectory.append(_frame(index, steps))
    run = Run(Experiment(seed=seed), trajectory, "CPU", tuple(range(steps + 1)))
    parts.sampling.runs.add(run)
    return run


def test_long_runs_are_paired_once_and_again_as_one_grows(
    parts: Parts, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_comparison, "SLICE_SECONDS", 1e-4)  # many slices
    first, other, third = (_run(parts, n, n, n) for n in (300, 290, 280))
    growing = _run(parts, 270, 1, 100)
    parts.sampling.runs.end(first, Outcome.DONE)
    comparison = RunComparison(parts.sampling.runs, parts.run_view)
    comparison.compare([first, other, third, growing])
    assert comparison.matching is Matching.LEVEL

    def measured() -> None:
        qtbot.waitUntil(lambda: not comparison._measuring.isActive(), timeout=60_000)

    measured()
    found = comparison.distances
    for one in found:
        steps = one.run.trajectory.num_steps
        frames = one.run.trajectory.frames
        levels = [math.log(frame.sigma) if frame.sigma else -20.0 for frame in frames]
        assert len(one.steps) > 20
        for step, value in zip(one.steps, one.values, strict=True):
            level = math.log(300 - step) if step < 300 else -20.0
            near = min(range(len(levels)), key=lambda i: abs(levels[i] - level))
            apart = abs(step * 255 // 300 - near * 255 // steps) / 127.5
            assert value == pytest.approx(apart, abs=1e-6)
    looks = [run.trajectory.looks for run in (first, other, third, growing)]
    assert max(looks) < 8, "not in every slice, nor for every step"
    assert max(found[2].steps) <= 130

    for index in range(101, 271):
        growing.trajectory.append(_frame(index, 270))
    parts.sampling.runs.end(growing, Outcome.DONE)
    comparison._on_grown()
    comparison._measuring.start()
    measured()
    assert max(comparison.distances[2].steps) == 300
    comparison.shutdown()
