"""One colour for each sample of a batch, the same wherever one is picked out."""

from __future__ import annotations

from functools import lru_cache

from PySide6.QtGui import QColor

from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.panels.common.tokens import contrast

LEAST_CONTRAST = 4.5
"""To the panel: they are thin lines, and the frames of small pictures."""
_FIRST, _TURN = 0.91, 0.381966
"""Hues of the circle: the golden angle keeps any number of them apart."""
_SHADE = 0.01
"""Of lightness: so finely a colour is brought to the contrast."""


def sample_colour(theme: Theme, index: int) -> QColor:
    """Return the colour of sample `index`, legible on the theme's panels."""
    return QColor(_colour(theme.tokens.panel, index))


@lru_cache(maxsize=1024)
def _colour(panel: str, index: int) -> str:
    """Return a hue as #RRGGBB, as light or dark as its contrast needs: yellow is not blue."""
    dark = QColor(panel).lightnessF() < 0.5
    hue = (_FIRST + index * _TURN) % 1.0
    saturation, lightness, way = (0.75, 0.68, _SHADE) if dark else (0.70, 0.40, -_SHADE)
    while True:
        colour = QColor.fromHslF(hue, saturation, lightness).name()
        if contrast(colour, panel) >= LEAST_CONTRAST or not 0.1 < lightness < 0.9:
            return colour
        lightness += way
