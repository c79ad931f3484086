"""A picture that was copied in this program and is pasted again brings its experiment back."""

from __future__ import annotations

import io

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image
from PySide6.QtCore import QMimeData
from PySide6.QtGui import QColor, QGuiApplication, QImage
from pytestqt.qtbot import QtBot

from diffusion_gui.app.main_window import MainWindow
from diffusion_gui.app.parts import Parts
from diffusion_gui.engine.images import Picture
from diffusion_gui.engine.schedules import ScheduleSpec
from diffusion_gui.session.export import METADATA_KEY
from diffusion_gui.session.png_parts import png_info

TIMEOUT = 30_000


@pytest.fixture(autouse=True)
def _no_runs(parts: Parts) -> None:
    parts.sampling.live = False


def _done(window: MainWindow, parts: Parts, qtbot: QtBot) -> None:
    files = window.picture_files
    qtbot.waitUntil(lambda: not files.busy and not parts.loader.busy, timeout=TIMEOUT)


def _clipboard(png: bytes) -> None:
    """Put a picture and a PNG on the clipboard, as this program and browsers do."""
    image = QImage(6, 4, QImage.Format.Format_RGB32)
    image.fill(QColor(10, 200, 30))
    mime = QMimeData()
    mime.setImageData(image)
    mime.setData("image/png", png)
    QGuiApplication.clipboard().setMimeData(mime)


def _png(text: str | None) -> bytes:
    content = io.BytesIO()
    info = png_info({METADATA_KEY: text} if text is not None else {}, {})
    Image.new("RGB", (6, 4), (10, 200, 30)).save(content, format="PNG", pnginfo=info)
    return content.getvalue()


def test_what_was_copied_at_t_comes_back_with_its_experiment_by_paste(
    window: MainWindow, parts: Parts, qtbot: QtBot
) -> None:
    own = np.random.default_rng(3).integers(0, 256, (30, 20, 3), np.uint8)
    parts.loader.add(Picture("own.png", own), "clipboard")
    parts.document.replace_schedule(ScheduleSpec("sigmoid", 300), "schedule")
    parts.view.set_t(250)
    saved, before = parts.document.experiment, parts.preview.tiles().x_t.pixels
    window.actions_by_name["copyPicture"].trigger()
    _done(window, parts, qtbot)

    window.actions_by_name["resetAll"].trigger()
    parts.view.set_t(10)
    first = parts.document.experiment
    window.actions_by_name["paste"].trigger()
    _done(window, parts, qtbot)
    found = parts.document.experiment
    assert (found.schedule, found.seed, found.forward) == (
        saved.schedule,
        saved.seed,
        saved.forward,
    )
    assert [ref.name for ref in found.pictures] == [ref.name for ref in saved.pictures]
    assert parts.view.t == 250
    assert parts.preview.picture.name == "own.png"
    assert_array_equal(parts.preview.tiles().x_t.pixels, before)
    said = "Restored the copied picture; Ctrl+Z undoes it"
    assert window.toolbar.caption.text() == said
    assert window.images.bar.text == ""
    window.actions_by_name["undo"].trigger()
    assert parts.document.experiment == first


@pytest.mark.parametrize(
    ("png", "line"),
    [
        (_png(None), ""),
        (b"", ""),
        (b"no PNG at all", ""),
        (_png("{"), "the copied picture: "),
    ],
)
def test_other_pictures_of_the_clipboard_come_in_as_pictures(
    window: MainWindow, parts: Parts, qtbot: QtBot, png: bytes, line: str
) -> None:
    _clipboard(png)
    before = len(parts.document.experiment.pictures)
    window.actions_by_name["paste"].trigger()
    _done(window, parts, qtbot)
    assert len(parts.document.experiment.pictures) == before + 1
    assert_array_equal(parts.preview.pixels, np.full((4, 6, 3), (10, 200, 30), np.uint8))
    assert window.images.bar.text.startswith(line)
    assert bool(window.images.bar.text) == bool(line)
    assert window.images.bar.text.endswith("opened as a picture instead") == bool(line)
