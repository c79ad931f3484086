"""Runs looked at together, in the place of the grids: how, at which steps, and how far apart."""

from __future__ import annotations

from html import escape

from PySide6.QtCore import QSignalBlocker, QSize, Qt, Slot
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QBoxLayout, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from diffusion_gui.engine.numerals import spelled
from diffusion_gui.engine.run_distance import Matching, rms
from diffusion_gui.engine.run_words import model_name
from diffusion_gui.engine.trajectory import Frame, over_batch
from diffusion_gui.panels.common.combo import Combo
from diffusion_gui.panels.common.icons import set_icon
from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.panels.common.widgets import GAP, Rigid, button, label
from diffusion_gui.panels.sampling.compare_canvas import CompareCanvas
from diffusion_gui.panels.sampling.distance_chart import DistanceChart
from diffusion_gui.panels.sampling.runs_delegate import LETTERS
from diffusion_gui.panels.sampling.status import brief
from diffusion_gui.state.run import Outcome, Run
from diffusion_gui.state.run_comparison import GAINS, CompareMode, RunComparison
from diffusion_gui.state.run_view import RunView
from diffusion_gui.state.sampling import SamplingController

_MODES = {
    CompareMode.SIDE: ("Side", "Side by side: each run at the same step, or noise level"),
    CompareMode.SWIPE: ("Swipe", "A left, the others right of a divider: drag it"),
    CompareMode.FLICKER: ("Flicker", "In turn, twice a second; hold the mouse for the next one"),
    CompareMode.DIFFERENCE: ("Difference", "What is brighter than in A, and what is darker"),
}
_MATCHINGS = {
    Matching.STEP: ("by step", "Steps of the same number go together"),
    Matching.LEVEL: ("by σ", "Steps of the nearest noise level σ go together"),
}


CHART_FROM = 560
"""Width from which on there is room for the chart of the distances beside the pictures."""
CHART_LEAST, CHART_MOST = 170, 400
NAMED_FROM = 280
"""Width of the chart from which on the names of the runs stand above it."""


def _tools() -> tuple[Rigid, QHBoxLayout]:
    """Return buttons that stand together, and the row that takes them."""
    tools = Rigid()
    row = QHBoxLayout(tools)
    row.setContentsMargins(0, 0, 0, 0)
    row.setSpacing(4)
    row.setAlignment(Qt.AlignmentFlag.AlignLeft)
    return tools, row


class CompareView(QWidget):
    """Shows and steers a `RunComparison`."""

    def __init__(
        self,
        controller: SamplingController,
        comparison: RunComparison,
        shown: RunView,
        theme: Theme,
    ) -> None:
        super().__init__()
        self.setObjectName("compareView")
        self._controller = controller
        self._comparison = comparison
        self._shown = shown
        self._theme = theme
        self._build()
        self._bind()
        self._show()
        self._show_distances()
        self._tint()

    def _build(self) -> None:
        how, when = self._mode_tools(), self._matching_tools()
        self.close_button = button("", "Look at one run again", "tool")
        self.close_button.setObjectName("endCompareButton")
        self.close_button.setAccessibleName("End the comparison")
        self._tools = QBoxLayout(QBoxLayout.Direction.LeftToRight)
        self._tools.setSpacing(4)
        self._tools.addWidget(how)
        self._tools.addSpacing(GAP)
        self._tools.addWidget(when)
        self._tools.addStretch(1)
        self._tools_width = how, when
        head = QHBoxLayout()
        head.setSpacing(4)
        head.addLayout(self._tools, 1)
        head.addWidget(self.close_button, 0, Qt.AlignmentFlag.AlignTop)
        self.canvas = CompareCanvas(self._comparison, self._shown, self._theme)
        below = QHBoxLayout()
        below.setSpacing(GAP)
        below.addWidget(self.canvas, 1)
        below.addLayout(self._distances())
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addLayout(head)
        column.addLayout(below, 1)

    def _mode_tools(self) -> Rigid:
        """Return the chips of the ways to look, and the gain of the difference."""
        self.modes: dict[CompareMode, QPushButton] = {}
        how, row = _tools()
        for mode, (text, tooltip) in _MODES.items():
            chip = self.modes[mode] = self._chip(text, tooltip, f"{mode}CompareButton")
            chip.clicked.connect(lambda _on, mode=mode: self._on_mode(mode))
            row.addWidget(chip)
        self.gain = Combo()
        self.gain.setObjectName("differenceGain")
        self.gain.setToolTip(
            "By how much the difference is amplified around grey.\n"
            "Auto: the largest power of two that clips nothing, for each step anew"
        )
        self.gain.setAccessibleName("Amplification of the difference")
        for gain in GAINS:
            self.gain.addItem("× auto" if gain is None else f"× {gain:g}", gain)
        row.addWidget(self.gain)
        return how

    def _matching_tools(self) -> Rigid:
        """Return the chips that say which steps go together."""
        when, row = _tools()
        self.matching: dict[Matching, QPushButton] = {}
        for matching, (text, tooltip) in _MATCHINGS.items():
            chip = self.matching[matching] = self._chip(text, tooltip, f"{matching}MatchButton")
            chip.clicked.connect(lambda _on, matching=matching: self._on_matching(matching))
            row.addWidget(chip)
        return when

    def _distances(self) -> QVBoxLayout:
        """Return what stands beside the pictures: how far the runs are from the first one."""
        self.finish = button("", "Go on with it, to compare all of its steps", "chip")
        self.finish.setObjectName("finishComparedButton")
        self.chart = DistanceChart(self._theme)
        self.told = label("", "caption")
        self.told.setObjectName("distanceText")
        self.told.setTextFormat(Qt.TextFormat.RichText)
        beside = QVBoxLayout()
        beside.setSpacing(2)
        beside.addWidget(self.told)
        beside.addWidget(self.finish)
        beside.addWidget(self.chart, 1)
        return beside

    def minimumSizeHint(self) -> QSize:
        """Ask for the buttons in two rows; the chart drops out first."""
        least = max(part.sizeHint().width() for part in self._tools_width)
        return QSize(least + 4 + self.close_button.sizeHint().width(), 96)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Use the width: the pictures first, then the buttons in one row, then the chart."""
        super().resizeEvent(event)
        room = self.width() - self.close_button.sizeHint().width() - 2 * GAP
        fits = sum(part.sizeHint().width() for part in self._tools_width) <= room
        ways = QBoxLayout.Direction
        self._tools.setDirection(ways.LeftToRight if fits else ways.TopToBottom)
        wide = self.width() >= CHART_FROM
        self.chart.setVisible(wide)
        self.told.setVisible(wide)
        self._share()

    @Slot()
    def _share(self) -> None:
        """Give the chart the width that the pictures cannot use."""
        used = self.canvas.used_width(self.width() - CHART_LEAST - GAP)
        width = min(max(self.width() - GAP - used, CHART_LEAST), CHART_MOST)
        if width != self.chart.width():
            self.chart.setFixedWidth(width)
            self.told.setFixedWidth(width)
            self._show_step()

    def _chip(self, text: str, tooltip: str, name: str) -> QPushButton:
        chip = button(text, tooltip, "chip")
        chip.setObjectName(name)
        chip.setCheckable(True)
        return chip

    def _bind(self) -> None:
        self.gain.activated.connect(lambda _row: self._comparison.set_gain(self.gain.currentData()))
        self.close_button.clicked.connect(self._comparison.end)
        self.finish.clicked.connect(self._on_finish)
        self.chart.step_wished.connect(self._on_step_wished)
        self._comparison.changed.connect(self._show)
        self.canvas.room_changed.connect(self._share)
        self._comparison.measured.connect(self._show_distances)
        self._comparison.frames_changed.connect(self._show_step)
        self._controller.state_changed.connect(self._show)
        self._theme.changed.connect(self._tint)

    def _on_mode(self, mode: CompareMode) -> None:
        self._comparison.set_mode(mode)
        self._show()

    def _on_matching(self, matching: Matching) -> None:
        self._comparison.set_matching(matching)
        self._show()

    @Slot()
    def _on_finish(self) -> None:
        for run in self._comparison.runs:
            if run.outcome is Outcome.STOPPED:
                self._controller.finish(run)
                return

    @Slot(int)
    def _on_step_wished(self, step: int) -> None:
        """Go to a step of the first run."""
        if not self._comparison.on:
            return
        self._shown.show(self._comparison.runs[0])
        self._shown.scrub(step)

    @Slot()
    def _show(self) -> None:
        comparison = self._comparison
        for mode, chip in self.modes.items():
            with QSignalBlocker(chip):
                chip.setChecked(mode is comparison.mode)
        for matching, chip in self.matching.items():
            with QSignalBlocker(chip):
                chip.setChecked(matching is comparison.matching)
        self.gain.setVisible(comparison.mode is CompareMode.DIFFERENCE)
        with QSignalBlocker(self.gain):
            self.gain.setCurrentIndex(GAINS.index(comparison.gain))
        short = [run for run in comparison.runs if run.outcome is Outcome.STOPPED]
        self.finish.setVisible(bool(short))
        self.finish.setEnabled(not self._controller.active)
        if short:
            self.finish.setText(f"Finish {short[0].title}")
        self._show_distances()

    @Slot()
    def _show_distances(self) -> None:
        comparison = self._comparison
        if not comparison.on:
            return
        self.chart.set_distances(comparison.distances, comparison.runs[0].trajectory.num_steps)
        self._show_step()

    @Slot()
    def _show_step(self) -> None:
        first = next(iter(self._comparison.frames), None)
        if first is not None:
            self.chart.set_step(first.index)
        if not self._comparison.on:
            return
        self.told.setText("<br>".join([self._told_of(), *self._told(first)]))

    @property
    def _named(self) -> bool:
        """Whether there is room for the names of the runs."""
        return self.chart.width() >= NAMED_FROM

    def _name(self, run: Run) -> str:
        """Return what a run is called, with its model where the runs have different ones."""
        names = {model_name(one.experiment) for one in self._comparison.runs}
        model = f" ({brief(model_name(run.experiment))})" if len(names) > 1 else ""
        return escape(f"{brief(run.title)}{model}")

    def _told_of(self) -> str:
        """Return what the chart shows."""
        whose = f", {self._name(self._comparison.runs[0])}" if self._named else ""
        return f"rms of 𝑥̂₀ to A{whose}, by step"

    def _told(self, first: Frame | None) -> list[str]:
        """Return how far the pictures on show are from the first run's, and the runs at the end."""
        told: list[str] = []
        others, distances = self._comparison.frames[1:], self._comparison.distances
        for letter, other, one in zip(LETTERS[1:], others, distances, strict=False):
            parts: list[str] = []
            if first is not None and other is not None:
                parts.append(f"here {spelled(over_batch(rms(first.x0_hat, other.x0_hat)))}")
            if one.final is not None:
                parts.append(f"end {spelled(one.final)}")
            parts = parts or ["none at this step"]
            colour = self._theme.tokens.pins[len(told)]
            name = f"{self._name(one.run)}: " if self._named else ""
            told.append(f"<b style='color:{colour}'>{letter}</b>&nbsp; {name}{', '.join(parts)}")
        return told

    @Slot()
    def _tint(self) -> None:
        tokens = self._theme.tokens
        set_icon(self.close_button, "x", tokens.text, tokens.disabled)
        self._show_step()
