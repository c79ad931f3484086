"""Lucide icons, tinted. The bundled SVGs draw in `currentColor`; here that becomes a colour."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from PySide6.QtCore import QByteArray, QRectF, QSize, Qt, QTemporaryDir
from PySide6.QtGui import QIcon, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QAbstractButton

from diffusion_gui.session.resources import resource

SIZE = 16
GAP = 5
"""Room in pixels to the right of an icon that stands before a text."""


@lru_cache(maxsize=256)
def icon(name: str, colour: str, disabled: str = "", gap: int = 0, checked: str = "") -> QIcon:
    """Return the icon `name` in `colour` (#RRGGBB), also as greyed and as checked where given."""
    result, normal = QIcon(), QIcon.Mode.Normal
    for tint, mode, state in (
        (colour, normal, QIcon.State.Off),
        (disabled, QIcon.Mode.Disabled, QIcon.State.Off),
        (checked, normal, QIcon.State.On),
    ):
        if tint:
            drawing = QSvgRenderer(QByteArray(_svg(name, tint).encode()))
            for scale in (1, 2):
                result.addPixmap(_pixmap(drawing, scale, gap), mode, state)
    return result


def set_icon(
    button: QAbstractButton, name: str, colour: str, disabled: str, checked: str = ""
) -> None:
    """Give a button its icon, at a little distance from its text if it has one."""
    gap = GAP if button.text() else 0
    button.setIconSize(QSize(SIZE + gap, SIZE))
    button.setIcon(icon(name, colour, disabled, gap, checked))


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
    return _drawn(name).replace("currentColor", colour)


@lru_cache(maxsize=256)
def _drawn(name: str) -> str:
    return resource("icons", f"{name}.svg").read_text(encoding="utf-8")


def _pixmap(drawing: QSvgRenderer, scale: int, gap: int) -> QPixmap:
    pixmap = QPixmap(QSize((SIZE + gap) * scale, SIZE * scale))
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    drawing.render(painter, QRectF(0, 0, SIZE * scale, SIZE * scale))
    painter.end()
    return pixmap
