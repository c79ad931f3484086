"""What a trained network is told, in the row of the settings: its caption, and how much of it."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import QSignalBlocker, Signal, Slot
from PySide6.QtWidgets import QHBoxLayout, QWidget

from diffusion_gui.engine.guidance import GUIDANCE_PARAMS
from diffusion_gui.engine.networks import About, Told
from diffusion_gui.panels.common.number_boxes import NumberBox, show_number
from diffusion_gui.panels.common.widgets import GAP, Field, button
from diffusion_gui.panels.sampling.label_choices import of_network
from diffusion_gui.panels.sampling.label_picker import LabelPicker
from diffusion_gui.state.document import Document
from diffusion_gui.state.model_choice import SUGGESTED_SCALE, scale_of, with_scale

GUIDANCE = (
    "Guidance scale w: how far each estimate is moved away from the one without the caption.\n"
    "1: not at all. 2 follows the caption closely at twice the model calls; more loses variety."
)


class ToldFields(QWidget):
    """Caption and guidance scale of the document's network; hidden where it can be told nothing.

    `entered` when a caption or a scale is to be sampled, `refused(line)` as the picker says.
    """

    entered = Signal()
    refused = Signal(str)

    def __init__(self, document: Document) -> None:
        super().__init__()
        self.setObjectName("toldFields")
        self._document = document
        self.caption = LabelPicker("captionCombo", "Caption")
        self.caption.setMinimumWidth(84)
        scale = GUIDANCE_PARAMS[0]
        self.scale = NumberBox(scale.minimum, scale.maximum, scale.decimals)
        self.scale.setObjectName("guidanceScaleSpin")
        self.scale.setSingleStep(0.5)
        self.scale.setMinimumWidth(50)
        self.suggest = button(
            f"try {SUGGESTED_SCALE:g}", f"Sample with w = {SUGGESTED_SCALE:g}", "caption-link"
        )
        self.suggest.setObjectName("suggestGuidanceButton")
        self.suggest.setAccessibleName(f"Guidance scale {SUGGESTED_SCALE:g}")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GAP)
        self.captioned = Field("Caption", self.caption, "")
        row.addWidget(self.captioned, 270)
        row.addWidget(Field("Guidance", self.scale, GUIDANCE, self.suggest), 74)
        self._bind()
        self.hide()

    def _bind(self) -> None:
        self.caption.picked.connect(self._on_caption)
        self.caption.refused.connect(self.refused)
        self.caption.entered.connect(self.entered)
        self.scale.valueChanged.connect(self._on_scale)
        self.scale.editingFinished.connect(self._document.end_gesture)
        self.scale.lineEdit().returnPressed.connect(self.entered)
        self.suggest.clicked.connect(self._on_suggested)

    def show_network(self, network: About | None) -> None:
        """Show what the document's settings tell a network; None for another model."""
        told = network is not None and network.told is not Told.NOTHING
        self.setVisible(told)
        if network is None or not told:
            return
        sampling = self._document.experiment.sampling
        choices = of_network(network)
        self.captioned.head.setText(choices.title.capitalize())
        self.captioned.head.setToolTip(choices.tooltip)
        self.caption.set_choices(choices)
        self.caption.show_label(sampling.label)
        guidance = sampling.guidance
        with QSignalBlocker(self.scale):
            show_number(self.scale, scale_of(guidance))
        leads = bool(sampling.label) or bool(guidance.against)
        self.scale.setEnabled(leads)
        self.scale.setToolTip(GUIDANCE if leads else "Guidance follows a caption: type one first")
        self.suggest.setVisible(leads and not guidance.method)

    @Slot(str)
    def _on_caption(self, label: str) -> None:
        """Follow a caption; without one there is nothing that guidance could follow."""
        guidance = self._document.experiment.sampling.guidance
        if not label and not guidance.against:
            guidance = replace(guidance, method="")
        self._document.replace_sampling("caption", label=label, guidance=guidance)

    @Slot()
    def _on_suggested(self) -> None:
        self._on_scale(SUGGESTED_SCALE)
        self.entered.emit()

    @Slot(float)
    def _on_scale(self, scale: float) -> None:
        guidance = with_scale(self._document.experiment.sampling.guidance, scale)
        self._document.replace_sampling("guidance scale", "guidance-scale", guidance=guidance)
