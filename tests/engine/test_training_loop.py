"""A running training: its limits, its checkpoints, and what it keeps of itself."""

from __future__ import annotations

import errno
import math

import numpy as np
import pytest
import torch

from diffusion_gui.engine.device import memory_used
from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.training import loop as loops
from diffusion_gui.engine.training import processes
from diffusion_gui.engine.training.loop import Limit, TrainingLoop
from diffusion_gui.engine.training.trainer import Trainer

from .tiny import CPU, flats, training


def test_it_ends_after_its_steps_with_one_checkpoint():
    saved = []
    loop = TrainingLoop(training(), Limit(steps=4), saved.append)
    told = list(loop.run())
    assert [one.step for one in told] == [1, 2, 3, 4]
    assert [state.step for state in saved] == [4]
    last = told[-1]
    assert last.left == 0.0
    assert told[0].left > 0.0
    assert last.seconds == pytest.approx(loop.seconds)
    assert last.steps_per_second == pytest.approx(4 / loop.seconds)
    assert last.memory is None or last.memory > 1e6
    losses = [one.last.loss for one in told]
    np.testing.assert_array_equal(loop.curve.points[1], losses)
    assert loop.by_level.weight.sum() == pytest.approx(32, rel=0.02)
    assert list(TrainingLoop(loop.trainer, Limit(steps=4), saved.append).run()) == []
    assert len(saved) == 1


def test_it_ends_after_its_minutes():
    loop = TrainingLoop(training(), Limit(minutes=0.05 / 60))
    told = list(loop.run())
    assert loop.seconds >= 0.05
    assert told[-1].left == 0.0


@pytest.mark.parametrize("limit", [Limit(steps=0), Limit(minutes=0.0), Limit(minutes=math.nan)])
def test_a_limit_that_no_training_reaches_is_refused(limit):
    with pytest.raises(EngineError, match=r"training: (steps|minutes) must"):
        TrainingLoop(training(), limit)


def test_to_stop_and_to_close_lose_nothing():
    saved = []
    loop = TrainingLoop(training(), save=saved.append)
    for progress in loop.run():
        if progress.step == 3:
            loop.stop()
    assert [state.step for state in saved] == [3]
    running = TrainingLoop(training(), save=saved.append).run()
    next(running)
    running.close()
    assert saved[-1].step == 1


def test_checkpoints_come_by_the_time_spent_training():
    saved = []
    loop = TrainingLoop(training(), Limit(steps=5), saved.append, save_minutes=1e-9)
    assert [progress.saved for progress in loop.run()] == [1, 2, 3, 4, 5]
    assert [state.step for state in saved] == [1, 2, 3, 4, 5]


def test_a_checkpoint_that_fails_is_told_tried_again_and_does_not_end_the_training():
    full, saved = [True], []

    def save(state):
        if full[0]:
            raise EngineError(f"a.safetensors: cannot be written ({errno.ENOSPC})")
        saved.append(state.step)

    loop = TrainingLoop(training(), Limit(steps=4), save, save_minutes=1e-9)
    problems = []
    for progress in loop.run():
        problems.append(bool(progress.problem))
        full[0] = progress.step < 2
    assert problems == [True, True, False, False]
    assert saved == [3, 4]
    full[0] = True
    with pytest.raises(EngineError, match="cannot be written"):
        list(TrainingLoop(training(), Limit(steps=1), save).run())


def test_a_training_that_breaks_is_saved_as_far_as_it_was_good():
    saved = []
    loop = TrainingLoop(training(), save=saved.append)
    running = loop.run()
    next(running)
    next(running)
    loop.trainer.network.last.bias.data[0] = math.inf
    with pytest.raises(EngineError, match="not a number"):
        next(running)
    assert [state.step for state in saved] == [2]
    trainer = training()
    loop = TrainingLoop(trainer, save=saved.append)
    running = loop.run()
    next(running)
    trainer.whole = False  # as when memory runs out while the weights are changed
    running.close()
    assert len(saved) == 1


def test_what_it_keeps_of_itself_goes_on_with_it():
    saved = []
    unbroken = TrainingLoop(training(), Limit(steps=9))
    list(unbroken.run())
    first = TrainingLoop(training(), Limit(steps=4), saved.append)
    list(first.run())
    trainer = Trainer.of_state(saved[0], flats(), CPU, first.trainer.precision)
    second = TrainingLoop(trainer, Limit(steps=9), records=saved[0].tensors)
    assert second.seconds == pytest.approx(first.seconds)
    told = list(second.run())
    assert told[-1].here < told[-1].seconds
    for ours, theirs in zip(second.curve.points, unbroken.curve.points, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)
    np.testing.assert_allclose(second.by_level.mean, unbroken.by_level.mean, rtol=1e-12)
    assert second.notes == ()


def test_other_pictures_than_it_began_with_are_noted():
    state = TrainingLoop(training()).state()
    pixels = flats().pixels.copy()
    pixels[0] = 255 - pixels[0]
    changed = loops.PictureSet.of(pixels, flats().captions)
    trainer = Trainer.of_state(state, changed, CPU)
    (note,) = TrainingLoop(trainer, records=state.tensors).notes
    assert note.startswith("the 6 pictures are not the 6")


def test_alone_all_agree():
    assert processes.any_of(True, CPU)
    assert not processes.any_of(False, CPU)
    assert processes.share() == (0, 1)
    assert float(processes.mean_of(torch.tensor(2.0))) == 2.0
    processes.join(CPU)
    processes.leave()
    assert not processes.joined()


def test_several_processes_need_a_carrier(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(EngineError, match="not on mps"):
        processes.join(torch.device("mps"))
    for name in ("RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(EngineError, match=r"did not meet: .*RANK"):
        processes.join(CPU)


def test_the_memory_of_the_process_is_told():
    before = memory_used(CPU)
    block = np.ones(1 << 24)
    after = memory_used(CPU)
    if before is not None and after is not None:
        assert after >= before
    assert block[-1] == 1.0


def test_the_first_checkpoint_comes_within_half_a_minute():
    saved = []
    loop = TrainingLoop(training(), save=saved.append)
    loop.step()
    loop.seconds = 60.0 * loops.FIRST_MINUTES
    told = loop.step()
    assert (told.saved, told.unsaved) == (2, 0.0)
    assert [state.step for state in saved] == [2]
    loop.seconds += 60.0 * (loop.save_minutes - 0.1)
    told = loop.step()
    assert told.saved == 2
    assert told.unsaved > 60.0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("curve.rest", [math.inf, 1.0, 1.0]),
        ("curve.rest", [1e300, 1.0, 1.0]),
        ("curve.rest", 1.0),
        ("curve.points", [1.0, 2.0, 3.0]),
        ("curve.open", [[1.0, 2.0, 3.0]]),
        ("levels.total", 1.0),
        ("seconds", [1.0, 2.0]),
        ("seconds", -5.0),
        ("pictures", 7.0),
    ],
)
def test_records_that_make_no_sense_are_begun_anew(name, value):
    loop = TrainingLoop(training())
    loop.step()
    records = loop.state().tensors | {f"record.{name}": torch.tensor(value, dtype=torch.float64)}
    again = TrainingLoop(training(), Limit(steps=3), records=records)
    assert again.seconds >= 0.0
    assert len(list(again.run())) == 3
    assert np.isfinite(again.curve.points).all()
