"""What a training depends on besides its pictures: one frozen value. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from diffusion_gui.engine.errors import EngineError


class Levels(StrEnum):
    """Which noise levels a training sees how often."""

    LOG_NORMAL = "log-normal"
    """ln sigma ~ N(p_mean, p_std^2) (arXiv:2206.00364, table 1)."""
    SCHEDULE = "schedule"
    """Every step of a schedule as often as another, as DDPM trains (arXiv:2006.11239)."""


class Weighting(StrEnum):
    """How much an error of x0_hat weighs at a noise level."""

    EDM = "edm"
    """(sigma^2 + sigma_data^2) / (sigma sigma_data)^2: the same pull at every level."""
    MIN_SNR = "min-snr"
    """min(1 / sigma^2, 5) (arXiv:2303.09556): easy levels weigh less."""
    EPSILON = "epsilon"
    """1 / sigma^2: the error of the noise, DDPM's simple loss."""


MIN_SNR_GAMMA = 5.0
CAREFUL_RATE = 1e-4
"""Usual learning rate for a network that has learned already: more, and it forgets at first."""
SAVE_MINUTES = 5.0
"""Checkpoints are so far apart unless it is told otherwise."""


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """How a network is trained; every field is written into its file."""

    batch: int = 64
    """Pictures per step, over all processes."""
    learning_rate: float = 5e-4
    warmup: int = 200
    """Steps in which the learning rate grows from 0."""
    decay_after: int = 4000
    """Steps after which the learning rate falls as 1 / sqrt(step)."""
    clip: float = 1.0
    """Longest gradient; a longer one is shortened to it."""
    ema: float = 0.999
    """Share of the averaged weights that a step leaves, once the training is under way."""
    withheld: float = 0.15
    """Chance that a picture's caption is withheld, so that the network learns to do without."""
    word_withheld: float = 0.1
    """Chance that one word of a caption is withheld."""
    levels: Levels = Levels.LOG_NORMAL
    p_mean: float = -0.2
    """Higher than EDM's -1.2: what a caption decides of small pictures it decides above sigma 1."""
    p_std: float = 1.5
    weighting: Weighting = Weighting.EDM
    flip: bool = False
    """Whether half of the pictures are mirrored: not where left and right mean something."""
    shift: int = 1
    """Pictures are moved by up to so many pixels each way; their border is repeated."""
    seed: int = 0

    def check(self) -> None:
        """Raise EngineError for a value no training can work with."""
        wrong = {
            "batch must be 1 to 4096": not 1 <= self.batch <= 4096,
            "learning_rate must be above 0, at most 0.1": not 0.0 < self.learning_rate <= 0.1,
            "warmup and decay_after must be at least 1": min(self.warmup, self.decay_after) < 1,
            "clip must be above 0": not self.clip > 0.0,
            "ema must be in 0 to 0.99999": not 0.0 <= self.ema <= 0.99999,
            "withheld must be in 0 to 1": not 0.0 <= self.withheld <= 1.0,
            "word_withheld must be in 0 to 1": not 0.0 <= self.word_withheld <= 1.0,
            "p_std must be above 0, at most 5": not 0.0 < self.p_std <= 5.0,
            "p_mean must be in -6 to 6": not -6.0 <= self.p_mean <= 6.0,
            "shift must be 0 to 16 pixels": not 0 <= self.shift <= 16,
            "seed must be 0 to 2^62": not 0 <= self.seed <= 2**62,
        }
        for problem, holds in wrong.items():
            if holds:
                raise EngineError(f"training: {problem}")

    def rate(self, step: int) -> float:
        """Return the learning rate of step 0, 1, ...: warm-up, plateau, 1 / sqrt(step)."""
        grown = min(1.0, (step + 1) / self.warmup)
        return self.learning_rate * grown * min(1.0, (self.decay_after / (step + 1)) ** 0.5)

    def kept(self, step: int) -> float:
        """Return the share of the averaged weights that step 0, 1, ... leaves: grows to `ema`."""
        return min(self.ema, (step + 1) / (step + 10))
