"""The bar of a panel that says what went wrong and the mend."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QSizePolicy, QToolButton

from diffusion_gui.panels.common.icons import icon
from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.panels.common.widgets import GAP, button

MOST_LINES = 2
"""Of a message that are shown in full: more would take the room of what they are about."""
MOST_LETTERS = 220
"""Of a line: a longer one can be read behind the button."""
LONG_WORD = 32
SPARE = 40
"""Pixels that breaking a text into two lines may cost."""


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
