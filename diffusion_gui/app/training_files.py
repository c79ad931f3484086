"""The training panel's dialogs, copies of what was trained, and sampling from it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, Qt, Signal, Slot
from PySide6.QtWidgets import QFileDialog, QMessageBox

from diffusion_gui.app.parts import Parts
from diffusion_gui.panels.training.panel import TrainingPanel
from diffusion_gui.session import training_home
from diffusion_gui.session.model_header import TRAINING_ENDING
from diffusion_gui.session.training_home import MODEL_ENDING, Files
from diffusion_gui.session.watch import Watch
from diffusion_gui.state import model_choice
from diffusion_gui.state.exporting import Exporter


class TrainingFiles(QObject):
    """Asks for files and folders; `sampled` when a run with the trained network was begun.

    `said(text)` tells what was done.
    """

    sampled = Signal()
    said = Signal(str)

    def __init__(self, parts: Parts, panel: TrainingPanel) -> None:
        super().__init__(panel)
        self._parts, self._panel = parts, panel
        self.copies = Exporter("copies of trainings", self)
        self.copies.failed.connect(self._refuse)
        self.copies.progress.connect(self._tell_progress)
        panel.open_wished.connect(self.open)
        panel.save_wished.connect(self.save_as)
        panel.folder_wished.connect(self.choose_folder)
        panel.sample_wished.connect(self.sample)

    def shutdown(self) -> None:
        """End the background thread."""
        self.copies.shutdown()

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
            settings.folder = str(Path(path).parent)
            self._save(files, path)

    def _save(self, files: Files, path: str) -> None:
        """Copy to a path whose own file may be replaced; of others that is asked."""
        target = Files.of(path)
        there = [f for f in (target.model, target.training) if f.exists() and f != Path(path)]
        if target == files:
            self._panel.bar.show_lines(["It lies there already: choose another place"], info=True)
        elif there:
            self._ask(files, target, [file.name for file in there])
        else:
            self._copy(files, target)

    def _ask(self, files: Files, target: Files, names: list[str]) -> None:
        box = QMessageBox(self._panel)
        box.setObjectName("replaceQuestion")
        box.setWindowTitle("Save the model and its training")
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        box.setTextFormat(Qt.TextFormat.PlainText)
        box.setText(f"Replace {' and '.join(names)}?")
        box.setInformativeText(f"Of that name there is something already in {target.model.parent}.")
        box.addButton("Replace", QMessageBox.ButtonRole.AcceptRole)
        keep = box.addButton("Keep", QMessageBox.ButtonRole.RejectRole)
        box.setDefaultButton(keep)
        box.setEscapeButton(keep)
        box.accepted.connect(partial(self._copy, files, target))
        box.open()

    def _copy(self, files: Files, target: Files) -> None:
        def work(watch: Watch) -> Files:
            return training_home.copy(files, target.model, watch)

        self.said.emit(f"Saving {target.model.name} and its training")
        self.copies.start(work, self._tell_copied)

    @Slot(int, int)
    def _tell_progress(self, done: int, total: int) -> None:
        if total:
            self.said.emit(f"Saving the model and its training: {done / total:.0%}")

    def _tell_copied(self, target: Files) -> None:
        self.said.emit(f"Saved {target.model.name} and {target.training.name}")

    @Slot(str)
    def _refuse(self, line: str) -> None:
        self._panel.bar.show_lines([line])

    @Slot()
    def sample(self) -> None:
        """Draw with the newest network of the training, which is saved too."""
        training = self._parts.training
        about = self._parts.networks.about(training.ref)
        if training.ref is None or about is None:
            return
        training.keep()
        document = self._parts.document
        plain = replace(document.experiment, fork=None)
        changes = model_choice.network(plain, training.ref, about)
        sampling = replace(plain.sampling, start=None, inpaint=None, **changes)
        document.replace(replace(plain, sampling=sampling), f"sample from {training.ref.name}")
        self._parts.sampling.run_unless_begun()
        self.sampled.emit()
