"""What a network may predict, and how x0_hat follows from it, over x_t = a x_0 + s eps.

Every prediction p is linear in x_t and x_0, so each kind is two pairs of numbers:

    x0_hat = c_x x_t + c_p p        p = d_x x_t + d_0 x0_hat

The level (a, s) may have any scale: variance preserving (a^2 + s^2 = 1), variance exploding
(a = 1) or flow (a + s = 1). Imports torch.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.predictions import SIGMA_DATA
from diffusion_gui.engine.predictions import Form as Form
from diffusion_gui.engine.predictions import Prediction as Prediction


def to_x0(
    kind: Prediction,
    prediction: Tensor,
    x: Tensor,
    a: float,
    s: float,
    sigma_data: float = SIGMA_DATA,
) -> Tensor:
    """Return x0_hat for a network's `prediction` at x_t = `x`; tensors of one shape.

    Raises EngineError for epsilon and score at a = 0, which say nothing of x_0 there. Sample, v,
    flow velocity and EDM's F are well defined down to a = 0, and at s = 0 too.
    """
    c_x, c_p = _to_x0(kind, a, s, sigma_data)
    return c_x * x + c_p * prediction


def from_x0(
    kind: Prediction, x0_hat: Tensor, x: Tensor, a: float, s: float, sigma_data: float = SIGMA_DATA
) -> Tensor:
    """Return the prediction of this kind that means `x0_hat` at x_t = `x`; s > 0.

    Defined at a = 0 for every kind. For small s all but the sample are differences divided by s:
    digits are lost in proportion to a / s, which no formula avoids.
    """
    d_x, d_0 = _from_x0(kind, a, s, sigma_data)
    return d_x * x + d_0 * x0_hat


def convert(
    kind: Prediction,
    to: Prediction,
    prediction: Tensor,
    x: Tensor,
    a: float,
    s: float,
    sigma_data: float = SIGMA_DATA,
) -> Tensor:
    """Return a prediction of one kind as another kind; raises as `to_x0` does."""
    if kind is to:
        return prediction
    return from_x0(to, to_x0(kind, prediction, x, a, s, sigma_data), x, a, s, sigma_data)


def _to_x0(kind: Prediction, a: float, s: float, sigma_data: float) -> tuple[float, float]:
    """Return (c_x, c_p)."""
    if a == 0.0 and kind in (Prediction.EPSILON, Prediction.SCORE):
        raise EngineError(
            f"a network that predicts {kind.value} says nothing of the picture at a = 0, pure"
            " noise; end the schedule above a = 0, or use a v, sample or flow model"
        )
    square = a * a + s * s
    match kind:
        case Prediction.SAMPLE:
            return 0.0, 1.0
        case Prediction.EPSILON:
            return 1.0 / a, -s / a
        case Prediction.V:
            return a / square, -s / math.sqrt(square)
        case Prediction.SCORE:
            return 1.0 / a, s * s / a
        case Prediction.FLOW:
            return 1.0 / (a + s), -s / (a + s)
        case Prediction.EDM:
            total = (a * sigma_data) ** 2 + s * s
            return a * sigma_data**2 / total, s * sigma_data / math.sqrt(total)


def _from_x0(kind: Prediction, a: float, s: float, sigma_data: float) -> tuple[float, float]:
    """Return (d_x, d_0)."""
    if kind is not Prediction.SAMPLE and not s > 0.0:
        raise EngineError(f"{kind.value} is not defined without noise; s must be > 0, got {s:g}")
    match kind:
        case Prediction.SAMPLE:
            return 0.0, 1.0
        case Prediction.EPSILON:
            return 1.0 / s, -a / s
        case Prediction.V:
            size = math.hypot(a, s)
            return a / (s * size), -size / s
        case Prediction.SCORE:
            return -1.0 / (s * s), a / (s * s)
        case Prediction.FLOW:
            return 1.0 / s, -(a + s) / s
        case Prediction.EDM:
            size = math.hypot(a * sigma_data, s)
            return -a * sigma_data / (s * size), size / (s * sigma_data)


def scale(form: Form, a: float, s: float, sigma_data: float = SIGMA_DATA) -> float:
    """Return the factor c that brings x_t at (a, s) to the `form`: c x_t at (c a, c s)."""
    match form:
        case Form.VP:
            return 1.0 / math.hypot(a, s)
        case Form.VE:
            if a == 0.0:
                raise EngineError("at a = 0 there is no variance exploding level; use another form")
            return 1.0 / a
        case Form.FLOW:
            return 1.0 / (a + s)
        case Form.EDM:
            return 1.0 / math.hypot(a * sigma_data, s)


def level_number(form: Form, a: float, s: float) -> float:
    """Return the number that tells a network of this `form` the level; s > 0. May be infinite."""
    match form:
        case Form.VP:
            return 2.0 * math.log(a / s) if a > 0.0 else -math.inf
        case Form.VE:
            return s / a if a > 0.0 else math.inf
        case Form.FLOW:
            return s / (a + s)
        case Form.EDM:
            return 0.25 * math.log(s / a) if a > 0.0 else math.inf


class FromPrediction:
    """A denoiser from a network that predicts any of `Prediction` in any `Form`."""

    def __init__(
        self,
        network: Callable[[Tensor, Tensor], Tensor],
        kind: Prediction,
        form: Form,
        *,
        number: Callable[[float, float], float] | None = None,
        sigma_data: float = SIGMA_DATA,
    ):
        """Wrap network(x [B, C, H, W], level [B]) -> prediction [B, C, H, W].

        `number(a, s)` is what the network is told of the level, by default `level_number`; a
        checkpoint trained with a table of times needs that table's.
        """
        self._network, self._kind, self._form = network, kind, form
        self._number = number or (lambda a, s: level_number(form, a, s))
        self._sigma_data = sigma_data

    @torch.no_grad()
    def __call__(self, x: Tensor, a: float, s: float) -> Tensor:
        """Return x0_hat [B, C, H, W]; raises EngineError where the prediction does not tell it."""
        if a == 0.0:
            _to_x0(self._kind, a, s, self._sigma_data)  # before the network runs in vain
        c = scale(self._form, a, s, self._sigma_data)
        level = torch.full((len(x),), self._number(a, s), dtype=x.dtype, device=x.device)
        prediction = self._network(c * x, level)
        return to_x0(self._kind, prediction, c * x, c * a, c * s, self._sigma_data)
