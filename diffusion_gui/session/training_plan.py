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
    """Another shape than `shape` names: that of a training that was opened."""
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


def write_plan(path: AnyPath, plan: Plan) -> None:
    """Write a plan, whole or not at all; raises EngineError where that cannot be."""
    text = msgspec.json.encode(plan)
    atomic_write(path, lambda file: file.write(text))


def read_plan(path: AnyPath) -> Plan:
    """Return a plan from its file; raises EngineError where there is none to be had."""
    try:
        plan = msgspec.json.decode(Path(path).read_bytes(), type=Plan)
        plan.options.check()
    except (OSError, msgspec.DecodeError) as error:
        raise EngineError(f"{path}: the plan of this training cannot be read: {error}") from None
    if plan.shape not in SHAPES:
        raise EngineError(f"{path}: no network is called {plan.shape!r}")
    return plan
