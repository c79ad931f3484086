"""The sampling panel: run, hold, step and stop the reverse process, and look at every step."""

from __future__ import annotations

from PySide6.QtCore import QSignalBlocker, Qt, Signal, Slot
from PySide6.QtWidgets import QCheckBox, QHBoxLayout

from diffusion_gui.engine.experiment import PICTURES, Experiment, Start
from diffusion_gui.engine.trajectory import Frame
from diffusion_gui.panels.common.icons import set_icon
from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.panels.common.widgets import GAP, JumpSlider, Panel, button, label
from diffusion_gui.panels.sampling.batch_view import BatchView
from diffusion_gui.panels.sampling.settings_form import SettingsForm
from diffusion_gui.panels.sampling.step_charts import StepCharts
from diffusion_gui.state.document import Document
from diffusion_gui.state.sampling import Run, RunState, SamplingController
from diffusion_gui.state.settings import Settings
from diffusion_gui.state.view_state import ViewState

RUN_WIDTH = 88
"""The accent button keeps its place while its text changes between Run, Pause and Resume."""


class SamplingPanel(Panel):
    """Drives the sampling controller and shows its trajectory; `save_requested` saves the grid."""

    save_requested = Signal()

    def __init__(
        self,
        document: Document,
        view: ViewState,
        controller: SamplingController,
        settings: Settings,
        theme: Theme,
    ) -> None:
        super().__init__("samplingPanel", "Sampling", theme)
        self._document = document
        self._view = view
        self._controller = controller
        self._settings = settings
        self._run: Run | None = None
        self._follow = True
        self._scrubbing = False
        self._build_head()
        self._build_form()
        self._build_frames()
        self._bind()
        self._tint()
        self._show_start()
        self._show_state()

    def _build_head(self) -> None:
        self.live = QCheckBox("Live")
        self.live.setObjectName("liveCheck")
        self.live.setToolTip(
            "Sample again when the schedule or a setting changes: at once while a run takes\n"
            "less than a second, else when the change is done. A paused run is left alone."
        )
        self.live.setChecked(self._controller.live)
        self.from_here = button(
            "Denoise from here",
            "Start the reverse process from the picture on show, noised to this t,\n"
            "instead of from pure noise. It is noised at the model's size,\n"
            "each sample with its own noise.",
        )
        self.from_here.setObjectName("denoiseFromHereButton")
        self.from_noise = button("From pure noise", "Start from pure noise at t = T again", "link")
        self.from_noise.setObjectName("fromNoiseButton")
        self.save = button("Save grid…", "Save the pictures on the right as PNG (Ctrl+S)")
        self.save.setObjectName("saveGridButton")
        for widget in (self.from_noise, self.live, self.from_here, self.save):
            self.head.addWidget(widget)

    def _build_form(self) -> None:
        self.form = SettingsForm(self._document)
        self.run = button("Run", "Start the reverse process (F5)", "accent")
        self.pause = button("Pause", "Hold before the next step (F5)", "accent")
        self.step = button("Step", "Make one step, then hold (F6)")
        self.stop = button("Stop", "End the run and keep its frames (Esc)")
        for widget, name in (
            (self.run, "runButton"),
            (self.pause, "pauseButton"),
            (self.step, "stepButton"),
            (self.stop, "stopButton"),
        ):
            widget.setObjectName(name)
        for widget in (self.run, self.pause):
            widget.setFixedWidth(RUN_WIDTH)
        self.body.addWidget(self.form)

    def _build_frames(self) -> None:
        self.batch = BatchView(self.theme)
        self.timeline = JumpSlider()
        self.timeline.setObjectName("timelineSlider")
        self.timeline.setMaximum(0)
        self.timeline.setEnabled(False)
        self.timeline.setAccessibleName("Timeline: step of the reverse process")
        self.timeline.setToolTip("Steps of the run. Drag to look at any of them, during or after.")
        self.position = label("", "caption")
        self.position.setMinimumWidth(150)
        self.position.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.charts = StepCharts(self.theme)
        middle = QHBoxLayout()
        middle.setSpacing(2 * GAP)
        middle.addWidget(self.batch, 4)
        middle.addWidget(self.charts, 1)
        self.body.addLayout(middle, 1)
        bottom = QHBoxLayout()
        bottom.setSpacing(GAP)
        for widget in (self.run, self.pause, self.step, self.stop):
            bottom.addWidget(widget)
        bottom.addSpacing(GAP)
        bottom.addWidget(self.timeline, 1)
        bottom.addWidget(self.position)
        self.body.addLayout(bottom)

    def _bind(self) -> None:
        controller = self._controller
        self.run.clicked.connect(self.toggle)
        self.pause.clicked.connect(self.toggle)
        self.step.clicked.connect(self._on_step)
        self.stop.clicked.connect(controller.stop)
        self.save.clicked.connect(self.save_requested)
        self.from_here.clicked.connect(self.denoise_from_here)
        self.from_noise.clicked.connect(self._on_from_noise)
        self.live.toggled.connect(self._on_live)
        self.timeline.valueChanged.connect(self._on_scrub)
        controller.state_changed.connect(self._show_state)
        controller.frames_changed.connect(self._on_frames)
        self._document.sampling_changed.connect(self._show_start)
        self._view.picture_changed.connect(self._show_start)
        self._view.t_changed.connect(self.show_time)
        self.theme.changed.connect(self._tint)

    @Slot()
    def toggle(self) -> None:
        """Run, pause or resume: what the accent button says."""
        state = self._controller.state
        if state is RunState.RUNNING:
            self._controller.pause()
        elif state is RunState.PAUSED:
            self._follow = True
            self._controller.resume()
        elif state is not RunState.LOADING:
            self._controller.run()

    @Slot()
    def denoise_from_here(self) -> None:
        """Start from the picture and the t that the image panel shows."""
        if not self._view.picture or self._view.t < 1:
            self.bar.show_lines(["Move t above 0 and choose a picture to denoise from"])
            return
        start = Start(self._view.picture, self._view.t)
        self._document.replace_sampling(f"denoise from t = {start.t}", start=start)
        self._controller.run_unless_begun()

    @Slot()
    def _on_from_noise(self) -> None:
        self._document.replace_sampling("start from pure noise", start=None)

    @Slot(bool)
    def _on_live(self, live: bool) -> None:
        self._controller.live = live
        self._settings.live = live

    @property
    def frame(self) -> Frame | None:
        """The recorded step on show: the one nearest the timeline's position."""
        return self._run.trajectory.at_step(self.timeline.value()) if self._run else None

    @property
    def experiment(self) -> Experiment | None:
        """The experiment that the step on show belongs to."""
        return self._run.experiment if self._run else None

    @Slot()
    def _on_step(self) -> None:
        self._follow = True
        self._controller.step()

    @Slot()
    def _on_frames(self) -> None:
        """Show a run that has grown; frames and experiment change over together."""
        run = self._controller.recorded
        last = run.trajectory.last if run else None
        if run is None or last is None:
            return
        self._follow = self._follow or run is not self._run
        self._run = run
        with QSignalBlocker(self.timeline):
            self.timeline.setEnabled(True)
            self.timeline.setMaximum(run.trajectory.num_steps)
            if self._follow:
                self.timeline.setValue(last.index)
        self.charts.show_trajectory(run.trajectory)
        self._show_frame()
        self._show_state()

    @Slot(int)
    def _on_scrub(self, step: int) -> None:
        frame, run = self.frame, self._run
        if frame is None or run is None or run.trajectory.last is None:
            return
        self._follow = step >= run.trajectory.last.index
        self._show_frame()
        self._scrubbing = True
        self._view.set_t(round(frame.t * self._view.T / run.experiment.schedule.T))
        self._scrubbing = False

    @Slot()
    def show_time(self) -> None:
        """Show the recorded step nearest the time cursor, unless a run is being followed."""
        run = self._run
        if run is None or self._scrubbing or self._controller.state is RunState.RUNNING:
            return
        nearest = run.trajectory.at_time(self._view.t * run.experiment.schedule.T / self._view.T)
        if nearest is None:
            return
        with QSignalBlocker(self.timeline):
            self.timeline.setValue(nearest.index)
        self._follow = False
        self._show_frame()

    def _show_frame(self) -> None:
        frame, run = self.frame, self._run
        if frame is None or run is None:
            return
        self.batch.set_frames(frame.x_t, frame.x0_hat)
        self.charts.set_step(frame.index)
        self.position.setText(f"step {frame.index} of {run.trajectory.num_steps}   t = {frame.t}")

    @Slot()
    def _show_state(self) -> None:
        state = self._controller.state
        self.pause.setVisible(state is RunState.RUNNING)
        self.run.setVisible(state is not RunState.RUNNING)
        self.run.setText("Resume" if state is RunState.PAUSED else "Run")
        self.run.setEnabled(state is not RunState.LOADING)
        self.stop.setEnabled(self._controller.active)
        self.save.setEnabled(self._run is not None)
        self.caption.setText(self._status())
        if state is RunState.FAILED:
            self.bar.show_lines([self._controller.message])
        elif state is RunState.RUNNING:
            self.bar.clear()
        if self._run is None:
            self.batch.set_message(
                "getting ready: loading torch and the data set"
                if state is RunState.LOADING
                else "press Run to draw pictures from noise"
            )

    def _status(self) -> str:
        state, run = self._controller.state, self._run
        last = run.trajectory.last if run else None
        if state is RunState.LOADING:
            return "getting ready"
        if run is None or last is None or state is RunState.FAILED:
            return "failed" if state is RunState.FAILED else ""
        total = run.trajectory.num_steps
        parts = [] if state is RunState.RUNNING else [str(state)]
        parts += [f"step {last.index} of {total}", f"NFE {run.calls[last.index]}"]
        if last.index and last.seconds > 0.0:
            rate = last.index / last.seconds
            parts.append(f"{rate:.3g} steps/s")
            left = (total - last.index) / rate
            parts.append(f"{left:.1f} s left" if last.index < total else f"{last.seconds:.2f} s")
        if total < run.experiment.sampling.steps:
            parts.append(f"(at most {total} steps from there)")
        if run.trajectory.stride > 1:
            parts.append(f"1 of {run.trajectory.stride} steps kept")
        if self._controller.outdated and state is not RunState.RUNNING:
            parts.append("settings changed: press Run")
        return "   ".join(parts)

    @Slot()
    def _show_start(self) -> None:
        sampling = self._document.experiment.sampling
        start = sampling.start
        self.from_noise.setVisible(start is not None)
        if start is not None:
            names = {ref.id: ref.name for ref in self._document.experiment.pictures}
            name = names.get(start.picture, "a picture no longer in the tray")
            self.from_noise.setText(f"from {name} at t = {start.t}  ✕")
        self.from_here.setEnabled(bool(self._view.picture))
        if sampling.data == PICTURES and not self._document.experiment.pictures:
            self.bar.show_lines(
                ["There are no pictures to sample from: drop some, or choose Emoji"]
            )

    @Slot()
    def _tint(self) -> None:
        tokens = self.theme.tokens
        for widget, name, colour in (
            (self.run, "play", tokens.on_accent),
            (self.pause, "pause", tokens.on_accent),
            (self.step, "step-forward", tokens.text),
            (self.stop, "square", tokens.text),
        ):
            set_icon(widget, name, colour, tokens.disabled)
