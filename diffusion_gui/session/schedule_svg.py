"""The plot of a schedule as SVG: the same picture as `schedule_plot.py` draws in pixels."""

from __future__ import annotations

from html import escape, unescape

from diffusion_gui.engine.schedules import Schedule, ScheduleSpec
from diffusion_gui.session import schedule_plot as plot

_OPEN, _CLOSE = "<metadata id='diffusion-gui-schedule'>", "</metadata>"
_FONT = "font-family='system-ui, Segoe UI, DejaVu Sans, sans-serif'"


def schedule_svg(schedule: Schedule, spec: ScheduleSpec | None = None, kept: str = "") -> str:
    """Return the picture of `schedule` as SVG text; `spec` gives the title.

    `kept` is a text, the schedule as JSON, that `kept_in` finds again.
    """
    title, caption = plot.describe(schedule, spec)
    parts = [
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {plot.WIDTH} {plot.HEIGHT}'"
        f" width='{plot.WIDTH}' height='{plot.HEIGHT}' {_FONT}>",
        f"<title>{escape(title)}</title>",
        f"{_OPEN}{escape(kept)}{_CLOSE}",
        f"<rect width='{plot.WIDTH}' height='{plot.HEIGHT}' fill='{plot.PAPER}'/>",
        _text(plot.LEFT, 34, title, plot.TEXT, 27),
        _text(plot.LEFT, 60, caption, plot.SECONDARY, 17),
    ]
    for panel in plot.panels(schedule):
        parts += [*_grid(panel), _curve(panel), *_labels(panel)]
    parts.append(_text(plot.RIGHT, plot.HEIGHT - 20, "step t", plot.SECONDARY, 17, "end"))
    return "\n".join([*parts, "</svg>", ""])


def kept_in(svg: str) -> str:
    """Return the text that an SVG of `schedule_svg` keeps, "" for any other."""
    return unescape(svg.partition(_OPEN)[2].partition(_CLOSE)[0])


def _grid(panel: plot.PlotPanel) -> list[str]:
    lines = []
    for tick in panel.ticks:
        y = panel.y(tick)
        lines.append(_line(plot.LEFT, y, plot.RIGHT, y, plot.AXIS if not tick else plot.HAIRLINE))
    for tick in plot.time_ticks(panel.T):
        x = panel.x(tick)
        colour = plot.AXIS if not tick else plot.HAIRLINE
        lines.append(_line(x, panel.top, x, panel.bottom, colour))
    return lines


def _curve(panel: plot.PlotPanel) -> str:
    places = " ".join(
        f"{panel.x(t):.2f},{panel.y(value):.2f}"
        for t, value in zip(panel.t.tolist(), panel.values.tolist(), strict=True)
    )
    return (
        f"<polyline points='{places}' fill='none' stroke='{panel.color}' stroke-width='3'"
        " stroke-linejoin='round'/>"
    )


def _labels(panel: plot.PlotPanel) -> list[str]:
    heading = panel.top - 20
    lines = [
        f"<text x='{plot.LEFT}' y='{heading}' fill='{panel.color}' font-size='21'>{panel.name}"
        f"<tspan dx='12' fill='{plot.SECONDARY}' font-size='17'>{escape(panel.meaning)}</tspan>"
        "</text>"
    ]
    for tick in panel.ticks:
        x, y = plot.LEFT - 12, panel.y(tick) + 6
        lines.append(_text(x, y, f"{tick:.10g}", plot.SECONDARY, 17, "end"))
    for tick in plot.time_ticks(panel.T):
        at, below = panel.x(tick), panel.bottom + 26
        lines.append(_text(at, below, f"{tick:.10g}", plot.SECONDARY, 17, "middle"))
    return lines


def _line(x1: float, y1: float, x2: float, y2: float, colour: str) -> str:
    return f"<path d='M{x1:.2f} {y1:.2f}L{x2:.2f} {y2:.2f}' stroke='{colour}'/>"


def _text(x: float, y: float, text: str, colour: str, size: int, anchor: str = "start") -> str:
    return (
        f"<text x='{x:.2f}' y='{y:.2f}' fill='{colour}' font-size='{size}'"
        f" text-anchor='{anchor}'>{escape(text)}</text>"
    )
