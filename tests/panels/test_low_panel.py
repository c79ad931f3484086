"""The image panel where there is little height: rows are whole, tables can be read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from diffusion_gui.app.main_window import MainWindow
from diffusion_gui.app.parts import Parts
from diffusion_gui.engine.schedules import ScheduleSpec
from diffusion_gui.panels.common.picture import CAPTION
from diffusion_gui.panels.images.chain_view import ChainView
from diffusion_gui.panels.images.film_strip import FilmStrip
from diffusion_gui.panels.images.strip_layout import LABEL, LOW, Wish, arrange
from diffusion_gui.panels.images.tray_row import BAR, CELL
from diffusion_gui.state.view_state import Frames, Page

LEFT = Qt.MouseButton.LeftButton
LINEAR = ScheduleSpec("linear")
LOWEST = (1277, 700)
"""A window of 1916 x 1050 pixels at a scale of 150 %."""
SIZES = (LOWEST, (1280, 800), (1440, 900))
Show = Callable[[tuple[int, int], Page], None]


def _settle() -> None:
    for _ in range(4):
        QApplication.processEvents()


@pytest.fixture
def show(window: MainWindow, parts: Parts, qtbot: QtBot) -> Show:
    """Return a function that shows a page in a window of a size."""
    parts.sampling.live = False

    def shown(size: tuple[int, int], page: Page) -> None:
        window.resize(*size)
        qtbot.mouseClick(window.images.tools.chips[page], LEFT)
        qtbot.waitUntil(lambda: not parts.chain.busy, timeout=20_000)
        _settle()

    return shown


def _compare(parts: Parts, b: ScheduleSpec = LINEAR) -> None:
    parts.comparison.switch()
    parts.document.replace_schedule(b, "B")
    parts.comparison.switch()
    _settle()


def _chain(window: MainWindow) -> ChainView:
    found = window.findChild(ChainView, "chainPage")
    assert isinstance(found, ChainView)
    return found


def _assert_whole(strip: FilmStrip) -> None:
    assert strip.height() == strip.layout_of_rows.height
    assert strip.side >= LOW
    last = strip.cell(len(strip.heads) - 1, 0)
    assert strip.height() - last.bottom() >= LABEL  # the times below


# --- the strip ------------------------------------------------------------------------------------


@pytest.mark.parametrize("sides", [1, 2])
def test_rows_of_the_strip_are_whole_on_every_page(
    window: MainWindow, parts: Parts, show: Show, sides: int
) -> None:
    if sides == 2:
        _compare(parts)
    strip = window.images.strip
    for size in (*SIZES, (2560, 1440)):
        for page in Page:
            show(size, page)
            _assert_whole(strip)
            assert len(strip.heads) == sides, (size, page)
            assert window.height() == size[1], page


def test_rows_with_times_of_their_own_are_whole_and_their_note_is_told(
    window: MainWindow, parts: Parts, show: Show
) -> None:
    _compare(parts)
    parts.view.set_t(5)
    parts.view.set_display(frames=Frames.LOG_SNR)
    show(LOWEST, Page.CHAIN)
    strip = window.images.strip
    _assert_whole(strip)
    assert strip.layout_of_rows.has_times(0)
    assert strip.layout_of_rows.top == 0
    between = strip.cell(0, 0).bottomRight() + QPoint(4, -4)
    assert strip.told_at(between.toPointF()).startswith(strip.note)
    assert window.height() == LOWEST[1]


@pytest.mark.parametrize("budget", range(0, 200, 9))
@pytest.mark.parametrize("wish", [Wish(), Wish(captioned=True), Wish(1, 2, True, True), Wish(4, 2)])
def test_a_layout_has_all_sides_and_more_room_never_makes_it_smaller(
    budget: int, wish: Wish
) -> None:
    least, some, more = (arrange(786, height, wish) for height in (0, budget, budget + 3))
    assert some.rows % wish.sides == 0
    assert some.height <= max(budget, least.height)
    assert more.rows > some.rows or more.side >= some.side - (LABEL if more.top > some.top else 0)


def test_the_tray_keeps_room_for_a_scroll_bar_only_while_it_has_one(
    window: MainWindow, parts: Parts, show: Show, qtbot: QtBot
) -> None:
    show((1280, 800), Page.TILES)
    tray, content = window.images.tray, window.images.tiles
    page = content.height()
    assert tray.height() == tray.list.height() == CELL
    assert not tray.list.horizontalScrollBar().isVisible()
    parts.pictures.use_emoji()
    qtbot.waitUntil(tray.list.horizontalScrollBar().isVisible)
    _settle()
    assert tray.height() == CELL + BAR
    assert content.height() == page - BAR
    _assert_whole(window.images.strip)


def test_a_press_on_more_shows_the_next_rows_and_at_the_end_the_first_again(
    window: MainWindow, parts: Parts, show: Show, qtbot: QtBot
) -> None:
    emoji = parts.store.defer_emoji()[:4]
    pictures = (*parts.document.experiment.pictures, *emoji)
    parts.document.replace(replace(parts.document.experiment, pictures=pictures), "more pictures")
    ids = [ref.id for ref in parts.document.experiment.pictures]
    parts.view.choose(ids)
    show((1440, 900), Page.TILES)
    strip, t, picture = window.images.strip, parts.view.t, parts.view.picture
    visible = len(strip.heads)
    assert strip.hidden_pictures == len(ids) - visible
    more = strip.layout_of_rows.more().center()
    seen: list[str] = []
    for _ in range(-(-len(ids) // visible)):
        first, last = ids.index(strip.heads[0].picture) + 1, ids.index(strip.heads[-1].picture) + 1
        rows = str(first) if first == last else f"{first} to {last}"
        told = strip.told_at(more.toPointF())
        assert told.startswith(f"Pictures {rows} of {len(ids)}\nPress for the ")
        assert ("first rows" in told) == (last == len(ids))
        seen += [head.picture for head in strip.heads if head.picture not in seen]
        qtbot.mouseClick(strip, LEFT, pos=more)
    assert seen == ids
    assert strip.heads[0].picture == ids[0]
    assert (parts.view.t, parts.view.picture) == (t, picture)


# --- the chain page -------------------------------------------------------------------------------


@pytest.mark.parametrize("sides", [1, 2])
def test_rows_of_the_table_never_print_over_each_other(
    window: MainWindow, parts: Parts, show: Show, sides: int
) -> None:
    if sides == 2:
        _compare(parts)
    parts.view.set_t(412)
    for size in SIZES:
        show(size, Page.CHAIN)
        _assert_rows_apart(_chain(window))


def _assert_rows_apart(page: ChainView) -> None:
    tops = {}
    for cell in (*page.table.cells.values(), *page.table.heads):
        assert cell.height() >= cell.sizeHint().height(), cell.text()
        assert cell.width() >= cell.sizeHint().width(), cell.text()
        at = cell.mapTo(page, QPoint())
        tops[at.y()] = at.y() + cell.height()
    rows = sorted(tops.items())
    assert len(rows) == 7
    assert all(end <= top for (_, end), (top, _) in pairwise(rows))
    buttons = page.back.mapTo(page, QPoint()).y()
    assert rows[-1][1] <= buttons
    tag = page.difference._note_tag()
    assert page.difference.note
    assert page.difference.picture_rect().contains(tag)
    assert page.difference.mapTo(page, QPoint(0, page.difference.height())).y() <= buttons


@pytest.mark.parametrize("sides", [1, 2])
def test_a_low_page_has_a_shorter_sentence_that_is_whole(
    window: MainWindow, parts: Parts, show: Show, sides: int
) -> None:
    if sides == 2:
        _compare(parts)
    parts.document.replace_forward("size", size=64)
    for t in (0, 1, 412, 1000):
        parts.view.set_t(t)
        show(LOWEST, Page.CHAIN)
        page = _chain(window)
        if page.lesson.isVisible():
            assert page.lesson.heightForWidth(page.lesson.width()) <= page.lesson.height()
            bottom = page.lesson.mapTo(page, QPoint(0, page.lesson.height())).y()
            assert bottom <= page.back.mapTo(page, QPoint()).y()
        else:
            assert page.notes.text().startswith(page._sentences[-1])  # beside the buttons
        low = page.lesson.text() or page.notes.text()
        show((1440, 900), Page.CHAIN)
        assert page.lesson.isVisible()
        assert page.lesson.text() != low or page.lesson.toolTip() == ""
        assert page.lesson.heightForWidth(page.lesson.width()) <= page.lesson.height()


def test_a_failure_is_said_in_a_low_page_too(window: MainWindow, parts: Parts, show: Show) -> None:
    _compare(parts)
    parts.view.set_t(5)
    show(LOWEST, Page.CHAIN)
    page = _chain(window)
    parts.chain.failed.emit("Not enough memory for the chain")
    said = page.lesson.text() if page.lesson.isVisible() else page.notes.text()
    assert "Not enough memory" in said


def test_the_captions_are_whole_and_tell_the_number_of_steps(
    window: MainWindow, parts: Parts, show: Show
) -> None:
    _compare(parts)
    parts.document.replace_forward("size", size=64)
    for t in (1, 412, 1000):
        parts.view.set_t(t)
        for size in (*SIZES, (2560, 1440)):
            show((2560, 1440), Page.CHAIN)
            show(size, Page.CHAIN)
            page = _chain(window)
            for picture in (page.chain, page.jump, page.difference):
                assert picture.fits_caption(picture.caption), picture.caption
            told = page.chain.caption.replace("1 step", "once")
            assert (str(t) if t > 1 else "once") in told, size


def test_a_narrow_picture_still_says_how_many_steps(
    window: MainWindow, parts: Parts, show: Show
) -> None:
    parts.view.set_t(100)
    show((1280, 800), Page.CHAIN)
    page = _chain(window)
    page.chain.setFixedWidth(80)
    _settle()
    assert page.chain.caption in ("100 steps", "100×")


def test_the_lowest_page_keeps_the_range_of_the_difference(
    window: MainWindow, parts: Parts, show: Show
) -> None:
    parts.view.set_t(5)
    show((1280, 800), Page.CHAIN)
    page = _chain(window)
    least = page.minimumSizeHint().height()
    buttons = page.back.sizeHint().height()
    assert least >= page.table.least_height + buttons
    assert least >= 80 + CAPTION + buttons
