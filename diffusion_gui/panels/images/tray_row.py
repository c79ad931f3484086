"""A row of thumbnails: painted where in sight, scrolled by any wheel, dragged and dropped."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from PySide6.QtCore import QPersistentModelIndex, QPoint, QRectF, QSize, Qt, QTimer, Signal, Slot
from PySide6.QtGui import (
    QColor,
    QDrag,
    QDragEnterEvent,
    QDragLeaveEvent,
    QDragMoveEvent,
    QDropEvent,
    QHideEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QPixmap,
    QWheelEvent,
)
from PySide6.QtWidgets import (
    QAbstractItemView,
    QListView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
)

from diffusion_gui.panels.common.dropping import picture_ids, pictures_mime
from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.panels.images.tray_model import RADIUS, SIDE, Index, Thumbnails, TrayModel

MARGIN = 4
"""Room around a thumbnail for its ring."""
CELL = SIDE + 2 * MARGIN
BAR = 8
"""Height of the scroll bar below the thumbnails."""
PAINT_SECONDS = 0.006
"""For so long, and one at least, new thumbnails are made while the row is painted; then again."""
STACKED = 3
"""Most thumbnails under the mouse while several are dragged."""


class TrayRow(QListView):
    """Thumbnails in one row.

    `move_wished(ids, place)` when pictures were dragged to the gap before row `place`, 0..N.
    """

    move_wished = Signal(object, int)

    def __init__(self, model: TrayModel, thumbnails: Thumbnails, theme: Theme) -> None:
        super().__init__()
        self.setProperty("role", "tray")
        self.pictures = model
        self.theme = theme
        self.on_show = ""
        """The id of the picture with the stronger ring."""
        self._thumbnails = thumbnails
        self._gap = -1
        self._dragged_to = QPoint()
        self._paint_until = 0.0
        self._none_made = True
        self._later = QTimer(self, singleShot=True, interval=0)
        self._later.timeout.connect(self.viewport().update)
        self.setModel(model)
        self.setItemDelegate(_Painter(self))
        self._set_up()
        self.horizontalScrollBar().valueChanged.connect(self._on_scrolled)
        self.horizontalScrollBar().rangeChanged.connect(self._fit_height)
        theme.changed.connect(self.viewport().update)

    def _set_up(self) -> None:
        self.setFlow(QListView.Flow.LeftToRight)
        self.setWrapping(False)
        self.setUniformItemSizes(True)
        self.setGridSize(QSize(CELL, CELL))  # the layout asks for no row's size
        self.setDragEnabled(True)
        self.setAcceptDrops(True)
        self.setMouseTracking(True)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setFixedHeight(CELL)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAsNeeded)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)

    def sizeHint(self) -> QSize:
        """Take what room there is; the row scrolls."""
        return QSize(4 * CELL, self.minimumHeight())

    @Slot(int, int)
    def _fit_height(self, first: int, last: int) -> None:
        """Keep room for the scroll bar only while there is one."""
        self.setFixedHeight(CELL + (BAR if last > first else 0))

    # --- painting ---------------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the thumbnails in sight, and where dragged pictures would come to lie."""
        self._paint_until, self._none_made = time.perf_counter() + PAINT_SECONDS, True
        super().paintEvent(event)
        if self._gap >= 0:
            painter = QPainter(self.viewport())
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(self.theme.tokens.accent))
            painter.drawRoundedRect(self._mark(), 1.5, 1.5)

    def hideEvent(self, event: QHideEvent) -> None:
        """Make no thumbnails that nobody sees."""
        super().hideEvent(event)
        self._later.stop()

    def thumbnail(self, picture_id: str) -> QPixmap | None:
        """Return a thumbnail to paint, or None for now if there is no time to make it."""
        scale = self.devicePixelRatioF()
        pixmap = self._thumbnails.ready(picture_id, scale)
        if pixmap is None and (self._none_made or time.perf_counter() < self._paint_until):
            pixmap, self._none_made = self._thumbnails.make(picture_id, scale), False
        if pixmap is None:
            self._later.start()
        return pixmap

    # --- scrolling --------------------------------------------------------------------------------

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Scroll along the row with a wheel of either direction."""
        bar = self.horizontalScrollBar()
        pixels, angle = event.pixelDelta(), event.angleDelta()
        by_pixels = pixels.x() or pixels.y()
        by_notches = round((angle.x() or angle.y()) / 120 * 3 * CELL)
        bar.setValue(bar.value() - (by_pixels or by_notches))
        event.accept()

    @contextmanager
    def steady(self) -> Iterator[None]:
        """Keep the pictures in sight in place while rows come and go.

        A row that is scrolled to its beginning stays there: new pictures come into sight.
        """
        bar = self.horizontalScrollBar()
        value = bar.value()
        first = QPersistentModelIndex(self.pictures.index(value // CELL, 0))
        yield
        self.executeDelayedItemsLayout()
        if value and first.isValid():
            value = first.row() * CELL + value % CELL
        bar.setValue(value)

    # --- dragging ---------------------------------------------------------------------------------

    def startDrag(self, supportedActions: Qt.DropAction) -> None:
        """Drag what is chosen: along the row, or to where pictures of the tray are taken."""
        rows = sorted(index.row() for index in self.selectedIndexes())
        if not rows:
            return
        ids = self.pictures.ids(rows)
        drag = QDrag(self)
        drag.setMimeData(pictures_mime(ids))
        stack = self._stack(ids)
        drag.setPixmap(stack)
        drag.setHotSpot(QPoint(SIDE // 2, SIDE // 2))
        action = Qt.DropAction
        drag.exec(action.MoveAction | action.CopyAction, action.MoveAction)

    def _stack(self, ids: tuple[str, ...]) -> QPixmap:
        """Return the first thumbnails, one over the other, and their number if there are several"""
        scale, step = self.devicePixelRatioF(), 5
        top = ids[:STACKED][::-1]
        side = SIDE + step * (len(top) - 1)
        pixmap = QPixmap(QSize(side + 8, side) * scale)
        pixmap.setDevicePixelRatio(scale)
        pixmap.fill(Qt.GlobalColor.transparent)
        painter = QPainter(pixmap)
        for place, picture_id in enumerate(top):
            offset = step * (len(top) - 1 - place)
            painter.drawPixmap(offset, offset, self._thumbnails.make(picture_id, scale))
        if len(ids) > 1:
            self._draw_number(painter, len(ids), side + 8)
        painter.end()
        return pixmap

    def _draw_number(self, painter: QPainter, number: int, right: int) -> None:
        tokens = self.theme.tokens
        font = self.font()
        font.setPixelSize(11)
        painter.setFont(font)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        width = painter.fontMetrics().horizontalAdvance(str(number)) + 10
        tag = QRectF(right - width, 0, width, 16)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(tokens.accent))
        painter.drawRoundedRect(tag, 8, 8)
        painter.setPen(QColor(tokens.on_accent))
        painter.drawText(tag, Qt.AlignmentFlag.AlignCenter, str(number))

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Take pictures of the tray; what comes from elsewhere is the panel's."""
        if picture_ids(event.mimeData()):
            event.acceptProposedAction()
        else:
            event.ignore()

    def dragMoveEvent(self, event: QDragMoveEvent) -> None:
        """Mark the gap under the mouse; near an end the row scrolls."""
        self._dragged_to = event.position().toPoint()
        self._set_gap(self.gap_at(self._dragged_to))
        if self.hasAutoScroll():
            self.startAutoScroll()
        event.acceptProposedAction()

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        """The drag has left."""
        self.stopAutoScroll()
        self._set_gap(-1)

    def dropEvent(self, event: QDropEvent) -> None:
        """Wish for the pictures at the gap."""
        self.stopAutoScroll()
        self._set_gap(-1)
        event.acceptProposedAction()
        place = self.gap_at(event.position().toPoint())
        self.move_wished.emit(picture_ids(event.mimeData()), place)

    @property
    def marked(self) -> int:
        """The gap that is marked: the row it is before, -1 for none."""
        return self._gap

    def gap_at(self, place: QPoint) -> int:
        """Return the row before whose thumbnail the nearest gap is, 0..N."""
        gap = round((place.x() + self.horizontalOffset()) / CELL)
        return min(max(gap, 0), self.pictures.rowCount())

    @Slot()
    def _on_scrolled(self) -> None:
        """Let the mark stay under the mouse while the row scrolls below it."""
        if self._gap >= 0:
            self._set_gap(self.gap_at(self._dragged_to))

    def _set_gap(self, gap: int) -> None:
        if gap != self._gap:
            self._gap = gap
            self.viewport().update()

    def _mark(self) -> QRectF:
        x = self._gap * CELL - self.horizontalOffset()
        return QRectF(min(max(x - 1.5, 0), self.viewport().width() - 3), 2, 3, CELL - 4)


class _Painter(QStyledItemDelegate):
    """Draws one thumbnail with its ring: strong for the picture on show, thin for its fellows."""

    def __init__(self, row: TrayRow) -> None:
        super().__init__(row)
        self._row = row

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        """Every cell has one size."""
        return QSize(CELL, CELL)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """Draw the focus, the thumbnail and the ring."""
        row, tokens = self._row, self._row.theme.tokens
        state = option.state
        place = option.rect.topLeft()
        cell = QRectF(place, QSize(CELL, CELL))
        inner = cell.adjusted(MARGIN, MARGIN, -MARGIN, -MARGIN)
        picture = row.pictures.ids([index.row()])[0]
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        if row.hasFocus() and index.row() == row.currentIndex().row():
            focus = QColor(tokens.accent)
            focus.setAlphaF(0.28)
            painter.setBrush(focus)
            painter.drawRoundedRect(cell, RADIUS + 3, RADIUS + 3)
        elif state & QStyle.StateFlag.State_MouseOver:
            painter.setBrush(QColor(tokens.hover))
            painter.drawRoundedRect(cell, RADIUS + 3, RADIUS + 3)
        pixmap = row.thumbnail(picture)
        if pixmap is not None:
            painter.drawPixmap(inner.topLeft(), pixmap)
        else:
            painter.setBrush(QColor(tokens.hairline))
            painter.drawRoundedRect(inner, RADIUS, RADIUS)
        if state & QStyle.StateFlag.State_Selected:
            wide = 2.0 if picture == row.on_show else 1.0
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(QColor(tokens.accent), wide))
            ring = inner.adjusted(-2, -2, 2, 2)
            painter.drawRoundedRect(ring, RADIUS + 2, RADIUS + 2)
        painter.restore()
