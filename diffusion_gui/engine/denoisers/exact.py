"""The exact denoiser: the posterior mean over a finite set of images, the ideal score of that set.

    D(x) = sum_i w_i x_i,   w = softmax_i( p_i + (a x . x_i - a^2 |x_i|^2 / 2) / (tau s^2) )

with a log prior p (0 unless given) and a temperature tau (1 unless given). This is what a network
trained for ever on exactly these images would compute; sampling with it reproduces them.

Speed: a call is two matrix products, queries x set and weights x set, in the images' precision. The
second is left out where few images carry the weight. Float64 is used where float32 would not do,
see `Exact`.
Imports torch.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag, pad, threshold

from diffusion_gui.engine.conditioning import Measurement, log_likelihood
from diffusion_gui.engine.errors import EngineError

_ROWS = 16
"""Queries per matrix product, always padded to this: a row's result is the same in any batch."""
_TILE_VALUES = 1 << 23
"""Values of the set per matrix product; the caller may cancel between two."""
_WIDE_VALUES = 1 << 20
"""Values of the set turned to float64 at once: 8 MiB, which stay in the processor's cache."""
_COHERENT_ERROR, _RANDOM_ERROR = 2e-6, 1e-7
"""Error of a float32 dot product q . x_i per unit of max_i |q . x_i| and per unit of |q| |x_i|.

Rounding grows with the partial sums: they reach the product itself where q looks like an image,
and a random walk's sqrt(D) of it where q is noise. Measured for D = 48 to 49,152 and pictures of
many kinds: at most 0.4 of the two together; without any noise, up to 2.6 for pictures of one colour
(equal terms round alike). `_SAFETY` covers those where the choice of images depends on it.
"""
_SAFETY = 8.0
_NOTHING = 1e-30
"""Weights below change no digit, but a product with numbers too small for float32's exponent takes
up to fifteen times as long."""
_LATER_BYTES = 1 << 18
"""A larger posterior is not kept for later; it may be many estimates to the next step."""
_SPARSE = 16
"""A row with weight on at most N / 16 images sums just these."""
_FEW = 64
"""So many images of a row, or N / 64, are cheaper in float64 than the whole set for all rows."""


@dataclass(frozen=True, slots=True)
class _Precision:
    """How the images are kept and multiplied, and what may be left out."""

    dtype: torch.dtype
    unit: float
    """Rounding error of a number, in units of float32's."""
    omitted_mass: float
    logit_tolerance: float
    """Nats by which logits may be wrong before the important ones are computed again."""
    weighted_tolerance: float
    """Posterior mass times nats that may stay wrong then."""


_SINGLE = _Precision(torch.float32, 1.0, 1e-6, 1e-3, 1e-4)
_DOUBLE = _Precision(torch.float64, 2.0**-29, 1e-16, 1e-11, 1e-12)


@dataclass(frozen=True, slots=True, eq=False)
class Posterior:
    """What the exact posterior p(image | x_t) looks like, for each of B queries.

    `indices` and `weights` [B, k] are its k most probable images, descending, `entropy` [B] is in
    nats. `x0_hat` and `variance` [B, C, H, W] are the mean and variance of each pixel. Float64.
    """

    indices: Tensor
    weights: Tensor
    entropy: Tensor
    x0_hat: Tensor
    variance: Tensor

    @property
    def effective_number(self) -> Tensor:
        """exp(entropy), [B]: among how many equally probable images the answer is still open."""
        return self.entropy.exp()

    @property
    def max_weight(self) -> Tensor:
        """The probability of the most probable image, [B]."""
        return self.weights[:, 0]


Summary = tuple[Tensor, Tensor, Tensor]
"""The k most probable images of each query, descending, and their weights [B, k]; the entropy of
the posterior in nats, [B]. Weights and entropy are float64."""


class Glimpse:
    """The posterior p(image | x_t) behind one estimate, for each of its B queries.

    Where it is small it is summed up only when it is asked for: the run need not wait for that.
    """

    def __init__(self, blocks: list[Tensor], k: int) -> None:
        """Take the posterior [R, N] of each block of queries."""
        self._blocks, self._k = blocks, k
        self._count = sum(map(len, blocks))
        nbytes = sum(block.nbytes for block in blocks)
        self._known: Summary | None = None
        if nbytes > _LATER_BYTES:
            self.summary()

    def __len__(self) -> int:
        """The number of queries."""
        return self._count

    def summary(self) -> Summary:
        """Return what is to be known of it."""
        if self._known is None:
            parts = [_summary(block, self._k) for block in self._blocks]
            indices, weights, entropy = map(torch.cat, zip(*parts, strict=True))
            self._known, self._blocks = (indices, weights, entropy), []
        return self._known


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
        if images.ndim != 4 or len(images) == 0:
            raise EngineError(f"images must be [N, C, H, W] with N >= 1, got {list(images.shape)}")
        if not 0.0 < temperature < math.inf:
            raise EngineError(f"the temperature must be > 0, got {temperature:g}")
        home = "cpu" if images.device.type == "mps" else images.device  # Apple's GPU has no float64
        flat = images.to(home).reshape(len(images), -1)
        self._precision = _DOUBLE if flat.dtype == torch.float64 else _SINGLE
        self._mean = flat.mean(dim=0, dtype=torch.float64).to(self._precision.dtype)  # [D]
        self._images = (flat - self._mean).to(self._precision.dtype)  # [N, D]
        self._tile = tile or max(1, _TILE_VALUES // flat.shape[1])
        self._poll = poll or (lambda: None)
        norms = [0.5 * tile.square().sum(dim=1) for tile in self._wide_tiles()]
        self._half_norms = torch.cat(norms)  # [N]
        self._reach = math.sqrt(2.0 * float(self._half_norms.max()))
        self._temperature = temperature
        self._log_prior = self._checked(log_prior)
        self._left_out: Tensor | None = None
        self._watch: Callable[[Glimpse], None] | None = None
        self._watched = 0

    def __len__(self) -> int:
        """The number of images."""
        return len(self._images)

    def given(self, log_prior: Tensor | None) -> Exact:
        """Return this denoiser with another log prior [N], sharing the images.

        With log p(y | x_i) it denoises given y: the exact conditional denoiser.
        """
        other = copy.copy(self)
        other._log_prior = self._checked(log_prior)
        return other

    def knowing(self, *measurements: Measurement) -> Exact:
        """Return this denoiser given what is known of the picture: its conditional on the set.

        The log prior it had counts as well. Raises EngineError where sizes do not fit.
        """
        if not measurements:
            return self
        if self._images.shape[1] != math.prod(measurements[0].shape):
            raise EngineError(
                f"the measurement is of {list(measurements[0].shape)} pictures, the data set's have"
                f" {self._images.shape[1]} values; give both the same size"
            )
        parts = [
            log_likelihood(
                (part + self._mean).reshape(-1, *measurements[0].shape),
                *measurements,
                poll=self._poll,
            )
            for part in self._images.split(self._tile)
        ]
        likely = torch.cat(parts)
        return self.given(likely if self._log_prior is None else likely + self._log_prior)

    def leave_out(self, indices: Tensor) -> Exact:
        """Return this denoiser without image `indices[b]` for query b, sharing the images.

        `indices` is [B] for batches of B, -1 to leave none out. On the set's own images it tells
        how the denoiser does on pictures it has not seen.
        """
        count = len(self._images)
        indices = indices.to(self._mean.device, torch.int64)
        if indices.ndim != 1 or bool(((indices < -1) | (indices >= count)).any()):
            raise EngineError(f"indices must be [B] in -1..{count - 1}, got {indices.tolist()}")
        possible = count if self._log_prior is None else int(self._log_prior.isfinite().sum())
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
        other._watch, other._watched = watch, min(k, len(self._images))
        return other

    def __call__(self, x: Tensor, a: float, s: float) -> Tensor:
        """Return x0_hat [B, C, H, W] for x_t [B, C, H, W] at level (a, s), s > 0."""
        seen: list[Tensor] = []
        blocks = [self._block_mean(*block, a, s, seen) for block in self._blocks(x, a)]
        if self._watch is not None:
            self._watch(Glimpse(seen, self._watched))
        mean = blocks[0] if len(blocks) == 1 else torch.cat(blocks)
        return (mean + self._mean).to(x.dtype).reshape(x.shape).to(x.device)

    def posterior(self, x: Tensor, a: float, s: float, k: int = 8) -> Posterior:
        """Return the k most probable images, the entropy and the pixels' variance; all float64.

        The tensors are where the images are. Slower than a call: the sums are float64 too.
        """
        parts = [self._block_posterior(*block, a, s, k) for block in self._blocks(x, a)]
        shape = (len(x), *x.shape[1:])
        indices, weights, entropy, mean, variance = (
            torch.cat(column) for column in zip(*parts, strict=True)
        )
        x0_hat = (mean + self._mean).reshape(shape)
        return Posterior(indices, weights, entropy, x0_hat, variance.reshape(shape))

    def _checked(self, log_prior: Tensor | None) -> Tensor | None:
        """Return a log prior as float64 [N] with maximum 0."""
        if log_prior is None:
            return None
        if log_prior.shape != (len(self._images),):
            raise EngineError(
                f"log_prior must be [{len(self._images)}], got {list(log_prior.shape)}"
            )
        prior = log_prior.to(self._mean.device, torch.float64)
        highest = float(prior.max())
        if not math.isfinite(highest) or bool(prior.isnan().any()):
            raise EngineError(
                "log_prior must be finite for an image at least, and never inf or nan"
            )
        return prior - highest

    def _blocks(self, x: Tensor, a: float) -> list[tuple[Tensor, Tensor | None]]:
        """Split centred queries [B, D] and their left-out images into blocks of _ROWS."""
        flat = x.to(self._mean.device).reshape(len(x), -1)
        queries = torch.sub(flat, self._mean, alpha=a).to(self._precision.dtype)
        if self._left_out is None:
            return [(rows, None) for rows in queries.split(_ROWS)]
        if len(self._left_out) != len(x):
            raise EngineError(
                f"{len(self._left_out)} images are left out, one per picture of the batch;"
                f" got a batch of {len(x)}"
            )
        return list(zip(queries.split(_ROWS), self._left_out.split(_ROWS), strict=True))

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
        count, total = len(queries), len(self._images)
        posterior = self._logits(queries, left_out, a, s).softmax(dim=1)
        if self._watch is not None:
            seen.append(posterior[:count])
        weights = threshold(posterior.to(self._images.dtype), _NOTHING, 0.0)
        reached = weights > self._precision.omitted_mass / total  # [_ROWS, N]
        reached[count:] = False
        numbers = reached.sum(dim=1)[:count]
        sparse = numbers * _SPARSE <= total  # [R]
        if not bool(sparse.any()):
            return self._product_with_all(weights, reached)[:count]
        if bool(sparse.all()):
            return self._product_with_few(weights[:count], reached[:count], numbers)
        rows = sparse.nonzero()[:, 0]
        few = self._product_with_few(weights[rows], reached[rows], numbers[rows])
        reached[rows] = False
        return self._product_with_all(weights, reached)[:count].index_copy(0, rows, few)

    def _product_with_few(self, weights: Tensor, reached: Tensor, numbers: Tensor) -> Tensor:
        """Return weights [R, N] times images where each row has `reached` only a few, `numbers`."""
        rows, index = reached.nonzero(as_tuple=True)
        bags = numbers.cumsum(dim=0) - numbers
        return embedding_bag(
            index, self._images, bags, mode="sum", per_sample_weights=weights[rows, index]
        )

    def _product_with_all(self, weights: Tensor, reached: Tensor) -> Tensor:
        """Return weights [_ROWS, N] times images; tiles that none has `reached` are left out."""
        if len(self._images) <= self._tile:
            self._poll()
            return weights @ self._images
        total = torch.zeros_like(self._mean, dtype=torch.float64).repeat(_ROWS, 1)
        weights = torch.where(reached, weights, 0.0)
        tiles = self._images.split(self._tile)
        for part, tile in zip(weights.split(self._tile, dim=1), tiles, strict=True):
            self._poll()
            if bool(part.any()):
                total += part @ tile
        return total.to(self._images.dtype)

    def _block_posterior(
        self, queries: Tensor, left_out: Tensor | None, a: float, s: float, k: int
    ) -> tuple[Tensor, ...]:
        logits = self._logits(queries, left_out, a, s)[: len(queries)]
        weights = logits.softmax(dim=1)  # [R, N]
        indices, best, entropy = _summary(weights, min(k, len(self._images)))
        mean = torch.zeros_like(queries, dtype=torch.float64)
        square = torch.zeros_like(mean)
        for part, tile in zip(
            weights.split(self._wide_tile, dim=1), self._wide_tiles(), strict=True
        ):
            mean += part @ tile
            square += part @ tile.square()
        variance = (square - mean.square()).clamp_(min=0.0)
        return indices, best, entropy, mean, variance

    def _logits(self, queries: Tensor, left_out: Tensor | None, a: float, s: float) -> Tensor:
        """Return the log posterior up to a constant per row, float64 [_ROWS, N], rows padded."""
        if len(queries) < _ROWS:
            queries = pad(queries, (0, 0, 0, _ROWS - len(queries)))
        products = self._products(queries)
        scale = a / (self._temperature * s * s)
        logits = self._from_products(products, left_out, a, scale)
        norms = self._reach * queries.norm(dim=1).double()
        rounding, tolerance = scale * self._precision.unit, self._precision.logit_tolerance
        if rounding * (_COHERENT_ERROR + _RANDOM_ERROR) * float(norms.max()) > tolerance:
            low, high = products.aminmax(dim=1)
            coherent = torch.maximum(high, -low).double()
            errors = rounding * (_COHERENT_ERROR * coherent + _RANDOM_ERROR * norms)
            if float(errors.max()) > tolerance:
                self._refine(logits, errors, queries.double(), left_out, a, scale)
        return logits

    def _refine(
        self,
        logits: Tensor,
        errors: Tensor,
        queries: Tensor,
        left_out: Tensor | None,
        a: float,
        scale: float,
    ) -> None:
        """Compute the decisive ones of `logits` [_ROWS, N], off by `errors` [_ROWS], in float64.

        What is not decisive has so little posterior mass that mass times error is negligible.
        A row with few such images gets their distances, one with many a float64 product with every
        image (no better than what float64 images have); each row is decided alone, so that the
        batch it is in does not matter.
        """
        total, precision = logits.shape[1], self._precision
        doubt = errors.clamp(max=1.0) * (total / precision.weighted_tolerance)
        top, best = logits.max(dim=1)
        decisive = (
            logits >= (top - doubt.clamp(min=1.0).log() - _SAFETY * errors)[:, None]
        )  # [_ROWS, N]
        decisive[errors <= precision.logit_tolerance] = False
        few = max(_FEW, total // _FEW) if precision is _SINGLE else total
        many = decisive.sum(dim=1) > few  # [_ROWS]
        if bool(many.any()):
            wide = torch.cat([queries @ tile.T for tile in self._wide_tiles()], dim=1)
            logits[many] = self._from_products(wide, left_out, a, scale)[many]
            decisive[many] = False
        rows, index = decisive.nonzero(as_tuple=True)  # [k]
        exact = (-0.5 * scale / a) * self._distances(queries, rows, index, a)
        if self._log_prior is not None:
            exact += self._log_prior[index]
        anchors = index == best[rows]
        shift = torch.zeros_like(top)
        shift[rows[anchors]] = exact[anchors] - top[rows[anchors]]
        logits += shift[:, None]  # those from products are huge, they would swallow digits of these
        logits[rows, index] = exact

    def _distances(self, queries: Tensor, rows: Tensor, index: Tensor, a: float) -> Tensor:
        """Return |q - a x_i|^2 in float64 for the pairs of `rows` and images `index` [k]."""
        parts = []
        chunk = max(2, _WIDE_VALUES // queries.shape[1])
        for row, i in zip(rows.split(chunk), index.split(chunk), strict=True):
            self._poll()
            parts.append(torch.sub(queries[row], self._images[i], alpha=a).square_().sum(dim=1))
        return torch.cat(parts)

    def _products(self, queries: Tensor) -> Tensor:
        """Return q . x_i, [_ROWS, N]."""
        parts = []
        for tile in self._images.split(self._tile):
            self._poll()
            parts.append(queries @ tile.T)
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)

    def _from_products(
        self, products: Tensor, left_out: Tensor | None, a: float, scale: float
    ) -> Tensor:
        """Turn q . x_i [_ROWS, N] into logits, float64."""
        offset = (-a * scale) * self._half_norms
        if self._log_prior is not None:
            offset += self._log_prior
        logits = torch.add(offset, products, alpha=scale)
        if left_out is not None:
            rows = (left_out >= 0).nonzero()[:, 0]
            logits[rows, left_out[rows]] = -torch.inf
        return logits

    def _wide_tiles(self) -> Iterator[Tensor]:
        """Yield the set in float64, in small tiles."""
        for tile in self._images.split(self._wide_tile):
            self._poll()
            yield tile.double()

    @property
    def _wide_tile(self) -> int:
        return min(self._tile, max(1, _WIDE_VALUES // self._images.shape[1]))


def _summary(weights: Tensor, k: int) -> Summary:
    """Return indices and weights [R, k] of the largest of `weights` [R, N], and entropies [R]."""
    best, indices = weights.topk(k, dim=1)
    logs = weights.clamp(min=torch.finfo(weights.dtype).tiny).log()  # twice as fast as entr
    return indices, best, (weights * logs).sum(dim=1).clamp(max=0.0).abs()
