"""Playing the time cursor: forth, around or to and fro, at any speed, at the screen's own rate."""

from __future__ import annotations

import time
from enum import StrEnum

from PySide6.QtCore import QObject, Qt, QTimer, Signal, Slot

from diffusion_gui.state.settings import Settings
from diffusion_gui.state.view_state import ViewState

PASS_SECONDS = 5.0
"""How long a pass from t = 0 to T takes at speed 1."""


class PlayMode(StrEnum):
    """What follows when t has come to T."""

    ONCE = "once"
    LOOP = "loop"
    PING_PONG = "ping-pong"


class Player(QObject):
    """Moves `ViewState.t` with the clock; `changed` when it starts, stops or plays otherwise.

    A pass takes the same time whatever T is, and frames that come late are left out.
    """

    changed = Signal()

    def __init__(self, view: ViewState, settings: Settings, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._view = view
        self._settings = settings
        self._phase = 0.0
        self._at = 0.0
        self._shown = -1
        self._timer = QTimer(self, interval=16)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._on_tick)

    @property
    def playing(self) -> bool:
        """True while t runs."""
        return self._timer.isActive()

    @property
    def mode(self) -> PlayMode:
        """What follows when t has come to T."""
        return PlayMode(self._settings.play_mode)

    @property
    def speed(self) -> float:
        """Passes per PASS_SECONDS, one of PLAY_SPEEDS."""
        return self._settings.play_speed

    def set_mode(self, mode: PlayMode) -> None:
        """Play in another way from here on."""
        self._settings.play_mode = mode
        self._take_up()
        self.changed.emit()

    def set_speed(self, speed: float) -> None:
        """Play faster or slower from here on."""
        self._settings.play_speed = speed
        self.changed.emit()

    @Slot()
    def toggle(self) -> None:
        """Start from where t is (from 0 if that is T), or stop."""
        if self.playing:
            self.stop()
            return
        self._take_up()
        self._at = time.monotonic()
        self._timer.start()
        self.changed.emit()

    @Slot()
    def stop(self) -> None:
        """Hold t where it is."""
        if self.playing:
            self._timer.stop()
            self.changed.emit()

    def set_rate(self, hertz: float) -> None:
        """Take the refresh rate of the screen that the window is on; 60 where it tells none."""
        self._timer.setInterval(max(4, round(1000.0 / (hertz if hertz >= 1.0 else 60.0))))

    def _take_up(self) -> None:
        """Go on from where the cursor is; 1 is at T, and to and fro a phase of 2 is at 0 again."""
        share = self._view.t / self._view.T
        falling = self.mode is PlayMode.PING_PONG and self._phase > 1.0
        self._phase = 2.0 - share if falling else share
        if self.mode is PlayMode.ONCE and share >= 1.0:
            self._phase = 0.0
        self._shown = self._view.t

    @Slot()
    def _on_tick(self) -> None:
        now = time.monotonic()
        if self._view.t != self._shown:  # somebody took the cursor
            self._take_up()
        self._phase += (now - self._at) * self.speed / PASS_SECONDS
        self._at = now
        if self.mode is PlayMode.PING_PONG:
            self._phase %= 2.0
        elif self.mode is PlayMode.LOOP:
            self._phase %= 1.0
        elif self._phase >= 1.0:
            self._phase = 1.0
            self.stop()
        share = 2.0 - self._phase if self._phase > 1.0 else self._phase
        self._shown = round(share * self._view.T)
        self._view.set_t(self._shown)
