"""The stack: at every noise level the best non-negative combination of several denoisers.

    D(x) = mu + sum_m w_m(sigma) (D_m(x) - mu),   sigma = s / a

with mu the mean image, which is the estimate from pure noise whatever the weights. These minimise
the squared error on pictures the denoisers have not seen, level by level: among combinations of
training-free denoisers none has a smaller error. Imports torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations

import numpy as np
import torch
from torch import Tensor

from diffusion_gui.engine.denoisers.base import Denoiser
from diffusion_gui.engine.denoisers.exact import Exact
from diffusion_gui.engine.denoisers.gaussian import Gaussian, Stationary
from diffusion_gui.engine.denoisers.local import Local
from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.noise import gaussian_batch

Build = Callable[[Tensor], Denoiser]

SIGMAS = tuple(float(sigma) for sigma in np.geomspace(0.02, 20.0, 13))
"""Noise levels at which the weights are fitted; between them they are linear in log sigma."""
_FEWEST, _MOST = 8, 48
"""Images held out of a large and of a small set; at most a quarter of it."""
_COMPARED_VALUES = 1 << 26
"""Values of the set compared with held-out images at each level, which decides their number.

It is the local denoiser's cost: a fit takes seconds. Of 1,377 images at 32 pixels 16 are held out,
and the error is within 1 % of that with 48.
"""
_LOCAL_VALUES = 1 << 24
"""The local denoiser knows evenly spaced images with at most so many values."""
_RIDGE = 1e-6
"""Pull towards equal weights, relative: it decides where denoisers agree and the error does not."""
_NEGLIGIBLE = 1e-6


class Stack:
    """Denoisers by name, mixed by `weights` [L, M] at the noise levels `sigmas` [L], ascending."""

    def __init__(
        self,
        denoisers: Mapping[str, Denoiser],
        sigmas: Sequence[float],
        weights: Tensor,
        mean: Tensor | None = None,
    ):
        """Check that the sizes fit; weights are >= 0, with one > 0 at every level.

        `mean` mu is [C, H, W], 0 unless given.
        """
        grid = np.asarray(sigmas, dtype=np.float64)
        if len(grid) == 0 or grid[0] <= 0.0 or bool(np.any(np.diff(grid) <= 0.0)):
            raise EngineError(f"sigmas must be > 0 and ascending, got {list(sigmas)}")
        if tuple(weights.shape) != (len(grid), len(denoisers)):
            raise EngineError(
                f"weights must be [{len(grid)}, {len(denoisers)}], got {list(weights.shape)}"
            )
        self._weights = weights.to("cpu", torch.float64).numpy()
        if bool(np.any(self._weights < 0.0)) or bool(np.any(self._weights.sum(axis=1) <= 0.0)):
            raise EngineError("weights must be >= 0, with one > 0 at every level")
        self._denoisers = dict(denoisers)
        self._log_sigmas = np.log(grid)
        self._mean = torch.zeros(1, 1, 1) if mean is None else mean

    @property
    def names(self) -> tuple[str, ...]:
        """The denoisers' names, in the order of the weights."""
        return tuple(self._denoisers)

    def weights(self, sigma: float) -> tuple[float, ...]:
        """Return the weight of each denoiser at `sigma` = s / a, > 0, possibly inf."""
        position = np.log(sigma)
        return tuple(
            float(np.interp(position, self._log_sigmas, column)) for column in self._weights.T
        )

    def __call__(self, x: Tensor, a: float, s: float) -> Tensor:
        """Return x0_hat [B, C, H, W] for x_t [B, C, H, W] at level (a, s), s > 0."""
        weights = self.weights(s / a if a > 0.0 else np.inf)
        total = torch.zeros_like(x) + (1.0 - sum(weights)) * self._mean.to(x)
        for weight, denoise in zip(weights, self._denoisers.values(), strict=True):
            if weight > _NEGLIGIBLE:
                total = total + weight * denoise(x, a, s)
        return total

    @classmethod
    def fit(
        cls,
        images: Tensor,
        poll: Callable[[], None] | None = None,
        builds: Mapping[str, Build] | None = None,
    ) -> Stack:
        """Fit the weights on held-out ones of `images` [N, C, H, W] and build on all of them.

        Each denoiser is fitted without the held-out images, the exact one leaves out just the
        image it is asked about. With fewer than 4 images none can be spared: equal weights.
        """
        poll = poll or (lambda: None)
        exact = Exact(images, poll)
        chosen = builds if builds is not None else _builds(poll)
        denoisers: dict[str, Denoiser] = {"exact": exact}
        denoisers |= {name: build(images) for name, build in chosen.items()}
        mean = images.mean(dim=0)
        count = _held_out(images)
        if count == 0:
            equal = torch.full((1, len(denoisers)), 1.0 / len(denoisers), dtype=torch.float64)
            return cls(denoisers, [1.0], equal, mean)
        held = torch.linspace(0, len(images) - 1, count, dtype=torch.float64).round().long()
        seen = torch.ones(len(images), dtype=torch.bool)
        seen[held] = False
        training = images[seen.to(images.device)]
        fitted: list[Denoiser] = [exact.leave_out(held)]
        fitted += [build(training) for build in chosen.values()]
        truth = images[held.to(images.device)]
        weights = [_fit_level(fitted, truth, mean, *level) for level in enumerate(SIGMAS)]
        return cls(denoisers, SIGMAS, torch.stack(weights), mean)


def _held_out(images: Tensor) -> int:
    """Return how many of `images` are held out, 0 of fewer than 4."""
    affordable = _COMPARED_VALUES // max(1, min(images.numel(), _LOCAL_VALUES))
    return min(max(affordable, _FEWEST), _MOST, len(images) // 4)


def _builds(poll: Callable[[], None]) -> dict[str, Build]:
    """Return the members besides the exact one.

    Not among them is a local one whose patches may move. On the emoji at 32 pixels it would take
    another tenth off the error where sigma is 0.3 to 0.7, for 25 times the time (freedom 0.1).
    """
    return {
        "local": lambda images: Local(images[:: -(-images.numel() // _LOCAL_VALUES)], poll),
        "gaussian": lambda images: Gaussian(images, poll),
        "stationary": lambda images: Stationary(images, poll),
    }


def _fit_level(
    denoisers: Sequence[Denoiser], truth: Tensor, mean: Tensor, level: int, sigma: float
) -> Tensor:
    """Return the weights [M] that suit the pictures `truth` [V, C, H, W] at one noise level."""
    drawn = gaussian_batch(0, range(len(truth)), level, tuple(truth.shape[1:]))
    a = 1.0 / float(np.hypot(1.0, sigma))
    x = a * truth + (sigma * a) * torch.from_numpy(drawn).to(truth)
    found = torch.stack([(denoise(x, a, sigma * a) - mean).flatten() for denoise in denoisers])
    wanted = (truth - mean).flatten()
    weights = non_negative_least_squares(found.cpu().double().T, wanted.cpu().double())
    return weights if float(weights.sum()) > 0.0 else torch.full_like(weights, 1 / len(weights))


def non_negative_least_squares(A: Tensor, b: Tensor, ridge: float = _RIDGE) -> Tensor:
    """Return the w >= 0 [M] that minimises |A w - b|^2 + r |w - 1/M|^2, A [P, M] float64.

    r is `ridge` times the mean diagonal of A^T A. Tries every set of positive weights: for the
    handful of columns here this is the exact minimum in 2^M small solves. Raises EngineError for
    more than 10 columns.
    """
    columns = A.shape[1]
    if columns > 10:
        raise EngineError(f"at most 10 denoisers can be combined, got {columns}")
    normal, moment = A.T @ A, A.T @ b
    pull = ridge * max(float(normal.diagonal().mean()), torch.finfo(A.dtype).tiny)
    normal = normal + pull * torch.eye(columns, dtype=A.dtype)
    moment = moment + pull / columns
    best, lowest = torch.zeros(columns, dtype=A.dtype), 0.0
    for size in range(1, columns + 1):
        for support in map(list, combinations(range(columns), size)):
            part = torch.linalg.lstsq(normal[support][:, support], moment[support, None])
            weights = part.solution[:, 0]
            value = -float(weights @ moment[support])  # the objective, up to a constant
            if value < lowest and bool((weights >= 0.0).all()):
                best, lowest = torch.zeros(columns, dtype=A.dtype), value
                best[support] = weights
    return best
