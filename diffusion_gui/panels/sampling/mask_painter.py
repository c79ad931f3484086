"""The window in which a mask is painted: what of a picture is kept, and how the rest is drawn."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QSignalBlocker, Qt, Slot
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QButtonGroup,
    QDialog,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSlider,
    QVBoxLayout,
    QWidget,
)

from diffusion_gui.engine import masks
from diffusion_gui.engine.denoisers import MODELS
from diffusion_gui.engine.inpainting import EXACT, INPAINTING
from diffusion_gui.engine.masks import MASK_SIDE
from diffusion_gui.panels.common.combo import Combo
from diffusion_gui.panels.common.params_form import ParamsForm
from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.panels.common.widgets import GAP, PADDING, button, label
from diffusion_gui.panels.sampling.mask_canvas import LEAST, MOST, MaskCanvas
from diffusion_gui.panels.sampling.start_chip import name_of
from diffusion_gui.state.document import Document
from diffusion_gui.state.starts import Starts
from diffusion_gui.state.view_state import ViewState

STEPS = frozenset(
    (
        "paint the mask", "keep with the brush", "invert the mask", "no mask",
        "mask on another picture", "inpainting method", "inpainting",
    )
)  # fmt: skip
"""The texts of the undo steps that are made here: others are not to be undone by this window."""


class MaskPainter(QDialog):
    """Follows the document: every stroke, and everything else here, is an undo step of it."""

    def __init__(
        self, document: Document, view: ViewState, starts: Starts, theme: Theme, parent: QWidget
    ) -> None:
        super().__init__(parent)
        self.setObjectName("maskPainter")
        self.setWindowTitle("Keep a part of a picture, draw the rest anew")
        self._document = document
        self._view = view
        self._starts = starts
        self.canvas = MaskCanvas(theme)
        column = QVBoxLayout(self)
        column.setContentsMargins(PADDING, PADDING, PADDING, PADDING)
        column.setSpacing(GAP)
        column.addLayout(self._build_head())
        column.addWidget(self.canvas, 1)
        column.addLayout(self._build_tools())
        column.addLayout(self._build_whole())
        column.addLayout(self._build_method())
        self._bind()
        self._show()
        self._show_brush()
        self.canvas.setToolTip(
            "Left button: draw this anew. Right button: keep it. [ ] or the wheel: size of the"
            " brush.\nX: what the left button does. R: rectangles. Arrows move the brush by a"
            " pixel, with Shift by eight;\nSpace paints there."
        )
        self.canvas.setFocus()

    def _build_head(self) -> QHBoxLayout:
        self.summary = label("", "caption")
        self.move_mask = button("", "Lay the mask on the picture on show", "link")
        self.move_mask.setObjectName("moveMaskButton")
        row = QHBoxLayout()
        row.addWidget(self.summary, 1)
        row.addWidget(self.move_mask)
        return row

    def _build_tools(self) -> QHBoxLayout:
        self.redraw = self._chip("Draw anew", "redrawChip", "Left button: draw this anew (X)")
        self.keep = self._chip(
            "Keep", "keepChip", "Left button: keep this (X). The right button always does the other"
        )
        self.brush = self._chip("Brush", "brushChip", "A round brush (R)")
        self.rectangle = self._chip("Rectangle", "rectangleChip", "Rectangles (R)")
        self._groups = []
        row = QHBoxLayout()
        row.setSpacing(GAP // 2)
        for pair in ((self.redraw, self.keep), (self.brush, self.rectangle)):
            group = QButtonGroup(self)
            for chip in pair:
                group.addButton(chip)
                row.addWidget(chip)
            self._groups.append(group)
            row.addSpacing(GAP)
        self.size_slider = QSlider(Qt.Orientation.Horizontal)
        self.size_slider.setObjectName("brushSizeSlider")
        self.size_slider.setAccessibleName("Size of the brush")
        self.size_slider.setToolTip("Diameter of the brush: [ and ], or the wheel on the picture")
        self.size_slider.setRange(LEAST, MOST)
        self.size_text = label("", "caption")
        self.size_text.setMinimumWidth(40)
        row.addWidget(label("size", "caption"))
        row.addWidget(self.size_slider, 1)
        row.addWidget(self.size_text)
        return row

    def _chip(self, text: str, name: str, tooltip: str) -> QPushButton:
        chip = button(text, tooltip, "chip")
        chip.setObjectName(name)
        chip.setCheckable(True)
        return chip

    def _build_whole(self) -> QHBoxLayout:
        self.clear = button("Clear", "Keep all of the picture: no mask")
        self.clear.setObjectName("clearMaskButton")
        self.invert = button("Invert", "Keep what is drawn anew, and the other way round")
        self.invert.setObjectName("invertMaskButton")
        self.undo = button("Undo", "Take the last stroke back (Ctrl+Z)")
        self.undo.setObjectName("undoStrokeButton")
        self.redo = button("Redo", "Do it again (Ctrl+Shift+Z)")
        self.redo.setObjectName("redoStrokeButton")
        row = QHBoxLayout()
        row.setSpacing(GAP)
        for widget in (self.clear, self.invert, self.undo, self.redo):
            widget.setAutoDefault(False)
            row.addWidget(widget)
        row.addStretch(1)
        self.close_button = button("Done", "Close; the mask stays (Esc)", "accent")
        self.close_button.setObjectName("maskDoneButton")
        self.close_button.setAutoDefault(False)  # Enter in a field below ends no painting
        self.close_button.clicked.connect(self.accept)
        row.addWidget(self.close_button)
        return row

    def _build_method(self) -> QVBoxLayout:
        self.method = Combo()
        self.method.setObjectName("inpaintMethodCombo")
        self.method.setAccessibleName("How the rest is drawn")
        for key, row in INPAINTING.items():
            self.method.addItem(f"{row.title}  ({row.source})", key)
            place = self.method.count() - 1
            self.method.setItemData(place, row.explanation, Qt.ItemDataRole.ToolTipRole)
        self.explanation = QLabel()
        self.explanation.setProperty("role", "caption")
        self.explanation.setWordWrap(True)
        self.params = ParamsForm()
        column = QVBoxLayout()
        column.setSpacing(GAP // 2)
        column.addWidget(self.method)
        column.addWidget(self.explanation)
        column.addWidget(self.params)
        return column

    def _bind(self) -> None:
        starts, canvas, history = self._starts, self.canvas, self._document.history
        canvas.stroked.connect(starts.set_mask)
        canvas.brush_changed.connect(self._show_brush)
        self.size_slider.valueChanged.connect(canvas.set_size)
        for chip, wish in (
            (self.redraw, lambda: canvas.set_keeps(False)),
            (self.keep, lambda: canvas.set_keeps(True)),
            (self.brush, lambda: canvas.set_rectangular(False)),
            (self.rectangle, lambda: canvas.set_rectangular(True)),
        ):
            chip.clicked.connect(wish)
        self.clear.clicked.connect(starts.keep_nothing)
        self.invert.clicked.connect(lambda: starts.set_mask(~starts.mask, "invert the mask"))
        self.undo.clicked.connect(history.undo)
        self.redo.clicked.connect(history.redo)
        QShortcut(QKeySequence.StandardKey.Undo, self, history.undo)
        QShortcut(QKeySequence.StandardKey.Redo, self, history.redo)
        self.move_mask.clicked.connect(lambda: starts.move_mask(self._view.picture))
        self.method.activated.connect(lambda: starts.set_method(self.method.currentData()))
        self.method.activated.connect(self._show)
        self.params.edited.connect(starts.set_params)
        self.params.finished.connect(starts.end_gesture)
        for changed in (
            self._document.sampling_changed, self._document.pictures_changed,
            self._document.forward_changed, self._view.picture_changed, starts.square_arrived,
            history.moved,
        ):  # fmt: skip
            changed.connect(self._show)

    # --- what is on show ------------------------------------------------------------------------

    @Slot()
    def _show(self) -> None:
        starts, picture = self._starts, self._starts.masked_picture
        pixels = starts.square(picture) if picture else None
        waiting = "reading the picture" if picture else "choose a picture in the tray"
        if picture and starts.unreadable(picture):
            waiting = "this picture cannot be read: choose another in the tray"
        self.canvas.set_picture(pixels, waiting)
        if not self.canvas.painting:
            self.canvas.set_mask(starts.mask)
        self._show_summary()
        other = self._view.picture
        self.move_mask.setVisible(
            bool(other) and starts.inpaint is not None and other != starts.inpaint.picture
        )
        self.move_mask.setText(f"move to {name_of(self._document, other)}")
        self._show_method()
        self.clear.setEnabled(starts.inpaint is not None)
        history = self._document.history
        for widget, verb, text, keys in (
            (self.undo, "Undo", history.undo_text, "Ctrl+Z"),
            (self.redo, "Redo", history.redo_text, "Ctrl+Shift+Z"),
        ):
            widget.setEnabled(text in STEPS)
            widget.setToolTip(
                f"{verb} {text} ({keys})" if text in STEPS else f"Nothing to {verb.lower()} here"
            )

    def _show_summary(self) -> None:
        starts, size = self._starts, self._document.experiment.sampling.size
        if not starts.masked_picture:
            self.summary.setText("")
            return
        name = name_of(self._document, starts.masked_picture)
        if starts.inpaint is None:
            self.summary.setText(
                f"{name}: all is kept. Paint what is to be drawn anew;"
                " every stroke takes effect at once"
            )
            return
        kept = masks.at_size(starts.mask, size)
        self.summary.setText(
            f"{name}: {kept.size - kept.sum():,} of {kept.size:,} pixels are drawn anew,"
            " the others kept"
        )

    def _show_method(self) -> None:
        starts, model = self._starts, self._document.experiment.sampling.model
        row = INPAINTING[starts.method]
        able = MODELS[model].conditions
        with QSignalBlocker(self.method):
            self.method.setCurrentIndex(self.method.findData(starts.method))
        item = self.method.model().item(self.method.findData(EXACT))  # type: ignore[attr-defined]
        item.setEnabled(able or starts.method == EXACT)
        text = row.explanation
        if starts.method == EXACT and not able:
            text = f"{MODELS[model].title} has no posterior in closed form: choose RePaint"
        elif not able:
            names = " and ".join(one.title for one in MODELS.values() if one.conditions)
            text += f" Exact conditioning goes with {names}."
        self.explanation.setText(text)
        self.params.show_values(row.params, starts.params)

    @Slot()
    def _show_brush(self) -> None:
        canvas = self.canvas
        self.redraw.setChecked(not canvas.keeps)
        self.keep.setChecked(canvas.keeps)
        self.brush.setChecked(not canvas.rectangular)
        self.rectangle.setChecked(canvas.rectangular)
        with QSignalBlocker(self.size_slider):
            self.size_slider.setValue(canvas.size_of_brush)
        self.size_slider.setEnabled(not canvas.rectangular)
        size = self._document.experiment.sampling.size
        self.size_text.setText(f"{np.round(canvas.size_of_brush * size / MASK_SIDE, 1):g} px")
