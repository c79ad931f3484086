"""Samples that show how far a training is: always from the same noise, with the same captions.

What is known of them is a `ProgressSamples`. Imports torch.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from diffusion_gui.engine.denoisers.unet import encode
from diffusion_gui.engine.images import Pixels
from diffusion_gui.engine.samplers.base import Levels
from diffusion_gui.engine.samplers.multistep import dpmpp_2m
from diffusion_gui.engine.training.copies import COUNT
from diffusion_gui.engine.training.data import PictureSet, to_batch
from diffusion_gui.engine.training.trainer import Trainer

STEPS = 20
_HIGH, _LOW, _RHO = 80.0, 0.02, 7.0
_CHUNK = 4096
"""Pictures that are compared with the samples at a time."""


def captions_for(pictures: PictureSet, count: int = COUNT) -> tuple[str, ...]:
    """Return so many of the set's captions, evenly from the first to the last, "" without any."""
    known = list(dict.fromkeys(caption for caption in pictures.captions if caption))
    if not known:
        return ("",) * count
    return tuple(known[i * len(known) // count] for i in range(count))


def levels() -> Levels:
    """Return EDM's levels from sigma 80 to 0.02, then 0 (arXiv:2206.00364, eq. 5), a = 1."""
    ramp = np.linspace(_HIGH ** (1 / _RHO), _LOW ** (1 / _RHO), STEPS) ** _RHO
    s = np.r_[ramp, 0.0]
    return Levels(np.arange(STEPS, -1, -1, dtype=np.float64), np.ones_like(s), s)


def draw(trainer: Trainer, captions: tuple[str, ...], seed: int) -> Pixels:
    """Return what the averaged weights draw, one picture for each caption, uint8 [N, H, W, 3].

    From a fixed noise by DPM-Solver++(2M). What is not a number becomes grey.
    """
    size, words = trainer.config.size, trainer.config.words
    denoiser = trainer.denoiser(encode(captions, words) if any(captions) else None)
    generator = torch.Generator().manual_seed(seed % 2**63)
    x = torch.randn((len(captions), 3, size, size), generator=generator)
    x = _HIGH * x.to(trainer.device)
    for step in dpmpp_2m(denoiser, x, levels(), lambda _: torch.zeros_like(x)):
        last = step.x_t
    shown = torch.nan_to_num(last).clamp(-1.0, 1.0).add(1.0).mul(127.5).round()
    return np.ascontiguousarray(shown.to("cpu", torch.uint8).permute(0, 2, 3, 1).numpy())


def nearest(
    samples: Pixels, pictures: PictureSet, mirrored: bool
) -> tuple[Pixels, NDArray[np.float32]]:
    """Return the nearest training picture of each sample, and the distances to the two nearest.

    `mirrored` also compares with mirrored pictures, where the training saw them. The next picture
    is another one, not the mirrored nearest.
    """
    x = to_batch(samples).flatten(1)  # [N, D]
    best = torch.full((len(x), 2), torch.inf)
    place = torch.zeros((len(x), 2), dtype=torch.int64)
    turned = torch.zeros((len(x), 2), dtype=torch.bool)
    for start in range(0, len(pictures.pixels), _CHUNK):
        part = to_batch(pictures.pixels[start : start + _CHUNK])
        straight = torch.cdist(x, part.flatten(1))
        far = torch.cdist(x, part.flip(3).flatten(1)) if mirrored else straight
        least, flips = torch.minimum(straight, far), far < straight
        all_best = torch.cat((best, least), dim=1)
        order = all_best.topk(2, largest=False, dim=1).indices
        numbers = torch.arange(start, start + len(part)).expand(len(x), -1)
        best = all_best.gather(1, order)
        place = torch.cat((place, numbers), dim=1).gather(1, order)
        turned = torch.cat((turned, flips), dim=1).gather(1, order)
    found = pictures.pixels[place[:, 0].numpy()]
    flipped = turned[:, 0].numpy()
    found[flipped] = found[flipped][:, :, ::-1]
    return found, (best / x.shape[1] ** 0.5).numpy()
