"""The drawer of all sampling settings, in sections built from the rows of the registries."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from PySide6.QtCore import QSignalBlocker, Qt, Slot
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from diffusion_gui.engine.denoisers import CLOSED_FORMS, LEARNED, MODELS
from diffusion_gui.engine.experiment import MAX_COUNT, MAX_SEED
from diffusion_gui.engine.forecast import Part
from diffusion_gui.engine.guidance import GUIDANCE
from diffusion_gui.engine.params import Values, known, pack
from diffusion_gui.engine.samplers import RESTART_PARAMS, SAMPLERS
from diffusion_gui.engine.schedules import SPACINGS
from diffusion_gui.panels.common.combo import Combo
from diffusion_gui.panels.common.number_boxes import IntegerBox
from diffusion_gui.panels.common.param_rows import CAPTION, FIELD, ParamRows
from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.panels.common.widgets import GAP, label
from diffusion_gui.panels.sampling.levels_row import LevelsRow
from diffusion_gui.panels.sampling.model_fields import ModelFields
from diffusion_gui.panels.sampling.section import Section
from diffusion_gui.panels.sampling.settings_form import COUNT
from diffusion_gui.panels.sampling.size_combo import KEPT, SizeCombo
from diffusion_gui.state.document import Document
from diffusion_gui.state.forecast import Forecaster, sentence
from diffusion_gui.state.settings import Settings

WIDTH = 264
ITSELF_ON_ALL, ITSELF_UNTOLD = "Same model, all images", "Same model, told nothing"
"""What guidance leads away from, if it is no other model."""


class SettingsDrawer(QScrollArea):
    """Shows and edits `document.experiment.sampling`, every setting of it."""

    def __init__(
        self, document: Document, forecaster: Forecaster, settings: Settings, theme: Theme
    ) -> None:
        super().__init__()
        self._document = document
        self._forecaster = forecaster
        self._settings = settings
        self._theme = theme
        self._restart: Values = pack({row.name: row.default for row in RESTART_PARAMS})
        self.setObjectName("settingsDrawer")
        self.setAccessibleName("Sampling settings")
        self.setProperty("role", "drawer")
        self.setFixedWidth(WIDTH)
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        inside = QWidget()
        inside.setProperty("role", "drawer")
        self._column = QVBoxLayout(inside)
        self._column.setContentsMargins(0, 0, GAP, 0)
        self._column.setSpacing(4)
        self.sections: dict[str, Section] = {}
        self._build_model()
        self._build_guidance()
        self._build_sampler()
        self._build_spacing()
        self._build_restart()
        self._build_pictures()
        self._column.addStretch(1)
        self.setWidget(inside)
        self._bind()
        self._show()
        self._show_problems()

    # --- building -----------------------------------------------------------------------------

    def _section(self, key: str, title: str) -> Section:
        section = self.sections[key] = Section(key, title, self._theme)
        section.heading.setChecked(key in self._settings.drawer_sections)
        section.folded.connect(self._on_folded)
        self._column.addWidget(section)
        return section

    def _build_model(self) -> None:
        section = self._section(Part.MODEL, "Model")
        self.model = ModelFields()
        self.model.label_picker.picked.connect(lambda wish: self._change("label", label=wish))
        section.column.addWidget(self.model)

    def _build_guidance(self) -> None:
        section = self._section(Part.GUIDANCE, "Guidance")
        self.guidance = _combo(
            "guidanceCombo",
            {"": "None", **{key: row.title for key, row in GUIDANCE.items()}},
            "How the estimate is moved away from a second one",
        )
        self.against = _combo(
            "againstCombo",
            {"": ITSELF_ON_ALL, **{key: row.title for key, row in CLOSED_FORMS.items()}},
            "What the estimate is moved away from: the same model without the label,\n"
            "or a worse model of the same images (autoguidance)",
        )
        self.guidance_text = _text()
        self.guidance_params = ParamRows("guidance")
        section.column.addLayout(_row("method", self.guidance))
        section.column.addWidget(self.guidance_text)
        self._against_row = QWidget()
        row = _row("away from", self.against)
        row.setContentsMargins(0, 0, 0, 0)
        self._against_row.setLayout(row)
        section.column.addWidget(self._against_row)
        section.column.addWidget(self.guidance_params)

    def _build_sampler(self) -> None:
        section = self._section(Part.SAMPLER, "Sampler")
        self.sampler_text = _text()
        self.sampler_params = ParamRows("sampler")
        section.column.addWidget(self.sampler_text)
        section.column.addWidget(self.sampler_params)

    def _build_spacing(self) -> None:
        section = self._section(Part.SPACING, "Spacing")
        self.spacing_text = _text()
        self.spacing_params = ParamRows("spacing")
        section.column.addWidget(self.spacing_text)
        self.levels = LevelsRow(self._document)
        section.column.addWidget(self.levels)
        section.column.addWidget(self.spacing_params)

    def _build_restart(self) -> None:
        section = self._section(Part.RESTART, "Restart")
        self.restart = QCheckBox("Go back up and solve again")
        self.restart.setObjectName("restartCheck")
        self.restart.setToolTip(
            "Restart sampling (Xu et al. 2023): at one σ add noise up to another\n"
            "and solve the way down again: fewer errors, more model calls"
        )
        self.restart_params = ParamRows("restart")
        section.column.addWidget(self.restart)
        section.column.addWidget(self.restart_params)

    def _build_pictures(self) -> None:
        section = self._section(Part.PICTURES, "Pictures")
        self.count = IntegerBox(1, MAX_COUNT)
        self.picture_size = SizeCombo("drawerSizeCombo", FIELD)
        self.seed = IntegerBox(0, MAX_SEED)
        for box, name, tooltip in (
            (self.count, "drawerCountSpin", COUNT),
            (self.seed, "drawerSeedSpin", "Seed of all noise, as in the toolbar"),
        ):
            box.setObjectName(name)
            box.setToolTip(tooltip)
        for caption, control in (
            ("count", self.count), ("size", self.picture_size), ("seed", self.seed),
        ):  # fmt: skip
            section.column.addLayout(_row(caption, control))

    def _bind(self) -> None:
        document = self._document
        self.levels.said.connect(self._show_levels_problem, Qt.ConnectionType.QueuedConnection)
        self.guidance.activated.connect(self._on_guidance)
        self.against.activated.connect(self._on_against)
        self.guidance_params.edited.connect(self._on_guidance_params)
        for rows, text, field in (
            (self.model.params, "model parameters", "model_params"),
            (self.sampler_params, "sampler parameters", "params"),
            (self.spacing_params, "spacing parameters", "spacing_params"),
            (self.restart_params, "restart parameters", "restart"),
        ):
            rows.edited.connect(
                lambda values, text=text, field=field: self._change(
                    text, text.replace(" ", "-"), **{field: values}
                )
            )
        for part in (
            self.model.params, self.guidance_params, self.sampler_params, self.spacing_params,
            self.restart_params,
        ):  # fmt: skip
            part.finished.connect(document.end_gesture)
        self.restart.toggled.connect(self._on_restart)
        self.count.valueChanged.connect(lambda n: self._change("count", "count", count=n))
        self.picture_size.activated.connect(
            lambda: self._change("size", size=self.picture_size.currentData())
        )
        self.seed.valueChanged.connect(self._on_seed)
        for box in (self.count, self.seed):
            box.editingFinished.connect(document.end_gesture)
        document.sampling_changed.connect(self._show)
        document.pictures_changed.connect(self._show)
        document.seed_changed.connect(self._show)
        self._forecaster.changed.connect(self._show_problems)
        self._forecaster.networks_changed.connect(self._show)

    # --- what a person did ----------------------------------------------------------------------

    def _change(self, text: str, merge_key: str = "", **changes: Any) -> None:
        self._document.replace_sampling(text, merge_key, **changes)

    @Slot()
    def _on_folded(self) -> None:
        self._settings.drawer_sections = [
            key for key, section in self.sections.items() if section.heading.isChecked()
        ]

    @Slot()
    def _on_guidance(self) -> None:
        method, before = self.guidance.currentData(), self._document.experiment.sampling.guidance
        params = known(GUIDANCE[method].params, before.params) if method else before.params
        self._change("guidance", guidance=replace(before, method=method, params=params))

    @Slot()
    def _on_against(self) -> None:
        before = self._document.experiment.sampling.guidance
        against = self.against.currentData()
        self._change("guidance model", guidance=replace(before, against=against))

    @Slot(object)
    def _on_guidance_params(self, values: Values) -> None:
        before = self._document.experiment.sampling.guidance
        self._change(
            "guidance parameters", "guidance-params", guidance=replace(before, params=values)
        )

    @Slot(bool)
    def _on_restart(self, on: bool) -> None:
        self._change("restart" if on else "no restart", restart=self._restart if on else ())

    @Slot(int)
    def _on_seed(self, seed: int) -> None:
        experiment = self._document.experiment
        self._document.replace(replace(experiment, seed=seed), f"seed {seed}", "drawer-seed")

    # --- what is on show ------------------------------------------------------------------------

    @Slot()
    def _show(self) -> None:
        self._show_model()
        self._show_guidance()
        self._show_walk()
        self._show_pictures()

    def _show_model(self) -> None:
        sampling, told = self._document.experiment.sampling, self._forecaster
        self.model.show_model(sampling, told.labels, told.network)
        named = sampling.model in LEARNED and sampling.network is not None
        title = (
            sampling.network.name if named and sampling.network else MODELS[sampling.model].title
        )
        label_text = f" of “{sampling.label}”" if sampling.label else ""
        self.sections[Part.MODEL].summary.setText(f"{title}{label_text}")

    def _show_guidance(self) -> None:
        guidance = self._document.experiment.sampling.guidance
        row = GUIDANCE.get(guidance.method)
        for combo, value in ((self.guidance, guidance.method), (self.against, guidance.against)):
            with QSignalBlocker(combo):
                combo.setCurrentIndex(combo.findData(value))
        learned = self._document.experiment.sampling.model in LEARNED
        self.against.setItemText(0, ITSELF_UNTOLD if learned else ITSELF_ON_ALL)
        self.guidance_text.setVisible(row is not None)
        self._against_row.setVisible(row is not None)
        self.guidance_params.show_values(row.params if row else (), guidance.params)
        summary = "none"
        if row is not None:
            self.guidance_text.setText(f"{row.explanation} ({row.source})")
            scale = dict(guidance.params).get("scale", row.params[0].default)
            summary = f"{row.title}, {row.params[0].symbol} = {scale:g}"
        self.sections[Part.GUIDANCE].summary.setText(summary)

    def _show_walk(self) -> None:
        sampling = self._document.experiment.sampling
        sampler, spacing = SAMPLERS[sampling.sampler], SPACINGS[sampling.spacing]
        calls = "one model call" if sampler.calls == 1 else f"{sampler.calls} model calls"
        self.sampler_text.setText(
            f"{sampler.explanation} Order {sampler.order}, {calls} a step. ({sampler.source})"
        )
        self.sampler_params.show_values(sampler.params, sampling.params)
        self.sections[Part.SAMPLER].summary.setText(sampler.title)
        explained = f"{spacing.explanation} ({spacing.source})"
        if spacing.listed:
            symbol = "t" if spacing.listed == "t" else "σ"
            explained = f"Every {symbol} that is visited, as in {spacing.explanation}: write them"
            explained += " here, or move the marks in the schedule's plot."
        self.levels.show_levels(sampling)
        self.spacing_text.setText(explained)
        self.spacing_params.show_values(spacing.params, sampling.spacing_params)
        self.sections[Part.SPACING].summary.setText(f"{spacing.title}, {sampling.steps} steps")
        on = bool(sampling.restart)
        self._restart = sampling.restart or self._restart
        with QSignalBlocker(self.restart):
            self.restart.setChecked(on)
        self.restart_params.show_values(RESTART_PARAMS if on else (), sampling.restart)
        rounds = dict(self._restart).get("rounds", 0.0)
        self.sections[Part.RESTART].summary.setText(f"{rounds:g} rounds" if on else "off")

    def _show_pictures(self) -> None:
        experiment = self._document.experiment
        sampling = experiment.sampling
        for box, number in ((self.count, sampling.count), (self.seed, experiment.seed)):
            with QSignalBlocker(box):
                box.setValue(number)
        self.picture_size.show_size(experiment, self._forecaster.network)
        self.count.setEnabled(experiment.fork is None)
        self.count.setToolTip(COUNT if experiment.fork is None else KEPT)
        self.sections[Part.PICTURES].summary.setText(
            f"{sampling.count} of {sampling.size} px, seed {experiment.seed}"
        )

    @Slot()
    def _show_levels_problem(self) -> None:
        """Scroll to what is said, once it has its place."""
        self.ensureWidgetVisible(self.levels.problem, 0, GAP)

    @Slot()
    def _show_problems(self) -> None:
        for part in Part:
            self.sections[part].say(sentence(self._forecaster.problems.get(part, "")))


def _text() -> QLabel:
    """Return a paragraph that explains what is chosen."""
    text = label("", "caption")
    text.setWordWrap(True)
    text.setTextFormat(Qt.TextFormat.PlainText)
    return text


def _row(caption: str, control: QWidget, *more: QWidget) -> QHBoxLayout:
    """Return a control with its name before it."""
    head = label(caption, "caption")
    head.setBuddy(control)
    head.setMinimumWidth(CAPTION)
    head.setToolTip(control.toolTip())
    control.setAccessibleName(control.accessibleName() or caption)
    row = QHBoxLayout()
    row.setSpacing(GAP)
    row.addWidget(head)
    row.addWidget(control, 1)
    for widget in more:
        row.addWidget(widget)
    return row


def _combo(name: str, items: dict[Any, str], tooltip: str) -> QComboBox:
    combo = Combo()
    combo.setObjectName(name)
    combo.setToolTip(tooltip)
    combo.setMinimumWidth(FIELD)
    combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    for key, text in items.items():
        combo.addItem(text, key)
    return combo
