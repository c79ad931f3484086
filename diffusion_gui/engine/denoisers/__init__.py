"""Denoisers and their registry. Importing this does not import torch; building one does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from diffusion_gui.engine.denoisers.base import Denoiser

if TYPE_CHECKING:
    from torch import Tensor

Poll = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Model:
    """A denoiser by name: title, one line of explanation, how it is built from a set of images."""

    title: str
    explanation: str
    build: Callable[[Tensor, Poll], Denoiser]


def _exact(images: Tensor, poll: Poll) -> Denoiser:
    from diffusion_gui.engine.denoisers.exact import Exact

    return Exact(images, poll)


MODELS: dict[str, Model] = {
    "exact": Model(
        title="Exact",
        explanation="Posterior mean over the images of the data set: the ideal score of exactly"
        " these images. It needs no training, and it can only reproduce them.",
        build=_exact,
    ),
}

__all__ = ["MODELS", "Denoiser", "Model"]
