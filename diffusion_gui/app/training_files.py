"""The training panel's dialogs, and sampling from what was trained."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtWidgets import QFileDialog

from diffusion_gui.app.parts import Parts
from diffusion_gui.panels.training.panel import TrainingPanel
from diffusion_gui.session.training_home import MODEL_ENDING, TRAINING_ENDING
from diffusion_gui.state import model_choice


class TrainingFiles(QObject):
    """Asks for files and folders; `sampled` when a run with the trained network was begun."""

    sampled = Signal()

    def __init__(self, parts: Parts, panel: TrainingPanel) -> None:
        super().__init__(panel)
        self._parts, self._panel = parts, panel
        panel.open_wished.connect(self.open)
        panel.save_wished.connect(self.save_as)
        panel.folder_wished.connect(self.choose_folder)
        panel.sample_wished.connect(self.sample)

    @Slot()
    def choose_folder(self) -> None:
        """Let a folder be chosen to learn from."""
        settings = self._parts.settings
        folder = QFileDialog.getExistingDirectory(
            self._panel, "Learn from a folder of images", settings.folder
        )
        if folder:
            settings.folder = folder
            self._panel.take(folder)

    @Slot()
    def open(self) -> None:
        """Let a training be chosen to go on with."""
        folder = self._parts.training.plans.folder
        place = str(folder) if folder.is_dir() else self._parts.settings.folder
        path, _ = QFileDialog.getOpenFileName(
            self._panel, "Go on with a training", place, f"Trainings (*{TRAINING_ENDING})"
        )
        if path:
            self._panel.take(path)

    @Slot()
    def save_as(self) -> None:
        """Copy the model, and its training beside it, to a place of the user's choice."""
        files = self._parts.training.files
        if files is None:
            return
        settings = self._parts.settings
        path, _ = QFileDialog.getSaveFileName(
            self._panel,
            "Save the model and its training",
            f"{settings.folder}/{files.model.name}",
            f"Models (*{MODEL_ENDING})",
        )
        if path:
            self._parts.training.save_as(path)

    @Slot()
    def sample(self) -> None:
        """Draw with the newest network of the training."""
        ref = self._parts.training.ref
        about = self._parts.networks.about(ref)
        if ref is None or about is None:
            return
        document = self._parts.document
        plain = replace(document.experiment, fork=None)
        changes = model_choice.network(plain, ref, about)
        sampling = replace(plain.sampling, start=None, inpaint=None, **changes)
        document.replace(replace(plain, sampling=sampling), f"sample from {ref.name}")
        self._parts.sampling.run_unless_begun()
        self.sampled.emit()
