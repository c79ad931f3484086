"""Drop-down lists: one that leaves the wheel to others, one whose long text has an ellipsis."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QPaintEvent
from PySide6.QtWidgets import QComboBox, QStyle, QStyleOptionComboBox, QStylePainter

from diffusion_gui.panels.common.focused_wheel import FocusedWheel


class Combo(FocusedWheel, QComboBox):
    """A drop-down list that turns with the wheel only while it has the focus."""

    def __init__(self) -> None:
        super().__init__()
        self.rest_the_wheel()


class ElidedCombo(Combo):
    """Keeps its arrow, however narrow it is; `elided` says where its text is cut."""

    def __init__(self) -> None:
        super().__init__()
        self.elided = Qt.TextElideMode.ElideRight
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)

    @property
    def shown_text(self) -> str:
        """What there is room for."""
        option = QStyleOptionComboBox()
        self.initStyleOption(option)
        room = self.style().subControlRect(
            QStyle.ComplexControl.CC_ComboBox,
            option,
            QStyle.SubControl.SC_ComboBoxEditField,
            self,
        )
        return self.fontMetrics().elidedText(self.currentText(), self.elided, room.width())

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the text that fits."""
        painter = QStylePainter(self)
        option = QStyleOptionComboBox()
        self.initStyleOption(option)
        option.currentText = self.shown_text
        painter.drawComplexControl(QStyle.ComplexControl.CC_ComboBox, option)
        painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)
