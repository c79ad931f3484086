"""The form of a checkpoint: what it is, whether it does what it says, and how it is called."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from PySide6.QtCore import QSignalBlocker, Qt, Signal, Slot
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QGridLayout,
    QHBoxLayout,
    QVBoxLayout,
    QWidget,
)

from diffusion_gui.engine.checkpoint_use import (
    AVERAGED,
    SIZES,
    TRAINED,
    WORDS,
    Clock,
    PixelRange,
    Use,
    candidates,
    form_of,
    pixel_scale,
)
from diffusion_gui.engine.numerals import spelled
from diffusion_gui.engine.predictions import Prediction
from diffusion_gui.engine.schedules import PRESETS, ScheduleSpec
from diffusion_gui.panels.common.number_boxes import IntegerBox, show_number
from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.panels.common.widgets import GAP, PADDING, ElidedLabel, Field, button, label
from diffusion_gui.panels.sampling.checkpoint_answer import PIXELS, CheckpointAnswer, digits
from diffusion_gui.panels.sampling.checkpoint_preview import CheckpointPreview
from diffusion_gui.state.checkpoint_opening import CheckpointOpening
from diffusion_gui.state.document import Document

WIDTH = 720
"""In pixels."""
COLUMNS = 4
_WEIGHTS = {AVERAGED: "Averaged (EMA)", TRAINED: "As trained"}


class CheckpointDialog(QDialog):
    """Shows what `opening` has; `wished(with_schedule)` when Open is pressed."""

    wished = Signal(bool)

    def __init__(
        self, opening: CheckpointOpening, document: Document, theme: Theme, parent: QWidget
    ) -> None:
        super().__init__(parent)
        self.setObjectName("checkpointDialog")
        self.setWindowTitle("Open a network")
        self.setMinimumWidth(WIDTH)
        self._opening, self._document, self._theme = opening, document, theme
        self.name, self.what = label("", "title"), ElidedLabel("caption")
        self.name.setTextFormat(Qt.TextFormat.PlainText)
        self.answer = CheckpointAnswer(opening, theme)
        self.preview = CheckpointPreview(theme)
        self.notes = label("", "caption")
        self.notes.setTextFormat(Qt.TextFormat.PlainText)
        self.notes.setWordWrap(True)
        self.problem = label("", "problem")
        self.problem.setTextFormat(Qt.TextFormat.PlainText)
        self.problem.setWordWrap(True)
        self._build()
        self._bind()
        self._fill()
        self._show()
        self.prediction.setFocus()

    # --- building -----------------------------------------------------------------------------

    def _build(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(PADDING, PADDING, PADDING, PADDING)
        column.setSpacing(GAP)
        head = QVBoxLayout()
        head.setSpacing(2)
        for widget in (self.name, self.what):
            head.addWidget(widget)
        column.addLayout(head)
        column.addWidget(self.answer)
        column.addWidget(self.preview)
        column.addLayout(self._build_fields())
        for widget in (self.notes, self.problem):
            column.addWidget(widget)
        column.addLayout(self._build_buttons())
        column.addStretch(1)

    def _build_fields(self) -> QGridLayout:
        self.prediction, self.pixels = _combo("checkpointPredictionCombo"), QComboBox()
        self.weights, self.schedule = QComboBox(), _combo("checkpointScheduleCombo")
        self.no_class, self.clip = QComboBox(), QComboBox()
        self.clip.setObjectName("checkpointClipCombo")
        self.pixels.setObjectName("checkpointPixelsCombo")
        self.weights.setObjectName("checkpointWeightsCombo")
        self.no_class.setObjectName("checkpointNoClassCombo")
        self.size_box = IntegerBox(*SIZES)
        self.size_box.setObjectName("checkpointSizeSpin")
        self.size_box.setSuffix(" px")
        rows: tuple[tuple[str, QWidget, str], ...] = (
            ("Predicts", self.prediction, "What the network gives: noise ε, velocity v, the picture"
             " x₀ or the score −ε/s.\nThe numbers are the correlation with what it would have to"
             " give: 1 at best"),
            ("Its pictures", self.pixels, "The numbers between which the network saw its training"
             " pictures, from black to white"),
            ("Trained with", self.schedule, "The schedule of its training: tells it any level of"
             " yours by its signal-to-noise ratio"),
            ("Size", self.size_box, "Side of the pictures that it draws, in pixels"),
            ("Estimates", self.clip, "Whether 𝑥̂₀ is held between −1 and 1, where pictures lie: its"
             " own library does so\nwhere the file says it. Errors at high noise grow less then"),
            ("Weights", self.weights, "The moving average of the weights (EMA), which draws better,"
             " or those of the last step"),
            ("Without a class", self.no_class, "What it is told where no class is asked for: the"
             " mean of what it knows of all,\nor the class that was kept for it in training"),
        )  # fmt: skip
        self.fields = {caption: Field(caption, widget, tip) for caption, widget, tip in rows}
        self._grid = QGridLayout()
        self._grid.setSpacing(GAP)
        for column in range(COLUMNS):
            self._grid.setColumnStretch(column, 1)
        return self._grid

    def _build_buttons(self) -> QHBoxLayout:
        self.with_schedule = QCheckBox("Take its schedule into the editor")
        self.with_schedule.setObjectName("checkpointScheduleBox")
        self.with_schedule.setToolTip(
            "Sample by the schedule it was trained with: no step lies outside what it knows"
        )
        self.cancel = button("Cancel", "Close without opening it (Esc)")
        self.cancel.setAutoDefault(False)
        self.open_button = button("Open", "Put it into the list of models and choose it", "accent")
        self.open_button.setObjectName("checkpointOpenButton")
        self.open_button.setDefault(True)
        row = QHBoxLayout()
        row.setSpacing(GAP)
        row.addWidget(self.with_schedule)
        row.addStretch(1)
        row.addWidget(self.cancel)
        row.addWidget(self.open_button)
        return row

    def _bind(self) -> None:
        for combo in (
            self.prediction, self.pixels, self.weights, self.schedule, self.clip, self.no_class
        ):  # fmt: skip
            combo.activated.connect(self._choose)
        self.size_box.valueChanged.connect(self._choose)
        self.cancel.clicked.connect(self.reject)
        self.open_button.clicked.connect(self._accept)
        self._opening.changed.connect(self._show)
        self._opening.taken.connect(self.accept)
        self.rejected.connect(self._opening.close)
        self._theme.changed.connect(self._show)

    def _fill(self) -> None:
        """Fill what does not change while the form is open."""
        found = self._opening.checkpoint
        assert found is not None
        self.name.setText(found.name)
        for name in found.weights:
            self.weights.addItem(_WEIGHTS[name], name)
        for value, text in PIXELS.items():
            self.pixels.addItem(text, value)
        for clip, text in ((True, "Held in −1 to 1"), (False, "As they are")):
            self.clip.addItem(text, clip)
        own, current = found.use.schedule, self._document.experiment.schedule
        if found.has_schedule:
            self.schedule.addItem(f"Its own ({own.T:,} steps)", own)
        self.schedule.addItem(f"That of the editor ({current.T:,} steps)", current)
        for name, preset in PRESETS.items():
            self.schedule.addItem(preset.title, ScheduleSpec(name))
        self.no_class.addItem("The mean of all classes", -1)
        for number, name in enumerate(found.classes):
            self.no_class.addItem(f"The class {name}", number)
        left_out = {"Weights": len(found.weights) == 1, "Without a class": not found.classes}
        for name in (name for name, out in left_out.items() if out):
            self.fields[name].setParent(self)
            self.fields[name].hide()
        there = [field for name, field in self.fields.items() if not left_out.get(name)]
        for place, field in enumerate(there):
            self._grid.addWidget(field, place // COLUMNS, place % COLUMNS)
        self.size_box.setSingleStep(found.halvings)
        self.notes.setText("\n".join(found.notes))
        self.notes.setVisible(bool(found.notes))
        self.with_schedule.setChecked(found.has_schedule)

    # --- what is chosen -----------------------------------------------------------------------

    @Slot()
    def _choose(self) -> None:
        found = self._opening.checkpoint
        if found is None:
            return
        spec = self.schedule.currentData()
        use = replace(
            self._opening.use,
            prediction=Prediction(self.prediction.currentData()),  # Qt makes it a str
            pixels=PixelRange(self.pixels.currentData()),
            weights=self.weights.currentData(),
            schedule=spec,
            edm=found.use.edm and spec == found.use.schedule,
            size=self.size_box.value(),
            clip=self.clip.currentData(),
            no_class=self.no_class.currentData(),
        )
        if use.prediction not in candidates(form_of(use)):
            use = replace(use, prediction=candidates(form_of(use))[0])
        self._opening.set_use(use)

    @Slot()
    def _accept(self) -> None:
        self.size_box.interpretText()
        if self._opening.ready:
            self.wished.emit(self.with_schedule.isChecked())

    # --- what is shown ------------------------------------------------------------------------

    @Slot()
    def _show(self) -> None:
        opening = self._opening
        found, use = opening.checkpoint, opening.use
        if found is None:
            return
        low, high = (pixel_scale(use, found.channels) * sigma for sigma in Clock(use).sigmas)
        grey = ", grey" if found.channels == 1 else ""
        self.what.setText(
            f"{found.kind}, {found.parameters / 1e6:.3g} M parameters, {use.size} × {use.size} px"
            f"{grey}, trained for σ {spelled(low)} to {spelled(high)}"
        )
        self._show_fields(use)
        said = self.answer.show_answer(use)
        self.preview.show_answers(opening.sanity, use)
        self.open_button.setText("Open" if said in ("", "yes") else "Open anyway")
        self.problem.setText(opening.problem)
        self.problem.setVisible(bool(opening.problem))
        self.open_button.setEnabled(opening.ready)

    def _show_fields(self, use: Use) -> None:
        kinds = candidates(form_of(use))
        with QSignalBlocker(self.prediction):
            self.prediction.clear()
            for kind in kinds:
                self.prediction.addItem(self._called(kind, use), kind)
        for combo, value in (
            (self.prediction, use.prediction),
            (self.pixels, use.pixels),
            (self.weights, use.weights),
            (self.schedule, use.schedule),
            (self.clip, use.clip),
            (self.no_class, use.no_class),
        ):
            _show_choice(combo, value)
        show_number(self.size_box, use.size)

    def _called(self, kind: Prediction, use: Use) -> str:
        sanity = self._opening.sanity
        name = WORDS[kind].removeprefix("the ").capitalize()
        if sanity is None:
            return name
        return f"{name} ({digits(sanity.score(replace(use, prediction=kind)))})"


def _combo(name: str) -> QComboBox:
    combo = QComboBox()
    combo.setObjectName(name)
    combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    combo.setMinimumContentsLength(14)
    return combo


def _show_choice(combo: QComboBox, value: Any) -> None:
    place = next((n for n in range(combo.count()) if combo.itemData(n) == value), -1)
    if combo.currentIndex() != place:
        with QSignalBlocker(combo):
            combo.setCurrentIndex(place)
