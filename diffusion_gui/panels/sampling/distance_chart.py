"""How far runs are from the first one of a comparison, over its steps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QMouseEvent, QResizeEvent

from diffusion_gui.panels.common.plot import Plot, show_line
from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.panels.images.measure_plots import set_ticks
from diffusion_gui.state.run_comparison import MOST_RUNS, Distances

LEAST = 0.01
"""Of the axis: what is equal has a scale as well."""


class DistanceChart(Plot):
    """A curve for each of the other runs; `step_wished` when a step of the first is pressed on."""

    step_wished = Signal(int)

    def __init__(self, theme: Theme) -> None:
        self._marker = pg.InfiniteLine(angle=90, movable=False)
        self.curves: list[pg.PlotDataItem] = []
        self._ends = 1, LEAST
        """The last step, the highest distance."""
        super().__init__(theme, small=True)
        self.setObjectName("distanceChart")
        self.setToolTip(
            "rms difference of 𝑥̂₀ to run A over the batch at each step of A, in units of [−1, 1]:\n"
            "of the 8-bit frames, so what is below 0.004 may show as 0. Press to go to a step."
        )
        self.curves = [self.add_curve("secondary", width=1.6) for _ in range(MOST_RUNS - 1)]
        self.addItem(self._marker, ignoreBounds=True)
        self._tint()

    def set_distances(self, distances: Sequence[Distances], num_steps: int) -> None:
        """Show how far each of the runs is; the axis spans the whole first run."""
        for number, curve in enumerate(self.curves):
            some = distances[number] if number < len(distances) else None
            steps, values = (some.steps, some.values) if some else ((), ())
            show_line(curve, np.asarray(steps, float), np.asarray(values, float))
        highest = max((max(one.values, default=0.0) for one in distances), default=0.0)
        self._ends = max(num_steps, 1), max(highest, LEAST)
        self.setXRange(0, self._ends[0], padding=0.03)
        self.setYRange(-0.03 * self._ends[1], 1.08 * self._ends[1], padding=0)
        self._set_ticks()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Show as many ticks as there is room for."""
        super().resizeEvent(event)
        if self.curves:  # the base class resizes while it is being built
            self._set_ticks()

    def _set_ticks(self) -> None:
        steps, highest = self._ends
        set_ticks(self, (0.0, float(steps)), (0.0, highest))

    def set_step(self, step: int) -> None:
        """Move the marker."""
        self._marker.setPos(step)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Go to the step under the mouse."""
        if event.buttons() & Qt.MouseButton.LeftButton:
            scene = self.viewportTransform().inverted()[0].map(event.position())
            self.step_wished.emit(max(round(self.getViewBox().mapSceneToView(scene).x()), 0))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Let the step follow the mouse."""
        self.mousePressEvent(event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Nothing is left to do."""

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Treat a double click as a press."""
        self.mousePressEvent(event)

    def wheelEvent(self, event: object) -> None:
        """Ignore the wheel: the chart always shows the whole run."""

    def _tint(self) -> None:
        super()._tint()
        self._marker.setPen(self.line(self.theme.tokens.cursor, 1.5))
        for curve, colour in zip(self.curves, self.theme.tokens.pins, strict=False):
            curve.setPen(self.line(colour, 1.6))
