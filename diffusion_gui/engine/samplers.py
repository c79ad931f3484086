"""Samplers: one short generator each, over the form x_t = a_t x_0 + s_t eps.

A sampler walks down the levels and yields a `Step` before every transition, and a last one with
the result. Cancel, pause, recording and timing live outside (`reverse.py`, `state/`).
The functions only use operators, so this module needs neither torch nor NumPy arrays of its own.
To add a sampler, write its generator and its row in `SAMPLERS`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from diffusion_gui.engine.params import Param
from diffusion_gui.engine.schedules.schedule import Schedule

if TYPE_CHECKING:
    from torch import Tensor

    from diffusion_gui.engine.denoisers.base import Denoiser

Noise = Callable[[int], "Tensor"]
"""noise(i) -> standard normal [B, C, H, W] for transition i; pure: asking twice gives the same."""


@dataclass(frozen=True, slots=True)
class Levels:
    """The levels a run visits, descending, the last one clean: arrays of n + 1 entries."""

    t: NDArray[np.int64]
    a: NDArray[np.float64]
    s: NDArray[np.float64]

    @classmethod
    def of(cls, schedule: Schedule, t: NDArray[np.int64]) -> Levels:
        """Read the levels at times `t` off a schedule."""
        return cls(t, schedule.a[t], schedule.s[t])

    def __len__(self) -> int:
        """The number of transitions n."""
        return len(self.t) - 1


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """Where the reverse process stands: x_t [B, C, H, W] at level t, and the x_0 seen from there.

    `index` runs 0..n; at n the run is over: t = 0 and x_t = x0_hat is the result.
    """

    index: int
    t: int
    a: float
    s: float
    x_t: Tensor
    x0_hat: Tensor


def ancestral(
    denoise: Denoiser,
    x: Tensor,
    levels: Levels,
    noise: Noise,
    added: Callable[[float, float], float],
) -> Iterator[Step]:
    """Walk x_t -> x_{t'} = a' D + sqrt(s'^2 - u^2) eps_hat + u z along the levels.

    `added(s', r)` gives u, the standard deviation of the fresh noise z, from the noise s' at the
    next level and r = sigma' / sigma, the ratio of noise-to-signal of the two levels.
    """
    for i in range(len(levels)):
        a, s = float(levels.a[i]), float(levels.s[i])
        a_next, s_next = float(levels.a[i + 1]), float(levels.s[i + 1])
        x0_hat = denoise(x, a, s)
        yield Step(i, int(levels.t[i]), a, s, x, x0_hat)
        fresh = added(s_next, _sigma_ratio(a, s, a_next, s_next))
        kept = math.sqrt(max(s_next**2 - fresh**2, 0.0))
        x = a_next * x0_hat + (kept / s) * (x - a * x0_hat)
        if fresh > 0.0:
            x = x + fresh * noise(i)
    n = len(levels)
    yield Step(n, int(levels.t[n]), float(levels.a[n]), float(levels.s[n]), x, x)


def ddim(
    denoise: Denoiser, x: Tensor, levels: Levels, noise: Noise, *, eta: float
) -> Iterator[Step]:
    """DDIM (arXiv:2010.02502, eq. 12 and 16): deterministic at eta = 0, DDPM at eta = 1."""
    return ancestral(denoise, x, levels, noise, lambda s, r: eta * s * math.sqrt(1.0 - r * r))


def ddpm(
    denoise: Denoiser, x: Tensor, levels: Levels, noise: Noise, *, variance: float
) -> Iterator[Step]:
    """DDPM (arXiv:2006.11239, section 3.2): posterior mean, variance beta-tilde (0) or beta (1).

    Between levels that are not neighbours beta is that of the jump.
    """
    if not variance:
        return ddim(denoise, x, levels, noise, eta=1.0)
    return _ddpm_large(denoise, x, levels, noise)


def _ddpm_large(denoise: Denoiser, x: Tensor, levels: Levels, noise: Noise) -> Iterator[Step]:
    """DDPM with the variance of the forward jump, s^2 - (a s' / a')^2; none on the last step."""
    for i in range(len(levels)):
        a, s = float(levels.a[i]), float(levels.s[i])
        a_next, s_next = float(levels.a[i + 1]), float(levels.s[i + 1])
        x0_hat = denoise(x, a, s)
        yield Step(i, int(levels.t[i]), a, s, x, x0_hat)
        ratio = _sigma_ratio(a, s, a_next, s_next)
        x = a_next * x0_hat + (s_next * ratio / s) * (x - a * x0_hat)
        if s_next > 0.0:
            x = x + s * math.sqrt(1.0 - ratio * ratio) * noise(i)
    n = len(levels)
    yield Step(n, int(levels.t[n]), float(levels.a[n]), float(levels.s[n]), x, x)


def _sigma_ratio(a: float, s: float, a_next: float, s_next: float) -> float:
    """Return sigma' / sigma of two levels; 0 where no signal is left at the first (sigma = inf)."""
    return (s_next * a) / (a_next * s) if a > 0.0 else 0.0


@dataclass(frozen=True, slots=True)
class Sampler:
    """A sampler by name: title, source, one line, parameters and generator."""

    title: str
    source: str
    explanation: str
    params: tuple[Param, ...]
    walk: Callable[..., Iterator[Step]]


SAMPLERS: dict[str, Sampler] = {
    "ddim": Sampler(
        title="DDIM",
        source="Song et al. 2021",
        explanation="Deterministic at η = 0: the same noise always gives the same picture.",
        params=(
            Param(
                "eta", "η", 0.0, 0.0, 1.0,
                "Share of fresh noise per step: 0 is deterministic, 1 is DDPM. No unit.", 2,
            ),
        ),
        walk=ddim,
    ),
    "ddpm": Sampler(
        title="DDPM",
        source="Ho et al. 2020",
        explanation="Fresh noise at every step: the reverse of the Markov chain.",
        params=(
            Param(
                "variance", "variance", 0.0, 0.0, 1.0,
                "Variance of the fresh noise: β̃ (the posterior's) or β (the forward step's).", 0,
                ("β̃ small", "β large"),
            ),
        ),
        walk=ddpm,
    ),
}  # fmt: skip
