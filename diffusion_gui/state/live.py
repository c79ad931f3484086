"""Sampling again at an edit: at once, in a moment, out of sight first, or offered instead."""

from __future__ import annotations

import math
import time

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from diffusion_gui.engine.experiment import Experiment
from diffusion_gui.engine.planning import model_key
from diffusion_gui.state.pace import Pace
from diffusion_gui.state.run import Run
from diffusion_gui.state.run_state import RunState
from diffusion_gui.state.trial import Trial

LIVE_SECONDS = 1.0
"""An edit samples again at once where that is expected to take less than this."""
SETTLE_SECONDS = 0.4
"""A longer run that is under way starts again when no other edit has followed for this long."""
TRIAL_SECONDS = 3.0
"""A live run whose time nobody knows is given up if there is no second step after so long."""
HELD_SECONDS = 0.5
"""So long the result before stays on show while an edit's run is made: a drag shows results, not
noise that becomes one ten times a second."""


class LiveSampling(QObject):
    """Judges edits by how long a run of them will take, as far as `pace` knows; it starts none.

    `due` when a run that had to wait is to begin, `unveiled` when one that takes its time is to be
    seen. Where nobody knows how long a run takes it is on trial: `proved(trial)` when that was
    quick, `refused(trial)` when not, and then it is to be ended as if there had been none.
    """

    due = Signal()
    unveiled = Signal()
    proved = Signal(object)
    refused = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.pace = Pace()
        self.offered: float | None = None
        """The seconds of a run that was not made; infinity: many, no more is known."""
        self.trial: Trial | None = None
        self._device = ""
        self._began = 0.0
        self._patience = QTimer(self, singleShot=True, interval=round(1000.0 * HELD_SECONDS))
        self._patience.timeout.connect(self.unveiled)
        self._tried = QTimer(self, singleShot=True, interval=round(1000.0 * TRIAL_SECONDS))
        self._tried.timeout.connect(self._give_up)
        self._later = QTimer(self, singleShot=True)
        self._later.timeout.connect(self.due)

    def samples_now(
        self, wanted: Experiment, asked: Experiment | None, device: str, state: RunState
    ) -> bool:
        """Return whether an edit is to be sampled at once; else it is `due` soon, or `offered`.

        `asked` is what the run under way is of, if there is one.
        """
        expected = self.pace.expected(wanted, device) or 0.0
        slow = expected >= LIVE_SECONDS
        if state is RunState.RUNNING or (
            state is RunState.LOADING and not slow and self._has_model(wanted, asked, device)
        ):
            return self._restarts(slow)
        if slow and self.trial is not None:
            self._withdraw(expected)
        elif slow and state is not RunState.LOADING:
            self.offered = expected
        else:
            return True
        return False

    def _has_model(self, wanted: Experiment, asked: Experiment | None, device: str) -> bool:
        """Return whether a run that is about to begin has the model of an edit, from a run before.

        Then it is under way as any other: in a drag, the next edit is there before it begins.
        """
        known = self.trial is None and self.pace.per_call(wanted, device) is not None
        return known and asked is not None and model_key(asked) == model_key(wanted)

    def _restarts(self, settle: bool) -> bool:
        """Let an edit take effect in a run that is under way, soon; True: now.

        A short run may end first, or a long drag would show nothing.
        """
        left = LIVE_SECONDS - (time.monotonic() - self._began)
        if settle:
            self._later.start(round(1000.0 * max(left, SETTLE_SECONDS)))
        elif left > 0.0 and not self._later.isActive():
            self._later.start(round(1000.0 * left))
        return not settle and left <= 0.0

    # --- what is under way ----------------------------------------------------------------------

    def ordered(self, device: str) -> None:
        """Take note of the next run, for a device that was wished for."""
        self._device, self.offered = device, None
        self._began = time.monotonic()
        self.take_trial()
        self._later.stop()

    def try_out(self, experiment: Experiment, before: Experiment | None) -> None:
        """Put the run that was just ordered on trial if nobody knows how long it takes."""
        if not self.pace.knows(experiment, self._device):
            self.trial = Trial(experiment, before)
            self._tried.start()

    def take_trial(self) -> Trial | None:
        """End the trial and return it, if there is one."""
        trial, self.trial = self.trial, None
        self._tried.stop()
        return trial

    def began(self) -> None:
        """Take note that a run has its model and is made from now on."""
        self._began = time.monotonic()

    def learn(self, run: Run) -> None:
        """Learn from the newest run how long its model calls take."""
        self.pace.learn(run, self._device)

    def stop(self) -> None:
        """Start nothing more by itself; the newest run is seen as it is."""
        self._later.stop()
        self._patience.stop()

    def shutdown(self) -> None:
        """Stop for good."""
        self.stop()
        self._tried.stop()

    # --- what is seen of it ---------------------------------------------------------------------

    @property
    def veiled(self) -> bool:
        """True while the result before stays on show."""
        return self._patience.isActive()

    def veil(self) -> None:
        """Leave the result before on show for a moment."""
        self._patience.start()

    def unveil(self) -> None:
        """Let the newest run be seen."""
        self._patience.stop()

    # --- a run whose time nobody knows ----------------------------------------------------------

    def judge(self) -> None:
        """End the trial if its steps tell by now how long it takes."""
        seconds = self.trial.expected if self.trial is not None else None
        if seconds is None:
            return
        if seconds < LIVE_SECONDS:
            self.proved.emit(self.take_trial())
        else:
            self._refuse(seconds)

    @Slot()
    def _give_up(self) -> None:
        self.judge()
        self._refuse(math.inf)

    def _refuse(self, seconds: float) -> None:
        """Give the trial up for what it has shown."""
        trial = self.trial
        if trial is None:
            return
        if trial.run is not None and math.isfinite(seconds):
            self.learn(trial.run)
        else:
            self.pace.doubt(trial.experiment, self._device)
        self._withdraw(seconds)

    def _withdraw(self, seconds: float) -> None:
        """Offer a run that takes so many seconds in place of the trial."""
        trial = self.take_trial()
        self._patience.stop()
        self.offered = seconds
        self.refused.emit(trial)
