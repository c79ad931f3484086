"""Pictures far longer than high: the square they are padded to is never more than it may be."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QComboBox
from pytestqt.qtbot import QtBot

from diffusion_gui.app.main_window import MainWindow
from diffusion_gui.app.parts import Parts
from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.experiment import Fit, Forward
from diffusion_gui.engine.images import Picture, arranged
from diffusion_gui.panels.images.options import ImageOptions
from diffusion_gui.session.picture_store import side_needed


def _long(length: int) -> Picture:
    pixels = np.random.default_rng(1).integers(0, 256, (1, length, 3), np.uint8)
    return Picture("long.png", pixels)


def test_a_square_over_the_limit_is_refused_in_one_line() -> None:
    with pytest.raises(EngineError, match=r"^long\.png: padded to 60000 x 60000 .* \(Options\)$"):
        arranged(_long(60_000), 0, Fit.PAD)
    with pytest.raises(EngineError, match="padded to 15000 x 15000"):
        arranged(_long(60_000), 15_000, Fit.PAD)
    assert arranged(_long(60_000), 64, Fit.PAD).shape == (64, 64, 3)
    assert arranged(_long(300), 0, Fit.PAD).shape == (300, 300, 3)
    assert arranged(_long(300), 15_000, Fit.PAD).shape == (300, 300, 3)
    assert arranged(_long(60_000), 0, Fit.FIT).shape == (1, 60_000, 3)


def test_a_picture_that_grows_by_padding_is_arranged_in_the_background() -> None:
    assert side_needed(_long(1025), Forward(0, Fit.PAD)) == 0
    assert side_needed(_long(1025), Forward(512, Fit.PAD)) is None
    assert side_needed(_long(1024), Forward(0, Fit.PAD)) is None
    assert side_needed(_long(1025), Forward(0, Fit.FIT)) is None


def _choose(combo: QComboBox, text: str) -> None:
    row = next(i for i in range(combo.count()) if combo.itemText(i).startswith(text))
    combo.setCurrentIndex(row)
    combo.activated.emit(row)


def test_the_window_says_why_a_long_picture_is_not_padded_and_stays_usable(
    window: MainWindow, parts: Parts, qtbot: QtBot
) -> None:
    parts.sampling.live = False
    parts.loader.add(_long(60_000), "pasted")
    qtbot.mouseClick(window.images.tools.options, Qt.MouseButton.LeftButton)
    options = window.findChild(ImageOptions)
    assert options is not None
    _choose(options.size_combo, "Original")
    tracemalloc.start()
    try:
        _choose(options.fit, "Pad")
        qtbot.waitUntil(lambda: bool(parts.preview.problem))
        window.images.grab()
        assert tracemalloc.get_traced_memory()[1] < 200 * 2**20
    finally:
        tracemalloc.stop()
    line = "long.png: padded to 60000 x 60000 pixels it is over 200 megapixels"
    assert line in window.images.caption.text()
    tiles = parts.preview.tiles()
    assert tiles is not None
    assert max(tiles.x_0.pixels.shape) <= 1024
    _choose(options.size_combo, "64 px")
    assert line not in window.images.caption.text()
    assert parts.preview.size == (64, 64)
    options.close()
