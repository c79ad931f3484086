"""The form of the reverse process: model, data, sampler and its parameters, steps, count."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QSignalBlocker, QSize, Slot
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QWidget

from diffusion_gui.engine.denoisers import MODELS
from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.experiment import DATA_SIZES, EMOJI, MAX_COUNT, PICTURES
from diffusion_gui.engine.params import Values, known
from diffusion_gui.engine.samplers import SAMPLERS, Sampler
from diffusion_gui.engine.schedules import MAX_STEPS, SPACINGS, as_list, grid
from diffusion_gui.panels.common.combo import ElidedCombo
from diffusion_gui.panels.common.number_boxes import IntegerBox
from diffusion_gui.panels.common.params_form import ParamsForm
from diffusion_gui.panels.common.widgets import GAP, Field
from diffusion_gui.session.library import captions
from diffusion_gui.state.document import Document

PARAMS, PARAM_SHARE, PARAM_LEAST = 4, 70, 64
"""Where in the row the sampler's parameters stand; of each the share of the width, the least."""
SIZE = "Side of the model's square images, in pixels"
COUNT = f"Pictures drawn at once, 1 to {MAX_COUNT}"
DATA = "The images the model knows: the emoji, or all pictures in the tray of the image panel"
STEPS = "Number of model calls, at most T"
LISTED = "As many as the list of levels has: settings, Spacing"
KEPT = "A fork keeps the pictures of its run: take the fork away to set this"


class SettingsForm(QWidget):
    """Shows and edits `document.experiment.sampling`."""

    def __init__(self, document: Document) -> None:
        super().__init__()
        self._document = document
        self._build()
        self._bind()
        self._show()

    def _build(self) -> None:
        models, samplers = MODELS.items(), SAMPLERS.items()
        spacings = {key: row.title for key, row in SPACINGS.items()}
        self.model = _combo("modelCombo", {key: row.title for key, row in models}, 68)
        self.data = _combo("dataCombo", {EMOJI: "", PICTURES: ""}, 72)
        self.data_size = _combo("sizeCombo", {size: f"{size} px" for size in DATA_SIZES}, 70)
        self.sampler = _combo("samplerCombo", {key: row.title for key, row in samplers}, 76)
        self.params = ParamsForm()
        self.steps = IntegerBox(1, MAX_STEPS)
        self.steps.setObjectName("stepsSpin")
        self.steps.setMinimumWidth(54)
        self.spacing = _combo("spacingCombo", spacings, 78)
        self.count = IntegerBox(1, MAX_COUNT)
        self.count.setObjectName("countSpin")
        self.count.setMinimumWidth(46)
        row = self._row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GAP)
        spacing = "Which t are visited: trailing and linspace start at T, leading below it"
        for caption, control, tooltip, share in (
            ("Model", self.model, "\n".join(m.explanation for m in MODELS.values()), 96),
            ("Data", self.data, DATA, 118),
            ("Size", self.data_size, SIZE, 74),
            ("Sampler", self.sampler, "How 𝑥ₜ is turned into x at the next level", 106),
            ("", self.params, "", 0),
            ("Steps", self.steps, STEPS, 58),
            ("Spacing", self.spacing, spacing, 94),
            ("Count", self.count, COUNT, 54),
        ):
            row.addWidget(Field(caption, control, tooltip) if caption else control, share)

    def minimumSizeHint(self) -> QSize:
        """Ask for the fields alone: the sampler's parameters are in the drawer as well."""
        fields = [
            control.minimumSizeHint()
            for place in range(self._row.count())
            if (item := self._row.itemAt(place)) is not None
            and (control := item.widget()) is not None
            and control is not self.params
        ]
        wide = sum(field.width() for field in fields) + GAP * (len(fields) - 1)
        return QSize(wide, max(field.height() for field in fields))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Show the sampler's parameters where there is room for them."""
        super().resizeEvent(event)
        self._show_params()

    def _show_params(self) -> None:
        number = len(SAMPLERS[self._document.experiment.sampling.sampler].params)
        needed = self.minimumSizeHint().width() + number * (PARAM_LEAST + GAP)
        self.params.setVisible(number > 0 and (needed <= self.width() or not self.isVisible()))

    def _bind(self) -> None:
        self.model.activated.connect(self._on_model)
        self.data.activated.connect(self._on_data)
        self.data_size.activated.connect(self._on_size)
        self.sampler.activated.connect(self._on_sampler)
        self.spacing.activated.connect(self._on_spacing)
        self.params.edited.connect(self._on_params)
        self.params.finished.connect(self._document.end_gesture)
        self.steps.editingFinished.connect(self._document.end_gesture)
        self.count.editingFinished.connect(self._document.end_gesture)
        self.steps.valueChanged.connect(self._on_steps)
        self.count.valueChanged.connect(self._on_count)
        self._document.sampling_changed.connect(self._show)
        self._document.pictures_changed.connect(self._show)

    @Slot()
    def _show(self) -> None:
        sampling = self._document.experiment.sampling
        pictures = len(self._document.experiment.pictures)
        self.data.setItemText(0, f"Emoji ({len(captions()):,})")
        self.data.setItemText(1, f"Tray ({pictures})")
        listed = bool(SPACINGS[sampling.spacing].listed)
        self.steps.setEnabled(not listed)
        self.steps.setToolTip(LISTED if listed else STEPS)
        for combo, value in (
            (self.model, sampling.model),
            (self.data, sampling.data),
            (self.data_size, sampling.size),
            (self.sampler, sampling.sampler),
            (self.spacing, sampling.spacing),
        ):
            with QSignalBlocker(combo):
                combo.setCurrentIndex(combo.findData(value))
        for box, number in ((self.steps, sampling.steps), (self.count, sampling.count)):
            with QSignalBlocker(box):
                box.setValue(number)
        sampler = SAMPLERS[sampling.sampler]
        self.sampler.setToolTip(_describe(sampler))
        self.params.show_values(sampler.params, sampling.params)
        self._row.setStretch(PARAMS, PARAM_SHARE * len(sampler.params))
        self._show_params()
        forked = self._document.experiment.fork is not None
        for control, tooltip in ((self.data_size, SIZE), (self.count, COUNT)):
            control.setEnabled(not forked)
            control.setToolTip(KEPT if forked else tooltip)
        largest = self.data_size.model().item(len(DATA_SIZES) - 1)  # type: ignore[attr-defined]
        largest.setEnabled(sampling.data != EMOJI)  # the emoji end at 64 px

    def _change(self, text: str, merge_key: str = "", **changes: Any) -> None:
        self._document.replace_sampling(text, merge_key, **changes)

    @Slot()
    def _on_model(self) -> None:
        key = self.model.currentData()
        kept = known(MODELS[key].params, self._document.experiment.sampling.model_params)
        self._change("model", model=key, model_params=kept)

    @Slot()
    def _on_data(self) -> None:
        data, size = self.data.currentData(), self._document.experiment.sampling.size
        self._change("data", data=data, size=min(size, 64) if data == EMOJI else size)

    @Slot()
    def _on_size(self) -> None:
        self._change("size", size=self.data_size.currentData())

    @Slot()
    def _on_sampler(self) -> None:
        self._change("sampler", sampler=self.sampler.currentData(), params=())

    @Slot()
    def _on_spacing(self) -> None:
        """Take another spacing; one that is a list begins with what is visited now."""
        spacing, before = self.spacing.currentData(), self._document.experiment.sampling
        if not SPACINGS[spacing].listed:
            self._change("spacing", spacing=spacing, spacing_params=(), levels=())
            return
        schedule = self._document.schedule
        try:
            times = grid(
                schedule, before.steps, before.spacing, before.spacing_params, before.levels
            )
            levels = as_list(schedule, times[:-1], spacing)
        except EngineError:
            levels = ()  # there is nothing to begin with: what it needs is said
        steps = len(levels) or before.steps
        self._change("spacing", spacing=spacing, spacing_params=(), levels=levels, steps=steps)

    @Slot(object)
    def _on_params(self, values: Values) -> None:
        self._change("sampler parameters", "sampler-params", params=values)

    @Slot(int)
    def _on_steps(self, steps: int) -> None:
        self._change("steps", "steps", steps=steps)

    @Slot(int)
    def _on_count(self, count: int) -> None:
        self._change("count", "count", count=count)


def _describe(sampler: Sampler) -> str:
    """Return what a sampler is, where it is from, its order and its cost, for the tooltip."""
    calls = "one model call" if sampler.calls == 1 else f"{sampler.calls} model calls"
    noise = "fresh noise" if sampler.stochastic else "no fresh noise by default"
    return (
        f"{sampler.title} ({sampler.source})\n{sampler.explanation}\n"
        f"Order {sampler.order}, {calls} a step, {noise}."
    )


def _combo(name: str, items: dict[Any, str], width: int) -> ElidedCombo:
    combo = ElidedCombo()
    combo.setObjectName(name)
    combo.setProperty("role", "close")
    combo.setMinimumWidth(width)
    for key, text in items.items():
        combo.addItem(text, key)
    return combo
