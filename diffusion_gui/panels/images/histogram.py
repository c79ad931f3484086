"""The histogram of x_t against the density of N(0, 1), which it becomes at t = T."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QVBoxLayout, QWidget

from diffusion_gui.engine.images import FloatImage
from diffusion_gui.panels.common.picture import CAPTION
from diffusion_gui.panels.common.plot import Plot
from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.panels.common.widgets import label

RANGE = 4.0
BINS = 64


class HistogramView(QWidget):
    """Density of the values of x_t over -4..4, beside the standard normal density (dashed)."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.setToolTip(
            "Histogram of all values of 𝑥ₜ (not clipped), as a density.\nDashed: N(0, 1), the"
            " noise that 𝑥ₜ has become at t = T."
        )
        self.setAccessibleName("Histogram of 𝑥ₜ")
        self._theme = theme
        self.plot = Plot(theme, small=True)
        self._filled = self.plot.add_curve("alpha_bar", width=1.6)
        self._filled.setFillLevel(0.0)
        normal = self.plot.add_curve("secondary", width=1.2, dashed=True)
        self._edges = np.linspace(-RANGE, RANGE, BINS + 1)
        self._centres = 0.5 * (self._edges[1:] + self._edges[:-1])
        normal.setData(self._centres, np.exp(-0.5 * self._centres**2) / np.sqrt(2.0 * np.pi))
        self.plot.setXRange(-RANGE, RANGE, padding=0.0)
        head = label("histogram of 𝑥ₜ", "caption")
        head.setFixedHeight(CAPTION)
        head.setMinimumWidth(40)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(head)
        column.addWidget(self.plot, 1)
        theme.changed.connect(self._tint)
        self._tint()

    def set_values(self, values: FloatImage) -> None:
        """Show the distribution of `values`; what lies beyond +-4 counts into the end bins."""
        if values.size == 0:
            return
        places = (np.clip(values, -RANGE, RANGE) + RANGE) * (BINS / (2.0 * RANGE))
        counts = np.bincount(np.minimum(places.astype(int), BINS - 1), minlength=BINS)
        density = counts / (values.size * 2.0 * RANGE / BINS)
        self._filled.setData(self._centres, density)
        self.plot.setYRange(0.0, max(0.45, float(np.sort(density)[-3])), padding=0.05)

    def _tint(self) -> None:
        colour = QColor(self._theme.tokens.alpha_bar)
        colour.setAlpha(50)
        self._filled.setBrush(pg.mkBrush(colour))
