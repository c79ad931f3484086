"""The pictures of the tray as rows of a Qt model, and their thumbnails as pixmaps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from operator import is_not
from pathlib import Path
from typing import Any

import numpy as np
from PySide6.QtCore import (
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QRect,
    QStringListModel,
    Qt,
    Slot,
)
from PySide6.QtGui import QBrush, QImage, QPainter, QPixmap

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.experiment import PictureRef
from diffusion_gui.engine.images import WHITE, Colour
from diffusion_gui.panels.common.dropping import SMOOTH
from diffusion_gui.panels.common.picture import to_qimage
from diffusion_gui.session.library import labels
from diffusion_gui.session.picture_store import PictureStore

Index = QModelIndex | QPersistentModelIndex
SIDE = 36
"""Side of a thumbnail, in pixels of the screen at 100 %."""
RADIUS = 4
MOST_PIXMAPS = 400
"""Thumbnails kept ready to paint: some rows of the widest window, 8 MB at 200 %."""
MOST_RUNS = 32
"""Changes at more places than this are taken in as a new list."""
ROLE = Qt.ItemDataRole
FLAGS = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemIsDragEnabled


class TrayModel(QStringListModel):
    """One row for each picture; a change inserts, removes or moves the rows it is about.

    The list of (empty) strings is Qt's own count of the rows: a view asks for it twice per row when
    it lays them out, too often for Python.
    """

    def __init__(self, store: PictureStore, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._store = store
        self._shown: Sequence[PictureRef] = ()
        self._rows: list[PictureRef] = []
        self._coming: Sequence[PictureRef] = ()
        self.rowsInserted.connect(self._on_inserted)  # before any view hears of it
        self.rowsRemoved.connect(self._on_removed)

    def set_pictures(self, pictures: Sequence[PictureRef]) -> None:
        """Take in the pictures as they are now."""
        if pictures is self._shown:
            return
        self._shown = pictures
        head = _common(self._rows, pictures)
        tail = _common(self._rows[head:][::-1], pictures[head:][::-1])
        gone = self._rows[head : len(self._rows) - tail]
        come = pictures[head : len(pictures) - tail]
        if (runs := _runs(gone, come)) is not None:
            self._remove(runs, head)
        elif (runs := _runs(come, gone)) is not None:
            self._insert(runs, head, come)
        elif set(gone) == set(come) and len(gone) == len(come):
            self._reorder(list(pictures))
        else:
            self._rows = list(pictures)
            self.setStringList([""] * len(pictures))

    def _remove(self, runs: list[range], head: int) -> None:
        for run in reversed(runs):
            self.removeRows(head + run.start, len(run))

    def _insert(self, runs: list[range], head: int, come: Sequence[PictureRef]) -> None:
        for run in runs:
            self._coming = come[run.start : run.stop]
            self.insertRows(head + run.start, len(run))

    @Slot(QModelIndex, int, int)
    def _on_inserted(self, _parent: QModelIndex, first: int, _last: int) -> None:
        self._rows[first:first] = self._coming

    @Slot(QModelIndex, int, int)
    def _on_removed(self, _parent: QModelIndex, first: int, last: int) -> None:
        del self._rows[first : last + 1]

    def _reorder(self, pictures: list[PictureRef]) -> None:
        self.layoutAboutToBeChanged.emit()
        places = {ref.id: row for row, ref in enumerate(pictures)}
        before = self.persistentIndexList()
        after = [self.index(places[self._rows[index.row()].id], 0) for index in before]
        self._rows = pictures
        self.changePersistentIndexList(before, after)
        self.layoutChanged.emit()

    def data(self, index: Index, role: int = ROLE.DisplayRole) -> Any:
        """Return a picture's name, and more about it as its tooltip."""
        if not index.isValid():
            return None
        ref = self._rows[index.row()]
        if role in (ROLE.DisplayRole, ROLE.AccessibleTextRole):
            return ref.name
        if role in (ROLE.ToolTipRole, ROLE.AccessibleDescriptionRole):
            lines = self._lines(ref)
            if role == ROLE.AccessibleDescriptionRole:
                return ", ".join(lines)
            return f"<qt><b>{escape(ref.name)}</b><br>{'<br>'.join(map(escape, lines))}</qt>"
        return None

    def _lines(self, ref: PictureRef) -> list[str]:
        """Return a picture's size, where that is known without opening it, and where it is from."""
        lines = []
        try:
            self._store.thumbnail(ref.id)
        except EngineError as error:  # it was opened in no window of this program
            lines.append(str(error))
        if (picture := self._store.peek(ref.id)) is not None:
            height, width = picture.pixels.shape[:2]
            if not picture.whole:
                width, height = picture.full_size
            lines.append(f"{width} × {height}")
        if label := labels([ref])[0]:
            lines += [f"class: {label}", f"folder: {Path(ref.source).parent}"]
        elif ref.source:
            lines.append(ref.source)
        return lines

    def flags(self, index: Index) -> Qt.ItemFlag:
        """Every picture can be chosen and dragged."""
        return FLAGS if index.isValid() else Qt.ItemFlag.NoItemFlags

    def ids(self, rows: Iterable[int]) -> tuple[str, ...]:
        """Return the ids of the pictures in some rows."""
        return tuple(self._rows[row].id for row in rows)

    def rows(self, ids: Iterable[str]) -> list[int]:
        """Return the rows of pictures, in rising order."""
        wanted = set(ids)
        return [row for row, ref in enumerate(self._rows) if ref.id in wanted]


class Thumbnails:
    """Thumbnails as pixmaps with round corners, made when first painted; the newest are kept."""

    def __init__(self, store: PictureStore) -> None:
        self._store = store
        self._pixmaps: dict[tuple[str, float], QPixmap] = {}
        self._background = WHITE

    def set_background(self, background: Colour) -> bool:
        """Put another colour behind what is transparent; return whether it is another one."""
        if background == self._background:
            return False
        self._background = background
        self._pixmaps.clear()
        return True

    def ready(self, picture_id: str, scale: float) -> QPixmap | None:
        """Return a thumbnail for a screen of so many device pixels per pixel, if there is one."""
        pixmap = self._pixmaps.pop((picture_id, scale), None)
        if pixmap is not None:
            self._pixmaps[picture_id, scale] = pixmap
        return pixmap

    def make(self, picture_id: str, scale: float) -> QPixmap:
        """Make a thumbnail and keep it; a grey one of a picture that cannot be had."""
        try:
            pixels = self._store.thumbnail(picture_id, self._background)
        except EngineError:  # said in its tooltip
            pixels = np.full((1, 1, 3), 128, np.uint8)
        pixmap = _rounded(to_qimage(pixels), scale)
        self._pixmaps[picture_id, scale] = pixmap
        if len(self._pixmaps) > MOST_PIXMAPS:
            del self._pixmaps[next(iter(self._pixmaps))]
        return pixmap


def _rounded(image: QImage, scale: float) -> QPixmap:
    side = round(SIDE * scale)
    keep = Qt.AspectRatioMode.IgnoreAspectRatio
    pixmap = QPixmap(side, side)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QBrush(image.scaled(side, side, keep, SMOOTH)))
    painter.drawRoundedRect(QRect(0, 0, side, side), RADIUS * scale, RADIUS * scale)
    painter.end()
    pixmap.setDevicePixelRatio(scale)
    return pixmap


def _common(one: Sequence[PictureRef], two: Sequence[PictureRef]) -> int:
    """Return how many pictures two lists begin with in common."""
    differing = (row for row, differs in enumerate(map(is_not, one, two)) if differs)
    return next(differing, min(len(one), len(two)))


def _runs(longer: Sequence[PictureRef], shorter: Sequence[PictureRef]) -> list[range] | None:
    """Return the runs of `longer` that are not in `shorter`, None if they do not tell it all."""
    if len(longer) <= len(shorter):
        return None
    if not shorter:
        return [range(len(longer))]
    runs: list[range] = []
    for row in _extra(longer, shorter):
        if runs and runs[-1].stop == row:
            runs[-1] = range(runs[-1].start, row + 1)
        else:
            runs.append(range(row, row + 1))
    left = len(longer) - sum(map(len, runs))
    return runs if left == len(shorter) and len(runs) <= MOST_RUNS else None


def _extra(longer: Sequence[PictureRef], shorter: Sequence[PictureRef]) -> Iterator[int]:
    """Yield the places in `longer` at which its next picture is not the next of `shorter`."""
    place = 0
    for row, ref in enumerate(longer):
        if place < len(shorter) and ref == shorter[place]:
            place += 1
        else:
            yield row
