"""The tray: thumbnails of the open pictures; click to show one, Delete to take it out."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QSignalBlocker, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QHideEvent, QIcon, QKeyEvent, QPixmap, QShowEvent
from PySide6.QtWidgets import QListView, QListWidget, QListWidgetItem

from diffusion_gui.engine.experiment import PictureRef
from diffusion_gui.engine.images import square
from diffusion_gui.panels.common.picture import to_qimage
from diffusion_gui.session.library import PictureStore

SIDE = 36


class Tray(QListWidget):
    """One row of thumbnails. `chosen(id)` when one is clicked, `removed(id)` on Delete."""

    chosen = Signal(str)
    removed = Signal(str)

    def __init__(self, store: PictureStore) -> None:
        super().__init__()
        self.setObjectName("tray")
        self.setProperty("role", "tray")
        self.setAccessibleName("Open pictures")
        self.setToolTip("Open pictures. Click to show one; Delete takes it out of the tray.")
        self._store = store
        self._thumbnails: dict[str, QIcon] = {}
        self.setViewMode(QListView.ViewMode.IconMode)
        self.setFlow(QListView.Flow.LeftToRight)
        self.setWrapping(False)
        self.setMovement(QListView.Movement.Static)
        self.setUniformItemSizes(True)
        self.setIconSize(QSize(SIDE, SIDE))
        self.setGridSize(QSize(SIDE + 8, SIDE + 8))
        self.setFixedHeight(SIDE + 12)
        self.setHorizontalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAsNeeded)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.currentItemChanged.connect(self._on_current)
        self._fill_timer = QTimer(self, interval=0)
        self._fill_timer.timeout.connect(self._fill)

    def set_pictures(self, pictures: Sequence[PictureRef], selected: str) -> None:
        """Show `pictures` with one selected; emits nothing."""
        with QSignalBlocker(self):
            self.clear()
            for ref in pictures:
                item = QListWidgetItem(self._thumbnails.get(ref.id, QIcon()), "")
                item.setSizeHint(QSize(SIDE + 8, SIDE + 8))
                item.setData(Qt.ItemDataRole.UserRole, ref.id)
                item.setToolTip(ref.name)
                item.setData(Qt.ItemDataRole.AccessibleTextRole, ref.name)
                self.addItem(item)
        self.select(selected)
        if self.isVisible():
            self._fill_timer.start()

    def showEvent(self, event: QShowEvent) -> None:
        """Begin to draw the thumbnails."""
        super().showEvent(event)
        self._fill_timer.start()

    def hideEvent(self, event: QHideEvent) -> None:
        """Stop drawing thumbnails nobody sees."""
        super().hideEvent(event)
        self._fill_timer.stop()

    def _fill(self) -> None:
        """Draw one thumbnail that is still missing; the timer calls again while there are any."""
        for row in range(self.count()):
            item = self.item(row)
            if item.icon().isNull():
                item.setIcon(self._thumbnail(item.data(Qt.ItemDataRole.UserRole)))
                return
        self._fill_timer.stop()

    def select(self, picture_id: str) -> None:
        """Select a picture; emits nothing."""
        with QSignalBlocker(self):
            for row in range(self.count()):
                if self.item(row).data(Qt.ItemDataRole.UserRole) == picture_id:
                    self.setCurrentRow(row)
                    self.scrollToItem(self.item(row))
                    return
            self.setCurrentRow(-1)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Take the selected picture out on Delete or Backspace."""
        if event.key() in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace) and self.currentItem():
            self.removed.emit(self.currentItem().data(Qt.ItemDataRole.UserRole))
            return
        super().keyPressEvent(event)

    def _thumbnail(self, picture_id: str) -> QIcon:
        if picture_id not in self._thumbnails:
            pixels = square(self._store.get(picture_id).pixels, 2 * SIDE)
            pixmap = QPixmap.fromImage(to_qimage(pixels))
            thumbnail = QIcon(pixmap)
            thumbnail.addPixmap(pixmap, QIcon.Mode.Selected)  # no tint over the picture
            self._thumbnails[picture_id] = thumbnail
        return self._thumbnails[picture_id]

    def _on_current(self, item: QListWidgetItem | None) -> None:
        if item is not None:
            self.chosen.emit(item.data(Qt.ItemDataRole.UserRole))
