"""The themed plot: curves over t with the shared time cursor.

pyqtgraph draws; the mouse is handled here, because its own draggable items ignore log axes. The
value axis shows whatever numbers the curve is given: a log axis is a curve of log10 values with
`set_power_ticks`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, QSizeF, Qt, Signal
from PySide6.QtGui import QColor, QFocusEvent, QFont, QMouseEvent, QPen, QPixmapCache, QResizeEvent

from diffusion_gui.panels.common.theme import Theme

HANDLE_ROOM = 8.0
"""Pixels above and below the values: half a handle and its ring."""
SMALL_ROOM = 3.0
"""Pixels above and below in a small plot, which has no handles."""
GAP_BESIDE = 4.0
"""Pixels between the cursor and its text."""
AXES_KIB = 128 << 10
"""Room for the drawn axes of all plots; where one is short they are drawn anew at every repaint."""
FLOOR = 16.0
"""Pixels above the axis that belong to what stands on it."""
ARROWS = {
    Qt.Key.Key_Up: (0.0, 1.0),
    Qt.Key.Key_Down: (0.0, -1.0),
    Qt.Key.Key_Left: (-1.0, 0.0),
    Qt.Key.Key_Right: (1.0, 0.0),
}
"""Where an arrow key goes: to the right, up."""
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


class _ValueAxis(pg.AxisItem):
    """A value axis; with `powers` its ticks are whole powers of ten, for curves of log10 values."""

    powers = False
    overhang = 0.0
    """Pixels by which the text of the first and the last tick may stand out below and above."""

    def boundingRect(self) -> QRectF:
        """Keep room for text that stands out: pyqtgraph leaves out what is cut."""
        return super().boundingRect().adjusted(0.0, -self.overhang, 0.0, self.overhang)

    def tickSpacing(self, minVal: float, maxVal: float, size: float) -> list[tuple[float, float]]:
        """Return one level of ticks, at least one unit apart, for powers."""
        if not self.powers:
            return super().tickSpacing(minVal, maxVal, size)
        room = max(size / 22.0, 1.0)
        step = max(1.0, np.ceil((maxVal - minVal) / room))
        return [(step, 0.0)]

    def tickStrings(self, values: Sequence[float], scale: float, spacing: float) -> list[str]:
        """Return 10 to the power of each value, for powers."""
        if not self.powers:
            return super().tickStrings(values, scale, spacing)
        return ["10" + str(round(v)).translate(_SUPERSCRIPT) for v in values]


def show_line(item: pg.PlotDataItem, x: np.ndarray, y: np.ndarray) -> None:
    """Let `item` show a line; none where no value is finite, a path that crashes Qt's painter."""
    some = bool(np.isfinite(y).any())
    if not some and item.xData is None:
        return  # to empty what is empty takes as long as a curve
    item.setData(x if some else [], y if some else [])


class Plot(pg.PlotWidget):
    """A still plot in the theme's colours: no pan, no zoom, no context menu."""

    scale_changed = Signal()
    """The plot is on a screen of another scale: pens are others."""

    def __init__(self, theme: Theme, small: bool = False) -> None:
        super().__init__(axisItems={"left": _ValueAxis("left")}, enableMenu=False)
        self.theme = theme
        self._small = small
        self._pens: list[tuple[pg.PlotDataItem, str, float, bool]] = []
        self.hideButtons()
        self.setMouseEnabled(False, False)
        self.setFrameShape(self.Shape.NoFrame)
        self.setAntialiasing(True)
        self.setAcceptDrops(False)  # drops are the window's
        self.viewport().setAcceptDrops(False)
        font = QFont(self.font())
        font.setPixelSize(11)
        QPixmapCache.setCacheLimit(max(QPixmapCache.cacheLimit(), AXES_KIB))
        for name in ("left", "bottom", "right", "top"):  # no units: else each range writes a label
            self.getAxis(name).enableAutoSIPrefix(False)
        for name in ("left", "bottom"):
            axis = self.getAxis(name)
            axis.setZValue(-10)  # grid lines stay below curves and handles
            axis.setCacheMode(axis.CacheMode.DeviceCoordinateCache)  # 14 of 17 ms of a repaint
            axis.setStyle(
                tickFont=font, tickLength=4, tickTextOffset=4, hideOverlappingLabels=False
            )
        if small:
            self.getAxis("left").setWidth(34)
        self.plotItem.setContentsMargins(0, 6, 14, 0)
        theme.changed.connect(self._tint)
        self._tint()

    def sizeHint(self) -> QSize:
        """Leave the size to the layout."""
        return QSize(200, 80 if self._small else 160)

    def add_curve(self, token: str, width: float = 2.4, dashed: bool = False) -> pg.PlotDataItem:
        """Add a curve in the colour of a theme token; fill it with `setData`."""
        curve = pg.PlotDataItem(connect="finite", antialias=True)
        self.addItem(curve)
        self._pens.append((curve, token, width, dashed))
        curve.setPen(self._pen(token, width, dashed))
        return curve

    def set_power_ticks(self, powers: bool) -> None:
        """Label the value axis with powers of ten, for curves given as log10 values, or not."""
        axis = self.getAxis("left")
        if axis.powers != powers:
            axis.powers = powers
            axis.picture = None
            axis.update()

    def line(self, colour: object, width: float) -> QPen:
        """Return a pen that is `width` pixels wide on any screen.

        pyqtgraph's own count the screen's pixels, of which a scaled one has more.
        """
        return pg.mkPen(colour, width=width * self.devicePixelRatioF())

    def event(self, event: QEvent) -> bool:
        """Draw with other pens on a screen of another scale."""
        if event.type() == QEvent.Type.DevicePixelRatioChange:
            self._tint()
            self.scale_changed.emit()
        return bool(super().event(event))

    def _pen(self, token: str, width: float, dashed: bool = False) -> QPen:
        pen = self.line(getattr(self.theme.tokens, token), width)
        pen.setStyle(Qt.PenStyle.DashLine if dashed else Qt.PenStyle.SolidLine)
        return pen

    def _tint(self) -> None:
        tokens = self.theme.tokens
        self.setBackground(tokens.panel)
        for name in ("left", "bottom"):
            axis = self.getAxis(name)
            axis.setPen(self.line(tokens.hairline, 1.0))
            axis.setTextPen(pg.mkPen(tokens.secondary))
            axis.setGrid(40)
        for curve, token, width, dashed in self._pens:
            curve.setPen(self._pen(token, width, dashed))


class CurvePlot(Plot):
    """A plot over t = 0..T with the time cursor: press or drag anywhere to move it."""

    t_dragged = Signal(int)

    def __init__(self, theme: Theme, token: str, small: bool = False) -> None:
        self._cursor = pg.InfiniteLine(angle=90, movable=False)
        self._readout = pg.TextItem(anchor=(0, 0))
        self._token = token
        self._ringed = False
        super().__init__(theme, small)
        self.curve = self.add_curve(token, width=1.6 if small else 2.4)
        self._T = 1
        self._room = SMALL_ROOM if small else HANDLE_ROOM
        self.room_below = 0.0
        """Pixels kept free below the handles, for what stands on the axis."""
        self._fitted = False
        self._value_there = 0.0
        self._text_size = QSizeF()
        self.span = (0.0, 1.0)
        """Lowest and highest value of the axis, without its margin."""
        self._cursor.setZValue(5)
        self._readout.setZValue(6)
        self.addItem(self._cursor, ignoreBounds=True)
        self.addItem(self._readout, ignoreBounds=True)
        self._tint()

    @property
    def readout(self) -> str:
        """The text beside the cursor."""
        return str(self._readout.toPlainText())

    @property
    def T(self) -> int:
        """The last t of the axis."""
        return self._T

    def stride(self, fine: bool) -> tuple[int, float]:
        """Return how far an arrow key goes: steps of t, and a piece of the value axis."""
        low, high = self.span
        if fine:
            return 1, 0.001 * (high - low)
        return max(1, round(self._T / 100)), 0.01 * (high - low)

    def set_time(self, t: int, value: float, text: str) -> None:
        """Move the cursor and write `text` beside it, away from the curve's `value` there."""
        self._cursor.setPos(t)
        self._value_there = value
        if text != self.readout:
            self._readout.setText(text)
            self._text_size = self._readout.textItem.boundingRect().size()
        self._place_readout()

    def _place_readout(self) -> None:
        """Put the text beside the cursor where nothing lies under it, if there is such a corner."""
        (first, last), (low, high) = self.getViewBox().viewRange()
        t, size, (wide, tall) = float(self._cursor.value()), self._text_size, self.pixel()
        width, height, floor = (
            (size.width() + GAP_BESIDE) * wide,
            size.height() * tall,
            FLOOR * tall,
        )
        above, left = self._value_there < 0.5 * (low + high), t > 0.5 * self._T
        best, least = (above, left), np.inf
        for place in ((above, left), (above, not left), (not above, left), (not above, not left)):
            bottom = high - height if place[0] else low + floor
            start = t - width if place[1] else t
            if first <= start and start + width <= last:
                hidden = self._hidden_by(start, start + width, bottom, bottom + height)
                if hidden < least:
                    best, least = place, hidden
            if least == 0:
                break
        above, left = best
        beside = GAP_BESIDE / max(size.width(), 1.0)
        self._readout.setAnchor((1.0 + beside if left else -beside, 0.0 if above else 1.0))
        self._readout.setPos(t, high if above else low + floor)

    def pixel(self) -> tuple[float, float]:
        """Return how many steps of t and how much of the value axis a pixel is."""
        box = self.getViewBox()
        (first, last), (low, high) = box.viewRange()
        return (last - first) / max(box.width(), 1.0), (high - low) / max(box.height(), 1.0)

    def _hidden_by(self, t0: float, t1: float, bottom: float, top: float) -> int:
        """Return how many things a rectangle of the axes would cover: the curve is one."""
        t, value = self.curve.xData, self.curve.yData
        if t is None or not len(t):
            return 0
        inside = value[np.searchsorted(t, t0) : np.searchsorted(t, t1)]
        run = np.r_[np.interp((t0, t1), t, value), inside]
        return int(np.any(run <= top) and np.any(run >= bottom))

    def set_ranges(self, T: int, low: float, high: float) -> None:
        """Show t = 0..T and values low..high, with a margin for handles at the ends."""
        if (T, (low, high)) != (self._T, self.span) or not self._fitted:
            self._T, self.span, self._fitted = T, (low, high), True
            self.setXRange(-0.015 * T, 1.05 * T, padding=0)  # room for the label of T
            self._fit_height()

    def _fit_height(self) -> None:
        """Leave room for half a handle above and below, however small the plot is."""
        height = max(self.getViewBox().height(), 4.0 * self._room + self.room_below)
        room = max(0.04 * height, self._room)
        low, high = self.span
        value = (high - low) / (height - 2.0 * room - self.room_below)  # of a pixel
        self.setYRange(low - (room + self.room_below) * value, high + room * value, padding=0)
        self._place_readout()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Keep the margin in pixels."""
        super().resizeEvent(event)
        if hasattr(self, "span"):  # the base class resizes while it is being built
            self._fit_height()

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Show a ring when the keyboard comes here by a key: with the mouse one knows where."""
        super().focusInEvent(event)
        mouse = (Qt.FocusReason.MouseFocusReason, Qt.FocusReason.ActiveWindowFocusReason)
        if event.reason() not in mouse:
            self._ringed = True
            self._show_ring()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Take the ring away."""
        super().focusOutEvent(event)
        if event.reason() is not Qt.FocusReason.ActiveWindowFocusReason:
            self._ringed = False
            self._show_ring()

    def _show_ring(self) -> None:
        ring = self.line(self.theme.tokens.accent, 1.5) if self._ringed else None
        self.getViewBox().setBorder(ring)

    def to_data(self, position: QPointF) -> QPointF:
        """Map a mouse position to (t, value)."""
        scene = self.viewportTransform().inverted()[0].map(position)
        return self.getViewBox().mapSceneToView(scene)

    def to_pixel(self, t: float, value: float) -> QPointF:
        """Map (t, value) to a position in the widget."""
        return self.viewportTransform().map(self.getViewBox().mapViewToScene(QPointF(t, value)))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Move the time cursor to the press."""
        if event.button() is Qt.MouseButton.LeftButton:
            self.t_dragged.emit(round(self.to_data(event.position()).x()))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Let the time cursor follow the mouse."""
        if event.buttons() & Qt.MouseButton.LeftButton:
            self.t_dragged.emit(round(self.to_data(event.position()).x()))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Nothing is left to do: the cursor already follows."""

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Treat a double click as a press."""
        self.mousePressEvent(event)

    def wheelEvent(self, event: object) -> None:
        """Ignore the wheel: the plot always shows the whole schedule."""

    def _tint(self) -> None:
        super()._tint()
        self._cursor.setPen(self.line(self.theme.tokens.cursor, 2.0))
        self._readout.setColor(QColor(getattr(self.theme.tokens, self._token)))
        self._show_ring()
        behind = QColor(self.theme.tokens.panel)
        behind.setAlpha(200)  # legible over curves that it is compared with
        self._readout.fill = pg.mkBrush(behind)
