"""Small building blocks: the panel frame, a labelled field, spin boxes, the message bar."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import QEvent, QLocale, QSignalBlocker, QSize, Qt, Signal, Slot
from PySide6.QtGui import (
    QFont,
    QFontMetrics,
    QKeyEvent,
    QKeySequence,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QResizeEvent,
    QValidator,
)
from PySide6.QtWidgets import (
    QDoubleSpinBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QSlider,
    QSpinBox,
    QStyle,
    QStyleOptionButton,
    QStyleOptionSlider,
    QStylePainter,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from diffusion_gui.engine.numerals import spelled
from diffusion_gui.panels.common.icons import icon
from diffusion_gui.panels.common.theme import Theme

GAP = 8
PADDING = 12
TEXT_MARGINS = (7, 0, 0, 0)
"""Left, top, right, bottom of the text in number fields, which style sheets do not reach."""
MOST_LINES = 2
"""Of a message that are shown in full: more would take the room of what they are about."""
MOST_LETTERS = 220
"""Of a line: a longer one can be read behind the button."""
LONG_WORD = 32
SPARE = 40
"""Pixels that breaking a text into two lines may cost."""
FIGURES = 8
"""Most figures that a number field shows."""


class Panel(QFrame):
    """A titled card: title and caption on the left of its head, actions on the right."""

    def __init__(self, name: str, title: str, theme: Theme) -> None:
        super().__init__()
        self.setObjectName(name)
        self.setProperty("role", "panel")
        self.setAccessibleName(title)
        self.theme = theme
        self.caption = ElidedLabel("caption")
        self.head = QHBoxLayout()
        self.head.setSpacing(GAP)
        self.head.addWidget(label(title, "title"))
        self.head.addWidget(self.caption, 1)
        self.bar = MessageBar(theme)
        self.body = QVBoxLayout(self)
        self.body.setContentsMargins(PADDING, GAP, PADDING, PADDING)
        self.body.setSpacing(GAP)
        self.body.addLayout(self.head)
        self.body.addWidget(self.bar)


class ElidedLabel(QLabel):
    """One line of plain text; where it is too long it ends with an ellipsis and has a tooltip."""

    def __init__(self, role: str) -> None:
        super().__init__()
        self.setProperty("role", role)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw as much as there is room for."""
        painter = QPainter(self)
        text = self.fontMetrics().elidedText(self.text(), Qt.TextElideMode.ElideRight, self.width())
        painter.setPen(self.palette().windowText().color())
        painter.drawText(self.rect(), self.alignment() | Qt.AlignmentFlag.AlignVCenter, text)
        self.setToolTip(self.text() if text != self.text() else "")


class SteadyLabel(QLabel):
    """One line of text that changes often: its size does not, so that nothing is laid out anew."""

    def __init__(self, least: int, role: str = "") -> None:
        """Take at least so many pixels of width."""
        super().__init__()
        self.setProperty("role", role)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self._least, self._widest = least, ""

    def set_widest(self, text: str) -> None:
        """Keep room for the widest text that is to come."""
        if text != self._widest:
            self._widest = text
            self._fit()

    def changeEvent(self, event: QEvent) -> None:
        """Measure anew in another font."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self._fit()

    def _fit(self) -> None:
        self.ensurePolished()
        metrics = self.fontMetrics()
        width = metrics.horizontalAdvance(self._widest) + 2
        self.setFixedSize(max(width, self._least), metrics.height())


class _BarText(QLabel):
    """Plain text in two lines at most: what is longer ends with an ellipsis."""

    def __init__(self) -> None:
        super().__init__()
        self.whole = ""
        self.setObjectName("messageText")
        self.setWordWrap(True)
        narrow = self.sizePolicy()
        narrow.setHorizontalPolicy(QSizePolicy.Policy.Ignored)  # a long word widens no panel
        self.setSizePolicy(narrow)
        self.setTextFormat(Qt.TextFormat.PlainText)  # it shows names of strangers' files
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)  # read out by the bar's name, not by Tab
        self.setAccessibleName("Message")

    def set_whole(self, text: str) -> None:
        """Show a text of one line or two."""
        self.whole = text
        self._fit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Show as much as there is room for."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        lines = self.whole.splitlines()
        room = self.width() * MOST_LINES // max(len(lines), 1) - SPARE
        fits = [self.fontMetrics().elidedText(line, Qt.TextElideMode.ElideRight, max(room, SPARE))
                for line in lines]  # fmt: skip
        # where a word is wider than a line it may be broken anywhere
        text = "\n".join(_breakable(line) for line in fits)
        if text != self.text():
            self.setText(text)


def _breakable(line: str) -> str:
    """Return a line whose long words end at every letter, for a label breaks at spaces alone."""
    return " ".join("\u200b".join(w) if len(w) > LONG_WORD else w for w in line.split(" "))


class MessageBar(QFrame):
    """One or more lines that say what went wrong and the mend; dismissible, hidden when empty.

    It also says what is only worth knowing, in quieter dress.
    """

    dismissed = Signal()

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.setObjectName("messageBar")
        self.setProperty("role", "bar")
        self._theme = theme
        self._held = self._info = False
        self._waiting: Callable[[], None] | None = None
        self._sign = QLabel()
        self._text = _BarText()
        self._details = button("Details", "Show every line, to read and to copy", "link")
        self._details.setObjectName("messageDetails")
        self._details.clicked.connect(self._show_details)
        self._details.hide()
        self._lines: tuple[str, ...] = ()
        self._close = QToolButton()
        self._close.setToolTip("Dismiss this message")
        self._close.setAccessibleName("Dismiss")
        self._close.clicked.connect(self.clear)
        row = QHBoxLayout(self)
        row.setContentsMargins(GAP, 2, 2, 2)
        row.addWidget(self._sign)
        row.addWidget(self._text, 1)
        row.addWidget(self._details)
        row.addWidget(self._close)
        theme.changed.connect(self._tint)
        self._tint()
        self.hide()

    @property
    def text(self) -> str:
        """What the bar says, "" while hidden."""
        return self._text.whole if not self.isHidden() else ""

    def hold(self, held: bool) -> None:
        """Stay as it is while held, that nothing moves under the mouse; then catch up."""
        self._held = held
        waiting = self._waiting
        if not held and waiting is not None:
            self._waiting = None
            waiting()

    def show_lines(self, lines: Sequence[str], info: bool = False, summary: str = "") -> None:
        """Show up to two lines; of more, the first after `summary`, and all behind a button.

        With `info` nothing went wrong: the lines are only worth knowing.
        """
        if self._held:
            self._waiting = lambda: self.show_lines(lines, info, summary)
            return
        self._dress(info)
        self._lines = tuple(lines)
        many = len(lines) > MOST_LINES
        text = f"{summary or f'{len(lines):,} remarks'}: {lines[0]}" if many else "\n".join(lines)
        self._text.set_whole(text)
        self._text.setToolTip("\n".join(lines[:40]))
        self._details.setVisible(many or max(map(len, lines), default=0) > MOST_LETTERS)
        self.show()

    @Slot()
    def _show_details(self) -> None:
        from diffusion_gui.panels.common.details import Details

        Details(self._lines, self).open()

    def clear(self) -> None:
        """Hide the bar."""
        if self._held:
            self._waiting = self.clear
            return
        self._text.set_whole("")
        self.hide()
        self.dismissed.emit()

    def _dress(self, info: bool) -> None:
        if info != self._info:
            self._info = info
            self.setProperty("info", info)
            self.style().unpolish(self)
            self.style().polish(self)
            self._tint()

    def _tint(self) -> None:
        tokens = self._theme.tokens
        if self._info:
            sign = icon("info", tokens.secondary)
        else:
            sign = icon("triangle-alert", tokens.warning)
        self._sign.setPixmap(sign.pixmap(16, 16))
        self._close.setIcon(icon("x", tokens.secondary))


class Field(QWidget):
    """A control with its caption above it, and beside that a small action, if there is one."""

    def __init__(
        self, caption: str, control: QWidget, tooltip: str, action: QWidget | None = None
    ) -> None:
        super().__init__()
        self.control = control
        control.setToolTip(tooltip)
        control.setAccessibleName(caption)
        head = label(caption, "caption")
        head.setToolTip(tooltip)
        head.setBuddy(control)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        if action is None:
            column.addWidget(head)
        else:
            row = QHBoxLayout()
            row.addWidget(head, 1)
            row.addWidget(action)
            column.addLayout(row)
        column.addWidget(control)


class JumpSlider(QSlider):
    """A horizontal slider whose handle jumps to where its groove is pressed."""

    def __init__(self) -> None:
        super().__init__(Qt.Orientation.Horizontal)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Bring the handle under the mouse, then let it be dragged."""
        if event.button() is Qt.MouseButton.LeftButton:
            option = QStyleOptionSlider()
            self.initStyleOption(option)
            handle = self.style().subControlRect(
                QStyle.ComplexControl.CC_Slider, option, QStyle.SubControl.SC_SliderHandle, self
            )
            if not handle.contains(event.position().toPoint()):
                place = round(event.position().x()) - handle.width() // 2
                span = self.width() - handle.width()
                self.setValue(
                    QStyle.sliderValueFromPosition(self.minimum(), self.maximum(), place, span)
                )
        super().mousePressEvent(event)


class NumberBox(QDoubleSpinBox):
    """A number field that shows sensible digits: 0.008, 0.02, 1e-4."""

    def __init__(self, minimum: float, maximum: float, decimals: int) -> None:
        super().__init__()
        self.setDecimals(decimals)
        self.setRange(minimum, maximum)
        self.setSingleStep(
            10.0 ** -min(decimals, 2) if maximum > 1.0 else 10.0 ** -min(decimals, 3)
        )
        self.setKeyboardTracking(False)
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


class IntegerBox(QSpinBox):
    """A whole-number field; what is typed takes effect on Enter or when the field is left."""

    def __init__(self, minimum: int, maximum: int, step: int = 1) -> None:
        super().__init__()
        self.setRange(minimum, maximum)
        self.setSingleStep(step)
        self.setKeyboardTracking(False)
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


def claims_escape(event: QEvent) -> bool:
    """Keep Esc from the window's own commands: return True for the event that asks, accepted."""
    if event.type() is not QEvent.Type.ShortcutOverride or not isinstance(event, QKeyEvent):
        return False
    if event.key() != Qt.Key.Key_Escape:
        return False
    event.accept()
    return True


def label(text: str, role: str = "") -> QLabel:
    """Return a label in one of the text roles of the style sheet."""
    result = QLabel(text)
    if role:
        result.setProperty("role", role)
    return result


class Chip(QPushButton):
    """A small button as wide as its text in semi-bold, in which it is written while checked."""

    def sizeHint(self) -> QSize:
        """Keep room for the wider letters."""
        self.ensurePolished()
        bold = QFont(self.font())
        bold.setWeight(QFont.Weight.DemiBold)
        wide = QFontMetrics(bold).horizontalAdvance(self.text())
        extra = wide - self.fontMetrics().horizontalAdvance(self.text())
        return super().sizeHint() + QSize(max(extra, 0), 0)

    @property
    def shown_text(self) -> str:
        """What there is room for: all of it, or as much as ends with an ellipsis."""
        lacking = self.sizeHint().width() - self.width()
        if lacking <= 0:
            return self.text()
        room = self.fontMetrics().horizontalAdvance(self.text()) - lacking
        return self.fontMetrics().elidedText(self.text(), Qt.TextElideMode.ElideRight, room)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the text that fits."""
        painter = QStylePainter(self)
        option = QStyleOptionButton()
        self.initStyleOption(option)
        option.text = self.shown_text
        painter.drawControl(QStyle.ControlElement.CE_PushButton, option)


class Rigid(QWidget):
    """Gives up none of the width that its content asks for."""

    def minimumSizeHint(self) -> QSize:
        """Ask for the whole."""
        return self.sizeHint()


def button(text: str, tooltip: str, role: str = "") -> QPushButton:
    """Return a push button that keeps the keyboard focus off the mouse's path."""
    result = Chip(text) if role == "chip" else QPushButton(text)
    result.setToolTip(tooltip)
    result.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    if role:
        result.setProperty("role", role)
    return result
