"""The doctor under the plots: one line per finding, with its number and a one-click mend."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape

from PySide6.QtCore import QEvent, QObject, QSize, Qt, Signal, Slot
from PySide6.QtWidgets import QFrame, QLabel, QScrollArea, QSizePolicy

from diffusion_gui.engine.schedules.doctor import Finding, Severity
from diffusion_gui.panels.common.theme import Theme

LINES = 3
"""Lines kept free, so that no plot moves when a schedule goes from good to bad; more are scrolled
to."""
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
        self.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.setWordWrap(True)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
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
        rows = "".join(map(self._row, range(len(self._findings))))
        self.setText(f"<table cellspacing='0' cellpadding='0'>{rows}</table>")
        self.setToolTip("\n".join(finding.text for finding in self._findings))

    def _row(self, index: int) -> str:
        """Return a finding as two cells, so that its second line does not go under the bullet."""
        tokens, finding = self._theme.tokens, self._findings[index]
        colour = getattr(tokens, TOKENS[finding.severity])
        text = re.sub(r"_T\b", "<sub>T</sub>", escape(finding.text))
        if finding.fix is not None:
            label = escape(finding.fix.label)
            text += f" <a href='{index}' style='color:{tokens.accent}'>{label}</a>"
        return f"<tr><td style='color:{colour}'>●&nbsp;</td><td>{text}</td></tr>"

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

    def minimumSizeHint(self) -> QSize:
        """Ask for nothing: the height follows from the width."""
        return QSize(1, 1)


class DoctorArea(QScrollArea):
    """Holds the findings in a place of always the same height."""

    def __init__(self, doctor: DoctorView) -> None:
        super().__init__()
        self._doctor = doctor
        self.setObjectName("doctorArea")
        self.setProperty("role", "drawer")
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setWidgetResizable(True)
        self.setWidget(doctor)
        doctor.setAutoFillBackground(False)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        doctor.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Measure anew when the findings are written in another font."""
        if event.type() in (QEvent.Type.FontChange, QEvent.Type.Polish):
            self.updateGeometry()
        return super().eventFilter(watched, event)

    def sizeHint(self) -> QSize:
        """Ask for so many lines."""
        self._doctor.ensurePolished()
        return QSize(200, LINES * self._doctor.fontMetrics().lineSpacing())

    def minimumSizeHint(self) -> QSize:
        """Ask for all of them."""
        return self.sizeHint()
