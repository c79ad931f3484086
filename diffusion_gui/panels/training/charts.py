"""The two charts of a training: its loss over the steps, and over the noise levels."""

from __future__ import annotations

import math

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QPointF
from PySide6.QtGui import QColor, QPainterPath, QResizeEvent
from PySide6.QtWidgets import QGraphicsPathItem, QVBoxLayout, QWidget

from diffusion_gui.engine.numerals import spelled
from diffusion_gui.engine.training.densities import Density
from diffusion_gui.engine.training.loss_by_level import Numbers
from diffusion_gui.panels.common.plot import Plot, show_line
from diffusion_gui.panels.common.plot_head import PlotHead
from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.panels.images.measure_plots import compact, even_ticks, set_ticks

LEAST = 1e-6
FEW = 4.0
"""A bin whose mean rests on fewer pictures says nothing yet."""
DENSITY_SHARE = 0.3
"""Share of the level chart's height that the density of the levels takes."""


class LossPlot(Plot):
    """Raw and smoothed loss by step, log10."""

    def __init__(self, theme: Theme) -> None:
        super().__init__(theme, small=True)
        self.setObjectName("lossPlot")
        self.setAccessibleName("Loss over the steps of the training")
        compact(self)
        self.set_power_ticks(True)
        self.raw = self.add_curve("disabled", width=1.0)
        self.smooth = self.add_curve("accent", width=2.0)
        self._ends = 0.0, 1.0

    def show_curve(self, steps: Numbers, losses: Numbers, smoothed: Numbers) -> None:
        """Show the curve so far."""
        show_line(self.raw, steps, np.log10(np.maximum(losses, LEAST)))
        show_line(self.smooth, steps, np.log10(np.maximum(smoothed, LEAST)))
        if len(steps):
            values = np.log10(np.maximum(np.r_[losses, smoothed], LEAST))
            low, high = np.quantile(values, [0.005, 0.995])
            middle, half = (low + high) / 2, max((high - low) / 2, 0.15)
            self._ends = 0.0, max(float(steps[-1]), 1.0)
            self.setXRange(*self._ends, padding=0.02)
            self.setYRange(middle - half, middle + half, padding=0.08)
            self._set_ticks(middle - half, middle + half)
        else:
            for name in ("left", "bottom"):
                self.getAxis(name).setTicks([[]])

    def _set_ticks(self, low: float, high: float) -> None:
        set_ticks(self, self._ends, None)
        powers = high - low >= 2.0  # below that, whole powers of ten would be a tick or two
        self.set_power_ticks(powers)
        if powers:
            self.getAxis("left").setTicks(None)
            return
        most = int(min(max(self.getViewBox().height() / 18, 2), 5))
        places = even_ticks(10.0**low, 10.0**high, most)
        ticks = [(math.log10(value), text) for value, text in places if value > 0.0]
        self.getAxis("left").setTicks([ticks])


class LevelPlot(Plot):
    """Loss by ln sigma; below it how often the training sees each level."""

    def __init__(self, theme: Theme) -> None:
        self._area = QGraphicsPathItem()
        self.cursor = pg.InfiniteLine(angle=90, movable=False)
        super().__init__(theme, small=True)
        self.setObjectName("levelPlot")
        self.setAccessibleName("Loss over the noise levels, and how often each is trained")
        compact(self)
        self.density = self.add_curve("sigma", width=1.2)
        self.curve = self.add_curve("accent", width=2.0)
        self.points = pg.ScatterPlotItem(size=4, pxMode=True)
        self.addItem(self.points)
        self.addItem(self._area, ignoreBounds=True)
        self._area.setZValue(-5)
        self.addItem(self.cursor, ignoreBounds=True)
        self._density: Density | None = None
        self._ends = -6.2, 5.1
        self._top = 1.0
        self._tint()

    def show_levels(self, at: Numbers, losses: Numbers, seen: Numbers) -> None:
        """Show the mean loss of bins at ln sigma `at`; those with few pictures are left out."""
        fine = np.isfinite(losses) & (seen >= FEW)
        shown = np.where(fine, losses, np.nan)
        top = float(np.nanmax(shown)) if fine.any() else 1.0
        self._top = max(1.05 * top, 0.1)
        show_line(self.curve, at, shown)
        self.points.setData(at[fine], losses[fine])
        self._fit()

    def show_density(self, density: Density) -> None:
        """Show how often each level is trained."""
        self._density = density
        self._fit()

    def set_time(self, sigma: float) -> None:
        """Put the time cursor where the schedule's level is."""
        inside = self._ends[0] < math.log(max(sigma, 1e-9)) < self._ends[1]
        self.cursor.setVisible(inside)
        if inside:
            self.cursor.setPos(math.log(sigma))

    def _fit(self) -> None:
        low = -DENSITY_SHARE * self._top
        self.setXRange(*self._ends, padding=0)
        self.setYRange(low, self._top, padding=0.02)
        density = self._density
        if density is not None:
            peak = max(float(density.values.max(initial=0.0)), 1e-12)
            heights = low - 0.95 * low * density.values / peak
            show_line(self.density, density.at, heights)
            path = QPainterPath(QPointF(density.at[0], low))
            for x, y in zip(density.at, heights, strict=True):
                path.lineTo(x, y)
            path.lineTo(density.at[-1], low)
            self._area.setPath(path)
        self._set_ticks()

    def _set_ticks(self) -> None:
        """Place ticks at whole powers of ten of sigma, and at losses from 0 up."""
        powers = [(n * math.log(10.0), _power(n)) for n in range(-2, 3)]
        self.getAxis("bottom").setTicks([powers])
        most = max(self.getViewBox().height() * (1.0 - DENSITY_SHARE) / 18, 1.0)
        steps = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 100)
        step = next((s for s in steps if self._top / s <= most), 1e9)
        ticks = [n * step for n in range(int(self._top / step) + 1)]
        self.getAxis("left").setTicks([[(value, f"{value:g}") for value in ticks]])

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Keep the ticks."""
        super().resizeEvent(event)
        if hasattr(self, "_top"):
            self._set_ticks()

    def _tint(self) -> None:
        super()._tint()
        if not hasattr(self, "points"):
            return
        tokens = self.theme.tokens
        self.cursor.setPen(self.line(tokens.cursor, 2.0))
        shade = QColor(tokens.sigma)
        shade.setAlpha(50)
        self._area.setBrush(shade)
        self._area.setPen(pg.mkPen(None))
        self.points.setBrush(pg.mkBrush(tokens.accent))
        self.points.setPen(pg.mkPen(None))


class Charts(QWidget):
    """Both charts, one above the other, each with its head."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.loss = LossPlot(theme)
        self.levels = LevelPlot(theme)
        self.loss_head = PlotHead("loss by step", "loss")
        self.level_head = PlotHead("loss by noise level σ, trained how often", "loss by σ", "σ")
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        for head, plot, tooltip in (
            (
                self.loss_head,
                self.loss,
                "Weighted loss of every step (grey) and its mean over about 100 steps.\n"
                "How well a network samples is rather seen in the other chart and in the samples.",
            ),
            (
                self.level_head,
                self.levels,
                "Error of the network's output at each noise level, 1 = no better than guessing\n"
                "the mean. Filled: how often the training sees that level. Where it hardly looks,\n"
                "the network learns little: that is why a schedule matters.\n"
                "The amber line is where t stands.",
            ),
        ):
            head.setToolTip(tooltip)
            plot.setToolTip(tooltip)
            plot.setMinimumHeight(48)
            column.addWidget(head)
            column.addWidget(plot, 1)
        self.setMinimumWidth(200)


def _power(n: int) -> str:
    return "σ = 1" if n == 0 else spelled(10.0**n)
