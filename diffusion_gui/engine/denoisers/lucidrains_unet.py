"""The U-Net of denoising-diffusion-pytorch, version 2, by the layout of its state dict.

Modules have that library's names, so that its weights load by name; `LucidrainsConfig` is read off
their shapes. Imports torch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Heads:
    """The attention of one resolution: full, or linear in the number of places."""

    full: bool
    heads: int
    width: int
    memory: int
    """Learned keys and values that every place sees besides the others."""


@dataclass(frozen=True, slots=True)
class LucidrainsConfig:
    """All that is needed to build one before its weights are read."""

    channels: int
    """Of the pictures."""
    channels_out: int
    """What it gives: `channels`, or twice as many with a learned variance."""
    self_condition: bool
    """Whether it was also shown its last estimate; here it is shown none, as at a first step."""
    dim: int
    """Length of the waves that tell it the time."""
    widths: tuple[int, ...]
    """Channels before the first and after every resolution."""
    attention: tuple[Heads, ...]
    """Of each resolution, and of the middle."""

    @property
    def halvings(self) -> int:
        """The side of a picture must be a multiple of this."""
        return int(2 ** (len(self.widths) - 2))


class RMSNorm(nn.Module):
    """Every place's channels scaled to a root mean square of g."""

    def __init__(self, width: int):
        super().__init__()
        self.g = nn.Parameter(torch.ones(1, width, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return F.normalize(x, dim=1) * self.g * math.sqrt(x.shape[1])


class Block(nn.Module):
    """Convolution, normalisation, shift by what it is told, SiLU."""

    def __init__(self, width_in: int, width: int):
        super().__init__()
        self.proj = nn.Conv2d(width_in, width, 3, padding=1)
        self.norm = RMSNorm(width)

    def forward(
        self, x: Tensor, scale: Tensor | None = None, shift: Tensor | None = None
    ) -> Tensor:
        h = self.norm(self.proj(x))
        return F.silu(h if scale is None or shift is None else h * (scale + 1) + shift)


class Residual(nn.Module):
    """Two blocks beside a straight way."""

    def __init__(self, width_in: int, width: int, told: int):
        super().__init__()
        self.mlp = nn.Sequential(nn.SiLU(), nn.Linear(told, 2 * width))
        self.block1 = Block(width_in, width)
        self.block2 = Block(width, width)
        self.res_conv = nn.Conv2d(width_in, width, 1) if width_in != width else nn.Identity()

    def forward(self, x: Tensor, told: Tensor) -> Tensor:
        scale, shift = self.mlp(told)[..., None, None].chunk(2, dim=1)
        straight: Tensor = self.res_conv(x)
        found: Tensor = self.block2(self.block1(x, scale, shift))
        return found + straight


class Attention(nn.Module):
    """Self-attention over all places and the memory."""

    def __init__(self, width: int, kind: Heads):
        super().__init__()
        inner = kind.heads * kind.width
        self.heads = kind.heads
        self.norm = RMSNorm(width)
        self.mem_kv = nn.Parameter(torch.zeros(2, kind.heads, kind.memory, kind.width))
        self.to_qkv = nn.Conv2d(width, 3 * inner, 1, bias=False)
        self.to_out = nn.Conv2d(inner, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        b, _, h, w = x.shape
        qkv = self.to_qkv(self.norm(x)).flatten(2).unflatten(1, (3, self.heads, -1))
        q, k, v = qkv.transpose(-1, -2).unbind(1)  # [B, heads, H W, width]
        kept = self.mem_kv[:, None].expand(-1, b, -1, -1, -1)
        k, v = torch.cat((kept[0], k), dim=-2), torch.cat((kept[1], v), dim=-2)
        mixed = F.scaled_dot_product_attention(q, k, v).transpose(-1, -2)
        found: Tensor = self.to_out(mixed.reshape(b, -1, h, w))
        return found + x


class LinearAttention(nn.Module):
    """Attention whose cost is linear in the number of places (arXiv:1812.01243)."""

    def __init__(self, width: int, kind: Heads):
        super().__init__()
        inner = kind.heads * kind.width
        self.heads = kind.heads
        self.norm = RMSNorm(width)
        self.mem_kv = nn.Parameter(torch.zeros(2, kind.heads, kind.width, kind.memory))
        self.to_qkv = nn.Conv2d(width, 3 * inner, 1, bias=False)
        self.to_out = nn.Sequential(nn.Conv2d(inner, width, 1), RMSNorm(width))

    def forward(self, x: Tensor) -> Tensor:
        b, _, h, w = x.shape
        qkv = self.to_qkv(self.norm(x)).flatten(2).unflatten(1, (3, self.heads, -1))
        q, k, v = qkv.unbind(1)  # [B, heads, width, H W]
        kept = self.mem_kv[:, None].expand(-1, b, -1, -1, -1)
        k, v = torch.cat((kept[0], k), dim=-1), torch.cat((kept[1], v), dim=-1)
        q = q.softmax(dim=-2) / math.sqrt(q.shape[-2])
        context = k.softmax(dim=-1) @ v.transpose(-1, -2)  # [B, heads, width, width]
        mixed = context.transpose(-1, -2) @ q  # [B, heads, width, H W]
        found: Tensor = self.to_out(mixed.reshape(b, -1, h, w))
        return found + x


class Time(nn.Module):
    """Waves of the time, sines before cosines (arXiv:1706.03762, with half - 1 lengths)."""

    def __init__(self, dim: int):
        super().__init__()
        self.dim = dim

    def forward(self, level: Tensor) -> Tensor:
        half = self.dim // 2
        step = math.log(10_000.0) / max(half - 1, 1)
        speeds = torch.exp(torch.arange(half, device=level.device) * -step)
        angles = level[:, None] * speeds[None, :]
        return torch.cat((angles.sin(), angles.cos()), dim=-1)


class LucidrainsUNet(nn.Module):
    """network(x [B, C, H, W], time [B]) -> [B, channels_out, H, W]."""

    def __init__(self, config: LucidrainsConfig):
        super().__init__()
        self.config = config
        told, (first, *rest) = 4 * config.dim, config.widths
        pairs = list(zip(config.widths[:-1], rest, strict=True))
        shown = config.channels * (2 if config.self_condition else 1)
        self.init_conv = nn.Conv2d(shown, first, 7, padding=3)
        self.time_mlp = nn.Sequential(
            Time(config.dim), nn.Linear(config.dim, told), nn.GELU(), nn.Linear(told, told)
        )
        self.downs, self.ups = nn.ModuleList(), nn.ModuleList()
        for place, ((a, b), kind) in enumerate(zip(pairs, config.attention, strict=False)):
            low = place == len(pairs) - 1
            smaller = nn.Conv2d(a, b, 3, padding=1) if low else _halved(a, b)
            larger = nn.Conv2d(b, a, 3, padding=1) if place == 0 else _doubled(b, a)
            self.downs.append(
                nn.ModuleList(
                    (Residual(a, a, told), Residual(a, a, told), _attention(a, kind), smaller)
                )
            )
            up = Residual(a + b, b, told), Residual(a + b, b, told), _attention(b, kind), larger
            self.ups.insert(0, nn.ModuleList(up))
        last = config.widths[-1]
        self.mid_block1 = Residual(last, last, told)
        self.mid_attn = Attention(last, config.attention[-1])
        self.mid_block2 = Residual(last, last, told)
        self.final_res_block = Residual(2 * first, first, told)
        self.final_conv = nn.Conv2d(first, config.channels_out, 1)

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        if self.config.self_condition:
            x = torch.cat((torch.zeros_like(x), x), dim=1)
        x = self.init_conv(x)
        told, start = self.time_mlp(level), x
        kept: list[Tensor] = []
        for first, second, attention, smaller in map(_parts, self.downs):
            x = first(x, told)
            kept.append(x)
            x = attention(second(x, told))
            kept.append(x)
            x = smaller(x)
        x = self.mid_block2(self.mid_attn(self.mid_block1(x, told)), told)
        for first, second, attention, larger in map(_parts, self.ups):
            x = first(torch.cat((x, kept.pop()), dim=1), told)
            x = second(torch.cat((x, kept.pop()), dim=1), told)
            x = larger(attention(x))
        x = self.final_res_block(torch.cat((x, start), dim=1), told)
        found: Tensor = self.final_conv(x)
        return found


def _parts(stage: nn.Module) -> tuple[nn.Module, ...]:
    return tuple(stage.children())


def _attention(width: int, kind: Heads) -> nn.Module:
    return Attention(width, kind) if kind.full else LinearAttention(width, kind)


def _halved(width_in: int, width: int) -> nn.Module:
    """Squares of 2 x 2 places become channels, which a 1 x 1 convolution mixes."""
    return nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(4 * width_in, width, 1))


def _doubled(width_in: int, width: int) -> nn.Module:
    return nn.Sequential(
        nn.Upsample(scale_factor=2, mode="nearest"), nn.Conv2d(width_in, width, 3, padding=1)
    )
