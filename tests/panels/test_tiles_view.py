"""The large view: linked zoom and pan, the pixel read-out, display ranges, rows by shape."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, QSize, Qt
from PySide6.QtGui import (
    QFontMetrics,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QNativeGestureEvent,
    QPointingDevice,
    QWheelEvent,
)
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from diffusion_gui.app.main_window import MainWindow
from diffusion_gui.app.parts import Parts
from diffusion_gui.engine.experiment import NoiseKind
from diffusion_gui.engine.forward import Shown
from diffusion_gui.engine.images import Picture, Pixels
from diffusion_gui.engine.noise import START, gaussian
from diffusion_gui.engine.schedules import ScheduleSpec
from diffusion_gui.panels.common.picture import CAPTION, PictureView
from diffusion_gui.panels.images.cells import columns
from diffusion_gui.panels.images.tiles_view import TilesView
from diffusion_gui.state.view_state import Scaling

LEFT, NONE = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
PLAIN = Qt.KeyboardModifier.NoModifier
CTRL, ALT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.AltModifier
Key = Qt.Key


@pytest.fixture
def tiles(window: MainWindow, parts: Parts) -> TilesView:
    parts.sampling.live = False
    window.resize(1280, 800)
    QApplication.processEvents()
    return window.images.tiles


def _show(parts: Parts, pixels: Pixels, size: int = 0) -> None:
    """Put a picture on show, at its own size unless told otherwise."""
    parts.document.replace_forward("size", size=size)
    parts.loader.add(Picture("made.png", pixels), "made")
    QApplication.processEvents()


def _noise(height: int, width: int) -> Pixels:
    return np.random.default_rng(7).integers(0, 256, (height, width, 3), np.uint8)


def _visible(tiles: TilesView) -> list[PictureView]:
    return [view for view in tiles.views if view.isVisible()]


def _wheel(
    view: PictureView, place: QPoint, angle: int, pixels: int = 0, momentum: bool = False
) -> None:
    phase = Qt.ScrollPhase.ScrollMomentum if momentum else Qt.ScrollPhase.NoScrollPhase
    event = QWheelEvent(
        QPointF(place), QPointF(view.mapToGlobal(place)), QPoint(0, pixels), QPoint(0, angle),
        NONE, PLAIN, phase, False,
    )  # fmt: skip
    QApplication.sendEvent(view, event)


def _move(view: PictureView, place: QPoint, buttons: Qt.MouseButton = NONE) -> None:
    event = QMouseEvent(
        QEvent.Type.MouseMove, QPointF(place), QPointF(view.mapToGlobal(place)), NONE, buttons,
        PLAIN,
    )  # fmt: skip
    QApplication.sendEvent(view, event)


def _drag(
    qtbot: QtBot,
    view: PictureView,
    start: QPoint,
    way: QPoint,
    held: Qt.KeyboardModifier = PLAIN,
) -> None:
    qtbot.mousePress(view, LEFT, held, start)
    for part in (way / 3, way / 2, way):
        _move(view, start + part, LEFT)
    qtbot.mouseRelease(view, LEFT, held, start + way)


def _painted(view: PictureView) -> Pixels:
    """Return what is on screen where the picture is, [H, W, 3]."""
    view.zoom.point(None)
    view.clearFocus()
    rect = view.picture_rect()
    return _array(view.grab(rect).toImage())


def _array(image: QImage) -> Pixels:
    image = image.convertToFormat(QImage.Format.Format_RGB888)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), -1)
    return rows[:, : 3 * image.width()].reshape(image.height(), image.width(), 3).copy()


# --- zoom and pan ---------------------------------------------------------------------------------


def test_the_wheel_zooms_all_tiles_about_the_pixel_under_the_mouse(tiles: TilesView) -> None:
    place = QPoint(50, 90)
    _move(tiles.x_t, place)
    before = tiles.x_t.pixel()
    scale = tiles.x_t.place().width() / 300
    factors = []
    for _ in range(6):
        _wheel(tiles.x_t, place, 120)
        factors.append(tiles.zoom.factor)
        after = tiles.x_t.pixel()
        assert before is not None
        assert after is not None
        way = QPointF(after - before) * scale  # in pixels of the screen, on which places are round
        assert max(abs(way.x()), abs(way.y())) <= 1.0
    assert factors == sorted(factors)
    assert factors[2] == pytest.approx(2.0)
    places = {view.place().width() / view.area().width() for view in _visible(tiles)}
    assert len(places) == 1
    for _ in range(8):
        _wheel(tiles.noise, place, -120)
    assert not tiles.zoom.zoomed


def test_a_trackpad_zooms_in_fine_steps_and_its_momentum_is_ignored(tiles: TilesView) -> None:
    place = QPoint(60, 80)
    _wheel(tiles.x_0, place, 0, pixels=2)
    assert 1.0 < tiles.zoom.factor < 1.02
    for _ in range(20):
        _wheel(tiles.x_0, place, 8)
    assert 1.2 < tiles.zoom.factor < 2.0
    before = tiles.zoom.factor
    _wheel(tiles.x_0, place, 60, momentum=True)
    assert tiles.zoom.factor == before


def test_a_pinch_zooms(tiles: TilesView) -> None:
    place = QPointF(60, 80)
    event = QNativeGestureEvent(
        Qt.NativeGestureType.ZoomNativeGesture, QPointingDevice.primaryPointingDevice(), 2, place,
        place, tiles.x_0.mapToGlobal(place), 0.5, QPointF(),
    )  # fmt: skip
    QApplication.sendEvent(tiles.x_0, event)
    assert tiles.zoom.factor == pytest.approx(1.5)


def test_a_drag_pans_what_is_zoomed_in_and_is_no_drag_out(tiles: TilesView, qtbot: QtBot) -> None:
    place = QPoint(70, 90)
    _wheel(tiles.x_0, place, 720)
    out: list[bool] = []
    tiles.x_0.dragged_out.connect(lambda: out.append(True))
    _move(tiles.x_0, place)
    held = tiles.x_0.pixel()
    corner = tiles.signal.place().topLeft()
    _drag(qtbot, tiles.x_0, place, QPoint(-24, 18))
    moved = tiles.signal.place().topLeft() - corner
    assert (moved.x(), moved.y()) == (pytest.approx(-24.0), pytest.approx(18.0))
    assert tiles.x_0.pixel() == held  # it is still under the mouse
    assert not out


def test_a_drag_of_the_whole_picture_and_one_with_ctrl_go_out_of_the_window(
    tiles: TilesView, qtbot: QtBot
) -> None:
    out: list[bool] = []
    tiles.x_t.dragged_out.connect(lambda: out.append(True))
    _drag(qtbot, tiles.x_t, QPoint(70, 90), QPoint(40, 0))
    assert len(out) == 1
    _wheel(tiles.x_t, QPoint(70, 90), 720)
    before = tiles.zoom.centre
    _drag(qtbot, tiles.x_t, QPoint(70, 90), QPoint(40, 0), CTRL)
    assert len(out) == 2
    assert tiles.zoom.centre == before


def test_the_picture_cannot_be_dragged_away(tiles: TilesView, qtbot: QtBot) -> None:
    _wheel(tiles.x_0, QPoint(70, 90), 720)
    for way in (QPoint(3000, 2000), QPoint(-4000, -3000)):
        _drag(qtbot, tiles.x_0, QPoint(70, 90), way)
        for view in _visible(tiles):
            assert view.picture_rect() == view.area()
    _drag(qtbot, tiles.x_0, QPoint(70, 90), QPoint(30, 0))  # and it comes back at once
    assert tiles.x_0.place().right() - tiles.x_0.area().width() == pytest.approx(30.0, abs=1e-6)


def test_a_double_click_shows_pixels_one_to_one_there_and_then_the_whole(
    tiles: TilesView, qtbot: QtBot, parts: Parts
) -> None:
    pixels = _noise(300, 300)
    _show(parts, pixels)
    place = QPoint(100, 60)
    _move(tiles.x_0, place)
    under = tiles.x_0.pixel()
    qtbot.mouseDClick(tiles.x_0, LEFT, PLAIN, place)
    assert tiles.x_0.pixel() == under
    corner, shown = tiles.x_0.snapped().topLeft(), _painted(tiles.x_0)
    left, top = round(-corner.x()), round(CAPTION - corner.y())
    expected = pixels[top : top + shown.shape[0], left : left + shown.shape[1]]
    tag = 24  # the factor stands in the first rows
    np.testing.assert_array_equal(shown[tag:], expected[tag:])
    qtbot.mouseDClick(tiles.x_0, LEFT, PLAIN, place)
    assert not tiles.zoom.zoomed


def test_a_double_click_on_a_small_picture_shows_it_eight_times_as_large(
    tiles: TilesView, qtbot: QtBot, parts: Parts
) -> None:
    _show(parts, _noise(40, 40))
    qtbot.mouseDClick(tiles.x_0, LEFT, PLAIN, QPoint(60, 70))
    assert tiles.zoom.factor == pytest.approx(8.0)


def test_keys_zoom_pan_and_show_the_whole(tiles: TilesView, qtbot: QtBot) -> None:
    view = tiles.signal
    view.setFocus()
    for _ in range(4):
        qtbot.keyClick(view, Key.Key_Plus)
    assert tiles.zoom.factor == pytest.approx(4.0)
    corner = view.place().topLeft()
    qtbot.keyClick(view, Key.Key_Right)
    assert view.place().left() == pytest.approx(corner.x() - view.area().width() / 8)
    qtbot.keyClick(view, Key.Key_Up)
    assert view.place().top() == pytest.approx(corner.y() + view.area().height() / 8)
    qtbot.keyClick(view, Key.Key_Minus)
    assert tiles.zoom.factor == pytest.approx(4.0 / math.sqrt(2.0))
    qtbot.keyClick(view, Key.Key_0)
    assert not tiles.zoom.zoomed


def test_arrow_keys_are_left_to_others_while_the_whole_picture_is_seen(tiles: TilesView) -> None:
    def taken(key: Key, held: Qt.KeyboardModifier = PLAIN) -> bool:
        event = QKeyEvent(QEvent.Type.ShortcutOverride, key, held)
        event.ignore()
        QApplication.sendEvent(tiles.x_0, event)
        return event.isAccepted()

    assert not taken(Key.Key_Left)
    assert taken(Key.Key_Left, ALT)
    assert taken(Key.Key_0)
    assert not taken(Key.Key_Space)
    assert not taken(Key.Key_Left, CTRL)
    tiles.x_0.zoom_to(3.0, QPointF(50, 50))
    assert taken(Key.Key_Left)
    assert not taken(Key.Key_Left, CTRL)  # t - 1 %


def test_the_zoom_is_limited_and_a_click_on_its_tag_ends_it(tiles: TilesView, qtbot: QtBot) -> None:
    assert tiles.x_0.zoom_tag().isEmpty()
    for _ in range(60):
        _wheel(tiles.x_0, QPoint(70, 90), 120)
    room = tiles.x_0.room()
    assert room is not None
    assert room.scale * tiles.zoom.factor == pytest.approx(64.0)
    for view in _visible(tiles):
        assert view.rect().contains(view.zoom_tag())
    qtbot.mouseClick(tiles.noise, LEFT, PLAIN, tiles.noise.zoom_tag().center())
    assert not tiles.zoom.zoomed


def test_another_picture_is_shown_whole_but_other_noise_leaves_the_zoom(
    tiles: TilesView, parts: Parts
) -> None:
    _wheel(tiles.x_0, QPoint(70, 90), 720)
    parts.document.replace_forward("noise", noise=NoiseKind.FRESH)
    parts.view.set_t(600)
    assert tiles.zoom.zoomed
    parts.view.set_picture(parts.document.experiment.pictures[1].id)
    assert not tiles.zoom.zoomed


# --- scaling --------------------------------------------------------------------------------------


def test_nearest_shows_pixels_and_smooth_their_averages(tiles: TilesView, parts: Parts) -> None:
    pixels = _noise(600, 600)
    _show(parts, pixels)
    parts.view.set_display(scaling=Scaling.NEAREST)
    nearest = _painted(tiles.x_0)
    side = nearest.shape[0]
    at = ((np.arange(side) + 0.5) * 600 / side).astype(int)
    np.testing.assert_array_equal(nearest, pixels[np.ix_(at, at)])
    parts.view.set_display(scaling=Scaling.SMOOTH)
    smooth = _painted(tiles.x_0)
    blocks = 600 / side  # each screen pixel averages so many by so many
    assert smooth.std() < 1.15 * pixels.std() / blocks
    parts.view.set_display(scaling=Scaling.AUTO)
    np.testing.assert_array_equal(_painted(tiles.x_0), smooth)


def test_automatic_shows_sharp_pixels_where_they_are_large(tiles: TilesView, parts: Parts) -> None:
    pixels = _noise(40, 40)
    _show(parts, pixels)
    sharp = _painted(tiles.x_0)
    assert set(map(tuple, sharp.reshape(-1, 3))) == set(map(tuple, pixels.reshape(-1, 3)))
    parts.view.set_display(scaling=Scaling.SMOOTH)
    assert len(set(map(tuple, _painted(tiles.x_0).reshape(-1, 3)))) > 1600


@pytest.mark.parametrize("ratio", [1.0, 1.5, 2.0])
def test_at_every_scale_of_the_screen_a_device_pixel_shows_the_picture_pixel_below_it(
    tiles: TilesView, parts: Parts, ratio: float
) -> None:
    pixels = _noise(64, 64)
    _show(parts, pixels)
    view = tiles.x_0
    image = QImage(view.size() * ratio, QImage.Format.Format_RGB32)
    image.setDevicePixelRatio(ratio)
    view.render(image)
    place = view.snapped()
    side = round(place.width() * ratio)
    left, top = round(place.left() * ratio), round(place.top() * ratio)
    shown = _array(image)[top : top + side, left : left + side]
    at = ((np.arange(side) + 0.5) * 64 / side).astype(int)
    np.testing.assert_array_equal(shown, pixels[np.ix_(at, at)])


# --- the read-out ---------------------------------------------------------------------------------


def _said(text: str) -> list[float]:
    """Return the numbers of a reading."""
    words = text.replace("−", "-").split()
    return [float(word) for word in words if word[0] in "+-"]


def test_the_reading_has_the_values_of_the_closed_form_and_not_of_the_clipped_picture(
    tiles: TilesView, parts: Parts, window: MainWindow
) -> None:
    pixels = _noise(90, 90)
    _show(parts, pixels)
    parts.view.set_t(800)
    schedule = parts.document.schedule
    a, s = math.sqrt(schedule.alpha_bar[800]), math.sqrt(1.0 - schedule.alpha_bar[800])
    eps = gaussian(0, 0, START, pixels.shape).astype(np.float64)
    snr = -20.0 * math.log10(a / s)
    beyond = 0
    for place in (QPoint(20, 40), QPoint(77, 120), QPoint(140, 60)):
        _move(tiles.noise, place)
        pixel = tiles.noise.pixel()
        assert pixel is not None
        x, y = pixel.x(), pixel.y()
        x_0 = pixels[y, x] / 127.5 - 1.0
        for view, expected in (
            (tiles.x_0, x_0),
            (tiles.x_t, a * x_0 + s * eps[y, x]),
            (tiles.signal, a * x_0),
            (tiles.noise, s * eps[y, x]),
        ):
            np.testing.assert_allclose(_said(view.reading), expected, atol=0.00501)
            beyond += bool(np.abs(expected).max() > 1.0)
            assert view.accessibleDescription() == view.reading
        assert window.images.caption.text() == f"R G B at ({x}, {y})   t = 800   SNR −{snr:.1f} dB"
    assert beyond


def test_all_tiles_mark_the_pixel_that_the_mouse_points_at(tiles: TilesView, parts: Parts) -> None:
    _show(parts, np.full((20, 20, 3), 128, np.uint8))
    bare = {view: _array(view.grab().toImage()) for view in _visible(tiles)}
    _move(tiles.x_t, QPoint(tiles.x_t.width() // 2 + 20, 100))
    for view in _visible(tiles):
        pixel = view.pixel()
        assert pixel is not None
        changed = (_array(view.grab().toImage()) != bare[view]).any(-1)[CAPTION:]
        rows, across = np.nonzero(changed)
        frame = view.pixel_rect(pixel).translated(0, -CAPTION)
        assert abs(across.min() - frame.left()) <= 2
        assert abs(across.max() - frame.right()) <= 2
        assert abs(rows.min() - frame.top()) <= 2
        assert abs(rows.max() - frame.bottom()) <= 2


def test_nothing_moves_when_the_reading_comes_and_goes(
    tiles: TilesView, window: MainWindow, parts: Parts
) -> None:
    def places() -> list[object]:
        QApplication.processEvents()
        images = window.images
        views = [*_visible(tiles), tiles.histogram, images.strip, images.tray, images.caption]
        return [view.geometry() for view in views] + [v.picture_rect() for v in _visible(tiles)]

    before, caption = places(), window.images.caption.text()
    _move(tiles.x_0, QPoint(50, 60))
    assert places() == before
    assert window.images.caption.text().startswith("R G B at")
    QApplication.sendEvent(tiles.x_0, QEvent(QEvent.Type.Leave))
    assert places() == before
    assert window.images.caption.text() == caption
    assert all(view.reading == "" for view in tiles.views)


def test_the_reading_follows_t(tiles: TilesView, parts: Parts) -> None:
    parts.view.set_t(100)
    _move(tiles.x_0, QPoint(50, 60))
    first = tiles.x_t.reading
    parts.view.set_t(140)
    assert tiles.x_t.reading != first
    assert "t = 140" in tiles.reading
    parts.view.set_t(0)
    assert "no noise yet" in tiles.reading
    assert _said(tiles.noise.reading) == [0.0, 0.0, 0.0]
    assert _said(tiles.x_t.reading) == _said(tiles.x_0.reading)


@pytest.mark.parametrize("sides", [1, 2])
def test_no_reading_is_cut_off_at_1280_by_800(
    tiles: TilesView, parts: Parts, window: MainWindow, sides: int
) -> None:
    if sides == 2:
        parts.comparison.switch()
        parts.document.replace_schedule(ScheduleSpec("linear"), "B")
    for shape in ((300, 300), (400, 100), (90, 700), (5, 600)):
        _show(parts, _noise(*shape))
        QApplication.processEvents()
        tiles.x_0.setFocus()
        tiles.zoom.point(QPointF(0.999, 0.999))
        readings = [view.reading for view in _visible(tiles)]
        assert len(readings) == 3 + sides
        assert len({len(_said(reading)) for reading in readings}) == 1
        for view in _visible(tiles):
            assert view.fits(view.reading)
        if sides == 2:
            letters = {tiles.x_t.reading[:6], tiles.x_t_other.reading[:6]}
            assert any("A" in text for text in letters)
            assert any("B" in text for text in letters)
        caption = window.images.caption
        assert QFontMetrics(caption.font()).horizontalAdvance(caption.text()) <= caption.width()


def test_alt_and_arrows_move_the_mark_from_the_middle_and_keep_it_in_sight(
    tiles: TilesView, qtbot: QtBot, parts: Parts
) -> None:
    _show(parts, _noise(60, 60))
    view = tiles.x_t
    view.setFocus()
    qtbot.keyClick(view, Key.Key_Left, ALT)
    assert view.pixel() == QPoint(30, 30)
    qtbot.keyClick(view, Key.Key_Left, ALT)
    qtbot.keyClick(view, Key.Key_Down, ALT | Qt.KeyboardModifier.ShiftModifier)
    assert view.pixel() == QPoint(29, 40)
    for _ in range(8):
        qtbot.keyClick(view, Key.Key_Plus)
    for _ in range(40):
        qtbot.keyClick(view, Key.Key_Right, ALT)
    assert view.pixel() == QPoint(59, 40)
    assert view.area().toRectF().adjusted(-1, -1, 1, 1).contains(view.pixel_rect(QPoint(59, 40)))
    view.clearFocus()
    assert view.reading == ""


# --- display range --------------------------------------------------------------------------------


@pytest.mark.parametrize("shown", list(Shown))
def test_the_tiles_paint_the_closed_form_in_every_range(
    tiles: TilesView, parts: Parts, qtbot: QtBot, shown: Shown
) -> None:
    pixels = _noise(300, 300)
    _show(parts, pixels)
    parts.view.set_display(shown=shown)
    parts.view.set_t(500)
    qtbot.mouseDClick(tiles.x_0, LEFT, PLAIN, QPoint(70, 90))  # one to one
    alpha_bar = parts.document.schedule.alpha_bar[500]
    signal = math.sqrt(alpha_bar) * (pixels / 127.5 - 1.0)
    noise = math.sqrt(1.0 - alpha_bar) * gaussian(0, 0, START, pixels.shape).astype(np.float64)
    for view, values in (
        (tiles.x_t, signal + noise),
        (tiles.signal, signal),
        (tiles.noise, noise),
    ):
        low, high = -1.0, 1.0
        if shown is Shown.NORMALISE:
            low, high = values.min(), values.max()
        elif shown is Shown.SYMMETRIC:
            low, high = -np.abs(values).max(), np.abs(values).max()
        levels = 255.0 * (np.clip(values, low, high) - low) / (high - low)
        corner, got = view.snapped().topLeft(), _painted(view).astype(int)
        left, top = round(-corner.x()), round(CAPTION - corner.y())
        part = levels[top : top + got.shape[0], left : left + got.shape[1]][24:-24]
        wrong = got[24:-24] - np.floor(part + 0.5).astype(int)
        assert np.abs(wrong).max() <= 1
        assert not wrong[np.abs(part - np.floor(part) - 0.5) > 2e-3].any()


def test_what_is_clipped_is_said_where_it_is_more_than_a_hundredth(
    tiles: TilesView, parts: Parts
) -> None:
    pixels = _noise(100, 100)
    _show(parts, pixels)
    for t in (0, 10, 300, 700, 1000):
        parts.view.set_t(t)
        alpha_bar = parts.document.schedule.alpha_bar[t]
        noise = math.sqrt(1.0 - alpha_bar) * gaussian(0, 0, START, pixels.shape)
        x_t = math.sqrt(alpha_bar) * (pixels / 127.5 - 1.0) + noise
        for view, values in ((tiles.x_t, x_t), (tiles.noise, noise)):
            share = 100.0 * (np.abs(values) > 1.0).mean()
            if share < 0.99:
                assert view.note == "±1"
            elif share > 1.01:
                assert float(view.note.removesuffix(" % clipped")) == pytest.approx(share, abs=0.51)
        assert tiles.x_0.note == tiles.signal.note == ""


@pytest.mark.parametrize("shown", [Shown.NORMALISE, Shown.SYMMETRIC])
def test_other_ranges_say_their_ends_on_the_picture(
    tiles: TilesView, parts: Parts, shown: Shown
) -> None:
    parts.view.set_display(shown=shown)
    for view in (tiles.x_t, tiles.signal, tiles.noise):
        low, high = (float(end) for end in view.note.replace("−", "-").split(" … "))
        assert low < 0.0 < high
        assert (low == -high) == (shown is Shown.SYMMETRIC)
    assert tiles.x_0.note == ""


# --- rows -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "picture", "room", "across"),
    [
        (4, (300, 300), (650, 180), 4),
        (4, (600, 100), (650, 180), 2),
        (4, (5000, 1), (650, 180), 1),
        (4, (1, 5000), (650, 180), 4),
        (4, (300, 300), (300, 600), 2),
        (5, (300, 300), (670, 140), 5),
        (5, (900, 200), (700, 300), 2),
        (1, (1, 1), (1, 1), 1),
    ],
)
def test_pictures_stand_in_as_many_columns_as_make_them_largest(
    count: int, picture: tuple[int, int], room: tuple[int, int], across: int
) -> None:
    assert columns(count, QSize(*picture), QSize(*room)) == across


def test_wide_pictures_stand_two_by_two_and_the_histogram_stays(
    tiles: TilesView, parts: Parts
) -> None:
    histogram, narrow = tiles.histogram.geometry(), tiles.x_0.picture_rect().width()
    _show(parts, _noise(100, 600))
    assert tiles.x_0.y() == tiles.x_t.y() < tiles.signal.y() == tiles.noise.y()
    assert tiles.x_0.picture_rect().width() > 1.9 * narrow
    assert tiles.histogram.geometry() == histogram
    for one, other in combinations(_visible(tiles), 2):
        assert not one.geometry().intersects(other.geometry())
    assert all(tiles.cells.rect().contains(view.geometry()) for view in _visible(tiles))


@pytest.mark.parametrize("shape", [(1, 1), (1, 5000), (5000, 1), (2, 3), (700, 30)])
def test_extreme_shapes_are_seen_and_can_be_zoomed_without_harm(
    tiles: TilesView, parts: Parts, qtbot: QtBot, shape: tuple[int, int]
) -> None:
    pixels = np.zeros((*shape, 3), np.uint8)
    _show(parts, pixels)
    for view in _visible(tiles):
        rect = view.picture_rect()
        assert rect.width() >= 4
        assert rect.height() >= 4
        assert view.rect().contains(rect)
        assert tiles.cells.rect().contains(view.geometry())
        grabbed = _array(view.grab().toImage())
        assert (grabbed[rect.center().y(), rect.center().x()] != 255).any()
    place = tiles.x_0.picture_rect().center()
    _wheel(tiles.x_0, place, 1200)
    qtbot.mouseDClick(tiles.x_0, LEFT, PLAIN, place)
    _move(tiles.x_0, tiles.x_0.picture_rect().center())
    assert "R G B at" in tiles.reading
    assert _array(tiles.x_0.grab().toImage()).size


# --- the rest -------------------------------------------------------------------------------------


def test_a_hidden_view_does_no_work_and_catches_up_when_shown(
    tiles: TilesView, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    _move(tiles.x_0, QPoint(50, 60))
    tiles.hide()
    assert tiles.reading == ""
    asked: list[bool] = []
    real = parts.preview.tiles
    monkeypatch.setattr(parts.preview, "tiles", lambda: asked.append(True) or real())
    before = tiles.x_t.image
    for t in (100, 200, 300):
        parts.view.set_t(t)
    assert not asked
    assert tiles.x_t.image is before
    tiles.show()
    assert len(asked) == 1
    assert tiles.x_t.caption.endswith("300")
    assert tiles.x_t.image is not before


def test_the_clean_picture_is_not_scaled_again_while_t_moves(
    tiles: TilesView, parts: Parts
) -> None:
    before, x_t = tiles.x_0.image, tiles.x_t.image
    parts.view.set_t(parts.view.t + 1)
    assert tiles.x_0.image is before
    assert tiles.x_t.image is not x_t


def test_names_say_what_a_tile_is_and_t(tiles: TilesView, parts: Parts) -> None:
    parts.view.set_t(321)
    names = [view.accessibleName() for view in _visible(tiles)]
    assert names == [
        "x_0, the clean picture, t = 0",
        "x_t, the noised picture, t = 321",
        "signal part of x_t, t = 321",
        "noise part of x_t, t = 321",
    ]
    assert len({view.objectName() for view in tiles.views} - {""}) == len(tiles.views)
    assert all("Wheel" in view.toolTip() for view in tiles.views)
    parts.comparison.switch()
    parts.document.replace_schedule(ScheduleSpec("linear", T=500), "B")
    assert tiles.x_t_other.accessibleName() == "x_t under A, the noised picture, t = 320"
    assert tiles.x_t.accessibleName().startswith("x_t under B, the noised picture, t = 16")


def test_the_other_side_is_read_with_its_own_schedule(tiles: TilesView, parts: Parts) -> None:
    parts.comparison.switch()
    parts.document.replace_schedule(ScheduleSpec("linear"), "B")
    QApplication.processEvents()
    _move(tiles.x_0, QPoint(40, 60))
    both = _said(tiles.x_t.reading), _said(tiles.x_t_other.reading)
    assert both[0] != both[1]
    parts.document.replace_schedule(ScheduleSpec("cosine"), "B")
    assert _said(tiles.x_t.reading) == both[1]
    assert _said(tiles.x_t_other.reading) == both[1]


def test_a_new_seed_is_read_at_once(tiles: TilesView, parts: Parts) -> None:
    _move(tiles.x_0, QPoint(40, 60))
    before = tiles.noise.reading
    parts.document.replace(replace(parts.document.experiment, seed=5), "seed")
    assert tiles.noise.reading != before
