"""How far the check of a run is, in the head of the list: there it takes no room from the rows."""

from __future__ import annotations

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QHBoxLayout, QProgressBar, QWidget

from diffusion_gui.panels.common.icons import set_icon
from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.panels.common.widgets import button
from diffusion_gui.state.run_checks import Check, RunChecks

_DOING = {Check.VERIFY: "verifying", Check.REFERENCE: "drawing the reference of"}
_BRIEFLY = {Check.VERIFY: "verifying", Check.REFERENCE: "reference"}


class CheckProgress(QWidget):
    """A bar and a button to give the check up; shown while there is one."""

    def __init__(self, checks: RunChecks, theme: Theme) -> None:
        super().__init__()
        self._checks = checks
        self._theme = theme
        self.bar = QProgressBar()
        self.bar.setRange(0, 1000)
        self.bar.setObjectName("checkProgress")
        self.bar.setMinimumWidth(60)
        self.cancel = button("", "Give it up", "chip")
        self.cancel.setAccessibleName("Give the check up")
        self.cancel.setObjectName("cancelCheck")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        row.addWidget(self.bar, 1)
        row.addWidget(self.cancel)
        self.cancel.clicked.connect(checks.cancel)
        checks.changed.connect(self._show)
        theme.changed.connect(self._tint)
        self._tint()
        self._show()

    @Slot()
    def _show(self) -> None:
        check, run = self._checks.check, self._checks.run
        self.setVisible(check is not None and run is not None)
        if check is None or run is None:
            return
        self.bar.setFormat(f"{_BRIEFLY[check]}  %p %")
        self.bar.setToolTip(f"{_DOING[check]} {run.title}")
        self.bar.setValue(round(1000 * self._checks.progress))

    @Slot()
    def _tint(self) -> None:
        set_icon(self.cancel, "x", self._theme.tokens.text, self._theme.tokens.disabled)
