"""A small U-Net with EDM's preconditioning, told the noise level and the words of a caption.

The picture is folded first (pixel unshuffle), so that a 32 x 32 picture is worked on at 16 x 16;
three resolutions of residual blocks follow, with self-attention at the lowest. Blocks of the way
up take what the same resolution had on the way down by addition, scaled so that the variance stays.
Read `training/` for how it learns, `network.py` for how it is called. Imports torch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diffusion_gui.engine.denoisers.unet_config import GROUP, UNetConfig
from diffusion_gui.engine.words import split


class Attention(nn.Module):
    """Self-attention over all places of a feature map, heads of 32 channels."""

    def __init__(self, width: int):
        super().__init__()
        self.heads = max(1, width // 32)
        self.norm = nn.GroupNorm(width // GROUP, width)
        self.qkv = nn.Conv2d(width, 3 * width, 1)
        self.out = _silent(nn.Conv2d(width, width, 1))

    def forward(self, x: Tensor) -> Tensor:
        b, c, h, w = x.shape
        places = self.qkv(self.norm(x)).flatten(2).unflatten(1, (3, self.heads, -1))
        q, k, v = places.transpose(-1, -2).unbind(1)  # [B, heads, H W, c / heads]
        # Written out: torch's own takes a CPU ten times as long to go back through so few places.
        weights = torch.softmax(q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5, dim=-1)
        mixed = (weights.to(v.dtype) @ v).transpose(-1, -2)
        return x + self.out(mixed.reshape(b, c, h, w))


class Block(nn.Module):
    """A residual block; scale and shift of its second normalisation come from the embedding."""

    def __init__(self, width_in: int, width: int, embedding: int, dropout: float, attends: bool):
        super().__init__()
        self.norm_in = nn.GroupNorm(width_in // GROUP, width_in)
        self.conv_in = nn.Conv2d(width_in, width, 3, padding=1)
        self.told = nn.Linear(embedding, 2 * width)
        self.norm_out = nn.GroupNorm(width // GROUP, width)
        self.dropout = nn.Dropout2d(dropout)
        self.conv_out = _silent(nn.Conv2d(width, width, 3, padding=1))
        same = width_in == width
        self.straight = nn.Identity() if same else nn.Conv2d(width_in, width, 1)
        self.attention = Attention(width) if attends else nn.Identity()

    def forward(self, x: Tensor, told: Tensor) -> Tensor:
        h = self.conv_in(F.silu(self.norm_in(x)))
        scale, shift = self.told(told)[..., None, None].chunk(2, dim=1)
        h = F.silu(torch.addcmul(shift, self.norm_out(h), 1 + scale))
        return self.attention(self.straight(x) + self.conv_out(self.dropout(h)))


class UNet(nn.Module):
    """F(c_in x, c_noise, words) of EDM's D = c_skip x + c_out F (arXiv:2206.00364, table 1)."""

    def __init__(self, config: UNetConfig):
        """Build it with random weights, after PyTorch's own start and zeros where a block ends."""
        super().__init__()
        config.check()
        self.config = config
        widths, told, drop = config.widths, config.embedding, config.dropout
        pixels = 3 * config.fold**2
        self.fourier = nn.Linear(told, told)
        self.words = nn.EmbeddingBag(len(config.words) + 1, told, mode="mean", padding_idx=0)
        self.mix = nn.Linear(told, told)
        self.first = nn.Conv2d(pixels, widths[0], 3, padding=1)
        self.down = nn.ModuleList()
        self.up = nn.ModuleList()
        before = widths[0]
        for level, width in enumerate(widths):
            attends = level == len(widths) - 1
            entry = [before] + [width] * (config.depth - 1)
            self.down.append(nn.ModuleList(Block(w, width, told, drop, attends) for w in entry))
            above = widths[max(level - 1, 0)]
            leave = [width] * (config.depth - 1) + [above]
            self.up.insert(0, nn.ModuleList(Block(width, w, told, drop, attends) for w in leave))
            before = width
        self.middle = Block(before, before, told, drop, True)
        self.norm = nn.GroupNorm(widths[0] // GROUP, widths[0])
        self.last = _silent(nn.Conv2d(widths[0], pixels, 3, padding=1))

    def forward(self, x: Tensor, level: Tensor, words: Tensor | None = None) -> Tensor:
        """Return F [B, 3, size, size] for c_in x [B, 3, size, size] and c_noise [B].

        `words` [B, W] are places in the vocabulary counted from 1; 0 fills up, and a row of
        zeros says nothing, as None does.
        """
        told = self.embed(level, words)
        h = self.first(F.pixel_unshuffle(x, self.config.fold))
        kept = []
        for number, blocks in enumerate(self.down):
            h = h if number == 0 else F.avg_pool2d(h, 2)
            for block in blocks:  # type: ignore[attr-defined]
                h = block(h, told)
            kept.append(h)
        h = self.middle(h, told)
        for number, blocks in enumerate(self.up):
            h = h if number == 0 else F.interpolate(h, scale_factor=2.0, mode="nearest")
            h = (h + kept.pop()) * math.sqrt(0.5)
            for block in blocks:  # type: ignore[attr-defined]
                h = block(h, told)
        return F.pixel_shuffle(self.last(F.silu(self.norm(h))), self.config.fold)

    def embed(self, level: Tensor, words: Tensor | None) -> Tensor:
        """Return what the blocks are told, [B, embedding]: the level's waves and the words' mean.

        c_noise = ln(sigma) / 4 lies within about -1.6 to 1.2; the waves' lengths go from 12 to 0.1.
        """
        half = self.config.embedding // 2
        speeds = torch.exp(torch.linspace(-0.7, 4.1, half, device=level.device))
        angles = level[:, None].float() * speeds
        told = self.fourier(torch.cat((angles.cos(), angles.sin()), dim=1))
        if words is not None:
            told = told + self.words(words)
        return F.silu(self.mix(F.silu(told)))


def encode(captions: Sequence[str], vocabulary: Sequence[str]) -> Tensor:
    """Return the words of each caption as places in the vocabulary from 1, int64 [N, W], W >= 1.

    Words that are not in the vocabulary are left out: `unknown` names them.
    """
    place = {word: number for number, word in enumerate(vocabulary, start=1)}
    rows = [[place[word] for word in split(caption) if word in place] for caption in captions]
    width = max(1, *(len(row) for row in rows)) if rows else 1
    return torch.tensor([row + [0] * (width - len(row)) for row in rows], dtype=torch.int64)


def _silent(module: nn.Conv2d) -> nn.Conv2d:
    """Start a block as the identity: its last convolution gives zeros."""
    nn.init.zeros_(module.weight)
    nn.init.zeros_(module.bias)  # type: ignore[arg-type]
    return module
