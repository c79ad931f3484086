"""Thumbnails of transparent pictures stand on the background that was chosen for them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtGui import QColor
from pytestqt.qtbot import QtBot

from diffusion_gui.app.main_window import MainWindow
from diffusion_gui.app.parts import Parts
from diffusion_gui.engine.images import Picture
from diffusion_gui.panels.images.tray_row import CELL
from diffusion_gui.session.picture_store import PictureStore


@pytest.fixture(autouse=True)
def _no_runs(parts: Parts) -> None:
    parts.sampling.live = False


def _half(side: int = 40) -> Picture:
    """Return a picture that is red above and transparent below."""
    alpha = np.full((side, side), 255, np.uint8)
    alpha[side // 2 :] = 0
    pixels = np.full((side, side, 3), 255, np.uint8)
    pixels[: side // 2] = (200, 0, 0)
    return Picture("half", pixels, alpha=alpha)


def _at(window: MainWindow, y: int) -> str:
    row = window.images.tray.list
    return QColor(row.grab().toImage().pixel(CELL // 2, y)).name()


def test_the_tray_follows_the_background(window: MainWindow, parts: Parts, qtbot: QtBot) -> None:
    ref = parts.store.add(_half())
    parts.document.replace(replace(parts.document.experiment, pictures=(ref,)), "open")
    assert (_at(window, 12), _at(window, 34)) == ("#c80000", "#ffffff")
    parts.document.replace_forward("background", background="#204060")
    assert (_at(window, 12), _at(window, 34)) == ("#c80000", "#204060")
    parts.document.history.undo()
    assert _at(window, 34) == "#ffffff"


@pytest.mark.parametrize("side", [16, 64, 200])
def test_a_thumbnail_is_composited_as_the_picture_is(side: int) -> None:
    store = PictureStore()
    ref = store.add(_half(side))
    assert (store.thumbnail(ref.id)[48:] == 255).all()
    shown = store.thumbnail(ref.id, (32, 64, 96))
    assert shown.shape == (64, 64, 3)
    assert (shown[:16] == (200, 0, 0)).all()
    assert (shown[48:] == (32, 64, 96)).all()
