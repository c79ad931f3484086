"""A line for several numbers."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QLineEdit

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.params import numbers_in

FIGURES = 6


class NumbersField(QLineEdit):
    """`edited(numbers)` when a person has typed others, with Enter or by leaving the field.

    What is no list of numbers is `refused(line)`, and stays to be mended; `refused("")` when it is.
    Numbers that are as they were shown keep the figures that are not on show.
    """

    edited = Signal(object)
    refused = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self._shown: dict[str, float] = {}
        self._text = ""
        self.editingFinished.connect(self._on_finished)

    def show_numbers(self, numbers: Sequence[float]) -> None:
        """Show numbers, and emit nothing but that none is refused."""
        texts = [f"{number:.{FIGURES}g}" for number in numbers]
        self._shown = dict(zip(texts, numbers, strict=True))
        text = ", ".join(texts)
        if text != self._text or text != self.text():
            self._text = text
            self.setText(text)
            self.setCursorPosition(0)
        self.refused.emit("")

    @Slot()
    def _on_finished(self) -> None:
        if self.text() == self._text:
            self.refused.emit("")
            return
        try:
            numbers = numbers_in(self.text())
        except EngineError as error:
            self.refused.emit(str(error))
            return
        whole = [self._shown.get(f"{number:.{FIGURES}g}", number) for number in numbers]
        self.refused.emit("")
        self.edited.emit(tuple(whole))
