"""Going on from a step of a run: the button, what says so in the head, the mark on the timeline."""

from __future__ import annotations

from collections.abc import Iterator

from PySide6.QtCore import QRectF, Qt, Signal, Slot
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QStyle, QStyleOptionSlider, QWidget

from diffusion_gui.engine.experiment import Experiment
from diffusion_gui.panels.common.icons import set_icon
from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.panels.common.widgets import Chip, JumpSlider, button
from diffusion_gui.panels.sampling.status import brief
from diffusion_gui.state.document import Document
from diffusion_gui.state.run import Outcome
from diffusion_gui.state.run_view import RunView
from diffusion_gui.state.sampling import Run, RunState, SamplingController

CROSS = 22
"""Width of the button that takes a fork away."""


class ForkButton(QPushButton):
    """Forks the run on show at the step on show, unless that is its end.

    `said` with what becomes of a run that is held.
    """

    said = Signal(str)

    def __init__(self, controller: SamplingController, shown: RunView, theme: Theme) -> None:
        super().__init__("Fork")
        self._controller = controller
        self._shown = shown
        self._theme = theme
        self.setObjectName("forkButton")
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setToolTip(
            "Go on from the step on show with other settings (F8). First fork, then change\n"
            "sampler, steps, schedule, guidance, model or seed: the pictures up to there stay.\n"
            "With nothing changed, every picture is the same to the last bit.\n"
            "A run that is held is stopped by that, and kept: Runs can finish it."
        )
        self.clicked.connect(self.fork)
        shown.run_changed.connect(self._show)
        shown.step_changed.connect(self._show)
        theme.changed.connect(self._tint)
        self._show()
        self._tint()

    @Slot()
    def fork(self) -> None:
        """Fork, if there is something to fork."""
        run, frame = self._shown.run, self._shown.frame
        if run is not None and frame is not None and frame.index < run.trajectory.num_steps:
            held = self._controller.recorded
            paused = self._controller.state is RunState.PAUSED
            self._controller.fork(run, frame.index)
            if paused and held is not None and held.outcome is Outcome.STOPPED:
                self.said.emit(f"Stopped {brief(held.title)}, to fork; Runs can finish it")

    @Slot()
    def _show(self) -> None:
        run, frame = self._shown.run, self._shown.frame
        able = run is not None and frame is not None and frame.index < run.trajectory.num_steps
        self.setEnabled(able)

    @Slot()
    def _tint(self) -> None:
        tokens = self._theme.tokens
        set_icon(self, "git-fork", tokens.text, tokens.disabled)


class Words(Chip):
    """Says it briefly where there is no room for the whole."""

    def __init__(self) -> None:
        super().__init__()
        self.brief = ""
        self.setToolTip("Where runs go on from")
        self.setProperty("role", "chip")
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)

    @property
    def shown_text(self) -> str:
        """What there is room for."""
        whole = super().shown_text
        return whole if whole == self.text() else self.brief


class ForkChip(QWidget):
    """Says which step of which run the document goes on from, in place of what a run starts from.

    A press of its words shows that step, the × beside them takes the fork away; `said` then what
    stays.
    """

    said = Signal(str)

    def __init__(
        self,
        document: Document,
        controller: SamplingController,
        shown: RunView,
        start: QWidget,
        theme: Theme,
    ) -> None:
        super().__init__()
        self._document = document
        self._controller = controller
        self._shown = shown
        self._start = start
        self._theme = theme
        self.setObjectName("forkChip")
        self.words = Words()
        self.words.setObjectName("forkWords")
        self.remove = button(
            "",
            "Sample from the beginning again. The settings stay; Ctrl+Z brings the fork back.",
            "chip",
        )
        self.remove.setObjectName("removeFork")
        self.remove.setFixedWidth(CROSS)
        self.remove.setAccessibleName("Take the fork away: sample from the beginning again")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(2)
        row.addWidget(self.words)
        row.addWidget(self.remove)
        self.words.clicked.connect(self._look)
        self.remove.clicked.connect(self.unfork)
        document.changed.connect(self._show)
        controller.runs.changed.connect(self._show)
        theme.changed.connect(self._tint)
        self._show()
        self._tint()

    @property
    def _parent_run(self) -> Run | None:
        """The run that the document goes on from, if it is in the list."""
        fork = self._document.experiment.fork
        return self._controller.runs.find(fork.parent) if fork is not None else None

    @Slot()
    def _look(self) -> None:
        """Show the step of the run that is forked."""
        fork, parent = self._document.experiment.fork, self._parent_run
        if fork is not None and parent is not None:
            self._shown.show(parent)
            self._shown.set_step(fork.step)

    @Slot()
    def unfork(self) -> None:
        """Take the fork away, if there is one, and say that it can come back."""
        if self._document.experiment.fork is None:
            return
        self._controller.unfork()
        self.said.emit("No fork any more; the settings stay. Ctrl+Z brings it back")

    @Slot()
    def _show(self) -> None:
        fork, parent = self._document.experiment.fork, self._parent_run
        self.setVisible(fork is not None)
        self._start.setVisible(fork is None)
        if fork is not None:
            title = parent.title if parent is not None else "a deleted run"
            self.words.setText(f"step {fork.step} of {brief(title)}")  # there are many chips
            self.words.brief = f"from step {fork.step}"
            self.words.setAccessibleName(f"From step {fork.step} of {title}: show that step")
            self.words.setToolTip(
                f"Runs go on from step {fork.step} of {title}: press to look at that step"
            )
            self.words.setEnabled(parent is not None)

    @Slot()
    def _tint(self) -> None:
        tokens = self._theme.tokens
        set_icon(self.remove, "x", tokens.text, tokens.disabled)


class Timeline(JumpSlider):
    """The steps of the run on show, with a mark at each step at which it was forked."""

    def __init__(self, shown: RunView, theme: Theme) -> None:
        super().__init__()
        self._shown = shown
        self._theme = theme
        shown.run_changed.connect(self.update)
        theme.changed.connect(self.update)

    def marks(self) -> list[float]:
        """Return where the marks are, in pixels from the left."""
        run = self._shown.run
        if run is None or self.maximum() < 1:
            return []
        option = QStyleOptionSlider()
        self.initStyleOption(option)
        control = QStyle.ComplexControl.CC_Slider
        handle = self.style().subControlRect(
            control, option, QStyle.SubControl.SC_SliderHandle, self
        )
        span = self.width() - handle.width()
        return [
            0.5 * handle.width() + span * step / self.maximum()
            for step in fork_steps(run.experiment)
        ]

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the marks over the groove."""
        super().paintEvent(event)
        marks = self.marks()
        if not marks:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(self._theme.tokens.cursor))
        for x in marks:
            painter.drawRoundedRect(QRectF(x - 1.5, 1.0, 3.0, 6.0), 1.5, 1.5)


def fork_steps(experiment: Experiment) -> Iterator[int]:
    """Yield the steps at which a run was forked, the last fork first."""
    fork = experiment.fork
    while fork is not None:
        yield fork.step
        fork = fork.parent.fork
