"""Trained networks from files and folders: by drop, by dialog, from the command line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import QObject, Qt, Signal, Slot
from PySide6.QtWidgets import QFileDialog

from diffusion_gui.app.parts import Parts
from diffusion_gui.engine.experiment import NetworkRef
from diffusion_gui.engine.schedules import ScheduleSpec
from diffusion_gui.panels.sampling.panel import SamplingPanel
from diffusion_gui.state import model_choice
from diffusion_gui.state.checkpoint_opening import CheckpointOpening

_OF_NETWORKS = (".bin", ".pkl", ".pickle")
"""Endings of files of weights in which no schedule is looked for."""


class NetworkFiles(QObject):
    """Opens networks; what goes wrong stands in the panel's bar, `said(text)` tells what was done.

    One of another program's is shown in a form before it is taken in. `begun` when one is read.
    """

    said = Signal(str)
    begun = Signal()

    def __init__(self, parts: Parts, panel: SamplingPanel) -> None:
        super().__init__(panel)
        self._parts, self._panel = parts, panel
        self._schedule: ScheduleSpec | None = None
        self.opening = CheckpointOpening(parts.document, parts.store, parts.networks, self)
        self.opening.read.connect(self._show_form)
        self.opening.taken.connect(self._choose)
        self.opening.refused.connect(self._refuse)

    def handlers(self) -> dict[str, Callable[[], object]]:
        """Return what the commands do, by the names of `app/actions.py`."""
        return {"openNetwork": self.ask_file, "openNetworkFolder": self._ask_folder}

    @property
    def busy(self) -> bool:
        """True while a file is being read, or its network asked."""
        return self.opening.busy

    def shutdown(self) -> None:
        """End the background thread."""
        self.opening.shutdown()

    def take(self, paths: Sequence[str]) -> list[str]:
        """Open the first of `paths` that is a network; return those that are something else.

        Of what only a network is saved as, the reader says what is wrong with it.
        """
        from diffusion_gui.session.checkpoints import holds_network

        networks = [
            path
            for path in paths
            if Path(path).suffix.lower() in _OF_NETWORKS or holds_network(path)
        ]
        if networks:
            self.open(networks[0])
            if len(networks) > 1:
                others = ", ".join(Path(path).name for path in networks[1:4])
                line = f"one network at a time: {others} left out"
                self._panel.bar.show_lines([line], info=True)
        return [path for path in paths if path not in networks]

    def open(self, path: str) -> None:
        """Read what lies at a path in the background, then ask how it is called."""
        self._panel.bar.clear()
        self._schedule = None
        self.begun.emit()
        self.said.emit(f"Reading {Path(path).name}")
        self.opening.open(path)

    @Slot()
    def _show_form(self) -> None:
        from diffusion_gui.panels.sampling.checkpoint_dialog import CheckpointDialog

        dialog = CheckpointDialog(
            self.opening, self._parts.document, self._parts.theme, self._panel.window()
        )
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.wished.connect(self._take_in)
        dialog.open()

    @Slot(bool)
    def _take_in(self, with_schedule: bool) -> None:
        self._schedule = self.opening.use.schedule if with_schedule else None
        self.opening.accept()

    @Slot(object)
    def _choose(self, ref: NetworkRef) -> None:
        """Make a network that was taken in the document's model, and its schedule, if wished."""
        document, about = self._parts.document, self._parts.networks.about(ref)
        if about is None:
            return
        schedule = self._schedule or document.experiment.schedule
        experiment = replace(document.experiment, fork=None, schedule=schedule)
        changes = model_choice.network(experiment, ref, about)
        sampling = replace(experiment.sampling, **changes)
        document.replace(replace(experiment, sampling=sampling), f"open {ref.name}")
        size = f"{about.size} × {about.size} px"
        self.said.emit(f"Opened {ref.name}: {size}, {about.source}")

    @Slot(str)
    def _refuse(self, line: str) -> None:
        self._panel.bar.show_lines([line])

    @Slot()
    def ask_file(self) -> None:
        """Ask for a file, then open it."""
        from diffusion_gui.session.checkpoints.tensors import ENDINGS

        endings = " ".join(f"*{ending}" for ending in ENDINGS)
        path, _ = QFileDialog.getOpenFileName(
            self._panel, "Open a network", self._parts.settings.folder,
            f"Networks ({endings});;All files (*)",
        )  # fmt: skip
        self._open_chosen(path)

    def _ask_folder(self) -> None:
        self._open_chosen(
            QFileDialog.getExistingDirectory(
                self._panel, "Open the network of a diffusers folder", self._parts.settings.folder
            )
        )

    def _open_chosen(self, path: str) -> None:
        if path:
            self._parts.settings.folder = str(Path(path).parent)
            self.open(path)
