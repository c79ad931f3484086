"""The histogram of x_t against the density of N(0, 1), which it becomes at t = T."""

from __future__ import annotations

import math

import numpy as np
import pyqtgraph as pg
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QVBoxLayout, QWidget

from diffusion_gui.engine.images import FloatImage
from diffusion_gui.engine.measures import (
    BINS,
    EDGES,
    REACH,
    histogram,
    kl_bias,
    kl_to_normal,
)
from diffusion_gui.engine.numerals import spelled
from diffusion_gui.panels.common.plot import Plot
from diffusion_gui.panels.common.plot_head import PlotHead
from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.panels.images.measure_plots import compact, set_ticks

LEAST_HIGH = 0.45
"""The axis shows the density of N(0, 1) whole."""
STAIR = 1.15
"""From one end of the axis to the next."""
BESIDE = 10.0
"""Pixels beside -4 and 4, so that the text of both is whole."""
NARROW = 100.0
"""Up to so many pixels of width only the ends and 0 have a tick."""
WIDEST = "0.00048"
"""No KL of the head is written wider than this."""
_NAMES = ("histogram of 𝑥ₜ", "histogram", "𝑥ₜ")
_HELP = (
    "Histogram of the values of 𝑥ₜ (not clipped), as a density.\nDashed: N(0, 1), the noise that 𝑥ₜ"
    " has become at t = T.\nKL: how far apart they are, Σ p ln(p / q) over the {bins} bins, in"
    " nats;\nso many draws of N(0, 1) itself show {bias} on average."
)


class HistogramView(QWidget):
    """Density of the values of x_t over -4..4, beside the standard normal density (dashed)."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.setAccessibleName("Histogram of 𝑥ₜ")
        self._theme = theme
        self.plot = Plot(theme, small=True)
        self._filled = self.plot.add_curve("alpha_bar", width=1.6)
        self._filled.setFillLevel(0.0)
        normal = self.plot.add_curve("secondary", width=1.2, dashed=True)
        self._centres = 0.5 * (EDGES[1:] + EDGES[:-1])
        normal.setData(self._centres, np.exp(-0.5 * self._centres**2) / np.sqrt(2.0 * np.pi))
        compact(self.plot)
        self._high = LEAST_HIGH
        self.head = PlotHead(*_NAMES, widest=_ways(WIDEST))
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.head)
        column.addWidget(self.plot, 1)
        self._fit_height()
        self.plot.getViewBox().sigResized.connect(self._fit)
        theme.changed.connect(self._tint)
        self._tint()

    def set_side(self, side: str) -> None:
        """Say under which side, A or B, or "" while there is one only."""
        self.head.set_names(
            *(f"{name}  {side}".rstrip() for name in (*_NAMES, "")[: 3 + bool(side)])
        )

    def set_values(self, values: FloatImage) -> None:
        """Show the distribution of `values`; what lies beyond +-4 counts into the end bins."""
        if values.size == 0:
            return
        counts = histogram(values)
        density = counts / (values.size * 2.0 * REACH / BINS)
        self._filled.setData(self._centres, density)
        high = _rounded_up(float(np.sort(density)[-3]))
        if high != self._high:
            self._high = high
            self._fit_height()
        self.head.set_value(*_ways(nats(kl_to_normal(counts))))
        self.setToolTip(_HELP.format(bins=BINS, bias=spelled(kl_bias(values.size), 2)))

    def _fit_height(self) -> None:
        self.plot.setYRange(0.0, self._high, padding=0.05)
        set_ticks(self.plot, None, (0.0, self._high))

    def _fit(self) -> None:
        """Show as many ticks as there is room for."""
        box = self.plot.getViewBox()
        beside = 2.0 * REACH * BESIDE / max(box.width() - 2.0 * BESIDE, 1.0)
        self.plot.setXRange(-REACH - beside, REACH + beside, padding=0.0)
        step = 2 if box.width() > NARROW else 4
        places = range(-int(REACH), int(REACH) + 1, step)
        ticks = [(float(place), str(place).replace("-", "−")) for place in places]
        self.plot.getAxis("bottom").setTicks([ticks])
        set_ticks(self.plot, None, (0.0, self._high))

    def _tint(self) -> None:
        colour = QColor(self._theme.tokens.alpha_bar)
        colour.setAlpha(50)
        self._filled.setBrush(pg.mkBrush(colour))


def _rounded_up(density: float) -> float:
    """Return an end of the axis that stays while the density changes a little: so do its ticks."""
    stairs = math.ceil(math.log(max(density / LEAST_HIGH, 1.0), STAIR) - 1e-9)
    return float(LEAST_HIGH * STAIR**stairs)


def _ways(kl: str) -> tuple[str, ...]:
    """Return a KL divergence as it is written, the longest first."""
    return f"KL {kl} nat", f"KL {kl}"


def nats(kl: float) -> str:
    """Return a KL divergence with sensible digits: 0.00048, 0.031, 1.24."""
    return spelled(kl, 3 if kl >= 1.0 else 2)
