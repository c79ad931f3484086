"""How a checkpoint's network is to be called: what its weights do not say. NumPy only.

A reader proposes a `Use`, a person corrects it, and it is part of what names the network. The
network keeps the time of its own training: a level of any schedule is told by its SNR (`Clock`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

import numpy as np

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.predictions import Form, Prediction
from diffusion_gui.engine.schedules import Family, Schedule, ScheduleSpec, build

AVERAGED, TRAINED = "averaged", "trained"
"""The choices of weights: their moving average (EMA), and as training left them."""
SIZES = (8, 512)
"""Sides of pictures that a network may be asked for, least and most."""
_WHOLE = 1e-3
"""Nearer than this to a whole step, the whole step is told: networks were never told others."""


class PixelRange(StrEnum):
    """In which numbers the network saw its training pictures, from black to white."""

    SYMMETRIC = "-1..1"
    UNIT = "0..1"


@dataclass(frozen=True, slots=True)
class Use:
    """What a network predicts, of which pictures, and by which schedule it was trained."""

    prediction: Prediction = Prediction.EPSILON
    pixels: PixelRange = PixelRange.SYMMETRIC
    weights: str = TRAINED
    schedule: ScheduleSpec = field(default_factory=lambda: ScheduleSpec("linear"))
    size: int = 32
    """Side of its pictures in pixels."""
    edm: bool = False
    """Whether it is preconditioned after Karras et al. 2022: told ln(sigma) / 4."""
    clip: bool = False
    """Whether its estimates are held within -1..1, as most were sampled by their own library."""
    no_class: int = -1
    """The class that was trained to mean none; -1: the mean of all their vectors stands for it."""

    def check(self, channels: int = 3) -> None:
        """Raise EngineError for what no network can be asked."""
        if channels not in (1, 3):
            raise EngineError(
                f"it draws {channels} channels; this program shows pictures of 1 or 3: latents and"
                " transparency are not among them"
            )
        if not SIZES[0] <= self.size <= SIZES[1]:
            raise EngineError(
                f"a size of {self.size} px is outside {SIZES[0]} to {SIZES[1]}; choose one within"
            )
        if self.prediction not in candidates(form_of(self)):
            names = " or ".join(WORDS[kind] for kind in candidates(form_of(self)))
            raise EngineError(
                f"a network of this schedule does not predict {WORDS[self.prediction]};"
                f" choose {names}"
            )


WORDS = {
    Prediction.EPSILON: "noise",
    Prediction.V: "v",
    Prediction.SAMPLE: "the picture",
    Prediction.SCORE: "the score",
    Prediction.FLOW: "the flow's velocity",
    Prediction.EDM: "EDM's F",
}
"""What a network predicts, as it is said in a sentence."""
_CANDIDATES = {
    Form.VP: (Prediction.EPSILON, Prediction.V, Prediction.SAMPLE, Prediction.SCORE),
    Form.VE: (Prediction.SCORE, Prediction.EPSILON, Prediction.SAMPLE),
    Form.FLOW: (Prediction.FLOW, Prediction.EPSILON, Prediction.SAMPLE),
    Form.EDM: (Prediction.EDM, Prediction.SAMPLE),
}
_FORMS = {Family.VE: Form.VE, Family.FLOW: Form.FLOW}


def candidates(form: Form) -> tuple[Prediction, ...]:
    """Return what a network that sees pictures in this form may predict, the usual first."""
    return _CANDIDATES[form]


def form_of(use: Use) -> Form:
    """Return the form in which a network sees its pictures."""
    return Form.EDM if use.edm else _FORMS.get(build(use.schedule).family, Form.VP)


class Clock:
    """From a level to the number that tells the network of it: by SNR, between its own steps.

    A table of steps is told as its index from 0, interpolated in log-SNR; sigma, a flow's s times
    T and c_noise where the network knows these. Beyond its own levels the nearer end is told.
    """

    def __init__(self, use: Use) -> None:
        self.form = form_of(use)
        self._spec = use.schedule

    @cached_property
    def schedule(self) -> Schedule:
        """The schedule of its training."""
        return build(self._spec)

    @property
    def sigmas(self) -> tuple[float, float]:
        """The least and the most noise per signal of its own levels."""
        sigma = self.schedule.sigma[1:]
        return float(sigma[0]), float(sigma[-1])

    def __call__(self, a: float, s: float) -> float:
        """Return the number for x_t = a x_0 + s eps; a = 0 and s = 0 are the ends."""
        sigma = s / a if a > 0.0 else math.inf
        low, high = self.sigmas
        held = min(max(sigma, low), high)
        match self.form:
            case Form.VP:
                return self._index(held)
            case Form.VE:
                return held
            case Form.FLOW:
                return self.schedule.T * (held / (1.0 + held) if math.isfinite(held) else 1.0)
            case Form.EDM:
                return 0.25 * math.log(held) if math.isfinite(held) else math.inf

    def _index(self, sigma: float) -> float:
        if not math.isfinite(sigma):
            return self.schedule.T - 1.0
        index = float(self.schedule.t_at(np.array(-2.0 * math.log(sigma)))) - 1.0
        whole = round(index)
        return float(whole) if abs(index - whole) < _WHOLE else index


def pixel_scale(use: Use, channels: int) -> float:
    """Return how much larger a level's sigma is for RGB in [-1, 1] than for the network.

    Pictures in 0..1 have half the contrast; the mean of three noisy channels a third of the
    variance.
    """
    return (2.0 if use.pixels is PixelRange.UNIT else 1.0) * (
        math.sqrt(3.0) if channels == 1 else 1
    )
