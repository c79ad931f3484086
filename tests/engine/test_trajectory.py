"""The recorder: it keeps the first and the newest frame, in order, inside its budget."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from diffusion_gui.engine.trajectory import Frame, Trajectory

PIXELS = np.zeros((2, 4, 4, 3), dtype=np.uint8)
FRAME_BYTES = 3 * PIXELS.nbytes
NUMBERS = np.zeros(2, dtype=np.float32)


def frame(index: int, num_steps: int) -> Frame:
    return Frame(index, num_steps - index, 1.0, PIXELS, PIXELS, PIXELS, NUMBERS, NUMBERS)


def record(num_steps: int, frames_in_budget: float) -> Trajectory:
    trajectory = Trajectory(num_steps, int(frames_in_budget * FRAME_BYTES))
    for index in range(num_steps + 1):
        trajectory.append(frame(index, num_steps))
    return trajectory


def indices(trajectory: Trajectory) -> list[int]:
    return [f.index for f in trajectory.frames]


def test_everything_is_kept_while_it_fits() -> None:
    trajectory = record(20, 21)
    assert indices(trajectory) == list(range(21))
    assert trajectory.stride == 1
    assert trajectory.nbytes == 21 * FRAME_BYTES


def test_over_budget_every_second_inner_frame_goes() -> None:
    trajectory = record(20, 20.5)
    assert trajectory.stride == 2
    assert indices(trajectory) == list(range(0, 21, 2))


@pytest.mark.parametrize("capacity", [0, 1, 2, 3, 7, 8.5, 64])
@pytest.mark.parametrize("num_steps", [1, 2, 9, 100])
def test_after_every_step_the_promises_hold(num_steps: int, capacity: float) -> None:
    budget = int(capacity * FRAME_BYTES)
    trajectory = Trajectory(num_steps, budget)
    for newest in range(num_steps + 1):
        trajectory.append(frame(newest, num_steps))
        kept = indices(trajectory)
        assert kept[0] == 0
        assert kept[-1] == newest
        assert kept == sorted(set(kept))
        assert all(index % trajectory.stride == 0 for index in kept[:-1])
        assert trajectory.nbytes <= max(budget, 2 * FRAME_BYTES)
        assert trajectory.nbytes == len(kept) * FRAME_BYTES


def test_thinning_leaves_no_gap_wider_than_the_stride() -> None:
    trajectory = record(1000, 50)
    gaps = np.diff(indices(trajectory))
    assert len(trajectory.frames) > 25
    assert gaps.max() <= trajectory.stride


def test_it_is_finished_when_the_last_step_is_in() -> None:
    trajectory = Trajectory(2)
    assert not trajectory.finished
    for index in range(3):
        assert not trajectory.finished
        trajectory.append(frame(index, 2))
    assert trajectory.finished


def test_frames_handed_out_do_not_change_later() -> None:
    trajectory = record(4, 100)
    before = trajectory.frames
    trajectory.append(frame(5, 5))
    assert len(before) == 5


def test_one_thread_may_append_while_another_reads() -> None:
    num_steps, budget = 3000, 20 * FRAME_BYTES
    trajectory = Trajectory(num_steps, budget)

    def write() -> None:
        for index in range(num_steps + 1):
            trajectory.append(frame(index, num_steps))

    writer = threading.Thread(target=write)
    writer.start()
    seen = 0
    while writer.is_alive() or not seen:
        frames = trajectory.frames
        kept = [f.index for f in frames]
        assert kept == sorted(set(kept))
        assert not kept or kept[0] == 0
        assert sum(f.nbytes for f in frames) <= budget
        assert not kept or kept[-1] >= seen
        seen = kept[-1] if kept else 0
    writer.join()
    assert trajectory.finished
