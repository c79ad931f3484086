"""The whole batch at one step: a grid for each quantity, as large as the room allows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache

from PySide6.QtCore import QEvent, QPoint, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QContextMenuEvent,
    QFocusEvent,
    QImage,
    QKeyEvent,
    QKeySequence,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
)
from PySide6.QtWidgets import QApplication, QMenu, QSizePolicy, QWidget

from diffusion_gui.engine.images import Pixels
from diffusion_gui.engine.trajectory import EPS_SHOWN
from diffusion_gui.panels.common.picture import to_qimage
from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.panels.sampling.atlas import Atlas
from diffusion_gui.state.run_view import Quantity

GAP = 4
HEAD = 18
BETWEEN = 16
WIDEST = 16777215
"""Qt's own: no limit."""
NAMES = {
    Quantity.X_T: "𝑥ₜ   where the process stands",
    Quantity.X0_HAT: "𝑥̂₀   what the model sees",
    Quantity.EPS_HAT: f"ε̂   shown from −{EPS_SHOWN:g} to {EPS_SHOWN:g}",
}
CLEAN = "No noise is left at t = 0"
"""Of ε̂ = (𝑥ₜ − a 𝑥̂₀) / s: there s is 0."""
SHORT = {
    Quantity.X_T: "𝑥ₜ   where it stands",
    Quantity.X0_HAT: "𝑥̂₀   what it sees",
    Quantity.EPS_HAT: f"ε̂   ±{EPS_SHOWN:g}",
}
"""The names where there is less room; the symbol alone where there is hardly any."""
UNEVEN = (0.85, 0.7)
"""What pictures are worth whose last row is not whole, and whose last row is less than half."""
_LEFT = Qt.MouseButton.LeftButton
_KEYS = (
    Qt.Key.Key_Left,
    Qt.Key.Key_Right,
    Qt.Key.Key_Up,
    Qt.Key.Key_Down,
    Qt.Key.Key_Return,
    Qt.Key.Key_Enter,
)


def gap(count: int) -> int:
    """Return the pixels between the pictures of a grid: many are small and stand closer."""
    return GAP if count <= 64 else 1 + (count <= 128)


def best_grid(count: int, width: int, height: int) -> tuple[int, int]:
    """Return (columns, cell side in pixels) of large squares in rows as even as can be.

    A last row that is not whole, or less than half, is worth as much less as `UNEVEN` says.
    """
    best, found, between = 0.0, (1, 1), gap(count)
    for columns in range(1, count + 1):
        rows = math.ceil(count / columns)
        side = min((width + between) // columns, (height + between) // rows) - between
        last = count - (rows - 1) * columns
        worth = side * (1.0 if last == columns else UNEVEN[2 * last < columns])
        if worth > best:
            best, found = worth, (columns, side)
    return found


@lru_cache(maxsize=16)
def grid_cells(left: int, top: int, width: int, height: int, count: int) -> tuple[int, list[QRect]]:
    """Return the columns of `best_grid`, and where in a room its cells lie."""
    columns, side = best_grid(count, width, height)
    step = side + gap(count)
    return columns, [
        QRect(left + i % columns * step, top + i // columns * step, side, side)
        for i in range(count)
    ]


class BatchView(QWidget):
    """The grids side by side or one above the other, whichever gives the larger pictures.

    A picture is chosen, and `enlarged`, by a click or by arrows and Enter. `dragged_out` when it is
    dragged, `copied` when its copy is wished: with the quantity and its number in the batch.
    """

    chosen = Signal(int)
    enlarged = Signal(int)
    dragged_out = Signal(object, int)
    copied = Signal(object, int)

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.setObjectName("batchView")
        self.setAccessibleName("Batch of pictures at the step on show")
        self.setToolTip(
            "𝑥ₜ: where the reverse process stands.\n𝑥̂₀: the clean picture the model"
            " sees from there.\nBoth clipped to [−1, 1] for display.\nε̂: the noise it sees there,"
            f" clipped to [−{EPS_SHOWN:g}, {EPS_SHOWN:g}]; 0 is grey."
            "\nClick a picture, or arrows and Enter: enlarge it. Drag: take it out of the window."
        )
        self._theme = theme
        self._pictures: dict[Quantity, Pixels] = {}
        self._atlases: dict[Quantity, Atlas] = {}
        self._image: int | None = None
        self._pressed: tuple[QPoint, Quantity, int] | None = None
        self._message = ""
        self._clean = False
        self._sharing = True
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(200, 48)
        theme.changed.connect(self.update)

    @property
    def images(self) -> dict[Quantity, list[QImage]]:
        """The pictures of each grid."""
        return {q: [to_qimage(one) for one in batch] for q, batch in self._pictures.items()}

    def set_pictures(self, pictures: Mapping[Quantity, Pixels]) -> None:
        """Show a batch, uint8 [B, H, W, 3], for each of the quantities."""
        before, grids = self._count, len(self._pictures)
        self._pictures = dict(pictures)
        if pictures:
            self._message = ""
        if (before, grids) != (self._count, len(self._pictures)):
            self._limit_width()
        self.update()

    def set_image(self, image: int | None) -> None:
        """Draw a ring around a picture of the batch, or around none."""
        if image != self._image:
            self._image = image
            self.update()

    def set_message(self, message: str) -> None:
        """Show a title and a line below it instead of pictures while there are none."""
        self._message = message
        self.update()

    def set_clean(self, clean: bool) -> None:
        """Say whether the step is the clean end: then there is no ε̂, which would be plain grey."""
        if clean != self._clean:
            self._clean = clean
            self.update()

    def set_sharing(self, sharing: bool) -> None:
        """Say whether something stands beside the pictures that takes what room they leave."""
        self._sharing = sharing
        self._limit_width()
        self.update()

    # --- where things are -------------------------------------------------------------------

    def areas(self) -> tuple[QRect, ...]:
        """Return the rooms of the grids, their heads included; of two while there are none."""
        whole, count, grids = self.rect(), self._count, len(self._pictures) or 2
        width = (whole.width() - (grids - 1) * BETWEEN) // grids
        height = (whole.height() - (grids - 1) * GAP) // grids
        beside = best_grid(count, width, whole.height() - HEAD)[1]
        above = best_grid(count, whole.width(), height - HEAD)[1]
        if beside >= above:
            first = QRect(0, 0, width, whole.height())
            return tuple(first.translated(i * (width + BETWEEN), 0) for i in range(grids))
        first = QRect(0, 0, whole.width(), height)
        return tuple(first.translated(0, i * (height + GAP)) for i in range(grids))

    def cell(self, quantity: Quantity, image: int) -> QRect:
        """Return where a picture of a grid lies in the widget."""
        area = dict(zip(self._pictures, self.areas(), strict=True))[quantity]
        return QRect(self._cells(area, self._count)[1][image])

    def at(self, place: QPoint) -> tuple[Quantity, int] | None:
        """Return the grid and the picture at a place in the widget, or None between them."""
        for area, (quantity, batch) in zip(self.areas(), self._pictures.items(), strict=False):
            for image, cell in enumerate(self._cells(area, len(batch))[1]):
                if cell.contains(place):
                    return quantity, image
        return None

    def _cells(self, area: QRect, count: int) -> tuple[int, list[QRect]]:
        """Return the number of columns, and where the pictures of a grid lie."""
        return grid_cells(area.left(), area.top() + HEAD, area.width(), area.height() - HEAD, count)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Leave to what stands beside them the room that the pictures cannot use."""
        super().resizeEvent(event)
        self._limit_width()

    @property
    def _count(self) -> int:
        return max((len(batch) for batch in self._pictures.values()), default=1)

    def _limit_width(self) -> None:
        """Take no more width than nearly square grids fill at this height."""
        if not self._sharing:
            self.setMaximumWidth(WIDEST)
            return
        count, grids = self._count, len(self._pictures) or 2
        columns = math.ceil(math.sqrt(count))
        between = gap(count)
        side = (self.height() - HEAD + between) // math.ceil(count / columns) - between
        grid = columns * (side + between) - between
        self.setMaximumWidth(max(grids * grid + (grids - 1) * BETWEEN, 200))

    # --- painting ---------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the grids."""
        painter = QPainter(self)
        font = self.font()
        font.setPixelSize(11)
        painter.setFont(font)
        secondary = QColor(self._theme.tokens.secondary)
        painter.setPen(secondary)
        if not self._pictures:
            self._write_message(painter)
            return
        for area, quantity in zip(self.areas(), self._pictures, strict=True):
            fit = painter.fontMetrics().horizontalAdvance
            names = NAMES[quantity], SHORT[quantity], SHORT[quantity].split()[0]
            text = next((name for name in names if fit(name) <= area.width()), names[-1])
            painter.setPen(secondary)
            painter.drawText(area, Qt.AlignmentFlag.AlignLeft, text)
            self._draw_grid(painter, area, quantity)
        if self.hasFocus() and self._image is None:
            painter.setPen(QPen(QColor(self._theme.tokens.accent), 1))
            painter.drawRect(self.rect().adjusted(0, 0, -1, -1))

    def _write_message(self, painter: QPainter) -> None:
        """Write what is to be said in place of the pictures: its first line stands out."""
        title, _, text = self._message.partition("\n")
        high, middle = painter.fontMetrics().height(), self.rect().center().y()
        font = painter.font()
        for bold, line, top in ((True, title, middle - high), (False, text, middle + 2)):
            font.setBold(bold)
            painter.setFont(font)
            room = QRect(0, top, self.width(), high)
            painter.drawText(room, Qt.AlignmentFlag.AlignCenter, line)

    def _draw_grid(self, painter: QPainter, area: QRect, quantity: Quantity) -> None:
        batch = self._pictures[quantity]
        columns, cells = self._cells(area, len(batch))
        if quantity is Quantity.EPS_HAT and self._clean:
            room = area.adjusted(0, HEAD, 0, 0)
            painter.drawText(room, Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap, CLEAN)
            return
        atlas = self._atlases.get(quantity)
        if atlas is None or atlas.batch is not batch or atlas.columns != columns:
            atlas = self._atlases[quantity] = Atlas(batch, columns)
        to_device = painter.deviceTransform()
        # one size for all: scaled once
        side = max(math.floor(cells[0].width() * to_device.m11()), 1)
        painter.save()
        painter.setTransform(to_device.inverted()[0])
        corners = [to_device.map(cell.topLeft()) for cell in cells]
        atlas.draw(painter, corners, QSize(side, side))
        painter.restore()
        if self._image is not None and self._image < len(batch):
            ring = QRectF(cells[self._image])  # inside: at the edge there is no room around it
            painter.setPen(QPen(QColor(self._theme.tokens.panel), 1))
            painter.drawRect(ring.adjusted(2.5, 2.5, -2.5, -2.5))
            painter.setPen(QPen(QColor(self._theme.tokens.accent), 2))
            painter.drawRect(ring.adjusted(1, 1, -1, -1))

    # --- mouse and keys -----------------------------------------------------------------------

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Remember which picture is pressed."""
        found = self.at(event.position().toPoint())
        pressed = event.button() is _LEFT and found is not None
        self._pressed = (event.position().toPoint(), *found) if found and pressed else None

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Begin a drag out of the window; show what can be pressed."""
        place = event.position().toPoint()
        if self._pressed is not None and event.buttons() & _LEFT:
            start, quantity, image = self._pressed
            if (place - start).manhattanLength() >= QApplication.startDragDistance():
                self._pressed = None
                self.dragged_out.emit(quantity, image)
            return
        over = self.at(place) is not None
        self.setCursor(Qt.CursorShape.PointingHandCursor if over else Qt.CursorShape.ArrowCursor)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Enlarge the picture that was pressed."""
        pressed, self._pressed = self._pressed, None
        if pressed is not None and self.at(event.position().toPoint()) == pressed[1:]:
            self.enlarged.emit(pressed[2])

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """Offer what can be done with the picture under the mouse, or the chosen one."""
        found = self.at(event.pos())
        if event.reason() is QContextMenuEvent.Reason.Keyboard and self._image is not None:
            found = next(iter(self._pictures)), self._image
        if found is None:
            return
        menu = QMenu(self)
        menu.addAction("Enlarge\tEnter", lambda: self.enlarged.emit(found[1]))
        menu.addAction("Choose", lambda: self.chosen.emit(found[1]))
        menu.addAction("Copy picture\tCtrl+C", lambda: self.copied.emit(*found))
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.popup(event.globalPos())

    def event(self, event: QEvent) -> bool:
        """Keep own keys from the window's commands."""
        if (
            isinstance(event, QKeyEvent)
            and event.type() is QEvent.Type.ShortcutOverride
            and self._takes(event)
        ):
            event.accept()
            return True
        return super().event(event)

    def _takes(self, event: QKeyEvent) -> bool:
        if not self._pictures:
            return False
        if event.matches(QKeySequence.StandardKey.Copy):
            return self._image is not None
        held = event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
        return event.key() in _KEYS and held == Qt.KeyboardModifier.NoModifier

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Choose with the arrows, enlarge with Enter, copy with Ctrl+C."""
        if not self._takes(event):
            super().keyPressEvent(event)
            return
        quantity = next(iter(self._pictures))
        if event.matches(QKeySequence.StandardKey.Copy) and self._image is not None:
            self.copied.emit(quantity, self._image)
        elif self._image is None:
            self.chosen.emit(0)
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.enlarged.emit(self._image)
        else:
            area = self.areas()[0]
            columns, _ = self._cells(area, self._count)
            way = dict(zip(_KEYS, (-1, 1, -columns, columns), strict=False))[Qt.Key(event.key())]
            if 0 <= self._image + way < self._count:
                self.chosen.emit(self._image + way)

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Show where the keys go."""
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Take that away again."""
        self.update()

    def sizeHint(self) -> QSize:
        """Leave the size to the layout."""
        return QSize(480, 200)
