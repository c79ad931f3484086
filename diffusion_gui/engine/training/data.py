"""The pictures a network learns from, and the batches made of them. Imports torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from diffusion_gui.engine.denoisers.unet import encode
from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.images import Pixels
from diffusion_gui.engine.training.noise_levels import draw, even
from diffusion_gui.engine.training.options import TrainOptions
from diffusion_gui.engine.words import split

MOST_WORDS = 4096
"""The vocabulary keeps the most frequent ones beyond that."""
_MULTIPLIER = 0x9E3779B97F4A7C15
"""2^64 over the golden ratio: steps in a row get generators that have nothing in common."""


@dataclass(frozen=True, slots=True, eq=False)
class PictureSet:
    """Pictures uint8 [N, size, size, 3], their captions, "" for none, and the vocabulary."""

    pixels: Pixels
    captions: tuple[str, ...]
    words: tuple[str, ...]
    places: Tensor
    """The captions as places in the vocabulary, int64 [N, W]; see `unet.encode`."""

    @classmethod
    def of(
        cls, pixels: Pixels, captions: Sequence[str] = (), words: tuple[str, ...] | None = None
    ) -> PictureSet:
        """Return the set, its vocabulary made of the captions or given by a trained network.

        Raises EngineError for no pictures, for pictures that are not square RGB, and for a
        number of captions that is not theirs.
        """
        if pixels.ndim != 4 or pixels.shape[1] != pixels.shape[2] or pixels.shape[3] != 3:
            raise EngineError(f"pictures must be [N, size, size, 3], got {list(pixels.shape)}")
        if not len(pixels):
            raise EngineError("there is no picture to learn from; add some")
        told = tuple(captions) or ("",) * len(pixels)
        if len(told) != len(pixels):
            raise EngineError(f"{len(told)} captions for {len(pixels)} pictures; give one for each")
        known = vocabulary(told) if words is None else words
        return cls(pixels, told, known, encode(told, known))

    @property
    def sigma_data(self) -> float:
        """Root mean square of the pixels in [-1, 1] around their common mean; at least 0.05.

        EDM's sigma_data: what the network's output is scaled by.
        """
        counts = np.bincount(self.pixels.reshape(-1), minlength=256).astype(np.float64)
        values = np.arange(256) / 127.5 - 1.0
        mean = counts @ values / counts.sum()
        return max(0.05, float(np.sqrt(counts @ (values - mean) ** 2 / counts.sum())))


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """What one step learns from."""

    x0: Tensor
    """[B, 3, size, size] in [-1, 1]."""
    noise: Tensor
    """Standard normal, like x0."""
    sigma: Tensor
    """[B]."""
    words: Tensor
    """[B, W]."""


def batch(
    pictures: PictureSet,
    options: TrainOptions,
    trained: Tensor | None,
    step: int,
    share: tuple[int, int] = (0, 1),
) -> Batch:
    """Return the batch of a step, a pure function of its arguments, on the CPU.

    `share` (rank, of) is the part one of several processes works on: they draw the whole batch
    alike and take every of-th picture of it. Raises EngineError where it does not divide.
    """
    rank, of = share
    if options.batch % of:
        raise EngineError(
            f"a batch of {options.batch} does not divide among {of} processes; choose a multiple"
        )
    generator = generator_of(options.seed, step)
    count, size = options.batch, pictures.pixels.shape[1]
    chosen = torch.randint(len(pictures.pixels), (count,), generator=generator)
    sigma = draw(options, trained, even(torch.rand(count, generator=generator), generator))
    flip = torch.rand(count, generator=generator) < 0.5
    moves = torch.randint(-options.shift, options.shift + 1, (count, 2), generator=generator)
    words = _withheld(pictures.places[chosen], options, generator)
    noise = torch.randn((count, 3, size, size), generator=generator)
    mine = slice(rank, None, of)
    x0 = to_batch(pictures.pixels[chosen[mine].numpy()])
    if options.flip:
        x0 = torch.where(flip[mine, None, None, None], x0.flip(3), x0)
    if options.shift:
        x0 = shifted(x0, moves[mine], options.shift)
    return Batch(x0, noise[mine], sigma[mine], words[mine])


def generator_of(seed: int, step: int) -> torch.Generator:
    """Return the generator that everything random in one step comes from."""
    return torch.Generator().manual_seed((seed + _MULTIPLIER * (step + 1)) % 2**63)


def to_batch(pixels: NDArray[np.uint8]) -> Tensor:
    """Return uint8 [B, H, W, 3] as float32 [B, 3, H, W] in [-1, 1]."""
    return torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2).float() / 127.5 - 1.0


def shifted(x: Tensor, moves: Tensor, most: int) -> Tensor:
    """Return the pictures moved by `moves` [B, 2] pixels down and right; the border is repeated."""
    size = x.shape[-1]
    wide = F.pad(x, (most,) * 4, mode="replicate")
    parts = [
        wide[i, :, most - down : most - down + size, most - right : most - right + size]
        for i, (down, right) in enumerate(moves.tolist())
    ]
    return torch.stack(parts)


def vocabulary(captions: Sequence[str]) -> tuple[str, ...]:
    """Return the words of the captions, sorted; the `MOST_WORDS` most frequent of many."""
    counts = Counter(word for caption in captions for word in split(caption))
    return tuple(sorted(word for word, _ in counts.most_common(MOST_WORDS)))


def _withheld(words: Tensor, options: TrainOptions, generator: torch.Generator) -> Tensor:
    """Return the captions [B, W] with some withheld, and single words of others."""
    whole = torch.rand((len(words), 1), generator=generator) < options.withheld
    single = torch.rand(words.shape, generator=generator) < options.word_withheld
    return words.masked_fill(whole | single, 0)
