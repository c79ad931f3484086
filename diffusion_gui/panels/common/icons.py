"""Lucide icons, tinted. The bundled SVGs draw in `currentColor`; here that becomes a colour."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from PySide6.QtCore import QByteArray, QSize, Qt, QTemporaryDir
from PySide6.QtGui import QIcon, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer

from diffusion_gui.session.resources import resource


@lru_cache(maxsize=256)
def icon(name: str, colour: str, disabled: str = "") -> QIcon:
    """Return the icon `name` in `colour` (#RRGGBB), with its greyed form in `disabled`."""
    result = QIcon()
    for size in (16, 32, 48):
        result.addPixmap(_pixmap(name, colour, size))
        if disabled:
            result.addPixmap(_pixmap(name, disabled, size), QIcon.Mode.Disabled)
    return result


def icon_file(name: str, colour: str) -> str:
    """Return the path of a tinted SVG, for style sheets, which take images only by file."""
    folder = _folder()
    path = Path(folder.path()) / f"{name}-{colour.lstrip('#')}.svg"
    if not path.exists():
        path.write_text(_svg(name, colour), encoding="utf-8")
    return path.as_posix()


@lru_cache(maxsize=1)
def _folder() -> QTemporaryDir:
    """Return the folder of tinted files; it is removed when the program ends."""
    return QTemporaryDir()


def _svg(name: str, colour: str) -> str:
    text = resource("icons", f"{name}.svg").read_text(encoding="utf-8")
    return text.replace("currentColor", colour)


def _pixmap(name: str, colour: str, size: int) -> QPixmap:
    pixmap = QPixmap(QSize(size, size))
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    QSvgRenderer(QByteArray(_svg(name, colour).encode())).render(painter)
    painter.end()
    return pixmap
