"""The exact denoiser: the posterior mean over a finite set of images, the ideal score of that set.

    D(x) = sum_i w_i x_i,   w = softmax_i( p_i + (a x . x_i - a^2 |x_i|^2 / 2) / (tau s^2) )

with a log prior p (0 unless given) and a temperature tau (1 unless given). This is what a network
trained for ever on exactly these images would compute; sampling with it reproduces them.

Speed: a call is two matrix products, queries x set and weights x set, in the images' precision. The
second is left out where few images carry the weight. Float64 is used where float32 would not do,
see `Exact`.
Imports torch. Read next: `image_set.py` for the products, `logits.py` for their precision.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.functional import threshold

from diffusion_gui.engine.conditioning import Measurement, log_likelihood
from diffusion_gui.engine.denoisers.image_set import ROWS, ImageSet
from diffusion_gui.engine.denoisers.logits import Logits
from diffusion_gui.engine.denoisers.posterior import Glimpse, Posterior, summary_of
from diffusion_gui.engine.errors import EngineError

_NOTHING = 1e-30
"""Weights below change no digit, but a product with numbers too small for float32's exponent takes
up to fifteen times as long."""
_SPARSE = 16
"""A row with weight on at most N / 16 images sums just these."""


class Exact:
    """Posterior mean over `images` [N, C, H, W] in [-1, 1], streamed in tiles of the set.

    Logits come from one float32 product with the centred images. Where their rounding error would
    matter (small noise) those of the images that carry the weight are computed again in float64.
    The softmax is float64, the weighted sum float32; it may leave out 1e-6 of the posterior mass.
    Of float64 images all is float64, and the logits that matter are of differences, not products.
    """

    def __init__(
        self,
        images: Tensor,
        poll: Callable[[], None] | None = None,
        tile: int = 0,
        *,
        temperature: float = 1.0,
        log_prior: Tensor | None = None,
    ):
        """Keep `images` centred on their device; `poll` is called between tiles, may raise.

        `tile` is the number of images per product, 0 for as many as fit 32 MiB. `log_prior` [N]
        is added to the logits; -inf leaves an image out.
        """
        if not 0.0 < temperature < math.inf:
            raise EngineError(f"the temperature must be > 0, got {temperature:g}")
        self._set = ImageSet(images, poll or (lambda: None), tile)
        self._logits = Logits(self._set, temperature, self._checked(log_prior))
        self._left_out: Tensor | None = None
        self._watch: Callable[[Glimpse], None] | None = None
        self._watched = 0

    def __len__(self) -> int:
        """The number of images."""
        return len(self._set)

    def given(self, log_prior: Tensor | None) -> Exact:
        """Return this denoiser with another log prior [N], sharing the images.

        With log p(y | x_i) it denoises given y: the exact conditional denoiser.
        """
        other = copy.copy(self)
        other._logits = replace(self._logits, log_prior=self._checked(log_prior))
        return other

    def knowing(self, *measurements: Measurement) -> Exact:
        """Return this denoiser given what is known of the picture: its conditional on the set.

        The log prior it had counts as well. Raises EngineError where sizes do not fit.
        """
        if not measurements:
            return self
        if self._set.mean.numel() != math.prod(measurements[0].shape):
            raise EngineError(
                f"the measurement is of {list(measurements[0].shape)} pictures, the data set's have"
                f" {self._set.mean.numel()} values; give both the same size"
            )
        parts = [
            log_likelihood(
                (part + self._set.mean).reshape(-1, *measurements[0].shape),
                *measurements,
                poll=self._set.poll,
            )
            for part in self._set.tiles()
        ]
        likely, prior = torch.cat(parts), self._logits.log_prior
        return self.given(likely if prior is None else likely + prior)

    def leave_out(self, indices: Tensor) -> Exact:
        """Return this denoiser without image `indices[b]` for query b, sharing the images.

        `indices` is [B] for batches of B, -1 to leave none out. On the set's own images it tells
        how the denoiser does on pictures it has not seen.
        """
        count = len(self._set)
        indices = indices.to(self._set.mean.device, torch.int64)
        if indices.ndim != 1 or bool(((indices < -1) | (indices >= count)).any()):
            raise EngineError(f"indices must be [B] in -1..{count - 1}, got {indices.tolist()}")
        prior = self._logits.log_prior
        possible = count if prior is None else int(prior.isfinite().sum())
        if possible == 1 and bool((indices >= 0).any()):
            raise EngineError("there is only one image: leaving it out leaves none; add images")
        other = copy.copy(self)
        other._left_out = indices
        return other

    def watched(self, watch: Callable[[Glimpse], None], k: int = 8) -> Exact:
        """Return this denoiser telling `watch` the posterior behind every estimate it makes.

        It costs next to nothing: the weights are there anyhow. Shares the images.
        """
        other = copy.copy(self)
        other._watch, other._watched = watch, min(k, len(self._set))
        return other

    def __call__(self, x: Tensor, a: float, s: float) -> Tensor:
        """Return x0_hat [B, C, H, W] for x_t [B, C, H, W] at level (a, s), s > 0."""
        seen: list[Tensor] = []
        blocks = [self._block_mean(*block, a, s, seen) for block in self._blocks(x, a)]
        if self._watch is not None:
            self._watch(Glimpse(seen, self._watched))
        mean = blocks[0] if len(blocks) == 1 else torch.cat(blocks)
        return (mean + self._set.mean).to(x.dtype).reshape(x.shape).to(x.device)

    def posterior(self, x: Tensor, a: float, s: float, k: int = 8) -> Posterior:
        """Return the k most probable images, the entropy and the pixels' variance; all float64.

        The tensors are where the images are. Slower than a call: the sums are float64 too.
        """
        parts = [self._block_posterior(*block, a, s, k) for block in self._blocks(x, a)]
        shape = (len(x), *x.shape[1:])
        indices, weights, entropy, mean, variance = (
            torch.cat(column) for column in zip(*parts, strict=True)
        )
        x0_hat = (mean + self._set.mean).reshape(shape)
        return Posterior(indices, weights, entropy, x0_hat, variance.reshape(shape))

    def _checked(self, log_prior: Tensor | None) -> Tensor | None:
        """Return a log prior as float64 [N] with maximum 0."""
        if log_prior is None:
            return None
        if log_prior.shape != (len(self._set),):
            raise EngineError(f"log_prior must be [{len(self._set)}], got {list(log_prior.shape)}")
        prior = log_prior.to(self._set.mean.device, torch.float64)
        highest = float(prior.max())
        if not math.isfinite(highest) or bool(prior.isnan().any()):
            raise EngineError(
                "log_prior must be finite for an image at least, and never inf or nan"
            )
        return prior - highest

    def _blocks(self, x: Tensor, a: float) -> list[tuple[Tensor, Tensor | None]]:
        """Split centred queries [B, D] and their left-out images into blocks of ROWS."""
        queries = self._set.centred(x, a)
        if self._left_out is None:
            return [(rows, None) for rows in queries.split(ROWS)]
        if len(self._left_out) != len(x):
            raise EngineError(
                f"{len(self._left_out)} images are left out, one per picture of the batch;"
                f" got a batch of {len(x)}"
            )
        return list(zip(queries.split(ROWS), self._left_out.split(ROWS), strict=True))

    def _block_mean(
        self,
        queries: Tensor,
        left_out: Tensor | None,
        a: float,
        s: float,
        seen: list[Tensor],
    ) -> Tensor:
        """Return sum_i w_i x_i (centred), [R, D]; notes in `seen` what is watched.

        Rows where few images have weight are summed one by one, the others by one product.
        """
        count, total = len(queries), len(self._set)
        posterior = self._logits.of(queries, left_out, a, s).softmax(dim=1)
        if self._watch is not None:
            seen.append(posterior[:count])
        weights = threshold(posterior.to(self._set.precision.dtype), _NOTHING, 0.0)
        reached = weights > self._set.precision.omitted_mass / total  # [ROWS, N]
        reached[count:] = False
        numbers = reached.sum(dim=1)[:count]
        sparse = numbers * _SPARSE <= total  # [R]
        if not bool(sparse.any()):
            return self._set.weighted_all(weights, reached)[:count]
        if bool(sparse.all()):
            return self._set.weighted_few(weights[:count], reached[:count], numbers)
        rows = sparse.nonzero()[:, 0]
        few = self._set.weighted_few(weights[rows], reached[rows], numbers[rows])
        reached[rows] = False
        return self._set.weighted_all(weights, reached)[:count].index_copy(0, rows, few)

    def _block_posterior(
        self, queries: Tensor, left_out: Tensor | None, a: float, s: float, k: int
    ) -> tuple[Tensor, ...]:
        logits = self._logits.of(queries, left_out, a, s)[: len(queries)]
        weights = logits.softmax(dim=1)  # [R, N]
        indices, best, entropy = summary_of(weights, min(k, len(self._set)))
        mean = torch.zeros_like(queries, dtype=torch.float64)
        square = torch.zeros_like(mean)
        for part, tile in zip(
            weights.split(self._set.wide_tile, dim=1), self._set.wide_tiles(), strict=True
        ):
            mean += part @ tile
            square += part @ tile.square()
        variance = (square - mean.square()).clamp_(min=0.0)
        return indices, best, entropy, mean, variance
