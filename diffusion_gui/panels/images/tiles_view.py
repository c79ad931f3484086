"""The large view: x_0, x_t, its signal and noise parts side by side, and the histogram of x_t.

All pictures are zoomed and read together: the captions become the values of the pixel pointed at.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from PySide6.QtCore import QPoint, QSize, Signal, Slot
from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QWidget

from diffusion_gui.engine.forward import CLIPPED
from diffusion_gui.panels.common.picture import PictureView
from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.panels.common.widgets import GAP
from diffusion_gui.panels.common.zoom import Zoom
from diffusion_gui.panels.images.cells import Cells
from diffusion_gui.panels.images.estimate_tile import EstimateTile
from diffusion_gui.panels.images.histogram import HistogramView
from diffusion_gui.state.estimate import Estimator
from diffusion_gui.state.forward_preview import ForwardPreview
from diffusion_gui.state.tiles import Tile, Tiles
from diffusion_gui.state.view_state import ViewState

SAID_FROM = 0.01
"""The share of clipped values from which on it is written on the picture."""
SIGNAL, NOISE = "signal  √ᾱ 𝑥₀", "noise  √(1−ᾱ) ε"
PLUS_MINUS_1 = "±1"
"""On pictures whose values may lie beyond it: what black and white stand for."""
_HOW = (
    "\n\nOn it: the values of black and white, or how many lie beyond −1 … 1."
    "\nWheel or + and −: zoom. Drag or arrows: pan. Double click: one to one. 0: whole."
    "\nPoint at a pixel, or Alt + arrows: its values R G B, not clipped."
)


@dataclass(frozen=True, slots=True)
class _Values:
    """The values R G B of a pixel, the name of the picture, and what distinguishes it in short."""

    name: str
    short: str
    values: Sequence[float]

    def text(self, digits: int, short: bool) -> str:
        """Return the line above the picture."""
        name = f"{self.short} " if short else f"{self.name}  "
        return name.lstrip() + _signed(self.values, digits)


class TilesView(QWidget):
    """Follows the preview while it is visible.

    `reading_changed` when `reading`, which pixel the values on show belong to, is another.
    """

    reading_changed = Signal()

    def __init__(
        self, view: ViewState, preview: ForwardPreview, estimator: Estimator, theme: Theme
    ) -> None:
        super().__init__()
        self._view = view
        self._preview = preview
        self._stale = True
        self._seen: object = None
        self.reading = ""
        self.zoom = Zoom(self)
        self._build(theme)
        self.estimate = EstimateTile(estimator, theme, self.zoom, _HOW)
        for picture in (self.estimate, self.x_t_other):
            picture.setParent(self)
            picture.hide()
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(0, 0, 0, 0)
        self._row.setSpacing(GAP)
        self.cells = Cells()
        self.histogram = HistogramView(theme)
        self._row.addWidget(self.cells, 5)
        self._row.addWidget(self.histogram, 1)
        preview.tiles_changed.connect(self.show_tiles)
        preview.sides_changed.connect(self.show_sides)
        view.display_changed.connect(self.show_sides)
        self.zoom.pointed.connect(self._read)
        self.show_sides()

    def _build(self, theme: Theme) -> None:
        def tile(name: str, caption: str, tooltip: str) -> PictureView:
            return PictureView(theme, caption, tooltip + _HOW, self.zoom, name)

        self.x_0 = tile("x0Tile", "𝑥₀", "𝑥₀: the clean picture, t = 0")
        self.x_t = tile("xtTile", "𝑥ₜ", "𝑥ₜ = √ᾱ 𝑥₀ + √(1−ᾱ) ε")
        self.x_t_other = tile(
            "otherTile", "𝑥ₜ", "𝑥ₜ under the other side: the same picture, the same noise ε"
        )
        self.signal = tile("signalTile", SIGNAL, "What is left of the picture in 𝑥ₜ")
        self.noise = tile("noiseTile", NOISE, "What was added to it; ε depends on the seed alone")

    @property
    def views(self) -> tuple[PictureView, ...]:
        """All pictures, on show or not."""
        return self.x_0, self.x_t, self.x_t_other, self.estimate, self.signal, self.noise

    @Slot()
    def show_sides(self) -> None:
        """Make room for what is shown beside x_t: the other side, A to the left of B; x0_hat."""
        both = [self.x_t]
        if self._preview.comparing:
            both.insert(0 if self._preview.side == "B" else 1, self.x_t_other)
        estimate = [self.estimate] if self._view.display.estimate else []
        views = [self.x_0, *both, *estimate, self.signal, self.noise]
        self.cells.set_views(views)
        self._row.setStretch(0, 5 * len(views))
        self._row.setStretch(1, 4)

    @Slot()
    def show_tiles(self) -> None:
        """Show the picture at the time cursor: now, or once the view is visible."""
        self._stale = not self.isVisible()
        tiles = None if self._stale else self._preview.tiles()
        if tiles is not None:
            self._show(tiles)

    def _show(self, tiles: Tiles) -> None:
        width, height = self._preview.size
        if self._seen != (seen := (self._view.picture, width, height)):
            self._seen = seen
            self.zoom.reset()
            self.cells.set_shape(QSize(width, height))
            self.estimate.set_shape(width, height)
        if self.x_0.pixels is not tiles.x_0.pixels:  # its scaling stays while t moves
            _show(self.x_0, tiles.x_0)
        _show(self.x_t, tiles.x_t, PLUS_MINUS_1)
        _show(self.signal, tiles.signal)
        _show(self.noise, tiles.noise, PLUS_MINUS_1)
        if tiles.other is not None:
            _show(self.x_t_other, tiles.other.x_t, PLUS_MINUS_1)
        self._caption(tiles)
        for picture in self.views:
            picture.set_scaling(self._view.display.scaling)
        self.histogram.set_values(self._preview.values())
        self._read()

    def _caption(self, tiles: Tiles) -> None:
        t, side = self._view.t, self._preview.letter
        under = f" under {side}" if side else ""
        if tiles.other is not None:
            other = tiles.other
            self.x_t_other.set_caption(
                f"𝑥ₜ  {other.side}   t = {other.t}",
                f"x_t under {other.side}, the noised picture, t = {other.t}",
            )
        here = f"  {side}" if side else ""
        self.x_t.set_caption(f"𝑥ₜ{here}   t = {t}", f"x_t{under}, the noised picture, t = {t}")
        self.x_0.set_caption(self.x_0.caption, "x_0, the clean picture, t = 0")
        self.signal.set_caption(SIGNAL + here, f"signal part of x_t{under}, t = {t}")
        self.noise.set_caption(NOISE + here, f"noise part of x_t{under}, t = {t}")
        self.estimate.set_side(side)
        self.histogram.set_side(side)

    @Slot()
    def _read(self) -> None:
        """Let the captions say the values of the marked pixel, or what the pictures are."""
        pixel = self._sample(self.x_0.pixel() if self.isVisible() else None)
        values = {} if pixel is None else self._values(pixel)
        texts = _readings(values)
        for view in self.views:
            view.set_reading(texts.get(view, ""))
        reading = ""
        if pixel is not None and values:
            n, snr = self._stride(), snr_text(self._preview)
            place = f"({n * pixel.x()}, {n * pixel.y()})"
            reading = f"R G B at {place}   t = {self._view.t}   {snr}"
        if reading != self.reading:
            self.reading = reading
            self.reading_changed.emit()

    def _stride(self) -> int:
        """Return every how many-th pixel of a large picture has its values at hand."""
        process = self._preview.process()
        return process.stride if process is not None else 1

    def _sample(self, pixel: QPoint | None) -> QPoint | None:
        """Return which of these pixels is the nearest above and to the left of one on show."""
        if pixel is None:
            return None
        n = self._stride() // self._preview.stride
        return QPoint(pixel.x() // n, pixel.y() // n)

    def _values(self, pixel: QPoint) -> dict[PictureView, _Values]:
        """Return the values of each picture at a pixel, with its name."""
        moment, other = self._preview.moment(), self._preview.other_moment()
        if moment is None:
            return {}
        here = moment.pixel(pixel.x(), pixel.y())
        side = "" if other is None else self._preview.side
        values = {
            self.x_0: _Values("𝑥₀", "", here.x_0),
            self.x_t: _Values(f"𝑥ₜ  {side}".rstrip(), side, here.x_t),
            self.signal: _Values("signal", "", here.signal),
            self.noise: _Values("noise", "", here.noise),
        }
        if other is not None:
            x_t, side = other.pixel(pixel.x(), pixel.y()).x_t, self._preview.other_side
            values[self.x_t_other] = _Values(f"𝑥ₜ  {side}", side, x_t)
        return values

    def showEvent(self, event: QShowEvent) -> None:
        """Catch up."""
        super().showEvent(event)
        if self._stale:
            self.show_tiles()

    def hideEvent(self, event: QHideEvent) -> None:
        """Point at nothing."""
        super().hideEvent(event)
        self.zoom.point(None)


def snr_text(preview: ForwardPreview) -> str:
    """Return the SNR on show for people: of which side, and whether there is offset noise."""
    db, side = preview.snr_db(), f"{preview.letter}  ".lstrip()
    if math.isinf(db):
        return side + ("no noise yet" if db > 0.0 else "no signal left")
    text = f"{side}SNR {db:.1f} dB".replace("-", "−")
    return text + " with offset noise" * (preview.offset > 0.0)


def _show(picture: PictureView, tile: Tile, note: str = "") -> None:
    """Show a tile, and on it what its black and white stand for: `note` where that is -1 and 1."""
    span = tile.span
    if span != CLIPPED:
        note = f"{span.low:.2f} … {span.high:.2f}".replace("-", "−")
    elif tile.clipped > SAID_FROM:
        note = f"{100.0 * tile.clipped:.0f} % clipped"
    picture.set_pixels(tile.pixels, note, tile.small)


def _readings(values: Mapping[PictureView, _Values]) -> dict[PictureView, str]:
    """Return what to write above the pictures: as much as there is room for above all of them."""
    texts: dict[PictureView, str] = {}
    for digits, short in ((3, False), (2, False), (2, True)):
        texts = {view: value.text(digits, short) for view, value in values.items()}
        if all(view.fits(text) for view, text in texts.items()):
            break
    return texts


def _signed(values: Sequence[float], digits: int) -> str:
    """Return numbers with their signs, as wide as one another; there is no negative zero."""
    rounded = (round(value, digits) + 0.0 for value in values)
    return " ".join(f"{value:+.{digits}f}" for value in rounded).replace("-", "−")
