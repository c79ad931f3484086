"""The pictures of several runs, painted side by side, swiped, in turn, or as their difference."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import QPoint, QRect, QSize, Qt, QTimer, Signal, Slot
from PySide6.QtGui import (
    QColor,
    QHideEvent,
    QImage,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
    QShowEvent,
)
from PySide6.QtWidgets import QSizePolicy, QWidget

from diffusion_gui.panels.common.picture import draw
from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.panels.sampling.batch_view import BETWEEN, GAP, HEAD, best_grid, gap, grid_cells
from diffusion_gui.panels.sampling.compare_areas import PART, Area, CompareAreas
from diffusion_gui.state.run_comparison import CompareMode, RunComparison
from diffusion_gui.state.run_view import RunView

LEFT = Qt.MouseButton.LeftButton
FLICKER_MS = 250
"""Each run is on show for so long: two of them change places twice a second."""
KNOB = 7
CAPTION, BRIEF, VALUE = 210, 96, 120
"""Width in which a caption is whole, unless the run has a long name; in which a symbol and t fit;
in which those of a difference and its largest value do."""
NARROW = 0.85
"""What pictures are worth whose caption cannot say so much."""
WORTH = 1.08
"""How much larger pictures have to be for the areas to go to more rows."""


def shorter(text: str, fits: Callable[[str], bool]) -> str:
    """Return as many parts of a caption as fit; the first is kept always, then the last ones."""
    first, *parts = text.split(PART)
    while parts and not fits(PART.join([first, *parts])):
        del parts[0]
    return PART.join([first, *parts])


class CompareCanvas(QWidget):
    """The whole batch of each run, or the chosen picture alone; a double click chooses it.

    In a swipe, a press or a drag brings the divider under the mouse. While runs flicker, a press
    holds the next one. `room_changed` when `used_width` may be another.
    """

    room_changed = Signal()

    def __init__(self, comparison: RunComparison, shown: RunView, theme: Theme) -> None:
        super().__init__()
        self.setObjectName("compareCanvas")
        self.setAccessibleName("Pictures of the runs that are compared")
        self.setToolTip("Double click a picture to see it alone, again to see them all")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(200, 48)
        self._comparison = comparison
        self._shown = shown
        self._theme = theme
        self.turn = 0
        """Which run is on show while they flicker."""
        self.areas: tuple[Area, ...] = ()
        self._all = CompareAreas(comparison, shown)
        self._flicker = QTimer(self, interval=FLICKER_MS)
        self._flicker.timeout.connect(self._on_turn)
        comparison.changed.connect(self._show)
        comparison.frames_changed.connect(self._show)
        shown.shown_changed.connect(self._show)
        theme.changed.connect(self.update)

    # --- what is on show --------------------------------------------------------------------

    @Slot()
    def _show(self) -> None:
        """Take the pictures of the step on show, if anyone sees them."""
        if not self.isVisible() or not self._comparison.on:
            self._flicker.stop()
            return
        flickers = self._comparison.mode is CompareMode.FLICKER
        if flickers != self._flicker.isActive():
            self._flicker.start() if flickers else self._flicker.stop()
        self.turn %= len(self._comparison.runs)
        self.areas = tuple(self._all.of(self.turn))
        self.room_changed.emit()
        self.update()

    @Slot()
    def _on_turn(self) -> None:
        self.turn += 1
        self._show()

    # --- where ------------------------------------------------------------------------------

    def rooms(self) -> list[QRect]:
        """Return the room of each area, its head included: in rows, as large as can be.

        The runs of a quantity stay together: in one row, or in several of their own.
        """
        columns, rows, _ = self._arranged(self.width())
        width, height = self._room(self.width(), columns, rows)
        return [
            QRect(i % columns * (width + BETWEEN), i // columns * (height + GAP), width, height)
            for i in range(len(self.areas))
        ]

    def used_width(self, width: int) -> int:
        """Return how much of a width the pictures can use, or what is written above them."""
        columns, _, inside = self._arranged(width)
        written = max(CAPTION, self._brief)
        return min(columns * max(inside, written) + (columns - 1) * BETWEEN, width)

    def _arranged(self, whole: int) -> tuple[int, int, int]:
        """Return columns and rows of the areas in a width, and how wide the pictures of one are."""
        number, group = max(len(self.areas), 1), max(self._group, 1)
        count = max(1, *(len(area.images) for area in self.areas), 1)
        best, found = 0.0, (1, 1, 0)
        for columns in range(number, 0, -1):
            if group % columns and columns % group:
                continue
            rows = -(-number // columns)
            width, height = self._room(whole, columns, rows)
            across, side = best_grid(count, width, height - HEAD)
            worth = side * (1.0 if width >= self._brief else NARROW)
            if worth > WORTH * best:
                best, found = worth, (columns, rows, across * (side + gap(count)) - gap(count))
        return found

    @property
    def _brief(self) -> int:
        """The width of a caption without the run's name."""
        widths = {CompareMode.SWIPE: 2 * BRIEF, CompareMode.DIFFERENCE: VALUE}
        return widths.get(self._comparison.mode, BRIEF)

    @property
    def _group(self) -> int:
        """How many areas there are of each quantity."""
        return len(self.areas) // max(len(self._shown.quantities), 1)

    def _room(self, width: int, columns: int, rows: int) -> tuple[int, int]:
        width = (width - (columns - 1) * BETWEEN) // columns
        return width, (self.height() - (rows - 1) * GAP) // rows

    def cells(self, room: QRect, count: int) -> list[QRect]:
        """Return where the pictures of an area lie."""
        if not count:
            return []
        grid = room.adjusted(0, HEAD, 0, 0)
        return grid_cells(grid.left(), grid.top(), grid.width(), grid.height(), count)[1]

    def _grid(self, room: QRect, count: int) -> QRect:
        """Return what the pictures of an area cover."""
        covered = QRect()
        for cell in self.cells(room, count):
            covered = covered.united(cell)
        return covered

    # --- painting ---------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the areas."""
        painter = QPainter(self)
        font = self.font()
        font.setPixelSize(11)
        painter.setFont(font)
        for room, area in zip(self.rooms(), self.areas, strict=True):
            grid = self._grid(room, len(area.images))
            if area.swiped is None:
                self._draw_images(painter, room, area.images)
                self._write(painter, room, area.text)
            else:
                self._draw_swipe(painter, room, grid, area)

    def _draw_images(self, painter: QPainter, room: QRect, images: Sequence[QImage]) -> None:
        cells = self.cells(room, len(images))
        for image, cell in zip(images, cells, strict=True):
            draw(painter, image, cell)
        chosen = self._shown.image
        if chosen is not None and chosen < len(cells) and not self._shown.enlarged:
            painter.setPen(QPen(QColor(self._theme.tokens.accent), 2))
            painter.drawRect(cells[chosen].adjusted(-2, -2, 1, 1))

    def _draw_swipe(self, painter: QPainter, room: QRect, grid: QRect, area: Area) -> None:
        assert area.swiped is not None
        x = self._divider(grid)
        for images, left, right in (
            (area.images, grid.left(), x),
            (area.swiped, x, grid.right() + 1),
        ):
            painter.save()
            painter.setClipRect(QRect(left, grid.top(), right - left, grid.height()))
            self._draw_images(painter, room, images)
            painter.restore()
        half = room.width() // 2 - GAP
        self._write(painter, QRect(room.left(), room.top(), half, HEAD), area.text)
        self._write(
            painter, QRect(room.left() + half + 2 * GAP, room.top(), half, HEAD), area.beside
        )
        self._draw_divider(painter, grid, x)

    def _draw_divider(self, painter: QPainter, grid: QRect, x: int) -> None:
        tokens = self._theme.tokens
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(tokens.panel), 4))
        painter.drawLine(x, grid.top(), x, grid.bottom())
        painter.setPen(QPen(QColor(tokens.accent), 2))
        painter.drawLine(x, grid.top(), x, grid.bottom())
        painter.setPen(QPen(QColor(tokens.panel), 2))
        painter.setBrush(QColor(tokens.accent))
        painter.drawEllipse(QPoint(x, grid.center().y()), KNOB, KNOB)
        painter.setBrush(Qt.BrushStyle.NoBrush)

    def _write(self, painter: QPainter, room: QRect, text: str) -> None:
        painter.setPen(QColor(self._theme.tokens.secondary))
        metrics, width = painter.fontMetrics(), room.width()
        text = shorter(text, lambda part: metrics.horizontalAdvance(part) <= width)
        fit = metrics.elidedText(text, Qt.TextElideMode.ElideRight, width)
        painter.drawText(room, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop, fit)

    def _divider(self, grid: QRect) -> int:
        return grid.left() + round(self._comparison.divider * grid.width())

    # --- mouse and the rest -----------------------------------------------------------------

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Bring the divider here, or hold the next run."""
        if event.button() is not LEFT:
            return
        if self._comparison.mode is CompareMode.SWIPE:
            self._swipe_to(event.position().toPoint())
        elif self._comparison.mode is CompareMode.FLICKER:
            self._flicker.stop()
            self.turn += 1
            self.turn %= len(self._comparison.runs)
            self.areas = tuple(self._all.of(self.turn))
            self.update()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Let the divider follow the mouse."""
        if event.buttons() & LEFT and self._comparison.mode is CompareMode.SWIPE:
            self._swipe_to(event.position().toPoint())

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Let the runs flicker again."""
        self._show()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Look at one picture alone, or at all of them again."""
        if event.button() is not LEFT:
            return
        if self._shown.enlarged:
            self._shown.show_all()
            return
        place = event.position().toPoint()
        for room, area in zip(self.rooms(), self.areas, strict=True):
            for index, cell in enumerate(self.cells(room, len(area.images))):
                if cell.contains(place):
                    self._shown.enlarge(index)
                    return

    def _swipe_to(self, place: QPoint) -> None:
        for room, area in zip(self.rooms(), self.areas, strict=True):
            grid = self._grid(room, len(area.images))
            if grid.width() and room.contains(place):
                self._comparison.set_divider((place.x() - grid.left()) / grid.width())
                return

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Tell that the pictures have another height."""
        super().resizeEvent(event)
        self.room_changed.emit()

    def showEvent(self, event: QShowEvent) -> None:
        """Take up what has changed meanwhile."""
        super().showEvent(event)
        self._show()

    def hideEvent(self, event: QHideEvent) -> None:
        """Flicker for no one."""
        super().hideEvent(event)
        self._flicker.stop()

    def sizeHint(self) -> QSize:
        """Leave the size to the layout."""
        return QSize(480, 200)
