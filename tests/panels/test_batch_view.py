"""The grids and the enlarged picture: by mouse and keys, and against NumPy pixel by pixel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QGuiApplication, QImage, QMouseEvent
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from diffusion_gui.app import drag_out
from diffusion_gui.app.main_window import MainWindow
from diffusion_gui.app.parts import Parts
from diffusion_gui.engine.images import Pixels
from diffusion_gui.panels.common.dropping import PNG
from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.panels.sampling.batch_view import BatchView, gap
from diffusion_gui.panels.sampling.enlarged import EnlargedView, value_text
from diffusion_gui.session.png_parts import read_carried
from diffusion_gui.state.run_view import Quantity
from diffusion_gui.state.sampling import RunState
from diffusion_gui.state.view_state import Scaling

LEFT = Qt.MouseButton.LeftButton
TIMEOUT = 60_000
X_T, X0_HAT, EPS_HAT = Quantity


def grabbed(widget: QWidget) -> Pixels:
    image = widget.grab().toImage().convertToFormat(QImage.Format.Format_RGB888)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), -1)
    return rows[:, : 3 * image.width()].reshape(image.height(), image.width(), 3).copy()


def batch(count: int, size: int = 8) -> Pixels:
    return np.random.default_rng(count).integers(0, 256, (count, size, size, 3), np.uint8)


@pytest.fixture
def view(parts: Parts, qtbot: QtBot) -> BatchView:
    made = BatchView(parts.theme)
    qtbot.addWidget(made)
    made.set_sharing(False)
    return made


def test_every_cell_shows_its_picture_enlarged_sharp_and_shrunk_by_area(view: BatchView) -> None:
    for count, size, width, height in (
        (1, 8, 500, 300), (5, 8, 500, 300), (16, 16, 900, 300), (256, 4, 900, 500),
    ):  # fmt: skip
        pictures = {X_T: batch(count, size), EPS_HAT: 255 - batch(count, size)}
        view.resize(width, height)
        view.set_pictures(pictures)
        shown = grabbed(view)
        for quantity, expected in pictures.items():
            for image in (0, count // 2, count - 1):
                cell = view.cell(quantity, image)
                assert view.rect().contains(cell)
                assert view.at(cell.center()) == (quantity, image)
                side = cell.width()
                assert side >= 1.5 * size
                sources = (2 * np.arange(side) + 1) * size // (2 * side)
                seen = shown[cell.top() : cell.top() + side, cell.left() : cell.left() + side]
                np.testing.assert_array_equal(seen, expected[image][np.ix_(sources, sources)])
    view.resize(400, 220)
    small = batch(16, 64)
    view.set_pictures({X_T: small})
    cell = view.cell(X_T, 5)
    seen = grabbed(view)[cell.top() : cell.bottom() + 1, cell.left() : cell.right() + 1]
    assert cell.width() < 64
    assert abs(seen.mean() - small[5].mean()) < 2.0
    assert seen.std() < 0.9 * small[5].std()  # averaged, not picked


def test_many_pictures_stand_closer() -> None:
    assert [gap(count) for count in (1, 64, 65, 128, 129, 256)] == [4, 4, 2, 2, 1, 1]


def test_nothing_is_converted_until_it_is_painted(view: BatchView, parts: Parts) -> None:
    view.resize(400, 200)
    view.set_pictures({X_T: batch(4)})
    grabbed(view)
    atlas = view._atlases[X_T]
    again = {X_T: batch(4)}
    view.set_pictures(again)
    assert view._atlases[X_T] is atlas
    grabbed(view)
    assert view._atlases[X_T].batch is again[X_T]


@pytest.fixture
def stage(window: MainWindow, parts: Parts, qtbot: QtBot) -> EnlargedView:
    parts.sampling.live = False
    parts.document.replace_sampling("few", steps=5, count=6, size=16)
    parts.sampling.run()
    qtbot.waitUntil(lambda: parts.sampling.state is RunState.DONE, timeout=TIMEOUT)
    parts.run_view.set_step(2)
    return window.sampling.enlarged


def test_click_enlarges_keys_go_on_and_back(
    stage: EnlargedView, window: MainWindow, parts: Parts, qtbot: QtBot
) -> None:
    shown, grid = parts.run_view, window.sampling.batch
    assert stage.isHidden()
    qtbot.mouseClick(grid, LEFT, pos=grid.cell(X0_HAT, 4).center())
    assert (shown.image, shown.enlarged) == (4, True)
    assert stage.isVisible()
    assert grid.isHidden()
    assert stage.position.text() == "5 of 6"
    picture = stage.pictures[X_T]
    np.testing.assert_array_equal(picture.pixels, shown.frame.x_t[4])
    assert stage.pictures[EPS_HAT].isHidden()
    shown.set_quantities(Quantity)
    np.testing.assert_array_equal(stage.pictures[EPS_HAT].pixels, shown.frame.eps_hat[4])
    assert stage.pictures[EPS_HAT].note == ""
    t = parts.view.t
    qtbot.keyClick(picture, Qt.Key.Key_Right)
    qtbot.keyClick(picture, Qt.Key.Key_Right)  # the last one stays
    assert (shown.image, parts.view.t) == (5, t)
    assert not stage.after.isEnabled()
    qtbot.mouseClick(stage.before, LEFT)
    assert shown.image == 4
    shown.set_step(5)
    np.testing.assert_array_equal(picture.pixels, shown.frame.x_t[4])
    notes = [stage.pictures[quantity].note for quantity in Quantity]
    assert notes == ["", "", "no noise left: σ = 0"], "plain grey is said to be none"
    qtbot.keyClick(picture, Qt.Key.Key_Escape)
    assert (shown.image, shown.enlarged, parts.sampling.state) == (4, False, RunState.DONE)
    assert grid.isVisible()
    shown.enlarge(2)
    middle = QPointF(picture.picture_rect().center())
    second = QMouseEvent(
        QEvent.Type.MouseButtonDblClick, middle, middle, LEFT, LEFT, Qt.KeyboardModifier(0)
    )
    QApplication.sendEvent(picture, second)  # of a double click on the grid
    assert shown.enlarged
    qtbot.mouseClick(picture, LEFT, pos=picture.picture_rect().center())
    qtbot.mouseDClick(picture, LEFT, pos=picture.picture_rect().center())
    assert not shown.enlarged


def test_the_grid_is_walked_by_keys_and_wears_a_ring(
    stage: EnlargedView, window: MainWindow, parts: Parts, qtbot: QtBot
) -> None:
    shown, grid = parts.run_view, window.sampling.batch
    grid.setFocus()
    for key, image in (
        (Qt.Key.Key_Right, 0), (Qt.Key.Key_Right, 1), (Qt.Key.Key_Left, 0), (Qt.Key.Key_Left, 0),
    ):  # fmt: skip
        qtbot.keyClick(grid, key)
        assert (shown.image, shown.enlarged) == (image, False)
    accent = np.array([int(parts.theme.tokens.accent[i : i + 2], 16) for i in (1, 3, 5)])
    for quantity in shown.quantities:
        cell = grid.cell(quantity, 0)
        assert np.array_equal(grabbed(grid)[cell.center().y(), cell.left()], accent)
    qtbot.keyClick(grid, Qt.Key.Key_Return)
    assert shown.enlarged
    parts.document.replace_sampling("fewer", count=1)
    shown.set_image(3)
    parts.sampling.run()
    qtbot.waitUntil(lambda: parts.sampling.state is RunState.DONE, timeout=TIMEOUT)
    assert (shown.image, shown.enlarged) == (None, False)  # there is no fourth picture


def test_zoom_is_shared_and_values_are_those_of_the_bits(
    stage: EnlargedView, parts: Parts, qtbot: QtBot
) -> None:
    shown = parts.run_view
    shown.set_quantities(Quantity)
    shown.enlarge(1)
    one, other = stage.pictures[X_T], stage.pictures[EPS_HAT]
    qtbot.keyClick(one, Qt.Key.Key_Plus)
    assert one.zoom is other.zoom
    assert other.zoom.zoomed
    stage.zoom.reset()
    stage.zoom.point(QPointF(3.5 / 16, 7.5 / 16))
    for quantity, picture in stage.pictures.items():
        rgb = getattr(shown.frame, quantity)[1][7, 3]
        said = " ".join(value_text(int(v), quantity) for v in rgb)
        assert said in picture.reading or picture.reading.endswith(
            " ".join(value_text(int(v), quantity, 3) for v in rgb)
        )
    assert stage.reading.text() == "RGB at (3, 7), from 8 bits: ± 0.004, ε̂ ± 0.012"
    stage.scaling.menu().actions()[1].trigger()
    assert parts.view.display.scaling is Scaling.NEAREST
    assert stage.scaling.text() == "Nearest"


def test_values_are_in_units_and_the_ends_say_that_they_are_clipped() -> None:
    assert value_text(128, X_T, 3) == "+0.004"
    assert value_text(0, X_T) == "≤−1.00"
    assert value_text(255, EPS_HAT) == "≥+3.00"
    assert value_text(1, EPS_HAT) == "−2.98"
    for value in range(1, 255):
        assert float(value_text(value, X0_HAT, 4).replace("−", "-")) == pytest.approx(
            value / 127.5 - 1.0, abs=6e-5
        )


def test_a_picture_is_copied_with_its_settings_and_dragged_out_as_a_file(
    stage: EnlargedView, window: MainWindow, parts: Parts, qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    shown, grid = parts.run_view, window.sampling.batch
    shown.enlarge(3)
    QGuiApplication.clipboard().clear()
    with qtbot.waitSignal(window.sample_drags.said, timeout=TIMEOUT):
        qtbot.keyClick(stage.pictures[X_T], Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    mime = QGuiApplication.clipboard().mimeData()
    copied = QImage(mime.imageData()).convertToFormat(QImage.Format.Format_RGB888)
    rows = np.frombuffer(copied.constBits(), np.uint8).reshape(16, -1)[:, :48]
    np.testing.assert_array_equal(rows.reshape(16, 16, 3), shown.frame.x_t[3])
    assert (
        '"steps": 5'
        in read_carried(bytes(mime.data(PNG).data()), ("diffusion-gui",)).texts["diffusion-gui"]
    )
    shown.show_all()
    hung: list[Path] = []
    monkeypatch.setattr(drag_out.DragOut, "_hang", lambda self, mime, path: hung.append(path))
    start = grid.cell(X0_HAT, 2).center()
    qtbot.mousePress(grid, LEFT, pos=start)
    qtbot.mouseMove(grid, start + QPoint(4, 0))
    qtbot.mouseMove(grid, start + QPoint(40, 30))
    qtbot.waitUntil(lambda: bool(hung), timeout=TIMEOUT)
    qtbot.mouseRelease(grid, LEFT, pos=start + QPoint(40, 30))
    assert hung[0].name == "sample-3-step2.png"
    saved = QImage(str(hung[0])).convertToFormat(QImage.Format.Format_RGB888)
    assert saved.pixelColor(5, 9).getRgb()[:3] == tuple(shown.frame.x0_hat[2][9, 5])
    assert not shown.enlarged  # a drag is no click


def test_both_themes_have_a_ring(view: BatchView, parts: Parts) -> None:
    view.resize(300, 200)
    view.set_pictures({X_T: batch(4)})
    view.set_image(1)
    seen = []
    for wish in ("light", "dark"):
        parts.theme.set_wish(wish)
        cell = view.cell(X_T, 1)
        seen.append(tuple(grabbed(view)[cell.center().y(), cell.left()]))
    assert seen[0] != seen[1]
    assert isinstance(parts.theme, Theme)
