"""Pictures of one shape side by side, in as many rows as make them largest."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QRect, QSize
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from diffusion_gui.panels.common.picture import CAPTION, PictureView
from diffusion_gui.panels.common.widgets import GAP

WORTH = 1.2
"""By how much larger pictures must become for another row."""


def columns(count: int, picture: QSize, room: QSize) -> int:
    """Return in how many columns `count` pictures of one shape become largest in a room.

    Each has a line of text above it. Rather fewer rows, where that costs little.
    """
    best, largest = count, 0.0
    for rows in range(1, count + 1):
        across = -(-count // rows)
        cell = _cell(across, -(-count // across), room)
        scale = min(cell.width() / picture.width(), cell.height() / picture.height())
        if scale > largest * WORTH:
            best, largest = across, scale
    return best


def _cell(across: int, down: int, room: QSize) -> QSize:
    """Return the room for one picture."""
    return QSize(
        max((room.width() - (across - 1) * GAP) // across, 1),
        max((room.height() - (down - 1) * GAP) // down - CAPTION, 1),
    )


class Cells(QWidget):
    """Places views that show pictures of one shape."""

    def __init__(self) -> None:
        super().__init__()
        self._views: tuple[PictureView, ...] = ()
        self._shape = QSize(1, 1)
        self.setMinimumSize(240, 80 + CAPTION)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)

    def set_views(self, views: Sequence[PictureView]) -> None:
        """Show these views in this order and hide all others."""
        for view in self._views:
            view.setVisible(view in views)
        self._views = tuple(views)
        for view in views:
            if view.parent() is not self:
                view.setParent(self)
                view.setMinimumSize(1, 1)  # the cells have one
            view.show()
        self._place()

    def set_shape(self, shape: QSize) -> None:
        """Say the size of the pictures in pixels."""
        if shape != self._shape:
            self._shape = shape
            self._place()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Place the views anew."""
        super().resizeEvent(event)
        self._place()

    def _place(self) -> None:
        if not self._views:
            return
        across = columns(len(self._views), self._shape, self.size())
        down = -(-len(self._views) // across)
        width = (self.width() - (across - 1) * GAP) / across
        height = (self.height() - (down - 1) * GAP) / down
        for index, view in enumerate(self._views):
            row, column = divmod(index, across)
            left, top = round(column * (width + GAP)), round(row * (height + GAP))
            view.setGeometry(QRect(left, top, int(width), int(height)))
