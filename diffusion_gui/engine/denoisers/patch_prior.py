"""Where a pixel's patch may come from: the prior over positions of the local denoiser.

Kamb & Ganguli 2024 (arXiv:2412.20292) know two cases: LS compares a patch only with patches at its
own position, ELS with those at every position; zero padding breaks ELS at the border: a patch
that overlaps the border matches only patches with the same overlap. Between both stands
exp(-|u - u'|^2 / 2 rho^2), cut off at 3 rho. It factors over rows and columns. Imports torch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

_REACH = 3.0
_PIXELS = 0.1


def position_spread(freedom: float, side: int) -> float:
    """Return rho in pixels for the slider `freedom` in 0..1 on pictures of `side` pixels.

    rho = side / 10 * f / (1 - f): 0 at 0 (LS), a tenth of the picture at one half, infinite
    at 1 (ELS). In parts of the side, so that a setting means the same at every size.
    """
    return math.inf if freedom >= 1.0 else _PIXELS * side * freedom / (1.0 - freedom)


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis of `length` pixels: which positions a position may look at, and how readily.

    With `border` the picture is zero padded and positions nearer to an edge than `radius` match
    only themselves; else it is a torus. `rho` is the spread in pixels.
    """

    length: int
    radius: int
    rho: float
    border: bool

    @property
    def reach(self) -> int:
        """Return the largest shift that can have weight."""
        most = self.length - 1 if self.border else self.length // 2
        return most if math.isinf(self.rho) else min(most, math.ceil(_REACH * self.rho))

    def codes(self) -> Tensor:
        """Return the distances to both edges, cut at `radius`: [length, 2]; 0 on a torus."""
        if not self.border:
            return torch.zeros(self.length, 2)
        place = torch.arange(self.length)
        both = torch.stack([place, self.length - 1 - place], dim=1)
        return both.clamp(max=self.radius).float()

    def log_prior(self) -> Tensor:
        """Return log of the unnormalised prior [length, length]: row u, column u'."""
        place = torch.arange(self.length)
        shift = (place[:, None] - place).abs()
        if not self.border:
            shift = torch.minimum(shift, self.length - shift)
        spread = self.rho or math.inf  # at 0 the reach alone decides
        prior = -0.5 * (shift.double() / spread) ** 2
        codes = self.codes()
        same = (codes[:, None] == codes).all(dim=2)
        return prior.masked_fill(~same | (shift > self.reach), -torch.inf)
