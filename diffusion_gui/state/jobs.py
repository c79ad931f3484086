"""Background work: one long-lived QThread per kind of job, latest wins.

A request carries an id. A newer request supersedes the older: its cancel event is set, and its
late answer is dropped. The worker lives in the thread; answers come back as queued signals to
methods of objects that live in the GUI thread. Every runner has `shutdown()`; a QThread that is
dropped while running would abort the process.
"""

from __future__ import annotations

import itertools
import logging
import math
import threading
import time
from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QObject, Qt, QThread, QTimer, Signal, Slot

from diffusion_gui.engine.errors import Cancelled, EngineError, ran_out_of_memory

_log = logging.getLogger(__name__)


class Job:
    """One request: what to do, and the means to cancel, pause and single-step it."""

    _ids = itertools.count(1)

    def __init__(self, work: Callable[[Job], Any]) -> None:
        self.id = next(self._ids)
        self.work = work
        self._cancelled = threading.Event()
        self._turn = threading.Condition()
        self._allowed: int | None = None
        """Steps still allowed while paused; None while running freely."""
        self._nudged = False
        self.waited = 0.0
        """Seconds spent paused."""

    @property
    def cancelled(self) -> bool:
        """True once `cancel` was called."""
        return self._cancelled.is_set()

    @property
    def held(self) -> bool:
        """True while the work may not go on freely."""
        return self._allowed is not None

    def cancel(self) -> None:
        """Ask the work to stop; wakes it if it is paused."""
        with self._turn:
            self._cancelled.set()
            self._turn.notify_all()

    def poll(self) -> None:
        """Raise Cancelled if the job is cancelled; the work calls this often."""
        if self._cancelled.is_set():
            raise Cancelled

    def pause(self) -> None:
        """Hold the work at its next `wait_turn`."""
        with self._turn:
            self._allowed = 0

    def resume(self) -> None:
        """Let the work run freely."""
        with self._turn:
            self._allowed = None
            self._turn.notify_all()

    def allow_step(self) -> None:
        """Let paused work pass one `wait_turn`."""
        with self._turn:
            self._allowed = (self._allowed or 0) + 1
            self._turn.notify_all()

    def wait_turn(self, on_hold: Callable[[], None] = lambda: None) -> None:
        """Called by the work before each step: waits while paused, raises Cancelled.

        It never waits but that `on_hold` was called before, and calls it again at each `nudge`.
        """
        while not self._takes_turn():
            on_hold()
            begin = time.perf_counter()
            with self._turn:
                self._turn.wait_for(lambda: self._nudged or self._goes_on)
                self._nudged = False
            self.waited += time.perf_counter() - begin
        self.poll()

    def nudge(self) -> None:
        """Let work that is held look again at what it is to do while it is."""
        with self._turn:
            self._nudged = True
            self._turn.notify_all()

    @property
    def _goes_on(self) -> bool:
        return self._allowed != 0 or self._cancelled.is_set()

    def _takes_turn(self) -> bool:
        """Take the turn if there is one; returns whether the work goes on."""
        with self._turn:
            goes_on = self._goes_on
            if self._allowed:
                self._allowed -= 1
        return goes_on


def reason(error: Exception, mend: str = "") -> str:
    """Return in one line why a job failed; `mend` is what to do where memory ran out."""
    if not isinstance(error, EngineError) and ran_out_of_memory(error):
        return f"not enough memory; {mend}" if mend else "not enough memory"
    return next(iter(str(error).splitlines()), "") or type(error).__name__


class _Worker(QObject):
    """Lives in the thread and runs jobs one after the other."""

    done = Signal(object, object)
    failed = Signal(object, object)
    ended = Signal(object)

    @Slot(object)
    def run(self, job: Job) -> None:
        try:
            job.poll()
            self.done.emit(job, job.work(job))
        except Cancelled:
            pass
        except Exception as error:
            if job.cancelled:
                _log.warning("what was cancelled ended with: %s", error)
            self.failed.emit(job, error)
        finally:
            self.ended.emit(job)


class JobRunner(QObject):
    """Runs callables in one background thread and reports in the thread of its owner.

    `done(result)` and `failed(exception)` are emitted for the newest request only; `ended()`
    whenever the thread has become idle, cancelled work included.
    """

    done = Signal(object)
    failed = Signal(object)
    ended = Signal()
    _requested = Signal(object)

    def __init__(self, name: str, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._thread = QThread(self)
        self._thread.setObjectName(name)
        self._worker = _Worker()
        self._worker.moveToThread(self._thread)
        self._requested.connect(self._worker.run, Qt.ConnectionType.QueuedConnection)
        self._worker.done.connect(self._on_done, Qt.ConnectionType.QueuedConnection)
        self._worker.failed.connect(self._on_failed, Qt.ConnectionType.QueuedConnection)
        self._worker.ended.connect(self._on_ended, Qt.ConnectionType.QueuedConnection)
        self._closed = False
        self._pending: list[Job] = []
        self._newest: Job | None = None

    @property
    def job(self) -> Job | None:
        """The newest request while it is waiting or running."""
        return self._newest

    @property
    def busy(self) -> bool:
        """True while any request, even a superseded one, is still in the thread."""
        return bool(self._pending)

    def submit(self, work: Callable[[Job], Any], supersede: bool = True, held: bool = False) -> Job:
        """Run `work(job)` in the thread; by default every earlier request is cancelled.

        A `held` job holds at its first `wait_turn`: the thread cannot be ahead of a `pause`.

        After `shutdown` the job comes back cancelled and nothing runs.
        """
        job = Job(work)
        if held:
            job.pause()
        if self._closed:
            job.cancel()
            return job
        if supersede:
            self.cancel()
        if not self._thread.isRunning():
            self._thread.start()
        self._newest = job
        self._pending.append(job)
        self._requested.emit(job)
        return job

    def cancel(self) -> None:
        """Cancel everything that is waiting or running; its answers are dropped."""
        self._newest = None
        for job in self._pending:
            job.cancel()

    def shutdown(self) -> None:
        """Cancel, wait for the thread to end; nothing runs afterwards. Safe to call twice."""
        self._closed = True
        self.cancel()
        self._thread.quit()
        self._thread.wait()

    @Slot(object, object)
    def _on_done(self, job: Job, result: object) -> None:
        if not job.cancelled:
            self.done.emit(result)

    @Slot(object, object)
    def _on_failed(self, job: Job, error: object) -> None:
        if not job.cancelled:
            self.failed.emit(error)

    @Slot(object)
    def _on_ended(self, job: Job) -> None:
        self._pending.remove(job)
        if job is self._newest:
            self._newest = None
        if not self._pending:
            self.ended.emit()


_LONGEST = 0.15
"""Seconds that a mailbox with a share lets pass at most, however busy the thread is."""


class Mailbox(QObject):
    """A box from a worker to the GUI thread that cannot flood its event loop.

    `arrived(values)` is emitted in the GUI thread at most once per `interval_ms`, with the list of
    what was put since the last time; with `newest_only` that list has just the newest value. With
    `share` the next time comes later where the GUI thread has been busy for more than that share
    of the time since: what it does, it does at the cost of the work that is shown.
    """

    arrived = Signal(object)
    _filled = Signal()

    def __init__(
        self,
        interval_ms: int = 16,
        newest_only: bool = True,
        parent: QObject | None = None,
        share: float = 1.0,
    ) -> None:
        super().__init__(parent)
        self._interval_ms, self._share = interval_ms, share
        self._last = -math.inf, 0.0
        """Wall clock and the thread's own time at the last delivery."""
        self._lock = threading.Lock()
        self._newest_only = newest_only
        self._values: list[Any] = []
        self._timer = QTimer(self, singleShot=True, interval=interval_ms)
        self._timer.timeout.connect(self._deliver)
        self._filled.connect(self._on_filled, Qt.ConnectionType.QueuedConnection)

    def put(self, value: Any) -> None:
        """Leave a value; called from any thread."""
        with self._lock:
            was_empty = not self._values
            if self._newest_only:
                self._values.clear()
            self._values.append(value)
        if was_empty:
            self._filled.emit()

    def set_interval(self, interval_ms: int) -> None:
        """Deliver at most once per `interval_ms` from the next time on."""
        self._interval_ms = interval_ms

    def flush(self) -> None:
        """Deliver now what has been put so far; called in the GUI thread."""
        if values := self._take():
            self.arrived.emit(values)

    def close(self) -> None:
        """Deliver nothing more of what has been put so far."""
        self._take()
        self._timer.stop()

    def _take(self) -> list[Any]:
        with self._lock:
            values, self._values = self._values, []
        return values

    @Slot()
    def _on_filled(self) -> None:
        if not self._timer.isActive():
            self._deliver()

    @Slot()
    def _deliver(self) -> None:
        if (left_ms := self._left_ms()) > 0:
            self._timer.start(left_ms)
        elif values := self._take():
            self._last = time.perf_counter(), time.thread_time()
            self.arrived.emit(values)
            self._timer.start(self._interval_ms)

    def _left_ms(self) -> int:
        """Return how long to wait, for what has been done since the last time not to be too much.

        It is counted in the thread's own time: painting comes later than the arrival.
        """
        if self._share >= 1.0:
            return 0
        elapsed, busy = time.perf_counter() - self._last[0], time.thread_time() - self._last[1]
        left = min(busy / self._share, _LONGEST) - elapsed
        return math.ceil(1000.0 * left) if left > 0.001 else 0
