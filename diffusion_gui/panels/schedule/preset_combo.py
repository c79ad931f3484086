"""The list of presets: the built-in ones, then the user's own, then the recent schedules."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QObject, QPoint, QSignalBlocker, Qt, Signal
from PySide6.QtGui import QContextMenuEvent, QKeyEvent, QMouseEvent, QStandardItemModel
from PySide6.QtWidgets import QComboBox, QStyle, QStyleOptionComboBox

from diffusion_gui.engine.schedules import PRESETS
from diffusion_gui.panels.common.combo import Combo

OWN, RECENT = "own:", "recent:"
"""What the data of an item starts with: a preset of the user by name, a recent one by place."""
NARROWEST, WIDEST = 190, 360
"""Width of the open list in pixels, as its longest row asks for."""
ROLE = Qt.ItemDataRole.UserRole


class PresetCombo(Combo):
    """A combo box in three sections; its data are a key of `PRESETS`, `OWN` + name or `RECENT` +
    number.

    `menu_requested(name, place)` when a person asks, by mouse or keys, for the menu of a preset of
    theirs, or of the box itself (name "").
    """

    menu_requested = Signal(str, QPoint)
    about_to_open = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("presetCombo")
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(7)
        self.setMaxVisibleItems(40)
        self.view().viewport().installEventFilter(self)
        for key, preset in PRESETS.items():
            self.addItem(preset.title, key)

    @property
    def own_name(self) -> str:
        """The name of the user's preset that is chosen, "" if it is another kind of row."""
        return _own_name(self.currentData())

    def fill(self, names: Sequence[str], recent: Sequence[str]) -> None:
        """Put the user's presets and the recent schedules below the built-in ones."""
        chosen = self.currentData()
        with QSignalBlocker(self):
            self.setMaxCount(len(PRESETS))  # drops what lay below
            self.setMaxCount(2**31 - 1)
            self._add_section("Your presets", [(name, OWN + name) for name in names])
            self._add_section("Recent", [(t, f"{RECENT}{i}") for i, t in enumerate(recent)])
            self.choose(chosen)

    def choose(self, key: str | None) -> None:
        """Show a row as chosen without saying so; the placeholder for a key that has no row."""
        with QSignalBlocker(self):
            self.setCurrentIndex(self.findData(key))

    def showPopup(self) -> None:
        """Open the list, as wide as its rows within reason."""
        self.about_to_open.emit()
        wanted = self.view().sizeHintForColumn(0) + 24
        self.view().setMinimumWidth(min(max(wanted, NARROWEST), WIDEST))
        super().showPopup()

    def initStyleOption(self, option: QStyleOptionComboBox) -> None:
        """End a name that is too long with an ellipsis; the style would cut it."""
        super().initStyleOption(option)
        place = self.style().subControlRect(
            QStyle.ComplexControl.CC_ComboBox, option, QStyle.SubControl.SC_ComboBoxEditField, self
        )
        option.currentText = self.fontMetrics().elidedText(
            option.currentText, Qt.TextElideMode.ElideRight, place.width() - 4
        )

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """The menu key and Shift+F10 open the menu; all other keys choose."""
        shift = event.modifiers() == Qt.KeyboardModifier.ShiftModifier
        if event.key() == Qt.Key.Key_Menu or (event.key() == Qt.Key.Key_F10 and shift):
            self._ask_menu(self.own_name)
        else:
            super().keyPressEvent(event)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """A right click on the closed box."""
        self._ask_menu(self.own_name, event.globalPos())

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """A right click in the open list asks for the menu; it never chooses."""
        if isinstance(event, QMouseEvent) and event.button() is Qt.MouseButton.RightButton:
            if event.type() is QEvent.Type.MouseButtonRelease:
                row = self.view().indexAt(event.position().toPoint())
                if name := _own_name(row.data(ROLE)):
                    self.hidePopup()
                    self._ask_menu(name, event.globalPosition().toPoint())
            return True
        return super().eventFilter(watched, event)

    def _ask_menu(self, name: str, place: QPoint | None = None) -> None:
        self.menu_requested.emit(name, place or self.mapToGlobal(self.rect().bottomLeft()))

    def _add_section(self, title: str, rows: list[tuple[str, str]]) -> None:
        if not rows:
            return
        self.insertSeparator(self.count())
        self.addItem(title)
        model = self.model()
        assert isinstance(model, QStandardItemModel)
        model.item(self.count() - 1).setFlags(Qt.ItemFlag.NoItemFlags)
        for text, key in rows:
            self.addItem(text, key)
            self.setItemData(self.count() - 1, text, Qt.ItemDataRole.ToolTipRole)


def _own_name(key: object) -> str:
    return key.removeprefix(OWN) if isinstance(key, str) and key.startswith(OWN) else ""
