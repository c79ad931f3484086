"""Writes the steps of a run down beside it, in a thread of its own: the run need not wait."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Generic, TypeVar

from diffusion_gui.engine.errors import Cancelled

if TYPE_CHECKING:
    from diffusion_gui.engine.samplers import Step

MOST_STEPS = 32
"""Steps that the run may be ahead of what is written."""
MOST_BYTES = 64 * 1024**2
"""Of those steps together, but one is always allowed."""
REST = 0.015
"""Seconds after which the thread looks for steps by itself. To be woken at every one would cost the
run more than all it is spared: it waits for the other thread to take the interpreter and give it
back."""

Note = TypeVar("Note")


class Recording(Generic[Note]):
    """Calls `write(step, note)` for every step put, in order; `finish()` after the last one.

    A context: its end waits until all is written, also what was put before a cancel. What `write`
    raises comes back at the next `put` or `settle`, or at the end, before whatever the run itself
    raised later; nothing is written after it. With `beside` False all is written at once: a GPU is
    told by one thread, which does not wait for it anyhow.
    """

    def __init__(
        self,
        write: Callable[[Step, Note], None],
        finish: Callable[[], None],
        beside: bool = True,
    ) -> None:
        self._write, self._finish = write, finish
        self._changed = threading.Condition()
        self._waiting: deque[tuple[Step, Note]] = deque()
        self._error: BaseException | None = None
        self._ended = False
        self._awaited = False
        """Whether the run waits for what is to be written."""
        self._thread = threading.Thread(target=self._work, name="recording") if beside else None

    def __enter__(self) -> Recording[Note]:
        """Start the thread."""
        if self._thread is not None:
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Write what is left and end the thread."""
        if self._thread is not None:
            with self._changed:
                self._ended = True
                self._changed.notify_all()
            self._thread.join()
        if error is not self._error and not isinstance(error, Cancelled):
            self._check()
        if error is None:
            self._finish()

    def put(self, step: Step, note: Note) -> None:
        """Hand a step over; waits while the thread is too far behind."""
        if self._thread is None:
            self._write(step, note)
            return
        most = min(MOST_STEPS, MOST_BYTES // (step.x_t.nbytes + step.x0_hat.nbytes))
        with self._changed:
            self._wait_for(lambda: len(self._waiting) < max(1, most))
            self._check()
            self._waiting.append((step, note))

    def settle(self) -> None:
        """Wait until every step put is written."""
        with self._changed:
            self._wait_for(lambda: not self._waiting)
            self._check()

    def _wait_for(self, written: Callable[[], bool]) -> None:
        """Wait until enough is written, which is begun at once."""
        if not written():
            self._awaited = True
            self._changed.notify_all()
            self._changed.wait_for(written)
            self._awaited = False

    def _check(self) -> None:
        if self._error is not None:
            raise self._error

    def _work(self) -> None:
        from diffusion_gui.engine import device

        device.keep_to_one_core()
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._awaited or self._ended, REST)
                left = len(self._waiting)
                if self._ended and not left:
                    return
            for _ in range(left):
                self._write_one()

    def _write_one(self) -> None:
        """Write the oldest step, unless an earlier one failed."""
        step, note = self._waiting[0]
        try:
            if self._error is None:
                self._write(step, note)
        except BaseException as error:
            self._error = error
        with self._changed:
            self._waiting.popleft()  # last: it is what `settle` looks at
            if self._awaited:
                self._changed.notify_all()
