"""The run on show to the clipboard: its grids as a picture, or a script that makes it again."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtCore import QMimeData, QObject, Signal, Slot
from PySide6.QtGui import QGuiApplication

from diffusion_gui.app.parts import Parts
from diffusion_gui.engine.trajectory import Frame
from diffusion_gui.panels.common.dropping import PNG
from diffusion_gui.panels.common.picture import to_qimage
from diffusion_gui.panels.sampling.panel import SamplingPanel
from diffusion_gui.state.exporting import Exporter
from diffusion_gui.state.run import Run

if TYPE_CHECKING:
    from diffusion_gui.session.forward_export import Shot
    from diffusion_gui.session.watch import Watch

COPIES = ("copyGrid", "copyRunPython", "copyRunDiffusers")
_NOTHING = "There is nothing to export yet: press Run first"


def on_show(parts: Parts, panel: SamplingPanel) -> tuple[Run, Frame] | None:
    """Return the run and the step on show, or say in the panel that there is none."""
    view = parts.run_view
    if view.run is None or view.frame is None:
        panel.bar.show_lines([_NOTHING])
        return None
    return view.run, view.frame


class RunCopies(QObject):
    """Copies the run on show; `said(text)` tells what was done, the panel's bar what went wrong."""

    said = Signal(str)

    def __init__(self, parts: Parts, panel: SamplingPanel) -> None:
        super().__init__(panel)
        self._parts = parts
        self._panel = panel
        self._exporter = Exporter("runs to the clipboard", self)
        self._exporter.failed.connect(lambda line: panel.bar.show_lines([line]))

    @property
    def busy(self) -> bool:
        """True while something is being made for the clipboard."""
        return self._exporter.busy

    def handlers(self) -> dict[str, Callable[[], object]]:
        """Return what the commands do, by the names of `app/actions.py`."""
        return {
            "copyGrid": self._copy_grid,
            "copyRunPython": self._copy_python,
            "copyRunDiffusers": self._copy_diffusers,
        }

    def shutdown(self) -> None:
        """End the thread; safe to call twice."""
        self._exporter.shutdown()

    @Slot()
    def _copy_grid(self) -> None:
        """Copy the grids on show at the step on show, with all that their PNG carries."""
        if (found := on_show(self._parts, self._panel)) is None:
            return
        (run, frame), store = found, self._parts.store
        quantities = tuple(str(quantity) for quantity in self._parts.run_view.quantities)

        def make(watch: Watch) -> Shot:
            from diffusion_gui.session.run_export import Look, shot
            from diffusion_gui.session.run_inputs import carriage

            return shot(frame, Look(quantities), carriage(run.experiment, store, watch.poll))

        def done(made: Shot) -> None:
            mime = QMimeData()
            mime.setImageData(to_qimage(made.pixels).copy())
            mime.setData(PNG, made.png)
            QGuiApplication.clipboard().setMimeData(mime)
            self.said.emit(f"Copied step {frame.index} of {run.title}")

        self._exporter.start(make, done)

    @Slot()
    def _copy_python(self) -> None:
        """Copy a script that makes the run again."""
        store = self._parts.store

        def source(run: Run) -> str:
            from diffusion_gui.session.python_run import run_source

            return run_source(run.experiment, store, run.device.startswith("CPU"))

        self._copy_source(source, "Python")

    @Slot()
    def _copy_diffusers(self) -> None:
        """Copy a script in which diffusers makes the run, by our denoiser."""
        store = self._parts.store

        def source(run: Run) -> str:
            from diffusion_gui.session.diffusers_run import diffusers_source

            return diffusers_source(run.experiment, store)

        self._copy_source(source, "Python with diffusers")

    def _copy_source(self, source: Callable[[Run], str], what: str) -> None:
        if (found := on_show(self._parts, self._panel)) is None:
            return
        run, _ = found

        def done(text: str) -> None:
            QGuiApplication.clipboard().setText(text)
            self.said.emit(f"Copied {run.title} as {what}, {len(text.splitlines())} lines")

        self._exporter.start(lambda _: source(run), done)
