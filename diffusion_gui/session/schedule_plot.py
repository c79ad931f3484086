"""A picture of a schedule: alpha-bar and beta over t, drawn with Pillow alone.

Lines are drawn several times larger and averaged down; text is set at the final size. Pillow's
built-in face has no Greek letters, so the quantities carry their names in words.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from diffusion_gui.engine.images import Pixels
from diffusion_gui.engine.params import resolve
from diffusion_gui.engine.schedules import PRESETS, Schedule, ScheduleSpec
from diffusion_gui.engine.schedules.schedule import Array

WIDTH, HEIGHT = 1280, 840
_OVERSAMPLING = 4
_MOST_POINTS = 1400

PAPER = "#FFFFFF"
HAIRLINE = "#DFE3E8"
AXIS = "#98A1AD"
TEXT = "#1A1D21"
SECONDARY = "#5C6672"
_ALPHA_BAR = "#2563C9"
_BETA = "#BF4C09"

LEFT, RIGHT = 92, WIDTH - 40


@dataclass(frozen=True, slots=True, eq=False)
class PlotPanel:
    """One curve in its box: pixel rows `top` to `bottom`, values 0 to `limit`."""

    top: int
    bottom: int
    color: str
    name: str
    meaning: str
    t: Array
    values: Array
    T: int
    ticks: tuple[float, ...]

    @property
    def limit(self) -> float:
        """The value at the top of the box."""
        return self.ticks[-1]

    def x(self, t: float) -> float:
        """Return the pixel column of a time."""
        return LEFT + (RIGHT - LEFT) * t / self.T

    def y(self, value: float) -> float:
        """Return the pixel row of a value."""
        return self.bottom - (self.bottom - self.top) * value / self.limit


def draw_schedule(schedule: Schedule, spec: ScheduleSpec | None) -> Pixels:
    """Return the picture of `schedule`, uint8 [840, 1280, 3]; `spec` gives the title."""
    shown = panels(schedule)
    size = (WIDTH * _OVERSAMPLING, HEIGHT * _OVERSAMPLING)
    large = Image.new("RGB", size, PAPER)
    pen = ImageDraw.Draw(large)
    for panel in shown:
        _draw_grid(pen, panel)
        _draw_curve(pen, panel)
    picture = large.reduce(_OVERSAMPLING)
    pen = ImageDraw.Draw(picture)
    title, caption = describe(schedule, spec)
    pen.text((LEFT, 34), title, TEXT, _font(27), anchor="ls")
    pen.text((LEFT, 60), caption, SECONDARY, _font(17), anchor="ls")
    for panel in shown:
        _label(pen, panel)
    pen.text((RIGHT, HEIGHT - 20), "step t", SECONDARY, _font(17), anchor="rs")
    return np.array(picture)


def panels(schedule: Schedule) -> tuple[PlotPanel, PlotPanel]:
    """Return the boxes of alpha-bar and beta."""
    T = schedule.T
    kept = np.unique(np.round(np.linspace(0, T, min(T + 1, _MOST_POINTS))).astype(int))
    t = kept.astype(np.float64)
    beta = schedule.beta[kept[1:]]
    meaning = "share of the signal's variance left at t"
    added = "variance added by the step from t - 1 to t"
    ones = nice_ticks(1.0)
    return (
        PlotPanel(132, 446, _ALPHA_BAR, "alpha-bar", meaning, t, schedule.alpha_bar[kept], T, ones),
        PlotPanel(542, 770, _BETA, "beta", added, t[1:], beta, T, nice_ticks(float(beta.max()), 4)),
    )


def nice_ticks(limit: float, count: int = 5) -> tuple[float, ...]:
    """Return round numbers from 0 to the first one at or above `limit` > 0, about `count` apart."""
    rough = limit / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(n * power for n in (1.0, 2.0, 2.5, 5.0, 10.0) if n * power >= rough * (1 - 1e-9))
    return tuple(step * i for i in range(math.ceil(limit / step - 1e-9) + 1))


def _draw_grid(pen: ImageDraw.ImageDraw, panel: PlotPanel) -> None:
    for tick in panel.ticks:
        y = panel.y(tick)
        _line(pen, [(LEFT, y), (RIGHT, y)], HAIRLINE if tick else AXIS, 1.0)
    for tick in time_ticks(panel.T):
        x = panel.x(tick)
        _line(pen, [(x, panel.top), (x, panel.bottom)], HAIRLINE if tick else AXIS, 1.0)


def _draw_curve(pen: ImageDraw.ImageDraw, panel: PlotPanel) -> None:
    points = [(panel.x(t), panel.y(value)) for t, value in zip(panel.t, panel.values, strict=True)]
    _line(pen, points, panel.color, 3.0)
    if len(points) <= 60:
        for x, y in points:
            _dot(pen, x, y, panel.color, 4.5)


def time_ticks(T: int) -> list[float]:
    """Return round times from 0 to at most T."""
    if T <= 5:
        return [float(t) for t in range(T + 1)]
    return [tick for tick in nice_ticks(float(T)) if tick <= T]


def _line(
    pen: ImageDraw.ImageDraw, points: Sequence[tuple[float, float]], color: str, width: float
) -> None:
    """Draw a line given in final pixels, whose centres are at + 0.5."""
    k = _OVERSAMPLING
    scaled = [((x + 0.5) * k, (y + 0.5) * k) for x, y in points]
    pen.line(scaled, color, round(width * k), joint="curve")


def _dot(pen: ImageDraw.ImageDraw, x: float, y: float, color: str, radius: float) -> None:
    k = _OVERSAMPLING
    cx, cy, r = (x + 0.5) * k, (y + 0.5) * k, radius * k
    pen.ellipse((cx - r, cy - r, cx + r, cy + r), color)


def _label(pen: ImageDraw.ImageDraw, panel: PlotPanel) -> None:
    heading = panel.top - 20
    pen.text((LEFT, heading), panel.name, panel.color, _font(21), anchor="ls")
    shift = pen.textlength(panel.name, _font(21)) + 12
    pen.text((LEFT + shift, heading), panel.meaning, SECONDARY, _font(17), anchor="ls")
    for tick in panel.ticks:
        place = (LEFT - 12, panel.y(tick))
        pen.text(place, f"{tick:.10g}", SECONDARY, _font(17), anchor="rm")
    for tick in time_ticks(panel.T):
        below = (panel.x(tick), panel.bottom + 12)
        pen.text(below, f"{tick:.10g}", SECONDARY, _font(17), anchor="mt")


def describe(schedule: Schedule, spec: ScheduleSpec | None) -> tuple[str, str]:
    """Return the title and the caption: how the schedule was made and where it ends."""
    ends = f"alpha-bar at T = {schedule.alpha_bar[-1]:.4g}"
    if spec is None:
        return f"Schedule, T = {schedule.T}", ends
    if spec.points:
        return f"Drawn schedule, T = {schedule.T}", f"{len(spec.points)} control points,  {ends}"
    if not spec.preset:
        return f"Schedule from a table, T = {schedule.T}", ends
    row = PRESETS[spec.preset]
    values = resolve(row.params, spec.params, row.title)
    settings = [f"{name} = {value:g}" for name, value in values.items()]
    return f"{row.title} schedule, T = {schedule.T}", ",  ".join([*settings, ends])


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
