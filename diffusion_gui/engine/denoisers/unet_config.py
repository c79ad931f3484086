"""The shape of a `UNet`. No torch: a model file's header is read before it is loaded."""

from __future__ import annotations

from dataclasses import dataclass

from diffusion_gui.engine.errors import EngineError

GROUP = 16
"""Channels that one normalisation group shares; widths are multiples of it."""
MOST_PARAMETERS = 400_000_000
_MOST_LEVELS, _MOST_DEPTH = 8, 16
SIGMA_MIN, SIGMA_MAX = 0.002, 160.0
"""No training sees levels beyond these; others are told to the network as the nearer of them."""


@dataclass(frozen=True, slots=True)
class UNetConfig:
    """The shape of a `UNet`: all that is needed to build one before its weights are read."""

    size: int = 32
    """Side of the pictures in pixels; a multiple of 4 `fold`."""
    fold: int = 2
    """Side of the square of pixels that becomes channels at the input."""
    widths: tuple[int, ...] = (96, 160, 192)
    """Channels at each resolution, halving from size / fold; multiples of 16."""
    depth: int = 2
    """Residual blocks at each resolution, down and again up."""
    embedding: int = 192
    """Length of the vector that tells every block the level and the caption."""
    words: tuple[str, ...] = ()
    """The vocabulary; without words the network is unconditional."""
    dropout: float = 0.1
    """Chance that a channel inside a block is dropped in training."""
    sigma_data: float = 0.5
    """Standard deviation of the training pictures in [-1, 1], EDM's sigma_data."""

    def check(self) -> None:
        """Raise EngineError for a shape that no network can have."""
        if not 1 <= len(self.widths) <= _MOST_LEVELS:
            raise EngineError(f"widths must be 1 to {_MOST_LEVELS}, got {len(self.widths)}")
        if any(width < GROUP or width % GROUP for width in self.widths):
            raise EngineError(f"widths must be multiples of {GROUP}, got {list(self.widths)}")
        halvings = self.fold * 2 ** (len(self.widths) - 1)
        if self.fold < 1 or self.size < halvings or self.size % halvings:
            raise EngineError(
                f"a picture of {self.size} x {self.size} cannot be halved to"
                f" {halvings} times fewer pixels a side; choose a multiple of {halvings}"
            )
        if not 1 <= self.depth <= _MOST_DEPTH or self.embedding < 2 or self.embedding % 2:
            raise EngineError(
                f"a U-Net needs a depth of 1 to {_MOST_DEPTH} and an even embedding >= 2"
            )
        if not 0.0 <= self.dropout < 1.0 or not 0.0 < self.sigma_data < 100.0:
            raise EngineError("a U-Net needs dropout in [0, 1) and sigma_data in 0 to 100")
        if (count := parameters(self)) > MOST_PARAMETERS:
            raise EngineError(
                f"the network would have {count / 1e6:,.0f} million parameters, over"
                f" {MOST_PARAMETERS / 1e6:.0f}; lower its widths"
            )


def parameters(config: UNetConfig) -> int:
    """Return how many numbers a `UNet` of this shape learns."""
    told, drop = config.embedding, 2 * config.embedding**2 + 2 * config.embedding
    pixels, widths = 3 * config.fold**2, config.widths
    count = drop + (len(config.words) + 1) * told

    def conv(a: int, b: int, side: int) -> int:
        return (a * side * side + 1) * b

    def block(a: int, b: int, attends: bool) -> int:
        own = 2 * a + conv(a, b, 3) + (told + 1) * 2 * b + 2 * b + conv(b, b, 3)
        straight = 0 if a == b else conv(a, b, 1)
        return own + straight + (2 * b + conv(b, 3 * b, 1) + conv(b, b, 1) if attends else 0)

    count += conv(pixels, widths[0], 3) + 2 * widths[0] + conv(widths[0], pixels, 3)
    before = widths[0]
    for level, width in enumerate(widths):
        lowest = level == len(widths) - 1
        above = widths[max(level - 1, 0)]
        count += block(before, width, lowest) + (config.depth - 1) * block(width, width, lowest)
        count += (config.depth - 1) * block(width, width, lowest) + block(width, above, lowest)
        before = width
    return count + block(before, before, True)
