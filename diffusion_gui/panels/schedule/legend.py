"""The legend of the compared curves: a row between the heading of alpha-bar and its plot."""

from __future__ import annotations

from itertools import pairwise

from PySide6.QtCore import QPointF, QRect, QSize, Qt, Signal, Slot
from PySide6.QtGui import QIcon, QKeyEvent, QPainter, QPixmap, QResizeEvent
from PySide6.QtWidgets import QFrame, QPushButton, QScrollArea, QToolButton, QWidget

from diffusion_gui.engine.schedules import PRESETS, ScheduleSpec, build
from diffusion_gui.panels.common.icons import icon
from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.panels.schedule.marks import overlay_pen
from diffusion_gui.state.comparison import OTHER, Comparison, Pin, title

HEIGHT = 20
GAP = 4
MOST_ROWS = 2
NAME = 96
"""Most pixels of a name; what is longer ends in an ellipsis and is told whole by the tooltip."""
_SAMPLE = QSize(26, 12)
_CLOSE = 16
_REMOVERS = (Qt.Key.Key_Delete, Qt.Key.Key_Backspace)


class Entry(QPushButton):
    """One compared curve: its line, its name, an x. A click or Enter shows it, Delete removes it.

    `wished()` and `removed()` say so.
    """

    wished = Signal()
    removed = Signal()

    def __init__(self, pin: Pin, theme: Theme) -> None:
        super().__init__()
        self.pin = pin
        self._theme = theme
        self.setProperty("role", "legend")
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setAutoDefault(True)  # Enter presses it
        self.full_name = f"{pin.name} · {title(pin.spec)}" if pin.style == OTHER else pin.name
        self.setAccessibleName(f"Compared curve {self.full_name}")
        self.setToolTip(_tooltip(self.full_name, pin))
        self.setIconSize(_SAMPLE)
        self.close_button = QToolButton(self)
        self.close_button.setProperty("role", "bare")
        self.close_button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.close_button.setAccessibleName(f"Remove {self.full_name}")
        self.close_button.setToolTip(f"Take {self.full_name} out of the comparison (Del)")
        self.clicked.connect(self.wished)
        self.close_button.clicked.connect(self.removed)
        self.tint()

    def tint(self) -> None:
        """Follow the theme; elide the name in the font that the style sheet gives."""
        self.ensurePolished()
        metrics = self.fontMetrics()
        name = metrics.elidedText(self.full_name, Qt.TextElideMode.ElideRight, NAME)
        self.setText(name.replace("&", "&&"))
        self.setIcon(_sample(self._theme, self.pin.style))
        self.close_button.setIcon(icon("x", self._theme.tokens.secondary))
        self.close_button.setIconSize(QSize(12, 12))
        self.resize(_SAMPLE.width() + metrics.horizontalAdvance(name) + _CLOSE + 18, HEIGHT)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Keep the x at the right end."""
        super().resizeEvent(event)
        left, top = self.width() - _CLOSE - 2, (self.height() - _CLOSE) // 2
        self.close_button.setGeometry(QRect(left, top, _CLOSE, _CLOSE))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Remove the curve on Delete."""
        if event.key() in _REMOVERS:
            self.removed.emit()
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.click()
        else:
            super().keyPressEvent(event)


class Legend(QScrollArea):
    """The entries in one row or two; more are scrolled to. Hidden while there is none.

    `edited(spec, text, merge key)` when a pinned schedule is to be the current one.
    """

    edited = Signal(object, str, str)

    def __init__(self, comparison: Comparison, theme: Theme, before: QWidget) -> None:
        """Come after the widget `before` when the keyboard goes from one to the next."""
        super().__init__()
        self.setObjectName("legend")
        self.setAccessibleName("Compared curves")
        self._comparison = comparison
        self._theme = theme
        self._before = before
        self.entries: list[Entry] = []
        self._content = QWidget()
        self._content.setObjectName("legendContent")
        self.setWidget(self._content)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.viewport().setAutoFillBackground(False)
        self._content.setAutoFillBackground(False)
        comparison.changed.connect(self.show_compared)
        theme.changed.connect(self._tint)

    @Slot()
    def show_compared(self) -> None:
        """Show what is compared now; the keyboard stays where it was in the list."""
        compared = self._comparison.compared()
        if compared == tuple(entry.pin for entry in self.entries):
            return
        focused = next((i for i, entry in enumerate(self.entries) if entry.hasFocus()), -1)
        for entry in self.entries:
            entry.hide()
            entry.deleteLater()
        self.entries = [self._entry(pin) for pin in compared]
        self.setVisible(bool(self.entries))
        self._place()
        for before, after in pairwise((self._before, *self.entries)):
            QWidget.setTabOrder(before, after)
        if focused >= 0 and self.entries:
            self.entries[min(focused, len(self.entries) - 1)].setFocus(
                Qt.FocusReason.TabFocusReason
            )

    def _entry(self, pin: Pin) -> Entry:
        entry = Entry(pin, self._theme)
        entry.setParent(self._content)
        entry.wished.connect(lambda: self._on_wished(pin))
        entry.removed.connect(lambda: self._on_removed(pin))
        entry.show()
        return entry

    def _on_wished(self, pin: Pin) -> None:
        if pin.style == OTHER:
            self._comparison.switch()
        else:
            self.edited.emit(pin.spec, f"show {pin.name}", "")

    def _on_removed(self, pin: Pin) -> None:
        if pin.style == OTHER:
            self._comparison.end()
        else:
            self._comparison.unpin(pin)

    @Slot()
    def _tint(self) -> None:
        for entry in self.entries:
            entry.tint()
        self._place()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Break the row where the width ends."""
        super().resizeEvent(event)
        self._place()

    def _place(self) -> None:
        """Lay the entries out from left to right, in as many rows as they need."""
        left, row, width = 0, 0, self.width() - 10  # clear of the scroll bar
        for entry in self.entries:
            if left and left + entry.width() > width:
                left, row = 0, row + 1
            entry.move(left, row * (HEIGHT + 2))
            left += entry.width() + GAP
        rows = row + 1
        self._content.resize(self.width() - 10, rows * (HEIGHT + 2) - 2)
        self.setFixedHeight(min(rows, MOST_ROWS) * (HEIGHT + 2) - 2)
        self.verticalScrollBar().setSingleStep(HEIGHT + 2)


def _sample(theme: Theme, style: int) -> QIcon:
    """Return a short piece of the line as it is drawn."""
    result = QIcon()
    for scale in (1, 2):
        pixmap = QPixmap(_SAMPLE * scale)
        pixmap.fill(Qt.GlobalColor.transparent)
        painter = QPainter(pixmap)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.scale(scale, scale)
        pen = overlay_pen(theme.tokens, style)
        pen.setCosmetic(False)
        pen.setCapStyle(Qt.PenCapStyle.FlatCap)
        painter.setPen(pen)
        middle = 0.5 * (_SAMPLE.height() + 1)  # whole pixels
        painter.drawLine(QPointF(1.0, middle), QPointF(_SAMPLE.width() - 3.0, middle))
        painter.end()
        result.addPixmap(pixmap)
    return result


def _tooltip(name: str, pin: Pin) -> str:
    lines = [f"{name}   T = {pin.spec.T:,}", _formula(pin.spec), *build(pin.spec).notes]
    what = "switches to this side (F7)" if pin.style == OTHER else "makes it the schedule"
    return "\n".join([*filter(None, lines), f"A click {what}; × or Del takes it away"])


def _formula(spec: ScheduleSpec) -> str:
    if spec.points:
        return "drawn through points in log-SNR"
    return PRESETS[spec.preset].formula if spec.preset in PRESETS else "βₜ from a table"
