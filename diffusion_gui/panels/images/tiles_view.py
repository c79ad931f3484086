"""The large view: x_0, x_t, its signal and noise parts side by side, and the histogram of x_t."""

from __future__ import annotations

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QHBoxLayout, QWidget

from diffusion_gui.engine.forward import CLIPPED
from diffusion_gui.panels.common.picture import PictureView
from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.panels.common.widgets import GAP
from diffusion_gui.panels.images.histogram import HistogramView
from diffusion_gui.state.forward_preview import ForwardPreview, Tile
from diffusion_gui.state.view_state import ViewState


class TilesView(QWidget):
    """Follows the preview while it is visible."""

    def __init__(self, view: ViewState, preview: ForwardPreview, theme: Theme) -> None:
        super().__init__()
        self._view = view
        self._preview = preview
        self.x_0 = PictureView(theme, "𝑥₀", "𝑥₀: the clean picture, t = 0")
        self.x_t = PictureView(theme, "𝑥ₜ", "𝑥ₜ = √ᾱ 𝑥₀ + √(1−ᾱ) ε")
        self.x_t_other = PictureView(
            theme, "𝑥ₜ", "𝑥ₜ under the other side: the same picture, the same noise ε"
        )
        self.x_t_other.hide()
        self.signal = PictureView(theme, "signal  √ᾱ 𝑥₀", "What is left of the picture in 𝑥ₜ")
        self.noise = PictureView(
            theme, "noise  √(1−ᾱ) ε", "What was added to it; ε depends on the seed alone"
        )
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(0, 0, 0, 0)
        self._row.setSpacing(GAP)
        for picture in (self.x_0, self.x_t, self.x_t_other, self.signal, self.noise):
            self._row.addWidget(picture, 5)
        self.histogram = HistogramView(theme)
        self._row.addWidget(self.histogram, 4)
        preview.tiles_changed.connect(self.show_tiles)
        preview.sides_changed.connect(self.show_sides)
        self.show_sides()
        self.show_tiles()

    @Slot()
    def show_sides(self) -> None:
        """Make room for x_t under the other side, A to the left of B."""
        self.x_t_other.setVisible(self._preview.comparing)
        place = 1 if self._preview.comparing and self._preview.side == "B" else 2
        self._row.removeWidget(self.x_t_other)
        self._row.insertWidget(place, self.x_t_other, 5)

    @Slot()
    def show_tiles(self) -> None:
        """Show the picture at the time cursor."""
        tiles = self._preview.tiles()
        if tiles is None:
            return
        here = ""
        if tiles.other is not None:
            here = f"  {self._preview.side}"
            _show(self.x_t_other, tiles.other.x_t)
            self.x_t_other.set_caption(f"𝑥ₜ  {tiles.other.side}   t = {tiles.other.t}")
        for picture, tile in (
            (self.x_0, tiles.x_0),
            (self.x_t, tiles.x_t),
            (self.signal, tiles.signal),
            (self.noise, tiles.noise),
        ):
            _show(picture, tile)
        self.x_t.set_caption(f"𝑥ₜ{here}   t = {self._view.t}")
        self.histogram.set_values(self._preview.values())


def _show(picture: PictureView, tile: Tile) -> None:
    """Show a tile, and on it what its black and white stand for."""
    span = tile.span
    note = "" if span == CLIPPED else f"{span.low:.2f} … {span.high:.2f}".replace("-", "−")
    picture.set_pixels(tile.pixels, note)
