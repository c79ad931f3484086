"""The doctor under the plots: one line per finding, with its number and a one-click mend."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from PySide6.QtCore import QSize, Qt, Signal, Slot
from PySide6.QtWidgets import QLabel, QSizePolicy

from diffusion_gui.engine.schedules.doctor import Finding, Severity
from diffusion_gui.panels.common.theme import Theme

LINES = 2
"""Lines kept free, so that the plots do not move while a schedule is dragged from good to bad."""
TOKENS = {
    Severity.GOOD: "good",
    Severity.NOTE: "secondary",
    Severity.WARNING: "warning",
    Severity.ERROR: "error",
}


class DoctorView(QLabel):
    """Shows findings; `fix_wished(finding)` when a mend is clicked.

    `range_changed(times or None, token)` with the t to mark and their colour: of the finding under
    the mouse or the keyboard, else of the worst warning.
    """

    fix_wished = Signal(object)
    range_changed = Signal(object, str)

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.setObjectName("doctorLabel")
        self.setAccessibleName("Findings about the schedule")
        self._theme = theme
        self._findings: tuple[Finding, ...] = ()
        self.setTextFormat(Qt.TextFormat.RichText)
        self.setTextInteractionFlags(
            Qt.TextInteractionFlag.LinksAccessibleByMouse
            | Qt.TextInteractionFlag.LinksAccessibleByKeyboard
        )
        self.setMinimumHeight(LINES * self.fontMetrics().lineSpacing())
        self.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.setWordWrap(True)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        self.linkActivated.connect(self._on_link)
        self.linkHovered.connect(self._on_hover)
        theme.changed.connect(self._show)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What is on show."""
        return self._findings

    def show_findings(self, findings: Sequence[Finding]) -> None:
        """Show these findings, the most important first."""
        if tuple(findings) != self._findings:
            self._findings = tuple(findings)
            self._show()
        self._mark(None)

    @Slot()
    def _show(self) -> None:
        tokens = self._theme.tokens
        lines = []
        for index, finding in enumerate(self._findings):
            colour = getattr(tokens, TOKENS[finding.severity])
            line = f"<span style='color:{colour}'>●</span> {escape(finding.text)}"
            if finding.fix is not None:
                line += (
                    f" <a href='{index}' style='color:{tokens.accent}'>"
                    f"{escape(finding.fix.label)}</a>"
                )
            lines.append(line)
        self.setText("<br>".join(lines))
        self.setToolTip("\n".join(finding.text for finding in self._findings))

    @Slot(str)
    def _on_link(self, link: str) -> None:
        self.fix_wished.emit(self._findings[int(link)])

    @Slot(str)
    def _on_hover(self, link: str) -> None:
        self._mark(self._findings[int(link)] if link else None)

    def _mark(self, pointed: Finding | None) -> None:
        bad = (Severity.WARNING, Severity.ERROR)
        shown = pointed or next((f for f in self._findings if f.severity in bad), None)
        if shown is None:
            self.range_changed.emit(None, TOKENS[Severity.WARNING])
        else:
            self.range_changed.emit(shown.times, TOKENS[shown.severity])

    def sizeHint(self) -> QSize:
        """Ask for the room of two lines at least."""
        return super().sizeHint().expandedTo(QSize(200, self.minimumHeight()))
