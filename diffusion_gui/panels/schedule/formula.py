"""The line that shows a schedule's formula, typeset where there is a drawing of it, else as text.

The drawings are made by packaging/build_formulas.py, at the size in which they are shown here, and
loaded when they are first painted.
"""

from __future__ import annotations

from functools import lru_cache

from PySide6.QtCore import QByteArray, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QSizePolicy, QWidget

from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.session.resources import resource

HEIGHT = 34
"""Room for the tallest formula, kept for the others too, so that nothing below moves."""


class FormulaLine(QWidget):
    """One formula, left-aligned, made smaller where it is wider than the panel."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.setObjectName("formulaLine")
        self.setFixedHeight(HEIGHT)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self._theme = theme
        self._shown = ("", "", "")
        """The text, the name of the drawing and the meaning."""
        theme.changed.connect(self.update)

    @property
    def text(self) -> str:
        """The formula in plain text, or what is said in its place."""
        return self._shown[0]

    @property
    def typeset(self) -> bool:
        """Whether the formula is drawn; else its text is."""
        return bool(self._shown[1])

    def show_formula(self, text: str, drawing: str = "", meaning: str = "") -> None:
        """Show the drawing of that name, or `text`; `meaning` is what the tooltip adds."""
        if (text, drawing, meaning) == self._shown:  # while a point is dragged, at every move
            return
        self._shown = (text, drawing, meaning)
        self.setAccessibleName(text)
        self.setAccessibleDescription(meaning)
        self.setToolTip(f"{text}\n\n{meaning}" if meaning else text)
        self.update()

    def sizeHint(self) -> QSize:
        """Take the width there is."""
        return QSize(200, HEIGHT)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the drawing or the text in the theme's colour."""
        painter = QPainter(self)
        text, name, _ = self._shown
        if name:
            drawing = _renderer(name, self._theme.tokens.text)
            drawing.render(painter, self._place(drawing))
            return
        painter.setPen(QColor(self._theme.tokens.secondary))
        line = self.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, self.width())
        painter.drawText(self.rect(), int(Qt.AlignmentFlag.AlignVCenter), line)

    def _place(self, drawing: QSvgRenderer) -> QRectF:
        """Return where a drawing goes: its own size, or as much of it as fits."""
        size = drawing.viewBoxF().size()
        scale = min(1.0, (self.width() - 2) / size.width(), self.height() / size.height())
        width, height = scale * size.width(), scale * size.height()
        return QRectF(0.0, 0.5 * (self.height() - height), width, height)


@lru_cache(maxsize=64)
def _renderer(name: str, colour: str) -> QSvgRenderer:
    text = resource("formulas", f"{name}.svg").read_text(encoding="utf-8")
    return QSvgRenderer(QByteArray(text.replace("currentColor", colour).encode()))
