"""How the table of numbers looks: its head, its cells, the field in which a number is typed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QAbstractItemModel, QRect, Qt
from PySide6.QtGui import QColor, QFont, QPainter, QShowEvent
from PySide6.QtWidgets import (
    QHeaderView,
    QLineEdit,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QWidget,
)

from diffusion_gui.engine.numerals import spelled
from diffusion_gui.engine.schedules.columns import COLUMNS
from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.panels.schedule.table_model import NAMES, TOKENS, Index

if TYPE_CHECKING:
    from diffusion_gui.panels.schedule.table_view import NumbersView

ROW = 20
"""Height of a row in pixels."""
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter


EDITED = 9
"""Significant digits of a number that is about to be edited."""


class NumberField(QLineEdit):
    """A field that opens with all of its text selected and the cursor before it."""

    def showEvent(self, event: QShowEvent) -> None:
        """Show the beginning of a number that is longer than the field."""
        super().showEvent(event)
        self.setSelection(len(self.text()), -len(self.text()))


class Head(QHeaderView):
    """The head of the table: every symbol in the colour of its quantity."""

    def __init__(self, view: NumbersView, theme: Theme) -> None:
        super().__init__(Qt.Orientation.Horizontal, view)
        self._view = view
        self._theme = theme
        self.setSectionsClickable(True)
        self.setHighlightSections(False)
        self.setFixedHeight(ROW + 2)
        self.setMinimumSectionSize(24)
        theme.changed.connect(self.viewport().update)

    def paintSection(self, painter: QPainter, rect: QRect, logicalIndex: int) -> None:
        """Write the symbol over its numbers, with a hairline under it."""
        tokens = self._theme.tokens
        name = NAMES[logicalIndex]
        painter.fillRect(rect, QColor(tokens.panel))
        font, room = self._view.look(QFont.Weight.DemiBold)
        painter.setFont(font)
        painter.setPen(QColor(getattr(tokens, TOKENS.get(name, "secondary"))))
        text = self.model().headerData(logicalIndex, Qt.Orientation.Horizontal)
        painter.drawText(rect.adjusted(0, 0, -room, -1), _RIGHT, text)
        painter.setPen(QColor(tokens.hairline))
        painter.drawLine(rect.bottomLeft(), rect.bottomRight())


class Cells(QStyledItemDelegate):
    """Paints a number: tabular, right aligned; amber in the row at the time cursor."""

    def __init__(self, view: NumbersView, theme: Theme) -> None:
        super().__init__(view)
        self._view = view
        self._theme = theme

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """Paint ground, number and, around the current cell, a frame."""
        tokens, rect = self._theme.tokens, option.rect
        here = index.row() == self._view.t
        if option.state & QStyle.StateFlag.State_Selected:
            painter.fillRect(rect, QColor(tokens.hover))
        if here:
            self._mark(painter, rect, index.column() == 0)
        fixed = not index.flags() & Qt.ItemFlag.ItemIsEditable
        font, room = self._view.look()
        painter.setFont(font)
        painter.setPen(QColor(tokens.secondary if fixed and not here else tokens.text))
        text = self._view.model_.text(index.row(), index.column())
        painter.drawText(rect.adjusted(0, 0, -room, 0), _RIGHT, text)
        if index == self._view.currentIndex() and self._view.hasFocus():
            painter.setPen(QColor(tokens.accent))
            painter.drawRect(rect.adjusted(0, 0, -1, -1))

    def _mark(self, painter: QPainter, rect: QRect, first: bool) -> None:
        amber = QColor(self._theme.tokens.cursor)
        if first:
            painter.fillRect(QRect(rect.left(), rect.top(), 3, rect.height()), amber)
        amber.setAlphaF(0.18)
        painter.fillRect(rect, amber)

    def createEditor(
        self, parent: QWidget, option: QStyleOptionViewItem, index: Index
    ) -> QLineEdit:
        """Return a field as small as the cell, wide enough for all digits."""
        field = NumberField(parent)
        field.setProperty("role", "cell")
        field.setAccessibleName(f"{COLUMNS[NAMES[index.column()]].symbol} at t = {index.row()}")
        return field

    def setEditorData(self, editor: QWidget, index: Index) -> None:
        """Write the number with as many digits as a person can use."""
        assert isinstance(editor, QLineEdit)
        number = float(index.data(Qt.ItemDataRole.EditRole))
        editor.setText(spelled(number, EDITED))

    def setModelData(self, editor: QWidget, model: QAbstractItemModel, index: Index) -> None:
        """Hand on what was typed; a number that was only looked at keeps its other digits."""
        assert isinstance(editor, QLineEdit)
        if editor.isModified():
            super().setModelData(editor, model, index)

    def updateEditorGeometry(
        self, editor: QWidget, option: QStyleOptionViewItem, index: Index
    ) -> None:
        """Lie over the cell and, for a long number, to the left of it."""
        rect = QRect(option.rect)
        wide = max(rect.width(), editor.fontMetrics().horizontalAdvance("0" * 22))
        rect.setLeft(max(rect.right() + 1 - wide, 0))
        editor.setGeometry(rect)
