"""The chain page's controller: walks the Markov chain in a thread to wherever the cursor stands.

The jump is there at once, the chain has to take every step: while it catches up, what it has
reached is shown beside the jump. Nothing runs while the page is out of sight.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from PySide6.QtCore import QObject, Qt, QTimer, Signal, Slot

from diffusion_gui.engine.chain import (
    MOST_DRAWS,
    Chain,
    Comparison,
    as_pixels,
    compare,
    extent,
    preserving,
)
from diffusion_gui.engine.experiment import Forward
from diffusion_gui.engine.forward import Shown, Span, closed_form
from diffusion_gui.engine.images import Picture, arranged, colour
from diffusion_gui.engine.noise_fields import NoiseField
from diffusion_gui.engine.schedules.schedule import Array, Schedule
from diffusion_gui.state.document import Document
from diffusion_gui.state.forward_preview import ForwardPreview
from diffusion_gui.state.jobs import Job, JobRunner, Mailbox, reason
from diffusion_gui.state.player import Player
from diffusion_gui.state.tiles import Tile
from diffusion_gui.state.view_state import ViewState

SIDE = 256
"""Longest side in pixels at which the chain walks."""
LOOK_SECONDS = 0.03
"""Between two looks at a chain that is catching up."""
GRACE_SECONDS = 0.06
"""A chain that catches up sooner is not looked at on its way: a few steps do not flicker."""
MOST_PER_FRAME = 20
"""More steps per frame would not be faster: the chain takes some hundreds per second."""


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What is seen at one moment: the chain at `k`, the jump at `t`; k < t while it catches up."""

    k: int
    t: int
    schedule: Schedule
    """The one of the document."""
    forward: Forward
    values: tuple[Array, Array]
    """x_t of the chain and of the jump, float64 [H, W, 3], not clipped; not to be written to."""
    chain: Tile
    jump: Tile
    difference: Tile | None
    """chain - jump, where both are at one time."""
    factor: float
    """sqrt(abar) at k, by the recursion over the steps."""
    variance: float
    """1 - abar at k, by the recursion."""
    closed: tuple[float, float]
    """(sqrt(abar), 1 - abar) at t, by the closed form."""
    variances: Array
    """The recursion's variances of the steps 0..k."""
    comparison: Comparison | None
    """The statistics of both, where both are at one time and there is noise."""

    @property
    def walking(self) -> bool:
        """Whether the chain has not come to t yet."""
        return self.k != self.t


@dataclass(frozen=True, slots=True, eq=False)
class _Wish:
    """Everything a look depends on."""

    picture: Picture
    schedule: Schedule
    forward: Forward
    seed: int
    draw: int
    t: int
    shown: Shown

    @property
    def walk(self) -> tuple[object, ...]:
        """What the chain itself depends on: the thumbnail first, then the picture is another."""
        return id(self.picture), id(self.schedule), self.forward, self.seed, self.draw

    def same_as(self, other: _Wish | None) -> bool:
        """Return whether both ask for the same look."""
        return other is not None and (self.walk, self.t, self.shown) == (
            other.walk,
            other.t,
            other.shown,
        )


class _Walk:
    """A chain and the jump beside it; lives in the worker's thread."""

    def __init__(self, wish: _Wish) -> None:
        forward, self._wish = wish.forward, wish
        size = min(forward.size or SIDE, SIDE)
        pixels = arranged(wish.picture, size, forward.fit, colour(forward.background))
        twin = preserving(wish.schedule)
        self.walk = wish.walk
        self.chain = Chain(pixels, twin, wish.seed, wish.draw, forward.offset)
        self._noise = NoiseField(wish.seed, pixels.shape, forward.noise, forward.offset)

    def look(self, t: int, shown: Shown) -> Look:
        """Return what is seen now, with the jump at `t`."""
        chain, there = self.chain, self.chain.k == t
        schedule, x_0 = chain.schedule, chain.x_0
        jump = closed_form(x_0, self._noise.at(t, float(schedule.log_snr[t])), schedule, t)
        both = Span.of(shown, extent(chain.x, jump))
        difference, comparison = None, None
        a, s = float(schedule.a[t]), float(schedule.s[t])
        if there:
            apart = chain.x - jump
            span = Span.of(Shown.SYMMETRIC, extent(apart))
            difference = Tile(as_pixels(apart, span), span)
            comparison = compare(chain.x, jump, x_0, a, s, self._wish.forward.offset)
        return Look(
            k=chain.k,
            t=t,
            schedule=self._wish.schedule,
            forward=self._wish.forward,
            values=(chain.x, jump),
            chain=Tile(as_pixels(chain.x, both), both),
            jump=Tile(as_pixels(jump, both), both),
            difference=difference,
            factor=chain.mean_factor,
            variance=chain.noise_variance,
            closed=(a, s**2),
            variances=chain.variances,
            comparison=comparison,
        )


class ChainController(QObject):
    """Keeps chain and jump at the time cursor while its page is in sight; latest wins.

    `look_changed` when there is another look (`look`), `playing_changed(playing)`, `failed(line)`
    with one line for a person.
    """

    look_changed = Signal()
    playing_changed = Signal(bool)
    failed = Signal(str)

    def __init__(
        self,
        document: Document,
        view: ViewState,
        preview: ForwardPreview,
        player: Player,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._document = document
        self._view = view
        self._preview = preview
        self._player = player
        self._active = False
        self._draw = 0
        self._wish: _Wish | None = None
        self._fulfilled: _Wish | None = None
        self._walk: _Walk | None = None
        self._next_look = 0.0
        """When the chain is looked at next while it catches up; 0 while it is where it should."""
        self.look: Look | None = None
        self.per_frame = 1
        """Steps that playing takes per frame, 1..MOST_PER_FRAME."""
        self._runner = JobRunner("chain", self)
        self._runner.failed.connect(self._on_failed)
        self._mailbox = Mailbox(parent=self)
        self._mailbox.arrived.connect(self._on_looks)
        self._timer = QTimer(self, interval=16)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._on_tick)
        preview.tiles_changed.connect(self.refresh)
        preview.sides_changed.connect(self.look_changed)
        player.changed.connect(self._on_player)

    @property
    def busy(self) -> bool:
        """True while there is something to come."""
        return self._runner.busy or self._fulfilled is not self._wish

    @property
    def letter(self) -> str:
        """Under which side the chain runs, A or B, or "" while there is one only."""
        return self._preview.letter

    @property
    def playing(self) -> bool:
        """True while the chain takes its steps by itself."""
        return self._timer.isActive()

    @property
    def draw(self) -> int:
        """How many times the chain has been drawn anew."""
        return self._draw

    def set_active(self, active: bool) -> None:
        """Work, because the page has come into sight, or rest."""
        if active == self._active:
            return
        self._active = active
        if active:
            self.refresh()
        else:
            self._rest()

    @Slot()
    def step(self) -> None:
        """Move the time cursor on by one."""
        self._view.set_t(self._view.t + 1)

    @Slot()
    def step_back(self) -> None:
        """Move the time cursor back by one."""
        self._view.set_t(self._view.t - 1)

    @Slot()
    def redraw(self) -> None:
        """Give the chain other draws; the jump keeps its own."""
        self._draw = (self._draw + 1) % MOST_DRAWS
        self.refresh()

    @Slot()
    def stop_here(self) -> None:
        """Stop catching up: bring the time cursor to where the chain stands."""
        if self.look is not None:
            self._view.set_t(self.look.k)

    @Slot()
    def toggle_play(self) -> None:
        """Take `per_frame` steps per frame from here on (from 0 at T), or stop."""
        if self.playing:
            self._stop_playing()
            return
        if self._view.t == self._view.T:
            self._view.set_t(0)
        self._player.stop()
        self._timer.start()
        self.playing_changed.emit(True)

    def shutdown(self) -> None:
        """End the background thread. Safe to call twice."""
        self._active = False
        self._rest()
        self._runner.shutdown()
        self._mailbox.close()

    @Slot()
    def refresh(self) -> None:
        """Walk to what is looked at now, if that is another thing than before."""
        if not self._active:
            return
        wish = self._wish_now()
        if wish is None:
            self._rest()
            self.look = None
            self.look_changed.emit()
        elif not wish.same_as(self._wish):
            self._wish = wish
            self._runner.submit(lambda job: self._go(job, wish))

    def _wish_now(self) -> _Wish | None:
        picture, experiment = self._preview.picture, self._document.experiment
        if picture is None:
            return None
        return _Wish(
            picture=picture,
            schedule=self._document.schedule,
            forward=experiment.forward,
            seed=experiment.seed,
            draw=self._draw,
            t=self._view.t,
            shown=self._view.display.shown,
        )

    def _go(self, job: Job, wish: _Wish) -> None:
        """Runs in the worker: walk, showing what is reached now and then."""
        if self._walk is None or self._walk.walk != wish.walk:
            self._walk = _Walk(wish)
        walk = self._walk

        def poll() -> None:
            job.poll()
            now = time.monotonic()
            if not self._next_look:
                self._next_look = now + GRACE_SECONDS
            elif now >= self._next_look:
                self._mailbox.put((wish, walk.look(wish.t, wish.shown)))
                self._next_look = time.monotonic() + LOOK_SECONDS

        walk.chain.to(wish.t, poll)
        self._mailbox.put((wish, walk.look(wish.t, wish.shown)))
        self._next_look = 0.0

    def _rest(self) -> None:
        """Stop all work and forget what was wished."""
        self._stop_playing()
        self._runner.cancel()
        self._mailbox.close()
        self._wish = self._fulfilled = None

    def _stop_playing(self) -> None:
        if self.playing:
            self._timer.stop()
            self.playing_changed.emit(False)

    @Slot(object)
    def _on_looks(self, looks: list[tuple[_Wish, Look]]) -> None:
        """Show the newest look: even of a wish of before, it is newer than the one on show."""
        if self._wish is None:
            return
        wish, self.look = looks[-1]
        if not self.look.walking:
            self._fulfilled = wish
        self.look_changed.emit()

    @Slot()
    def _on_tick(self) -> None:
        """Take the next steps once the last ones are on show."""
        if self._view.t == self._view.T:
            self._stop_playing()
        elif not self.busy:
            self._view.set_t(self._view.t + self.per_frame)

    @Slot()
    def _on_player(self) -> None:
        if self._player.playing:
            self._stop_playing()

    @Slot(object)
    def _on_failed(self, error: Exception) -> None:
        self._stop_playing()
        self.failed.emit(f"the chain stopped: {reason(error)}; step or redraw it to try again")
        self._wish = self._fulfilled = None
