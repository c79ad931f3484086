"""The experiment: the frozen tree of everything a result depends on. NumPy only.

It is the one input of a run, what undo steps between, and what is written into every exported
picture. Pixels are not in it: pictures are named by content (`PictureRef.id`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from diffusion_gui.engine.params import Values
from diffusion_gui.engine.schedules.schedule import ScheduleSpec

EMOJI = "emoji"
PICTURES = "pictures"
DATA_SIZES = (16, 32, 64, 128)
"""The sizes of a closed form's images; a trained network has its own, within NETWORK_SIZES."""
NETWORK_SIZES = (8, 512)
LARGEST_EMOJI = 64
WORKING_SIZES = (32, 64, 128, 256, 512, 1024, 0)
"""The sizes at which a picture is noised; 0 stands for its own."""
MAX_OFFSET = 1.0
MAX_COUNT = 256
MAX_SEED = 2**31 - 1
MOST_FORKS = 64
"""A fork of a fork of a fork ... may be so long."""
DEVICES = ("auto", "cpu", "cuda", "mps")
"""What a user may wish to run on; `device.choose` says what there is."""


@dataclass(frozen=True, slots=True)
class PictureRef:
    """A picture in the tray: `id` names its content, `source` where it came from."""

    id: str
    name: str
    source: str = ""


class Fit(StrEnum):
    """How a picture comes to the working size."""

    FIT = "fit"
    """Scaled down until its longer side fits; the shape is kept."""
    CROP = "crop"
    """The central square."""
    PAD = "pad"
    """The whole picture in a square, the background around it."""


class NoiseKind(StrEnum):
    """How the noises of one picture at two times belong together; each alone is N(0, I)."""

    FROZEN = "frozen"
    """One eps, scaled: x_t = a_t x_0 + s_t eps. A picture dissolves smoothly."""
    PATH = "path"
    """A Brownian path in sigma^2, as the Markov chain draws it: near times share most of it."""
    FRESH = "fresh"
    """Another eps at every t."""


@dataclass(frozen=True, slots=True)
class Forward:
    """What the forward process makes of a picture, besides schedule, t and seed."""

    size: int = 512
    """Working size: the longer side in pixels, one of WORKING_SIZES; 0 for the file's own."""
    fit: Fit = Fit.FIT
    background: str = "#ffffff"
    """What shows through transparent pixels and around a padded picture, as #rrggbb."""
    noise: NoiseKind = NoiseKind.FROZEN
    offset: float = 0.0
    """Strength of offset noise: eps + offset * delta, one normal delta per channel."""


@dataclass(frozen=True, slots=True)
class Start:
    """Start the reverse process from a picture at time `t` instead of from pure noise."""

    picture: str
    t: int
    inverted: bool = False
    """False: noised to t as in SDEdit. True: taken up to t by DDIM inversion with the model."""
    iterations: int = 0
    """Corrections per step of the inversion, see `inversion.invert`."""


@dataclass(frozen=True, slots=True)
class Inpaint:
    """Keep part of a picture and draw the rest; `inpainting.INPAINTING` has the methods."""

    picture: str
    kept: str
    """Which pixels are kept: `masks.encode` of a [64, 64] mask."""
    params: Values = ()
    """Parameters of the method."""
    method: str = "repaint"


@dataclass(frozen=True, slots=True)
class Guidance:
    """How the estimate is moved away from a second one; `guidance.GUIDANCE` has the methods."""

    method: str = ""
    """Empty for none."""
    params: Values = ()
    against: str = ""
    """The model moved away from; empty for the same one on all images, without the label."""


@dataclass(frozen=True, slots=True)
class NetworkRef:
    """A trained network: `id` names the content of its file, `source` is where that was opened."""

    id: str
    name: str
    source: str = ""
    use: str = ""
    """Of another program's: what was corrected of how it is called, see `checkpoints/use_text`."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """Everything the reverse process is told."""

    model: str = "exact"
    model_params: Values = ()
    data: str = EMOJI
    """The images a closed-form model knows: the emoji set or the pictures in the tray."""
    label: str = ""
    """A class folder, or a word of the captions: the model knows only these images. Empty: all.

    A trained network is told it: words of its vocabulary, or one of its classes."""
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
    inpaint: Inpaint | None = None
    network: NetworkRef | None = None
    """Of the model "neural": which network it is; None for the bundled one."""


@dataclass(frozen=True, slots=True)
class Fork:
    """Go on from another run's step, with the settings of the experiment that has the fork."""

    parent: Experiment
    step: int
    """The running number of the step at whose x_t the new settings take over, from 0."""


@dataclass(frozen=True, slots=True)
class Experiment:
    """Schedule, pictures, what is done to them, and the one seed that all noise derives from."""

    schedule: ScheduleSpec = field(default_factory=ScheduleSpec)
    pictures: tuple[PictureRef, ...] = ()
    forward: Forward = field(default_factory=Forward)
    sampling: Sampling = field(default_factory=Sampling)
    seed: int = 0
    fork: Fork | None = None
    """The run that this one shares its first steps with, if any; size and count are that run's."""
