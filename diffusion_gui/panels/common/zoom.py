"""Zoom and pan that several pictures share, and where a picture lies in its room.

Everything shared is in shares of the picture, so that pictures of different sizes follow as well:
give one `Zoom` to every `PictureView` that belongs together.
"""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QObject, QPointF, QRectF, QSize, QSizeF, Signal

WHOLE = 1.0
"""The factor at which the whole picture is seen."""
LARGEST_PIXEL = 64.0
"""Side on screen, in pixels, of a pixel of the picture at the largest factor."""
THINNEST = 4.0
"""Thickness on screen of a picture that would be thinner, as one of 1 x 5000 is."""
CENTRE = QPointF(0.5, 0.5)


class Zoom(QObject):
    """The factor, 1 for the whole picture, the point in the middle, and the point marked.

    `changed` when pictures lie elsewhere, `pointed` when another point is marked, or none.
    """

    changed = Signal()
    pointed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._factor = WHOLE
        self._centre = CENTRE
        self._mark: QPointF | None = None

    @property
    def factor(self) -> float:
        """How many times larger than whole the picture is, at least 1."""
        return self._factor

    @property
    def centre(self) -> QPointF:
        """The point of the picture in the middle of its room, in shares of width and height."""
        return self._centre

    @property
    def zoomed(self) -> bool:
        """Whether less than the whole picture is seen."""
        return self._factor > WHOLE

    @property
    def mark(self) -> QPointF | None:
        """The point marked in all pictures, in shares of width and height, or None."""
        return self._mark

    def set(self, factor: float, centre: QPointF) -> None:
        """Look at another part of the picture."""
        if factor <= WHOLE:
            factor, centre = WHOLE, CENTRE
        if (factor, centre) != (self._factor, self._centre):
            self._factor, self._centre = factor, centre
            self.changed.emit()

    def reset(self) -> None:
        """Show the whole picture."""
        self.set(WHOLE, CENTRE)

    def point(self, mark: QPointF | None) -> None:
        """Mark a point in all pictures, or none."""
        if mark != self._mark:
            self._mark = mark
            self.pointed.emit()


@dataclass(frozen=True, slots=True)
class Room:
    """A picture of so many pixels in a room of so many pixels of the screen; `Zoom` says where.

    Rectangles are in the room's own coordinates. The whole picture stands in the middle of the
    width and at the top; a larger one is held so that no room is left empty beside it.
    """

    picture: QSize
    room: QSizeF

    @property
    def scale(self) -> float:
        """The side of a pixel on screen while the whole picture is seen."""
        return min(
            self.room.width() / self.picture.width(), self.room.height() / self.picture.height()
        )

    @property
    def most(self) -> float:
        """The largest factor."""
        return max(WHOLE, LARGEST_PIXEL / self.scale)

    def size(self, factor: float) -> QSizeF:
        """Return the size of the whole picture on screen at a factor."""
        side = self.scale * factor
        return QSizeF(
            max(self.picture.width() * side, min(THINNEST, self.room.width())),
            max(self.picture.height() * side, min(THINNEST, self.room.height())),
        )

    def place(self, factor: float, centre: QPointF) -> QRectF:
        """Return where the whole picture lies with `centre` in the middle, as far as it may."""
        size = self.size(factor)
        left = self.room.width() / 2.0 - centre.x() * size.width()
        top = self.room.height() / 2.0 - centre.y() * size.height()
        wide, high = self.room.width() - size.width(), self.room.height() - size.height()
        left = wide / 2.0 if wide >= 0.0 else min(max(left, wide), 0.0)
        top = 0.0 if high >= 0.0 else min(max(top, high), 0.0)
        return QRectF(QPointF(left, top), size)

    def centre(self, place: QRectF) -> QPointF:
        """Return the point of the picture in the middle of the room, the inverse of `place`."""
        middle = QPointF(self.room.width() / 2.0, self.room.height() / 2.0)
        return share(place, middle)

    def about(self, place: QRectF, anchor: QPointF, factor: float) -> QPointF:
        """Return the centre with which what lies at `anchor` stays there at another factor."""
        held = inside(share(place, anchor))
        size = self.size(factor)
        corner = anchor - QPointF(held.x() * size.width(), held.y() * size.height())
        return self.allowed(factor, self.centre(QRectF(corner, size)))

    def allowed(self, factor: float, centre: QPointF) -> QPointF:
        """Return the centre that `centre` comes to once the picture is held in its room."""
        return self.centre(self.place(factor, centre))


def share(place: QRectF, point: QPointF) -> QPointF:
    """Return a point on screen in shares of the picture that lies at `place`."""
    return QPointF(
        (point.x() - place.left()) / place.width(), (point.y() - place.top()) / place.height()
    )


def inside(point: QPointF) -> QPointF:
    """Return the nearest point of the picture, in shares."""
    return QPointF(min(max(point.x(), 0.0), 1.0), min(max(point.y(), 0.0), 1.0))
