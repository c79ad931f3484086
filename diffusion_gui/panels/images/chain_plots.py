"""The plots of the chain page: noise variance over t, and both residuals against N(0, 1)."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QVBoxLayout, QWidget

from diffusion_gui.engine.chain import BINS, REACH
from diffusion_gui.panels.common.picture import CAPTION
from diffusion_gui.panels.common.plot import CurvePlot, Plot
from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.panels.common.widgets import label
from diffusion_gui.state.chain import Look

POINTS = 24
"""Most points of the recursion in its plot."""


class VariancePlot(CurvePlot):
    """Noise variance over t: the closed form as a line, the recursion as points up to the chain."""

    def __init__(self, theme: Theme) -> None:
        self._points = pg.ScatterPlotItem(pxMode=True)
        super().__init__(theme, "alpha_bar")
        self._points.setZValue(4)
        self.addItem(self._points, ignoreBounds=True)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setObjectName("chainVariancePlot")
        self.setAccessibleName("Noise variance over t")
        self.setToolTip(
            "Noise variance 1 − ᾱ over t. Line: the closed form. Points: 𝑣 ← α 𝑣 + β, step by"
            " step.\nPress or drag to move t."
        )
        self._schedule: object = None
        self._readout.hide()  # the number stands in the table
        self._tint()

    @property
    def points(self) -> tuple[np.ndarray, np.ndarray]:
        """The points on show: t and variance."""
        return self._points.getData()

    def show_look(self, look: Look) -> None:
        """Show the chain's way so far."""
        schedule = look.schedule
        if schedule is not self._schedule:
            self._schedule = schedule
            self.curve.setData(np.arange(schedule.T + 1.0), 1.0 - schedule.alpha_bar)
            self.set_ranges(schedule.T, 0.0, 1.0)
        every = -(-schedule.T // POINTS)
        times = np.unique(np.r_[np.arange(0, look.k + 1, every), look.k])
        self._points.setData(times.astype(float), look.variances[times])
        self.set_time(look.t, look.closed[1], "")

    def _tint(self) -> None:
        super()._tint()
        tokens, scale = self.theme.tokens, self.devicePixelRatioF()
        self._points.setSize(7.0 * scale)
        self._points.setBrush(pg.mkBrush(tokens.beta))
        self._points.setPen(self.line(tokens.panel, 1.0))


class ResidualPlot(Plot):
    """Densities of both residuals, the jump's as an area, the chain's as points, and of N(0, 1)."""

    def __init__(self, theme: Theme) -> None:
        self._points = pg.ScatterPlotItem(pxMode=True)
        super().__init__(theme, small=True)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setObjectName("chainResidualPlot")
        self.setAccessibleName("Histogram of both residuals")
        self.setToolTip(
            "Histograms of 𝑟 = (𝑥ₜ − √ᾱ 𝑥₀) / √(1−ᾱ), the noise in both pictures, as densities."
            "\nPoints: chain. Area: closed form. Dashed: N(0, 1)."
        )
        edges = np.linspace(-REACH, REACH, BINS + 1)
        self._centres = 0.5 * (edges[1:] + edges[:-1])
        self.area = self.add_curve("alpha_bar", width=1.2)
        self.area.setFillLevel(0.0)
        normal = self.add_curve("secondary", width=1.2, dashed=True)
        normal.setData(self._centres, np.exp(-0.5 * self._centres**2) / np.sqrt(2.0 * np.pi))
        self.addItem(self._points, ignoreBounds=True)
        self.setXRange(-REACH, REACH, padding=0.0)
        self.setYRange(0.0, 0.45, padding=0.03)
        self._tint()

    @property
    def points(self) -> tuple[np.ndarray, np.ndarray]:
        """The points on show: residual and density of the chain."""
        return self._points.getData()

    def show_look(self, look: Look) -> None:
        """Show both densities, or none where there is no noise."""
        found = look.comparison
        if found is None:
            self.area.setData([], [])
            self._points.setData([], [])
        else:
            self.area.setData(self._centres, found.jump.density)
            self._points.setData(self._centres, found.chain.density)

    def _tint(self) -> None:
        super()._tint()
        tokens = self.theme.tokens
        if self._pens:
            fill = QColor(tokens.alpha_bar)
            fill.setAlpha(50)
            self.area.setBrush(pg.mkBrush(fill))
        self._points.setSize(4.0 * self.devicePixelRatioF())
        self._points.setBrush(pg.mkBrush(tokens.beta))
        self._points.setPen(pg.mkPen(None))


def titled(title: str, plot: Plot) -> QWidget:
    """Return a plot with a caption above it, as pictures have one."""
    head = label(title, "caption")
    head.setFixedHeight(CAPTION)
    head.setMinimumWidth(40)
    result = QWidget()
    column = QVBoxLayout(result)
    column.setContentsMargins(0, 0, 0, 0)
    column.setSpacing(0)
    column.addWidget(head)
    column.addWidget(plot, 1)
    return result
