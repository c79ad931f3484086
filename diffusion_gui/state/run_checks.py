"""Second looks at a finished run, in the background: is it the same again, how far is it off.

The work is done in the thread of the runs and with their model, so a run that begins ends it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from PySide6.QtCore import QObject, Signal, Slot

from diffusion_gui.engine.errors import Cancelled, EngineError
from diffusion_gui.engine.experiment import Experiment
from diffusion_gui.engine.images import FloatImage
from diffusion_gui.engine.planning import transitions
from diffusion_gui.engine.run_distance import (
    ReferenceDistance,
    Verdict,
    compare_frames,
    reference_of,
    rms,
)
from diffusion_gui.state.jobs import Job, Mailbox, reason
from diffusion_gui.state.run import Outcome, Run
from diffusion_gui.state.runs import Runs
from diffusion_gui.state.sampling import SamplingController
from diffusion_gui.state.sampling_worker import SamplingWorker

REFERENCE_BYTES = 64 * 1024**2
"""Of the results of references that are kept: other runs of the same seed are measured at once."""
MEND = "lower the count or the size of the samples"


class Check(StrEnum):
    """What is found out about a run."""

    VERIFY = "verify"
    REFERENCE = "reference"


_DOING = {Check.VERIFY: "verify it", Check.REFERENCE: "measure it"}


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What a check has found out, or why it has not."""

    run: Run
    told: Verdict | ReferenceDistance | None = None
    drawn: FloatImage | None = None
    """The result of the reference, float32 [B, 3, H, W]."""
    problem: str = ""


class RunChecks(QObject):
    """Verifies runs and measures them by their references, one at a time, in the order asked.

    `changed` when `run`, `progress` or `message` is another; what was found out is told to `Runs`.
    """

    changed = Signal()

    def __init__(self, controller: SamplingController, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._controller = controller
        self._waiting: list[tuple[Check, Run]] = []
        self._job: Job | None = None
        self._references: dict[Experiment, FloatImage] = {}
        self.check: Check | None = None
        """What is being done; None while nothing is."""
        self.run: Run | None = None
        """The run it is done for."""
        self.progress = 0.0
        """From 0 to 1."""
        self.message = ""
        """Why the last check found out nothing."""
        self._mailbox = Mailbox(parent=self)
        self._mailbox.arrived.connect(self._on_progress)
        controller.answered.connect(self._on_answered)
        controller.state_changed.connect(self._on_state)

    @property
    def runs(self) -> Runs:
        """The list of runs."""
        return self._controller.runs

    def refusal(self, check: Check, run: Run) -> str:
        """Return why a check of a run cannot be made, "" if it can."""
        if run.let_go:
            return (
                "its exact result was given up for the memory of newer runs; run it again to"
                f" {_DOING[check]} (pin a run to keep it)"
            )
        if run.outcome is not Outcome.DONE or run.result is None:
            return "only a run that has come to its end can be checked; finish it first"
        if self._controller.active:
            return "a run is going on; wait for its end, or stop it"
        if check is Check.REFERENCE:
            try:
                reference_of(run.experiment)
            except EngineError as error:
                return str(error)
        return ""

    def ask(self, check: Check, *runs: Run) -> None:
        """Make a check of these runs, after those that are under way."""
        self.message = ""
        for run in runs:
            if problem := self.refusal(check, run):
                self.message = f"{run.title}: {problem}"
            else:
                self._waiting.append((check, run))
        if self.check is None:
            self._next()
        self.changed.emit()

    def cancel(self) -> None:
        """Give up what is under way and what waits."""
        self._waiting.clear()
        if self.check is not None:
            self._over()
            self._controller.ask_no_more()
        self.changed.emit()

    def shutdown(self) -> None:
        """Ask nothing more; safe to call twice."""
        self._waiting.clear()
        self._mailbox.close()

    def _next(self) -> None:
        """Begin the next check that waits; one that needs no work is over at once."""
        while self._waiting:
            self.check, self.run = self._waiting.pop(0)
            self.progress, self._job = 0.0, None
            if self.check is Check.REFERENCE and self._measure(self.run):
                continue
            self._job = self._controller.ask(self._work(self.check, self.run))
            if self._job is not None:
                return
            self._waiting.clear()
        self._over()

    def _over(self) -> None:
        self.check = self.run = self._job = None

    def _measure(self, run: Run) -> bool:
        """Measure a run by a reference that was drawn already; return whether there was one."""
        reference = reference_of(run.experiment)
        drawn = self._references.get(reference)
        if drawn is None or run.result is None or drawn.shape != run.result.shape:
            return False
        each = tuple(float(value) for value in rms(run.result, drawn))
        self.runs.judge(run, ReferenceDistance(each, reference, transitions(reference)))
        return True

    def _remember(self, reference: Experiment, drawn: FloatImage) -> None:
        """Keep the result of a reference, and of those before as many as there is room for."""
        self._references[reference] = drawn
        kept = self._references
        while len(kept) > 1 and sum(one.nbytes for one in kept.values()) > REFERENCE_BYTES:
            del kept[next(iter(kept))]

    def _work(self, check: Check, run: Run) -> Callable[[Job, SamplingWorker], Answer]:
        wish, told = self._controller.device, self._mailbox.put
        work = _verify if check is Check.VERIFY else _draw_reference

        def answer(job: Job, worker: SamplingWorker) -> Answer:
            try:
                return work(job, worker, run, wish, told)
            except Cancelled:
                raise
            except Exception as error:  # whatever it is, the run that was checked stays as it is
                return Answer(run, problem=reason(error, MEND))

        return answer

    @Slot(object)
    def _on_progress(self, shares: list[float]) -> None:
        if self.check is not None:
            self.progress = shares[-1]
            self.changed.emit()

    @Slot(object)
    def _on_answered(self, answer: object) -> None:
        if not isinstance(answer, Answer) or answer.run is not self.run:
            return
        run = answer.run
        if answer.problem:
            self.message = f"{run.title}: {answer.problem}"
        elif answer.drawn is not None:
            self._remember(reference_of(run.experiment), answer.drawn)
            self._measure(run)
        elif answer.told is not None:
            self.runs.judge(run, answer.told)
        self._next()
        self.changed.emit()

    @Slot()
    def _on_state(self) -> None:
        """Say so where something else has taken the thread."""
        if self._job is not None and self._job.cancelled:
            title = self.run.title if self.run else ""
            self._waiting.clear()
            self._over()
            why = "a run that began" if self._controller.active else "what was asked then"
            self.message = f"{title}: the check was given up for {why}; ask again"
            self.changed.emit()


def _verify(
    job: Job, worker: SamplingWorker, run: Run, wish: str, told: Callable[[float], None]
) -> Answer:
    """Run an experiment again, without its tape, and compare every frame and the result."""
    from diffusion_gui.engine.recorder import Recorder

    kept = {frame.index: frame for frame in run.trajectory.frames}
    recorder, equal, total = Recorder(), 0, run.trajectory.num_steps
    for step in worker.walk(job, run.experiment, wish):
        for frame in recorder.put(step):
            equal += frame.index in kept and compare_frames(frame, kept[frame.index])
        told(step.index / max(total, 1))
        result = step.x_t
    for frame in recorder.flush():
        equal += frame.index in kept and compare_frames(frame, kept[frame.index])
    again = result.cpu().numpy()
    assert run.result is not None
    largest = float(np.max(np.abs(again.astype(np.float64) - run.result)))
    return Answer(run, Verdict(largest, equal, len(kept), worker.described))


def _draw_reference(
    job: Job, worker: SamplingWorker, run: Run, wish: str, told: Callable[[float], None]
) -> Answer:
    """Draw the reference of a run."""
    reference = reference_of(run.experiment)
    total = max(transitions(reference), 1)
    for step in worker.walk(job, reference, wish):
        told(step.index / total)
        result = step.x_t
    return Answer(run, drawn=result.cpu().numpy())
