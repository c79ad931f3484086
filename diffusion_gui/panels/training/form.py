"""The form of a training: data, size, network, batch, learning rate, levels, and when it ends."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from PySide6.QtCore import QSignalBlocker, QSize, Signal, Slot
from PySide6.QtWidgets import QHBoxLayout, QWidget

from diffusion_gui.engine.denoisers.unet_config import parameters
from diffusion_gui.engine.training.options import Levels
from diffusion_gui.engine.training.params import LEVEL_TITLES
from diffusion_gui.engine.training.shapes import SHAPES, SIZES
from diffusion_gui.panels.common.combo import ElidedCombo
from diffusion_gui.panels.common.number_boxes import IntegerBox, NumberBox, show_number
from diffusion_gui.panels.common.widgets import GAP, Field
from diffusion_gui.panels.training.words import million
from diffusion_gui.session.training_plan import Source
from diffusion_gui.session.training_sets import emoji_places
from diffusion_gui.state.document import Document
from diffusion_gui.state.training_plans import TrainingPlans

CHOOSE, OPENED = "choose", "opened"
MINUTES, STEPS, ENDLESS = "minutes", "steps", "endless"
_UNITS = {MINUTES: "minutes", STEPS: "steps", ENDLESS: "until stopped"}
_FIRST = {MINUTES: 30, STEPS: 5000}
DATA = (
    "The pictures to learn from. Of the emoji every tenth is held out.\n"
    "A folder may hold class folders: their names are the captions. Drop one here."
)
FIXED = "A training that goes on keeps its network and its size: press New for others"


class TrainingForm(QWidget):
    """Shows and edits `plans.plan`; `folder_wished` when a folder is to be chosen.

    `model_wished(path)` when a training is to begin with the weights of a model.
    """

    folder_wished = Signal()
    model_wished = Signal(str)

    def __init__(self, plans: TrainingPlans, document: Document) -> None:
        super().__init__()
        self._plans, self._document = plans, document
        self._build()
        self._bind()
        self.show_plan()

    def _build(self) -> None:
        self.data = _combo("trainingDataCombo", 96)
        self.data_size = _combo("trainingSizeCombo", 68)
        self.shape = _combo("trainingNetworkCombo", 96)
        self.batch = IntegerBox(1, 4096)
        self.batch.setObjectName("trainingBatchSpin")
        self.rate = NumberBox(1e-7, 0.1, 7)
        self.rate.setObjectName("trainingRateSpin")
        self.levels = _combo("trainingLevelsCombo", 92, dict(LEVEL_TITLES.items()))
        self.amount = IntegerBox(1, 10**9)
        self.amount.setObjectName("trainingAmountSpin")
        self.unit = _combo("trainingUnitCombo", 84, _UNITS)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GAP)
        levels = (
            "Which noise levels are trained how often: ln σ normally distributed, as EDM does,\n"
            "or every t of the schedule in the editor alike, as DDPM does"
        )
        size = "Side of the pictures to learn, in pixels"
        network = (
            "How many numbers the network learns, random at first: more learn more, and slower.\n"
            "Or go on from a network that has learned already: it learns your pictures sooner"
        )
        rate = "Length of a step: it grows from 0 over the warm-up; too long, and the loss explodes"
        ends = "When the training ends by itself; Stop ends it at any time and loses nothing"
        self._size_field = Field("Size", self.data_size, size)
        self._shape_field = Field("Network", self.shape, network)
        for field, share in (
            (Field("Data", self.data, DATA), 120),
            (self._size_field, 70),
            (self._shape_field, 122),
            (Field("Batch", self.batch, "Pictures per step"), 60),
            (Field("Learning rate", self.rate, rate), 74),
            (Field("Noise levels", self.levels, levels), 108),
            (Field("Ends after", self.amount, ends), 64),
            (Field(" ", self.unit, ends), 94),
        ):
            row.addWidget(field, share)
        self._tips = size, network

    def _bind(self) -> None:
        self.data.activated.connect(self._on_data)
        self.data_size.activated.connect(self._on_size)
        self.shape.activated.connect(self._on_shape)
        self.batch.valueChanged.connect(lambda value: self._set_options(batch=value))
        self.rate.valueChanged.connect(lambda value: self._set_options(learning_rate=value))
        self.levels.activated.connect(
            lambda: self._set_options(levels=Levels(self.levels.currentData()))
        )
        self.amount.valueChanged.connect(self._on_end)
        self.unit.activated.connect(self._on_unit)
        self._plans.changed.connect(self.show_plan)
        self._plans.data_changed.connect(self.show_plan)
        self._document.pictures_changed.connect(self.show_plan)

    @Slot()
    def show_plan(self) -> None:
        """Show the plan; what cannot be changed now is disabled."""
        plan, fixed = self._plans.plan, self._plans.opened is not None
        self._fill_data()
        self._fill_shapes()
        sizes = sorted({*SIZES, plan.size})
        with QSignalBlocker(self.data_size):
            _fill(self.data_size, [(f"{size} px", str(size)) for size in sizes])
            self.data_size.setCurrentIndex(self.data_size.findData(str(plan.size)))
        for combo, value in (
            (self.levels, plan.options.levels),
            (self.unit, self._unit),
        ):
            with QSignalBlocker(combo):
                combo.setCurrentIndex(combo.findData(value))
        show_number(self.batch, plan.options.batch)
        show_number(self.rate, plan.options.learning_rate)
        show_number(self.amount, round(plan.minutes or plan.steps or 1))
        self.amount.setEnabled(self._unit != ENDLESS)
        self.setEnabled(not self._plans.locked)
        for control, tooltip in zip((self.data_size, self.shape), self._tips, strict=True):
            control.setEnabled(not fixed)
            control.setToolTip(FIXED if fixed else tooltip)

    @property
    def _unit(self) -> str:
        plan = self._plans.plan
        return MINUTES if plan.minutes is not None else STEPS if plan.steps else ENDLESS

    def _fill_data(self) -> None:
        plan, tray = self._plans.plan, len(self._document.experiment.pictures)
        rows: list[tuple[str, str]] = [
            (f"Emoji ({len(emoji_places(held_out=False)):,})", Source.EMOJI),
            (f"Tray ({tray:,})", Source.TRAY),
        ]
        if plan.folder:
            rows.append((plan.folder.rstrip("/\\").replace("\\", "/").split("/")[-1], "folder"))
        rows.append(("Choose a folder…", CHOOSE))
        with QSignalBlocker(self.data):
            _fill(self.data, rows)
            self.data.setCurrentIndex(self.data.findData(str(plan.source)))
        self.data.setToolTip(f"{plan.folder}\n{DATA}" if plan.folder else DATA)

    def _fill_shapes(self) -> None:
        plan = self._plans.plan
        words = self._plans.data.set.pictures.words if self._plans.data is not None else ()
        rows = []
        for key, shape in SHAPES.items():
            count = parameters(replace(shape.config(plan.size), words=words))
            rows.append((f"{shape.title} ({million(count)})", key))
        models = self._plans.models
        rows += [(f"{name}, trained, {size} px", str(path)) for name, path, size in models]
        chosen = plan.weights or plan.shape
        if self._plans.opened is not None:
            rows.append((f"Opened ({million(self._plans.parameters)})", OPENED))
            chosen = OPENED
        with QSignalBlocker(self.shape):
            _fill(self.shape, rows)
            self.shape.setCurrentIndex(self.shape.findData(chosen))

    def _set_options(self, **changes: Any) -> None:
        self._plans.change(options=replace(self._plans.plan.options, **changes))

    @Slot()
    def _on_data(self) -> None:
        chosen = self.data.currentData()
        if chosen == CHOOSE:
            self.show_plan()
            self.folder_wished.emit()
        else:
            self._plans.change(source=Source(chosen))

    @Slot()
    def _on_size(self) -> None:
        self._plans.change_shape(size=int(self.data_size.currentData()))

    @Slot()
    def _on_shape(self) -> None:
        chosen = self.shape.currentData()
        if chosen in SHAPES:
            self._plans.change_shape(shape=chosen)
        else:
            self.model_wished.emit(chosen)

    @Slot()
    def _on_end(self) -> None:
        self._plan_end(self.unit.currentData(), self.amount.value())

    @Slot()
    def _on_unit(self) -> None:
        unit = self.unit.currentData()
        self._plan_end(unit, _FIRST.get(unit, 1))

    def _plan_end(self, unit: str, amount: int) -> None:
        self._plans.change(
            minutes=float(amount) if unit == MINUTES else None,
            steps=amount if unit == STEPS else None,
        )

    def minimumSizeHint(self) -> QSize:
        """Ask for what the fields need at least."""
        return QSize(680, super().minimumSizeHint().height())


def _combo(name: str, width: int, items: dict[Any, str] | None = None) -> ElidedCombo:
    combo = ElidedCombo()
    combo.setObjectName(name)
    combo.setProperty("role", "close")
    combo.setMinimumWidth(width)
    for key, text in (items or {}).items():
        combo.addItem(text, key)
    return combo


def _fill(combo: ElidedCombo, rows: list[tuple[str, str]]) -> None:
    """Give a list its rows, text and data, without a flicker where they are the same."""
    there = [(combo.itemText(i), combo.itemData(i)) for i in range(combo.count())]
    if there != [(text, str(key)) for text, key in rows]:
        combo.clear()
        for text, key in rows:
            combo.addItem(text, str(key))
