"""Whether a network does what its file says: one pass at several levels of known noise.

The score of a kind is the correlation of what the network gave with what a network of that kind
would have to give, 1 at best. x_t is in neither of the two: nothing is gained by copying it.
Imports torch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from diffusion_gui.engine import images
from diffusion_gui.engine.checkpoint_use import Clock, PixelRange, Use, candidates
from diffusion_gui.engine.denoisers.network import prepared
from diffusion_gui.engine.denoisers.parametrisation import from_x0, scale, to_x0
from diffusion_gui.engine.images import Pixels
from diffusion_gui.engine.predictions import Prediction

SIGMAS = (0.35, 0.7, 1.4, 2.8)
"""Noise per signal of pictures in [-1, 1] at which a network is asked: where form is decided."""
GOOD, DOUBTFUL = 0.9, 0.5
"""From this score on a network does what is said; below the second it does not."""
_MARGIN = 0.03
"""By so much another kind must be better than the one that the file names, to be proposed."""
_MOST_PIXELS = 16 * 64 * 64
"""A pass takes as many pictures as have so many pixels together, at least one."""


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What a network gave at one level, of pictures in one range."""

    a: float
    s: float
    x: Tensor
    """As the network saw it, [B, C, H, W]."""
    scale: float
    """The factor that brought it to the network's form."""
    given: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Sanity:
    """The scores of all kinds in both ranges, and what they were made from."""

    use: Use
    """What was asked; prediction and range are free."""
    scores: dict[tuple[PixelRange, Prediction], float]
    sigmas: tuple[float, ...]
    _answers: dict[PixelRange, tuple[Answer, ...]]

    def score(self, use: Use) -> float:
        """Return the score of a prediction and range."""
        return self.scores.get((use.pixels, use.prediction), 0.0)

    def proposal(self) -> Use:
        """Return what was asked, or a use that clearly fits better, if one does."""
        best = max(self.scores, key=lambda key: self.scores[key])
        if self.scores[best] < max(DOUBTFUL, self.score(self.use) + _MARGIN):
            return self.use
        return replace(self.use, pixels=best[0], prediction=best[1])

    @property
    def count(self) -> int:
        """How many pictures were asked about."""
        return len(self._answers[self.use.pixels][0].x)

    def pictures(self, use: Use, number: int = 0) -> tuple[Pixels, Pixels]:
        """Return one of the pictures with its noise, and what the network makes of it.

        Both uint8 [levels, size, size, 3].
        """
        one = slice(number, number + 1)
        noisy, clean = [], []
        for answer in self._answers[use.pixels]:
            a, s = answer.scale * answer.a, answer.scale * answer.s
            found = to_x0(use.prediction, answer.given[one], answer.x[one], a, s)
            seen = answer.x[one] / (answer.scale * math.hypot(answer.a, answer.s))
            noisy.append(_shown(seen, use.pixels))
            clean.append(_shown(found, use.pixels))
        return np.stack(noisy), np.stack(clean)


def verdict(score: float) -> str:
    """Return "yes", "doubtful" or "no"."""
    return "yes" if score >= GOOD else "doubtful" if score >= DOUBTFUL else "no"


def how_many(size: int) -> int:
    """Return how many pictures of `size` pixels a pass takes, 1 to 16."""
    return min(max(_MOST_PIXELS // size**2, 1), 16)


def passes() -> int:
    """Return how many passes `examine` makes."""
    return len(SIGMAS) * len(PixelRange)


def examine(
    network: nn.Module,
    use: Use,
    channels: int,
    pictures: Pixels,
    told: Tensor | None = None,
    poll: Callable[[], None] = lambda: None,
    done: Callable[[int], None] = lambda _: None,
    ranges: Sequence[PixelRange] = tuple(PixelRange),
) -> Sanity:
    """Ask a network on the CPU about uint8 pictures [B, size, size, 3]; see `checkpoint`.

    It is asked about them in each of `ranges`. `poll` before every pass may raise, `done(n)` is
    told after the n-th of `passes`. Raises EngineError where the network cannot be asked for
    pictures of that size.
    """
    use.check(channels)
    clock, call = Clock(use), prepared(network, torch.device("cpu"))
    x0 = torch.from_numpy(np.ascontiguousarray(images.to_float(pictures))).permute(0, 3, 1, 2)
    x0 = x0.mean(dim=1, keepdim=True) if channels == 1 else x0
    eps = torch.randn(x0.shape, generator=torch.Generator().manual_seed(0))
    also = () if told is None else (told.expand(len(x0)),)
    kept: dict[PixelRange, tuple[Answer, ...]] = {}
    scores: dict[tuple[PixelRange, Prediction], float] = {}
    for pixels in ranges:
        own = x0 if pixels is PixelRange.SYMMETRIC else 0.5 * (x0 + 1.0)
        contrast = 1.0 if pixels is PixelRange.SYMMETRIC else 0.5
        answers = []
        for sigma in SIGMAS:
            poll()
            a, s = _level(clock, contrast * sigma)
            c = scale(clock.form, a, s)
            x = c * (a * own + s * eps)
            level = torch.full((len(x),), clock(a, s))
            answers.append(Answer(a, s, x, c, call(x, level, *also)[:, :channels]))
            done(len(kept) * len(SIGMAS) + len(answers))
        kept[pixels] = tuple(answers)
        for kind in candidates(clock.form):
            scores[pixels, kind] = _score(kind, own, answers)
    return Sanity(use, scores, SIGMAS, kept)


def _score(kind: Prediction, x0: Tensor, answers: Sequence[Answer]) -> float:
    """Return how near the answers are to those of a kind, the mean over the levels."""
    found = 0.0
    for answer in answers:
        a, s = answer.scale * answer.a, answer.scale * answer.s
        found += _concordance(answer.given, from_x0(kind, x0, answer.x, a, s))
    return found / len(answers)


def _level(clock: Clock, sigma: float) -> tuple[float, float]:
    """Return (a, s), variance preserving, at the nearest of the network's own levels."""
    low, high = clock.sigmas
    held = min(max(sigma, low), high)
    size = math.hypot(1.0, held)
    return 1.0 / size, held / size


def _concordance(given: Tensor, target: Tensor) -> float:
    """Return Lin's concordance correlation over all numbers (Biometrics 45, 1989, p. 255).

    Pearson's, less what scale and mean are off: 1 only where the numbers are the same. 0 where it
    does not exist.
    """
    one, other = (value.double().flatten() for value in (given, target))
    apart = float(one.mean() - other.mean()) ** 2
    one, other = one - one.mean(), other - other.mean()
    size = float(one @ one + other @ other) / len(one) + apart
    found = 2.0 * float(one @ other) / len(one) / size if size > 0.0 else 0.0
    return found if math.isfinite(found) else 0.0


def _shown(x: Tensor, pixels: PixelRange) -> Pixels:
    """Return a picture [1, C, H, W] as uint8 [H, W, 3]."""
    symmetric = x if pixels is PixelRange.SYMMETRIC else 2.0 * x - 1.0
    rgb = symmetric.expand(-1, 3, -1, -1)[0].permute(1, 2, 0)
    return images.to_uint8(rgb.nan_to_num(0.0).float().numpy())
