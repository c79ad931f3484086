"""The row below the pictures: run, hold, step back and on, stop, and the timeline of the run."""

from __future__ import annotations

from PySide6.QtCore import QSignalBlocker, QSize, Qt, Slot
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QWidget

from diffusion_gui.panels.common.icons import set_icon
from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.panels.common.widgets import GAP, SteadyLabel, button
from diffusion_gui.panels.sampling.fork_tools import ForkButton, Timeline
from diffusion_gui.state.run_view import RunView
from diffusion_gui.state.sampling import RunState, SamplingController

RUN_WIDTH = 104
"""The accent button keeps its place while its text changes between Run, Pause and Resume."""
TIMELINE_LEAST = 140
"""Width that the timeline has at least: where there is less, the buttons show their signs alone."""
BESIDE_ICON = 4
START = "Start the reverse process (F5)"


class Transport(QWidget):
    """Drives the controller and moves through the steps of the run on show."""

    def __init__(self, controller: SamplingController, shown: RunView, theme: Theme) -> None:
        super().__init__()
        self._controller = controller
        self._shown = shown
        self._theme = theme
        self._obstacle = ""
        self._build_buttons()
        self._build_timeline()
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GAP)
        for widget in (self.run, self.pause, self.step_back, self.step, self.stop, self.fork):
            row.addWidget(widget)
        row.addSpacing(GAP)
        row.addWidget(self.timeline, 1)
        row.addWidget(self.position)
        self._words = {self.step: "Step", self.stop: "Stop", self.fork: "Fork"}
        for widget, word in self._words.items():
            widget.setAccessibleName(word)
        self._bind()
        self._tint()
        self._show_state()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Leave the timeline its room."""
        super().resizeEvent(event)
        self._fit()

    def minimumSizeHint(self) -> QSize:
        """Ask for the width without the words of the buttons."""
        hint = super().minimumSizeHint()
        return QSize(hint.width() - sum(map(self._word_width, self._words)), hint.height())

    def _word_width(self, widget: QPushButton) -> int:
        """Return what the word that a button shows takes."""
        text = widget.text()
        return widget.fontMetrics().horizontalAdvance(text) + BESIDE_ICON if text else 0

    def _fit(self) -> None:
        """Show the words of the buttons where there is room for them."""
        others = (self.run, self.step_back, *self._words)
        bare = sum(one.sizeHint().width() for one in others[1:]) + RUN_WIDTH
        bare -= sum(map(self._word_width, self._words))
        words = sum(
            widget.fontMetrics().horizontalAdvance(word) + BESIDE_ICON
            for widget, word in self._words.items()
        )
        gaps = GAP * (len(others) + 2)
        room = self.width() - self.position.width() - gaps - bare
        shown = room - words >= TIMELINE_LEAST
        for widget, word in self._words.items():
            if bool(widget.text()) != shown:
                widget.setText(word if shown else "")
                widget.setProperty("role", "" if shown else "tool")
                widget.style().polish(widget)

    def _build_buttons(self) -> None:
        self.run = button("Run", START, "accent")
        self.pause = button("Pause", "Hold before the next step (F5)", "accent")
        self.step_back = button(
            "", "Look at the step before; a run that goes on is held (Shift+F6)", "tool"
        )
        self.step_back.setAccessibleName("Step back")
        self.step = button(
            "Step", "Look at the next step; at the newest one, make a step, then hold (F6)"
        )
        self.stop = button("Stop", "End the run and keep its frames (Esc)")
        for widget, name in (
            (self.run, "runButton"),
            (self.pause, "pauseButton"),
            (self.step_back, "stepBackButton"),
            (self.step, "stepButton"),
            (self.stop, "stopButton"),
        ):
            widget.setObjectName(name)
        for widget in (self.run, self.pause):
            widget.setFixedWidth(RUN_WIDTH)

    def _build_timeline(self) -> None:
        self.fork = ForkButton(self._controller, self._shown, self._theme)
        self.timeline = Timeline(self._shown, self._theme)
        self.timeline.setObjectName("timelineSlider")
        self.timeline.setMaximum(0)
        self.timeline.setEnabled(False)
        self.timeline.setAccessibleName("Timeline: step of the reverse process")
        self.timeline.setToolTip(
            "Steps of the run. Drag to look at any of them, during or after.\n"
            "Alt+Home and Alt+End go to the first and the newest."
        )
        self.position = SteadyLabel(150, "caption")
        self.position.setToolTip(
            "The step on show and its t, where the time cursor of all panels is.\n"
            "t ≈: the cursor was moved there, between two steps; this is the nearer one."
        )
        self.position.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)

    def _bind(self) -> None:
        shown, controller = self._shown, self._controller
        self.run.clicked.connect(self.toggle)
        self.pause.clicked.connect(self.toggle)
        self.step_back.clicked.connect(shown.step_back)
        self.step.clicked.connect(shown.step_on)
        self.stop.clicked.connect(controller.stop)
        self.timeline.valueChanged.connect(self._on_scrub)
        controller.state_changed.connect(self._show_state)
        shown.run_changed.connect(self._show_step)
        shown.step_changed.connect(self._show_step)
        shown.near_changed.connect(self._show_position)
        self._theme.changed.connect(self._tint)

    @Slot()
    def toggle(self) -> None:
        """Run, pause or resume: what the accent button says."""
        state = self._controller.state
        if state is RunState.RUNNING:
            self._controller.pause()
        elif state is RunState.PAUSED:
            self._shown.follow()
            self._controller.resume()
        elif state is not RunState.LOADING and not self._obstacle:
            self._controller.run()

    def set_obstacle(self, line: str) -> None:
        """Say why no run can be started; "" if one can. What is paused may go on."""
        if line != self._obstacle:
            self._obstacle = line
            self._show_state()

    @Slot(int)
    def _on_scrub(self, step: int) -> None:
        look = self._shown.scrub if self.timeline.isSliderDown() else self._shown.set_step
        look(step)
        self._show_step()  # beyond the newest step there is nothing to go to

    @Slot()
    def _show_step(self) -> None:
        run, frame = self._shown.run, self._shown.frame
        if run is None or frame is None:
            self.timeline.setEnabled(False)
            self.position.clear()
            return
        total = run.trajectory.num_steps
        with QSignalBlocker(self.timeline):
            self.timeline.setEnabled(True)
            self.timeline.setMaximum(total)
            self.timeline.setValue(self._shown.step)
        self._show_position()
        self.step_back.setEnabled(not self._shown.at_first)
        self.step.setEnabled(not self._obstacle or not self._shown.at_newest)

    @Slot()
    def _show_position(self) -> None:
        run, frame, near = self._shown.run, self._shown.frame, self._shown.near
        if run is None or frame is None:
            return
        total = run.trajectory.num_steps
        t = f"= {frame.t}" if near is None else f"≈ {near:.0f}"
        self.position.set_widest(f"step {total} of {total}   t ≈ {run.experiment.schedule.T}")
        self._fit()
        self.position.setText(f"step {frame.index} of {total}   t {t}")

    @Slot()
    def _show_state(self) -> None:
        state = self._controller.shown_state
        self.pause.setVisible(state is RunState.RUNNING)
        self.run.setVisible(state is not RunState.RUNNING)
        self.run.setText("Resume" if state is RunState.PAUSED else "Run")
        refused = "" if state is RunState.PAUSED else self._obstacle
        self.run.setEnabled(state is not RunState.LOADING and not refused)
        self.run.setToolTip(f"{refused}\nThen: {START[0].lower()}{START[1:]}" if refused else START)
        self.step.setEnabled(not refused or not self._shown.at_newest)
        self.stop.setEnabled(state in (RunState.LOADING, RunState.RUNNING, RunState.PAUSED))
        self.step_back.setEnabled(not self._shown.at_first)

    @Slot()
    def _tint(self) -> None:
        tokens = self._theme.tokens
        for widget, name, colour in (
            (self.run, "play", tokens.on_accent),
            (self.pause, "pause", tokens.on_accent),
            (self.step_back, "step-back", tokens.text),
            (self.step, "step-forward", tokens.text),
            (self.stop, "square", tokens.text),
        ):
            set_icon(widget, name, colour, tokens.disabled)
