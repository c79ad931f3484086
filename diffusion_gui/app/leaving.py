"""The question before the window closes on runs that a person has pinned, named or noted."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QMessageBox, QWidget

MOST_TITLES = 3


class LeaveQuestion(QMessageBox):
    """Close or Stay; `accepted` when it is Close. Enter and Esc stay."""

    def __init__(self, titles: Sequence[str], parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("leaveQuestion")
        self.setWindowTitle("Close Diffusion GUI")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setTextFormat(Qt.TextFormat.PlainText)
        named = ", ".join(titles[:MOST_TITLES])
        more = f" and {len(titles) - MOST_TITLES} more" if len(titles) > MOST_TITLES else ""
        what = "a run" if len(titles) == 1 else f"{len(titles)} runs"
        self.setText(f"Close and lose {what} that you pinned, named or noted?")
        self.setInformativeText(
            f"{named}{more}.\nRuns last as long as the window. Export saves one as a PNG that"
            " brings its settings back."
        )
        self.close_button = self.addButton("Close", QMessageBox.ButtonRole.AcceptRole)
        self.stay_button = self.addButton("Stay", QMessageBox.ButtonRole.RejectRole)
        self.setDefaultButton(self.stay_button)
        self.setEscapeButton(self.stay_button)
