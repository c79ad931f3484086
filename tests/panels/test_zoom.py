"""Where a zoomed picture lies: what is held stays, no room is left empty, nothing gets lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtCore import QPointF, QRectF, QSize, QSizeF
from pytestqt.qtbot import QtBot

from diffusion_gui.panels.common.zoom import CENTRE, LARGEST_PIXEL, THINNEST, Room, Zoom, share

sides = st.integers(1, 5000)
rooms = st.floats(60.0, 900.0)
shares = st.floats(0.0, 1.0)


@given(sides, sides, rooms, rooms)
def test_the_whole_picture_is_as_large_as_the_room_allows_and_never_invisible(
    width: int, height: int, room_width: float, room_height: float
) -> None:
    room = Room(QSize(width, height), QSizeF(room_width, room_height))
    place = room.place(1.0, CENTRE)
    area = QRectF(0.0, 0.0, room_width, room_height)
    assert area.adjusted(-1e-6, -1e-6, 1e-6, 1e-6).contains(place)
    assert min(place.width(), place.height()) >= THINNEST - 1e-9
    fills = (room_width - place.width(), room_height - place.height())
    assert min(fills) == pytest.approx(0.0, abs=1e-6)
    assert place.top() == pytest.approx(0.0, abs=1e-6)
    assert place.center().x() == pytest.approx(room_width / 2)


@given(sides, sides, rooms, rooms, st.floats(0.0, 1.0), st.floats(-9.0, 9.0), st.floats(-9.0, 9.0))
def test_a_zoomed_picture_leaves_no_room_empty_that_it_could_fill(
    width: int, height: int, room_width: float, room_height: float, way: float, x: float, y: float
) -> None:
    room = Room(QSize(width, height), QSizeF(room_width, room_height))
    place = room.place(room.most**way, QPointF(x, y))
    for low, high, length in (
        (place.left(), place.right(), room_width),
        (place.top(), place.bottom(), room_height),
    ):
        if high - low >= length:
            assert low <= 1e-6
            assert high >= length - 1e-6
        else:
            assert low >= -1e-6
            assert high <= length + 1e-6


@given(shares, shares, st.floats(1.0, 8.0), st.floats(1.0, 8.0))
def test_what_lies_under_the_mouse_stays_there_unless_an_edge_would_show(
    x: float, y: float, first: float, second: float
) -> None:
    room = Room(QSize(300, 300), QSizeF(150.0, 150.0))
    place = room.place(first, CENTRE)
    anchor = QPointF(150.0 * x, 150.0 * y)
    held = share(place, anchor)
    after = room.place(second, room.about(place, anchor, second))
    there = share(after, anchor)
    at_edge = min(after.left(), 150.0 - after.right()) > -1e-9
    at_edge = at_edge or abs(after.left()) < 1e-9 or abs(after.right() - 150.0) < 1e-9
    at_edge = at_edge or abs(after.top()) < 1e-9 or abs(after.bottom() - 150.0) < 1e-9
    if second >= first or not at_edge:
        assert there.x() == pytest.approx(held.x(), abs=1e-9)
        assert there.y() == pytest.approx(held.y(), abs=1e-9)


def test_a_pixel_is_at_most_so_large_and_a_single_one_is_not_enlarged() -> None:
    room = Room(QSize(300, 200), QSizeF(150.0, 150.0))
    assert room.scale * room.most == pytest.approx(LARGEST_PIXEL)
    assert Room(QSize(1, 1), QSizeF(150.0, 150.0)).most == 1.0


def test_a_line_of_one_pixel_is_no_thicker_than_it_is_once_its_pixels_are_large() -> None:
    room = Room(QSize(1, 5000), QSizeF(150.0, 150.0))
    assert room.size(1.0) == QSizeF(THINNEST, 150.0)
    assert room.size(8.0 / room.scale) == QSizeF(8.0, 40_000.0)


def test_zoom_says_a_change_once_and_the_whole_has_no_other_centre(qtbot: QtBot) -> None:
    zoom = Zoom()
    changes: list[float] = []
    zoom.changed.connect(lambda: changes.append(zoom.factor))
    zoom.set(2.0, QPointF(0.2, 0.3))
    zoom.set(2.0, QPointF(0.2, 0.3))
    assert (changes, zoom.zoomed) == ([2.0], True)
    zoom.set(1.0, QPointF(0.2, 0.3))
    assert (zoom.centre, zoom.zoomed) == (CENTRE, False)
    zoom.reset()
    assert changes == [2.0, 1.0]
