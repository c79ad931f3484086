"""Where the plane of the map lies on the screen: one scale for both axes, y upwards."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF
from PySide6.QtGui import QPainterPath

Array = NDArray[np.floating]

MARGIN = 0.06
MARGIN_PIXELS = 22.0
"""Of the room, and in pixels: left free around what is fitted, so that thumbnails are whole."""
CLOSEST = 64.0
"""How far one can zoom in from the whole."""
FARTHEST = 0.5


class MapGeometry:
    """Maps the plane to pixels of a room; `fit` shows what is given whole, then zoom and pan."""

    def __init__(self) -> None:
        self.room = QRectF(0.0, 0.0, 1.0, 1.0)
        self._extent = (np.zeros(2), np.ones(2))
        self._centre = np.full(2, 0.5)
        self._zoom = 1.0

    @property
    def key(self) -> tuple[float, ...]:
        """What a drawing of the map depends on."""
        room = self.room
        return (room.x(), room.y(), room.width(), room.height(), self.scale, *self._centre)

    @property
    def scale(self) -> float:
        """Pixels per unit of the plane."""
        low, high = self._extent
        wide, tall = np.maximum(high - low, 1e-9)
        width, height = (
            max(side - 2.0 * max(MARGIN * side, MARGIN_PIXELS), 1.0)
            for side in (self.room.width(), self.room.height())
        )
        return self._zoom * min(width / wide, height / tall)

    @property
    def fitted(self) -> bool:
        """True where the whole is shown, in the middle."""
        middle = 0.5 * (self._extent[0] + self._extent[1])
        return self._zoom == 1.0 and bool(np.array_equal(self._centre, middle))

    def set_extent(self, *clouds: Array) -> None:
        """Say what the whole is: clouds of places [..., 2]; a zoomed view stays where it is."""
        places = np.concatenate([cloud.reshape(-1, 2) for cloud in clouds]).astype(float)
        places = places[np.isfinite(places).all(axis=1)]
        if not len(places):
            return
        scale, fitted = self.scale, self.fitted
        self._extent = places.min(axis=0), places.max(axis=0)
        if fitted:
            self.fit()
        else:
            self._zoom *= scale / self.scale

    def fit(self) -> None:
        """Show the whole."""
        self._zoom = 1.0
        self._centre = 0.5 * (self._extent[0] + self._extent[1])

    def zoom_by(self, factor: float, at: QPointF) -> None:
        """Zoom around a place on the screen."""
        wanted = min(max(self._zoom * factor, FARTHEST), CLOSEST)
        fixed = self.to_plane(at)
        self._zoom = wanted
        self._centre = self._centre + fixed - self.to_plane(at)

    def pan_by(self, delta: QPointF) -> None:
        """Move the map with the mouse."""
        self._centre = self._centre - np.array([delta.x(), -delta.y()]) / self.scale

    def to_screen(self, places: Array) -> NDArray[np.float64]:
        """Return places [..., 2] of the plane in pixels."""
        middle = self.room.center()
        flip = np.array([self.scale, -self.scale])
        return (places - self._centre) * flip + (middle.x(), middle.y())

    def to_plane(self, at: QPointF) -> NDArray[np.float64]:
        """Return the place on the plane under a place on the screen, [2]."""
        middle = self.room.center()
        offset = np.array([at.x() - middle.x(), middle.y() - at.y()])
        return self._centre + offset / self.scale

    def inside(self, screen: Array, margin: float = 0.0) -> NDArray[np.bool_]:
        """Return which pixels [N, 2] are in the room, [N]."""
        room = self.room.adjusted(-margin, -margin, margin, margin)
        x, y = screen[:, 0], screen[:, 1]
        across = (x >= room.left()) & (x <= room.right())
        return across & (y >= room.top()) & (y <= room.bottom())


def line_through(screen: Array) -> QPainterPath:
    """Return a path [S, 2] in pixels as a line; steps within the same pixel are one."""
    finite = screen[np.isfinite(screen).all(axis=1)]
    if len(finite) > 2:
        moved = np.any(np.diff(np.round(finite), axis=0) != 0, axis=1)
        finite = finite[np.r_[True, moved]]
    if len(finite) < 2:
        return QPainterPath()
    return pg.arrayToQPath(finite[:, 0], finite[:, 1], connect="all")


def nearest(screen: Array, at: QPointF, reach: float) -> int | None:
    """Return the index of the place [N, 2] nearest to `at` within `reach` pixels, or None."""
    if not len(screen):
        return None
    apart = np.square(screen - (at.x(), at.y())).sum(axis=1)
    apart = np.where(np.isfinite(apart), apart, np.inf)
    index = int(apart.argmin())
    return index if apart[index] <= reach * reach else None


def thumbnail_side(room: QRectF, visible: int, sides: Sequence[int] = (40, 32, 24, 16)) -> int:
    """Return the side of thumbnails of which so many are seen with little overlap; 0 for none."""
    area = room.width() * room.height()
    return next((side for side in sides if visible * side * side <= 0.5 * area), 0)
