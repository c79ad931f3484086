"""The floats of a run into a file: it is run once more in the thread of the runs, and written.

Only 8-bit frames are kept of a run; the same experiment gives the same floats again.
"""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QObject, Signal, Slot

from diffusion_gui.engine.errors import Cancelled
from diffusion_gui.state.jobs import Job, Mailbox, reason
from diffusion_gui.state.run import Run
from diffusion_gui.state.sampling import SamplingController
from diffusion_gui.state.sampling_worker import SamplingWorker


@dataclass(frozen=True, slots=True)
class _Written:
    """What came of an export: the number of steps, or why there is no file."""

    path: str
    steps: int
    problem: str = ""


class FloatExport(QObject):
    """Writes one run at a time; a run that begins meanwhile ends it, and no file is left.

    `progress(done, total)` while it writes, (0, 0) when it does not; `saved(path, steps)`;
    `failed(line)` where it could not.
    """

    progress = Signal(int, int)
    saved = Signal(str, int)
    failed = Signal(str)

    def __init__(self, controller: SamplingController, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._controller = controller
        self._job: Job | None = None
        self._mailbox = Mailbox(interval_ms=60, parent=self)
        self._mailbox.arrived.connect(self._on_news)
        controller.answered.connect(self._on_answered)
        controller.state_changed.connect(self._on_state)

    @property
    def busy(self) -> bool:
        """True while it writes."""
        return self._job is not None

    def start(self, run: Run, path: str) -> bool:
        """Write the steps that `run` has into `path`, .npz or .safetensors.

        Returns False, and writes nothing, while a run is active.
        """
        last = run.trajectory.last
        if last is None:
            return False
        experiment, count, device = run.experiment, last.index + 1, self._controller.device

        def work(job: Job, worker: SamplingWorker) -> _Written:
            from diffusion_gui.session.shared import shared
            from diffusion_gui.session.trajectory_export import save_trajectory
            from diffusion_gui.session.watch import Watch

            watch = Watch(job.poll, lambda done, total: self._mailbox.put((done, total)))
            steps = worker.walk(job, experiment, device)
            try:
                save_trajectory(path, steps, count, shared(experiment, ()), watch)
            except Cancelled:
                raise
            except Exception as error:
                return _Written(path, 0, reason(error, "lower the number or size of the pictures"))
            return _Written(path, count)

        self._job = self._controller.ask(work)
        if self._job is not None:
            self.progress.emit(0, count)
        return self.busy

    @Slot()
    def cancel(self) -> None:
        """End it; no file is left."""
        if self._job is not None:
            self._end()
            self._controller.ask_no_more()

    def shutdown(self) -> None:
        """Forget what is under way; the controller ends the thread."""
        self._job = None
        self._mailbox.close()

    def _end(self) -> None:
        self._job = None
        self._mailbox.close()
        self.progress.emit(0, 0)

    @Slot(object)
    def _on_answered(self, result: object) -> None:
        if not isinstance(result, _Written) or self._job is None:
            return
        self._end()
        if result.problem:
            self.failed.emit(result.problem)
        else:
            self.saved.emit(result.path, result.steps)

    @Slot()
    def _on_state(self) -> None:
        """Say so where something else has taken the thread."""
        if self._job is not None and self._job.cancelled:
            self._end()
            why = "a run began" if self._controller.active else "something else was asked"
            self.failed.emit(f"The trajectory was not saved, as {why}; export it again")

    @Slot(object)
    def _on_news(self, news: list[tuple[int, int]]) -> None:
        if self._job is not None:
            self.progress.emit(*news[-1])
