"""The pictures of the large view as values, and how they are rendered. Knows no Qt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from diffusion_gui.engine.forward import CLIPPED, Moment, Process, Shown, Span
from diffusion_gui.engine.images import Pixels, averaged
from diffusion_gui.engine.schedules import Schedule


@dataclass(frozen=True, slots=True, eq=False)
class Tile:
    """A picture of the large view, uint8 [H, W, 3], and what its black and white stand for."""

    pixels: Pixels
    span: Span = CLIPPED
    clipped: float = 0.0
    """Share of the values that lie beyond the span."""
    small: Pixels | None = None
    """Of a large picture the means of squares of pixels: what is left of it on a small screen."""


@dataclass(frozen=True, slots=True, eq=False)
class Tiles:
    """The four pictures of the large view."""

    x_0: Tile
    x_t: Tile
    signal: Tile
    noise: Tile
    other: OtherView | None = None
    """x_t under the other side, while two are compared."""
    stride: int = 1
    """Above 1, these are every so many-th pixel, across and down, of the pictures to come."""


@dataclass(frozen=True, slots=True, eq=False)
class OtherView:
    """x_t under the side not on show: its letter and its own t."""

    side: str
    t: int
    x_t: Tile


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """What the tiles show, besides the picture."""

    times: tuple[tuple[Schedule, int], ...]
    """Schedule and t of the side on show, and while two are compared of the other."""
    shown: Shown
    other_side: str


def render(
    process: Process,
    moments: Sequence[Moment],
    samples: Sequence[Moment],
    scene: Scene,
    shrink: int = 1,
) -> Tiles:
    """Return the tiles of the moments of a scene; of `samples` the share that is clipped.

    With `shrink` above 1 each comes with the means of squares of so many pixels.
    """
    spans = moments[0].spans(scene.shown)
    x_t, signal, noise = moments[0].parts(spans)
    beyond = _clipped(samples[0], scene.shown)

    def tile(pixels: Pixels, span: Span = CLIPPED, clipped: float = 0.0) -> Tile:
        return Tile(pixels, span, clipped, averaged(pixels, shrink) if shrink > 1 else None)

    other = None
    if len(moments) > 1:
        span = moments[1].spans(scene.shown)[0]
        x_t_other = tile(moments[1].x_t(span), span, _clipped(samples[1], scene.shown)[0])
        other = OtherView(scene.other_side, scene.times[1][1], x_t_other)
    return Tiles(
        tile(process.pixels),
        tile(x_t, spans[0], beyond[0]),
        tile(signal, spans[1]),
        tile(noise, spans[2], beyond[1]),
        other,
        process.stride,
    )


def _clipped(moment: Moment, shown: Shown) -> tuple[float, float]:
    """Return the shares of x_t and of its noise beyond what is shown."""
    return moment.clipped() if shown is Shown.CLIP else (0.0, 0.0)
