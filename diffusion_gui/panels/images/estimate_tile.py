"""The tile beside x_t: what the model makes of it in one call."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import Slot

from diffusion_gui.engine.denoisers import MODELS
from diffusion_gui.engine.images import Pixels
from diffusion_gui.panels.common.picture import PictureView
from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.panels.common.zoom import Zoom
from diffusion_gui.state.estimate import Estimator

AROUND = 128
"""Grey level around the model's square, where the picture itself is no square."""
HELP = (
    "𝑥̂₀: the clean picture that the sampling panel's model sees in 𝑥ₜ, in one call at this t.\nAt"
    " high noise it is the mean of many pictures, so it is blurred; no single call draws a sample."
)


class EstimateTile(PictureView):
    """x0_hat of one call of the sampling panel's model; the last one stays until the next is there.

    Models see squares. So that it lies under the same zoom as the tiles beside it, the square
    stands in the middle of a picture of their shape.
    """

    def __init__(self, estimator: Estimator, theme: Theme, zoom: Zoom, how: str) -> None:
        super().__init__(theme, "𝑥̂₀", HELP + how, zoom, "estimateTile")
        self._help = HELP + how
        self._estimator = estimator
        self._shape = (1, 1)
        self._side = ""
        estimator.changed.connect(self.show_estimate)

    def set_shape(self, width: int, height: int) -> None:
        """Say the size of the pictures beside it in pixels."""
        if (width, height) != self._shape:
            self._shape = (width, height)
            self.show_estimate()

    def set_side(self, side: str) -> None:
        """Say under which side, A or B, or "" while there is one only."""
        if side != self._side:
            self._side = side
            self.show_estimate()

    @Slot()
    def show_estimate(self) -> None:
        """Show the newest estimate, or why there is none."""
        newest, message = self._estimator.newest, self._estimator.message
        name = f"𝑥̂₀  {self._side}".rstrip()
        if newest is None or newest.x0_hat is None:
            self.set_pixels(None)
            self.setToolTip(f"{self._estimator.reason}\n\n{self._help}".lstrip())
            self.set_caption(f"{name}  {message}", f"x0-hat: {message or 'not there yet'}")
            return
        self.setToolTip(self._help)
        sampling = newest.experiment.sampling
        said = message or f"{MODELS[sampling.model].title}, {sampling.size} px"
        self.set_pixels(_in_shape(newest.x0_hat, *self._shape))
        self.set_caption(f"{name}  {said}", f"x0-hat of one model call, t = {newest.t}, {said}")


def _in_shape(square: Pixels, width: int, height: int) -> Pixels:
    """Return a square in the middle of a picture as wide to high as these."""
    side, short = square.shape[0], min(width, height)
    around = (round(side * height / short), round(side * width / short), 3)
    if around == square.shape:
        return square
    canvas = np.full(around, AROUND, np.uint8)
    top, left = (around[0] - side) // 2, (around[1] - side) // 2
    canvas[top : top + side, left : left + side] = square
    return canvas
