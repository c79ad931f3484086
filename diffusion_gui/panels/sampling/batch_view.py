"""The whole batch at one step: a grid for each quantity, as large as the room allows."""

from __future__ import annotations

import math
from collections.abc import Mapping

from PySide6.QtCore import QRect, QSize, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from diffusion_gui.engine.images import Pixels
from diffusion_gui.engine.trajectory import EPS_SHOWN
from diffusion_gui.panels.common.picture import draw, to_qimage
from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.state.run_view import Quantity

GAP = 4
HEAD = 18
BETWEEN = 16
WIDEST = 16777215
"""Qt's own: no limit."""
_NAMES = {
    Quantity.X_T: "𝑥ₜ   where the process stands",
    Quantity.X0_HAT: "𝑥̂₀   what the model sees",
    Quantity.EPS_HAT: f"ε̂   shown from −{EPS_SHOWN:g} to {EPS_SHOWN:g}",
}


def best_grid(count: int, width: int, height: int) -> tuple[int, int]:
    """Return (columns, cell side in pixels) that shows `count` squares as large as possible."""
    best = (1, 1)
    for columns in range(1, count + 1):
        rows = math.ceil(count / columns)
        side = min((width + GAP) // columns, (height + GAP) // rows) - GAP
        if side > best[1]:
            best = (columns, side)
    return best


class BatchView(QWidget):
    """The grids side by side or one above the other, whichever gives the larger pictures."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.setObjectName("batchView")
        self.setAccessibleName("Batch of pictures at the step on show")
        self.setToolTip(
            "𝑥ₜ: where the reverse process stands.\n𝑥̂₀: the clean picture the model"
            " sees from there.\nBoth clipped to [−1, 1] for display.\nε̂: the noise it sees there,"
            f" clipped to [−{EPS_SHOWN:g}, {EPS_SHOWN:g}]; 0 is grey."
        )
        self._theme = theme
        self._images: dict[Quantity, list[QImage]] = {}
        self._message = ""
        self._sharing = True
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(200, 120)
        theme.changed.connect(self.update)

    @property
    def images(self) -> dict[Quantity, list[QImage]]:
        """The pictures of each grid."""
        return self._images

    def set_pictures(self, pictures: Mapping[Quantity, Pixels]) -> None:
        """Show a batch, uint8 [B, H, W, 3], for each of the quantities."""
        self._images = {
            quantity: [to_qimage(picture) for picture in batch]
            for quantity, batch in pictures.items()
        }
        self._message = ""
        self._limit_width()
        self.update()

    def set_message(self, message: str) -> None:
        """Show a line instead of pictures while there are none."""
        self._message = message
        self.update()

    def set_sharing(self, sharing: bool) -> None:
        """Say whether something stands beside the pictures that takes what room they leave."""
        self._sharing = sharing
        self._limit_width()
        self.update()

    def areas(self) -> tuple[QRect, ...]:
        """Return the rooms of the grids, their heads included; of two while there are none."""
        whole, count, grids = self.rect(), self._count, len(self._images) or 2
        width = (whole.width() - (grids - 1) * BETWEEN) // grids
        height = (whole.height() - (grids - 1) * GAP) // grids
        beside = best_grid(count, width, whole.height() - HEAD)[1]
        above = best_grid(count, whole.width(), height - HEAD)[1]
        if beside >= above:
            first = QRect(0, 0, width, whole.height())
            return tuple(first.translated(i * (width + BETWEEN), 0) for i in range(grids))
        first = QRect(0, 0, whole.width(), height)
        return tuple(first.translated(0, i * (height + GAP)) for i in range(grids))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Leave to what stands beside them the room that the pictures cannot use."""
        super().resizeEvent(event)
        self._limit_width()

    @property
    def _count(self) -> int:
        return max((len(images) for images in self._images.values()), default=1)

    def _limit_width(self) -> None:
        """Take no more width than nearly square grids fill at this height."""
        if not self._sharing:
            self.setMaximumWidth(WIDEST)
            return
        count, grids = self._count, len(self._images) or 2
        columns = math.ceil(math.sqrt(count))
        side = (self.height() - HEAD + GAP) // math.ceil(count / columns) - GAP
        grid = columns * (side + GAP) - GAP
        self.setMaximumWidth(max(grids * grid + (grids - 1) * BETWEEN, 200))

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the grids."""
        painter = QPainter(self)
        font = self.font()
        font.setPixelSize(11)
        painter.setFont(font)
        painter.setPen(QColor(self._theme.tokens.secondary))
        if not self._images:
            painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, self._message)
            return
        for area, (quantity, images) in zip(self.areas(), self._images.items(), strict=True):
            text = painter.fontMetrics().elidedText(
                _NAMES[quantity], Qt.TextElideMode.ElideRight, area.width()
            )
            painter.drawText(area, Qt.AlignmentFlag.AlignLeft, text)
            self._draw_grid(painter, area.adjusted(0, HEAD, 0, 0), images)

    def _draw_grid(self, painter: QPainter, area: QRect, images: list[QImage]) -> None:
        columns, side = best_grid(len(images), area.width(), area.height())
        for index, image in enumerate(images):
            left = area.left() + index % columns * (side + GAP)
            top = area.top() + index // columns * (side + GAP)
            draw(painter, image, QRect(left, top, side, side))

    def sizeHint(self) -> QSize:
        """Leave the size to the layout."""
        return QSize(480, 200)
