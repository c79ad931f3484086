"""The image panel: x_0, x_t, its signal and noise parts, the film strip, the tray."""

from __future__ import annotations

from PySide6.QtCore import Signal, Slot
from PySide6.QtGui import QDragEnterEvent, QDragLeaveEvent, QDragMoveEvent, QDropEvent
from PySide6.QtWidgets import QHBoxLayout, QProgressBar, QStackedLayout, QVBoxLayout, QWidget

from diffusion_gui.panels.common.dropping import image_from, paths_from
from diffusion_gui.panels.common.picture import PictureView
from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.panels.common.widgets import GAP, Panel, button, label
from diffusion_gui.panels.images.film_strip import FilmStrip
from diffusion_gui.panels.images.histogram import HistogramView
from diffusion_gui.panels.images.tray import Tray
from diffusion_gui.session.library import PictureStore
from diffusion_gui.state.document import Document
from diffusion_gui.state.forward_preview import ForwardPreview
from diffusion_gui.state.pictures import PictureLoader
from diffusion_gui.state.view_state import ViewState


class ImagePanel(Panel):
    """Shows the forward process on the chosen picture; takes drops of files and pictures.

    `paths_dropped` hands files and folders on: they may be schedules as well.
    """

    paths_dropped = Signal(list)

    def __init__(
        self,
        document: Document,
        view: ViewState,
        store: PictureStore,
        preview: ForwardPreview,
        loader: PictureLoader,
        theme: Theme,
    ) -> None:
        super().__init__("imagePanel", "Image", theme)
        self._document = document
        self._view = view
        self._preview = preview
        self._loader = loader
        self.setAcceptDrops(True)
        self._build_head()
        self._build_pictures(store)
        self._bind()
        self._show_tray()
        self._show_picture()
        self._show_sides()
        self._show_tiles()
        self._show_strip()

    def _build_head(self) -> None:
        self.progress = QProgressBar()
        self.progress.setFixedWidth(120)
        self.progress.setFormat("opening %v of %m")
        self.cancel = button("Cancel", "Stop opening; what is open stays", "link")
        self.compare = button(
            "Compare A and B", "Show the same picture and the same noise under both sides", "chip"
        )
        self.compare.setObjectName("compareButton")
        self.compare.setCheckable(True)
        self.compare.setChecked(True)
        self.compare.hide()
        for widget in (self.progress, self.cancel, self.compare):
            self.head.addWidget(widget)
        self.progress.hide()
        self.cancel.hide()

    def _build_pictures(self, store: PictureStore) -> None:
        self.x_0 = PictureView(self.theme, "𝑥₀", "𝑥₀: the clean picture, t = 0")
        self.x_t = PictureView(
            self.theme, "𝑥ₜ", "𝑥ₜ = √ᾱ 𝑥₀ + √(1−ᾱ) ε, clipped to [-1, 1] for display"
        )
        self.x_t_other = PictureView(
            self.theme, "𝑥ₜ", "𝑥ₜ under the other side: the same picture, the same noise ε"
        )
        self.x_t_other.hide()
        self.signal = PictureView(self.theme, "signal  √ᾱ 𝑥₀", "What is left of the picture in 𝑥ₜ")
        self.noise = PictureView(
            self.theme, "noise  √(1−ᾱ) ε", "What was added to it; ε depends on the seed alone"
        )
        tiles = QWidget()
        row = self._tiles = QHBoxLayout(tiles)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GAP)
        for picture in (self.x_0, self.x_t, self.x_t_other, self.signal, self.noise):
            row.addWidget(picture, 5)
        self.histogram = HistogramView(self.theme)
        row.addWidget(self.histogram, 4)
        self.strip = FilmStrip(self.theme)
        self.tray = Tray(store)
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GAP)
        column.addWidget(tiles, 1)
        column.addWidget(self.strip)
        column.addWidget(self.tray)
        self._stack = QStackedLayout()
        self._stack.addWidget(content)
        self._stack.addWidget(self._build_empty())
        self.body.addLayout(self._stack, 1)

    def _build_empty(self) -> QWidget:
        empty = QWidget()
        column = QVBoxLayout(empty)
        column.addStretch(1)
        for text, role in (
            ("Drop images or a folder here", "title"),
            ("or open them (Ctrl+O), or paste one (Ctrl+V)", "caption"),
        ):
            line = label(text, role)
            line.setAlignment(line.alignment().AlignCenter)
            column.addWidget(line)
        column.addStretch(1)
        return empty

    def _bind(self) -> None:
        self._preview.picture_changed.connect(self._show_picture)
        self._preview.tiles_changed.connect(self._show_tiles)
        self._preview.strip_changed.connect(self._show_strip)
        self._preview.sides_changed.connect(self._show_sides)
        self.compare.toggled.connect(self._preview.set_comparing)
        self._document.pictures_changed.connect(self._show_tray)
        self._view.t_changed.connect(self.strip.set_time)
        self._view.picture_changed.connect(self.tray.select)
        self.strip.t_dragged.connect(self._view.set_t)
        self.strip.room_changed.connect(self._show_strip)
        self.tray.chosen.connect(self._view.set_picture)
        self.tray.removed.connect(self._loader.remove)
        self._loader.problems_found.connect(self.bar.show_lines)
        self._loader.progress.connect(self._on_progress)
        self.cancel.clicked.connect(self._loader.cancel)

    @Slot()
    def _show_picture(self) -> None:
        self._stack.setCurrentIndex(0 if self._preview.picture else 1)

    @Slot()
    def _show_tray(self) -> None:
        self.tray.set_pictures(self._document.experiment.pictures, self._view.picture)

    @Slot()
    def _show_sides(self) -> None:
        """Make room for x_t under the other side, A to the left of B."""
        self.compare.setVisible(self._preview.two_sides)
        self.x_t_other.setVisible(self._preview.comparing)
        place = 1 if self._preview.comparing and self._preview.side == "B" else 2
        self._tiles.removeWidget(self.x_t_other)
        self._tiles.insertWidget(place, self.x_t_other, 5)

    @Slot()
    def _show_tiles(self) -> None:
        tiles, t = self._preview.tiles(), self._view.t
        picture = self._preview.picture
        if tiles is None or picture is None:
            self.caption.setText("no picture")
            return
        self.x_0.set_pixels(tiles.x_0)
        self.x_t.set_pixels(tiles.x_t)
        self.signal.set_pixels(tiles.signal)
        self.noise.set_pixels(tiles.noise)
        self.histogram.set_values(self._preview.values())
        here = ""
        if tiles.other is not None:
            here = f"  {self._preview.side}"
            self.x_t_other.set_pixels(tiles.other.x_t)
            self.x_t_other.set_caption(f"𝑥ₜ  {tiles.other.side}   t = {tiles.other.t}")
        self.x_t.set_caption(f"𝑥ₜ{here}   t = {t}")
        height, width = tiles.x_0.shape[:2]
        snr = "no noise yet" if t == 0 else f"SNR {self._document.schedule.snr_db(t):.1f} dB"
        parts = [picture.name, f"{width} × {height}", *picture.notes, snr]
        self.caption.setText("   ".join([*parts, "shown clipped to [-1, 1]"]))

    @Slot()
    def _show_strip(self) -> None:
        count, side = self.strip.room(2 if self._preview.comparing else 1)
        rows = self._preview.strip(count, round(side * self.devicePixelRatioF()))
        self.strip.set_frames(rows, self._document.schedule.T, self._preview.side)
        self.strip.set_time(self._view.t)

    @Slot(int, int)
    def _on_progress(self, done: int, total: int) -> None:
        busy = total > 1 and done < total
        self.progress.setVisible(busy)
        self.cancel.setVisible(busy)
        self.progress.setMaximum(max(total, 1))
        self.progress.setValue(done)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Take files, folders and pictures from other programs."""
        if event.mimeData().hasUrls() or event.mimeData().hasImage():
            event.acceptProposedAction()
            self._mark_drop(True)

    def dragMoveEvent(self, event: QDragMoveEvent) -> None:
        """Keep accepting while the drag moves inside the panel."""
        event.acceptProposedAction()

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        """The drag has left."""
        self._mark_drop(False)

    def dropEvent(self, event: QDropEvent) -> None:
        """Open what was dropped."""
        self._mark_drop(False)
        event.acceptProposedAction()
        self.bar.clear()
        if paths := paths_from(event.mimeData()):
            self.paths_dropped.emit(paths)
        elif picture := image_from(event.mimeData()):
            self._loader.add(picture, "dropped")
        else:
            self.bar.show_lines(["What was dropped holds no image file and no picture"])

    def _mark_drop(self, over: bool) -> None:
        self.setProperty("drop", over)
        self.style().polish(self)
