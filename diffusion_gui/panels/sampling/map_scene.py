"""What is on the map, and how it is drawn: images, paths, marks. No mouse, no widget."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRect, QRectF, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPen

from diffusion_gui.engine.survey import Atlas, Belief
from diffusion_gui.panels.common.picture import draw, to_qimage
from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.panels.sampling.map_geometry import MapGeometry, line_through, thumbnail_side
from diffusion_gui.panels.sampling.sample_colours import sample_colour

DOT = 3.2
MARK = 9.0
THIN = 1.0
"""Width of a path: Qt draws wider lines of many pieces ten times slower."""
SEEN = 30
"""Side of the picture beside the mark of the chosen sample."""
CANDIDATE = 0.02
"""Images with more than this of the posterior stand out."""


@dataclass(slots=True, eq=False)
class MapScene:
    """What is shown: `paths` [S, B, 2] of what runs over the map, up to two of them."""

    atlas: Atlas
    paths: tuple[NDArray[np.float32], ...] = ()
    step: int = 0
    chosen: int | None = None
    settled: NDArray[np.int64] | None = None
    """The step from which on each sample keeps to one image, [B], -1 for none."""
    fork: int | None = None
    belief: Belief | None = None
    seen: QImage | None = None
    """x0_hat of the chosen sample at the step."""
    images: dict[int, QImage] = field(default_factory=dict)

    def image(self, index: int) -> QImage:
        """Return a picture of the data set."""
        if index not in self.images:
            self.images[index] = to_qimage(self.atlas.pixels[index])
        return self.images[index]

    @property
    def count(self) -> int:
        """The number of samples."""
        return self.paths[0].shape[1] if self.paths else 0

    @property
    def order(self) -> list[int]:
        """The samples in the order they are drawn: the chosen one last."""
        rest = [sample for sample in range(self.count) if sample != self.chosen]
        return rest if self.chosen is None else [*rest, self.chosen]


def draw_data(painter: QPainter, scene: MapScene, geometry: MapGeometry, theme: Theme) -> None:
    """Draw the data set: thumbnails where there is room for them, else points."""
    places = geometry.to_screen(scene.atlas.plane.points)
    there = np.flatnonzero(geometry.inside(places, 20.0))
    side = thumbnail_side(geometry.room, len(there))
    if side:
        painter.setOpacity(0.85)
        for index in there.tolist():
            draw(painter, scene.image(index), _around(places[index], side))
        painter.setOpacity(1.0)
        return
    colour = QColor(theme.tokens.secondary)
    colour.setAlpha(75)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    pen = QPen(colour, DOT)
    pen.setCapStyle(Qt.PenCapStyle.RoundCap)
    painter.setPen(pen)
    painter.drawPoints([QPointF(x, y) for x, y in places[there].tolist()])


def draw_paths(painter: QPainter, scene: MapScene, geometry: MapGeometry, theme: Theme) -> None:
    """Draw the whole way of every sample, faint; the chosen one is clear."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    for number, path in enumerate(scene.paths):
        places = geometry.to_screen(path)
        for sample in scene.order:
            own = sample == scene.chosen
            colour = sample_colour(theme, sample)
            colour.setAlpha(255 if own else 190 if scene.chosen is None else 80)
            colour.setAlphaF(colour.alphaF() / (1 + number))
            painter.setPen(QPen(colour, 2.0 if own else THIN))
            painter.drawPath(line_through(places[:, sample]))


def draw_marks(painter: QPainter, scene: MapScene, geometry: MapGeometry, theme: Theme) -> None:
    """Draw where each sample is at the step on show, and where it settled."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    _draw_candidates(painter, scene, geometry, theme)
    panel = QColor(theme.tokens.panel)
    for path in scene.paths:
        if not len(path):
            continue
        now = geometry.to_screen(path[min(scene.step, len(path) - 1)])
        for sample in scene.order:
            colour = sample_colour(theme, sample)
            faded = scene.chosen is not None and sample != scene.chosen
            colour.setAlpha(150 if faded else 255)
            painter.setBrush(colour)
            painter.setPen(QPen(panel, 1.5))
            since = -1 if scene.settled is None else int(scene.settled[sample])
            if 0 <= since < len(path):
                _draw_diamond(
                    painter, geometry.to_screen(path[since, sample]), sample == scene.chosen
                )
            if scene.fork is not None and scene.fork < len(path):
                _draw_fork(painter, geometry.to_screen(path[scene.fork, sample]), colour, panel)
                painter.setBrush(colour)
                painter.setPen(QPen(panel, 1.5))
            size = MARK if sample == scene.chosen else MARK - 2.0
            painter.drawEllipse(QPointF(*now[sample]), 0.5 * size, 0.5 * size)
    _draw_seen(painter, scene, geometry, theme)


def _draw_candidates(
    painter: QPainter, scene: MapScene, geometry: MapGeometry, theme: Theme
) -> None:
    """Draw the images that the chosen sample may still become, larger the more probable."""
    sample, belief = scene.chosen, scene.belief
    if sample is None or belief is None or belief.atlas is not scene.atlas:
        return
    places = geometry.to_screen(scene.atlas.plane.points)
    painter.setPen(QPen(sample_colour(theme, sample), 1.5))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    pairs = list(zip(belief.indices[sample], belief.weights[sample], strict=True))
    for index, weight in reversed(pairs):
        if weight > CANDIDATE:
            rect = _around(places[index], round(12 + 16 * float(weight) ** 0.5))
            draw(painter, scene.image(int(index)), rect)
            painter.drawRect(rect)


def _draw_diamond(painter: QPainter, place: NDArray[np.float64], clear: bool) -> None:
    half = 6.5 if clear else 4.0
    x, y = place
    corners = [(x, y - half), (x + half, y), (x, y + half), (x - half, y)]
    painter.drawPolygon([QPointF(*corner) for corner in corners])


def _draw_fork(
    painter: QPainter, place: NDArray[np.float64], colour: QColor, panel: QColor
) -> None:
    """Draw a ring where the run left its parent."""
    painter.setBrush(panel)
    painter.setPen(QPen(colour, 1.5))
    painter.drawEllipse(QPointF(*place), 3.5, 3.5)


def _draw_seen(painter: QPainter, scene: MapScene, geometry: MapGeometry, theme: Theme) -> None:
    """Draw what the model sees of the chosen sample, beside its mark."""
    if scene.chosen is None or scene.seen is None or not scene.paths or not len(scene.paths[0]):
        return
    path = scene.paths[0]
    x, y = geometry.to_screen(path[min(scene.step, len(path) - 1), scene.chosen])
    room = geometry.room
    left = min(max(x + MARK, room.left() + 1), room.right() - SEEN - 1)
    top = min(max(y - MARK - SEEN, room.top() + 1), room.bottom() - SEEN - 1)
    rect = QRect(round(left), round(top), SEEN, SEEN)
    draw(painter, scene.seen, rect)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(QPen(sample_colour(theme, scene.chosen), 1.5))
    painter.drawRect(QRectF(rect))


def _around(place: NDArray[np.float64], side: int) -> QRect:
    x, y = place
    return QRect(round(x - 0.5 * side), round(y - 0.5 * side), side, side)
