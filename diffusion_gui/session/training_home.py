"""The user's own trainings in a folder: their names, the newest one, what is written for each.

Imports torch only where something is written or read whole.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.session.files import AnyPath, atomic_write
from diffusion_gui.session.model_header import TRAINING, Header, read_header
from diffusion_gui.session.training_plan import ENDING, Plan, read_plan, write_plan

if TYPE_CHECKING:
    from diffusion_gui.engine.training.trainer import State

MODEL_ENDING, TRAINING_ENDING = ".safetensors", ".training.safetensors"
FOLDER = "trainings"


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

    def write(self, state: State, plan: Plan) -> None:
        """Write a checkpoint: the training first, then the model; raises EngineError.

        Each is whole or not written at all: whatever ends this, an older one stays.
        """
        from diffusion_gui.session.model_files import save_model, save_training

        make_folder(self.model.parent)
        write_plan(self.plan, plan)
        save_training(self.training, state, plan.name)
        save_model(self.model, state, plan.name)


@dataclass(frozen=True, slots=True)
class Resumable:
    """A training that can be gone on with."""

    files: Files
    header: Header
    plan: Plan | None
    """None where it was made elsewhere."""


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
    return Resumable(files, header, plan)


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


def copy(files: Files, path: AnyPath) -> Files:
    """Copy a model and its training to another place, each whole or not at all; raises EngineError.

    The plan stays: it tells where the pictures of this user lie.
    """
    target = Files.of(path)
    for source, to in ((files.training, target.training), (files.model, target.model)):
        try:
            content = source.read_bytes()
        except OSError as error:
            reason = error.strerror or str(error)
            raise EngineError(f"{source}: cannot be read ({reason}); train a step first") from None
        atomic_write(to, partial(_write, content))
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


def _write(content: bytes, file: BinaryIO) -> None:
    file.write(content)


def _written(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except OSError:
        return 0.0
