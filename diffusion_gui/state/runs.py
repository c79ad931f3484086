"""The list of runs: what was sampled, how it went, and what a person says about it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from weakref import WeakSet

from PySide6.QtCore import QObject, Signal

from diffusion_gui.engine.experiment import Experiment, Fork
from diffusion_gui.engine.run_distance import ReferenceDistance, Verdict
from diffusion_gui.state.run import Outcome, Run
from diffusion_gui.state.run_memory import RunMemory

BUDGET = 768 * 1024**2
"""Bytes of all that the runs hold, see `run_memory.py`; beyond it the oldest let go of it."""
MOST_RUNS = 200
"""Runs in the list; beyond it the oldest ones that are not pinned go."""


class Runs(QObject):
    """All runs, oldest first; `changed` when the list, or what is said in it, changed.

    `removed(run)` when one has left it, `replaced(run, other)` when another goes on in its place,
    `forgotten(run)` when one that was deleted cannot be put back any more.
    """

    changed = Signal()
    removed = Signal(object)
    replaced = Signal(object, object)
    forgotten = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._runs: list[Run] = []
        self._numbers = itertools.count(1)
        self._together = False
        self._parents: dict[Run, Run | None] = {}
        """What `parent_of` has found: experiments are long to compare, and it is asked often."""
        self._memory = RunMemory()
        self._deleted: WeakSet[Run] = WeakSet()
        """Those that may be put back: so long they take memory too."""

    def __iter__(self) -> Iterator[Run]:
        """Oldest first."""
        return iter(tuple(self._runs))

    def __contains__(self, run: Run) -> bool:
        """Whether a run is in the list."""
        return run in self._runs

    def __len__(self) -> int:
        """The number of runs."""
        return len(self._runs)

    def find(self, experiment: Experiment) -> Run | None:
        """Return the newest run of an experiment, if there is one."""
        return next((run for run in reversed(self._runs) if run.experiment == experiment), None)

    def parent_of(self, run: Run) -> Run | None:
        """Return the run that `run` was forked from, if it is in the list."""
        if run.experiment.fork is None:
            return None
        if run not in self._parents:
            self._parents[run] = self._find_parent(run, run.experiment.fork)
        return self._parents[run]

    def _find_parent(self, run: Run, fork: Fork) -> Run | None:
        older = [one for one in reversed(self._runs) if one.number < run.number]
        # the very same object as a rule, which is found at once
        same = (one for one in older if one.experiment is fork.parent)
        alike = (one for one in older if one.experiment == fork.parent)
        return next(same, None) or next(alike, None)

    @property
    def fleeting(self) -> Run | None:
        """The run whose place the next live one takes: the last, if an edit started it.

        One that a person has touched, or forked, stays.
        """
        last = self._runs[-1] if self._runs else None
        if last is None or not last.live or last.touched:
            return None
        return None if any(self.parent_of(one) is last for one in self._runs) else last

    def add(self, run: Run) -> None:
        """Add a run; it takes the place of the last one if both were started by edits.

        Not so where a fork was set or taken away between them: then each is a branch of its own.
        """
        last = self.fleeting
        alike = last is not None and last.experiment.fork == run.experiment.fork
        if last is not None and alike and run.live and self.parent_of(run) is not last:
            self._drop(last)
            self._append(run, last.number)
            return
        self._append(run, next(self._numbers))

    def replace(self, run: Run, other: Run) -> None:
        """Let `other` go on in the place of a run that was stopped, under its number and name."""
        if run not in self._runs:
            self.add(other)
            return
        other.number, other.live = run.number, run.live
        other.name, other.note, other.pinned = run.name, run.note, run.pinned
        self._runs[self._runs.index(run)] = other
        self._parents.clear()
        self._keep_within(other)
        self.replaced.emit(run, other)
        self.changed.emit()

    def keep(self, run: Run) -> None:
        """Note that a person has had to do with a run: no run of an edit takes its place."""
        run.live = False
        self.changed.emit()

    def judge(self, run: Run, told: Verdict | ReferenceDistance) -> None:
        """Note what was found out about a run."""
        if isinstance(told, Verdict):
            run.verdict = told
        else:
            run.distance = told
        self.changed.emit()

    def hold(self, run: Run, held: bool) -> None:
        """Note whether a run that is not over is held."""
        held = held and run.outcome is Outcome.RUNNING
        if held != run.held:
            run.held = held
            self.changed.emit()

    def end(self, run: Run, outcome: Outcome, message: str = "") -> None:
        """Note how a run ended."""
        run.outcome, run.message = outcome, message or run.message
        run.held = False
        self._keep_within(run)
        self.changed.emit()

    def rename(self, run: Run, name: str) -> None:
        """Give a run a name; an empty one takes it away."""
        run.name = name.strip()
        self.changed.emit()

    def annotate(self, run: Run, note: str) -> None:
        """Write a note to a run."""
        run.note = note
        self.changed.emit()

    def pin(self, run: Run, pinned: bool) -> None:
        """Keep a run, with all its frames, until it is deleted by hand."""
        run.pinned = pinned
        self._tell()

    def delete(self, run: Run) -> None:
        """Take a run out of the list; `put_back` returns it."""
        self._drop(run)
        self._deleted.add(run)
        self._tell()

    def put_back(self, run: Run) -> None:
        """Return a deleted run to its place."""
        if run not in self._runs:
            self._parents.clear()
            self._deleted.discard(run)
            self._runs.append(run)
            self._runs.sort(key=lambda one: one.number)
            self._tell()

    @contextmanager
    def together(self) -> Iterator[None]:
        """Tell only once, at the end, of all that is pinned, deleted and put back within."""
        self._together = True
        try:
            yield
        finally:
            self._together = False
            self.changed.emit()

    def _tell(self) -> None:
        if not self._together:
            self.changed.emit()

    def _append(self, run: Run, number: int) -> None:
        run.number = number
        self._parents.pop(run, None)
        self._runs.append(run)
        self._keep_within(run)
        self.changed.emit()

    def _drop(self, run: Run) -> None:
        self._runs.remove(run)
        self._parents = {one: parent for one, parent in self._parents.items() if parent is not run}
        self._parents.pop(run, None)
        self.removed.emit(run)

    def _keep_within(self, spared: Run) -> None:
        """Thin out the oldest runs; `spared`, the newest, and one that goes on stay as they are."""
        alone = {spared, self._runs[-1]} if self._runs else {spared}
        old = [run for run in self._runs if run not in alone and run.outcome is not Outcome.RUNNING]
        pinned = {run for run in old if run.pinned}
        unpinned = [run for run in old if not run.pinned]
        for run in unpinned[: max(0, len(self._runs) - MOST_RUNS)]:
            old.remove(run)
            self._drop(run)
        deleted = sorted(self._deleted, key=lambda run: run.number)
        everything = (*self._runs, *deleted)
        for run in self._memory.keep_within(BUDGET, everything, (*deleted, *old), pinned):
            if run in self._deleted:
                self._deleted.discard(run)
                self.forgotten.emit(run)
            else:
                self._drop(run)
