"""Small building blocks: labels, buttons, a captioned field, a slider."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QSize, Qt
from PySide6.QtGui import QFont, QFontMetrics, QKeyEvent, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QSlider,
    QStyle,
    QStyleOptionButton,
    QStyleOptionSlider,
    QStylePainter,
    QVBoxLayout,
    QWidget,
)

GAP = 8
PADDING = 12
_BLANK = "\N{NO-BREAK SPACE}"


class ElidedLabel(QLabel):
    """One line of plain text; where it is too long it ends with an ellipsis and has a tooltip.

    Qt lays a whole window out anew when a label's text changes, and paints it. This one's size does
    not depend on its text, so Qt is not told of it: a blank in its place keeps the height.
    """

    def __init__(self, role: str) -> None:
        super().__init__(_BLANK)
        self._text = ""
        self.setProperty("role", role)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)

    def text(self) -> str:
        """Return what is written, whether or not there is room for it."""
        return self._text

    def setText(self, text: str) -> None:
        """Write a line."""
        if text != self._text:
            self._text = text
            self.setAccessibleName(text)
            self.update()

    def clear(self) -> None:
        """Write nothing."""
        self.setText("")

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw as much as there is room for."""
        painter = QPainter(self)
        text = self.fontMetrics().elidedText(self._text, Qt.TextElideMode.ElideRight, self.width())
        painter.setPen(self.palette().windowText().color())
        painter.drawText(self.rect(), self.alignment() | Qt.AlignmentFlag.AlignVCenter, text)
        self.setToolTip(self._text if text != self._text else "")


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


class Field(QWidget):
    """A control with its caption above it, and beside that a small action, if there is one."""

    def __init__(
        self, caption: str, control: QWidget, tooltip: str, action: QWidget | None = None
    ) -> None:
        super().__init__()
        self.control = control
        control.setToolTip(tooltip)
        control.setAccessibleName(caption)
        head = self.head = label(caption, "caption")
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


def dress(widget: QWidget, name: str, value: object) -> None:
    """Set a property that the style sheet asks for, and draw the widget by it if it is another."""
    if widget.property(name) != value:
        widget.setProperty(name, value)
        widget.style().unpolish(widget)
        widget.style().polish(widget)


def button(text: str, tooltip: str, role: str = "") -> QPushButton:
    """Return a push button that keeps the keyboard focus off the mouse's path."""
    result = Chip(text) if role == "chip" else QPushButton(text)
    result.setToolTip(tooltip)
    result.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    if role:
        result.setProperty("role", role)
    return result
