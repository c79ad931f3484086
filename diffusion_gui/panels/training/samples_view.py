"""The samples of a training: each with the training picture nearest to it, and how near that is."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QPoint, QRect, QSize, Qt
from PySide6.QtGui import QColor, QHelpEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QToolTip, QWidget

from diffusion_gui.engine.images import Pixels
from diffusion_gui.engine.training.copies import COPY, COUNT, ProgressSamples
from diffusion_gui.panels.common.resampling import to_qimage
from diffusion_gui.panels.common.theme import Theme

GAP = 6
"""Pixels between two pairs."""
BESIDE = 4
"""Pixels between a sample and its neighbour, whose frame begins in there."""
NUMBER = 30
"""Width of the ratio beside a pair."""
HEAD = 18
LARGEST = 160
"""Side of a sample in pixels at most: beyond that more can be seen of nothing."""


class SamplesView(QWidget):
    """Sixteen pairs: a sample, and beside it the nearest training picture.

    Beside each pair d1 / d2: how much nearer that one is than the next.
    """

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.setObjectName("trainingSamples")
        self.setAccessibleName("Samples of the training, each beside its nearest training picture")
        self._theme = theme
        self._shown: ProgressSamples | None = None
        self._line = ""
        self._message = ("", "")
        self.setMinimumSize(240, 96)
        theme.changed.connect(self.update)

    @property
    def shown(self) -> ProgressSamples | None:
        """The samples on show, None while there are none."""
        return self._shown

    def show_samples(self, samples: ProgressSamples | None, line: str = "") -> None:
        """Show samples, or none, with a line about them."""
        if samples is not self._shown:
            self._shown, self._line = samples, line
            self.update()

    def set_message(self, title: str, line: str) -> None:
        """Say something in place of the pictures while there are none."""
        if (title, line) != self._message:
            self._message = title, line
            self.update()

    def sizeHint(self) -> QSize:
        """Leave the size to the layout."""
        return QSize(420, 200)

    def pairs(self) -> list[QRect]:
        """Return where the samples lie in the widget; `neighbour` says where their neighbours."""
        count = len(self._shown.pictures) if self._shown is not None else COUNT
        room = self.rect().adjusted(0, HEAD, 0, -1)  # a frame ends there
        best, columns = 0, 1
        for number in (n for n in range(1, count + 1) if count % n == 0):
            wide = ((room.width() - (number - 1) * GAP) // number - NUMBER - BESIDE) // 2
            rows = count // number
            high = (room.height() - (rows - 1) * GAP) // rows
            if min(wide, high) > best:
                best, columns = min(wide, high), number
        side = min(max(best, 8), LARGEST)
        pair = 2 * side + BESIDE + NUMBER
        apart = (room.width() - columns * pair) // max(columns - 1, 1)
        across = pair + max(min(apart, 4 * GAP), GAP)
        return [
            QRect(i % columns * across, HEAD + i // columns * (side + GAP), side, side)
            for i in range(count)
        ]

    @staticmethod
    def neighbour(sample: QRect) -> QRect:
        """Return where the training picture nearest to a sample lies."""
        return sample.translated(sample.width() + BESIDE, 0)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the pairs, or the message."""
        painter = QPainter(self)
        font = self.font()
        font.setPixelSize(11)
        painter.setFont(font)
        painter.setPen(QColor(self._theme.tokens.secondary))
        if self._shown is None:
            self._write_message(painter)
            return
        head = QRect(0, 0, self.width(), HEAD)
        text = f"sample, framed: nearest training picture, d₁/d₂   {self._line}"
        text = painter.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, self.width())
        painter.drawText(head, Qt.AlignmentFlag.AlignLeft, text)
        shown = self._shown
        for place, sample, near, ratio in zip(
            self.pairs(),
            shown.pictures,
            shown.nearest,
            shown.ratios,
            strict=True,
        ):
            self._draw_pair(painter, place, sample, near, float(ratio))

    def _draw_pair(
        self, painter: QPainter, place: QRect, sample: Pixels, near: Pixels, ratio: float
    ) -> None:
        painter.setRenderHint(
            QPainter.RenderHint.SmoothPixmapTransform, place.width() < 2 * sample.shape[1]
        )
        painter.drawImage(place, to_qimage(sample))
        tokens, beside = self._theme.tokens, self.neighbour(place)
        painter.drawImage(beside, to_qimage(near))
        painter.setPen(QColor(tokens.secondary))
        painter.drawRect(beside.adjusted(-1, -1, 0, 0))
        painter.setPen(QColor(tokens.warning if ratio < COPY else tokens.secondary))
        number = QRect(beside.right() + 5, place.top(), NUMBER, place.height())
        painter.drawText(number, Qt.AlignmentFlag.AlignVCenter, f"{ratio:.2f}")

    def _write_message(self, painter: QPainter) -> None:
        high, middle = painter.fontMetrics().height(), self.rect().center().y()
        font = painter.font()
        for bold, line, top in zip(
            (True, False), self._message, (middle - high, middle + 2), strict=True
        ):
            font.setBold(bold)
            painter.setFont(font)
            painter.drawText(QRect(0, top, self.width(), high), Qt.AlignmentFlag.AlignCenter, line)

    def event(self, event: QEvent) -> bool:
        """Tell the caption and the distances of the pair under the mouse."""
        if event.type() is QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            QToolTip.showText(event.globalPos(), self._told(event.pos()), self)
            return True
        return super().event(event)

    def _told(self, place: QPoint) -> str:
        if self._shown is None:
            return ""
        for number, rect in enumerate(self.pairs()):
            if rect.adjusted(0, 0, rect.width() + BESIDE + NUMBER, 0).contains(place):
                first, second = self._shown.distances[number]
                caption = self._shown.captions[number]
                said = f"“{caption}”\n" if caption else ""
                return (
                    f"{said}rms distance to the nearest training picture d₁ = {first:.3f},\n"
                    f"to the next d₂ = {second:.3f}; a ratio below ⅓ is a copy"
                )
        return "Each sample begins with the same noise and caption every time"
