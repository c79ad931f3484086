"""The most probable images of one posterior: thumbnail, name, and a bar of the weight."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QHelpEvent, QImage, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from diffusion_gui.engine.survey import Belief
from diffusion_gui.panels.common.picture import draw, to_qimage
from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.panels.sampling.sample_colours import sample_colour

ROW, TALLEST = 26, 60
"""Height of a row at least, and at most where there is much room."""
AROUND = 4
"""Pixels of a row that its thumbnail leaves free."""
MOST_ROWS = 9
"""The images that are kept of a posterior, and all others."""
GAP = 8
NUMBER = 52
BAR = 4
LEAST = 5e-4
"""Images with less of the posterior are told with the others."""


def percent(weight: float) -> str:
    """Return a share in words: 97.3 %, 0.04 %, < 0.01 %."""
    if weight >= 0.9995:
        return "100 %"
    if weight >= 0.1:
        return f"{100 * weight:.1f} %"
    if weight <= 0.0:
        return "0 %"
    return f"{100 * weight:.2f} %" if weight >= 1e-4 else "< 0.01 %"


class ResolvedBar(QWidget):
    """How many of the bits are resolved, as a thin bar."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self._share = 0.0
        self.setFixedHeight(BAR + 2)
        theme.changed.connect(self.update)

    def set_share(self, share: float) -> None:
        """Show a share in 0 to 1."""
        self._share = share
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the bar."""
        track = QRectF(0.0, 1.0, self.width(), BAR)
        colour = QColor(self._theme.tokens.text)
        _draw_bar(QPainter(self), track, self._share, colour, self._theme)


class BeliefList(QWidget):
    """As many rows as there is room for; what is left of the posterior is in the last one."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.setObjectName("beliefList")
        self.setAccessibleName("Most probable images")
        self._theme = theme
        self._belief: Belief | None = None
        self._sample = 0
        self._images: dict[int, QImage] = {}
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumHeight(2 * ROW)
        self.setMaximumHeight(MOST_ROWS * TALLEST)
        theme.changed.connect(self.update)

    def show_belief(self, belief: Belief, sample: int) -> None:
        """Show the posterior of one sample."""
        if self._belief is None or self._belief.atlas is not belief.atlas:
            self._images.clear()
        self._belief, self._sample = belief, sample
        self.update()

    @property
    def row_height(self) -> int:
        """How high each row is: rows grow once there is room for all of them."""
        return min(max(self.height() // MOST_ROWS, ROW), TALLEST)

    @property
    def rows(self) -> list[tuple[int, str, float]]:
        """Index, name and weight of the images on show; index -1 stands for all others."""
        belief = self._belief
        if belief is None:
            return []
        some = max(self.height() // self.row_height - 1, 1)
        atlas, total = belief.atlas, len(belief.atlas)
        pairs = zip(belief.indices[self._sample], belief.weights[self._sample], strict=True)
        kept = [
            (int(index), atlas.names[index], float(weight))
            for place, (index, weight) in enumerate(pairs)
            if place == 0 or weight >= LEAST
        ][:some]
        rest = total - len(kept)
        if rest:
            left = max(1.0 - sum(weight for *_, weight in kept), 0.0)
            kept.append((-1, f"{rest:,} other{'s' if rest > 1 else ''}", left))
        return kept

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the rows."""
        painter = QPainter(self)
        font = self.font()
        font.setPixelSize(12)
        painter.setFont(font)
        high = self.row_height
        for place, (index, name, weight) in enumerate(self.rows):
            self._draw_row(painter, QRect(0, place * high, self.width(), high), index, name, weight)

    def _draw_row(
        self, painter: QPainter, row: QRect, index: int, name: str, weight: float
    ) -> None:
        tokens, thumb = self._theme.tokens, row.height() - AROUND
        left = thumb + GAP
        if index >= 0:
            place = QRect(0, row.top() + AROUND // 2, thumb, thumb)
            draw(painter, self._thumbnail(index), place)
        text = QRect(left, row.top(), row.width() - left - NUMBER, row.height() - BAR - 2)
        painter.setPen(QColor(tokens.text if index >= 0 else tokens.secondary))
        name = painter.fontMetrics().elidedText(name, Qt.TextElideMode.ElideRight, text.width())
        middle = Qt.AlignmentFlag.AlignVCenter
        painter.drawText(text, Qt.AlignmentFlag.AlignLeft | middle, name)
        number = QRect(row.width() - NUMBER, text.top(), NUMBER, text.height())
        painter.drawText(number, Qt.AlignmentFlag.AlignRight | middle, percent(weight))
        track = QRectF(left, row.bottom() - BAR - 1, row.width() - left, BAR)
        own = sample_colour(self._theme, self._sample)
        colour = own if index >= 0 else QColor(tokens.secondary)
        _draw_bar(painter, track, weight, colour, self._theme)

    def event(self, event: QEvent) -> bool:
        """Say the whole of a row whose name is too long."""
        if isinstance(event, QHelpEvent):
            rows, place = self.rows, event.pos().y() // self.row_height
            if 0 <= place < len(rows):
                _, name, weight = rows[place]
                QToolTip.showText(event.globalPos(), f"{name}: {percent(weight)}", self)
                return True
        return bool(super().event(event))

    def _thumbnail(self, index: int) -> QImage:
        if index not in self._images and self._belief is not None:
            self._images[index] = to_qimage(self._belief.atlas.pixels[index])
        return self._images[index]

    def sizeHint(self) -> QSize:
        """Leave the size to the layout."""
        return QSize(200, 5 * ROW)


def _draw_bar(painter: QPainter, track: QRectF, share: float, colour: QColor, theme: Theme) -> None:
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(theme.tokens.hover))
    painter.drawRoundedRect(track, BAR / 2, BAR / 2)
    if share * track.width() >= 0.5:
        painter.setBrush(colour)
        filled = QRectF(track.left(), track.top(), max(track.width() * share, BAR), BAR)
        painter.drawRoundedRect(filled, BAR / 2, BAR / 2)
