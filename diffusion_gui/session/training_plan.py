"""What a person wants trained: data, size, network, options, when it ends. No torch.

It lies beside the checkpoints of the user's own trainings, so that one can be resumed after a
restart; it holds the path of a folder and is never given away.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import msgspec

from diffusion_gui.engine.denoisers.unet_config import UNetConfig
from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.training.options import TrainOptions
from diffusion_gui.engine.training.shapes import SHAPES
from diffusion_gui.session.files import AnyPath, atomic_write

ENDING = ".plan.json"
_MOST_BYTES = 1024**2


class Source(StrEnum):
    """Where the pictures to learn from are."""

    EMOJI = "emoji"
    TRAY = "tray"
    FOLDER = "folder"


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything a training in the window is told."""

    source: Source = Source.EMOJI
    folder: str = ""
    size: int = 32
    shape: str = "small"
    """A key of `SHAPES`."""
    network: UNetConfig | None = None
    """Another shape than `shape` names: that of a training or a model that was opened."""
    weights: str = ""
    """The file of the model whose weights it begins with, "" for random ones."""
    options: TrainOptions = field(default_factory=TrainOptions)
    minutes: float | None = 30.0
    steps: int | None = None
    save_minutes: float = 5.0
    device: str = "auto"

    @property
    def config(self) -> UNetConfig:
        """The network's shape, its words aside."""
        return self.network or SHAPES[self.shape].config(self.size)

    @property
    def name(self) -> str:
        """What the data is called."""
        if self.source is Source.FOLDER:
            return Path(self.folder).name or self.folder
        return "emoji" if self.source is Source.EMOJI else "tray"

    def check(self) -> None:
        """Raise EngineError for what no training can be told."""
        self.options.check()
        wrong = {
            f"no network is called {self.shape!r}": self.shape not in SHAPES,
            "size must be 8 to 1024 pixels": not 8 <= self.size <= 1024,
            "minutes must be above 0": self.minutes is not None and not 0.0 < self.minutes <= 1e6,
            "steps must be 1 to 1,000,000,000": self.steps is not None
            and not 1 <= self.steps <= 10**9,
            "save_minutes must be above 0": not 0.0 < self.save_minutes <= 1e6,
        }
        for problem, holds in wrong.items():
            if holds:
                raise EngineError(f"training: {problem}")


def write_plan(path: AnyPath, plan: Plan) -> None:
    """Write a plan, whole or not at all; raises EngineError where that cannot be."""
    text = msgspec.json.encode(plan)
    atomic_write(path, lambda file: file.write(text))


def read_plan(path: AnyPath) -> Plan:
    """Return a plan from its file; raises EngineError where there is none to be had."""
    try:
        with Path(path).open("rb") as file:
            plan = msgspec.json.decode(file.read(_MOST_BYTES), type=Plan)
        plan.check()
        if plan.network is not None:
            plan.network.check()
    except (OSError, msgspec.DecodeError, EngineError) as error:
        raise EngineError(f"{path}: the plan of this training cannot be read: {error}") from None
    return plan
