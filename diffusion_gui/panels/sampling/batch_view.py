"""The whole batch at one step: x_t and x0_hat as two grids, as large as the room allows."""

from __future__ import annotations

import math

from PySide6.QtCore import QRect, QSize, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from diffusion_gui.engine.images import Pixels
from diffusion_gui.panels.common.picture import draw, to_qimage
from diffusion_gui.panels.common.theme import Theme

GAP = 4
HEAD = 18
BETWEEN = 16


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
    """Two grids side by side or one above the other, whichever gives the larger pictures."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.setObjectName("batchView")
        self.setAccessibleName("Batch: 𝑥ₜ and x0-hat")
        self.setToolTip(
            "Left: 𝑥ₜ, where the reverse process stands.\nRight: 𝑥̂₀, the clean picture the model"
            " sees from there.\nBoth clipped to [-1, 1] for display."
        )
        self._theme = theme
        self._x_t: list[QImage] = []
        self._x0_hat: list[QImage] = []
        self._message = ""
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(200, 120)
        theme.changed.connect(self.update)

    @property
    def x0_hat(self) -> list[QImage]:
        """The pictures of the right-hand grid."""
        return self._x0_hat

    def set_frames(self, x_t: Pixels, x0_hat: Pixels) -> None:
        """Show two batches, uint8 [B, H, W, 3]."""
        self._x_t = [to_qimage(picture) for picture in x_t]
        self._x0_hat = [to_qimage(picture) for picture in x0_hat]
        self._message = ""
        self._limit_width()
        self.update()

    def set_message(self, message: str) -> None:
        """Show a line instead of pictures while there are none."""
        self._message = message
        self.update()

    def areas(self) -> tuple[QRect, QRect]:
        """Return the rooms of the two grids, their heads included."""
        whole, count = self.rect(), max(len(self._x_t), 1)
        half_width, half_height = (whole.width() - BETWEEN) // 2, (whole.height() - GAP) // 2
        beside = best_grid(count, half_width, whole.height() - HEAD)[1]
        above = best_grid(count, whole.width(), half_height - HEAD)[1]
        if beside >= above:
            left = QRect(0, 0, half_width, whole.height())
            return left, left.translated(half_width + BETWEEN, 0)
        top = QRect(0, 0, whole.width(), half_height)
        return top, top.translated(0, half_height + GAP)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Leave to the charts what the pictures cannot use."""
        super().resizeEvent(event)
        self._limit_width()

    def _limit_width(self) -> None:
        """Take no more width than two nearly square grids fill at this height."""
        count = max(len(self._x_t), 1)
        columns = math.ceil(math.sqrt(count))
        side = (self.height() - HEAD + GAP) // math.ceil(count / columns) - GAP
        self.setMaximumWidth(max(2 * (columns * (side + GAP) - GAP) + BETWEEN, 200))

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw both grids."""
        painter = QPainter(self)
        font = self.font()
        font.setPixelSize(11)
        painter.setFont(font)
        painter.setPen(QColor(self._theme.tokens.secondary))
        if not self._x_t:
            painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, self._message)
            return
        names = ("𝑥ₜ   where the process stands", "𝑥̂₀   what the model sees")
        for name, area, images in zip(names, self.areas(), (self._x_t, self._x0_hat), strict=True):
            text = painter.fontMetrics().elidedText(name, Qt.TextElideMode.ElideRight, area.width())
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
