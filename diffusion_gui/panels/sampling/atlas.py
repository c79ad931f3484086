"""A batch of pictures as one image: scaled once, then its cells are only copied to the screen."""

from __future__ import annotations

from collections.abc import Sequence

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
        self._scaled: tuple[QSize, QImage, list[QRect]] | None = None

    def draw(self, painter: QPainter, corners: Sequence[QPoint], cell: QSize) -> None:
        """Draw the pictures of the batch, `cell` large each, at their corners.

        In pixels of the screen. Pixels of a picture stay sharp where they are enlarged by
        `SHARP_FROM` and more, are interpolated below that, and averaged by area where they shrink.
        """
        assert len(corners) == len(self.batch)
        width = self.batch.shape[2]
        if width < cell.width() < SHARP_FROM * width:
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            for corner, pixels in zip(corners, self.batch, strict=True):
                painter.drawImage(QRect(corner, cell), to_qimage(pixels))
            return
        image, sources = self._at(cell)
        for corner, source in zip(corners, sources, strict=True):
            painter.drawImage(corner, image, source)

    def _at(self, cell: QSize) -> tuple[QImage, list[QRect]]:
        """Return the sheet with cells of a size, and where on it the pictures are."""
        if self._scaled is None or self._scaled[0] != cell:
            rows, columns = -(-len(self.batch) // self.columns), self.columns
            size = QSize(columns * cell.width(), rows * cell.height())
            scaled = _averaged if cell.width() < self.batch.shape[2] else _sharp
            image = scaled(_sheet(self.batch, columns), size, rows)
            corners = (
                QPoint(i % columns * cell.width(), i // columns * cell.height())
                for i in range(len(self.batch))
            )
            self._scaled = cell, image, [QRect(corner, cell) for corner in corners]
        return self._scaled[1:]


def _averaged(sheet: Pixels, size: QSize, rows: int) -> QImage:
    """Return the sheet averaged by area, row by row of pictures: none mixes with the one below.

    Qt shares a larger image among threads, and waits for them while the cores are taken.
    """
    image = QImage(size, QImage.Format.Format_RGB32)
    painter = QPainter(image)
    place = QRect(0, 0, size.width(), size.height() // rows)
    for row, pixels in enumerate(np.split(sheet, rows)):
        part = seen_part(pixels, place, place, smooth=True)[1]
        painter.drawImage(0, row * place.height(), part)
    painter.end()
    return image


def _sharp(sheet: Pixels, size: QSize, _rows: int) -> QImage:
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
