"""Samples to other programs: by the clipboard, and dragged out of the sampling panel.

Read next: `drag_out.py`, which makes the files and hangs them at the mouse.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QGuiApplication

from diffusion_gui.app.drag_out import DragOut, mime_of
from diffusion_gui.app.parts import Parts
from diffusion_gui.engine.experiment import Experiment
from diffusion_gui.engine.trajectory import Frame
from diffusion_gui.panels.sampling.panel import SamplingPanel
from diffusion_gui.state.exporting import Exporter
from diffusion_gui.state.run_view import Quantity

if TYPE_CHECKING:
    from diffusion_gui.session.forward_export import Shot
    from diffusion_gui.session.watch import Watch


@dataclass(frozen=True, slots=True, eq=False)
class _Sample:
    """One picture of a step: what is written of it, and under which name."""

    frame: Frame
    experiment: Experiment
    quantity: Quantity
    image: int

    @property
    def name(self) -> str:
        """The name of its file."""
        what = "" if self.quantity is Quantity.X0_HAT else f"-{self.quantity}"
        return f"sample-{self.image + 1}-step{self.frame.index}{what}.png"


class SampleDrags(QObject):
    """Copies a sample, or lets it be dragged out. `said(text)` tells what was done."""

    said = Signal(str)

    def __init__(self, parts: Parts, panel: SamplingPanel) -> None:
        super().__init__(panel)
        self._parts = parts
        self._panel = panel
        self._exporter = Exporter("samples out", self)
        self._exporter.failed.connect(lambda line: panel.bar.show_lines([line]))
        self._out = DragOut(panel, self._exporter, "grid", Qt.TransformationMode.FastTransformation)
        for view in (panel.batch, panel.enlarged):
            view.copied.connect(self.copy)
            view.dragged_out.connect(self._drag)

    def shutdown(self) -> None:
        """End the thread and remove what was dragged out; safe to call twice."""
        self._exporter.shutdown()
        self._out.remove_files()

    def copy(self, quantity: Quantity, image: int) -> None:
        """Put a picture of the step on show on the clipboard."""
        sample = self._sample(quantity, image)
        if sample is None:
            return

        def done(made: Shot) -> None:
            QGuiApplication.clipboard().setMimeData(mime_of(made))
            self.said.emit(f"Copied picture {image + 1}")

        self._exporter.start(self._render(sample), done)

    def _sample(self, quantity: Quantity, image: int) -> _Sample | None:
        frame, experiment = self._panel.frame, self._panel.experiment
        if frame is None or experiment is None or image >= len(frame.x_t):
            return None
        return _Sample(frame, experiment, quantity, image)

    def _render(self, sample: _Sample) -> Callable[[Watch], Shot]:
        """Return what makes the picture, pixel by pixel with its settings, in the thread."""
        store = self._parts.store

        def make(watch: Watch) -> Shot:
            from diffusion_gui.session.run_export import Look, shot
            from diffusion_gui.session.run_inputs import carriage

            look = Look((sample.quantity,), (sample.image,), cell=sample.frame.x_t.shape[2])
            return shot(sample.frame, look, carriage(sample.experiment, store, watch.poll))

        return make

    def _drag(self, quantity: Quantity, image: int) -> None:
        """Make the file of a picture, then let it hang at the mouse."""
        sample = self._sample(quantity, image)
        if sample is not None:
            self._out.begin(sample.name, self._render(sample))
