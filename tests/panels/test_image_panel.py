"""The image panel: drops, paste, the film strip and the tray."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QColor, QDropEvent, QGuiApplication, QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from diffusion_gui.app.main_window import MainWindow
from diffusion_gui.app.parts import Parts
from diffusion_gui.engine.schedules import ScheduleSpec
from diffusion_gui.panels.images.strip_layout import LABEL

MakeImage = Callable[..., Path]
LEFT = Qt.MouseButton.LeftButton


@pytest.fixture(autouse=True)
def _no_sampling(parts: Parts) -> None:
    parts.sampling.live = False


def _drop(window: MainWindow, mime: QMimeData) -> None:
    event = QDropEvent(
        QPointF(60, 80),
        Qt.DropAction.CopyAction,
        mime,
        LEFT,
        Qt.KeyboardModifier.NoModifier,
    )
    window.images.dropEvent(event)


def _files(*paths: Path) -> QMimeData:
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    return mime


def _settle(qtbot: QtBot, parts: Parts) -> None:
    qtbot.waitUntil(lambda: not parts.loader.busy, timeout=20_000)


def _colour(image: QImage | None) -> tuple[int, int, int]:
    assert image is not None
    colour = image.pixelColor(image.width() // 2, image.height() // 2)
    return colour.red(), colour.green(), colour.blue()


def test_a_dropped_picture_is_shown_and_noised(
    window: MainWindow, parts: Parts, qtbot: QtBot, make_image: MakeImage
) -> None:
    _drop(window, _files(make_image("red.png", (230, 20, 20))))
    _settle(qtbot, parts)
    assert _colour(window.images.tiles.x_0.image) == (230, 20, 20)
    parts.view.set_t(0)
    assert _colour(window.images.tiles.x_t.image) == (230, 20, 20)
    parts.view.set_t(parts.view.T)
    tiles = parts.preview.tiles()
    assert tiles is not None
    assert np.abs(tiles.x_t.pixels.astype(int) - tiles.noise.pixels).max() <= 1
    assert "red.png" in window.images.caption.text()


def test_a_bad_file_among_good_ones_is_named_in_the_bar(
    window: MainWindow, parts: Parts, qtbot: QtBot, make_image: MakeImage, tmp_path: Path
) -> None:
    (tmp_path / "letter.pdf").write_text("dear reader", encoding="utf-8")
    _drop(window, _files(tmp_path / "letter.pdf", make_image("blue.png", (20, 20, 230))))
    _settle(qtbot, parts)
    qtbot.waitUntil(lambda: bool(window.images.bar.text))
    assert window.images.bar.text == "letter.pdf: the file is not an image that can be opened"
    assert _colour(window.images.tiles.x_0.image) == (20, 20, 230)
    window.images.bar.clear()
    assert not window.images.bar.isVisible()


def test_a_dropped_folder_opens_all_its_pictures(
    window: MainWindow, parts: Parts, qtbot: QtBot, make_image: MakeImage, tmp_path: Path
) -> None:
    for number in range(4):
        make_image(f"album/inner/{number}.png")
    _drop(window, _files(tmp_path / "album"))
    _settle(qtbot, parts)
    assert window.images.tray.count() == 4 + 3


def test_a_picture_is_pasted_from_the_clipboard(
    window: MainWindow, parts: Parts, qtbot: QtBot
) -> None:
    image = QImage(31, 17, QImage.Format.Format_ARGB32)
    image.fill(QColor(10, 200, 30))
    QGuiApplication.clipboard().setImage(image)
    window.actions_by_name["paste"].trigger()
    assert _colour(window.images.tiles.x_0.image) == (10, 200, 30)


def test_an_empty_clipboard_is_said(window: MainWindow, parts: Parts) -> None:
    QGuiApplication.clipboard().clear()
    window.actions_by_name["paste"].trigger()
    assert "clipboard holds no picture" in window.images.bar.text


def test_the_time_slider_moves_the_picture_while_it_is_dragged(
    window: MainWindow, parts: Parts, qtbot: QtBot
) -> None:
    slider = window.toolbar.slider
    parts.view.set_t(0)
    QTest.mousePress(slider, LEFT, pos=QPoint(8, slider.height() // 2))
    seen = []
    for share in (0.25, 0.5, 0.75, 1.0):
        QTest.mouseMove(slider, QPoint(int(8 + share * (slider.width() - 16)), 11))
        qtbot.wait(1)
        seen.append((parts.view.t, window.images.tiles.x_t.image))
    QTest.mouseRelease(slider, LEFT)
    times = [t for t, _ in seen]
    assert times == sorted(times)
    assert len(set(times)) == 4
    assert all(a[1] != b[1] for a, b in pairwise(seen))


def test_the_slider_is_moved_by_keys(window: MainWindow, parts: Parts, qtbot: QtBot) -> None:
    parts.view.set_t(100)
    qtbot.keyClick(window.toolbar.slider, Qt.Key.Key_Right)
    assert parts.view.t == 101
    qtbot.keyClick(window.toolbar.slider, Qt.Key.Key_End)
    assert parts.view.t == parts.view.T


def test_a_click_in_the_tray_shows_that_picture_and_delete_takes_it_out(
    window: MainWindow, parts: Parts, qtbot: QtBot
) -> None:
    tray = window.images.tray.list
    second = parts.document.experiment.pictures[1]
    place = tray.visualRect(tray.pictures.index(1, 0)).center()
    qtbot.mouseClick(tray.viewport(), LEFT, pos=place)
    assert parts.view.picture == second.id
    qtbot.keyClick(tray, Qt.Key.Key_Delete)
    assert second not in parts.document.experiment.pictures
    assert parts.view.picture != second.id


def test_without_a_picture_the_panel_says_what_to_do(
    window: MainWindow, parts: Parts, qtbot: QtBot
) -> None:
    for ref in parts.document.experiment.pictures:
        parts.pictures.remove([ref.id])
    assert window.images.caption.text() == "no picture"
    assert window.images.strip.frames == () or not window.images.strip.isVisible()
    window.actions_by_name["resetAll"].trigger()
    assert window.images.strip.isVisible()


# --- under A and B --------------------------------------------------------------------------------


def _split(parts: Parts, b: ScheduleSpec) -> None:
    """Keep A as it is, put `b` on B, and show A."""
    parts.comparison.switch()
    parts.document.replace_schedule(b, "B")
    parts.comparison.switch()


def _letters(window: MainWindow) -> list[str]:
    return [row.head.side for row in window.images.strip.rows]


def test_two_sides_bring_a_second_row_a_second_tile_and_the_toggle(
    window: MainWindow, parts: Parts, qtbot: QtBot
) -> None:
    images = window.images
    assert _letters(window) == [""]
    assert not images.tools.compare.isVisible()
    assert not images.tiles.x_t_other.isVisible()
    _split(parts, ScheduleSpec("linear"))
    assert _letters(window) == ["A", "B"]
    assert images.tools.compare.isVisible()
    assert images.tools.compare.isChecked()
    assert images.tiles.x_t.caption == "𝑥ₜ  A   t = 412"
    assert images.tiles.x_t_other.caption == "𝑥ₜ  B   t = 412"
    qtbot.mouseClick(images.tools.compare, LEFT)
    assert _letters(window) == [""]
    assert not images.tiles.x_t_other.isVisible()
    assert images.tiles.x_t.caption == "𝑥ₜ  A   t = 412"
    qtbot.mouseClick(images.tools.compare, LEFT)
    assert _letters(window) == ["A", "B"]
    window.actions_by_name["endSides"].trigger()
    assert _letters(window) == [""]
    assert not images.tools.compare.isVisible()


def test_A_stays_left_and_above_when_B_is_shown(
    window: MainWindow, parts: Parts, qtbot: QtBot
) -> None:
    images = window.images
    _split(parts, ScheduleSpec("linear"))
    QApplication.processEvents()
    assert images.tiles.x_t.x() < images.tiles.x_t_other.x()
    picture = images.tiles.x_t.image
    assert picture is not None
    qtbot.keyClick(window, Qt.Key.Key_F7)
    QApplication.processEvents()
    assert images.tiles.x_t_other.x() < images.tiles.x_t.x()
    assert images.tiles.x_t_other.caption.startswith("𝑥ₜ  A")
    assert images.tiles.x_t_other.image == picture
    assert _letters(window) == ["A", "B"]


def test_equal_sides_show_equal_pixels(window: MainWindow, parts: Parts) -> None:
    parts.comparison.switch()
    a, b = window.images.strip.rows
    assert [image for _, image in a.frames] == [image for _, image in b.frames]
    assert window.images.tiles.x_t.image == window.images.tiles.x_t_other.image


@pytest.mark.parametrize("T", [1000, 600])
@pytest.mark.parametrize("size", [(1280, 800), (2560, 1440)])
def test_nothing_is_clipped_with_two_sides(
    window: MainWindow, parts: Parts, size: tuple[int, int], T: int
) -> None:
    images = window.images
    _split(parts, ScheduleSpec("linear", T=T))
    window.resize(*size)
    for _ in range(3):
        QApplication.processEvents()
    strip = images.strip
    last = strip.cell(1, len(strip.frames) - 1)
    assert last.right() < strip.width()
    assert last.bottom() + LABEL < strip.height() + 1
    for tile in (
        images.tiles.x_0,
        images.tiles.x_t,
        images.tiles.x_t_other,
        images.tiles.signal,
        images.tiles.noise,
    ):
        assert tile.picture_rect().width() >= 100
        assert tile.rect().contains(tile.picture_rect())
        assert tile.geometry().bottom() < tile.parentWidget().height()
    assert images.tray.geometry().bottom() <= images.tray.parentWidget().height()
    assert (strip.cell(1, 0).top() - strip.cell(0, 0).bottom() > LABEL) == (T != 1000)
