"""The part of a picture that is seen, brought to the pixels of the screen. All in device pixels."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
from PySide6.QtCore import QPoint, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QImage, QPainter

from diffusion_gui.engine.images import Pixels

BAND = 8 << 20
"""Bytes of a picture that are averaged in one go."""
SHARP_FROM = 1.5
"""From so many screen pixels a pixel on, "auto" shows pixels instead of smoothing them."""


def to_qimage(pixels: Pixels) -> QImage:
    """Return uint8 [H, W, 3] as a QImage that shares the array's memory (and keeps it alive)."""
    height, width = pixels.shape[:2]
    image = QImage(pixels.data, width, height, 3 * width, QImage.Format.Format_RGB888)
    image.pixels = pixels  # type: ignore[attr-defined]
    return image


def seen_part(pixels: Pixels, place: QRect, seen: QRect, smooth: bool) -> tuple[QPoint, QImage]:
    """Return the part of a picture in `seen`, ready to be drawn unscaled, and where.

    `pixels` uint8 [H, W, 3] as a whole lies at `place`; `seen` is a part of that. The pixel at
    device column x shows column floor((x + 1/2 - left) W / width) where it is not smooth. Smooth
    shrinking averages all pixels that a screen pixel covers, by their area; smooth enlarging is
    bilinear.
    """
    if place.width() == pixels.shape[1] and place.height() == pixels.shape[0]:
        part = seen.translated(-place.topLeft())
        return seen.topLeft(), to_qimage(np.ascontiguousarray(_cut(pixels, part)))
    if not smooth:
        return seen.topLeft(), _nearest(pixels, place, seen)
    if place.width() <= pixels.shape[1] or place.height() <= pixels.shape[0]:
        return _averaged(pixels, place, seen)
    return seen.topLeft(), _between(pixels, place, seen)


def _nearest(pixels: Pixels, place: QRect, seen: QRect) -> QImage:
    columns = _sources(seen.left() - place.left(), seen.width(), place.width(), pixels.shape[1])
    rows = _sources(seen.top() - place.top(), seen.height(), place.height(), pixels.shape[0])
    needed, rows = np.unique(rows, return_inverse=True)
    wide = pixels[needed].take(columns, axis=1)
    return to_qimage(wide.take(rows, axis=0))


def _sources(first: int, count: int, length: int, size: int) -> np.ndarray:
    """Return which of `size` source pixels the screen pixels show, of `length` for all of them."""
    return ((2 * np.arange(first, first + count) + 1) * size) // (2 * length)


def _averaged(pixels: Pixels, place: QRect, seen: QRect) -> tuple[QPoint, QImage]:
    """Return the area averages; a part is cut out at whole pixels, so off by half a pixel."""
    cut, target = _covered(pixels, place, seen, margin=0)
    rect = target.toRect().intersected(place)
    size = QSize(max(rect.width(), 1), max(rect.height(), 1))
    return rect.topLeft(), _shrunk(_cut(pixels, cut), size)


def _shrunk(pixels: Pixels, size: QSize) -> QImage:
    """Return pixels averaged down to a size, a large picture in bands that stay in the cache.

    A band ends at a whole row on screen, and at the nearest whole row of the picture.
    """
    count = min(-(-pixels.nbytes // BAND), size.height())
    if count == 1:
        return _scaled(pixels, size)
    image = QImage(size, QImage.Format.Format_RGB32)
    painter = QPainter(image)
    ends = [round(i * size.height() / count) for i in range(count + 1)]
    for top, bottom in pairwise(ends):
        first, last = (round(row * len(pixels) / size.height()) for row in (top, bottom))
        part = _scaled(pixels[first : max(last, first + 1)], QSize(size.width(), bottom - top))
        painter.drawImage(0, top, part)
    painter.end()
    return image


def _scaled(pixels: Pixels, size: QSize) -> QImage:
    """Return pixels averaged down to a size.

    Qt averages by area only where a side shrinks to less than half; otherwise it takes the nearest
    four pixels, which makes white noise uneven. Each row twice has the same averages.
    """
    height, width = pixels.shape[:2]
    if width <= 2 * size.width() and height <= 2 * size.height():
        pixels = np.repeat(pixels, 3 if height == size.height() else 2, axis=0)
    return to_qimage(np.ascontiguousarray(pixels)).scaled(
        size, Qt.AspectRatioMode.IgnoreAspectRatio, Qt.TransformationMode.SmoothTransformation
    )


def _between(pixels: Pixels, place: QRect, seen: QRect) -> QImage:
    """Return the part interpolated between the middles of the pixels."""
    cut, target = _covered(pixels, place, seen, margin=1)
    image = QImage(seen.size(), QImage.Format.Format_RGB32)
    painter = QPainter(image)
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
    part = to_qimage(np.ascontiguousarray(_cut(pixels, cut)))
    painter.drawImage(target.translated(-seen.topLeft()), part)
    painter.end()
    return image


def _covered(pixels: Pixels, place: QRect, seen: QRect, margin: int) -> tuple[QRect, QRectF]:
    """Return the pixels that `seen` touches and a margin, as a rectangle, and where they lie."""
    left, right, x, width = _interval(
        seen.left() - place.left(), seen.width(), place.width(), pixels.shape[1], margin
    )
    top, bottom, y, height = _interval(
        seen.top() - place.top(), seen.height(), place.height(), pixels.shape[0], margin
    )
    target = QRectF(place.left() + x, place.top() + y, width, height)
    return QRect(left, top, right - left, bottom - top), target


def _interval(
    first: int, count: int, length: int, size: int, margin: int
) -> tuple[int, int, float, float]:
    """Return (begin, end) in source pixels, and on screen where they begin and their length."""
    begin = max(math.floor(first * size / length) - margin, 0)
    end = min(math.ceil((first + count) * size / length) + margin, size)
    return begin, end, begin * length / size, (end - begin) * length / size


def _cut(pixels: Pixels, part: QRect) -> Pixels:
    return pixels[part.top() : part.top() + part.height(), part.left() : part.left() + part.width()]
