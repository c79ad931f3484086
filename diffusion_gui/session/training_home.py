"""The user's own trainings in a folder: their names, the newest one, what is written for each.

Imports torch only where something is written or read whole.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from numpy.typing import NDArray

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.session import training_samples
from diffusion_gui.session.files import AnyPath, atomic_write, check_free, check_target
from diffusion_gui.session.model_header import (
    TRAINING,
    TRAINING_ENDING,
    Header,
    opened,
    read_header,
)
from diffusion_gui.session.training_plan import ENDING, Plan, read_plan, write_plan
from diffusion_gui.session.watch import IDLE, Watch

if TYPE_CHECKING:
    from diffusion_gui.engine.training.trainer import State

MODEL_ENDING = ".safetensors"
FOLDER = "trainings"
LEVELS = "trained_sigmas"
_BLOCK = 4 * 1024**2


@dataclass(frozen=True, slots=True)
class Files:
    """The files of one training: a model, all that resumes it, and its plan."""

    model: Path

    @classmethod
    def of(cls, path: AnyPath) -> Files:
        """Return the files that belong to a model or a training."""
        file = Path(path)
        stem = file.name.removesuffix(MODEL_ENDING).removesuffix(".training")
        return cls(file.with_name(stem + MODEL_ENDING))

    @property
    def stem(self) -> str:
        """The name of the model, without its ending."""
        return self.model.name.removesuffix(MODEL_ENDING)

    @property
    def training(self) -> Path:
        """The file that a training goes on from."""
        return self.model.with_name(self.stem + TRAINING_ENDING)

    @property
    def plan(self) -> Path:
        """What was wanted of it."""
        return self.model.with_name(self.stem + ENDING)

    @property
    def samples(self) -> Path:
        """What it drew on its way."""
        return self.model.with_name(self.stem + training_samples.ENDING)

    def write(self, state: State, plan: Plan, half: bool = False) -> None:
        """Write a checkpoint: the training first, then the model; raises EngineError.

        Each is whole or not written at all: whatever ends this, an older one stays.
        """
        from diffusion_gui.session.model_files import save_model, save_training

        make_folder(self.model.parent)
        write_plan(self.plan, plan)
        save_training(self.training, state, plan.name, half)
        save_model(self.model, state, plan.name, half)


@dataclass(frozen=True, slots=True)
class Resumable:
    """A training that can be gone on with."""

    files: Files
    header: Header
    plan: Plan | None
    """None where it was made elsewhere."""
    sigmas: NDArray[np.float64] | None = None
    """Noise levels that it is trained at, where they were those of a schedule."""


def resumable(path: AnyPath) -> Resumable:
    """Return what a file says that a training shall go on from; raises EngineError."""
    header = read_header(path)
    if header.kind != TRAINING:
        raise EngineError(
            f"{Path(path).name}: this is a finished model, not a training that can be resumed;"
            f" open the file ending in {TRAINING_ENDING}"
        )
    files = Files.of(path)
    try:
        plan = read_plan(files.plan)
    except EngineError:
        plan = None
    return Resumable(files, header, plan, _sigmas(path))


def newest(folder: AnyPath) -> Resumable | None:
    """Return the training in a folder that was saved last, None where there is none to be read."""
    files = [Path(entry) for entry in _listed(folder) if entry.name.endswith(TRAINING_ENDING)]
    for file in sorted(files, key=_written, reverse=True):
        try:
            return resumable(file)
        except EngineError:
            continue
    return None


def new_files(folder: AnyPath, name: str) -> Files:
    """Return files of a name in a folder that no others have."""
    stem = re.sub(r"[^\w.-]+", "-", name).strip("-.")[:60] or "training"
    there = {file.name for file in _listed(folder)}
    number = 1
    while True:
        files = Files(Path(folder) / f"{stem}{f'-{number}' if number > 1 else ''}{MODEL_ENDING}")
        if not there & {files.model.name, files.training.name}:
            return files
        number += 1


def copy(files: Files, path: AnyPath, watch: Watch = IDLE) -> Files:
    """Copy a model and its training to another place, each whole or not at all; raises EngineError.

    The plan stays: it tells where the pictures of this user lie. `watch` is told of the bytes
    that are copied, and may end it.
    """
    target = Files.of(path)
    pairs = ((files.training, target.training), (files.model, target.model))
    total = sum(_size(source) for source, _ in pairs)
    done = 0
    for source, to in pairs:
        check_free(check_target(to), _size(source))

        def write(file: BinaryIO, source: Path = source) -> None:
            nonlocal done
            with source.open("rb") as content:
                while block := content.read(_BLOCK):
                    file.write(block)
                    done += len(block)
                    watch.poll()
                    watch.progress(done, total)

        atomic_write(to, write, watch.poll)
    return target


def make_folder(folder: Path) -> None:
    """Make a folder where there is none; raises EngineError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = error.strerror or str(error)
        raise EngineError(f"{folder}: the folder cannot be made ({reason})") from None


def _listed(folder: AnyPath) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []


def _sigmas(path: AnyPath) -> NDArray[np.float64] | None:
    """Return the levels that a training was begun with, None for those of a density."""
    with opened(path, "np") as file:
        if LEVELS not in file.keys():  # noqa: SIM118
            return None
        return np.asarray(file.get_tensor(LEVELS), np.float64).reshape(-1)


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError as error:
        reason = error.strerror or str(error)
        raise EngineError(f"{file}: cannot be read ({reason}); train a step first") from None


def _written(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except OSError:
        return 0.0
