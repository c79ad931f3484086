"""Fields for numbers."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QLocale, QSignalBlocker
from PySide6.QtGui import QKeyEvent, QKeySequence, QValidator
from PySide6.QtWidgets import QDoubleSpinBox, QSpinBox

from diffusion_gui.engine.numerals import spelled
from diffusion_gui.panels.common.focused_wheel import FocusedWheel

TEXT_MARGINS = (7, 0, 0, 0)
"""Left, top, right, bottom of the text in number fields, which style sheets do not reach."""
FIGURES = 8
"""Most figures that a number field shows."""


class NumberBox(FocusedWheel, QDoubleSpinBox):
    """A number field that shows sensible digits: 0.008, 0.02, 1e-4."""

    def __init__(self, minimum: float, maximum: float, decimals: int) -> None:
        super().__init__()
        self.setDecimals(decimals)
        self.setRange(minimum, maximum)
        self.setSingleStep(
            10.0 ** -min(decimals, 2) if maximum > 1.0 else 10.0 ** -min(decimals, 3)
        )
        self.setKeyboardTracking(False)
        self.rest_the_wheel()
        self.setLocale(QLocale.c())
        self.setMinimumWidth(64)
        self.lineEdit().setTextMargins(*TEXT_MARGINS)

    def event(self, event: QEvent) -> bool:
        """Leave undo and redo to the window while nothing is typed here that they could mean."""
        typed = self.text() != self.textFromValue(self.value())
        return super().event(event) if typed or not _asks_undo(event) else False

    def textFromValue(self, value: float) -> str:
        """Drop trailing zeros; very small numbers in scientific form."""
        if 0.0 < abs(value) < 1e-3:
            return spelled(value)
        decimals = min(self.decimals(), max(FIGURES - len(str(int(abs(value)))), 0))
        text = f"{value:.{decimals}f}"
        return text.rstrip("0").rstrip(".") if decimals else text

    def valueFromText(self, text: str) -> float:
        """Read both forms; a number that is as it was shown keeps the digits not on show."""
        if text == self.textFromValue(self.value()):
            return self.value()
        try:
            return float(text.replace(",", "."))
        except ValueError:
            return self.value()

    def validate(self, text: str, pos: int) -> tuple[QValidator.State, str, int]:
        """Accept anything that reads as a number; what is out of range is clamped on entry."""
        try:
            value = float(text.replace(",", "."))
        except ValueError:
            unfinished = set(text) <= set("0123456789.,eE+-")
            state = QValidator.State.Intermediate if unfinished else QValidator.State.Invalid
            return state, text, pos
        inside = self.minimum() <= value <= self.maximum()
        state = QValidator.State.Acceptable if inside else QValidator.State.Intermediate
        return state, text, pos

    def fixup(self, text: str) -> str:
        """Clamp what was typed into the range."""
        value = min(max(self.valueFromText(text), self.minimum()), self.maximum())
        return self.textFromValue(value)


class IntegerBox(FocusedWheel, QSpinBox):
    """A whole-number field; what is typed takes effect on Enter or when the field is left."""

    def __init__(self, minimum: int, maximum: int, step: int = 1) -> None:
        super().__init__()
        self.setRange(minimum, maximum)
        self.setSingleStep(step)
        self.setKeyboardTracking(False)
        self.rest_the_wheel()
        self.setCorrectionMode(QSpinBox.CorrectionMode.CorrectToNearestValue)
        self.setMinimumWidth(60)
        self.lineEdit().setTextMargins(*TEXT_MARGINS)

    def event(self, event: QEvent) -> bool:
        """Leave undo and redo to the window while nothing is typed here that they could mean."""
        typed = self.text() != self.textFromValue(self.value())
        return super().event(event) if typed or not _asks_undo(event) else False

    def validate(self, text: str, pos: int) -> tuple[QValidator.State, str, int]:
        """Let numbers beyond the range be typed; they are clamped on entry."""
        number = _whole(text)
        if number is None:
            unfinished = text.strip() in ("", "+", "-")
            state = QValidator.State.Intermediate if unfinished else QValidator.State.Invalid
        elif self.minimum() <= number <= self.maximum():
            state = QValidator.State.Acceptable
        else:
            state = QValidator.State.Intermediate
        return state, text, pos

    def fixup(self, text: str) -> str:
        """Clamp what was typed into the range."""
        number = _whole(text)
        if number is None:
            number = self.value()
        return str(min(max(number, self.minimum()), self.maximum()))


def show_number(box: QSpinBox | QDoubleSpinBox, value: float) -> None:
    """Let a field show a value and emit nothing; one that it has already is not painted again."""
    if box.value() != value:
        with QSignalBlocker(box):
            box.setValue(value)  # type: ignore[arg-type]


def _whole(text: str) -> int | None:
    """Return the whole number that `text` is, or None; never raises (Qt cannot catch it)."""
    try:
        return int(text)
    except ValueError:
        return None


def _asks_undo(event: QEvent) -> bool:
    """Return whether an event asks if undo or redo is a field's own; if so, it is not accepted."""
    if event.type() is not QEvent.Type.ShortcutOverride or not isinstance(event, QKeyEvent):
        return False
    asks = any(map(event.matches, (QKeySequence.StandardKey.Undo, QKeySequence.StandardKey.Redo)))
    if asks:
        event.ignore()
    return asks
