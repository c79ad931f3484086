"""The logits of the exact posterior: float32 products, and float64 where those would not do.

Imports torch.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from diffusion_gui.engine.denoisers.image_set import ROWS, SINGLE, ImageSet

_COHERENT_ERROR, _RANDOM_ERROR = 2e-6, 1e-7
"""Error of a float32 dot product q . x_i per unit of max_i |q . x_i| and per unit of |q| |x_i|.

Rounding grows with the partial sums: they reach the product itself where q looks like an image,
and a random walk's sqrt(D) of it where q is noise. Measured for D = 48 to 49,152 and pictures of
many kinds: at most 0.4 of the two together; without any noise, up to 2.6 for pictures of one colour
(equal terms round alike). `_SAFETY` covers those where the choice of images depends on it.
"""
_SAFETY = 8.0
_FEW = 64
"""So many images of a row, or N / 64, are cheaper in float64 than the whole set for all rows."""


@dataclass(frozen=True, slots=True, eq=False)
class Logits:
    """p_i + (a x . x_i - a^2 |x_i|^2 / 2) / (tau s^2) over a set, with a log prior p [N] or None.

    Where the rounding of the products would matter (small noise) those of the images that carry
    the weight are computed again in float64.
    """

    images: ImageSet
    temperature: float
    log_prior: Tensor | None

    def of(self, queries: Tensor, left_out: Tensor | None, a: float, s: float) -> Tensor:
        """Return the log posterior up to a constant per row, float64 [ROWS, N], rows padded."""
        if len(queries) < ROWS:
            queries = pad(queries, (0, 0, 0, ROWS - len(queries)))
        products = self.images.products(queries)
        scale = a / (self.temperature * s * s)
        logits = self._from_products(products, left_out, a, scale)
        norms = self.images.reach * queries.norm(dim=1).double()
        precision = self.images.precision
        rounding, tolerance = scale * precision.unit, precision.logit_tolerance
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
        """Compute the decisive ones of `logits` [ROWS, N], off by `errors` [ROWS], in float64.

        What is not decisive has so little posterior mass that mass times error is negligible.
        A row with few such images gets their distances, one with many a float64 product with every
        image (no better than what float64 images have); each row is decided alone, so that the
        batch it is in does not matter.
        """
        total, precision = logits.shape[1], self.images.precision
        doubt = errors.clamp(max=1.0) * (total / precision.weighted_tolerance)
        top, best = logits.max(dim=1)
        decisive = (
            logits >= (top - doubt.clamp(min=1.0).log() - _SAFETY * errors)[:, None]
        )  # [ROWS, N]
        decisive[errors <= precision.logit_tolerance] = False
        few = max(_FEW, total // _FEW) if precision is SINGLE else total
        many = decisive.sum(dim=1) > few  # [ROWS]
        if bool(many.any()):
            wide = torch.cat([queries @ tile.T for tile in self.images.wide_tiles()], dim=1)
            logits[many] = self._from_products(wide, left_out, a, scale)[many]
            decisive[many] = False
        rows, index = decisive.nonzero(as_tuple=True)  # [k]
        exact = (-0.5 * scale / a) * self.images.distances(queries, rows, index, a)
        if self.log_prior is not None:
            exact += self.log_prior[index]
        anchors = index == best[rows]
        shift = torch.zeros_like(top)
        shift[rows[anchors]] = exact[anchors] - top[rows[anchors]]
        logits += shift[:, None]  # those from products are huge, they would swallow digits of these
        logits[rows, index] = exact

    def _from_products(
        self, products: Tensor, left_out: Tensor | None, a: float, scale: float
    ) -> Tensor:
        """Turn q . x_i [ROWS, N] into logits, float64."""
        offset = (-a * scale) * self.images.half_norms
        if self.log_prior is not None:
            offset += self.log_prior
        logits = torch.add(offset, products, alpha=scale)
        if left_out is not None:
            rows = (left_out >= 0).nonzero()[:, 0]
            logits[rows, left_out[rows]] = -torch.inf
        return logits
