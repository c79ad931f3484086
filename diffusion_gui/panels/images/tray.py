"""The tray: the open pictures in one row, how many they are, and what can be done with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from PySide6.QtCore import QEvent, QObject, QPoint, Qt, Slot
from PySide6.QtGui import QAction, QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QMenu, QSizePolicy, QWidget

from diffusion_gui.engine.images import colour
from diffusion_gui.panels.common.icons import set_icon
from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.panels.common.widgets import GAP, button, label
from diffusion_gui.panels.images.tray_list import TrayList
from diffusion_gui.panels.images.tray_model import Thumbnails, TrayModel
from diffusion_gui.panels.images.tray_row import CELL
from diffusion_gui.session.picture_store import BUDGET, PictureStore
from diffusion_gui.state.document import Document
from diffusion_gui.state.picture_set import PictureSet
from diffusion_gui.state.view_state import ViewState

TOOLTIP = (
    "Open pictures. Click to show one; Ctrl or Shift and click to choose several.\n"
    "Delete takes out what is chosen; drag, or Alt with ← →, puts it elsewhere."
)
MENU_TIP = "What can be done with the pictures (Shift+F10)"
MENU = (
    *("removePictures", "removeOtherPictures", "clearPictures", "selectAllPictures", "-"),
    *("movePicturesLeft", "movePicturesRight", "-"),
    *("restorePhotos", "useEmoji", "-"),
    *("openImages", "openFolder"),
)
"""The window's commands that the tray's own menu offers."""
MEGABYTE = 1 << 20


class Tray(QWidget):
    """Shows the document's pictures and what is chosen of them, and edits them."""

    def __init__(
        self,
        document: Document,
        view: ViewState,
        store: PictureStore,
        pictures: PictureSet,
        theme: Theme,
    ) -> None:
        super().__init__()
        self.setObjectName("tray")
        self._document = document
        self._view = view
        self._pictures = pictures
        self._theme = theme
        self._actions: Mapping[str, QAction] = {}
        self._store = store
        self._model = TrayModel(store, self)
        self._thumbnails = Thumbnails(store)
        self.list = TrayList(self._model, self._thumbnails, theme)
        self._build()
        self._bind()
        self._show_background()
        self._show_pictures()
        self._tint()

    def _build(self) -> None:
        self.list.setAccessibleName("Open pictures")
        self.list.setToolTip(TOOLTIP)
        self.setFocusProxy(self.list)
        self.counted = label("", "caption")
        self.counted.setObjectName("trayCount")
        self.more = button("", MENU_TIP, "menu")
        self.more.setObjectName("trayMenuButton")
        self.more.setAccessibleName("Menu of the tray")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GAP)
        row.addWidget(self.list, 1)
        for widget in (self.counted, self.more):
            column = QHBoxLayout()
            widget.setFixedHeight(28)
            widget.installEventFilter(self)
            column.setContentsMargins(0, (CELL - 28) // 2, 0, 0)
            column.addWidget(widget, 0, Qt.AlignmentFlag.AlignTop)
            row.addLayout(column)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)

    def _bind(self) -> None:
        self._document.pictures_changed.connect(self._show_pictures)
        self._document.forward_changed.connect(self._show_background)
        self._view.chosen_changed.connect(self._show_pictures)
        self.list.chosen.connect(self._on_chosen)
        self.list.move_wished.connect(self._pictures.move)
        self.list.remove_wished.connect(self._remove)
        self.list.shift_wished.connect(self._shift)
        self.list.shift_finished.connect(self._pictures.end_shift)
        self.list.menu_wished.connect(self._open_menu)
        self._theme.changed.connect(self._tint)

    def handlers(self) -> dict[str, Callable[[], object]]:
        """Return what the window's commands for the tray do."""
        pictures = self._pictures
        return {
            "selectAllPictures": self.list.selectAll,
            "removePictures": self._remove,
            "removeOtherPictures": lambda: pictures.keep_only(self._view.chosen),
            "clearPictures": pictures.clear,
            "movePicturesLeft": lambda: self._shift_once(right=False),
            "movePicturesRight": lambda: self._shift_once(right=True),
            "restorePhotos": pictures.restore_photos,
            "useEmoji": pictures.use_emoji,
        }

    def set_actions(self, actions: Mapping[str, QAction]) -> None:
        """Offer the window's commands in the tray's own menu too."""
        self._actions = actions
        self.menu = QMenu(self)
        self.menu.setObjectName("trayMenu")
        for name in MENU:
            if name == "-":
                self.menu.addSeparator()
            else:
                self.menu.addAction(actions[name])
        self.more.setMenu(self.menu)
        self._enable()

    def count(self) -> int:
        """Return the number of pictures."""
        return self._model.rowCount()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Count the memory when somebody asks for it: there can be very many pictures."""
        if event.type() is QEvent.Type.ToolTip:
            memory = f"{self._store.nbytes / MEGABYTE:.1f} of {BUDGET // MEGABYTE} MB of memory"
            said = f"{self.count():,} pictures, {memory}"
            self.counted.setToolTip(said)
            self.more.setToolTip(f"{MENU_TIP}\n{said}")
        return super().eventFilter(watched, event)

    @Slot()
    def _show_pictures(self) -> None:
        """Show the pictures and what is chosen, in this order: new ones may be chosen."""
        with self.list.steady(), self.list.silent():
            self._model.set_pictures(self._document.experiment.pictures)
        self.list.show_chosen(self._view.chosen, self._view.picture)
        self._show_count()
        self._enable()

    @Slot()
    def _show_background(self) -> None:
        if self._thumbnails.set_background(colour(self._document.experiment.forward.background)):
            self.list.viewport().update()

    def _show_count(self) -> None:
        """Say the number of pictures where not all are in sight, and of the chosen ones."""
        count, chosen = self.count(), len(self._view.chosen)
        text = f"{chosen:,} of {count:,} chosen" if chosen > 1 else f"{count:,} pictures"
        room = self.width() - self.more.sizeHint().width() - GAP
        self.counted.setText(text)
        self.counted.setVisible(chosen > 1 or count * CELL > room)

    def _enable(self) -> None:
        count, chosen = self.count(), len(self._view.chosen)
        for name, enabled in (
            ("selectAllPictures", chosen < count),
            ("removePictures", chosen > 0),
            ("removeOtherPictures", 0 < chosen < count),
            ("clearPictures", count > 0),
            ("movePicturesLeft", 0 < chosen < count),
            ("movePicturesRight", 0 < chosen < count),
        ):
            if name in self._actions:
                self._actions[name].setEnabled(enabled)

    @Slot(object, str)
    def _on_chosen(self, ids: tuple[str, ...], current: str) -> None:
        if ids:
            self._view.choose(ids, current)
        self.list.show_chosen(self._view.chosen, self._view.picture)  # there is always one

    @Slot()
    def _remove(self) -> None:
        self._pictures.remove(self._view.chosen)

    @Slot(bool)
    def _shift(self, right: bool) -> None:
        self._pictures.shift(self._view.chosen, right)

    def _shift_once(self, right: bool) -> None:
        self._pictures.end_shift()
        self._shift(right)
        self._pictures.end_shift()

    @Slot(QPoint)
    def _open_menu(self, place: QPoint) -> None:
        if not self.menu.isVisible():
            self.menu.popup(place)

    @Slot()
    def _tint(self) -> None:
        set_icon(self.more, "ellipsis", self._theme.tokens.text, self._theme.tokens.disabled)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Count where not all are in sight any more."""
        super().resizeEvent(event)
        self._show_count()
