"""The film strip under mouse and keys: placements, rows, drops, and what is painted."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QMimeData, QPoint, QPointF, Qt
from PySide6.QtGui import QColor, QDragEnterEvent, QDropEvent, QWheelEvent
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from diffusion_gui.app.main_window import MainWindow
from diffusion_gui.app.parts import Parts
from diffusion_gui.engine.experiment import PictureRef
from diffusion_gui.engine.forward import Shown
from diffusion_gui.engine.images import fit_within, square
from diffusion_gui.engine.noise import START, gaussian
from diffusion_gui.engine.schedules import ScheduleSpec, build
from diffusion_gui.panels.common.dropping import PICTURES
from diffusion_gui.panels.images.film_strip import FilmStrip
from diffusion_gui.panels.images.strip_layout import LEAST, LOW, Wish, arrange
from diffusion_gui.state.view_state import Frames, Page, Scaling

LEFT = Qt.MouseButton.LeftButton
Key = Qt.Key
COSINE, LINEAR = ScheduleSpec("cosine"), ScheduleSpec("linear")


@pytest.fixture
def strip(window: MainWindow, parts: Parts) -> FilmStrip:
    parts.sampling.live = False
    _settle()
    return window.images.strip


def _settle() -> None:
    for _ in range(3):
        QApplication.processEvents()


def _split(parts: Parts, b: ScheduleSpec) -> None:
    """Keep A as it is, put `b` on B, and show A."""
    parts.comparison.switch()
    parts.document.replace_schedule(b, "B")
    parts.comparison.switch()


def _choose(parts: Parts, count: int) -> list[str]:
    """Choose so many pictures of the tray, with emoji added to the photographs."""
    emoji = parts.store.defer_emoji()[: max(count - 3, 0)]
    experiment = parts.document.experiment
    parts.document.replace(
        replace(experiment, pictures=(*experiment.pictures, *emoji)), "more pictures"
    )
    ids = [ref.id for ref in parts.document.experiment.pictures][:count]
    parts.view.choose(ids)
    _settle()
    return ids


# --- t under the mouse ----------------------------------------------------------------------------


@pytest.mark.parametrize("frames", Frames)
def test_a_press_anywhere_on_a_frame_sets_exactly_its_t(
    strip: FilmStrip, parts: Parts, qtbot: QtBot, frames: Frames
) -> None:
    parts.document.replace_schedule(ScheduleSpec("linear", 997), "odd length")
    parts.document.replace_sampling("spacing", spacing="karras", steps=7)
    parts.view.set_display(frames=frames)
    _settle()
    times = [t for t, _ in strip.frames]
    assert len(times) > 5
    for index in (3, 0, len(times) - 1, 1, len(times) - 2):
        cell = strip.cell(0, index)
        for place in (cell.center(), cell.topLeft() + QPoint(2, 2), cell.bottomRight()):
            parts.view.set_t(500)
            qtbot.mouseClick(strip, LEFT, pos=place)
            assert parts.view.t == times[index]


@pytest.mark.parametrize("frames", Frames)
def test_a_drag_between_two_frames_is_linear_in_between_and_the_mark_is_under_the_mouse(
    strip: FilmStrip, parts: Parts, qtbot: QtBot, frames: Frames
) -> None:
    parts.document.replace_sampling("spacing", spacing="karras", steps=7)
    parts.view.set_display(frames=frames)
    _settle()
    times = [t for t, _ in strip.frames]
    layout = strip.layout_of_rows
    qtbot.mousePress(strip, LEFT, pos=strip.cell(0, 0).center())
    for index in range(len(times) - 1):
        left, right = (float(strip.cell(0, i).center().x()) for i in (index, index + 1))
        for share in (0.25, 0.5, 0.9):
            x = round(left + share * (right - left))
            qtbot.mouseMove(strip, QPoint(x, strip.cell(0, 0).center().y()))
            exact = (x - left) / (right - left)
            expected = times[index] + exact * (times[index + 1] - times[index])
            slack = 1.0 + 1.5 * (times[index + 1] - times[index]) / (right - left)
            assert parts.view.t == pytest.approx(expected, abs=slack)
            step = (right - left) / max(times[index + 1] - times[index], 1)
            assert layout.x_of(parts.view.t, tuple(times)) == pytest.approx(x, abs=1.5 + step)
    qtbot.mouseMove(strip, QPoint(strip.width() + 300, 10))
    assert parts.view.t == times[-1]
    qtbot.mouseMove(strip, QPoint(-300, 10))
    assert parts.view.t == 0
    qtbot.mouseRelease(strip, LEFT)
    qtbot.mouseMove(strip, QPoint(300, 10))
    assert parts.view.t == 0


def test_a_drag_that_begins_off_the_middle_does_not_jump(
    strip: FilmStrip, parts: Parts, qtbot: QtBot
) -> None:
    edge = strip.cell(0, 3).topLeft() + QPoint(3, 10)
    qtbot.mousePress(strip, LEFT, pos=edge)
    assert parts.view.t == 300
    qtbot.mouseMove(strip, edge + QPoint(1, 0))
    assert 300 < parts.view.t < 304
    qtbot.mouseRelease(strip, LEFT)


@pytest.mark.parametrize("frames", [Frames.T, Frames.LOG_SNR])
@pytest.mark.parametrize("row", [0, 1])
def test_a_press_and_a_drag_in_either_row_of_two_lengths_move_t(
    strip: FilmStrip, parts: Parts, qtbot: QtBot, row: int, frames: Frames
) -> None:
    _split(parts, ScheduleSpec("linear", T=500))
    parts.view.set_display(frames=frames)
    _settle()
    times = [t for t, _ in strip.rows[row].frames]
    T = strip.rows[row].T
    for index in (2, 0, len(times) - 1):
        qtbot.mouseClick(strip, LEFT, pos=strip.cell(row, index).center())
        assert parts.view.t == round(times[index] / T * 1000)
    qtbot.mousePress(strip, LEFT, pos=strip.cell(row, 1).center())
    qtbot.mouseMove(strip, strip.cell(row, 4).center())
    qtbot.mouseRelease(strip, LEFT, pos=strip.cell(row, 4).center())
    assert parts.view.t == pytest.approx(times[4] / T * 1000, abs=4)


def _marked(strip: FilmStrip, row: int) -> list[int]:
    """Return the frames of a row whose upper edge is painted in the colour of the cursor."""
    image = strip.grab().toImage()
    found = []
    for index in range(len(strip.rows[row].frames)):
        cell = strip.cell(row, index)
        edge = [
            image.pixelColor(x, cell.top() + 1) for x in range(cell.left() + 4, cell.right() - 3)
        ]
        if all(colour == QColor("#B7791F") for colour in edge):
            found.append(index)
    return found


@pytest.mark.parametrize("frames", Frames)
def test_the_frame_nearest_t_is_marked_in_every_row(
    strip: FilmStrip, parts: Parts, frames: Frames
) -> None:
    _split(parts, ScheduleSpec("linear", T=500))
    parts.view.set_display(frames=frames)
    _settle()
    for t in (0, 130, 412, 955, 1000):
        parts.view.set_t(t)
        for number, row in enumerate(strip.rows):
            gaps = [abs(time - t / 1000 * row.T) for time, _ in row.frames]
            assert _marked(strip, number) == [gaps.index(min(gaps))]


# --- keys -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("frames", Frames)
def test_the_arrow_keys_go_from_frame_to_frame(
    strip: FilmStrip, parts: Parts, qtbot: QtBot, frames: Frames
) -> None:
    parts.view.set_display(frames=frames)
    strip.setFocus()
    times = [t for t, _ in strip.frames]
    parts.view.set_t(times[2] + 1)
    qtbot.keyClick(strip, Key.Key_Right)
    assert parts.view.t == times[3]
    qtbot.keyClick(strip, Key.Key_Right)
    assert parts.view.t == times[4]
    qtbot.keyClick(strip, Key.Key_Right, Qt.KeyboardModifier.ShiftModifier)
    assert parts.view.t == times[4] + 1
    qtbot.keyClick(strip, Key.Key_Left)
    qtbot.keyClick(strip, Key.Key_Left, Qt.KeyboardModifier.ShiftModifier)
    assert parts.view.t == times[4] - 1
    qtbot.keyClick(strip, Key.Key_End)
    qtbot.keyClick(strip, Key.Key_Right)
    assert parts.view.t == parts.view.T
    qtbot.keyClick(strip, Key.Key_Home)
    qtbot.keyClick(strip, Key.Key_Left)
    assert parts.view.t == 0


def test_the_window_s_own_keys_still_work_in_the_strip(
    strip: FilmStrip, window: MainWindow, parts: Parts, qtbot: QtBot
) -> None:
    window.activateWindow()
    qtbot.waitActive(window)
    strip.setFocus()
    parts.view.set_t(500)
    qtbot.keyClick(strip, Key.Key_Right, Qt.KeyboardModifier.ControlModifier)
    assert parts.view.t == 510
    for key in (Key.Key_Tab, Key.Key_Tab, Key.Key_Backtab):
        qtbot.keyClick(QApplication.focusWidget(), key)
    assert parts.view.t == 510


def test_the_keyboard_is_shown_by_a_ring_around_the_time_and_pressing_takes_it(
    strip: FilmStrip, window: MainWindow, parts: Parts, qtbot: QtBot
) -> None:
    window.activateWindow()
    qtbot.waitActive(window)
    assert not strip.hasFocus()
    before = strip.grab().toImage()
    parts.view.set_t(400)
    qtbot.mouseClick(strip, LEFT, pos=strip.cell(0, 4).center())
    assert strip.hasFocus()
    cell = strip.cell(0, 4)
    ring = QPoint(cell.center().x(), strip.height() - 1)
    assert strip.grab().toImage().pixelColor(ring) == QColor(parts.theme.tokens.accent)
    assert before.pixelColor(ring) != QColor(parts.theme.tokens.accent)


def test_up_and_down_go_from_picture_to_picture_also_to_rows_out_of_sight(
    strip: FilmStrip, parts: Parts, qtbot: QtBot
) -> None:
    ids = _choose(parts, 7)
    strip.setFocus()
    assert strip.hidden_pictures > 0
    for picture in ids[1:]:
        qtbot.keyClick(strip, Key.Key_Down)
        assert parts.view.picture == picture
        assert picture in [head.picture for head in strip.heads]
    qtbot.keyClick(strip, Key.Key_Down)
    assert parts.view.picture == ids[-1]
    for _ in ids:
        qtbot.keyClick(strip, Key.Key_Up)
    assert parts.view.picture == ids[0]
    assert strip.heads[0].picture == ids[0]
    assert parts.view.chosen == tuple(ids)


# --- rows -----------------------------------------------------------------------------------------


def test_a_press_on_a_frame_or_on_the_head_of_a_row_shows_its_picture(
    strip: FilmStrip, window: MainWindow, parts: Parts, qtbot: QtBot
) -> None:
    ids = _choose(parts, 2)
    parts.view.set_t(250)
    qtbot.mouseClick(strip, LEFT, pos=QPoint(10, strip.cell(1, 0).center().y()))
    assert (parts.view.picture, parts.view.t) == (ids[1], 250)
    assert "astronaut.png" in window.images.caption.text()
    qtbot.mouseClick(strip, LEFT, pos=strip.cell(0, 5).center())
    assert (parts.view.picture, parts.view.t) == (ids[0], 500)
    assert parts.view.chosen == tuple(ids)


@pytest.mark.parametrize("sides", [1, 2])
def test_rows_share_the_room_and_the_rest_is_counted(
    strip: FilmStrip, window: MainWindow, parts: Parts, sides: int
) -> None:
    if sides == 2:
        _split(parts, LINEAR)
    _choose(parts, 8)
    ids = parts.view.chosen
    for size in ((1280, 800), (1440, 900), (2560, 1440)):
        window.resize(*size)
        for count in (1, 2, 4, 8):
            parts.view.choose(ids[:count])
            _settle()
            shown = strip.heads
            assert strip.hidden_pictures == count - len(shown) // sides
            assert len(shown) % sides == 0
            assert [row.head for row in strip.rows] == list(shown)
            _assert_in_place(strip)
            tiles = window.images.tiles
            assert tiles.height() >= strip.height()
            assert tiles.x_t.picture_rect().height() >= 96


def _assert_in_place(strip: FilmStrip) -> None:
    last = strip.cell(len(strip.heads) - 1, len(strip.frames) - 1)
    assert strip.side >= LEAST
    assert strip.rect().contains(last)
    assert strip.height() - last.bottom() >= 16
    for row in range(len(strip.heads) - 1):
        assert strip.cell(row, 0).bottom() < strip.cell(row + 1, 0).top()
    for index in range(len(strip.frames) - 1):
        assert strip.cell(0, index).right() + 4 < strip.cell(0, index + 1).left()


def test_more_room_shows_more_rows_and_less_takes_them_away_again(
    strip: FilmStrip, window: MainWindow, parts: Parts
) -> None:
    _choose(parts, 8)
    few = len(strip.heads)
    window.resize(2560, 1440)
    _settle()
    many = len(strip.heads)
    window.resize(1440, 900)
    _settle()
    assert many >= 2 * few
    assert len(strip.heads) == few
    assert strip.height() == strip.layout_of_rows.height


def test_the_wheel_brings_other_rows_and_they_stay_while_a_curve_is_edited(
    strip: FilmStrip, parts: Parts
) -> None:
    ids = _choose(parts, 6)
    for turn, first in ((-120, 1), (-120, 2), (120, 1)):
        _wheel(strip, turn)
        assert strip.heads[0].picture == ids[first]
        parts.document.replace_schedule(ScheduleSpec("linear", T=1000 + turn), "edit")
        assert strip.rows[0].head.picture == ids[first]
    for turn in (-40, -40, -39):  # a touchpad turns by less than a notch
        _wheel(strip, turn)
        assert strip.heads[0].picture == ids[1]
    _wheel(strip, -1)
    assert strip.heads[0].picture == ids[2]
    for _ in range(10):
        _wheel(strip, -120)
    assert strip.heads[-1].picture == ids[-1]


def _wheel(strip: FilmStrip, turn: int) -> None:
    place = QPointF(50, 20)
    event = QWheelEvent(
        place, QPointF(strip.mapToGlobal(place)), QPoint(), QPoint(0, turn),
        Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(strip, event)


def test_the_times_stay_where_they_are_when_a_second_row_comes(
    strip: FilmStrip, parts: Parts
) -> None:
    before = [t for t, _ in strip.frames]
    _split(parts, LINEAR)
    assert [t for t, _ in strip.frames] == before


def test_a_layout_without_room_shows_one_picture() -> None:
    layout = arrange(600, 0, Wish(pictures=5, sides=2))
    assert (layout.rows, layout.side) == (2, LOW)


# --- what is painted ------------------------------------------------------------------------------


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_pixels_on_screen_are_the_closed_form(
    strip: FilmStrip, parts: Parts, theme: str
) -> None:
    parts.theme.set_wish(theme)
    ids = _choose(parts, 2)
    _split(parts, LINEAR)
    _settle()
    image = strip.grab().toImage()
    for number, row in enumerate(strip.rows):
        picture = parts.store.get(row.head.picture).pixels
        clean = square(fit_within(picture, 512), strip.side).astype(np.float64) / 127.5 - 1.0
        eps = gaussian(0, 0, START, clean.shape).astype(np.float64)
        spec = COSINE if row.head.side == "A" else LINEAR
        for index, (t, _) in enumerate(row.frames):
            abar = float(build(spec).alpha_bar[t])
            x_t = np.clip(np.sqrt(abar) * clean + np.sqrt(1.0 - abar) * eps, -1.0, 1.0)
            cell = strip.cell(number, index)
            for x, y in ((5, 5), (strip.side // 2, 9), (strip.side - 7, strip.side - 6)):
                shown = image.pixelColor(cell.left() + x, cell.top() + y)
                expected = (x_t[y, x] + 1.0) * 127.5
                assert np.abs(np.array(shown.getRgb()[:3]) - expected).max() <= 1.0
    assert {row.head.picture for row in strip.rows} <= set(ids)


@pytest.mark.parametrize(("scaling", "sharp"), [
    (Scaling.AUTO, True), (Scaling.NEAREST, True), (Scaling.SMOOTH, False),
])  # fmt: skip
def test_a_small_picture_is_enlarged_as_is_wished(
    strip: FilmStrip, parts: Parts, scaling: Scaling, sharp: bool
) -> None:
    parts.document.replace_forward("size", size=32)
    parts.view.set_display(scaling=scaling)
    parts.view.set_t(0)
    cell, image = strip.cell(0, 8), strip.grab().toImage()
    colours = {image.pixel(cell.left() + x, cell.top() + 20) for x in range(cell.width())}
    assert (len(colours) <= 32) == sharp


def test_frames_are_made_when_they_are_painted_and_none_for_nobody(
    strip: FilmStrip,
    window: MainWindow,
    parts: Parts,
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[str] = []
    row = parts.film.row
    monkeypatch.setattr(parts.film, "row", lambda *given: made.append(given[0].name) or row(*given))
    for shift in range(20):
        spec = ScheduleSpec("cosine", shift=0.05 * (shift + 1))
        parts.document.replace_schedule(spec, "drag", "drag")
    assert made == []
    QApplication.processEvents()
    assert made == ["chelsea.png"]
    _choose(parts, 8)
    assert len(made) == 1 + len(strip.heads)
    made.clear()
    window.hide()
    parts.document.replace_schedule(LINEAR, "unseen")
    QApplication.processEvents()
    assert made == []
    window.show()
    qtbot.waitExposed(window)
    _settle()
    assert len(made) == len(strip.heads)


def test_dragging_a_control_point_on_A_moves_row_A_and_leaves_row_B(
    strip: FilmStrip, window: MainWindow, parts: Parts, qtbot: QtBot
) -> None:
    _split(parts, LINEAR)
    plot = window.schedule.alpha_bar
    a, b = ([image.copy() for _, image in row.frames] for row in strip.rows)
    other = window.images.tiles.x_t_other.image
    assert other is not None
    other = other.copy()
    start = plot.to_pixel(*plot.points[3]).toPoint()
    qtbot.mousePress(plot.viewport(), LEFT, pos=start)
    qtbot.mouseMove(plot.viewport(), start + QPoint(0, 25))  # and the mouse is still down
    after = [[image for _, image in row.frames] for row in strip.rows]
    assert after[0] != a
    assert after[1] == b
    assert window.images.tiles.x_t_other.image == other
    qtbot.mouseRelease(plot.viewport(), LEFT, pos=start + QPoint(0, 25))


def test_the_line_above_says_what_is_not_plain_and_comes_and_goes(
    strip: FilmStrip, parts: Parts
) -> None:
    height = strip.height()
    assert strip.note == ""
    parts.view.set_display(frames=Frames.STEPS, shown=Shown.NORMALISE)
    _settle()
    assert strip.note == "20 steps, 11 of 21 levels shown   each frame from its min to max"
    assert strip.height() == height + 16
    parts.view.set_display(frames=Frames.T, shown=Shown.CLIP)
    _settle()
    assert (strip.note, strip.height()) == ("", height)


def test_what_lies_under_the_mouse_is_told(strip: FilmStrip, parts: Parts) -> None:
    _choose(parts, 6)
    cell = strip.cell(1, 5)
    told = strip.told_at(QPointF(cell.center()))
    snr = 10.0 * np.log10(1.0 / (1.0 / build(COSINE).alpha_bar[500] - 1.0))
    assert told == f"t = 500, SNR {snr:.1f} dB\nastronaut.png".replace("-", "−")
    assert strip.told_at(QPointF(strip.cell(0, 0).center())).startswith("t = 0, no noise yet")
    head = strip.told_at(QPointF(4, cell.center().y()))
    assert head.startswith("astronaut.png\nPress to show it")
    assert f"{strip.hidden_pictures} more" in head
    parts.view.set_display(shown=Shown.SYMMETRIC)
    span = strip.rows[1].spans[5]
    assert f"black −{span.high:.2f}, white {span.high:.2f}" in strip.told_at(QPointF(cell.center()))


def test_a_picture_that_cannot_be_opened_has_its_line_where_the_frames_would_be(
    parts: Parts, qtbot: QtBot
) -> None:
    gone = PictureRef("gone", "gone.png", "elsewhere")
    pictures = (*parts.document.experiment.pictures, gone)
    parts.document.replace(replace(parts.document.experiment, pictures=pictures), "x")
    parts.view.choose((parts.view.picture, "gone"))
    strip = FilmStrip(parts.film, parts.view, parts.theme)
    qtbot.addWidget(strip)
    strip.resize(800, 200)
    place = QPointF(strip.width() / 2, strip.cell(1, 0).center().y())
    assert strip.told_at(place) == "the picture gone is not loaded; open its file again"
    image = strip.grab().toImage()
    places = [(x, int(place.y()) + dy) for x in range(100, 400) for dy in range(-6, 6)]
    assert QColor(parts.theme.tokens.error).rgb() in {image.pixel(x, y) for x, y in places}
    assert len(strip.rows[0].frames) > 5


# --- drops ----------------------------------------------------------------------------------------


def _pictures(*ids: str) -> QMimeData:
    mime = QMimeData()
    mime.setData(PICTURES, json.dumps(ids).encode())
    return mime


def _drop(strip: FilmStrip, mime: QMimeData) -> QDropEvent:
    actions = Qt.DropAction.MoveAction | Qt.DropAction.CopyAction
    event = QDropEvent(QPointF(60, 20), actions, mime, LEFT, Qt.KeyboardModifier.NoModifier)
    QApplication.sendEvent(strip, event)
    return event


def _enter(strip: FilmStrip, mime: QMimeData) -> QDragEnterEvent:
    event = QDragEnterEvent(
        QPoint(60, 20), Qt.DropAction.CopyAction, mime, LEFT, Qt.KeyboardModifier.NoModifier
    )
    QApplication.sendEvent(strip, event)
    return event


def test_thumbnails_dropped_on_the_strip_get_rows(
    strip: FilmStrip, parts: Parts, qtbot: QtBot
) -> None:
    first, second, third = (ref.id for ref in parts.document.experiment.pictures)
    plain = strip.grab().toImage()
    mime = _pictures(third, second, "unknown")
    assert _enter(strip, mime).isAccepted()
    assert strip.grab().toImage() != plain
    event = _drop(strip, mime)
    assert event.dropAction() is Qt.DropAction.CopyAction
    assert parts.view.chosen == (first, third, second)
    assert parts.view.picture == first
    assert [head.picture for head in parts.film.heads] == [first, second, third]


def test_a_drag_that_leaves_changes_nothing(strip: FilmStrip, parts: Parts) -> None:
    plain = strip.grab().toImage()
    mime = _pictures(parts.document.experiment.pictures[1].id)
    _enter(strip, mime)
    QApplication.sendEvent(strip, QEvent(QEvent.Type.DragLeave))
    strip._mark_drop(False)
    assert strip.grab().toImage() == plain
    assert len(parts.view.chosen) == 1


def test_a_drop_that_only_pretends_changes_nothing(strip: FilmStrip, parts: Parts) -> None:
    before = parts.view.chosen
    for data in (b"", b"{", b'"id"', b"[1, null]", b"[" * 100_000, b"\xff\xfe"):
        mime = QMimeData()
        mime.setData(PICTURES, data)
        _drop(strip, mime)
        assert parts.view.chosen == before


def test_files_over_the_strip_are_the_panel_s(
    strip: FilmStrip, make_image: Callable[..., Path]
) -> None:
    mime = QMimeData()
    mime.setText(str(make_image("a.png")))
    assert not _enter(strip, mime).isAccepted()


# --- beside the pages -----------------------------------------------------------------------------


def test_no_page_of_the_panel_cuts_a_row_off(
    strip: FilmStrip, window: MainWindow, parts: Parts
) -> None:
    window.resize(1280, 800)
    _choose(parts, 3)
    rows = {}
    for page in (*Page, Page.TILES):
        parts.view.set_display(page=page)
        _settle()
        assert strip.height() == strip.layout_of_rows.height
        last = strip.cell(len(strip.heads) - 1, 0)
        assert last.bottom() + 16 <= strip.height()
        assert rows.setdefault(page, len(strip.heads)) == len(strip.heads)
    assert rows[Page.TILES] > rows[Page.CHAIN] >= 1
