"""What a drop or the clipboard holds: local files, or a picture itself, or pictures of the tray."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
from PySide6.QtCore import QMimeData, Qt
from PySide6.QtGui import QImage, QPainter

from diffusion_gui.engine.images import MAX_SIDE, Picture

PICTURES = "application/x-diffusion-gui-pictures"
"""The MIME type of pictures dragged out of the tray: their ids as a JSON list."""
PNG = "image/png"
"""The MIME type under which a copied picture has its experiment with it."""
KEEP_ASPECT = Qt.AspectRatioMode.KeepAspectRatio
SMOOTH = Qt.TransformationMode.SmoothTransformation


def paths_from(mime: QMimeData) -> list[str]:
    """Return the local files and folders in a drop; addresses on the network are left alone."""
    return [url.toLocalFile() for url in mime.urls() if url.isLocalFile()]


def image_from(mime: QMimeData) -> Picture | None:
    """Return the picture in a drop or on the clipboard, transparency on white, or None."""
    image = mime.imageData() if mime.hasImage() else None
    if not isinstance(image, QImage) or image.isNull():
        return None
    if max(image.width(), image.height()) > MAX_SIDE:
        image = image.scaled(MAX_SIDE, MAX_SIDE, KEEP_ASPECT, SMOOTH)
    image.setDevicePixelRatio(1.0)
    flat = QImage(image.size(), QImage.Format.Format_RGB888)
    flat.fill(Qt.GlobalColor.white)
    painter = QPainter(flat)
    painter.drawImage(0, 0, image)
    painter.end()
    rows = np.frombuffer(flat.constBits(), np.uint8).reshape(flat.height(), flat.bytesPerLine())
    pixels = rows[:, : 3 * flat.width()].reshape(flat.height(), flat.width(), 3).copy()
    return Picture("pasted picture", pixels)


def pictures_mime(ids: Sequence[str]) -> QMimeData:
    """Return what a drag of pictures of the tray carries: their ids, for this program alone."""
    mime = QMimeData()
    mime.setData(PICTURES, json.dumps(list(ids)).encode())
    return mime


def picture_ids(mime: QMimeData) -> list[str]:
    """Return the ids of dragged pictures of the tray; none if the drag carries something else."""
    try:
        ids = json.loads(bytes(mime.data(PICTURES).data())) if mime.hasFormat(PICTURES) else []
    except (ValueError, RecursionError):
        return []
    return [item for item in ids if isinstance(item, str)] if isinstance(ids, list) else []
