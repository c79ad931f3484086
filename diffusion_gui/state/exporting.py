"""Writing and reading experiments in the background, one after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QObject, Signal, Slot

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.session.watch import Watch
from diffusion_gui.state.jobs import Job, JobRunner, Mailbox, reason


class Exporter(QObject):
    """Runs jobs in one thread, in order; a job is told how to report and when to end.

    `progress(done, total)` while a job runs, (0, 0) when none does; `failed(line)` where one could
    not do it.
    """

    progress = Signal(int, int)
    failed = Signal(str)

    def __init__(self, name: str, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._runner = JobRunner(name, self)
        self._runner.done.connect(self._on_done)
        self._runner.failed.connect(self._on_failed)
        self._runner.ended.connect(self._on_ended)
        self._mailbox = Mailbox(interval_ms=60, parent=self)
        self._mailbox.arrived.connect(self._on_news)

    @property
    def busy(self) -> bool:
        """True while a job waits or runs."""
        return self._runner.busy

    def start(self, work: Callable[[Watch], Any], then: Callable[[Any], None]) -> None:
        """Do `work` in the thread, then hand what it returns to `then` in this one."""

        def run(job: Job) -> tuple[Callable[[Any], None], Any]:
            watch = Watch(job.poll, lambda done, total: self._mailbox.put((done, total)))
            result = work(watch)
            job.poll()
            return then, result

        self._runner.submit(run, supersede=False)

    @Slot()
    def cancel(self) -> None:
        """End what runs and forget what waits; no file is left behind."""
        self._runner.cancel()

    def shutdown(self) -> None:
        """End the thread; safe to call twice."""
        self._runner.shutdown()
        self._mailbox.close()

    @Slot(object)
    def _on_done(self, result: tuple[Callable[[Any], None], Any]) -> None:
        then, value = result
        then(value)

    @Slot(object)
    def _on_failed(self, error: Exception) -> None:
        if not isinstance(error, EngineError | MemoryError):
            raise error
        self.failed.emit(reason(error, "lower the working size (Options)"))

    @Slot()
    def _on_ended(self) -> None:
        self._mailbox.close()
        self.progress.emit(0, 0)

    @Slot(object)
    def _on_news(self, news: list[tuple[int, int]]) -> None:
        if self.busy:
            self.progress.emit(*news[-1])
