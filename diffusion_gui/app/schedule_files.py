"""Schedules from and to files and the clipboard: the commands of the Schedule menu.

Files are read in a background thread: a checkpoint that holds betas can be large.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtGui import QGuiApplication, QImage
from PySide6.QtWidgets import QFileDialog, QWidget

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.panels.schedule.editor import ScheduleEditor
from diffusion_gui.state.document import Document
from diffusion_gui.state.jobs import JobRunner
from diffusion_gui.state.settings import Settings

if TYPE_CHECKING:
    from diffusion_gui.session.diffusers_config import Imported

KINDS = (
    "diffusers scheduler_config (*.json);;Table (*.csv);;NumPy arrays (*.npz);;"
    "One NumPy array (*.npy);;State dict (*.safetensors);;PyTorch state dict (*.pt);;"
    "List of sigmas (*.txt);;NumPy source (*.py);;Picture of the plot (*.png);;"
    "Drawing of the plot (*.svg)"
)
_COPIES = {".json": "scheduler_config.json", ".txt": "a list of σ", ".csv": "a table"}


class ScheduleFiles(QObject):
    """Opens, pastes, saves and copies schedules; what goes wrong stands in the editor's bar.

    `said(text)` tells what was done. `not_a_schedule(path)` where a dropped file of weights has no
    schedule in it: it may be a network.
    """

    said = Signal(str)
    not_a_schedule = Signal(str)

    def __init__(self, document: Document, settings: Settings, editor: ScheduleEditor) -> None:
        super().__init__(editor)
        self._document = document
        self._settings = settings
        self._editor = editor
        self._runner = JobRunner("schedules", self)
        self._runner.done.connect(self._on_done)
        self._runner.failed.connect(self._on_failed)

    def handlers(self) -> dict[str, Callable[[], object]]:
        """Return what the commands do, by the names of `app/actions.py`."""
        return {
            "openSchedule": self._ask_file,
            "openScheduleFolder": self._ask_folder,
            "saveSchedule": self._save,
            "copyConfig": lambda: self._copy(".json"),
            "copyNumpy": lambda: self._copy_source("numpy"),
            "copyDiffusers": lambda: self._copy_source("diffusers"),
            "copyKDiffusion": lambda: self._copy_source("k-diffusion"),
            "copySigmas": lambda: self._copy(".txt"),
            "copyTable": lambda: self._copy(".csv"),
            "copyPlot": self._copy_plot,
        }

    @property
    def busy(self) -> bool:
        """True while a file is being read."""
        return self._runner.busy

    def shutdown(self) -> None:
        """End the background thread."""
        self._runner.shutdown()

    # --- in -----------------------------------------------------------------------------------

    def take(self, paths: Sequence[str]) -> list[str]:
        """Open the first of `paths` that is a schedule; return those that are pictures."""
        from diffusion_gui.session.schedule_import import holds_schedule

        schedules = [path for path in paths if holds_schedule(path)]
        if schedules:
            others = ", ".join(Path(path).name for path in schedules[1:4])
            notes = [f"one schedule at a time: {others} left out"] if others else []
            self.open(schedules[0], notes, dropped=True)
        return [path for path in paths if path not in schedules]

    def open(self, path: str, notes: Sequence[str] = (), dropped: bool = False) -> None:
        """Read the schedule in a file or diffusers folder in the background, then show it.

        What is to be said about it is said with `notes`. Nobody said of a `dropped` file that it
        holds a schedule.
        """

        def read(_: object) -> tuple[str, Imported] | str:
            from diffusion_gui.session.checkpoints.tensors import ENDINGS
            from diffusion_gui.session.schedule_import import NoScheduleError, load_schedule

            try:
                found = load_schedule(path)
            except NoScheduleError:
                if dropped and Path(path).suffix.lower() in ENDINGS:
                    return path
                raise
            return Path(path).name, replace(found, notes=(*notes, *found.notes))

        self._runner.submit(read)

    def paste(self, text: str) -> None:
        """Show the schedule in a text."""
        from diffusion_gui.session.schedule_import import schedule_in

        try:
            self._show("paste schedule", "Pasted a schedule", schedule_in(text))
        except EngineError as error:
            self._editor.bar.show_lines([str(error)])

    @Slot(object)
    def _on_done(self, found: tuple[str, Imported] | str) -> None:
        if isinstance(found, str):
            self.not_a_schedule.emit(found)
            return
        name, imported = found
        self._show(f"open {name}", f"Opened {name}", imported)

    @Slot(object)
    def _on_failed(self, error: Exception) -> None:
        if not isinstance(error, EngineError):
            raise error
        self._editor.bar.show_lines([str(error)])

    def _show(self, text: str, done: str, found: Imported) -> None:
        """Make what was found the schedule; `text` is the step for undo, `done` what is said."""
        self._editor.apply(found.spec, text)
        if found.notes:
            self._editor.bar.show_lines(list(found.notes), info=True)
        if self._document.experiment.schedule == found.spec:
            self.said.emit(f"{done}, T = {found.spec.T:,}")

    def _ask_file(self) -> None:
        from diffusion_gui.session.schedule_import import READERS

        endings = " ".join(f"*{ending}" for ending in READERS)
        path, _ = QFileDialog.getOpenFileName(
            self._editor, "Open schedule", self._settings.folder,
            f"Schedules ({endings});;All files (*)",
        )  # fmt: skip
        self._open_chosen(path)

    def _ask_folder(self) -> None:
        self._open_chosen(
            QFileDialog.getExistingDirectory(
                self._editor, "Open the schedule of a diffusers folder", self._settings.folder
            )
        )

    def _open_chosen(self, path: str) -> None:
        if path:
            self._settings.folder = str(Path(path).parent)
            self.open(path)

    # --- out ----------------------------------------------------------------------------------

    def _save(self) -> None:
        from diffusion_gui.session.export import save_schedule

        path = ask_target(
            self._editor, self._settings, "Save schedule", "scheduler_config.json", KINDS
        )
        if path:
            document = self._document
            self._try(
                lambda: save_schedule(document.schedule, path, document.experiment.schedule),
                f"Saved {Path(path).name}",
            )

    def _copy(self, ending: str) -> None:
        from diffusion_gui.session.export import schedule_bytes

        document = self._document

        def copy() -> None:
            content = schedule_bytes(document.schedule, ending, document.experiment.schedule)
            QGuiApplication.clipboard().setText(content.decode())

        self._try(copy, f"Copied the schedule as {_COPIES[ending]}")

    def _copy_source(self, kind: str) -> None:
        from diffusion_gui.session.schedule_source import python_source

        spec = self._document.experiment.schedule
        self._try(
            lambda: QGuiApplication.clipboard().setText(python_source(spec, kind)),
            f"Copied the schedule as Python for {kind}",
        )

    def _copy_plot(self) -> None:
        from diffusion_gui.session.export import schedule_bytes

        document = self._document
        content = schedule_bytes(document.schedule, ".png", document.experiment.schedule)
        QGuiApplication.clipboard().setImage(QImage.fromData(content))
        self.said.emit("Copied the picture of the plot")

    def _try(self, act: Callable[[], object], done: str) -> None:
        try:
            act()
        except EngineError as error:
            self._editor.bar.show_lines([str(error)])
        else:
            self.said.emit(done)


def ask_target(parent: QWidget, settings: Settings, title: str, name: str, kinds: str) -> str:
    """Ask for a file to write, beginning with `name` in the last folder; "" if none was chosen.

    Of `kinds`, that of the ending of `name` is chosen at first.
    """
    suggestion, ending = str(Path(settings.folder) / name), f"*{Path(name).suffix})"
    first = next((kind for kind in kinds.split(";;") if ending in kind), "")
    path, kind = QFileDialog.getSaveFileName(parent, title, suggestion, kinds, first)
    if path and not Path(path).suffix:  # typed without ending: that of the kind chosen
        path += Path(kind.partition("*")[2].rstrip(")")).name
    if path:
        settings.folder = str(Path(path).parent)
    return path
