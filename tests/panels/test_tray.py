"""The tray by mouse and keys: what is chosen, moved, taken out and brought back, and its look."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import (
    QColor,
    QContextMenuEvent,
    QDrag,
    QDragEnterEvent,
    QDragLeaveEvent,
    QDragMoveEvent,
    QDropEvent,
    QHelpEvent,
    QImage,
    QWheelEvent,
)
from PySide6.QtWidgets import QApplication, QToolTip
from pytestqt.qtbot import QtBot

from diffusion_gui.app.main_window import MainWindow
from diffusion_gui.app.parts import Parts
from diffusion_gui.engine.experiment import PictureRef
from diffusion_gui.engine.images import Picture
from diffusion_gui.panels.common.dropping import PICTURES, picture_ids, pictures_mime
from diffusion_gui.panels.images import tray_row
from diffusion_gui.panels.images.tray import Tray
from diffusion_gui.panels.images.tray_list import TrayList
from diffusion_gui.panels.images.tray_row import CELL

LEFT, RIGHT = Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton
CTRL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
ALT, PLAIN = Qt.KeyboardModifier.AltModifier, Qt.KeyboardModifier.NoModifier
KEY = Qt.Key
ACTION = Qt.DropAction


@pytest.fixture(autouse=True)
def _eight(parts: Parts) -> None:
    """Begin with the emoji a, b, ... h, of which the third is on show."""
    parts.sampling.live = False
    refs = parts.store.defer_emoji()[:8]
    named = tuple(replace(ref, name=name) for ref, name in zip(refs, "abcdefgh", strict=True))
    parts.document.replace(replace(parts.document.experiment, pictures=named), "open")
    parts.view.choose([named[2].id])


@pytest.fixture
def tray(window: MainWindow) -> Tray:
    """Return the tray of a window on screen."""
    return window.images.tray


@pytest.fixture
def row(tray: Tray) -> TrayList:
    """Return its thumbnails, with the keyboard."""
    tray.setFocus()
    return tray.list


def _names(parts: Parts) -> str:
    return "".join(ref.name for ref in parts.document.experiment.pictures)


def _ids(parts: Parts, names: str) -> list[str]:
    known = {ref.name: ref.id for ref in parts.document.experiment.pictures}
    return [known[name] for name in names]


def _shown(parts: Parts) -> tuple[str, str]:
    """Return the names of the picture on show and of all chosen ones."""
    names = {ref.id: ref.name for ref in parts.document.experiment.pictures}
    return names[parts.view.picture], "".join(names[each] for each in parts.view.chosen)


def _at(row: TrayList, place: int) -> QPoint:
    return QPoint(place * CELL + CELL // 2 - row.horizontalScrollBar().value(), CELL // 2)


def _click(qtbot: QtBot, row: TrayList, place: int, keys: Qt.KeyboardModifier = PLAIN) -> None:
    qtbot.mouseClick(row.viewport(), LEFT, keys, _at(row, place))


def _many(parts: Parts, count: int, begin: int = 0) -> list[PictureRef]:
    """Return new small pictures, each of one colour."""
    colours = [(n % 251, n // 251 % 251, 90) for n in range(begin, begin + count)]
    return [
        parts.store.add(Picture(f"{n}.png", np.full((8, 8, 3), colour, np.uint8)))
        for n, colour in enumerate(colours, begin)
    ]


def _replace(parts: Parts, *pictures: PictureRef) -> None:
    experiment = replace(parts.document.experiment, pictures=pictures)
    parts.document.replace(experiment, "open", "open")


# --- choosing -------------------------------------------------------------------------------------


def test_clicks_choose_one_or_several(parts: Parts, row: TrayList, qtbot: QtBot) -> None:
    for place, keys, shown in (
        (1, PLAIN, ("b", "b")),
        (4, CTRL, ("e", "be")),
        (6, SHIFT, ("g", "befg")),
        (6, CTRL, ("b", "bef")),  # taken out again: another of them is on show
        (3, PLAIN, ("d", "d")),
        (0, SHIFT, ("a", "abcd")),
        (2, PLAIN, ("c", "c")),
    ):
        _click(qtbot, row, place, keys)
        assert _shown(parts) == shown


def test_keys_choose_one_or_several(parts: Parts, row: TrayList, qtbot: QtBot) -> None:
    for key, modifiers, shown in (
        (KEY.Key_Right, PLAIN, ("d", "d")),
        (KEY.Key_Right, SHIFT, ("e", "de")),
        (KEY.Key_Right, SHIFT, ("f", "def")),
        (KEY.Key_Left, PLAIN, ("e", "e")),
        (KEY.Key_Home, SHIFT, ("a", "abcde")),
        (KEY.Key_End, PLAIN, ("h", "h")),
        (KEY.Key_A, CTRL, ("h", "abcdefgh")),
        (KEY.Key_Right, PLAIN, ("h", "abcdefgh")),
        (KEY.Key_Left, PLAIN, ("g", "g")),
    ):
        qtbot.keyClick(row, key, modifiers)
        assert _shown(parts) == shown


def test_shift_goes_on_from_what_was_chosen_elsewhere(
    parts: Parts, row: TrayList, qtbot: QtBot
) -> None:
    _click(qtbot, row, 0)
    parts.view.choose(_ids(parts, "f"))
    _click(qtbot, row, 7, SHIFT)
    assert _shown(parts) == ("h", "fgh")


def test_a_change_by_a_person_is_told_once(parts: Parts, row: TrayList, qtbot: QtBot) -> None:
    heard: list[tuple[str, str]] = []
    parts.view.chosen_changed.connect(lambda: heard.append(_shown(parts)))
    _click(qtbot, row, 5)
    qtbot.keyClick(row, KEY.Key_Left, SHIFT)
    assert heard == [("f", "f"), ("e", "ef")]


@pytest.mark.parametrize("keys", [PLAIN, CTRL])
def test_there_is_always_one_chosen(
    parts: Parts, row: TrayList, qtbot: QtBot, keys: Qt.KeyboardModifier
) -> None:
    _click(qtbot, row, 12, keys)  # beyond the last
    assert _shown(parts) == ("c", "c")
    _click(qtbot, row, 2, CTRL)
    assert _shown(parts) == ("c", "c")
    assert row.selected == tuple(_ids(parts, "c"))


def test_the_row_follows_changes_from_outside_and_says_nothing(parts: Parts, row: TrayList) -> None:
    said: list[object] = []
    row.chosen.connect(lambda *what: said.append(what))
    parts.view.choose(_ids(parts, "bdf"), _ids(parts, "d")[0])
    assert row.selected == tuple(_ids(parts, "bdf"))
    assert (row.current, row.on_show) == (*_ids(parts, "d"), *_ids(parts, "d"))
    parts.pictures.remove(_ids(parts, "df"))
    assert row.selected == tuple(_ids(parts, "b"))
    parts.document.history.undo()
    assert row.selected == tuple(_ids(parts, "bdf"))
    assert (row.current, row.on_show) == (*_ids(parts, "d"), *_ids(parts, "d"))
    assert said == []


def test_a_letter_finds_a_picture_by_its_name(parts: Parts, row: TrayList, qtbot: QtBot) -> None:
    qtbot.keyClick(row, KEY.Key_G)
    assert _shown(parts) == ("g", "g")


# --- taking out, moving ---------------------------------------------------------------------------


@pytest.mark.parametrize("key", [KEY.Key_Delete, KEY.Key_Backspace])
def test_delete_takes_out_what_is_chosen_in_one_step(
    parts: Parts, row: TrayList, qtbot: QtBot, key: Qt.Key
) -> None:
    _click(qtbot, row, 1)
    _click(qtbot, row, 3, SHIFT)
    qtbot.keyClick(row, key)
    assert _names(parts) == "aefgh"
    assert _shown(parts) == ("e", "e")
    qtbot.keyClick(row, key)
    assert _shown(parts) == ("f", "f")
    parts.document.history.undo()
    parts.document.history.undo()
    assert _names(parts) == "abcdefgh"


def test_alt_and_the_arrows_move_what_is_chosen(parts: Parts, row: TrayList, qtbot: QtBot) -> None:
    _click(qtbot, row, 4, CTRL)
    for _ in range(2):
        qtbot.keyClick(row, KEY.Key_Left, ALT)
    assert _names(parts) == "caebdfgh"
    assert _shown(parts) == ("e", "ce")
    count = parts.document.history.count
    for _ in range(3):
        qtbot.keyPress(row, KEY.Key_Right, ALT)  # held down
    qtbot.keyRelease(row, KEY.Key_Right, ALT)
    assert _names(parts) == "abdcfegh"
    assert parts.document.history.count == count + 1


@pytest.fixture
def dragged(monkeypatch: pytest.MonkeyPatch) -> list[QMimeData]:
    """Return what every drag begun from now on carries; none waits for a mouse."""
    carried: list[QMimeData] = []

    def begin(drag: QDrag, *_: object) -> Qt.DropAction:
        mime = QMimeData()
        mime.setData(PICTURES, drag.mimeData().data(PICTURES))
        assert drag.mimeData().formats() == [PICTURES]
        assert not drag.pixmap().isNull()
        carried.append(mime)
        return ACTION.MoveAction

    monkeypatch.setattr(QDrag, "exec", begin)
    return carried


def _drag(qtbot: QtBot, row: TrayList, place: int) -> None:
    qtbot.mousePress(row.viewport(), LEFT, pos=_at(row, place))
    for way in (4, 16):
        qtbot.mouseMove(row.viewport(), _at(row, place) + QPoint(way, 0))
    qtbot.mouseRelease(row.viewport(), LEFT, pos=_at(row, place) + QPoint(16, 0))


def _send(row: TrayList, mime: QMimeData, place: QPoint) -> QDropEvent:
    """Bring a drag over the row and drop it there; return the last event it was asked with."""
    actions = ACTION.MoveAction | ACTION.CopyAction
    enter = QDragEnterEvent(place, actions, mime, LEFT, PLAIN)
    enter.ignore()
    QApplication.sendEvent(row.viewport(), enter)
    if not enter.isAccepted():
        return enter
    QApplication.sendEvent(row.viewport(), QDragMoveEvent(place, actions, mime, LEFT, PLAIN))
    drop = QDropEvent(QPointF(place), actions, mime, LEFT, PLAIN)
    QApplication.sendEvent(row.viewport(), drop)
    return drop


def test_several_are_dragged_to_a_gap(
    parts: Parts, row: TrayList, qtbot: QtBot, dragged: list[QMimeData]
) -> None:
    _click(qtbot, row, 6, CTRL)
    _drag(qtbot, row, 2)
    assert [picture_ids(mime) for mime in dragged] == [_ids(parts, "cg")]
    assert _shown(parts)[1] == "cg"
    drop = _send(row, dragged[0], QPoint(5 * CELL - 10, 20))
    assert drop.isAccepted()
    assert _names(parts) == "abdecgfh"
    assert _shown(parts)[1] == "cg"
    assert parts.document.history.undo_text == "move 2 pictures"


def test_a_picture_not_chosen_is_dragged_alone(
    parts: Parts, row: TrayList, qtbot: QtBot, dragged: list[QMimeData]
) -> None:
    _drag(qtbot, row, 5)
    assert picture_ids(dragged[0]) == _ids(parts, "f")
    _send(row, dragged[0], QPoint(2, 20))
    assert _names(parts) == "fabcdegh"


def test_a_mark_shows_the_gap_until_the_drag_has_left(
    parts: Parts, row: TrayList, window: MainWindow
) -> None:
    accent = QColor(parts.theme.tokens.accent)
    place, mime = QPoint(5 * CELL + 6, 20), pictures_mime(_ids(parts, "a"))

    def marked() -> bool:
        image = row.viewport().grab().toImage()
        ratio = image.devicePixelRatio()
        return image.pixelColor(round(5 * CELL * ratio), round(20 * ratio)) == accent

    assert not marked()
    QApplication.sendEvent(
        row.viewport(), QDragEnterEvent(place, ACTION.MoveAction, mime, LEFT, PLAIN)
    )
    QApplication.sendEvent(
        row.viewport(), QDragMoveEvent(place, ACTION.MoveAction, mime, LEFT, PLAIN)
    )
    assert marked()
    QApplication.sendEvent(row.viewport(), QDragLeaveEvent())
    assert not marked()


def test_the_mark_stays_under_the_mouse_while_the_row_scrolls(parts: Parts, row: TrayList) -> None:
    pictures = _many(parts, 300)
    _replace(parts, *pictures)
    row.horizontalScrollBar().setValue(10 * CELL)
    mime = pictures_mime([pictures[200].id])
    place = QPoint(6 * CELL, 20)
    for kind in (QDragEnterEvent, QDragMoveEvent):
        QApplication.sendEvent(row.viewport(), kind(place, ACTION.MoveAction, mime, LEFT, PLAIN))
    row.horizontalScrollBar().setValue(13 * CELL)  # as it does by itself there
    assert row.marked == 19
    QApplication.sendEvent(row.viewport(), QDragLeaveEvent())
    assert row.marked == -1


def test_files_are_left_to_the_panel_and_thumbnails_to_the_row(
    parts: Parts, row: TrayList, window: MainWindow
) -> None:
    files = QMimeData()
    files.setUrls([QUrl.fromLocalFile("/somewhere/a.png")])
    event = QDragEnterEvent(QPoint(20, 20), ACTION.CopyAction, files, LEFT, PLAIN)
    row.dragEnterEvent(event)
    assert not event.isAccepted()
    QApplication.sendEvent(row.viewport(), event)
    assert event.isAccepted()
    assert window.images.property("drop")
    own = pictures_mime(_ids(parts, "a"))
    event = QDragEnterEvent(QPoint(60, 80), ACTION.CopyAction, own, LEFT, PLAIN)
    event.ignore()
    window.images.dragEnterEvent(event)
    assert not event.isAccepted()


def test_a_drag_that_holds_no_ids_is_refused(parts: Parts, row: TrayList) -> None:
    for data in (b"", b"[", b"{}", b"7", b"[1, null]", b"\xff", b"[" * 99_999):
        mime = QMimeData()
        mime.setData(PICTURES, data)
        assert not _send(row, mime, QPoint(20, 20)).isAccepted()


def test_pictures_of_another_window_change_nothing(parts: Parts, row: TrayList) -> None:
    count = parts.document.history.count
    _send(row, pictures_mime(["not-here"]), QPoint(20, 20))
    assert _names(parts) == "abcdefgh"
    assert parts.document.history.count == count


# --- the menu -------------------------------------------------------------------------------------


@pytest.fixture
def opened(tray: Tray) -> Iterator[Tray]:
    """Return the tray; its menu is closed afterwards."""
    yield tray
    tray.menu.close()


@pytest.mark.qt_log_ignore("plugin does not support", extend=True)
def test_the_menu_opens_by_right_click_key_and_button(
    opened: Tray, row: TrayList, qtbot: QtBot, parts: Parts
) -> None:
    place = _at(row, 4)
    qtbot.mousePress(row.viewport(), RIGHT, pos=place)
    reason = QContextMenuEvent.Reason.Mouse
    at = row.viewport().mapToGlobal(place)
    QApplication.sendEvent(row.viewport(), QContextMenuEvent(reason, place, at))
    assert opened.menu.isVisible()
    assert _shown(parts) == ("e", "e")
    opened.menu.close()
    qtbot.mouseRelease(row.viewport(), RIGHT, pos=place)
    qtbot.keyClick(row, KEY.Key_F10, SHIFT)
    assert opened.menu.isVisible()
    assert opened.more.menu() is opened.menu
    assert opened.more.toolTip()


def test_a_right_click_on_one_of_several_keeps_them(
    row: TrayList, qtbot: QtBot, parts: Parts
) -> None:
    parts.view.choose(_ids(parts, "bde"))
    qtbot.mouseClick(row.viewport(), RIGHT, pos=_at(row, 3))
    assert _shown(parts) == ("d", "bde")


def test_the_commands_of_the_menu(window: MainWindow, parts: Parts, qtbot: QtBot) -> None:
    actions = window.actions_by_name
    offered = {action.objectName() for action in window.images.tray.menu.actions()} - {""}
    assert {"openImages", "openFolder"} < offered
    parts.view.choose(_ids(parts, "bd"))
    actions["movePicturesRight"].trigger()
    assert _names(parts) == "acbedfgh"
    actions["movePicturesLeft"].trigger()
    actions["movePicturesLeft"].trigger()
    assert _names(parts) == "badcefgh"
    actions["removePictures"].trigger()
    assert _names(parts) == "acefgh"
    actions["selectAllPictures"].trigger()
    assert _shown(parts)[1] == "acefgh"
    parts.view.choose(_ids(parts, "ch"))
    actions["removeOtherPictures"].trigger()
    assert _names(parts) == "ch"
    actions["clearPictures"].trigger()
    assert _names(parts) == ""
    for name, count in (("restorePhotos", 3), ("useEmoji", 1380)):
        actions[name].trigger()
        qtbot.waitUntil(lambda: not parts.pictures.busy, timeout=20_000)
        assert window.images.tray.count() == count


def test_commands_that_would_change_nothing_are_grey(window: MainWindow, parts: Parts) -> None:
    def enabled() -> set[str]:
        names = ("selectAllPictures", "removePictures", "removeOtherPictures", "clearPictures")
        return {name for name in names if window.actions_by_name[name].isEnabled()}

    several = {"selectAllPictures", "removePictures", "removeOtherPictures", "clearPictures"}
    assert enabled() == several
    parts.view.choose(_ids(parts, "abcdefgh"))
    assert enabled() == {"removePictures", "clearPictures"}
    parts.pictures.clear()
    assert enabled() == set()
    parts.document.history.undo()
    assert enabled() == {"removePictures", "clearPictures"}  # all are chosen again


def test_an_empty_panel_brings_the_bundled_pictures_back(
    window: MainWindow, parts: Parts, qtbot: QtBot
) -> None:
    panel = window.images
    assert not panel.photos.isVisible()
    parts.pictures.clear()
    assert panel.photos.isVisible()
    assert panel.emoji.isVisible()
    qtbot.mouseClick(panel.photos, LEFT)
    qtbot.waitUntil(lambda: not parts.pictures.busy, timeout=20_000)
    assert panel.tray.count() == 3
    assert not panel.photos.isVisible()
    parts.pictures.clear()
    qtbot.mouseClick(panel.emoji, LEFT)
    qtbot.waitUntil(lambda: not parts.pictures.busy, timeout=20_000)
    assert panel.tray.count() == 1377


# --- many -----------------------------------------------------------------------------------------


def test_the_number_is_said_where_not_all_are_in_sight(parts: Parts, tray: Tray) -> None:
    assert not tray.counted.isVisible()
    _replace(parts, *_many(parts, 1377))
    assert tray.counted.isVisible()
    assert tray.counted.text() == "1,377 pictures"
    tray.list.selectAll()
    assert tray.counted.text() == "1,377 of 1,377 chosen"


@pytest.mark.parametrize("name", ["counted", "more"])
def test_the_memory_is_said_to_whom_asks(parts: Parts, tray: Tray, name: str) -> None:
    _replace(parts, *_many(parts, 1000))
    widget = getattr(tray, name)
    place = widget.rect().center()
    QApplication.sendEvent(
        widget, QHelpEvent(QEvent.Type.ToolTip, place, widget.mapToGlobal(place))
    )
    used = parts.store.nbytes / 2**20
    assert used > 0.5
    assert f"1,000 pictures, {used:.1f} of 512 MB of memory" in widget.toolTip()
    QToolTip.hideText()


@pytest.mark.parametrize("place", [0, 500, 1000])
def test_a_batch_is_inserted_and_what_is_in_sight_stays(
    parts: Parts, row: TrayList, place: int
) -> None:
    before = _many(parts, 1000)
    _replace(parts, *before)
    parts.view.choose([before[n].id for n in (600, 601, 603)])
    row.horizontalScrollBar().setValue(600 * CELL + 7)
    resets: list[int] = []
    inserted: list[tuple[int, int]] = []
    row.model().modelReset.connect(lambda: resets.append(1))
    row.model().rowsInserted.connect(lambda _, first, last: inserted.append((first, last)))
    _replace(parts, *before[:place], *_many(parts, 50, begin=1000), *before[place:])
    assert (inserted, resets) == ([(place, place + 49)], [])
    first = row.indexAt(QPoint(1, CELL // 2))
    assert row.pictures.ids([first.row()]) == (before[600].id,)
    assert row.visualRect(first).left() == -7
    assert row.selected == tuple(before[n].id for n in (600, 601, 603))


def test_new_pictures_before_the_first_come_into_sight(parts: Parts, row: TrayList) -> None:
    before = _many(parts, 500)
    _replace(parts, *before)
    row.horizontalScrollBar().setValue(0)
    _replace(parts, *_many(parts, 50, begin=500), *before)
    assert row.horizontalScrollBar().value() == 0


@pytest.mark.parametrize("angle", [QPoint(0, -120), QPoint(-120, 0)])
def test_any_wheel_scrolls_along_the_row(parts: Parts, row: TrayList, angle: QPoint) -> None:
    _replace(parts, *_many(parts, 500))
    place = QPointF(50, 20)
    glob = row.viewport().mapToGlobal(place)
    for sign, end in ((1, 3 * CELL), (-1, 0)):
        phase = Qt.ScrollPhase.NoScrollPhase
        event = QWheelEvent(
            place, glob, QPoint(), angle * sign, Qt.MouseButton.NoButton, PLAIN, phase, False
        )
        QApplication.sendEvent(row.viewport(), event)
        assert row.horizontalScrollBar().value() == end


def test_only_thumbnails_in_sight_are_made(
    parts: Parts, row: TrayList, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = _many(parts, 1000)
    made: list[str] = []
    thumbnail = parts.store.thumbnail
    monkeypatch.setattr(
        parts.store, "thumbnail", lambda key, *on: made.append(key) or thumbnail(key, *on)
    )
    _replace(parts, *pictures)
    row.horizontalScrollBar().setValue(700 * CELL)
    row.viewport().grab()
    qtbot.waitUntil(lambda: pictures[700].id in made)
    asked = {ref.id for ref in pictures[:60]} | {ref.id for ref in pictures[690:760]}
    assert set(made) <= asked
    assert len(made) == len(set(made))


def test_thumbnails_that_take_long_come_one_after_the_other(
    parts: Parts, row: TrayList, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tray_row, "PAINT_SECONDS", 0.0)
    made: list[str] = []
    pictures = _many(parts, 6)
    thumbnail = parts.store.thumbnail
    monkeypatch.setattr(
        parts.store, "thumbnail", lambda key, *on: made.append(key) or thumbnail(key, *on)
    )
    _replace(parts, *pictures)
    assert _thumbnail_colour(row, 1) == QColor(parts.theme.tokens.hairline)
    assert len(made) == 1
    qtbot.waitUntil(lambda: len(made) == 6)
    assert _thumbnail_colour(row, 5) == QColor(5, 0, 90)


def test_no_more_pixmaps_are_kept_than_a_few_windows_show(parts: Parts, row: TrayList) -> None:
    thumbnails = row._thumbnails
    pictures = _many(parts, 500)
    for ref in pictures:
        thumbnails.make(ref.id, 1.0)
        thumbnails.ready(pictures[0].id, 1.0)  # in use, so it stays
    kept = [ref for ref in pictures if thumbnails.ready(ref.id, 1.0) is not None]
    assert kept == [pictures[0], *pictures[101:]]


# --- how it looks ---------------------------------------------------------------------------------


def _grab(row: TrayList) -> QImage:
    return row.viewport().grab().toImage()


def _thumbnail_colour(row: TrayList, place: int) -> QColor:
    return _grab(row).pixelColor(_at(row, place))


def _ring(image: QImage, place: int, accent: QColor) -> int:
    """Return the width in pixels of the ring's left side, where it has the accent colour."""
    across = [image.pixelColor(place * CELL + x, CELL // 2) for x in range(4)]
    return sum(_close(colour, accent) for colour in across)


def _close(one: QColor, two: QColor) -> bool:
    pairs = zip(one.getRgb(), two.getRgb(), strict=True)
    return all(abs(a - b) < 12 for a, b in pairs)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_ring_is_strong_for_the_one_on_show_and_thin_for_its_fellows(
    parts: Parts, window: MainWindow, theme: str
) -> None:
    parts.theme.set_wish(theme)
    _replace(parts, *_many(parts, 6))
    row, pictures = window.images.tray.list, parts.document.experiment.pictures
    window.toolbar.slider.setFocus()
    parts.view.choose([pictures[1].id, pictures[3].id], pictures[3].id)
    image, accent = _grab(row), QColor(parts.theme.tokens.accent)
    full = [_ring(image, place, accent) for place in range(5)]
    assert full[0] == full[2] == full[4] == 0
    assert full[3] == 2
    assert full[1] <= 1
    edge = image.pixelColor(1 * CELL + 1, CELL // 2)
    assert not _close(edge, image.pixelColor(1, CELL // 2))  # thin, and yet to be seen
    row.setFocus()
    assert _grab(row).pixelColor(3 * CELL + 4, 1) != image.pixelColor(3 * CELL + 4, 1)


def test_the_scroll_bar_hides_no_thumbnail(parts: Parts, tray: Tray) -> None:
    _replace(parts, *_many(parts, 300))
    bar = tray.list.horizontalScrollBar()
    assert bar.isVisible()
    assert bar.height() <= 8
    assert tray.list.viewport().height() >= CELL


def test_a_tooltip_says_name_size_and_class_in_plain_letters(parts: Parts, tray: Tray) -> None:
    pixels = np.zeros((20, 30, 3), np.uint8)
    ref = parts.store.add(Picture("<b>cat.png", pixels), "/data/cats/<b>cat.png")
    _replace(parts, ref)
    index = tray.list.model().index(0, 0)
    tip = index.data(Qt.ItemDataRole.ToolTipRole)
    assert "&lt;b&gt;cat.png" in tip
    assert "30 × 20" in tip
    assert "class: cats" in tip
    assert "folder: /data/cats" in tip
    assert index.data(Qt.ItemDataRole.AccessibleTextRole) == "<b>cat.png"


def test_a_picture_that_cannot_be_had_is_grey_and_says_why(parts: Parts, tray: Tray) -> None:
    _replace(parts, *_many(parts, 2), PictureRef("unknown", "gone.png", "/data/gone.png"))
    assert _thumbnail_colour(tray.list, 2) == QColor(128, 128, 128)
    tip = tray.list.model().index(2, 0).data(Qt.ItemDataRole.ToolTipRole)
    assert "open its file again" in tip
