"""A batch of pictures as one image: scaled once, then its cells are only copied to the screen."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QPoint, QRect, QSize
from PySide6.QtGui import QImage, QPainter

from diffusion_gui.engine.images import Pixels
from diffusion_gui.panels.common.resampling import SHARP_FROM, seen_part, to_qimage


class Atlas:
    """A batch, uint8 [B, H, W, 3], side by side without gaps in so many columns."""

    def __init__(self, batch: Pixels, columns: int) -> None:
        self.batch = batch
        self.columns = columns
        self._scaled: tuple[QSize, QImage] | None = None

    def draw(self, painter: QPainter, index: int, place: QRect) -> None:
        """Draw a picture of the batch into `place`, in pixels of the screen.

        Pixels stay sharp where they are enlarged by `SHARP_FROM` and more, are interpolated below
        that, and averaged by area where they shrink.
        """
        count, _, width = self.batch.shape[:3]
        assert 0 <= index < count
        row, column = divmod(index, self.columns)
        if width < place.width() < SHARP_FROM * width:
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            painter.drawImage(place, to_qimage(self.batch[index]))
            return
        corner = QPoint(column * place.width(), row * place.height())
        painter.drawImage(place.topLeft(), self._at(place.size()), QRect(corner, place.size()))

    def _at(self, cell: QSize) -> QImage:
        """Return the sheet with cells of a size."""
        if self._scaled is None or self._scaled[0] != cell:
            rows = -(-len(self.batch) // self.columns)
            whole = QRect(0, 0, self.columns * cell.width(), rows * cell.height())
            if cell.width() < self.batch.shape[2]:
                image = seen_part(_sheet(self.batch, self.columns), whole, whole, smooth=True)[1]
            else:
                image = _sharp(_sheet(self.batch, self.columns), whole.size())
            self._scaled = cell, image
        return self._scaled[1]


def _sharp(sheet: Pixels, size: QSize) -> QImage:
    """Return the sheet enlarged, each pixel of the screen showing the one its middle lies in.

    In Qt's own layout, in which copying to the screen is quickest.
    """
    red, green, blue = (sheet[:, :, i].astype(np.uint32) for i in range(3))
    packed = 0xFF000000 | (red << 16) | (green << 8) | blue
    columns, rows = (
        (2 * np.arange(length) + 1) * pixels // (2 * length)
        for length, pixels in ((size.width(), sheet.shape[1]), (size.height(), sheet.shape[0]))
    )
    large = packed.take(columns, axis=1).take(rows, axis=0)
    image = QImage(
        large.data, size.width(), size.height(), 4 * size.width(), QImage.Format.Format_RGB32
    )
    image.pixels = large  # type: ignore[attr-defined]
    return image


def _sheet(batch: Pixels, columns: int) -> Pixels:
    """Return uint8 [rows H, columns W, 3]; cells beyond the last picture are black."""
    count, height, width, channels = batch.shape
    rows = -(-count // columns)
    cells = np.zeros((rows * columns, height, width, channels), np.uint8)
    cells[:count] = batch
    grid = cells.reshape(rows, columns, height, width, channels).swapaxes(1, 2)
    return np.ascontiguousarray(grid).reshape(rows * height, columns * width, channels)
