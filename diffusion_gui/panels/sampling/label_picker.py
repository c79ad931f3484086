"""The label the model is told to follow: a class folder, or a word of the captions."""

from __future__ import annotations

from PySide6.QtCore import QSignalBlocker, QStringListModel, Qt, Signal, Slot
from PySide6.QtWidgets import QComboBox, QCompleter, QLineEdit

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.labels import common, members
from diffusion_gui.panels.common.combo import Combo
from diffusion_gui.state.forecast import sentence

POPUP = 240
"""Least width of the list of what is found: the names of emoji are long."""


class LabelPicker(Combo):
    """`picked(label)` when a person has chosen one; empty is all images.

    One that no image has is `refused(line)`, and stays to be mended; `refused("")` when it is.
    """

    picked = Signal(str)
    refused = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("labelCombo")
        self.setAccessibleName("Label")
        self.setToolTip(
            "The model knows only the images with this label: a class folder of the tray,\n"
            "or a word of the emoji's names. Empty: all images."
        )
        self.setEditable(True)
        self.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.setMinimumWidth(40)
        self.setMaxVisibleItems(16)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self._line = QLineEdit()
        self._line.setPlaceholderText("type a label")
        self.setLineEdit(self._line)
        self._labels: tuple[str, ...] | None = None
        self._shown = ""
        self._names = QStringListModel(self)
        completer = QCompleter(self._names, self)
        completer.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        completer.setFilterMode(Qt.MatchFlag.MatchContains)
        if (popup := completer.popup()) is not None:
            popup.setProperty("role", "choices")
            popup.setMinimumWidth(POPUP)
        self.setCompleter(completer)
        completer.activated.connect(self._on_picked)
        self.activated.connect(self._on_picked)
        self._line.editingFinished.connect(self._on_picked)

    def set_labels(self, labels: tuple[str, ...]) -> None:
        """Offer what the images have in common; their whole labels are found by typing."""
        if labels is self._labels:
            return
        self._labels = labels
        offered = common(labels)
        with QSignalBlocker(self):
            self.clear()
            self.addItems(["", *offered])
            self._names.setStringList(sorted({*offered, *labels} - {""}, key=str.casefold))
            self.setCurrentText(self._shown)

    def show_label(self, label: str) -> None:
        """Show the document's label."""
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
        if label:
            try:
                members(self._labels or (), label)
            except EngineError as error:
                self.refused.emit(sentence(str(error)))
                return
        self._shown = label
        self.refused.emit("")
        self.picked.emit(label)
