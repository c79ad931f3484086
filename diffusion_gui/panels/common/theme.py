"""The visual language in one place: colours, style sheet, and the switch between light and dark.

Widgets never name a colour; they read `theme.tokens` and follow `theme.changed`.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

from PySide6.QtCore import QObject, Qt, Signal, Slot
from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import QApplication

from diffusion_gui.panels.common.style import style_sheet
from diffusion_gui.panels.common.tokens import DARK, LIGHT, Tokens


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

    def set_wish(self, wish: str) -> None:
        """Set "light", "dark" or "system"; takes effect at once."""
        self.wish = wish
        schemes = {"light": Qt.ColorScheme.Light, "dark": Qt.ColorScheme.Dark}
        self._app.styleHints().setColorScheme(schemes.get(wish, Qt.ColorScheme.Unknown))
        self._apply()

    @contextmanager
    def undressed(self) -> Iterator[None]:
        """Build many widgets without the style sheet, and dress all of them at the end.

        Under a style sheet a widget is dressed anew whenever it or what it lies in gets another
        parent: that took half of the time in which the window is built.
        """
        sheet = self._app.styleSheet()
        self._dress("")
        try:
            yield
        finally:
            self._dress(sheet)

    @Slot()
    def _apply(self) -> None:
        scheme = self._app.styleHints().colorScheme()
        dark = self.wish == "dark" or (self.wish == "system" and scheme is Qt.ColorScheme.Dark)
        tokens = DARK if dark else LIGHT
        if tokens is self.tokens and self._app.styleSheet():
            return
        self.tokens = tokens
        self._app.setPalette(_palette(tokens))
        self._dress(style_sheet(tokens))
        self.changed.emit()

    def _dress(self, sheet: str) -> None:
        """Give every widget a style sheet; none may go meanwhile.

        Qt walks over all widgets and calls Python on the way: a collection of garbage there, which
        deletes windows that nobody holds any more, would pull them from under its feet.
        """
        collecting = gc.isenabled()
        gc.disable()
        try:
            self._app.setStyleSheet(sheet)
        finally:
            if collecting:
                gc.enable()


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
