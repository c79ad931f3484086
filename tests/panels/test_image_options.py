"""The options of the image panel: every row changes what is shown, and follows undo."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QColorDialog, QComboBox
from pytestqt.qtbot import QtBot

from diffusion_gui.app.main_window import MainWindow
from diffusion_gui.app.parts import Parts
from diffusion_gui.engine.experiment import Fit, NoiseKind
from diffusion_gui.engine.forward import Shown
from diffusion_gui.engine.images import Picture
from diffusion_gui.panels.images.options import ImageOptions
from diffusion_gui.state.view_state import Frames, Scaling


@pytest.fixture
def options(window: MainWindow, parts: Parts, qtbot: QtBot) -> ImageOptions:
    parts.sampling.live = False
    parts.loader.add(_wide(), "clipboard")
    qtbot.mouseClick(window.images.tools.options, Qt.MouseButton.LeftButton)
    popup = window.findChild(ImageOptions)
    assert popup is not None
    yield popup  # type: ignore[misc]
    popup.close()


def _wide() -> Picture:
    """Return 60 x 40 pixels, the left half opaque red, the right one fully transparent."""
    pixels = np.full((40, 60, 3), 255, np.uint8)
    pixels[:, :30] = (200, 10, 20)
    alpha = np.zeros((40, 60), np.uint8)
    alpha[:, :30] = 255
    return Picture("half.png", pixels, (), alpha)


def _choose(combo: QComboBox, text: str) -> None:
    """Choose a row as a person does: open the list, type, Enter."""
    row = next(i for i in range(combo.count()) if combo.itemText(i).startswith(text))
    combo.setFocus()
    combo.setCurrentIndex(row)
    combo.activated.emit(row)


def _x_0(parts: Parts) -> np.ndarray:
    tiles = parts.preview.tiles()
    assert tiles is not None
    return tiles.x_0.pixels


def test_the_working_size_is_the_longer_side(options: ImageOptions, parts: Parts) -> None:
    _choose(options.size_combo, "32 px")
    assert _x_0(parts).shape == (21, 32, 3)
    assert parts.document.history.undo_text == "working size"
    parts.document.history.undo()
    assert _x_0(parts).shape == (40, 60, 3)
    assert options.size_combo.currentText() == "512 px"
    _choose(options.size_combo, "Original")
    assert _x_0(parts).shape == (40, 60, 3)


def test_crop_takes_the_middle_and_pad_shows_all(options: ImageOptions, parts: Parts) -> None:
    _choose(options.fit, "Crop")
    assert _x_0(parts).shape == (40, 40, 3)
    np.testing.assert_array_equal(_x_0(parts), _wide().pixels[:, 10:50])
    _choose(options.ground, "Black")
    _choose(options.fit, "Pad")
    padded = _x_0(parts)
    assert padded.shape == (60, 60, 3)
    assert padded[:10].max() == padded[50:].max() == 0
    assert parts.document.experiment.forward.fit is Fit.PAD


@pytest.mark.parametrize(("name", "level"), [("White", 255), ("Grey", 128), ("Black", 0)])
def test_the_background_shines_through(
    options: ImageOptions, parts: Parts, name: str, level: int
) -> None:
    _choose(options.ground, "Black")
    _choose(options.ground, name)
    assert _x_0(parts)[20, 10].tolist() == [200, 10, 20]
    assert _x_0(parts)[20, 50].tolist() == [level] * 3


def test_any_other_background_can_be_chosen_and_left(
    options: ImageOptions, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(QColorDialog, "getColor", lambda *_: QColor("#123456"))
    _choose(options.ground, "Other")
    assert _x_0(parts)[20, 50].tolist() == [0x12, 0x34, 0x56]
    assert options.ground.currentText() == "Other (#123456)"
    monkeypatch.setattr(QColorDialog, "getColor", lambda *_: QColor())
    _choose(options.ground, "Other")
    assert parts.document.experiment.forward.background == "#123456"
    _choose(options.ground, "White")
    assert options.ground.itemText(3) == "Other…"


@pytest.mark.parametrize("kind", list(NoiseKind))
def test_the_kinds_of_noise_differ_in_how_two_times_belong_together(
    options: ImageOptions, parts: Parts, kind: NoiseKind
) -> None:
    """With the picture gone at late t, the tile is the noise: its likeness at two t tells."""
    _choose(options.noise, kind.value.capitalize() if kind is not NoiseKind.PATH else "True path")
    assert parts.document.experiment.forward.noise is kind
    seen = []
    for t in (960, 990):
        parts.view.set_t(t)
        tiles = parts.preview.tiles()
        assert tiles is not None
        seen.append(tiles.noise.pixels.astype(float).ravel())
    likeness = float(np.corrcoef(seen)[0, 1])
    expected = {NoiseKind.FROZEN: (0.999, 1.0), NoiseKind.FRESH: (-0.1, 0.1)}
    low, high = expected.get(kind, (0.2, 0.9))
    assert low <= likeness <= high


def test_offset_noise_is_typed_and_its_cost_is_said(options: ImageOptions, parts: Parts) -> None:
    options.offset.setFocus()
    options.offset.selectAll()
    QTest.keyClicks(options.offset, "0.1")
    QTest.keyClick(options.offset, Qt.Key.Key_Return)
    assert parts.document.experiment.forward.offset == 0.1
    assert options.offset_note.text() == "mean: 14.0 dB less SNR than with white noise"
    parts.document.history.undo()
    assert options.offset_note.text() == "white: every frequency alike"


def test_the_display_range_is_said_in_the_head_and_on_the_tile(
    options: ImageOptions, parts: Parts, window: MainWindow
) -> None:
    plain = _image(window)
    _choose(options.shown, "Symmetric")
    assert parts.view.display.shown is Shown.SYMMETRIC
    assert "shown symmetric around 0" in window.images.caption.text()
    tiles = parts.preview.tiles()
    assert tiles is not None
    assert tiles.x_t.span.low == -tiles.x_t.span.high < -1.0
    assert _image(window) != plain
    _choose(options.shown, "Normalise")
    tiles = parts.preview.tiles()
    assert tiles is not None
    assert (int(tiles.x_t.pixels.min()), int(tiles.x_t.pixels.max())) == (0, 255)


def test_scaling_and_frames_are_told_to_the_view(options: ImageOptions, parts: Parts) -> None:
    _choose(options.scaling, "Nearest")
    _choose(options.frames, "Evenly in log-SNR")
    assert parts.view.display.scaling is Scaling.NEAREST
    assert parts.view.display.frames is Frames.LOG_SNR
    parts.view.set_display(scaling=Scaling.SMOOTH)
    assert options.scaling.currentText() == "Smooth"


def test_the_form_opens_and_closes_by_keys(window: MainWindow, parts: Parts, qtbot: QtBot) -> None:
    parts.sampling.live = False
    window.images.tools.options.setFocus()
    QTest.keyClick(window.images.tools.options, Qt.Key.Key_Space)
    popup = window.findChild(ImageOptions)
    assert popup is not None
    assert popup.isVisible()
    QTest.keyClick(popup, Qt.Key.Key_Escape)
    assert not popup.isVisible()


def _image(window: MainWindow) -> QImage:
    image = window.images.tiles.x_t.image
    assert image is not None
    return image.copy()
