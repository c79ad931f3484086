"""The form of the reverse process: model, data, sampler and its parameters, steps, count."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QSignalBlocker, QSize, Signal, Slot
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QWidget

from diffusion_gui.engine.denoisers import LEARNED, NEURAL
from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.experiment import EMOJI, MAX_COUNT, PICTURES, NetworkRef, Sampling
from diffusion_gui.engine.params import Values
from diffusion_gui.engine.planning import uses_data
from diffusion_gui.engine.samplers import SAMPLERS, Sampler
from diffusion_gui.engine.schedules import MAX_STEPS, SPACINGS, as_list, grid
from diffusion_gui.panels.common.combo import ElidedCombo
from diffusion_gui.panels.common.number_boxes import IntegerBox
from diffusion_gui.panels.common.params_form import ParamsForm
from diffusion_gui.panels.common.widgets import GAP, Field, button
from diffusion_gui.panels.sampling.model_combo import EXPLAINED, ModelCombo
from diffusion_gui.panels.sampling.size_combo import KEPT, SIZE, SizeCombo
from diffusion_gui.panels.sampling.told_fields import ToldFields
from diffusion_gui.session.library import captions
from diffusion_gui.state import model_choice
from diffusion_gui.state.data_labels import DataLabels
from diffusion_gui.state.document import Document
from diffusion_gui.state.networks import Networks

PARAMS, PARAM_SHARE, PARAM_LEAST = 5, 70, 64
"""Where in the row the sampler's parameters stand; of each the share of the width, the least."""
ROOMY = 720
"""Width from which on the size of a network, which cannot be chosen, stands beside its caption."""
CAPTION_ROOM = 140
"""Pixels more than its least that a caption has before the sampler's parameters come."""
COUNT = f"Pictures drawn at once, 1 to {MAX_COUNT}"
DATA = "The images the model knows: the emoji, or all pictures in the tray of the image panel"
NO_DATA = (
    "A trained network knows no images. Only guidance away from a closed form needs them:\n"
    "see Settings, Guidance."
)
STEPS = "Number of model calls, at most T"
LISTED = "As many as the list of levels has: settings, Spacing"


class SettingsForm(QWidget):
    """Shows and edits `document.experiment.sampling`.

    `sample_wished` when a caption is entered, `refused(line)` with why one cannot be;
    `network_wished` when one from a file is to be opened.
    """

    sample_wished = Signal()
    refused = Signal(str)
    network_wished = Signal()

    def __init__(self, document: Document, networks: Networks, labels: DataLabels) -> None:
        super().__init__()
        self._document = document
        self._networks = networks
        self._labels = labels
        self._build()
        self._bind()
        self._show()

    def _build(self) -> None:
        samplers = SAMPLERS.items()
        spacings = {key: row.title for key, row in SPACINGS.items()}
        self.model = ModelCombo(self._networks)
        self.open_network = button(
            "Open…", "Open a network: a checkpoint of yours (Ctrl+Shift+N)", "caption-link"
        )
        self.open_network.setObjectName("openNetworkButton")
        self.told = ToldFields(self._document)
        self.data = _combo("dataCombo", {EMOJI: "", PICTURES: ""}, 72)
        self.data_size = SizeCombo("sizeCombo", 70)
        self.data_size.setProperty("role", "close")
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
            ("Model", self.model, EXPLAINED, 128),
            ("", self.told, "", 350),
            ("Data", self.data, DATA, 118),
            ("Size", self.data_size, SIZE, 74),
            ("Sampler", self.sampler, "How 𝑥ₜ is turned into x at the next level", 106),
            ("", self.params, "", 0),
            ("Steps", self.steps, STEPS, 58),
            ("Spacing", self.spacing, spacing, 94),
            ("Count", self.count, COUNT, 54),
        ):
            action = self.open_network if control is self.model else None
            field = Field(caption, control, tooltip, action) if caption else control
            row.addWidget(field, share)
            if control is self.data:
                self._data_field = field
            elif control is self.data_size:
                self._size_field = field

    def minimumSizeHint(self) -> QSize:
        """Ask for the fields alone: the sampler's parameters are in the drawer as well."""
        fields = [
            control.minimumSizeHint()
            for place in range(self._row.count())
            if (item := self._row.itemAt(place)) is not None
            and (control := item.widget()) is not None
            and control is not self.params
            and not control.isHidden()
        ]
        wide = sum(field.width() for field in fields) + GAP * (len(fields) - 1)
        return QSize(wide, max(field.height() for field in fields))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Show the sampler's parameters where there is room for them."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        """Show what there is room for: the size of a network, the sampler's parameters."""
        roomy = self.told.isHidden() or self.data_size.isEnabled() or self.width() >= ROOMY
        self._size_field.setVisible(roomy)
        number = len(SAMPLERS[self._document.experiment.sampling.sampler].params)
        room = self.minimumSizeHint().width() + (0 if self.told.isHidden() else CAPTION_ROOM)
        needed = room + number * (PARAM_LEAST + GAP)
        self.params.setVisible(number > 0 and (needed <= self.width() or not self.isVisible()))

    def _bind(self) -> None:
        self.model.wished.connect(self._on_model)
        self.open_network.clicked.connect(self.network_wished)
        self.told.entered.connect(self.sample_wished)
        self.told.refused.connect(self.refused)
        self._networks.changed.connect(self._show)
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
        self.model.show_model(sampling)
        self._show_network(sampling)
        for combo, value in (
            (self.data, sampling.data),
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
        self._fit()
        forked = self._document.experiment.fork is not None
        self.count.setEnabled(not forked)
        self.count.setToolTip(KEPT if forked else COUNT)

    def _show_network(self, sampling: Sampling) -> None:
        """Show what the document's network is told and draws; of a closed form what it knows."""
        learned = sampling.model in LEARNED
        about = self._networks.about(sampling.network) if learned else None
        self.told.show_network(about)
        self.data_size.show_size(self._document.experiment, about)
        needs_data = uses_data(sampling)
        self.data.setEnabled(needs_data)
        self.data.setToolTip(DATA if needs_data else NO_DATA)
        self._data_field.setVisible(needs_data or self.told.isHidden())

    def _change(self, text: str, merge_key: str = "", **changes: Any) -> None:
        self._document.replace_sampling(text, merge_key, **changes)

    @Slot(str, object)
    def _on_model(self, key: str, ref: NetworkRef | None) -> None:
        experiment = self._document.experiment
        if key == NEURAL:
            changes = model_choice.network(experiment, ref, self._networks.about(ref))
        else:
            changes = model_choice.closed_form(experiment, key, self._labels.of(experiment))
        self._change("model", **changes)

    @Slot()
    def _on_data(self) -> None:
        data, sampling = self.data.currentData(), self._document.experiment.sampling
        fits = sampling.model in LEARNED or data != EMOJI
        self._change("data", data=data, size=sampling.size if fits else min(sampling.size, 64))

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
            learned = before.model in LEARNED
            about = self._networks.about(before.network) if learned else None
            self._change(
                "spacing", **model_choice.spacing(self._document.experiment, spacing, about)
            )
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
