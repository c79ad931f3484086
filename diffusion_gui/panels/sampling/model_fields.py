"""What the drawer says of the model, and of what it can be told: label, caption or class."""

from __future__ import annotations

from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from diffusion_gui.engine.denoisers import MODELS
from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.experiment import NetworkRef, Sampling
from diffusion_gui.engine.labels import members
from diffusion_gui.engine.networks import About, Told, described
from diffusion_gui.panels.common.param_rows import CAPTION, ParamRows
from diffusion_gui.panels.common.widgets import GAP, label
from diffusion_gui.panels.sampling.label_choices import LabelChoices, of_images, of_network
from diffusion_gui.panels.sampling.label_picker import LabelPicker


class ModelFields(QWidget):
    """Text, label and parameters of a model; `label_picker` and `params` say what is wished."""

    def __init__(self) -> None:
        super().__init__()
        self.text = _lines("caption")
        self.label_picker = LabelPicker()
        self.label_picker.refused.connect(self._on_refused)
        self.count = label("", "caption")
        self.problem = _lines("problem")
        self.problem.setObjectName("labelProblem")
        self.problem.hide()
        self.params = ParamRows("model")
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addWidget(self.text)
        column.addWidget(self._build_label())
        column.addWidget(self.params)

    def _build_label(self) -> QWidget:
        self._head = label("label", "caption")
        self._head.setBuddy(self.label_picker)
        self._head.setMinimumWidth(CAPTION)
        named = QHBoxLayout()
        named.setSpacing(GAP)
        named.addWidget(self._head)
        named.addWidget(self.label_picker, 1)
        below = QHBoxLayout()
        below.addSpacing(CAPTION + GAP)
        below.addWidget(self.count)
        below.addWidget(self.problem, 1)
        self._label_rows = QWidget()
        column = QVBoxLayout(self._label_rows)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addLayout(named)
        column.addLayout(below)
        return self._label_rows

    def show_model(
        self, sampling: Sampling, labels: tuple[str, ...], network: About | None
    ) -> None:
        """Show the model of settings: `labels` are those of its images, or `network` what it is."""
        row = MODELS[sampling.model]
        if row.learned:
            self._show_network(network, sampling.network)
        else:
            self.text.setText(f"{row.title}: {row.explanation} ({row.source})")
            self._label_rows.show()
            self._offer(of_images(labels))
            self.count.setText(_images(labels, sampling.label))
        self.label_picker.show_label(sampling.label)
        self.params.show_values(row.params, sampling.model_params)

    def _show_network(self, about: About | None, ref: NetworkRef | None) -> None:
        """Say what network it is, and offer what it can be told."""
        self._label_rows.setVisible(about is not None and about.told is not Told.NOTHING)
        if about is None:
            name = ref.name if ref is not None else "The bundled network"
            self.text.setText(f"{name} is not here: open its file again")
            return
        self.text.setText(described(about))
        self._offer(of_network(about))
        kind = "words" if about.told is Told.WORDS else "classes"
        self.count.setText(f"knows {len(about.vocabulary):,} {kind}")

    def _offer(self, choices: LabelChoices) -> None:
        self.label_picker.set_choices(choices)
        self._head.setText(choices.title)
        self._head.setToolTip(choices.tooltip)

    @Slot(str)
    def _on_refused(self, line: str) -> None:
        """Say at the field why its label cannot be."""
        self.problem.setText(line)
        self.problem.setVisible(bool(line))
        self.count.setVisible(not line)


def _images(labels: tuple[str, ...], wanted: str) -> str:
    """Return how many images have a label, in words."""
    count = len(labels)
    if wanted:
        try:
            count = len(members(labels, wanted))
        except EngineError:
            count = 0
    return f"{count:,} images" if count != 1 else "1 image"


def _lines(role: str) -> QLabel:
    text = label("", role)
    text.setWordWrap(True)
    text.setTextFormat(Qt.TextFormat.PlainText)
    return text
