"""What is written beside a run: all of it, in order, and never far behind; errors come back."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
import torch

from diffusion_gui.engine.errors import Cancelled, EngineError
from diffusion_gui.engine.samplers import Step
from diffusion_gui.state import recording
from diffusion_gui.state.recording import Recording

PICTURES = torch.zeros(2, 3, 4, 4)


def step(index: int) -> Step:
    return Step(index, 9 - index, 0.6, 0.8, PICTURES, PICTURES)


@pytest.mark.parametrize("beside", [True, False])
def test_every_step_is_written_once_in_order_and_then_it_is_finished(beside: bool) -> None:
    written: list[object] = []

    def write(one: Step, note: str) -> None:
        written.append((one.index, note, threading.current_thread().name == "recording"))

    with Recording(write, lambda: written.append("end"), beside) as record:
        for i in range(20):
            record.put(step(i), f"note {i}")
            if i == 7:
                record.settle()
                assert len(written) == 8
    assert written == [*((i, f"note {i}", beside) for i in range(20)), "end"]
    assert all(thread.name != "recording" for thread in threading.enumerate())


@pytest.mark.parametrize(("most_bytes", "ahead"), [(1 << 20, 32), (1, 1), (3 * 768, 3)])
def test_a_run_is_at_most_a_few_steps_ahead(
    monkeypatch: pytest.MonkeyPatch, most_bytes: int, ahead: int
) -> None:
    monkeypatch.setattr(recording, "MOST_BYTES", most_bytes)
    put, behind, may_go_on = [0], [], threading.Event()

    def write(one: Step, note: None) -> None:
        may_go_on.wait(10.0)
        behind.append(put[0] - one.index)

    with Recording(write, lambda: None) as record:
        for i in range(40):
            if i == ahead:  # so many fit: the next one waits
                may_go_on.set()
            record.put(step(i), None)
            put[0] += 1
    assert len(behind) == 40
    assert max(behind) <= ahead + 1


def failing(at: int) -> tuple[Callable[[Step, None], None], list[int]]:
    written: list[int] = []

    def write(one: Step, note: None) -> None:
        if one.index == at:
            raise EngineError(f"step {at} is not finite")
        written.append(one.index)

    return write, written


def run(record: Recording[None], steps: int, error: BaseException | None = None) -> None:
    with record:
        for i in range(steps):
            record.put(step(i), None)
        if error is not None:
            raise error


@pytest.mark.parametrize("beside", [True, False])
def test_what_goes_wrong_ends_the_run_and_nothing_more_is_written(beside: bool) -> None:
    write, written = failing(3)
    with pytest.raises(EngineError, match="step 3 is not finite"):
        run(Recording(write, lambda: written.append(-1), beside), 100)
    assert written == [0, 1, 2]


def test_a_step_alone_is_told_of_before_the_next() -> None:
    write, _ = failing(0)
    record = Recording(write, lambda: None)
    seen = []

    def hold() -> None:
        with record:
            record.put(step(0), None)
            record.settle()
            seen.append("the next step")

    with pytest.raises(EngineError, match="step 0"):
        hold()
    assert not seen


def test_the_first_error_is_told_where_the_run_fails_later_too() -> None:
    write, _ = failing(0)
    later = ZeroDivisionError("because step 0 was not finite")
    with pytest.raises(EngineError, match="step 0"):
        run(Recording(write, lambda: None), 1, later)


def test_a_cancelled_run_keeps_what_was_put_and_stays_cancelled() -> None:
    write, written = failing(3)
    with pytest.raises(Cancelled):
        run(Recording(write, lambda: written.append(-1)), 3, Cancelled())
    assert written == [0, 1, 2]
