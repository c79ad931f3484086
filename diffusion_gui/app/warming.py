"""Loads what is opened later, once the first run is made and nothing goes on.

Pages and drawer are not imported before the window is painted: that would delay it. Read when they
are first opened, they would hold the window for as long as that takes.
"""

from __future__ import annotations

from importlib import import_module

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from diffusion_gui.state.jobs import Job, JobRunner
from diffusion_gui.state.sampling import RunState, SamplingController

IDLE_MS = 1000
"""Since the last run, in milliseconds."""
MODULES = tuple(
    f"diffusion_gui.panels.sampling.{name}"
    for name in (
        "drawer", "step_charts", "runs_page", "posterior_page", "map_page", "compare_view",
        "mask_painter", "export_dialogs", "trips_dialog",
    )
)  # fmt: skip


class Warming(QObject):
    """Imports `MODULES` in a thread, one after another, as soon as no run takes the time.

    `ended` when all are there and still no run is made: the moment to build what is opened later.
    """

    ended = Signal()

    def __init__(self, controller: SamplingController, parent: QObject) -> None:
        super().__init__(parent)
        self._controller = controller
        self._left = list(MODULES)
        self._runner: JobRunner | None = None
        self._over = False
        self._idle = QTimer(self, singleShot=True, interval=IDLE_MS)
        self._idle.timeout.connect(self._go_on)
        controller.state_changed.connect(self._look)

    @property
    def done(self) -> bool:
        """True once everything is loaded."""
        return not self._left

    def shutdown(self) -> None:
        """End the thread; safe to call twice."""
        self._left.clear()
        self._over = True
        self._idle.stop()
        if self._runner is not None:
            self._runner.shutdown()

    @Slot()
    def _look(self) -> None:
        if self._over or self._controller.state in (RunState.LOADING, RunState.RUNNING):
            self._idle.stop()
        elif self._controller.recorded is not None:
            self._idle.start()

    @Slot()
    def _go_on(self) -> None:
        """Load the next module; the others follow while nothing goes on, and then `ended`."""
        if self._controller.active:
            return
        if not self._left:
            self._over = True
            self.ended.emit()
            return
        if self._runner is None:
            self._runner = JobRunner("warming", self)
            self._runner.done.connect(self._on_done)
        name = self._left[0]
        self._runner.submit(lambda job: _loaded(job, name))

    @Slot(object)
    def _on_done(self, name: str) -> None:
        if name in self._left:
            self._left.remove(name)
        if self._left:
            self._go_on()
            return
        if self._runner is not None:
            self._runner.shutdown()
        self._look()


def _loaded(job: Job, name: str) -> str:
    job.poll()
    import_module(name)
    return name
