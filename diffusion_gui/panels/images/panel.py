"""The image panel: one of its pages, the film strip, the tray."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal, Slot
from PySide6.QtGui import QDragEnterEvent, QDragLeaveEvent, QDragMoveEvent, QDropEvent
from PySide6.QtWidgets import (
    QMenu,
    QProgressBar,
    QPushButton,
    QStackedLayout,
    QVBoxLayout,
    QWidget,
)

from diffusion_gui.engine.forward import Shown
from diffusion_gui.panels.common.dropping import image_from, paths_from
from diffusion_gui.panels.common.icons import set_icon
from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.panels.common.widgets import GAP, Panel, button, label
from diffusion_gui.panels.images.film_strip import FilmStrip
from diffusion_gui.panels.images.tiles_view import TilesView
from diffusion_gui.panels.images.tray import Tray
from diffusion_gui.session.library import PictureStore
from diffusion_gui.state.document import Document
from diffusion_gui.state.forward_preview import ForwardPreview
from diffusion_gui.state.pictures import PictureLoader
from diffusion_gui.state.view_state import Page, ViewState

if TYPE_CHECKING:
    from diffusion_gui.panels.images.options import ImageOptions

_PAGES = {
    Page.TILES: ("Tiles", "The picture at t: 𝑥₀, 𝑥ₜ, its signal and its noise part"),
}
"""The pages in the order of their chips: title and tooltip."""
_SAID = {
    Shown.CLIP: "shown clipped to [-1, 1]",
    Shown.NORMALISE: "shown from min to max",
    Shown.SYMMETRIC: "shown symmetric around 0",
}


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
        self._options: ImageOptions | None = None
        self.setAcceptDrops(True)
        self._build_head()
        self._build_pictures(store)
        self._bind()
        self._show_tray()
        self._show_picture()
        self._show_page()
        self._show_sides()
        self._show_caption()
        self._show_strip()
        self._tint()

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
        self.options_button = button(
            "Options", "Working size, background, noise, display range, film strip", "tool"
        )
        self.options_button.setObjectName("imageOptionsButton")
        self.export_button = button(
            "Export", "Save, animate or copy what is on show; tiles can be dragged out", "menu"
        )
        self.export_button.setObjectName("imageExportButton")
        self.export_progress = QProgressBar()
        self.export_progress.setAccessibleName("Progress of the export")
        self.export_progress.setFixedSize(80, 6)
        self.export_progress.setTextVisible(False)
        self.export_cancel = button(
            "Cancel export", "Stop what is being written; no file is left behind", "link"
        )
        for widget in (
            self.progress, self.cancel, self.export_progress, self.export_cancel, self.compare,
        ):  # fmt: skip
            self.head.addWidget(widget)
        self.chips: dict[Page, QPushButton] = {}
        for page, (title, tooltip) in _PAGES.items():
            chip = button(title, tooltip, "chip")
            chip.setObjectName(f"{page}PageButton")
            chip.setCheckable(True)
            chip.clicked.connect(lambda _=False, page=page: self._view.set_display(page=page))
            self.chips[page] = chip
            self.head.addWidget(chip)
        self.head.addWidget(self.options_button)
        self.head.addWidget(self.export_button)
        self.show_export(0, 0)
        self.progress.hide()
        self.cancel.hide()

    def _build_pictures(self, store: PictureStore) -> None:
        self.tiles = TilesView(self._view, self._preview, self.theme)
        self.strip = FilmStrip(self.theme)
        self.tray = Tray(store)
        self._pages = QStackedLayout()
        self._pages.addWidget(self.tiles)
        self._made: dict[Page, QWidget] = {Page.TILES: self.tiles}
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GAP)
        column.addLayout(self._pages, 1)
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
        self._preview.tiles_changed.connect(self._show_caption)
        self._preview.strip_changed.connect(self._show_strip)
        self._preview.sides_changed.connect(self._show_sides)
        self.compare.toggled.connect(self._preview.set_comparing)
        self._document.pictures_changed.connect(self._show_tray)
        self._view.t_changed.connect(self.strip.set_time)
        self._view.display_changed.connect(self._show_page)
        self._view.picture_changed.connect(self.tray.select)
        self.strip.t_dragged.connect(self._view.set_t)
        self.strip.room_changed.connect(self._show_strip)
        self.tray.chosen.connect(self._view.set_picture)
        self.tray.removed.connect(self._loader.remove)
        self._loader.problems_found.connect(self.bar.show_lines)
        self._loader.progress.connect(self._on_progress)
        self.cancel.clicked.connect(self._loader.cancel)
        self.options_button.clicked.connect(self._open_options)
        self.theme.changed.connect(self._tint)

    @Slot()
    def _show_picture(self) -> None:
        self._stack.setCurrentIndex(0 if self._preview.picture else 1)

    @Slot()
    def _show_tray(self) -> None:
        self.tray.set_pictures(self._document.experiment.pictures, self._view.picture)

    def _make_page(self, page: Page) -> QWidget:
        """Build a page when it is first looked at."""
        raise KeyError(page)

    @Slot()
    def _show_page(self) -> None:
        page = self._view.display.page
        if page not in self._made:
            self._made[page] = self._make_page(page)
            self._pages.addWidget(self._made[page])
        self._pages.setCurrentWidget(self._made[page])
        for known, chip in self.chips.items():
            chip.setChecked(known is page)

    @Slot()
    def _show_sides(self) -> None:
        self.compare.setVisible(self._preview.two_sides)

    @Slot()
    def _show_caption(self) -> None:
        process, picture, t = self._preview.process(), self._preview.picture, self._view.t
        if process is None or picture is None:
            self.caption.setText("no picture")
            return
        height, width = process.pixels.shape[:2]
        snr = "no noise yet" if t == 0 else f"SNR {self._document.schedule.snr_db(t):.1f} dB"
        parts = [picture.name, f"{width} × {height}", *picture.notes, snr]
        parts.append(_SAID[self._view.display.shown])
        self.caption.setText("   ".join(parts))

    @Slot()
    def _open_options(self) -> None:
        if self._options is None:  # not needed before the first paint
            from diffusion_gui.panels.images.options import ImageOptions

            self._options = ImageOptions(self._document, self._view, self._preview)
            self._options.setParent(self, self._options.windowFlags())
        self._options.open_below(self.options_button)

    @Slot()
    def _tint(self) -> None:
        tokens = self.theme.tokens
        set_icon(self.options_button, "sliders-horizontal", tokens.text, tokens.disabled)
        set_icon(self.export_button, "download", tokens.text, tokens.disabled)

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

    def set_export_menu(self, menu: QMenu) -> None:
        """Give the export button its menu."""
        self.export_button.setMenu(menu)

    @Slot(int, int)
    def show_export(self, done: int, total: int) -> None:
        """Show how far an export is; (0, 0) while there is none."""
        self.export_progress.setVisible(total > 0)
        self.export_cancel.setVisible(total > 0)
        self.export_progress.setRange(0, max(total, 1))
        self.export_progress.setValue(done)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Take files, folders and pictures from other programs, not what is dragged out of here."""
        if event.source() is not None:
            event.ignore()
        elif event.mimeData().hasUrls() or event.mimeData().hasImage():
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
