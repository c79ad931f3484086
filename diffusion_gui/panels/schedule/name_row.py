"""One line to name a preset in: a field, what is wrong with the name, Save and Cancel."""

from __future__ import annotations

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QToolButton, QWidget

from diffusion_gui.panels.common.icons import icon
from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.panels.common.widgets import ElidedLabel, button, claims_escape


class NameRow(QWidget):
    """`entered(name)` on Enter or Save, `cancelled()` on Esc; it decides nothing itself."""

    entered = Signal(str)
    cancelled = Signal()

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self._verb = ""
        self.field = QLineEdit()
        self.field.setObjectName("presetName")
        self.field.setPlaceholderText("Name of the preset")
        self.field.setAccessibleName("Name of the preset")
        self.field.setToolTip("Name of the preset, up to 60 letters. Enter saves, Esc cancels.")
        self.note = ElidedLabel("caption")
        self.accept = button("", "Keep the schedule under this name (Enter)")
        self.accept.setObjectName("presetNameAccept")
        self.cancel = QToolButton()
        self.cancel.setObjectName("presetNameCancel")
        self.cancel.setToolTip("Leave it as it is (Esc)")
        self.cancel.setAccessibleName("Cancel")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.field, 1)
        row.addWidget(self.note, 1)
        row.addWidget(self.accept)
        row.addWidget(self.cancel)
        self.field.returnPressed.connect(self._enter)
        self.field.textEdited.connect(self._on_edited)
        self.accept.clicked.connect(self._enter)
        self.cancel.clicked.connect(self.cancelled)
        theme.changed.connect(self._tint)
        self._tint()

    def ask(self, name: str, verb: str) -> None:
        """Offer `name` for change; `verb` is what Enter does: Save, Rename."""
        self._verb = verb
        self.field.setText(name)
        self.say("")
        self.field.setFocus()
        self.field.selectAll()

    def say(self, note: str, verb: str = "") -> None:
        """Show what is wrong with the name and, until it is changed, another verb."""
        self.note.setText(note)
        self.note.setVisible(bool(note))
        self.accept.setText(verb or self._verb)
        self.accept.setAccessibleName(f"{verb or self._verb} the preset")
        self.field.setAccessibleDescription(note)

    def event(self, event: QEvent) -> bool:
        """Keep Esc from the window's shortcuts while a name is being typed."""
        return claims_escape(event) or super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Esc in any part of the row cancels."""
        if event.key() == Qt.Key.Key_Escape:
            self.cancelled.emit()
        else:
            super().keyPressEvent(event)

    def _on_edited(self) -> None:
        self.say("")

    def _enter(self) -> None:
        self.entered.emit(self.field.text())

    def _tint(self) -> None:
        self.cancel.setIcon(icon("x", self._theme.tokens.secondary))
