"""The small plots of the measures: one number over t, and power over frequency."""

from __future__ import annotations

import math

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QKeyEvent, QResizeEvent
from PySide6.QtWidgets import QVBoxLayout, QWidget

from diffusion_gui.engine.schedules.schedule import Array
from diffusion_gui.engine.spectrum import Spectrum
from diffusion_gui.panels.common.plot import CurvePlot, Plot, show_line
from diffusion_gui.panels.common.plot_head import PlotHead
from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.panels.schedule.axes import nice_step

LEAST = 1e-12
"""Smallest power and KL that a logarithmic axis is given."""
DECADES = 5.0
"""Decades of power below that of white noise that are shown at most."""
APART = 0.6
"""Decades between the 0 of the frequencies and the first tick beside it."""
TICK_WIDTH, TICK_HEIGHT = 44, 16
"""Pixels that a tick's text needs, with the gap beside it."""
MOST_TICKS = 7
FIGURE = 4.0
"""Half the width in pixels of a figure."""


def compact(plot: Plot) -> None:
    """Give the curves as much of a small plot as its axes can spare."""
    plot.plotItem.setContentsMargins(0, 3, 8, 0)
    plot.getAxis("bottom").setHeight(16)
    plot.getAxis("left").overhang = 6.0
    plot.getAxis("bottom").setStyle(tickTextOffset=1, tickLength=3)


def even_ticks(low: float, high: float, most: int) -> list[tuple[float, str]]:
    """Return ticks on round places from `low` to `high`: at most `most` of them, but at least two.

    Where there is no room for more, the first and the last of round places that are far apart.
    """
    step, places = (high - low) / max(most, 1), _two(low, high)
    while step < high - low:
        step = nice_step(step)
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first < max(most, 2):
            places = [n * step for n in range(first, last + 1)]
            break
        step *= 1.01
    if len(places) < 2:
        places = _two(low, high)
    return [(place, f"{place:g}".replace("-", "−")) for place in places]


def _two(low: float, high: float) -> list[float]:
    """Return two round places, as far apart as can be, or the ends if there are none."""
    for parts in (1.0, 2.0, 2.5, 5.0, 10.0):
        step = nice_step(max(high - low, LEAST) / parts)
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last > first:
            return [first * step, last * step]
    return [low, high]


def set_ticks(
    plot: Plot, along: tuple[float, float] | None, up: tuple[float, float] | None
) -> None:
    """Place ticks between two places of the axes, as many as there is room for."""
    box = plot.getViewBox()
    for name, ends, room in (
        ("bottom", along, box.width() / TICK_WIDTH),
        ("left", up, box.height() / TICK_HEIGHT),
    ):
        if ends is not None:
            plot.getAxis(name).setTicks([even_ticks(*ends, min(int(room), MOST_TICKS))])


class Card(QWidget):
    """A small plot with its head; the tooltip is that of both."""

    def __init__(self, plot: Plot, name: str, tooltip: str) -> None:
        super().__init__()
        self.plot = plot
        self.head = PlotHead(name)
        self.setToolTip(tooltip)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.head)
        column.addWidget(plot, 1)


class TimePlot(CurvePlot):
    """One measure over t = 0..T; the other side's dashed, and a level to compare with dotted.

    Press or drag to move t, or with the arrow keys (Shift: one step), Home and End.
    """

    def __init__(self, theme: Theme, name: str, token: str, title: str) -> None:
        super().__init__(theme, token, small=True)
        self.setObjectName(f"{name}Plot")
        self.setAccessibleName(f"{title} over t")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._readout.hide()  # the value stands in the head
        compact(self)
        self.other = self.add_curve("text", width=1.2, dashed=True)
        self.level = self.add_curve("secondary", width=1.0, dashed=True)
        for behind in (self.other, self.level):
            behind.setZValue(-1)

    def show_curve(self, t: Array, values: Array, T: int, low: float, high: float) -> None:
        """Show `values` at `t` on an axis from `low` to `high`."""
        if (T, (low, high)) != (self.T, self.span):
            self.set_ranges(T, low, high)
            self._set_ticks()
        show_line(self.curve, t, np.clip(values, low, high))

    def show_other(self, t: Array, values: Array) -> None:
        """Show the other side's values at `t` on this axis, or none."""
        show_line(self.other, t, np.clip(values, *self.span))

    def show_level(self, value: float) -> None:
        """Show a value to compare with."""
        show_line(self.level, np.array([0.0, float(self.T)]), np.full(2, value))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Show as many ticks as there is room for."""
        super().resizeEvent(event)
        if hasattr(self, "level"):  # the base class resizes while it is being built
            self._set_ticks()

    def _set_ticks(self) -> None:
        """Place ticks, and leave room beside the first and the last that their text is whole."""
        box, T = self.getViewBox(), float(self.T)
        half = 4.0 + FIGURE * len(str(self.T))
        step = T / max(box.width() - half - FIGURE, 1.0)  # of t, to a pixel
        self.setXRange(-FIGURE * step, T + half * step, padding=0)
        set_ticks(self, (0.0, T), None if self.getAxis("left").powers else self.span)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Move t."""
        steps, _ = self.stride(bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier))
        t = round(self._cursor.value())
        places = {
            Qt.Key.Key_Left: t - steps,
            Qt.Key.Key_Right: t + steps,
            Qt.Key.Key_Home: 0,
            Qt.Key.Key_End: self.T,
        }
        if event.key() in places:
            self.t_dragged.emit(min(max(places[Qt.Key(event.key())], 0), self.T))
        else:
            super().keyPressEvent(event)


class SpectrumPlot(Plot):
    """Radial power spectra, log-log: the signal against the noise floor; what drowned is shaded.

    The mean, frequency 0, stands by itself at the left.
    """

    def __init__(self, theme: Theme) -> None:
        self._drowned = pg.LinearRegionItem(movable=False)
        self._mean = pg.ScatterPlotItem(size=5, pxMode=True)
        super().__init__(theme, small=True)
        self.setObjectName("spectrumPlot")
        self.setAccessibleName("Radial power spectrum")
        self.set_power_ticks(True)
        compact(self)
        self.x_t = self.add_curve("disabled", width=1.0)
        self.floor = self.add_curve("secondary", width=1.6)
        self.signal = self.add_curve("alpha_bar", width=1.8)
        self._drowned.setZValue(-5)
        self._drowned.hide()
        for item in (self._drowned, self._mean):
            self.addItem(item, ignoreBounds=True)
        self._f: Array = np.zeros(0)
        self._tint()

    @property
    def drowned(self) -> tuple[float, float] | None:
        """The frequencies that are shaded, None where there are none."""
        if not self._drowned.isVisible():
            return None
        low, high = self._drowned.getRegion()
        return 10.0**low, 10.0**high

    def show_spectrum(self, spectrum: Spectrum) -> None:
        """Show the powers at one t."""
        places = np.log10(spectrum.f[1:])
        beside = self._fit_axes(spectrum, places)
        signal, floor, x_t = (
            np.log10(np.maximum(power, LEAST))
            for power in (spectrum.signal, spectrum.floor, spectrum.x_t)
        )
        show_line(self.signal, places, signal[1:])
        show_line(self.x_t, places, x_t[1:])
        ends = [beside - 0.12, beside + 0.12, np.nan]
        show_line(self.floor, np.r_[ends, places], np.r_[floor[0], floor[0], np.nan, floor[1:]])
        self._mean.setData([beside], [signal[0]])
        self._shade(spectrum, float(places[0]) if len(places) else 0.0)

    def _shade(self, spectrum: Spectrum, lowest: float) -> None:
        cutoff, highest = spectrum.cutoff, math.log10(max(spectrum.f[-1], LEAST))
        self._drowned.setVisible(bool(cutoff < spectrum.f[-1]))
        begin = math.log10(cutoff) if 0.0 < cutoff < math.inf else lowest
        self._drowned.setRegion((begin, highest))

    def _fit_axes(self, spectrum: Spectrum, places: Array) -> float:
        """Span what x_0 and white noise need; return where the mean stands."""
        if not len(places):  # one pixel: a mean and nothing else
            places = np.array([-1.0, 0.0])
        beside = float(places[0]) - 0.35
        if spectrum.f is not self._f:
            self._f = spectrum.f
            self.setXRange(beside - 0.2, float(places[-1]) + 0.02, padding=0)
            decades = [(math.log10(f), f"{f:g}") for f in (0.001, 0.01, 0.1, 0.5)]
            ticks = [tick for tick in decades if beside + APART <= tick[0] <= places[-1]]
            self.getAxis("bottom").setTicks([[(beside, "0"), *ticks]])
        powers = np.log10(np.maximum(spectrum.x_0, LEAST))
        high = math.ceil(max(float(powers.max()), 0.5))
        low = max(math.floor(min(float(powers[1:].min(initial=0.0)), -1.0)), -DECADES)
        self.setYRange(low, high, padding=0.03)
        return beside

    def _tint(self) -> None:
        super()._tint()
        tokens = self.theme.tokens
        shade = QColor(tokens.secondary)
        shade.setAlpha(36)
        self._drowned.setBrush(shade)
        edge = QColor(tokens.secondary)
        edge.setAlpha(0)
        for line in self._drowned.lines:
            line.setPen(self.line(edge, 1.0))
        self._mean.setBrush(pg.mkBrush(tokens.alpha_bar))
        self._mean.setPen(pg.mkPen(None))
