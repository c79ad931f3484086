"""The one contract every denoiser fulfils. Imports torch for types only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from torch import Tensor

    from diffusion_gui.engine.conditioning import Measurement


class Denoiser(Protocol):
    """D(x_t, a, s): an estimate of x_0 given x_t = a x_0 + s eps."""

    def __call__(self, x: Tensor, a: float, s: float) -> Tensor:
        """Return x0_hat [B, C, H, W] for x_t [B, C, H, W] at level (a, s), a >= 0, s > 0.

        Exact at a = 0, where x_t is pure noise and the estimate is the mean of the data.
        """
        ...


@runtime_checkable
class Conditional(Denoiser, Protocol):
    """A denoiser with a posterior in closed form, also given what is known of the picture."""

    def knowing(self, *measurements: Measurement) -> Denoiser:
        """Return the denoiser given the measurements; raises EngineError where sizes differ."""
        ...
