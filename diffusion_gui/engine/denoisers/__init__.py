"""Denoisers and their registry. Importing this does not import torch; building one does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from diffusion_gui.engine.denoisers.base import Denoiser
from diffusion_gui.engine.params import Param

if TYPE_CHECKING:
    from torch import Tensor

Poll = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Model:
    """A denoiser by name: title, source, explanation, parameters and how it is built.

    `build(images, poll, **values)` takes images [N, C, H, W] float32 in [-1, 1] on their device,
    a callable to call between pieces of work (it may raise to cancel) and the parameters' values.
    """

    title: str
    source: str
    explanation: str
    params: tuple[Param, ...]
    build: Callable[..., Denoiser]


def _exact(images: Tensor, poll: Poll) -> Denoiser:
    from diffusion_gui.engine.denoisers.exact import Exact

    return Exact(images, poll)


MODELS: dict[str, Model] = {
    "exact": Model(
        title="Exact",
        source="Closed form",
        explanation="Posterior mean over the images of the data set: the ideal score of exactly"
        " these images. It needs no training, and it can only reproduce them.",
        params=(),
        build=_exact,
    ),
}

__all__ = ["MODELS", "Denoiser", "Model"]
