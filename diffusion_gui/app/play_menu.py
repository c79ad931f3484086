"""The menu beside Play: how fast t runs and what follows when it has come to T."""

from __future__ import annotations

from PySide6.QtCore import Slot
from PySide6.QtGui import QAction, QActionGroup
from PySide6.QtWidgets import QMenu, QWidget

from diffusion_gui.state.player import PASS_SECONDS, Player, PlayMode
from diffusion_gui.state.settings import PLAY_SPEEDS

_MODES = {
    PlayMode.ONCE: "Once, from 0 to T",
    PlayMode.LOOP: "Around: after T from 0 again",
    PlayMode.PING_PONG: "To and fro",
}


class PlayMenu(QMenu):
    """Two groups of rows that exclude one another, ticked as the player is set."""

    def __init__(self, player: Player, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("playMenu")
        self._player = player
        modes, speeds = QActionGroup(self), QActionGroup(self)
        for mode, text in _MODES.items():
            self._add(text, mode, modes).triggered.connect(self._on_mode)
        self.addSeparator()
        for speed in PLAY_SPEEDS:
            text = f"{speed:g} ×   {PASS_SECONDS / speed:g} s from 0 to T"
            self._add(text, speed, speeds).triggered.connect(self._on_speed)
        player.changed.connect(self._tick)
        self._tick()

    def _add(self, text: str, value: object, group: QActionGroup) -> QAction:
        row = self.addAction(text)
        row.setCheckable(True)
        row.setData(value)
        group.addAction(row)
        return row

    @Slot()
    def _on_mode(self) -> None:
        self._player.set_mode(PlayMode(self._chosen().data()))

    @Slot()
    def _on_speed(self) -> None:
        self._player.set_speed(self._chosen().data())

    def _chosen(self) -> QAction:
        chosen = self.sender()
        assert isinstance(chosen, QAction)
        return chosen

    @Slot()
    def _tick(self) -> None:
        for row in self.actions():
            row.setChecked(row.data() in (self._player.mode, self._player.speed))
