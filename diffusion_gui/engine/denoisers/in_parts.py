"""A denoiser that is asked for as many pictures at a time as memory allows. Imports torch.

The sampler's x stays whole; only the model's calls are cut. Pictures do not know of one another, so
the estimates are the same but for what a model itself makes of a batch's size (rounding).
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from diffusion_gui.engine.denoisers.base import Denoiser
from diffusion_gui.engine.errors import OutOfMemoryError, ran_out_of_memory
from diffusion_gui.engine.experiment import MAX_COUNT


@dataclass(slots=True)
class AtOnce:
    """How many pictures a model is asked for at a time, as found out; 0 for all of them.

    `told` hears in one line when it had to become fewer.
    """

    pictures: int = 0
    told: Callable[[str], None] = lambda line: None

    def try_more(self) -> None:
        """Begin another run: memory may have been short for a moment alone."""
        self.pictures = min(2 * self.pictures, MAX_COUNT)


class InParts:
    """Ask `denoise` for `at_once.pictures` at a time; where memory runs out, for half of them.

    Before that `spare` is called: True where it has given something up, which may be enough.
    """

    def __init__(
        self,
        denoise: Denoiser,
        at_once: AtOnce,
        spare: Callable[[], bool] = lambda: False,
    ) -> None:
        self._denoise, self._at_once, self._spare = denoise, at_once, spare
        self._told = 0
        """As how many at a time it was told of; each run hears it once."""

    def __call__(self, x: Tensor, a: float, s: float) -> Tensor:
        """Return x0_hat [B, C, H, W] for x_t [B, C, H, W] at level (a, s), s > 0.

        Raises OutOfMemoryError where there is not enough for a single picture.
        """
        parts: list[Tensor] = []
        done, size = 0, min(self._at_once.pictures or len(x), len(x))
        while done < len(x):
            part = self._ask(x[done : done + size], a, s) if size < len(x) else self._ask(x, a, s)
            if part is None:
                if not self._spare():
                    size = self._fewer(min(size, len(x) - done), x)
                continue
            if size < len(x) and self._told != size:  # so many it can do
                self._at_once.told(
                    f"not enough memory for {len(x)} pictures at once: the model is asked for"
                    f" {size} at a time"
                )
                self._told = size
            parts.append(part)
            done += size
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def _ask(self, x: Tensor, a: float, s: float) -> Tensor | None:
        """Return the estimates, None where memory ran out."""
        try:
            return self._denoise(x, a, s)
        except Exception as error:
            if not ran_out_of_memory(error):
                raise
        return None  # out here the error is gone, and what its traceback held with it

    def _fewer(self, size: int, x: Tensor) -> int:
        """Free what is free to go, and return half of `size`, to be kept to from now on."""
        release()
        if size == 1:
            side = x.shape[-1]
            raise OutOfMemoryError(
                f"not enough memory to ask the model for one picture of {side} px; lower the size"
                " of the samples, use fewer images, or choose another device"
            )
        self._at_once.pictures = size = -(-size // 2)
        return size


def release() -> None:
    """Give back what no tensor needs: unreachable objects, and what torch holds in reserve."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if torch.backends.mps.is_available():
        torch.mps.empty_cache()
