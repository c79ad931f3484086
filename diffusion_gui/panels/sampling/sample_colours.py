"""One colour for each sample of a batch, the same wherever one is picked out."""

from __future__ import annotations

from PySide6.QtGui import QColor

from diffusion_gui.panels.common.theme import Theme

_FIRST, _TURN = 0.91, 0.381966
"""Hues of the circle: the golden angle keeps any number of them apart."""


def sample_colour(theme: Theme, index: int) -> QColor:
    """Return the colour of sample `index`, legible on the theme's panels."""
    dark = QColor(theme.tokens.panel).lightnessF() < 0.5
    hue = (_FIRST + index * _TURN) % 1.0
    return QColor.fromHslF(hue, 0.75 if dark else 0.70, 0.68 if dark else 0.40)
