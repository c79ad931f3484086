"""How a run is painted in the list: its pictures, its name, what it was told, how it went.

The last run of live sampling says that the next change replaces it, and has a pin to press.
"""

from __future__ import annotations

import math

import numpy as np
from PySide6.QtCore import (
    QAbstractItemModel,
    QEvent,
    QModelIndex,
    QPersistentModelIndex,
    QPoint,
    QRect,
    QSize,
    Qt,
    Slot,
)
from PySide6.QtGui import QColor, QFont, QHelpEvent, QIcon, QMouseEvent, QPainter, QPixmap
from PySide6.QtWidgets import (
    QAbstractItemView,
    QLineEdit,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QToolTip,
    QWidget,
)

from diffusion_gui.engine.images import Pixels
from diffusion_gui.engine.numerals import spelled
from diffusion_gui.engine.trajectory import Frame
from diffusion_gui.panels.common.icons import icon
from diffusion_gui.panels.common.picture import to_qimage
from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.panels.sampling.runs_model import RUN, RunsModel, figures, forked
from diffusion_gui.state.run import Outcome, Run
from diffusion_gui.state.run_comparison import RunComparison
from diffusion_gui.state.run_view import RunView
from diffusion_gui.state.sampling import SamplingController

Index = QModelIndex | QPersistentModelIndex
SIDE = 44
PAD = 4
LINE = 15
NOTE_LINE = 15
BAR = 3
"""Width of the bar beside the run on show."""
LETTERS = "ABCD"
SHOWN = 2
"""Pictures per side of a thumbnail, at most."""
FLEETING = "live: the next change replaces it"
SIGN = 13
"""Side of the pin."""
_ELIDE = Qt.TextElideMode.ElideRight
_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter


class RunsDelegate(QStyledItemDelegate):
    """Paints the rows of a `RunsModel`, and gives the name its editor."""

    def __init__(
        self,
        model: RunsModel,
        controller: SamplingController,
        shown: RunView,
        comparison: RunComparison,
        theme: Theme,
    ) -> None:
        super().__init__(model)
        self._model = model
        self._controller = controller
        self._shown = shown
        self._comparison = comparison
        self._theme = theme
        self._pixmaps: dict[int, tuple[Frame, QPixmap]] = {}
        """Of each run, by its number, what is shown and the frame it was made of."""

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        """Leave room for a note where there is one."""
        run = index.data(RUN)
        note = NOTE_LINE if run is not None and (run.note or self._fleets(run)) else 0
        return QSize(0, max(3 * LINE + note, SIDE) + 2 * PAD)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """Draw a run."""
        run = index.data(RUN)
        if run is None:
            return
        painter.save()
        self._draw_ground(painter, option, run)
        place = QRect(option.rect.left() + PAD, option.rect.top() + PAD, SIDE, SIDE)
        ready = self._pixmap(run, painter.device().devicePixelRatioF())
        if ready is not None:
            painter.drawPixmap(place, ready)
        self._draw_lines(painter, option, run)
        painter.restore()

    def pin_rect(self, option: QStyleOptionViewItem) -> QRect:
        """Return where the pin of a run that is replaced soon is, in the view's pixels."""
        rect = self._text_rect(option)
        return QRect(rect.right() - SIGN, rect.top() + 3 * LINE, SIGN, SIGN)

    def editorEvent(
        self, event: QEvent, model: QAbstractItemModel, option: QStyleOptionViewItem, index: Index
    ) -> bool:
        """Pin a run whose pin is pressed."""
        run = index.data(RUN)
        pressed = event.type() is QEvent.Type.MouseButtonPress and isinstance(event, QMouseEvent)
        if run is not None and pressed and self._fleets(run):
            assert isinstance(event, QMouseEvent)
            left = event.button() is Qt.MouseButton.LeftButton
            if left and self._on_pin(option, event.position().toPoint()):
                self._controller.runs.pin(run, True)
                return True
        return super().editorEvent(event, model, option, index)

    def helpEvent(
        self,
        event: QHelpEvent,
        view: QAbstractItemView,
        option: QStyleOptionViewItem,
        index: Index,
    ) -> bool:
        """Say what the pin is for; of the rest of a row, what its run was told."""
        run = index.data(RUN)
        if run is not None and self._fleets(run) and self._on_pin(option, event.pos()):
            QToolTip.showText(event.globalPos(), "Keep this run: pin it", view)
            return True
        return super().helpEvent(event, view, option, index)

    def _on_pin(self, option: QStyleOptionViewItem, place: QPoint) -> bool:
        return self.pin_rect(option).adjusted(-4, -4, 4, 4).contains(place)

    def _fleets(self, run: Run) -> bool:
        """Return whether the next change replaces a run."""
        return run.live and not run.touched and run is self._controller.fleeting

    def createEditor(self, parent: QWidget, option: QStyleOptionViewItem, index: Index) -> QWidget:
        """Return a line to write the name in."""
        editor = QLineEdit(parent)
        editor.setProperty("role", "cell")
        run = index.data(RUN)
        editor.setPlaceholderText(f"Run {run.number}" if run is not None else "")
        return editor

    def setEditorData(self, editor: QWidget, index: Index) -> None:
        """Begin with the name that there is."""
        assert isinstance(editor, QLineEdit)
        editor.setText(index.data(Qt.ItemDataRole.EditRole))

    def updateEditorGeometry(
        self, editor: QWidget, option: QStyleOptionViewItem, index: Index
    ) -> None:
        """Put the line where the name is."""
        rect = self._text_rect(option)
        editor.setGeometry(rect.left() - 4, rect.top() - 2, rect.width(), LINE + 4)

    @Slot(object)
    def forget(self, run: Run) -> None:
        """Keep nothing of a run that has left the list."""
        self._pixmaps.pop(run.number, None)

    # --- parts ------------------------------------------------------------------------------

    def _draw_ground(self, painter: QPainter, option: QStyleOptionViewItem, run: Run) -> None:
        tokens, rect = self._theme.tokens, option.rect
        if option.state & QStyle.StateFlag.State_Selected:
            painter.fillRect(rect, QColor(tokens.hover))
        elif option.state & QStyle.StateFlag.State_MouseOver:
            painter.fillRect(rect, QColor(tokens.field))
        if run is self._shown.run or run in self._comparison.runs:
            painter.fillRect(rect.left(), rect.top(), BAR, rect.height(), QColor(tokens.accent))
        if option.state & QStyle.StateFlag.State_HasFocus:
            painter.setPen(QColor(tokens.accent))
            painter.drawRect(rect.adjusted(0, 0, -1, -1))

    def _text_rect(self, option: QStyleOptionViewItem) -> QRect:
        left = option.rect.left() + 2 * PAD + SIDE + 2
        return QRect(
            left,
            option.rect.top() + PAD - 1,
            option.rect.right() - PAD - left,
            option.rect.height(),
        )

    def _draw_lines(self, painter: QPainter, option: QStyleOptionViewItem, run: Run) -> None:
        tokens, rect = self._theme.tokens, self._text_rect(option)
        line = QRect(rect.left(), rect.top(), rect.width(), LINE)
        self._draw_title(painter, option, run, line)
        small = _font(option, 11)
        painter.setFont(small)
        line.translate(0, LINE)
        self._write(painter, line, self._model.summary(run), tokens.text)
        line.translate(0, LINE)
        self._write(painter, line, _end(run), self._colour(run))
        line.translate(0, LINE)
        if self._fleets(run):
            pin = self.pin_rect(option)
            icon("pin", tokens.accent).paint(painter, pin, mode=QIcon.Mode.Normal)
            self._write(painter, line.adjusted(0, 0, -SIGN - 4, 0), FLEETING, tokens.secondary)
        elif run.note:
            small.setItalic(True)
            painter.setFont(small)
            self._write(painter, line, run.note, tokens.secondary)

    def _draw_title(
        self, painter: QPainter, option: QStyleOptionViewItem, run: Run, line: QRect
    ) -> None:
        tokens, right = self._theme.tokens, line.right()
        if run.pinned:
            place = QRect(right - 12, line.top() + 1, SIGN, SIGN)
            icon("pin", tokens.accent).paint(painter, place, mode=QIcon.Mode.Normal)
            right -= 18
        painter.setFont(_font(option, 11, QFont.Weight.DemiBold))
        if run in self._comparison.runs:
            letter = LETTERS[self._comparison.runs.index(run)]
            painter.setPen(QColor(tokens.accent))
            painter.drawText(QRect(right - 12, line.top(), 13, LINE), _RIGHT, letter)
            right -= 18
        elif run is self._shown.run:
            painter.setFont(_font(option, 11))
            painter.setPen(QColor(tokens.secondary))
            painter.drawText(QRect(right - 60, line.top(), 61, LINE), _RIGHT, "on show")
            right -= 64
        painter.setFont(_font(option, 12, QFont.Weight.DemiBold))
        place = QRect(line.topLeft(), QSize(right - line.left(), LINE))
        self._write(painter, place, run.title, tokens.text)
        place.setLeft(place.left() + painter.fontMetrics().horizontalAdvance(run.title) + PAD)
        if place.width() > 2 * LINE:
            painter.setFont(_font(option, 11))
            self._write(painter, place, forked(run), tokens.secondary)

    def _write(self, painter: QPainter, rect: QRect, text: str, colour: str) -> None:
        painter.setPen(QColor(colour))
        fit = painter.fontMetrics().elidedText(text, _ELIDE, rect.width())
        painter.drawText(rect, _LEFT, fit)

    def _colour(self, run: Run) -> str:
        tokens = self._theme.tokens
        colours = {Outcome.FAILED: tokens.error, Outcome.STOPPED: tokens.warning}
        return colours.get(run.outcome, tokens.secondary)

    def _pixmap(self, run: Run, scale: float) -> QPixmap | None:
        """Return the first pictures of a run's newest step, None before there is one."""
        last = run.trajectory.last
        if last is None:
            return None
        frame, ready = self._pixmaps.get(run.number, (None, None))
        if frame is last and ready is not None and ready.devicePixelRatio() == scale:
            return ready
        side, how = round(SIDE * scale), Qt.TransformationMode.SmoothTransformation
        image = to_qimage(mosaic(last.x0_hat))
        keep = Qt.AspectRatioMode.IgnoreAspectRatio
        ready = QPixmap.fromImage(image.scaled(side, side, keep, how))
        ready.setDevicePixelRatio(scale)
        self._pixmaps[run.number] = last, ready
        return ready


def mosaic(batch: Pixels) -> Pixels:
    """Return the first pictures of a batch [B, H, W, 3] as one square picture, four at most."""
    side = min(math.isqrt(len(batch)), SHOWN)
    skip = max(batch.shape[1] // (2 * SIDE), 1)  # it is made anew while a run grows
    batch = batch[: side * side, ::skip, ::skip]
    rows = [
        np.concatenate(list(batch[row * side : (row + 1) * side]), axis=1) for row in range(side)
    ]
    return np.ascontiguousarray(np.concatenate(rows, axis=0))


def _end(run: Run) -> str:
    """Return how a run went, why it failed, and what was found out about it."""
    if run.outcome is Outcome.FAILED and run.message:
        return f"failed: {run.message}"
    parts = [figures(run)]
    if run.distance is not None:
        parts.append(f"Δ ref {spelled(run.distance.rms)}")
    if run.verdict is not None:
        parts.append("verified" if run.verdict.identical else "differs when run again")
    return " · ".join(parts)


def _font(
    option: QStyleOptionViewItem, size: int, weight: QFont.Weight = QFont.Weight.Normal
) -> QFont:
    font = QFont(option.font)
    font.setPixelSize(size)
    font.setWeight(weight)
    return font
