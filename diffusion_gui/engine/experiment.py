"""The experiment: the frozen tree of everything a result depends on. NumPy only.

It is the one input of a run, what undo steps between, and what is written into every exported
picture. Pixels are not in it: pictures are named by content (`PictureRef.id`).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from diffusion_gui.engine.params import Values
from diffusion_gui.engine.schedules.schedule import ScheduleSpec

EMOJI = "emoji"
PICTURES = "pictures"
DATA_SIZES = (16, 32, 64, 128)
MAX_COUNT = 256
MAX_SEED = 2**31 - 1
DEVICES = ("auto", "cpu", "cuda", "mps")
"""What a user may wish to run on; `device.choose` says what there is."""


@dataclass(frozen=True, slots=True)
class PictureRef:
    """A picture in the tray: `id` names its content, `source` where it came from."""

    id: str
    name: str
    source: str = ""


@dataclass(frozen=True, slots=True)
class Start:
    """Start the reverse process from a noised picture at time `t` instead of from pure noise."""

    picture: str
    t: int


@dataclass(frozen=True, slots=True)
class Guidance:
    """How the estimate is moved away from a second one; `guidance.GUIDANCE` has the methods."""

    method: str = ""
    """Empty for none."""
    params: Values = ()
    against: str = ""
    """The model moved away from; empty for the same one on all images, without the label."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """Everything the reverse process is told."""

    model: str = "exact"
    model_params: Values = ()
    data: str = EMOJI
    """The images a closed-form model knows: the emoji set or the pictures in the tray."""
    label: str = ""
    """A class folder, or a word of the captions: the model knows only these images. Empty: all."""
    guidance: Guidance = field(default_factory=Guidance)
    size: int = 32
    """Side in pixels of the model's square images."""
    sampler: str = "ddim"
    params: Values = ()
    restart: Values = ()
    """Parameters of Restart sampling around the sampler; empty for none."""
    steps: int = 20
    spacing: str = "trailing"
    spacing_params: Values = ()
    levels: tuple[float, ...] = ()
    """The levels of the spacings that are a list: t, or sigma."""
    count: int = 16
    start: Start | None = None


@dataclass(frozen=True, slots=True)
class Experiment:
    """Schedule, pictures, sampling settings and the one seed that all noise derives from."""

    schedule: ScheduleSpec = field(default_factory=ScheduleSpec)
    pictures: tuple[PictureRef, ...] = ()
    sampling: Sampling = field(default_factory=Sampling)
    seed: int = 0
