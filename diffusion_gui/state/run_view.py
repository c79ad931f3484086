"""What the sampling panel looks at: a run, one of its steps, which of its pictures. Not undoable.

There is one t: that of the step on show is that of the time cursor in all panels. Who moves last
leads. A step that a person chooses takes the cursor along; a moved cursor shows the recorded step
nearest to it, also of a run that comes or grows later. A run that is followed takes the cursor
along wherever it rests: held, stepped, stopped, at its end, or when another run is shown. Only
while it runs are both free, for all panels together take longer to paint than a step to make.
"""

from __future__ import annotations

import time
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from enum import StrEnum

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from diffusion_gui.engine.trajectory import Frame
from diffusion_gui.state.sampling import Run, RunState, SamplingController
from diffusion_gui.state.view_state import ViewState

SECONDS_BETWEEN = 0.04
"""While steps are scrubbed the time cursor follows this often: all panels show it, and together
they take longer than a frame of the screen has."""


class Quantity(StrEnum):
    """What a grid shows of every step; the values are the fields of a `Frame`."""

    X_T = "x_t"
    X0_HAT = "x0_hat"
    EPS_HAT = "eps_hat"


class SamplingPage(StrEnum):
    """What stands beside the pictures."""

    CURVES = "curves"
    POSTERIOR = "posterior"
    MAP = "map"
    RUNS = "runs"


class RunView(QObject):
    """The run on show; a run that begins is shown by itself and followed to its newest step.

    `run_changed` when another run is on show, `grown` when it has got more steps, `step_changed`
    when another recorded step is on show, `shown_changed` when the quantities, the chosen image,
    whether it is enlarged, or the page changed. `led` when the time cursor was moved to the step,
    `near_changed` when it may lie elsewhere beside it.
    """

    run_changed = Signal()
    step_changed = Signal()
    grown = Signal()
    shown_changed = Signal()
    led = Signal()
    near_changed = Signal()

    def __init__(
        self, controller: SamplingController, view: ViewState, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._controller = controller
        self._view = view
        self._run: Run | None = None
        self._newest: Run | None = None
        self._frame: Frame | None = None
        self._step = 0
        self._following = True
        self._by_time = False
        """Whether the cursor chose the step on show: of a run that grows a nearer one may come."""
        self._stays = False
        self._emptied = False
        """Whether the run on show was deleted, with all others."""
        self._linking = False
        self._led_at = 0.0
        self._soon = QTimer(self, singleShot=True)
        self._soon.timeout.connect(self._lead_time)
        self._quantities: tuple[Quantity, ...] = (Quantity.X_T, Quantity.X0_HAT)
        self._image: int | None = None
        self._enlarged = False
        self._page: SamplingPage | None = SamplingPage.CURVES
        controller.frames_changed.connect(self._on_frames)
        controller.runs.changed.connect(self._on_runs)
        controller.state_changed.connect(self._agree)
        view.t_changed.connect(self.show_time)

    @property
    def run(self) -> Run | None:
        """The run on show, None before the first."""
        return self._run

    @property
    def step(self) -> int:
        """The step looked at, 0..num_steps; `frame` is the recorded one nearest to it."""
        return self._step

    @property
    def frame(self) -> Frame | None:
        """The recorded step on show, None while there is none."""
        return self._frame

    @property
    def following(self) -> bool:
        """True while the newest step is shown as the run grows."""
        return self._following

    @property
    def at_first(self) -> bool:
        """True where there is no earlier recorded step."""
        return self._run is None or self._frame is self._run.trajectory.at_step(0)

    @property
    def at_newest(self) -> bool:
        """True where there is no later recorded step yet."""
        return self._run is None or self._frame is self._run.trajectory.last

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """Which grids are on show, in the order of `Quantity`; at least one."""
        return self._quantities

    @property
    def image(self) -> int | None:
        """The chosen picture of the batch, from 0."""
        return self._image

    @property
    def enlarged(self) -> bool:
        """True while the chosen picture alone is on show, False for the whole batch."""
        return self._enlarged

    @property
    def page(self) -> SamplingPage | None:
        """What stands beside the pictures; None leaves them all the room."""
        return self._page

    # --- which step -------------------------------------------------------------------------

    def show(self, run: Run) -> None:
        """Show a run at its newest step; one without any step yet is left alone.

        A run that an edit started is shown at the t that was looked at before.
        """
        last = run.trajectory.last
        if last is None or run is self._run:
            return
        if not self._stays and (not run.live or self._run is None):
            self._following = True
        self._stays = False
        self._soon.stop()
        self._run = run
        self._by_time = not self._following
        self._frame = last if self._following else self._nearest()
        self._step = self._frame.index if self._frame is not None else 0
        gone = self._image is not None and self._image >= len(last.x_t)
        if gone:  # before anyone looks for that picture in the new run
            self._image, self._enlarged = None, False
        self.run_changed.emit()
        self.step_changed.emit()
        if gone:
            self.shown_changed.emit()
        self._agree()

    def stay(self) -> None:
        """Leave the cursor where it is when the next run comes: no person has asked for that."""
        self._stays, self._following = True, False

    def set_step(self, step: int) -> None:
        """Look at a step, and move the time cursor there; at the newest one, follow the run."""
        if self._go(step):
            self._lead_time()

    def scrub(self, step: int) -> None:
        """Look at a step on the way to others; the time cursor comes along, but not at each."""
        left = SECONDS_BETWEEN - (time.monotonic() - self._led_at)
        if left > 0.0 and not self._soon.isActive():
            self._soon.start(round(1000.0 * left) + 1)
        if self._go(step) and not self.lags:
            self._lead_time()

    @property
    def lags(self) -> bool:
        """True while the time cursor has not yet come to the step that was scrubbed to."""
        return self._soon.isActive()

    def _go(self, step: int) -> bool:
        """Look at a step, if there is any."""
        last = self._run.trajectory.last if self._run else None
        if last is None:
            return False
        step = min(max(step, 0), last.index)
        self._following = step == last.index
        self._by_time = False
        self._step = step
        self._look()
        return True

    @Slot()
    def earlier(self) -> None:
        """Look at the recorded step before."""
        indices = self._indices()
        if before := indices[: bisect_left(indices, self._shown_index())]:
            self.set_step(before[-1])

    @Slot()
    def later(self) -> None:
        """Look at the recorded step after."""
        indices = self._indices()
        if after := indices[bisect_right(indices, self._shown_index()) :]:
            self.set_step(after[0])

    @Slot()
    def first(self) -> None:
        """Look at the first step."""
        self.set_step(0)

    @Slot()
    def last(self) -> None:
        """Look at the newest step."""
        if self._run is not None:
            self.set_step(self._run.trajectory.num_steps)

    @Slot()
    def follow(self) -> None:
        """Show the newest run at its newest step, also as it grows."""
        if self._newest is not None:
            self.show(self._newest)
        self._following = True
        self._keep_up()

    @Slot()
    def step_back(self) -> None:
        """Look at the step before; a run that goes on is held."""
        self._controller.pause()
        self.earlier()

    @Slot()
    def step_on(self) -> None:
        """Look at the next recorded step; at the newest one, make a step."""
        if not self.at_newest:
            self.later()
            return
        self.follow()
        self._controller.step()

    @Slot()
    def show_time(self) -> None:
        """Look at the recorded step nearest the time cursor, unless a growing run is followed."""
        run = self._run
        grows = self._controller.state is RunState.RUNNING and self._following
        if run is None or self._linking or grows:
            self.near_changed.emit()
            return
        self._soon.stop()
        nearest = self._nearest()
        if nearest is not None:
            self._following, self._by_time = False, True
            self._step = nearest.index
            self._look()
        self.near_changed.emit()

    @property
    def near(self) -> float | None:
        """The t of the cursor, in that of the run, where it chose a step that lies beside it."""
        if not self._by_time or self._time == self._view.t:
            return None
        return self._cursor

    @property
    def _cursor(self) -> float:
        T = self._run.experiment.schedule.T if self._run else self._view.T
        return self._view.t * T / self._view.T

    def _nearest(self) -> Frame | None:
        """Return the recorded step nearest the time cursor."""
        return self._run.trajectory.at_time(self._cursor) if self._run else None

    # --- what of it -------------------------------------------------------------------------

    def set_quantities(self, quantities: Iterable[Quantity]) -> None:
        """Show these grids, in the order of `Quantity`; none is refused."""
        wanted = set(quantities)
        ordered = tuple(quantity for quantity in Quantity if quantity in wanted)
        if ordered and ordered != self._quantities:
            self._quantities = ordered
            self.shown_changed.emit()

    def set_image(self, image: int | None) -> None:
        """Choose a picture of the batch, or none: then the whole batch is on show."""
        self._choose(image, self._enlarged and image is not None)

    def enlarge(self, image: int) -> None:
        """Choose a picture of the batch and show it alone."""
        self._choose(image, True)

    def show_all(self) -> None:
        """Show the whole batch; the chosen picture stays chosen."""
        self._choose(self._image, False)

    def _choose(self, image: int | None, enlarged: bool) -> None:
        if (image, enlarged) != (self._image, self._enlarged):
            self._image, self._enlarged = image, enlarged
            self.shown_changed.emit()

    def set_page(self, page: SamplingPage | None) -> None:
        """Show another page beside the pictures, or none."""
        if page is not self._page:
            self._page = page
            self.shown_changed.emit()

    # --- within -----------------------------------------------------------------------------

    @Slot()
    def _on_frames(self) -> None:
        """Show a run that has begun, and more of the one on show."""
        run = self._controller.recorded
        if run is None or run.trajectory.last is None:
            return
        if run is not self._newest:
            self._newest = run
            self.show(run)
        elif run is self._run:
            self.grown.emit()
            self._keep_up()

    @Slot()
    def _on_runs(self) -> None:
        """Show nothing when the last run has been deleted; one that was put back is shown."""
        runs = self._controller.runs
        if self._run is None:
            for run in runs if self._emptied else ():
                self.show(run)
            self._emptied = self._emptied and self._run is None
        elif not len(runs):
            self._run, self._newest, self._frame, self._step = None, None, None, 0
            self._image, self._enlarged, self._emptied, self._following = None, False, True, True
            self.run_changed.emit()
            self.step_changed.emit()
            self.shown_changed.emit()

    def _keep_up(self) -> None:
        """Look at the newest step, if that is followed, or at the one that is nearest now."""
        last = self._run.trajectory.last if self._run else None
        if last is not None and self._following:
            self._step = last.index
        elif self._by_time and (nearest := self._nearest()) is not None:
            self._step = nearest.index
        self._look()
        self._agree()

    @Slot()
    def _agree(self) -> None:
        """Take the time cursor along to the newest step, where a run that is followed rests."""
        moves = self._controller.state in (RunState.LOADING, RunState.RUNNING)
        if self._following and not moves and self._time != self._view.t:
            self._lead_time()

    @property
    def _time(self) -> int:
        """Where the step on show stands, in the t of the cursor; the cursor where there is none."""
        run, frame = self._run, self._frame
        if run is None or frame is None:
            return self._view.t
        return round(frame.t * self._view.T / run.experiment.schedule.T)

    def _look(self) -> None:
        """Take the frame nearest the step: another one, or the same step thinned out."""
        frame = self._run.trajectory.at_step(self._step) if self._run else None
        if frame is not self._frame:
            self._frame = frame
            self.step_changed.emit()

    @Slot()
    def _lead_time(self) -> None:
        self._soon.stop()
        self._led_at = time.monotonic()
        if self._frame is None:
            return
        self._linking = True
        self._view.set_t(self._time)
        self._linking = False
        self.led.emit()

    def _indices(self) -> list[int]:
        return [frame.index for frame in self._run.trajectory.frames] if self._run else []

    def _shown_index(self) -> int:
        return self._frame.index if self._frame else 0
