"""The toolbar: open, paste, the time slider, what was done last, seed, device, undo."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import QSignalBlocker, QTimer, Signal, Slot
from PySide6.QtGui import QAccessible, QAccessibleAnnouncementEvent, QHideEvent, QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QWidget

from diffusion_gui.app.play_menu import PlayMenu
from diffusion_gui.engine.experiment import DEVICES, MAX_SEED
from diffusion_gui.panels.common.combo import Combo
from diffusion_gui.panels.common.icons import set_icon
from diffusion_gui.panels.common.number_boxes import IntegerBox
from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.panels.common.widgets import (
    GAP,
    ElidedLabel,
    JumpSlider,
    SteadyLabel,
    button,
    label,
)
from diffusion_gui.state.document import Document
from diffusion_gui.state.player import Player
from diffusion_gui.state.sampling import SamplingController
from diffusion_gui.state.settings import Settings
from diffusion_gui.state.view_state import ViewState

SAID_MS = 6000
"""How long it stands here what was done, in milliseconds."""
_DEVICE_NAMES = {"auto": "Auto", "cpu": "CPU", "cuda": "NVIDIA GPU", "mps": "Apple GPU"}


class Toolbar(QWidget):
    """The row above the panels, with the time slider."""

    open_requested = Signal()
    paste_requested = Signal()

    def __init__(
        self,
        document: Document,
        view: ViewState,
        player: Player,
        controller: SamplingController,
        settings: Settings,
        theme: Theme,
    ) -> None:
        super().__init__()
        self._document = document
        self._view = view
        self._player = player
        self._controller = controller
        self._settings = settings
        self._theme = theme
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(0, 0, 0, 0)
        self._row.setSpacing(GAP)
        self._build_time()
        self._build_right()
        self._bind()
        self._tint()
        self._show_time()
        self._show_seed()

    def _build_time(self) -> None:
        self.open = button("Open…", "Open images or drop them anywhere in the window (Ctrl+O)")
        self.paste = button("Paste", "Paste a picture from the clipboard (Ctrl+V)")
        self.slider = JumpSlider()
        self.slider.setObjectName("timeSlider")
        self.slider.setAccessibleName("Time t")
        self.slider.setToolTip("t: the time cursor of all panels, 0 (clean) to T (noise), in steps")
        self.slider.setMinimumWidth(160)
        self.slider.setMaximumWidth(520)
        self.time = SteadyLabel(96)
        self.play = button("Play", "Play t (Space, Ctrl+Space)")
        self.play.setObjectName("playButton")
        self.play_menu = button("", "How t is played: speed, once, around, to and fro", "menu")
        self.play_menu.setObjectName("playMenuButton")
        self.play_menu.setAccessibleName("How to play")
        self.play_menu.setMenu(PlayMenu(self._player, self.play_menu))
        for widget in (self.open, self.paste):
            self._row.addWidget(widget)
        self._row.addSpacing(GAP)
        self._row.addWidget(label("t"))
        self._row.addWidget(self.slider, 1)
        self._row.addWidget(self.time)
        self._row.addWidget(self.play)
        self._row.addWidget(self.play_menu)
        self.caption = ElidedLabel("caption")
        self.caption.setObjectName("saidLabel")
        self._said_timer = QTimer(self, singleShot=True)
        self._row.addWidget(self.caption, 1)

    def _build_right(self) -> None:
        self.seed = IntegerBox(0, MAX_SEED)
        self.seed.setObjectName("seedSpin")
        self.seed.setAccessibleName("Seed")
        self.seed.setToolTip(
            "Seed of all noise: the same seed gives the same pictures,\nwhatever the batch size"
            " and the device"
        )
        self.seed.setFixedWidth(92)
        self.reroll = button("Reroll", "Take another seed (Ctrl+R)")
        self.reroll.setObjectName("rerollButton")
        self.device = Combo()
        self.device.setObjectName("deviceCombo")
        self.device.setAccessibleName("Device")
        self.device.setToolTip("Where the reverse process runs; Auto takes the fastest there is")
        self.device.setMinimumWidth(150)
        for key in DEVICES:
            self.device.addItem(_DEVICE_NAMES[key], key)
        self.device.setCurrentIndex(self.device.findData(self._controller.device))
        self.undo = button("", "Undo (Ctrl+Z)")
        self.redo = button("", "Redo (Ctrl+Shift+Z)")
        self.undo.setAccessibleName("Undo")
        self.redo.setAccessibleName("Redo")
        self._row.addWidget(label("seed", "caption"))
        for widget in (self.seed, self.reroll, self.device, self.undo, self.redo):
            self._row.addWidget(widget)

    def _bind(self) -> None:
        history = self._document.history
        self.open.clicked.connect(self.open_requested)
        self.paste.clicked.connect(self.paste_requested)
        self.slider.valueChanged.connect(self._view.set_t)
        self._view.t_changed.connect(self._show_time)
        self._document.schedule_changed.connect(self._show_time)
        self._document.seed_changed.connect(self._show_seed)
        self.seed.valueChanged.connect(self._on_seed)
        self.reroll.clicked.connect(self.new_seed)
        self.device.activated.connect(self._on_device)
        self._controller.device_known.connect(self._on_device_known)
        self.undo.clicked.connect(history.undo)
        self.redo.clicked.connect(history.redo)
        history.moved.connect(self._show_history)
        self._show_history()
        self.play.clicked.connect(self._player.toggle)
        self._player.changed.connect(self._tint)
        self._said_timer.timeout.connect(self._forget)
        self._theme.changed.connect(self._tint)

    def showEvent(self, event: QShowEvent) -> None:
        """Play as fast as this screen shows."""
        super().showEvent(event)
        self._player.set_rate(self.screen().refreshRate())

    def hideEvent(self, event: QHideEvent) -> None:
        """Stop what runs when the window is closed."""
        super().hideEvent(event)
        self._player.stop()
        self._forget()

    @Slot(str)
    def say(self, text: str) -> None:
        """Show for a while what was done, and tell a screen reader."""
        self.caption.setText(text)
        self.caption.setAccessibleName(text)
        QAccessible.updateAccessibility(QAccessibleAnnouncementEvent(self.caption, text))
        self.forget_after(SAID_MS)

    def forget_after(self, milliseconds: int) -> None:
        """Take away after that time what stands here."""
        self._said_timer.start(milliseconds)

    @Slot()
    def _forget(self) -> None:
        self._said_timer.stop()
        self.caption.clear()
        self.caption.setAccessibleName("")

    @Slot()
    def new_seed(self) -> None:
        """Take the next seed of a fixed, well-mixed order, so that a reroll can be told again."""
        seed = self._document.experiment.seed
        self._set_seed((seed * 1664525 + 1013904223) % MAX_SEED)

    @Slot(int)
    def _on_seed(self, seed: int) -> None:
        self._set_seed(seed)

    def _set_seed(self, seed: int) -> None:
        self._document.replace(replace(self._document.experiment, seed=seed), f"seed {seed}")

    @Slot()
    def _on_device(self) -> None:
        self._settings.device = self.device.currentData()
        self._controller.set_device(self.device.currentData())

    @Slot(str)
    def _on_device_known(self, name: str) -> None:
        """Say what Auto turned out to be."""
        if self._controller.device == "auto":
            self.device.setItemText(0, name)

    @Slot()
    def _show_history(self) -> None:
        history = self._document.history
        for widget, verb, text, keys in (
            (self.undo, "Undo", history.undo_text, "Ctrl+Z"),
            (self.redo, "Redo", history.redo_text, "Ctrl+Shift+Z"),
        ):
            widget.setEnabled(bool(text))
            widget.setToolTip(f"{verb} {text} ({keys})" if text else f"Nothing to {verb.lower()}")

    @Slot()
    def _show_time(self) -> None:
        with QSignalBlocker(self.slider):
            self.slider.setRange(0, self._view.T)
            self.slider.setPageStep(max(1, self._view.T // 20))
            self.slider.setValue(self._view.t)
        self.time.set_widest(f"{self._view.T} / {self._view.T}")
        self.time.setText(f"{self._view.t} / {self._view.T}")

    @Slot()
    def _show_seed(self) -> None:
        with QSignalBlocker(self.seed):
            self.seed.setValue(self._document.experiment.seed)

    @Slot()
    def _tint(self) -> None:
        tokens = self._theme.tokens
        playing = self._player.playing
        self.play.setText("Pause" if playing else "Play")
        named: tuple[tuple[QPushButton, str], ...] = (
            (self.open, "folder-open"),
            (self.paste, "clipboard-paste"),
            (self.play, "pause" if playing else "play"),
            (self.play_menu, "repeat"),
            (self.reroll, "dices"),
            (self.undo, "undo-2"),
            (self.redo, "redo-2"),
        )
        for widget, name in named:
            set_icon(widget, name, tokens.text, tokens.disabled)
