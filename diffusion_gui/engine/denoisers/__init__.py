"""Denoisers and their registry. Importing this does not import torch; building one does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from diffusion_gui.engine.denoisers.base import Denoiser
from diffusion_gui.engine.networks import Network, Paired
from diffusion_gui.engine.params import Param

if TYPE_CHECKING:
    import torch
    from torch import Tensor

NEURAL = "neural"
"""The model that is a trained network."""
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
    learned: bool = False
    """Whether it is a trained network (`Inputs.network`): `build` takes that for the images."""
    conditions: bool = False
    """Whether it has `knowing`: its posterior given known pixels, in closed form."""


def _exact(images: Tensor, poll: Poll, *, temperature: float) -> Denoiser:
    from diffusion_gui.engine.denoisers.exact import Exact

    return Exact(images, poll, temperature=temperature)


def _gaussian(images: Tensor, poll: Poll, *, kind: float, floor: float) -> Denoiser:
    from diffusion_gui.engine.denoisers.gaussian import Gaussian, Stationary

    return (Stationary if kind else Gaussian)(images, poll, floor=floor)


def _smoothed(
    images: Tensor, poll: Poll, *, spread: float, probes: float, bandwidth: float
) -> Denoiser:
    from diffusion_gui.engine.denoisers.smoothed import Smoothed

    return Smoothed(images, poll, spread=spread, probes=round(probes), bandwidth=bandwidth)


def _local(
    images: Tensor, poll: Poll, *, freedom: float, temperature: float, patch: float
) -> Denoiser:
    from diffusion_gui.engine.denoisers.local import Local

    return Local(images, poll, freedom=freedom, temperature=temperature, patch=round(patch))


def _neural(
    network: Network,
    poll: Poll,
    *,
    device: torch.device,
    label: str,
    precision: float,
    both: bool = False,
) -> Denoiser:
    from diffusion_gui.engine.denoisers.network import InPrecision, Precision

    denoise = network.denoiser(device, label)
    if both and isinstance(network, Paired):
        denoise = network.both(device, label)
    return InPrecision(denoise, device, Precision.BFLOAT16) if precision else denoise


def _stack(images: Tensor, poll: Poll) -> Denoiser:
    from diffusion_gui.engine.denoisers.stack import Stack

    return Stack.fit(images, poll)


MODELS: dict[str, Model] = {
    "exact": Model(
        title="Exact",
        source="Closed form",
        explanation="Posterior mean over the images of the data set: the ideal score of exactly"
        " these images. It needs no training, and it can only reproduce them.",
        params=(
            Param(
                "temperature", "τ", 1.0, 0.1, 100.0,
                "Divides the log-probabilities of the images: above 1 more of them blend."
                " Range 0.1 to 100.", 2, words="temperature τ",
            ),
        ),
        build=_exact,
        conditions=True,
    ),
    "gaussian": Model(
        title="Gaussian",
        source="Wiener filter",
        explanation="The best linear estimate from mean and covariance: what second-order"
        " statistics give. Stationary works from one picture and makes textures.",
        params=(
            Param(
                "kind", "covariance", 0.0, 0.0, 1.0,
                "Covariance of all pixels, or the power spectrum of the pictures, the same"
                " everywhere.", 0, ("full", "stationary"),
            ),
            Param(
                "floor", "floor", 0.0, 0.0, 0.5,
                "Standard deviation added in every direction, in units of [-1, 1]: grain beyond"
                " what the images span. Range 0 to 0.5.", 3, words="grain floor",
            ),
        ),
        build=_gaussian,
    ),
    "smoothed": Model(
        title="Smoothed",
        source="Scarvelis et al. 2023",
        explanation="The exact denoiser averaged around the picture: it ends between near"
        " neighbours instead of on one image.",
        params=(
            Param(
                "spread", "spread", 4.0, 0.0, 10.0,
                "Standard deviation of the points averaged over, in units of [-1, 1]; 0 is exact."
                " Range 0 to 10.", 2, words="point spread",
            ),
            Param(
                "probes", "probes", 8.0, 1.0, 64.0,
                "How many points are averaged; the time grows with it. Range 1 to 64.", 0,
                words="point count",
            ),
            Param(
                "bandwidth", "bandwidth", 0.0, 0.0, 0.5,
                "Standard deviation of a Gaussian around every image, in units of [-1, 1]: adds"
                " grain. Range 0 to 0.5.", 3, words="grain width",
            ),
        ),
        build=_smoothed,
    ),
    "local": Model(
        title="Local",
        source="Kamb & Ganguli 2024",
        explanation="Posterior mean patch by patch: locally like the images, as a whole new."
        " Freedom lets patches move: where that is much work, an even sample of them is compared.",
        params=(
            Param(
                "freedom", "freedom", 0.0, 0.0, 1.0,
                "How far patches may move: 0 each at its place, 1 anywhere at the same distance"
                " to the border. 8 pictures of 32 x 32 from 1,377 images take 0.05 s a step at 0,"
                " 0.4 s at 0.02, 2 to 3 s from 0.25 on: there a sample of the patches decides."
                " Range 0 to 1.", 3,
            ),
            Param(
                "temperature", "τ", 1.0, 0.1, 100.0,
                "Divides the log-probabilities of the patches: above 1 more of them blend."
                " Range 0.1 to 100.", 2, words="temperature τ",
            ),
            Param(
                "patch", "patch", 0.0, 0.0, 127.0,
                "Side of the patches in pixels, odd; 0 lets the noise level and the images'"
                " spectrum decide. Range 0 to 127.", 0, words="patch side",
            ),
        ),
        build=_local,
        conditions=True,
    ),
    "stack": Model(
        title="Stack",
        source="Non-negative least squares",
        explanation="At every noise level the mixture of exact, local and both Gaussian estimates"
        " with the smallest error on held-out images of the set.",
        params=(),
        build=_stack,
    ),
    NEURAL: Model(
        title="Neural",
        source="Karras et al. 2022",
        explanation="A network trained to remove noise: the one that comes with the program, one"
        " trained here or a checkpoint of your own. It draws what was in no data set.",
        params=(
            Param(
                "precision", "precision", 0.0, 0.0, 1.0,
                "The numbers that the network's products are made in. bfloat16 has 8 binary digits:"
                " two to four times as fast on processors with AMX and on GPUs since 2020, slower"
                " on others; the samples differ a little.", 0, ("float32", "bfloat16"),
            ),
        ),
        build=_neural,
        learned=True,
    ),
}  # fmt: skip

CLOSED_FORMS: dict[str, Model] = {name: row for name, row in MODELS.items() if not row.learned}
"""The models that follow from images alone."""
LEARNED = frozenset(MODELS) - frozenset(CLOSED_FORMS)
"""The models that are trained networks."""

__all__ = ["CLOSED_FORMS", "LEARNED", "MODELS", "NEURAL", "Denoiser", "Model"]
