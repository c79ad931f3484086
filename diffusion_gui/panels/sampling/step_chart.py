"""A small chart of one number over the steps of a run, with its head; charts are linked by steps.

The mouse and the step on show are the page's: see `step_charts.py`.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QEvent, QPoint, Qt, Signal
from PySide6.QtGui import QMouseEvent, QResizeEvent
from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget

from diffusion_gui.panels.common.plot import Plot, show_line
from diffusion_gui.panels.common.plot_head import PlotHead
from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.panels.images.measure_plots import compact, set_ticks
from diffusion_gui.panels.sampling.sample_colours import sample_colour
from diffusion_gui.state.run_comparison import MOST_RUNS
from diffusion_gui.state.step_series import NOTHING, Array, Series

NO_STEP = -1
FIGURE = 4.0
"""Half the width in pixels of a figure."""
MESSAGE_LEFT, MESSAGE_BELOW = 36, 16
"""Pixels of the axes, which a message leaves free."""
LOW, HIGH = 1e-9, 1e9
"""Ends of what a logarithmic axis shows."""


class StepPlot(Plot):
    """The curve of the batch, a thin one of the chosen picture, dashed ones of the compared runs.

    Press or drag to choose a step; `hovered` tells the step under the mouse, NO_STEP when it goes.
    """

    step_dragged = Signal(int)
    hovered = Signal(int)

    def __init__(
        self, theme: Theme, name: str, title: str, token: str, log: bool, zero: bool = True
    ) -> None:
        self.marker = pg.InfiniteLine(angle=90, movable=False)
        self.hover = pg.InfiniteLine(angle=90, movable=False)
        super().__init__(theme, small=True)
        self.setObjectName(f"{name}StepPlot")
        self.setAccessibleName(f"{title} over the steps of the run")
        self.setToolTip("Press or drag: look at that step")
        self.setMinimumHeight(44)
        self.setMouseTracking(True)
        self.viewport().setMouseTracking(True)
        self._log, self._zero = log, zero and not log
        self._span = (0.0, 1.0)
        self._num_steps = 1
        compact(self)
        self.set_power_ticks(log)
        self.others = [
            self.add_curve("secondary", width=1.2, dashed=True) for _ in range(MOST_RUNS)
        ]
        """By the place of their run in the comparison."""
        self.image = pg.PlotDataItem(connect="finite", antialias=True)
        self.addItem(self.image)
        self.image.setZValue(1)
        self._chosen = 0
        self.curve = self.add_curve(token, width=1.6)
        for line in (self.marker, self.hover):
            self.addItem(line, ignoreBounds=True)
        self.hover.hide()
        self.message = QLabel(self)
        self.message.setProperty("role", "caption")
        self.message.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.message.setWordWrap(True)
        self.message.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.message.hide()
        self._tint()

    @property
    def num_steps(self) -> int:
        """The last step of the axis."""
        return self._num_steps

    def show_series(
        self, series: Series, image: int | None, others: Mapping[int, Series], num_steps: int
    ) -> None:
        """Show a curve, that of one of its pictures, and those of other runs by their place."""
        values = [self._placed(series.values)]
        show_line(self.curve, series.steps, values[0])
        chosen = series.each[:, image] if series.each is not None and image is not None else None
        values.append(self._placed(np.zeros(0) if chosen is None else chosen))
        if image is not None and image != self._chosen:
            self._chosen = image
            self._tint_image()
        show_line(self.image, series.steps if chosen is not None else np.zeros(0), values[1])
        for place, curve in enumerate(self.others):
            beside = others.get(place, NOTHING)
            values.append(self._placed(beside.values))
            show_line(curve, beside.steps, values[-1])
        self._fit(np.concatenate(values), num_steps)

    def set_message(self, text: str) -> None:
        """Say in the place of curves and marks why there are none; "" says nothing."""
        self.message.setText(text)
        self.message.setVisible(bool(text))
        self.marker.setVisible(not text)

    def set_step(self, step: int) -> None:
        """Move the marker."""
        self.marker.setPos(step)

    def set_hovered(self, step: int) -> None:
        """Show a fine line at the step under the mouse, of whichever chart it is over."""
        self.hover.setVisible(step != NO_STEP and not self.message.text())
        self.hover.setPos(step)

    def step_at(self, place: QPoint) -> int:
        """Return the step nearest to a place in the widget."""
        scene = self.mapToScene(place)
        step = round(self.getViewBox().mapSceneToView(scene).x())
        return min(max(step, 0), self._num_steps)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Choose the step under the mouse."""
        if event.button() is Qt.MouseButton.LeftButton:
            self.step_dragged.emit(self.step_at(event.position().toPoint()))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Tell the step under the mouse, or let the step on show follow it."""
        step = self.step_at(event.position().toPoint())
        if event.buttons() & Qt.MouseButton.LeftButton:
            self.step_dragged.emit(step)
        self.hovered.emit(step)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Nothing is left to do: the step already follows."""

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Treat a double click as a press."""
        self.mousePressEvent(event)

    def wheelEvent(self, event: object) -> None:
        """Ignore the wheel: the chart always shows the whole run."""

    def leaveEvent(self, event: QEvent) -> None:
        """Say that the mouse has gone."""
        super().leaveEvent(event)
        self.hovered.emit(NO_STEP)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Show as many ticks as there is room for."""
        super().resizeEvent(event)
        if hasattr(self, "curve"):  # the base class resizes while it is being built
            self._set_ticks()
            self.message.setGeometry(self.rect().adjusted(MESSAGE_LEFT, 0, 0, -MESSAGE_BELOW))

    def _placed(self, values: Array) -> Array:
        """Return where values stand on the axis, NaN where they do not."""
        values = np.where(np.isfinite(values), values, np.nan)
        if not self._log:
            return values
        return np.log10(np.where((values > LOW) & (values < HIGH), values, np.nan))

    def _fit(self, places: Array, num_steps: int) -> None:
        finite = places[np.isfinite(places)]
        low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
        if self._zero:
            low = min(low, 0.0)
        if high - low < 1e-6:
            middle = 0.0 if self._zero else 0.5
            low, high = low - middle, low + 1.0 - middle
        if (low, high) != self._span or num_steps != self._num_steps:
            self._span, self._num_steps = (low, high), max(num_steps, 1)
            room = 0.06 * (high - low)
            self.setYRange(low - room, high + room, padding=0)
            self._set_ticks()

    def _set_ticks(self) -> None:
        """Place ticks, and leave room beside the last one that its text is whole."""
        width, last = self.getViewBox().width(), float(self._num_steps)
        half = FIGURE * len(str(self._num_steps))
        step = last / max(width - half - FIGURE, 1.0)  # to a pixel
        self.setXRange(-FIGURE * step, last + half * step, padding=0)
        set_ticks(self, (0.0, last), None if self._log else self._span)

    def _tint(self) -> None:
        super()._tint()
        self.marker.setPen(self.line(self.theme.tokens.cursor, 1.5))
        self.hover.setPen(self.line(self.theme.tokens.secondary, 1.0))
        if hasattr(self, "_chosen"):  # the base class tints while it is being built
            self._tint_image()
            self._tint_others()

    def _tint_others(self) -> None:
        """Give the runs the colours that their distances have in the comparison."""
        for place, curve in enumerate(self.others[1:]):
            pen = self.line(self.theme.tokens.pins[place], 1.2)
            pen.setStyle(Qt.PenStyle.DashLine)
            curve.setPen(pen)

    def _tint_image(self) -> None:
        self.image.setPen(self.line(sample_colour(self.theme, self._chosen), 1.2))


class StepCard(QWidget):
    """A chart with its head above it; the tooltip is that of both."""

    def __init__(self, plot: StepPlot, names: tuple[str, ...], tooltip: str) -> None:
        super().__init__()
        self.plot = plot
        self.head = PlotHead(*names)
        self.setToolTip(tooltip)
        plot.setToolTip(f"{tooltip}\n{plot.toolTip()}")
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.head)
        column.addWidget(plot, 1)
