"""DDIM inversion: from a picture up to its noise, along the probability-flow ODE. No torch.

The way up is the way down of DDIM at eta = 0 read backwards (Song et al. 2021, arXiv:2010.02502,
section 4.3; Dhariwal & Nichol 2021). Down from that noise the picture comes back, up to the error
of the steps, and up to what the model can represent at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.params import Param
from diffusion_gui.engine.samplers.base import Step
from diffusion_gui.engine.samplers.first_order import ddim

if TYPE_CHECKING:
    from torch import Tensor

    from diffusion_gui.engine.denoisers.base import Denoiser
    from diffusion_gui.engine.samplers.base import Levels

INVERSION_PARAMS: tuple[Param, ...] = (
    Param(
        "iterations", "iterations", 3.0, 0.0, 50.0,
        "Corrections per step, one model call each; 0 is plain DDIM inversion. Range 0 to 50.", 0,
    ),
)  # fmt: skip
"""The parameters of `invert` and `round_trip`, by their keyword."""


def invert(
    denoise: Denoiser, x0: Tensor, levels: Levels, *, iterations: float = 0.0
) -> Iterator[Step]:
    """Yield the n + 1 steps from x0 [B, C, H, W] in [-1, 1], clean, up to the first of `levels`.

    The levels are visited from the last, clean one upward and `index` runs 0..n in that order;
    every x0_hat is the model's at that very level. The clean picture has no direction (eps_hat is
    0 / 0 at s = 0, and 0 in its limit), so that x at the first noisy level is a x_0 with no noise:
    off by O((s / a)^2), and not invertible by any number of `iterations`.
    """
    if float(levels.s[-1]) != 0.0:
        raise EngineError(f"inversion starts from a clean level, got s = {levels.s[-1]:g}")
    return _climb(denoise, x0, levels, round(iterations))


def evaluations(num_steps: int, iterations: float = 0.0) -> int:
    """Return the model calls of `invert`; `round_trip` makes `num_steps` more."""
    return num_steps + (num_steps - 1) * round(iterations)


@dataclass(frozen=True, slots=True, eq=False)
class RoundTrip:
    """A picture taken up to its noise and down again.

    `noise` is x_T and `result` the picture that came back, both [B, C, H, W]; `rms` [B] float64 is
    each picture's error in units of [-1, 1] and `psnr` [B] the same in dB (peak to peak 2).
    """

    noise: Tensor
    result: Tensor
    rms: Tensor
    psnr: Tensor


def round_trip(
    denoise: Denoiser, x0: Tensor, levels: Levels, *, iterations: float = 0.0
) -> RoundTrip:
    """Invert x0 [B, C, H, W] and come back with deterministic DDIM through the same levels."""
    *_, top = invert(denoise, x0, levels, iterations=iterations)
    *_, end = ddim(denoise, top.x_t, levels, _no_noise, eta=0.0)
    error = (end.x_t.cpu().double() - x0.cpu().double()).flatten(1)
    rms = error.square().mean(dim=1).sqrt()
    return RoundTrip(top.x_t, end.x_t, rms, 20.0 * (2.0 / rms).log10())


def _climb(denoise: Denoiser, x0: Tensor, levels: Levels, iterations: int) -> Iterator[Step]:
    n = len(levels)
    level = [(float(a), float(s)) for a, s in zip(levels.a, levels.s, strict=True)]
    yield Step(0, round(levels.t[n]), *level[n], x0, x0)
    x = (level[n - 1][0] / level[n][0]) * x0
    for i in reversed(range(n)):
        x0_hat = denoise(x, *level[i])
        yield Step(n - i, round(levels.t[i]), *level[i], x, x0_hat)
        if i > 0:
            x = _up(denoise, x, x0_hat, level[i], level[i - 1], iterations)


def _up(
    denoise: Denoiser,
    x: Tensor,
    x0_hat: Tensor,
    here: tuple[float, float],
    above: tuple[float, float],
    iterations: int,
) -> Tensor:
    """Return x one level up, at first with the x0_hat from here, then with that from above.

    With the latter, DDIM's step down leads back to x exactly: a fixed point g(m) = m, reached
    for data with any covariance by m + theta (g(m) - m) with Barzilai and Borwein's step
    (IMA J. Numer. Anal. 8, 1988), for the Jacobian of m - g(m) is symmetric and >= 1. (theta = 1
    diverges where sigma more than doubles and the noise is small against the data.)
    """
    moved = _move(x, x0_hat, here, above)
    before: tuple[Tensor, Tensor] | None = None
    for _ in range(iterations):
        missing = _move(x, denoise(moved, *above), here, above) - moved
        theta = 1.0 if before is None else _secant(moved - before[0], before[1] - missing)
        before = moved, missing
        moved = moved + theta * missing
    return moved


def _secant(moved: Tensor, change: Tensor) -> Tensor:
    """Return <moved, change> / <change, change> of each picture, in [0, 1]: [B, 1, 1, 1]."""
    shares = change.new_ones(len(change), 1, 1, 1)
    for i, (one, other) in enumerate(zip(moved, change, strict=True)):
        if bool(other.any()):  # one by one: a picture does not depend on its batch
            shares[i] = (one * other).sum() / other.square().sum()
    return shares.clamp(0.0, 1.0)


def _move(
    x: Tensor, x0_hat: Tensor, here: tuple[float, float], there: tuple[float, float]
) -> Tensor:
    """Return a' x0_hat + s' eps_hat (DDIM, eq. 12, at eta = 0)."""
    return there[0] * x0_hat + (there[1] / here[1]) * (x - here[0] * x0_hat)


def _no_noise(index: int) -> Tensor:
    raise AssertionError(f"DDIM at eta = 0 asked for the noise of transition {index}")
