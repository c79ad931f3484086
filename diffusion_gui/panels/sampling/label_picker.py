"""The label the model is told: a class folder, words of the captions, a class of a network."""

from __future__ import annotations

from PySide6.QtCore import (
    QModelIndex,
    QPersistentModelIndex,
    QSignalBlocker,
    QStringListModel,
    Qt,
    Signal,
    Slot,
)
from PySide6.QtWidgets import QComboBox, QCompleter, QLineEdit

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.panels.common.combo import Combo
from diffusion_gui.panels.sampling.label_choices import LabelChoices
from diffusion_gui.state.forecast import sentence

POPUP = 240
"""Least width of the list of what is found: the names of emoji are long."""


class _Completer(QCompleter):
    """Finds whole labels; where none is found, and it may be of words, its last word."""

    def __init__(self, names: QStringListModel, parent: QComboBox) -> None:
        super().__init__(names, parent)
        self._names = names
        self.by_word = False
        self._before = ""

    def splitPath(self, path: str) -> list[str]:
        """Return what is looked for."""
        self._before = ""
        head, space, last = path.rpartition(" ")
        wanted = path.casefold()
        if not (self.by_word and space) or any(
            wanted in name.casefold() for name in self._names.stringList()
        ):
            return [path]
        self._before = f"{head} "
        return [last]

    def pathFromIndex(self, index: QModelIndex | QPersistentModelIndex) -> str:
        """Return the whole label that a found name makes."""
        return self._before + super().pathFromIndex(index)


class LabelPicker(Combo):
    """`picked(label)` when a person has chosen one; empty is none, `entered` when by Enter.

    One that cannot be is `refused(line)`, and stays to be mended; `refused("")` when it is.
    """

    picked = Signal(str)
    refused = Signal(str)
    entered = Signal()

    def __init__(self, name: str = "labelCombo", title: str = "Label") -> None:
        super().__init__()
        self.setObjectName(name)
        self.setAccessibleName(title)
        self.setEditable(True)
        self.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.setMinimumWidth(40)
        self.setMaxVisibleItems(16)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self._line = QLineEdit()
        self.setLineEdit(self._line)
        self._choices: LabelChoices | None = None
        self._shown = ""
        self._names = QStringListModel(self)
        self._completer = _Completer(self._names, self)
        self._completer.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        self._completer.setFilterMode(Qt.MatchFlag.MatchContains)
        if (popup := self._completer.popup()) is not None:
            popup.setProperty("role", "choices")
            popup.setMinimumWidth(POPUP)
        self.setCompleter(self._completer)
        self._completer.activated.connect(self._on_picked)
        self.activated.connect(self._on_picked)
        self._line.editingFinished.connect(self._on_picked)
        self._line.returnPressed.connect(self._on_entered)

    def set_choices(self, choices: LabelChoices) -> None:
        """Offer what the model can be told."""
        if self._choices is not None and choices.same(self._choices):
            return
        self._choices = choices
        self.setToolTip(choices.tooltip)
        self.setAccessibleName(choices.title.capitalize())
        self._line.setPlaceholderText(choices.placeholder)
        self._completer.by_word = choices.by_word
        with QSignalBlocker(self):
            self.clear()
            self.addItems(["", *choices.offered])
            self._names.setStringList(list(choices.found))
            self.setCurrentText(self._shown)

    def show_label(self, label: str) -> None:
        """Show the document's label; what is being typed for one that has not changed stays."""
        if label == self._shown and self._line.isModified() and self._line.hasFocus():
            return
        self._shown = label
        self.refused.emit("")
        with QSignalBlocker(self), QSignalBlocker(self._line):
            self.setCurrentText(label)

    @Slot()
    def _on_picked(self) -> None:
        label = " ".join(self.currentText().split())
        if label == self._shown:
            self.refused.emit("")
            return
        if label and self._choices is not None:
            try:
                self._choices.check(label)
            except EngineError as error:
                self.refused.emit(sentence(str(error)))
                return
        self._shown = label
        self.refused.emit("")
        self.picked.emit(label)

    @Slot()
    def _on_entered(self) -> None:
        self._on_picked()
        if " ".join(self.currentText().split()) == self._shown:
            self.entered.emit()
