"""The visual language in one place: colours, style sheet, and the switch between light and dark.

Widgets never name a colour; they read `theme.tokens` and follow `theme.changed`.
"""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QObject, Qt, Signal, Slot
from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import QApplication

from diffusion_gui.panels.common.style import style_sheet


@dataclass(frozen=True, slots=True)
class Tokens:
    """The colours of one theme, as #RRGGBB."""

    window: str
    panel: str
    field: str
    hover: str
    hairline: str
    text: str
    secondary: str
    disabled: str
    accent: str
    accent_hover: str
    on_accent: str
    alpha_bar: str
    beta: str
    log_snr: str
    sigma: str
    cursor: str
    good: str
    warning: str
    error: str


LIGHT = Tokens(
    window="#F4F5F7", panel="#FFFFFF", field="#F7F8FA", hover="#ECEFF3", hairline="#DFE3E8",
    text="#1A1D21", secondary="#5C6672", disabled="#A3ABB5",
    accent="#2563C9", accent_hover="#1E54AD", on_accent="#FFFFFF",
    alpha_bar="#2563C9", beta="#C8500A", log_snr="#0B7A5A", sigma="#8A3FA0", cursor="#B7791F",
    good="#0B7A5A", warning="#96600F", error="#B3261E",
)  # fmt: skip
DARK = Tokens(
    window="#15171B", panel="#1D2026", field="#262A32", hover="#30353F", hairline="#2C313A",
    text="#E7E9EC", secondary="#98A1AD", disabled="#5F6772",
    accent="#6EA8FE", accent_hover="#8ABAFF", on_accent="#10131A",
    alpha_bar="#6EA8FE", beta="#FF9E4A", log_snr="#5CC8A1", sigma="#CF8FE0", cursor="#F2C14E",
    good="#5CC8A1", warning="#F2C14E", error="#FF8A80",
)  # fmt: skip


class Theme(QObject):
    """Applies light or dark to the application, following the system unless told otherwise."""

    changed = Signal()

    def __init__(self, app: QApplication, wish: str = "system") -> None:
        super().__init__(app)
        self._app = app
        self.wish = wish
        self.tokens = LIGHT
        app.setStyle("Fusion")
        app.styleHints().colorSchemeChanged.connect(self._apply)
        self.set_wish(wish)

    @property
    def dark(self) -> bool:
        """True while the dark theme is on."""
        return self.tokens is DARK

    def set_wish(self, wish: str) -> None:
        """Set "light", "dark" or "system"; takes effect at once."""
        self.wish = wish
        schemes = {"light": Qt.ColorScheme.Light, "dark": Qt.ColorScheme.Dark}
        self._app.styleHints().setColorScheme(schemes.get(wish, Qt.ColorScheme.Unknown))
        self._apply()

    @Slot()
    def _apply(self) -> None:
        scheme = self._app.styleHints().colorScheme()
        dark = self.wish == "dark" or (self.wish == "system" and scheme is Qt.ColorScheme.Dark)
        tokens = DARK if dark else LIGHT
        if tokens is self.tokens and self._app.styleSheet():
            return
        self.tokens = tokens
        self._app.setPalette(_palette(tokens))
        self._app.setStyleSheet(style_sheet(tokens))
        self.changed.emit()


def _palette(tokens: Tokens) -> QPalette:
    """Return the palette for what the style sheet does not reach (dialogs, tooltips, text)."""
    palette = QPalette()
    role = QPalette.ColorRole
    for where, colour in (
        (role.Window, tokens.window),
        (role.Base, tokens.field),
        (role.AlternateBase, tokens.panel),
        (role.Button, tokens.field),
        (role.ToolTipBase, tokens.panel),
        (role.WindowText, tokens.text),
        (role.Text, tokens.text),
        (role.ButtonText, tokens.text),
        (role.ToolTipText, tokens.text),
        (role.PlaceholderText, tokens.secondary),
        (role.Highlight, tokens.accent),
        (role.HighlightedText, tokens.on_accent),
        (role.Link, tokens.accent),
    ):
        palette.setColor(where, QColor(colour))
    for where in (role.WindowText, role.Text, role.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, where, QColor(tokens.disabled))
    return palette
