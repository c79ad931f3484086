"""`diffusion-cli train`: a network learns from a folder or from the emoji.

As one of several processes (torchrun, `accelerate launch`) it shares the batch with the others,
and only the first shows progress and writes files. Imports torch when the options have been read.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import typer

from diffusion_gui.cli import options as common
from diffusion_gui.cli import reading
from diffusion_gui.cli import training_options as options
from diffusion_gui.cli.progress import training_progress
from diffusion_gui.engine.denoisers.unet_config import UNetConfig, parameters
from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.experiment import EMOJI
from diffusion_gui.engine.schedules import Schedule, build
from diffusion_gui.engine.training.options import (
    CAREFUL_RATE,
    SAVE_MINUTES,
    Levels,
    TrainOptions,
    Weighting,
)
from diffusion_gui.session.files import check_room, check_target, sweep
from diffusion_gui.session.model_header import (
    ENDINGS,
    TRAINING_ENDING,
    read_header,
    training_path,
)
from diffusion_gui.session.networks import BUNDLED
from diffusion_gui.session.resources import resource
from diffusion_gui.session.training_sets import TrainingSet, bundled_set, folder_set

if TYPE_CHECKING:
    import torch

    from diffusion_gui.engine.training.loop import Limit, TrainingLoop
    from diffusion_gui.engine.training.trainer import State, Trainer

_MOST_NAMED = 10
"""So many files that were left out are named."""
_BYTES = 16
"""What a training's file takes for each parameter: weight, average, Adam's two."""
_APART = ("source", "output", "steps", "minutes", "half", "save_minutes", "resume", "device",
          "precision")  # fmt: skip
"""What may be told to a training that goes on."""
_USUAL, _SHAPE = TrainOptions(), UNetConfig()
_WIDTHS = ",".join(map(str, _SHAPE.widths))


@dataclass(frozen=True, slots=True)
class _Wish:
    """What a training was asked to be; of one that goes on, its own file says most of it."""

    source: str
    output: Path
    weights: Path | None
    """The model whose weights it begins with, None for random ones."""
    config: UNetConfig
    options: TrainOptions
    flip: bool | None
    schedule: Schedule | None
    precision: str
    half: bool
    save_minutes: float
    resume: bool


def train(
    context: typer.Context,
    source: options.Source,
    output: options.Model,
    weights: options.Weights = None,
    size: options.Side = _SHAPE.size,
    steps: options.StepLimit = None,
    minutes: options.MinuteLimit = None,
    batch: options.Batch = _USUAL.batch,
    rate: options.Rate = _USUAL.learning_rate,
    levels: options.Noise = _USUAL.levels.value,
    schedule: common.ScheduleSource = "cosine",
    timesteps: common.Timesteps = None,
    weighting: options.Weight = _USUAL.weighting.value,
    flip: options.Flip = None,
    shift: options.Shift = _USUAL.shift,
    ema: options.Average = _USUAL.ema,
    widths: options.Widths = _WIDTHS,
    depth: options.Depth = _SHAPE.depth,
    dropout: options.Dropout = _SHAPE.dropout,
    seed: common.Seed = 0,
    device: common.DeviceName = "auto",
    precision: options.PrecisionName = "auto",
    half: options.Half = False,
    save_minutes: options.SaveMinutes = SAVE_MINUTES,
    resume: options.Resume = False,
) -> None:
    """Train a network on pictures until a limit or Ctrl-C, which saves; --resume goes on exactly.

    Several processes, on one machine or many, share each batch:
    accelerate launch --multi_gpu --num_processes 2 -m diffusion_gui.cli train ...
    """
    if resume:
        reading.check_alone(context, _APART, "--resume")
    begun = _model(context, weights) if weights is not None else None
    shape = UNetConfig(size, size // 16, reading.read_widths(widths), depth, dropout=dropout)
    if begun is not None:
        shape = replace(read_header(begun).network, words=())
        rate = rate if reading.was_given(context, "rate") else CAREFUL_RATE
    told = TrainOptions(
        batch=batch, learning_rate=rate, ema=ema, levels=Levels(levels),
        weighting=Weighting(weighting), shift=shift, seed=seed,
    )  # fmt: skip
    shape.check()
    told.check()
    noise = _schedule(context, told.levels, schedule, timesteps)
    wish = _Wish(
        source, output, begun, shape, told, flip, noise, precision, half, save_minutes, resume
    )  # fmt: skip
    _check_files(wish)
    from diffusion_gui.engine import device as devices
    from diffusion_gui.engine.training import processes
    from diffusion_gui.engine.training.loop import Limit

    limit = Limit(steps, minutes)
    limit.check()
    target = devices.choose(device)
    processes.join(target)
    try:
        caught = _run(_prepared(wish, target, limit), output)
        processes.meet()
    finally:
        processes.leave()
    if caught:
        raise typer.Exit(128 + caught)


def _model(context: typer.Context, weights: str) -> Path:
    """Return the file of a model to begin with; raises EngineError beside what it says itself."""
    for name in ("size", "widths", "depth", "dropout"):
        if reading.was_given(context, name):
            raise EngineError(f"--weights says of what shape the network is; leave --{name} out")
    return resource("models", BUNDLED) if weights == "bundled" else Path(weights)


def _schedule(
    context: typer.Context, levels: Levels, source: str, timesteps: int | None
) -> Schedule | None:
    """Return the schedule whose steps are trained at; raises EngineError for one of no use."""
    if levels is Levels.SCHEDULE:
        return build(reading.find_schedule(source, timesteps).spec)
    for name in ("schedule", "timesteps"):
        if reading.was_given(context, name):
            raise EngineError(f"--{name} goes with --levels schedule; leave it out")
    return None


def _check_files(wish: _Wish) -> None:
    """Raise EngineError where the files cannot be written, before a long job begins.

    What is there already is hours of work, and not replaced.
    """
    check_target(wish.output, ENDINGS)
    if (name := wish.output.name).endswith(TRAINING_ENDING):
        model = name.removesuffix(TRAINING_ENDING) + ENDINGS[0]
        raise EngineError(f"{wish.output}: trainings end so; give the name of its model, {model}")
    beside = training_path(wish.output)
    there = beside.exists()
    if wish.resume and not there:
        raise EngineError(f"{beside}: there is no training to go on with; leave --resume out")
    if there and not wish.resume:
        raise EngineError(
            f"{beside}: there is a training; add --resume to go on with it, or choose another name"
        )
    if wish.output.exists() and not wish.resume:
        raise EngineError(f"{wish.output}: there is a model; choose another name, or remove it")
    sweep(beside.parent)
    check_room(beside, beside.stat().st_size if there else _BYTES * parameters(wish.config))


def _prepared(wish: _Wish, device: torch.device, limit: Limit) -> TrainingLoop:
    """Return the training as it begins or goes on, and say what to know of its pictures."""
    from diffusion_gui.engine.training.loop import TrainingLoop
    from diffusion_gui.session.model_files import read_training, save_model, save_training

    beside = training_path(wish.output)
    state, half = None, wish.half
    if wish.resume:
        state, header = read_training(beside)
        half = half or header.half
    pictures = _pictures(wish, state)
    for problem in pictures.problems[:_MOST_NAMED]:
        _tell(f"left out: {problem}")
    if (more := len(pictures.problems) - _MOST_NAMED) > 0:
        _tell(f"left out: {more:,} more")

    def save(reached: State) -> None:
        save_training(beside, reached, pictures.name, half)
        save_model(wish.output, reached, pictures.name, half)

    trainer = _trainer(wish, state, pictures, device)
    records = state.tensors if state is not None else None
    loop = TrainingLoop(trainer, limit, save, wish.save_minutes, records)
    for note in (*pictures.notes, *loop.notes):
        _tell(f"note: {note}")
    return loop


def _pictures(wish: _Wish, state: State | None) -> TrainingSet:
    size = wish.config.size if state is None else state.config.size
    if wish.source == EMOJI:
        return bundled_set(size)
    return folder_set(wish.source, size, None if state is None else state.config.words)


def _trainer(wish: _Wish, state: State | None, found: TrainingSet, device: torch.device) -> Trainer:
    from diffusion_gui.engine.denoisers.network import Precision
    from diffusion_gui.engine.training.noise_levels import sigmas_of
    from diffusion_gui.engine.training.trainer import Trainer
    from diffusion_gui.session.model_files import read_model

    precision = None if wish.precision == "auto" else Precision(wish.precision)
    if state is not None:
        return Trainer.of_state(state, found.pictures, device, precision)
    flip = found.mirrored if wish.flip is None else wish.flip
    shape = wish.config
    if wish.weights is None:
        shape = replace(shape, sigma_data=round(found.pictures.sigma_data, 3))
    sigmas = None
    if wish.schedule is not None:
        sigmas = sigmas_of(wish.schedule.a[1:], wish.schedule.s[1:])
    told = replace(wish.options, flip=flip)
    trainer = Trainer(found.pictures, shape, told, device, sigmas, precision)
    if wish.weights is not None:
        trainer.begin_with(read_model(wish.weights)[0])
    return trainer


def _run(loop: TrainingLoop, output: Path) -> int:
    """Train to the end; return the number of the signal that ended it, 0 for none."""
    with (
        _signals(loop) as caught,
        training_progress(_first()) as tell,
        closing(loop.run()) as steps,
    ):
        for progress in steps:
            tell(progress)
    if _first():
        loss = loop.curve.smoothed
        shown = f", loss {loss:.4f}" if loss is not None else ""
        done = f"{loop.trainer.step_number:,} steps{shown}, {loop.seconds / 60:.1f} min"
        typer.echo(f"{output}: {done}{'; --resume goes on' if caught else ''}")
    return caught[0] if caught else 0


@contextmanager
def _signals(loop: TrainingLoop) -> Iterator[list[int]]:
    """End the training after its step when the process is asked to end; yield what asked.

    A second Ctrl-C ends it at once; not among several processes, where launchers pass on what
    the terminal has already told all of them.
    """
    caught: list[int] = []
    many = int(os.environ.get("WORLD_SIZE", "1")) > 1

    def asked(number: int, _: FrameType | None) -> None:
        if caught and not many:
            raise KeyboardInterrupt
        caught.append(number)
        loop.stop()

    wanted = [getattr(signal, name, None) for name in ("SIGINT", "SIGTERM", "SIGHUP")]
    before = {}
    for number in filter(None, wanted):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
            before[number] = signal.signal(number, asked)
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _tell(line: str) -> None:
    """Say something on the error stream, in the first of several processes."""
    if _first():
        typer.echo(line, err=True)


def _first() -> bool:
    from diffusion_gui.engine.training import processes

    return processes.share()[0] == 0
