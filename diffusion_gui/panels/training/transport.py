"""The row below a training: start, pause, stop, and the slider through its earlier samples."""

from __future__ import annotations

from PySide6.QtCore import QSignalBlocker, Qt, Signal, Slot
from PySide6.QtWidgets import QHBoxLayout, QWidget

from diffusion_gui.engine.training.copies import ProgressSamples
from diffusion_gui.panels.common.icons import set_icon
from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.panels.common.widgets import GAP, JumpSlider, SteadyLabel, button, dress
from diffusion_gui.panels.training.words import spent
from diffusion_gui.state.training import ACTIVE, TrainingController, TrainState

START_WIDTH = 104
START = "Train the network as planned"
GO_ON = "Go on with the training exactly where it was"


class TrainingTransport(QWidget):
    """`chosen` when other samples are to be shown."""

    chosen = Signal()

    def __init__(self, training: TrainingController, theme: Theme) -> None:
        super().__init__()
        self._training, self._theme = training, theme
        self._follows = True
        self._build()
        self._bind()
        self._tint()
        self._show_state()
        self._show_samples()

    def _build(self) -> None:
        self.newest = button("Resume", "Go on with the training that was saved last")
        self.start = button("Train", START, "accent")
        self.pause = button("Pause", "Hold after the step under way, and save", "accent")
        self.stop = button("Stop", "End after this step, and save: Resume goes on exactly there")
        self.new = button("New", "Begin from random weights again; the files of this one stay")
        for widget, name in (
            (self.start, "trainButton"),
            (self.pause, "pauseTrainingButton"),
            (self.stop, "stopTrainingButton"),
            (self.new, "newTrainingButton"),
            (self.newest, "resumeNewestButton"),
        ):
            widget.setObjectName(name)
        for widget in (self.start, self.pause):
            widget.setFixedWidth(START_WIDTH)
        self.newest.hide()
        self.slider = JumpSlider()
        self.slider.setObjectName("trainingTimeSlider")
        self.slider.setAccessibleName("Training time: samples at earlier steps")
        self.slider.setToolTip("Training time: drag to see what was drawn earlier, during or after")
        self.position = SteadyLabel(150, "caption")
        self.position.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GAP)
        for widget in (self.newest, self.start, self.pause, self.stop, self.new):
            row.addWidget(widget)
        row.addSpacing(GAP)
        row.addWidget(self.slider, 1)
        row.addWidget(self.position)

    def _bind(self) -> None:
        training = self._training
        self.start.clicked.connect(self.toggle)
        self.pause.clicked.connect(self.toggle)
        self.stop.clicked.connect(training.stop)
        self.new.clicked.connect(training.begin_anew)
        self.newest.clicked.connect(self._on_newest)
        self.slider.valueChanged.connect(self._on_slider)
        training.state_changed.connect(self._show_state)
        training.plans.changed.connect(self._show_state)
        training.sampled.connect(self._show_samples)
        self._theme.changed.connect(self._tint)

    @property
    def samples(self) -> ProgressSamples | None:
        """The samples to show."""
        there = self._training.samples
        return there[min(self.slider.value(), len(there) - 1)] if there else None

    @Slot()
    def toggle(self) -> None:
        """Start, pause or resume: what the accent button says."""
        state = self._training.state
        if state is TrainState.RUNNING:
            self._training.pause()
        elif state is TrainState.PAUSED:
            self._training.resume()
        else:
            self._training.start()

    def offer_newest(self) -> None:
        """Offer to resume the newest training of this user, where there is one."""
        found = self._training.plans.newest()
        if found is not None and self._training.plans.opened is None:
            name, step = found.files.stem, found.header.step
            self.newest.setText(f"Resume {name[:24]}, step {step:,}")
            self.newest.setProperty("path", str(found.files.training))
            self._offer(True)

    @Slot()
    def _on_newest(self) -> None:
        self._training.open(self.newest.property("path"))
        if self._training.plans.opened is not None:
            self._training.start()

    @Slot(int)
    def _on_slider(self, value: int) -> None:
        self._follows = value >= self.slider.maximum()
        self._show_position()
        self.chosen.emit()

    @Slot()
    def _show_samples(self) -> None:
        last = len(self._training.samples) - 1
        with QSignalBlocker(self.slider):
            self.slider.setEnabled(last > 0)
            self.slider.setMaximum(max(last, 0))
            if self._follows or last < 1:
                self._follows = True
                self.slider.setValue(max(last, 0))
        self._show_position()
        self.chosen.emit()

    def _show_position(self) -> None:
        shown = self.samples
        if shown is None:
            self.position.clear()
            return
        text = f"step {shown.step:,}   {spent(shown.seconds)}"
        newest = self._training.samples[-1]
        self.position.set_widest(f"step {newest.step:,}   59 min 59 s")
        self.position.setText(text)

    @Slot()
    def _show_state(self) -> None:
        state, opened = self._training.state, self._training.plans.opened is not None
        running = state is TrainState.RUNNING
        self.pause.setVisible(running)
        self.start.setVisible(not running)
        goes_on = state is TrainState.PAUSED or (opened and state not in ACTIVE)
        self.start.setText("Resume" if goes_on else "Train")
        self.start.setToolTip(GO_ON if goes_on else START)
        self.start.setEnabled(state not in (TrainState.LOADING, TrainState.STOPPING))
        self.stop.setEnabled(state in ACTIVE and state is not TrainState.STOPPING)
        self.new.setVisible(opened and state not in ACTIVE)
        if opened or state is not TrainState.IDLE:
            self._offer(False)

    def _offer(self, offered: bool) -> None:
        """Show the training that was not finished, if any, as what is to be done first."""
        self.newest.setVisible(offered)
        for widget, loud in ((self.start, not offered), (self.newest, offered)):
            dress(widget, "role", "accent" if loud else "")
        self._tint()

    @Slot()
    def _tint(self) -> None:
        tokens = self._theme.tokens
        for widget, name in (
            (self.start, "play"),
            (self.pause, "pause"),
            (self.stop, "square"),
            (self.new, "rotate-ccw"),
            (self.newest, "play"),
        ):
            loud = widget.property("role") == "accent"
            set_icon(widget, name, tokens.on_accent if loud else tokens.text, tokens.disabled)
