"""Pictures on the pixels of the screen, against their definition in float64."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from PySide6.QtCore import QRect
from PySide6.QtGui import QImage

from diffusion_gui.engine.images import Pixels
from diffusion_gui.panels.common import resampling
from diffusion_gui.panels.common.resampling import seen_part

Floats = NDArray[np.float64]


def _noise(height: int, width: int) -> Pixels:
    return np.random.default_rng(2).integers(0, 256, (height, width, 3), np.uint8)


def _array(image: QImage) -> Pixels:
    image = image.convertToFormat(QImage.Format.Format_RGB888)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), -1)
    return rows[:, : 3 * image.width()].reshape(image.height(), image.width(), 3).copy()


def _overlap(size: int, length: int) -> Floats:
    """Return the share of every source pixel in every screen pixel, [length, size]."""
    edges = np.arange(length + 1) * size / length
    source = np.arange(size)
    inside = np.minimum(edges[1:, None], source + 1) - np.maximum(edges[:-1, None], source)
    return np.clip(inside, 0.0, None) * length / size


def _averages(pixels: Pixels, width: int, height: int) -> Floats:
    rows, columns = _overlap(pixels.shape[0], height), _overlap(pixels.shape[1], width)
    return np.einsum("ij,jkc,lk->ilc", rows, pixels.astype(np.float64), columns)


@pytest.mark.parametrize("side", [7, 40, 64, 65, 333, 800])
def test_nearest_shows_the_pixel_under_the_middle_of_each_screen_pixel(side: int) -> None:
    pixels = _noise(64, 80)
    place = QRect(-13, 5, side + 11, side)
    seen = place.adjusted(side // 3, side // 4, -2, -1)
    corner, image = seen_part(pixels, place, seen, smooth=False)
    assert corner == seen.topLeft()
    x = np.arange(seen.left(), seen.left() + seen.width()) + 0.5 - place.left()
    y = np.arange(seen.top(), seen.top() + seen.height()) + 0.5 - place.top()
    columns = np.floor(x * 80 / place.width()).astype(int)
    rows = np.floor(y * 64 / place.height()).astype(int)
    np.testing.assert_array_equal(_array(image), pixels[np.ix_(rows, columns)])


@pytest.mark.parametrize("smooth", [True, False])
def test_one_to_one_is_the_picture_itself(smooth: bool) -> None:
    pixels = _noise(50, 61)
    corner, image = seen_part(pixels, QRect(-20, -10, 61, 50), QRect(0, 0, 30, 25), smooth)
    assert (corner.x(), corner.y()) == (0, 0)
    np.testing.assert_array_equal(_array(image), pixels[10:35, 20:50])


@pytest.mark.parametrize(
    ("width", "height"), [(30, 20), (37, 29), (64, 48), (65, 49), (100, 77), (90, 96)]
)
def test_smooth_shrinking_averages_by_area(width: int, height: int) -> None:
    pixels = _noise(96, 128)
    place = QRect(0, 0, width, height)
    _, image = seen_part(pixels, place, place, smooth=True)
    error = _array(image) - _averages(pixels, width, height)
    assert np.abs(error).max() <= 1.5  # Qt rounds down


def test_fine_stripes_shrink_to_grey_instead_of_stripes() -> None:
    pixels = np.zeros((300, 300, 3), np.uint8)
    pixels[:, ::2] = 255
    place = QRect(0, 0, 91, 91)
    _, image = seen_part(pixels, place, place, smooth=True)
    assert np.ptp(_array(image)[:, 1:-1].astype(int)) <= 90  # +-1/6 of 255: a third of a stripe
    _, image = seen_part(pixels, place, place, smooth=False)
    assert np.ptp(_array(image).astype(int)) == 255


def test_a_part_is_the_same_part_of_the_whole_but_for_half_a_pixel() -> None:
    y, x = np.mgrid[0:400, 0:400]
    pixels = np.stack([x * 255 // 399, y * 255 // 399, (x + y) * 255 // 798], -1).astype(np.uint8)
    place, seen = QRect(-31, -17, 170, 170), QRect(0, 0, 90, 100)
    _, whole = seen_part(pixels, place, place, smooth=True)
    corner, part = seen_part(pixels, place, seen, smooth=True)
    inside = QRect(corner, part.size()).intersected(seen)
    assert inside == seen
    expected = _array(whole)[17:117, 31:121].astype(int)
    left, top = seen.left() - corner.x(), seen.top() - corner.y()
    got = _array(part)[top : top + 100, left : left + 90].astype(int)
    assert np.abs(got - expected).max() <= 2  # one screen pixel is 1.5 levels


def test_bands_of_a_large_picture_are_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = _noise(640, 480)
    place = QRect(0, 0, 90, 121)
    _, whole = seen_part(pixels, place, place, smooth=True)
    monkeypatch.setattr(resampling, "BAND", pixels.nbytes // 7)
    _, bands = seen_part(pixels, place, place, smooth=True)
    assert bands.size() == whole.size()
    difference = _array(bands).astype(int) - _array(whole)
    assert np.abs(difference).mean() < 6.0  # white noise: rows at the joints differ by a part
    assert np.abs(difference.mean()) < 0.5


def test_smooth_enlarging_is_bilinear_between_the_middles_of_pixels() -> None:
    pixels = _noise(9, 12)
    place = QRect(-40, -30, 12 * 16, 9 * 16)
    seen = QRect(0, 0, 100, 70)
    _, image = seen_part(pixels, place, seen, smooth=True)
    x = np.clip((np.arange(100) + 0.5 + 40) / 16 - 0.5, 0, 11)
    y = np.clip((np.arange(70) + 0.5 + 30) / 16 - 0.5, 0, 8)
    left, top = np.minimum(x.astype(int), 10), np.minimum(y.astype(int), 7)
    u, v = (x - left)[None, :, None], (y - top)[:, None, None]
    p = pixels.astype(np.float64)
    upper = (1 - u) * p[np.ix_(top, left)] + u * p[np.ix_(top, left + 1)]
    lower = (1 - u) * p[np.ix_(top + 1, left)] + u * p[np.ix_(top + 1, left + 1)]
    error = _array(image) - ((1 - v) * upper + v * lower)
    assert np.abs(error).max() < 5.0  # Qt's weights have 8 bits and are rounded down
