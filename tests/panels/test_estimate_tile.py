"""The x0-hat tile: wished by its chip, beside x_t, under the same zoom."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QPointF, Qt
from pytestqt.qtbot import QtBot

from diffusion_gui.app.main_window import MainWindow
from diffusion_gui.app.parts import Parts
from diffusion_gui.engine.images import Picture


@pytest.fixture(autouse=True)
def _no_sampling(parts: Parts) -> None:
    parts.sampling.live = False


def _wait(window: MainWindow, qtbot: QtBot) -> np.ndarray:
    tile = window.images.tiles.estimate
    qtbot.waitUntil(lambda: tile.pixels is not None, timeout=60_000)
    assert tile.pixels is not None
    return tile.pixels


def test_the_chip_brings_the_tile_between_x_t_and_its_parts_and_takes_it_away(
    window: MainWindow, parts: Parts, qtbot: QtBot
) -> None:
    tiles = window.images.tiles
    assert not tiles.estimate.isVisible()
    qtbot.mouseClick(window.images.tools.estimate, Qt.MouseButton.LeftButton)
    assert parts.view.display.estimate
    assert _wait(window, qtbot).shape == (32, 32, 3)
    assert tiles.x_t.x() < tiles.estimate.x() < tiles.signal.x()
    assert tiles.estimate.caption == "𝑥̂₀  Exact, 32 px"
    assert "t = 412" in tiles.estimate.accessibleName()
    qtbot.mouseClick(window.images.tools.estimate, Qt.MouseButton.LeftButton)
    assert not tiles.estimate.isVisible()


def test_it_follows_t_and_says_when_there_is_nothing_to_estimate(
    window: MainWindow, parts: Parts, qtbot: QtBot
) -> None:
    parts.view.set_display(estimate=True)
    before = _wait(window, qtbot).copy()
    parts.view.set_t(990)
    tile = window.images.tiles.estimate
    qtbot.waitUntil(lambda: not np.array_equal(tile.pixels, before), timeout=60_000)
    parts.view.set_t(0)
    qtbot.waitUntil(lambda: "no noise at t = 0" in tile.caption)
    assert tile.pixels is None


def test_a_wide_picture_has_the_models_square_in_its_middle(
    window: MainWindow, parts: Parts, qtbot: QtBot
) -> None:
    parts.loader.add(Picture("wide.png", np.zeros((40, 80, 3), np.uint8)), "clipboard")
    parts.view.set_display(estimate=True)
    pixels = _wait(window, qtbot)
    assert pixels.shape == (32, 64, 3)
    assert (pixels[:, :16] == 128).all()
    assert (pixels[:, 48:] == 128).all()


def test_it_is_zoomed_with_the_others(window: MainWindow, parts: Parts, qtbot: QtBot) -> None:
    parts.view.set_display(estimate=True)
    _wait(window, qtbot)
    tiles = window.images.tiles
    tiles.x_0.zoom_by(2.0, QPointF(tiles.x_0.area().center()))
    place, other = tiles.estimate.place(), tiles.x_0.place()
    assert place.width() == pytest.approx(other.width(), rel=0.02)


def test_another_page_has_no_chip_for_it(window: MainWindow, parts: Parts, qtbot: QtBot) -> None:
    qtbot.mouseClick(window.images.tools.chips["measures"], Qt.MouseButton.LeftButton)
    assert not window.images.tools.estimate.isVisible()
    qtbot.mouseClick(window.images.tools.chips["tiles"], Qt.MouseButton.LeftButton)
    assert window.images.tools.estimate.isVisible()
