"""The image panel: one of its pages, the film strip, the tray."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QObject, Signal, Slot
from PySide6.QtGui import QDragEnterEvent, QDragLeaveEvent, QDragMoveEvent, QDropEvent
from PySide6.QtWidgets import (
    QHBoxLayout,
    QSizePolicy,
    QStackedLayout,
    QVBoxLayout,
    QWidget,
)

from diffusion_gui.engine.forward import Shown
from diffusion_gui.panels.common.dropping import image_from, paths_from
from diffusion_gui.panels.common.panel_frame import Panel
from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.panels.common.widgets import GAP, button, label
from diffusion_gui.panels.images.film_strip import FilmStrip
from diffusion_gui.panels.images.head_tools import HeadTools
from diffusion_gui.panels.images.tiles_view import TilesView, snr_text
from diffusion_gui.panels.images.tray import Tray
from diffusion_gui.session.picture_store import PictureStore
from diffusion_gui.state.chain import ChainController
from diffusion_gui.state.document import Document
from diffusion_gui.state.estimate import Estimator
from diffusion_gui.state.film import Film
from diffusion_gui.state.forward_preview import ForwardPreview
from diffusion_gui.state.measures import Measures
from diffusion_gui.state.picture_set import PictureSet
from diffusion_gui.state.pictures import PictureLoader
from diffusion_gui.state.view_state import Page, ViewState

if TYPE_CHECKING:
    from diffusion_gui.panels.images.options import ImageOptions

STRIP_SHARE = 0.5
"""Share of the height above the tray that the rows of the film strip may take."""
_SAID = {
    Shown.CLIP: "shown clipped to [−1, 1]",
    Shown.NORMALISE: "shown from min to max",
    Shown.SYMMETRIC: "shown symmetric around 0",
}


@dataclass(frozen=True, slots=True, eq=False)
class Sources:
    """What the image panel shows and drives, besides the document and the view."""

    store: PictureStore
    preview: ForwardPreview
    film: Film
    loader: PictureLoader
    pictures: PictureSet
    chain: ChainController
    measures: Measures
    estimator: Estimator


class ImagePanel(Panel):
    """Shows the forward process on the chosen picture; takes drops of files and pictures.

    `paths_dropped` hands files and folders on: they may be schedules as well.
    """

    paths_dropped = Signal(list)

    def __init__(self, document: Document, view: ViewState, sources: Sources, theme: Theme) -> None:
        super().__init__("imagePanel", "Image", theme)
        self._document = document
        self._view = view
        self._sources = sources
        self._options: ImageOptions | None = None
        self.setAcceptDrops(True)
        self.tools = HeadTools(view, theme)
        self.head.addWidget(self.tools)
        self._build_pictures()
        self._bind()
        self._show_picture()
        self._show_page()
        self._show_sides()
        self._show_caption()

    def _build_pictures(self) -> None:
        of, document, view = self._sources, self._document, self._view
        self.tiles = TilesView(view, of.preview, of.estimator, self.theme)
        self.strip = FilmStrip(of.film, view, self.theme)
        self.tray = Tray(document, view, of.store, of.pictures, self.theme)
        self._pages = QStackedLayout()
        self._pages.addWidget(self.tiles)
        self._made: dict[Page, QWidget] = {Page.TILES: self.tiles}
        self._content = QWidget()
        column = QVBoxLayout(self._content)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GAP)
        column.addLayout(self._pages, 1)
        column.addWidget(self.strip)
        column.addWidget(self.tray)
        self._stack = QStackedLayout()
        self._stack.addWidget(self._content)
        for sharing in (self._content, self.tray):
            sharing.installEventFilter(self)
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
        column.addLayout(self._build_bundled())
        column.addStretch(1)
        return empty

    def _build_bundled(self) -> QHBoxLayout:
        """Return the line that brings the bundled pictures back."""
        self.photos = button("Photographs", "Bring the bundled photographs back", "link")
        self.photos.setObjectName("photosButton")
        self.photos.clicked.connect(self._sources.pictures.restore_photos)
        self.emoji = button("Emoji", "Put the 1,377 bundled emoji into the tray", "link")
        self.emoji.setObjectName("emojiButton")
        self.emoji.clicked.connect(self._sources.pictures.use_emoji)
        row = QHBoxLayout()
        row.addStretch(1)
        for widget in (label("or take the bundled", "caption"), self.photos, self.emoji):
            row.addWidget(widget)
        row.addStretch(1)
        return row

    @Slot(list)
    def _show_problems(self, lines: list[str]) -> None:
        tried = f"{len(lines):,} of {self._sources.loader.tried:,}"
        self.bar.show_lines(lines, summary=f"{tried} could not be opened")

    def _bind(self) -> None:
        preview, loader = self._sources.preview, self._sources.loader
        preview.picture_changed.connect(self._show_picture)
        preview.tiles_changed.connect(self._show_caption)
        self.tiles.reading_changed.connect(self._show_caption)
        preview.sides_changed.connect(self._show_sides)
        self.tools.compare.toggled.connect(preview.set_comparing)
        self._view.display_changed.connect(self._show_page)
        self._view.display_changed.connect(self._show_caption)
        self._sources.pictures.problems_found.connect(self.bar.show_lines)
        loader.problems_found.connect(self._show_problems)
        loader.progress.connect(self.tools.show_opening)
        self.tools.cancel.clicked.connect(loader.cancel)
        self.tools.options.clicked.connect(self._open_options)

    @Slot()
    def _show_picture(self) -> None:
        there = self._sources.preview.picture is not None
        self._stack.setCurrentIndex(0 if there else 1)
        self.tools.set_picture_there(there)

    def _make_page(self, page: Page) -> QWidget:
        """Build a page when it is first looked at."""
        if page is Page.MEASURES:
            from diffusion_gui.panels.images.measures_view import MeasuresView

            of = self._sources
            view = MeasuresView(self._document, self._view, of.preview, of.measures, self.theme)
            view.t_dragged.connect(self._view.set_t)
            return view
        if page is Page.CHAIN:
            from diffusion_gui.panels.images.chain_view import ChainView

            return ChainView(self._view, self._sources.chain, self.theme)
        raise KeyError(page)

    @Slot()
    def _show_page(self) -> None:
        page = self._view.display.page
        if page not in self._made:
            self._made[page] = self._make_page(page)
            self._pages.addWidget(self._made[page])
        for known, widget in self._made.items():  # a page out of sight needs no room
            keeps = QSizePolicy.Policy.Preferred if known is page else QSizePolicy.Policy.Ignored
            widget.setSizePolicy(keeps, keeps)
        self._pages.setCurrentWidget(self._made[page])
        self._share_height()

    @Slot()
    def _show_sides(self) -> None:
        self.tools.compare.setVisible(self._sources.preview.two_sides)

    @Slot()
    def _show_caption(self) -> None:
        if self.tiles.reading:
            self.caption.setText(self.tiles.reading)
            return
        preview = self._sources.preview
        picture = preview.picture
        if picture is None:
            self.caption.setText("no picture")
            return
        parts = [picture.name, *self._size_texts(), *preview.notes, snr_text(preview)]
        parts.append(_SAID[self._view.display.shown])
        self.caption.setText("   ".join(parts))

    def _size_texts(self) -> list[str]:
        """Return at which size the picture on show is noised, and how much of that is shown."""
        preview = self._sources.preview
        width, height = preview.size
        size, stride = f"{width} × {height}", preview.stride
        if preview.opening:
            return [f"{size}, opening at full size…"]
        if preview.problem:
            return [size, preview.problem]
        if stride == 1 or self._view.display.page is not Page.TILES:  # nothing else follows
            return [size]
        return [f"{size}, 1 of {stride * stride} pixels while it moves"]

    @Slot()
    def _open_options(self) -> None:
        if self._options is None:  # not needed before the first paint
            from diffusion_gui.panels.images.options import ImageOptions

            self._options = ImageOptions(self._document, self._view, self._sources.preview)
            self._options.setParent(self, self._options.windowFlags())
        self._options.open_below(self.tools.options)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Share the height anew when there is more or less of it."""
        if watched in (self._content, self.tray) and event.type() is QEvent.Type.Resize:
            self._share_height()
        return super().eventFilter(watched, event)

    def _share_height(self) -> None:
        """Leave half of the height to the page above the film strip, or what it wishes."""
        page = self._made[self._view.display.page].sizeHint().height()
        room = self._content.height() - self.tray.height() - 2 * GAP
        self.strip.set_budget(min(int(STRIP_SHARE * room), room - page))

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
            self._sources.loader.add(picture, "dropped")
        else:
            self.bar.show_lines(["What was dropped holds no image file and no picture"])

    def _mark_drop(self, over: bool) -> None:
        self.setProperty("drop", over)
        self.style().polish(self)
