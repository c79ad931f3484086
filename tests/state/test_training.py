"""Training in the background: start, pause, stop, resume, its networks, and what can go wrong."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PySide6.QtCore import QSettings
from pytestqt.qtbot import QtBot
from safetensors.torch import load_file

from diffusion_gui.app.parts import Parts
from diffusion_gui.engine.denoisers.unet_config import UNetConfig
from diffusion_gui.engine.training.options import Levels, TrainOptions
from diffusion_gui.session import training_home
from diffusion_gui.session.model_files import read_training, save_training
from diffusion_gui.session.training_plan import Source
from diffusion_gui.session.training_samples import read_samples, write_samples
from diffusion_gui.state.run_state import RunState
from diffusion_gui.state.settings import Settings
from diffusion_gui.state.training import TrainingController, TrainState

TIMEOUT = 120_000
TINY = UNetConfig(32, 8, (16,), 1, 16)
FAST = TrainOptions(batch=4, warmup=1)


@pytest.fixture
def training(parts: Parts) -> TrainingController:
    parts.training.plans.change(network=TINY, options=FAST, steps=8, minutes=None)
    return parts.training


def _train(qtbot: QtBot, training: TrainingController) -> None:
    training.start()
    _end(qtbot, training)


def _end(qtbot: QtBot, training: TrainingController) -> None:
    qtbot.waitUntil(lambda: not training.active, timeout=TIMEOUT)


def _stepped(qtbot: QtBot, training: TrainingController, step: int = 1) -> None:
    def reached() -> bool:
        return training.news is not None and training.news.progress.step >= step

    qtbot.waitUntil(reached, timeout=TIMEOUT)


def _losses(training: TrainingController) -> list[float]:
    state, _ = read_training(training.plans.opened.files.training)  # type: ignore[union-attr]
    return state.tensors["record.curve.points"][1].tolist()


def test_a_training_draws_lists_its_network_and_is_saved(
    training: TrainingController, parts: Parts, qtbot: QtBot
) -> None:
    _train(qtbot, training)
    assert training.state is TrainState.DONE
    first, last = training.samples[0], training.samples[-1]
    assert (first.step, last.step) == (1, 8)
    assert last.pictures.shape == last.nearest.shape == (16, 32, 32, 3)
    assert last.pictures.tobytes() != first.pictures.tobytes()
    assert last.captions == first.captions
    assert len(set(last.captions)) == 16
    [ref] = parts.networks.refs
    assert ref == training.ref
    about = parts.networks.about(ref)
    assert about is not None
    assert "8 steps" in about.source
    assert "heart" in about.vocabulary
    files = training.files
    assert files is not None
    assert files.model.is_file()
    assert training_home.newest(training.plans.folder).header.step == 8  # type: ignore[union-attr]


def test_resuming_gives_the_losses_of_an_unbroken_training(
    training: TrainingController, qtbot: QtBot
) -> None:
    _train(qtbot, training)
    unbroken = _losses(training)
    assert len(unbroken) == 8
    training.begin_anew()
    training.plans.change(network=TINY, steps=3)
    _train(qtbot, training)
    training.plans.change(steps=8)
    _train(qtbot, training)
    assert training.state is TrainState.DONE
    assert _losses(training) == unbroken


def test_a_training_whose_models_are_in_half_goes_on_so(
    training: TrainingController, qtbot: QtBot
) -> None:
    _train(qtbot, training)
    files = training.files
    assert files is not None
    state, header = read_training(files.training)
    save_training(files.training, state, header.name, half=True)
    training.open(str(files.training))
    training.plans.change(steps=10)
    _train(qtbot, training)
    assert read_training(files.training)[1].half
    assert {value.dtype for value in load_file(files.model).values()} == {torch.float16}


def test_a_training_is_held_stopped_and_gone_on_with(
    training: TrainingController, parts: Parts, qtbot: QtBot
) -> None:
    training.plans.change(steps=None)
    training.start()
    _stepped(qtbot, training)
    training.pause()
    assert training.state is TrainState.PAUSED
    training.plans.change(size=64)  # locked
    assert training.plans.plan.size == 32
    training.resume()
    assert training.state is TrainState.RUNNING
    _stepped(qtbot, training, training.news.progress.step + 1)  # type: ignore[union-attr]
    training.pause()
    training.stop()
    _end(qtbot, training)
    assert training.state is TrainState.STOPPED
    reached = training.plans.opened.header.step  # type: ignore[union-attr]
    assert reached >= 2
    training.plans.change(steps=reached + 2)
    _train(qtbot, training)
    assert training.plans.opened.header.step == reached + 2  # type: ignore[union-attr]
    assert len(parts.networks.refs) == 1  # its earlier selves are listed no more


def test_a_training_waits_while_a_run_samples(
    training: TrainingController, parts: Parts, qtbot: QtBot
) -> None:
    training.plans.change(steps=None)
    training.start()
    _stepped(qtbot, training)
    parts.document.replace_sampling("long", steps=1000, count=1)
    parts.sampling.run()
    assert training.waiting
    qtbot.waitUntil(lambda: parts.sampling.state is RunState.RUNNING, timeout=TIMEOUT)
    parts.sampling.pause()
    assert not training.waiting
    before = training.news.progress.step  # type: ignore[union-attr]
    _stepped(qtbot, training, before + 2)
    parts.sampling.resume()
    assert training.waiting
    parts.sampling.stop()
    assert not training.waiting
    assert training.state is TrainState.RUNNING
    training.stop()
    _end(qtbot, training)


def test_the_levels_are_those_of_the_schedule_in_the_editor(
    training: TrainingController, parts: Parts, qtbot: QtBot
) -> None:
    training.plans.change(options=replace(FAST, levels=Levels.SCHEDULE))
    _train(qtbot, training)
    state, _ = read_training(training.plans.opened.files.training)  # type: ignore[union-attr]
    schedule = parts.document.schedule
    assert len(state.tensors["trained_sigmas"]) == schedule.T
    expected = np.sort(np.clip(schedule.s[1:] / schedule.a[1:], 0.002, 160.0))
    np.testing.assert_allclose(state.tensors["trained_sigmas"].numpy(), expected)
    parts.document.replace_schedule(
        replace(parts.document.experiment.schedule, preset="linear"), "another"
    )
    for _ in "ended", "opened again":
        assert training.plans.sigmas is not None
        np.testing.assert_allclose(np.sort(training.plans.sigmas), expected, rtol=1e-6)
        training.open(str(training.plans.opened.files.training))  # type: ignore[union-attr]
    training.begin_anew()
    assert training.plans.sigmas is None


def test_a_full_disk_is_told_and_the_checkpoint_tried_again(
    training: TrainingController, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_file: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        training.plans.change(steps=None, save_minutes=1e-6)
        training.start()
        qtbot.waitUntil(lambda: "No space left" in training.message, timeout=TIMEOUT)
        assert training.state is TrainState.RUNNING
        _stepped(qtbot, training, training.news.progress.step + 1)  # type: ignore[union-attr]
    training.stop()
    _end(qtbot, training)
    assert training.state is TrainState.STOPPED
    assert training.plans.opened is not None


def test_short_of_memory_the_batch_is_halved(
    training: TrainingController, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    from diffusion_gui.engine.training.trainer import Trainer

    real = Trainer.step

    def step(trainer: Trainer) -> Any:
        if trainer.step_number == 3 and trainer.options.batch == 4:
            raise MemoryError
        return real(trainer)

    monkeypatch.setattr(Trainer, "step", step)
    _train(qtbot, training)
    assert training.state is TrainState.DONE
    assert training.message == "not enough memory for a batch of 4: goes on with 2"
    assert training.plans.plan.options.batch == 2
    assert training.plans.opened.header.step == 8  # type: ignore[union-attr]


def test_memory_that_runs_out_while_weights_change_leads_back_to_the_last_checkpoint(
    training: TrainingController, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    from diffusion_gui.engine.training.trainer import Trainer

    real = Trainer._update_average
    breaks = [0, 3]

    def update(trainer: Trainer, kept: float) -> None:
        if breaks and trainer.step_number == breaks[0]:
            breaks.pop(0)
            raise MemoryError
        real(trainer, kept)

    monkeypatch.setattr(Trainer, "_update_average", update)
    training.plans.change(save_minutes=1e-6, minutes=30.0)
    _train(qtbot, training)
    assert training.state is TrainState.DONE
    assert training.plans.plan.options.batch == 1
    assert training.plans.plan.minutes == 30.0  # what is left of them is nobody's wish
    assert len(_losses(training)) == 8
    state, _ = read_training(training.plans.opened.files.training)  # type: ignore[union-attr]
    assert (state.step, float(state.tensors["adam.step"])) == (8, 8.0)


def test_short_of_memory_for_samples_a_training_goes_on_without(
    training: TrainingController, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    from diffusion_gui.engine.training import progress_samples

    def draw(*_: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr(progress_samples, "draw", draw)
    _train(qtbot, training)
    assert training.state is TrainState.DONE
    assert training.samples == []
    assert training.plans.plan.options.batch == 4
    assert training.message.startswith("not enough memory to draw samples")
    assert training.ref is not None
    assert training.ref.source == str(training.files.model)  # type: ignore[union-attr]


def test_a_loss_that_explodes_ends_the_training_and_a_smaller_rate_goes_on(
    training: TrainingController, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    from diffusion_gui.engine.training.trainer import Trainer

    real = Trainer._errors

    def errors(trainer: Trainer, part: Any) -> Any:
        explodes = trainer.step_number == 3 and trainer.options.learning_rate > 1e-4
        return real(trainer, part) * (np.nan if explodes else 1.0)

    monkeypatch.setattr(Trainer, "_errors", errors)
    _train(qtbot, training)
    assert training.state is TrainState.FAILED
    assert "smaller learning rate" in training.message
    plans = training.plans
    assert plans.opened is not None
    assert plans.opened.header.step == 3
    plans.change(options=replace(plans.plan.options, learning_rate=1e-5))
    _train(qtbot, training)
    assert training.state is TrainState.DONE
    assert training.message == ""


def test_pictures_that_cannot_be_had_are_told_in_one_line(
    training: TrainingController,
    tmp_path: Path,
    make_image: Callable[..., Path],
    qtbot: QtBot,
) -> None:
    make_image("one/cat 3.png", (200, 30, 30))
    training.plans.set_folder(str(tmp_path / "one"))
    assert training.plans.plan.options.flip
    training.plans.watch()
    qtbot.waitUntil(lambda: training.plans.data is not None, timeout=TIMEOUT)
    found = training.plans.data
    assert found is not None
    assert found.set.pictures.captions == ("cat",)
    assert any("1 picture" in note for note in found.set.notes)
    _train(qtbot, training)
    assert training.state is TrainState.DONE
    assert training.samples[-1].copies in range(17)
    training.begin_anew()
    (tmp_path / "one" / "cat 3.png").unlink()
    (tmp_path / "one").rmdir()
    training.plans.set_folder(str(tmp_path / "one"))
    training.start()
    _end(qtbot, training)
    assert training.state is TrainState.FAILED
    assert "there is no such folder" in training.message
    training.plans.change(source=Source.TRAY)
    training.plans.change(network=TINY)
    _train(qtbot, training)
    assert training.state is TrainState.DONE


def test_a_wrong_file_is_refused_in_one_line(
    training: TrainingController, tmp_path: Path, qtbot: QtBot
) -> None:
    wrong = tmp_path / "a.training.safetensors"
    wrong.write_bytes(b"\x80\x04nothing")
    training.open(str(wrong))
    assert "no safetensors file" in training.message
    _train(qtbot, training)
    training.open(str(training.files.model))  # type: ignore[union-attr]
    assert "finished model" in training.message


def test_a_pause_saves_also_while_a_run_samples(
    training: TrainingController, parts: Parts, qtbot: QtBot
) -> None:
    def saved() -> bool:
        news = training.news
        return news is not None and news.progress.saved == news.progress.step

    training.plans.change(steps=None)
    training.start()
    _stepped(qtbot, training)
    assert not saved()
    training.pause()
    qtbot.waitUntil(saved, timeout=TIMEOUT)
    files = training.files
    assert files is not None
    assert training_home.resumable(files.training).header.step == training.news.progress.step  # type: ignore[union-attr]
    training.resume()
    qtbot.waitUntil(lambda: not saved(), timeout=TIMEOUT)
    parts.document.replace_sampling("long", steps=1000, count=1)
    parts.sampling.run()
    assert training.waiting
    training.pause()
    qtbot.waitUntil(saved, timeout=TIMEOUT)
    parts.sampling.stop()
    training.resume()
    qtbot.waitUntil(lambda: not saved(), timeout=TIMEOUT)
    training.keep()
    before = training_home.resumable(files.training).header.step
    qtbot.waitUntil(
        lambda: training.news is not None and training.news.progress.saved > before, timeout=TIMEOUT
    )
    assert training.state is TrainState.RUNNING
    training.stop()
    _end(qtbot, training)


def test_what_was_drawn_is_there_again_when_a_training_is_resumed(
    training: TrainingController, qtbot: QtBot
) -> None:
    _train(qtbot, training)
    before = list(training.samples)
    files = training.files
    assert files is not None
    training.begin_anew()
    assert training.samples == []
    training.open(str(files.training))
    training.plans.change(steps=10)
    _train(qtbot, training)
    assert len(training.samples) > len(before)
    for ours, theirs in zip(training.samples, before, strict=False):
        assert (ours.step, ours.seconds, ours.captions) == (
            theirs.step,
            theirs.seconds,
            theirs.captions,
        )
        for name in ("pictures", "nearest", "distances"):
            np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))
    assert [one.step for one in training.samples] == sorted({one.step for one in training.samples})
    whole = files.samples.read_bytes()
    middle = len(whole) // 2
    flipped = whole[:middle] + bytes(255 - byte for byte in whole[middle : middle + 200])
    flipped += whole[middle + 200 :]
    for spoilt in (b"", b"PK nothing", whole[:-400], flipped):
        files.samples.write_bytes(spoilt)
        assert read_samples(files.samples, 32) == []
    fewer = replace(before[0], captions=("a",), pictures=before[0].pictures[:1])
    write_samples(files.samples, [fewer, *before])  # of another count: only those like the last
    assert len(read_samples(files.samples, 32)) == len(before)
    write_samples(files.samples, before)
    assert len(read_samples(files.samples, 32)) == len(before)
    assert read_samples(files.samples, 64) == []


def test_what_waits_for_a_run_is_saved_when_that_is_wished(
    training: TrainingController, parts: Parts, qtbot: QtBot
) -> None:
    training.plans.change(steps=None)
    training.start()
    _stepped(qtbot, training)
    job = training._runner.job
    assert job is not None
    for _ in range(3):
        job.pause()  # as while a run samples
        held = training.news.progress.step  # type: ignore[union-attr]
        qtbot.waitUntil(lambda: job.held, timeout=TIMEOUT)
        job.resume()
        training.pause()  # before the thread has woken
        files = training.files
        assert files is not None

        def kept(files: training_home.Files = files) -> bool:
            news = training.news
            return news is not None and news.progress.saved == news.progress.step

        qtbot.waitUntil(kept, timeout=TIMEOUT)
        assert training_home.resumable(files.training).header.step >= held
        training.resume()
        _stepped(qtbot, training, training.news.progress.step + 1)  # type: ignore[union-attr]
    training.stop()
    _end(qtbot, training)


def test_other_pictures_than_it_began_with_are_told(
    training: TrainingController, make_image: Callable[..., Path], tmp_path: Path, qtbot: QtBot
) -> None:
    for name in ("a", "b"):
        make_image(f"two/{name}.png")
    training.plans.set_folder(str(tmp_path / "two"))
    _train(qtbot, training)
    assert training.message == ""
    (tmp_path / "two" / "b.png").unlink()
    training.plans.set_folder(str(tmp_path / "two"))
    training.plans.change(steps=10)
    _train(qtbot, training)
    assert training.state is TrainState.DONE
    assert training.message.startswith("the 1 pictures are not the 2")


CHILD = """
import sys
from dataclasses import replace
from PySide6.QtCore import QSettings
from PySide6.QtWidgets import QApplication
from diffusion_gui.app.parts import build_parts
from diffusion_gui.engine.denoisers.unet_config import UNetConfig
from diffusion_gui.engine.training.options import TrainOptions
from diffusion_gui.state.settings import Settings
app = QApplication([])
store = QSettings(sys.argv[1], QSettings.Format.IniFormat)
training = build_parts(app, Settings(store), device="cpu").training
training.plans.change(
    network=UNetConfig(32, 8, (16,), 1, 16), options=TrainOptions(batch=4), minutes=None,
    save_minutes=1e-6,
)
def tell():
    if training.news is not None and training.news.progress.saved > 3:
        print("saved", flush=True)
training.progressed.connect(tell)
training.start()
app.exec()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_killed_in_the_middle_a_training_is_resumed(
    training: TrainingController, tmp_path: Path, qtbot: QtBot
) -> None:
    """The child saves after every step, so that it is nearly always killed while it saves."""
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, str(tmp_path / "settings.ini")], stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"saved\n"
        child.send_signal(signal.SIGKILL)
    found = training.plans.newest()
    assert found is not None
    assert found.header.step > 3
    told = Settings(QSettings(str(tmp_path / "settings.ini"), QSettings.Format.IniFormat))
    assert told.networks == (str(found.files.model),)  # the next start lists it
    training.open(str(found.files.training))
    assert training.plans.plan.config.widths == (16,)
    training.plans.change(steps=found.header.step + 3)
    _train(qtbot, training)
    assert training.state is TrainState.DONE
    assert len(_losses(training)) == found.header.step + 3


def test_ending_the_program_saves_what_was_learned(
    training: TrainingController, qtbot: QtBot
) -> None:
    training.plans.change(steps=None)
    training.start()
    _stepped(qtbot, training, 2)
    files = training.files
    training.shutdown()
    assert files is not None
    assert training_home.resumable(files.training).header.step >= 2


def test_pictures_are_mirrored_as_suits_them_until_a_person_says(
    training: TrainingController, tmp_path: Path
) -> None:
    plans = training.plans

    def chosen(source: Source) -> bool:
        plans.change(source=source)
        return plans.plan.options.flip

    assert not plans.plan.options.flip
    plans.set_folder(str(tmp_path))
    assert plans.plan.options.flip
    flips = [chosen(source) for source in (Source.EMOJI, Source.TRAY, Source.FOLDER, Source.EMOJI)]
    assert flips == [False, True, True, False]
    plans.change(options=replace(plans.plan.options, flip=True))
    assert [chosen(source) for source in (Source.TRAY, Source.EMOJI)] == [True, True]
    plans.change(options=replace(plans.plan.options, flip=False))
    plans.set_folder(str(tmp_path))
    assert not plans.plan.options.flip


def test_pictures_that_could_not_be_read_are_read_again_when_training_is_asked_for(
    training: TrainingController, make_image: Callable[..., Path], tmp_path: Path, qtbot: QtBot
) -> None:
    plans = training.plans
    plans.set_folder(str(tmp_path / "pets"))
    _train(qtbot, training)
    assert training.state is TrainState.FAILED
    assert "there is no such folder" in plans.problem
    job = plans._runner.job
    plans.change(options=replace(FAST, batch=3))
    assert plans._runner.job is job, "the same pictures are wanted: they are not read again"
    assert plans.problem
    make_image("pets/one.png")
    _train(qtbot, training)
    assert training.state is TrainState.DONE
    qtbot.waitUntil(lambda: plans.data is not None, timeout=TIMEOUT)
    found = plans.data
    plans.change(options=replace(plans.plan.options, batch=2), minutes=3.0)
    assert plans.data is found
