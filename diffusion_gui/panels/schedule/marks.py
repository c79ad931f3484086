"""What a curve is annotated with: other curves, a range, the sampler's steps, grips, a stroke.

Items are made when they are first needed, so that a plot without them costs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QObject, Slot
from PySide6.QtGui import QColor, QPainterPath, QPen

from diffusion_gui.engine.schedules.schedule import Array
from diffusion_gui.panels.common.plot import CurvePlot, show_line
from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.panels.common.tokens import Tokens
from diffusion_gui.state.comparison import OTHER

DASHES = ([6.0, 3.0], [2.0, 2.5], [8.0, 3.0, 2.0, 3.0], [3.0, 5.0])
"""Dash patterns of the compared curves, in pen widths: told apart without colour too."""
TICKS_APART, WEDGES_APART = 7.0, 11.0
"""Pixels between the sampler's steps that are drawn: nearer ones would be a solid band."""
GRIPS = ("shift", "scale")
"""What each handle of the whole curve does to it."""


def overlay_pen(tokens: Tokens, style: int, scale: float = 1.0) -> QPen:
    """Return the pen of a compared curve: the other side stronger than pins, 16 kinds of pins.

    `scale` is how many of the screen's pixels a pixel has.
    """
    colours = len(tokens.pins)
    if style == OTHER:
        pen, dashes = pg.mkPen(tokens.text, width=1.6 * scale), DASHES[0]
    else:
        pen = pg.mkPen(tokens.pins[style % colours], width=1.4 * scale)
        dashes = DASHES[(style + style // colours) % len(DASHES)]
    pen.setDashPattern(dashes)
    return pen


def thinned(places: Array, apart: float) -> Array:
    """Return which of `places` [N] to draw: bool [N], the first and every next one `apart` on."""
    kept = np.zeros(len(places), dtype=bool)
    last = -np.inf
    for index in np.argsort(places, kind="stable"):
        if places[index] - last >= apart:
            kept[index] = True
            last = places[index]
    return kept


@dataclass(frozen=True, slots=True, eq=False)
class Overlay:
    """A curve to compare with: its places on the axes, and which of the patterns it wears."""

    t: Array
    values: Array
    style: int


class Marks(QObject):
    """The annotations of one plot."""

    def __init__(self, plot: CurvePlot, theme: Theme, token: str) -> None:
        super().__init__(plot)
        self._plot = plot
        self._theme = theme
        self._token = token
        self._overlays: list[pg.PlotDataItem] = []
        self._styles: list[int] = []
        self._companion: pg.PlotDataItem | None = None
        self._range: pg.LinearRegionItem | None = None
        self._steps: pg.ScatterPlotItem | None = None
        self._lane: pg.ScatterPlotItem | None = None
        self._lit: tuple[pg.ScatterPlotItem, pg.ScatterPlotItem] | None = None
        self._lit_at: tuple[float, float] | None = None
        self._grips: pg.ScatterPlotItem | None = None
        self._stroke: pg.PlotDataItem | None = None
        self._grip_names: list[pg.TextItem] = []
        self._held_name: pg.TextItem | None = None
        self._visited: tuple[Array, Array] = (np.zeros(0), np.zeros(0))
        self.times: Array = np.zeros(0)
        """The sampler's steps that can be dragged, t."""
        self.grips: list[tuple[float, float]] = []
        """The handles of the whole curve, places on the axes."""
        theme.changed.connect(self._tint)
        plot.scale_changed.connect(self._tint)
        plot.getViewBox().sigYRangeChanged.connect(self._place_lane)
        plot.getViewBox().sigXRangeChanged.connect(self._on_width)

    def show_overlays(self, overlays: Sequence[Overlay]) -> None:
        """Show these curves behind the plot's own."""
        while len(self._overlays) < len(overlays):
            item = pg.PlotDataItem(connect="finite", antialias=True)
            item.setZValue(-1)
            self._plot.addItem(item, ignoreBounds=True)
            self._overlays.append(item)
        for item in self._overlays[len(overlays) :]:
            item.setData([], [])
        for item, overlay in zip(self._overlays, overlays, strict=False):
            show_line(item, overlay.t, overlay.values)
        styles = [overlay.style for overlay in overlays]
        if styles != self._styles:
            self._styles = styles
            self._tint()

    def show_companion(self, t: Array, values: Array) -> None:
        """Show a second curve of the same plot: the noise beside the signal."""
        if self._companion is None:
            if not len(t):
                return
            self._companion = self._plot.add_curve("secondary", width=1.8)
        self._companion.setData(t, values)

    def show_range(self, times: tuple[int, int] | None, token: str = "warning") -> None:
        """Shade the t that a finding is about, or nothing."""
        if self._range is None:
            if times is None:
                return
            self._range = pg.LinearRegionItem(movable=False)
            self._range.setZValue(-5)
            self._plot.addItem(self._range, ignoreBounds=True)
        self._range.setVisible(times is not None)
        if times is None:
            return
        colour = QColor(getattr(self._theme.tokens, token))
        pen = QColor(colour)
        colour.setAlpha(34)
        pen.setAlpha(120)
        self._range.setBrush(colour)
        for line in self._range.lines:
            line.setPen(self._plot.line(pen, 1.0))
        half = 0.004 * self._plot.getViewBox().viewRect().width()  # a single t stays visible
        self._range.setRegion((times[0] - half, times[1] + half))

    def show_steps(self, t: Array, values: Array, draggable: bool) -> None:
        """Show the levels that the sampler visits: on the curve, and in the lane along the axis."""
        if self._steps is None:
            if not len(t):
                return
            self._steps, self._lane = (
                pg.ScatterPlotItem(symbol=symbol, size=size, pxMode=True)
                for symbol, size in ((_tick(), 9), (_wedge(), 10))
            )
            for item, z in ((self._steps, 3), (self._lane, 4)):
                item.setZValue(z)
                self._plot.addItem(item, ignoreBounds=True)
            self._tint()
        shown = np.isfinite(values)
        self._visited = np.asarray(t[shown], np.float64), values[shown]
        self._place_ticks()
        times = np.asarray(t if draggable else [], dtype=np.float64)
        if not np.array_equal(times, self.times):
            self.times = times
            self._place_lane()

    def show_lit(self, place: tuple[float, float] | None) -> None:
        """Light up the step on show, given by its place on the axes, or none."""
        if place == self._lit_at:
            return
        self._lit_at = place
        if self._lit is None:
            self._lit = (
                pg.ScatterPlotItem(symbol=_tick(), size=15, pxMode=True),
                pg.ScatterPlotItem(symbol=_wedge(), size=12, pxMode=True),
            )
            for item in self._lit:
                item.setZValue(6)
                self._plot.addItem(item, ignoreBounds=True)
            self._tint()
        self._lit[0].setData(*(([place[0]], [place[1]]) if place else ([], [])))
        self._place_lit()

    def _place_lit(self) -> None:
        if self._lit is not None:
            in_lane = self._lit_at is not None and self._lit_at[0] in self.times
            t = [self._lit_at[0]] if in_lane and self._lit_at else []
            self._lit[1].setData(t, [self._above_axis(6.0)] * len(t))

    def _place_ticks(self) -> None:
        """Draw as many of the steps on the curve as can be told apart."""
        if self._steps is not None:
            t, values = self._visited
            some = thinned(t, TICKS_APART * self._plot.pixel()[0])
            self._steps.setData(x=t[some], y=values[some])

    @Slot()
    def _place_lane(self) -> None:
        """Keep the wedges just above the axis, also when the plot becomes larger or smaller."""
        if self._lane is not None:
            some = self.times[thinned(self.times, WEDGES_APART * self._plot.pixel()[0])]
            self._lane.setData(x=some, y=np.full(len(some), self._above_axis(6.0)))
        self._place_lit()

    @Slot()
    def _on_width(self) -> None:
        """Draw as many steps as there is room for now."""
        self._place_ticks()
        self._place_lane()

    def _above_axis(self, pixels: float) -> float:
        """Return the value that lies so many pixels above the axis."""
        low = self._plot.getViewBox().viewRange()[1][0]
        return float(low + pixels * self._plot.pixel()[1])

    def show_held(self, t: int | None) -> None:
        """Write the t of the step that is dragged beside it, or nothing."""
        if self._held_name is None:
            if t is None:
                return
            self._held_name = pg.TextItem()
            self._held_name.setZValue(12)
            self._plot.addItem(self._held_name, ignoreBounds=True)
            self._tint()
        self._held_name.setVisible(t is not None)
        if t is not None:
            self._held_name.setText(f"t = {t}")
            self._held_name.setAnchor((1.15 if t > 0.5 * self._plot.T else -0.15, 1.0))
            self._held_name.setPos(t, self._above_axis(0.0))

    def show_grips(self, places: Sequence[tuple[float, float]]) -> None:
        """Show the handles of the whole curve: diamonds with their names."""
        self.grips = list(places)
        if self._grips is None:
            if not places:
                return
            self._grips = pg.ScatterPlotItem(symbol="d", size=17, pxMode=True)
            self._grips.setZValue(11)
            self._plot.addItem(self._grips, ignoreBounds=True)
            self._grip_names = [pg.TextItem(name) for name in GRIPS]
            for item in self._grip_names:
                item.setZValue(11)
                self._plot.addItem(item, ignoreBounds=True)
            self._tint()
        self._grips.setData(x=[x for x, _ in places], y=[y for _, y in places])
        self._name_grips()

    def _name_grips(self) -> None:
        """Write each handle's name above it, on the side that the curve leaves free."""
        places = self.grips
        falls = len(places) < 2 or (places[1][0] > places[0][0]) == (places[1][1] < places[0][1])
        for index, item in enumerate(self._grip_names):
            item.setVisible(index < len(places))
            if index < len(places):
                item.setAnchor((-0.12 if falls else 1.12, 1.0))
                item.setPos(*places[index])

    def show_stroke(self, places: Sequence[tuple[float, float]]) -> None:
        """Show the line that is being drawn by hand, or none."""
        if self._stroke is None:
            if not places:
                return
            self._stroke = pg.PlotDataItem(antialias=True)
            self._stroke.setZValue(8)
            self._plot.addItem(self._stroke, ignoreBounds=True)
            self._tint()
        self._stroke.setData([x for x, _ in places], [y for _, y in places])

    @Slot()
    def _tint(self) -> None:
        tokens = self._theme.tokens
        for item, style in zip(self._overlays, self._styles, strict=False):
            item.setPen(overlay_pen(tokens, style, self._plot.devicePixelRatioF()))
        for item in (self._steps, self._lane):
            if item is not None:
                item.setPen(self._plot.line(tokens.secondary, 1.0))
                item.setBrush(pg.mkBrush(tokens.secondary))
        for item in self._lit or ():
            item.setPen(self._plot.line(tokens.cursor, 2.4))
            item.setBrush(pg.mkBrush(tokens.cursor))
        if self._grips is not None:
            self._grips.setPen(self._plot.line(tokens.panel, 2.0))
            self._grips.setBrush(pg.mkBrush(tokens.cursor))
        if self._stroke is not None:
            self._stroke.setPen(self._plot.line(tokens.text, 1.2))
        for name in self._grip_names:
            name.setColor(tokens.cursor_text)
        if self._held_name is not None:
            self._held_name.setColor(tokens.text)
            self._held_name.fill = pg.mkBrush(tokens.panel)


def _tick() -> QPainterPath:
    """Return a short upright stroke as a symbol."""
    path = QPainterPath()
    path.moveTo(0.0, -0.5)
    path.lineTo(0.0, 0.5)
    return path


def _wedge() -> QPainterPath:
    """Return a small triangle that points up; a symbol is cut off half its size from the middle."""
    path = QPainterPath()
    path.moveTo(-0.4, 0.35)
    path.lineTo(0.4, 0.35)
    path.lineTo(0.0, -0.4)
    path.closeSubpath()
    return path
