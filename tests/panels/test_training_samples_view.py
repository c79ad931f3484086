"""The samples of a training beside their nearest training pictures: both as they are."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtGui import QColor
from pytestqt.qtbot import QtBot

from diffusion_gui.app.parts import Parts
from diffusion_gui.engine.training.copies import COUNT, ProgressSamples
from diffusion_gui.panels.training.samples_view import SamplesView


@pytest.mark.parametrize("size", [(420, 260), (900, 300), (1500, 700)])
def test_both_pictures_are_at_full_strength_and_the_training_picture_is_framed(
    parts: Parts, qtbot: QtBot, size: tuple[int, int]
) -> None:
    view = SamplesView(parts.theme)
    qtbot.addWidget(view)
    view.resize(*size)
    pictures = np.full((COUNT, 8, 8, 3), (200, 10, 20), np.uint8)
    nearest = np.full((COUNT, 8, 8, 3), (10, 20, 200), np.uint8)
    apart = np.ones((COUNT, 2), np.float32)
    captions = ("",) * COUNT
    view.show_samples(ProgressSamples(1, 1.0, captions, pictures, nearest, apart), "no copies")
    image = view.grab().toImage()
    framed = QColor(parts.theme.tokens.secondary)
    for place in view.pairs():
        beside = view.neighbour(place)
        assert view.rect().contains(place.united(beside.adjusted(-1, -1, 1, 1)))
        assert not place.intersects(beside.adjusted(-1, -1, 1, 1))
        assert image.pixelColor(place.center()) == QColor(200, 10, 20)
        assert image.pixelColor(beside.center()) == QColor(10, 20, 200)
        assert image.pixelColor(beside.topLeft().x() - 1, beside.center().y()) == framed
        assert image.pixelColor(place.right() + 1, place.center().y()) != framed
