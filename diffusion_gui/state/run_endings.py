"""Works out in a thread what needs a run's result, once the run on show has ended."""

from __future__ import annotations

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from diffusion_gui.engine.errors import ran_out_of_memory
from diffusion_gui.engine.run_measures import distances, nearest_since
from diffusion_gui.engine.survey import Ending
from diffusion_gui.state.jobs import Job, JobRunner
from diffusion_gui.state.run import Outcome, Run
from diffusion_gui.state.run_view import RunView
from diffusion_gui.state.runs import Runs

MOST_FRAMES = 500
"""Of a longer run evenly spaced frames are compared: more than a chart has pixels."""
REST_MS = 250
"""A run that an edit started is looked at when no other has followed for so long: in a drag there
are ten a second, and this would take their time."""


class RunEndings(QObject):
    """Fills in `Run.ending` of the run on show while someone watches; `changed` when it is."""

    changed = Signal()

    def __init__(self, shown: RunView, runs: Runs, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._shown, self._runs = shown, runs
        self._watchers = 0
        self._closed = False
        self._wanted: Run | None = None
        self._runner = JobRunner("run endings", self)
        self._runner.done.connect(self._on_done)
        self._runner.failed.connect(self._on_failed)
        self._rested = QTimer(self, singleShot=True, interval=REST_MS)
        self._rested.timeout.connect(self._begin)
        shown.run_changed.connect(self._look)
        runs.changed.connect(self._look)

    @property
    def busy(self) -> bool:
        """True while something is, or soon will be, worked out."""
        return self._runner.busy or self._rested.isActive()

    def set_watched(self, watched: bool) -> None:
        """Say that someone begins, or ends, to look at what this works out."""
        self._watchers += 1 if watched else -1
        self._look()

    def shutdown(self) -> None:
        """End the thread."""
        self._closed = True
        self._rested.stop()
        self._runner.shutdown()

    @Slot()
    def _look(self) -> None:
        run = self._shown.run
        if self._closed or not self._watchers:
            return
        if any(one.outcome is Outcome.RUNNING for one in self._runs):
            self._rested.stop()
            self._runner.cancel()
            self._wanted = None
        elif run is not None and run.live:
            self._rested.start()
        else:
            self._begin()

    @Slot()
    def _begin(self) -> None:
        self._rested.stop()
        run = self._shown.run
        if not self._watchers or run is None:
            return
        ended = run.outcome is not Outcome.RUNNING and len(run.trajectory) > 1
        if not ended or run.ending is not None or run is self._wanted:
            return
        self._wanted = run
        self._runner.submit(lambda job: _worked_out(job, run))

    @Slot(object)
    def _on_done(self, result: tuple[Run, Ending]) -> None:
        run, ending = result
        run.ending = ending
        self._wanted = None
        self.changed.emit()

    @Slot(object)
    def _on_failed(self, error: Exception) -> None:
        """Let it be tried again at the next look: memory may be there by then."""
        self._wanted = None
        if not ran_out_of_memory(error):
            raise error


def _worked_out(job: Job, run: Run) -> tuple[Run, Ending]:
    """Return a run and what needs its result; a network's has no map of images to be near to."""
    frames, survey = run.trajectory.frames, run.survey
    stride = -(-len(frames) // MOST_FRAMES)
    some = (*frames[:-1:stride], frames[-1])
    steps, apart = distances(some, job.poll)
    if survey is None:
        return run, Ending(steps, apart)
    return run, Ending(steps, apart, *nearest_since(some, survey.atlas.pixels, job.poll))
