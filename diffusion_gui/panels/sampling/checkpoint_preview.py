"""What a checkpoint's network makes of pictures with known noise: noised above, estimated below."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QGridLayout, QWidget

from diffusion_gui.engine.checkpoint_use import Use
from diffusion_gui.panels.common.picture import CAPTION, PictureView
from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.panels.common.widgets import GAP
from diffusion_gui.panels.common.zoom import Zoom

if TYPE_CHECKING:
    from diffusion_gui.engine.sanity import Sanity

LEVELS, PICTURES = 4, 2
SIDE = 78
"""Of a picture on screen."""
LARGE = 160
"""Where there is room for one alone."""


class CheckpointPreview(QWidget):
    """Two pictures at four levels of noise, and the network's estimates of them."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.setObjectName("checkpointPreview")
        self._theme, self._zoom = theme, Zoom(self)
        self.noisy: list[PictureView] = []
        self.clean: list[PictureView] = []
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(4)
        grid.setVerticalSpacing(0)
        for place in range(LEVELS * PICTURES):
            column = place + place // LEVELS  # a gap between the pictures
            for row, (views, caption, tooltip) in enumerate(
                (
                    (self.noisy, "", "A picture with noise of this σ, as the network saw it"),
                    (self.clean, "𝑥̂₀", "What the network takes the picture for"),
                )
            ):
                view = PictureView(theme, caption, tooltip, self._zoom, f"check{row}_{place}")
                view.setMinimumSize(SIDE, SIDE + CAPTION)
                view.setMaximumHeight(SIDE + CAPTION)
                grid.addWidget(view, row, column)
                views.append(view)
        for number in range(1, PICTURES):
            grid.setColumnMinimumWidth(number * (LEVELS + 1) - 1, GAP)

    def show_answers(self, sanity: Sanity | None, use: Use) -> None:
        """Show what came of asking the network, read as `use` says; blank tiles before that."""
        count = PICTURES if sanity is None else min(sanity.count, PICTURES)
        side = SIDE if count > 1 else LARGE
        tile = QColor(self._theme.tokens.hover)
        blank = np.array([[[tile.red(), tile.green(), tile.blue()]]], np.uint8)
        for place in range(LEVELS * PICTURES):
            number, level = divmod(place, LEVELS)
            both = (blank, blank)
            if sanity is not None and number < count:
                noisy, clean = sanity.pictures(use, number)
                both = noisy[level], clean[level]
                self.noisy[place].set_caption(f"σ {sanity.sigmas[level]:g}")
            pairs = ((self.noisy[place], both[0]), (self.clean[place], both[1]))
            for view, pixels in pairs:
                view.setVisible(number < count)
                view.setMinimumSize(side, side + CAPTION)
                view.setMaximumHeight(side + CAPTION)
                view.set_pixels(pixels)
