"""The page of the posterior: which images of the set a sample may still become."""

from __future__ import annotations

from PySide6.QtCore import Slot
from PySide6.QtGui import QResizeEvent, QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QToolButton

from diffusion_gui.engine.denoisers import MODELS
from diffusion_gui.engine.experiment import Experiment
from diffusion_gui.engine.planning import uses_data
from diffusion_gui.engine.survey import Belief
from diffusion_gui.panels.common.icons import icon
from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.panels.common.widgets import GAP, ElidedLabel, label
from diffusion_gui.panels.sampling.belief_list import BeliefList, ResolvedBar
from diffusion_gui.panels.sampling.following_page import FollowingPage
from diffusion_gui.panels.sampling.info_sign import InfoSign
from diffusion_gui.panels.sampling.step_chart import NO_STEP, StepCard, StepPlot
from diffusion_gui.panels.sampling.step_kinds import KINDS, WITHOUT
from diffusion_gui.state.run import Run
from diffusion_gui.state.run_view import RunView
from diffusion_gui.state.step_series import StepNumber, series

MEANING = (
    "The Exact model knows a list of images, and 𝑥ₜ makes each of them more or less probable:\n"
    "that is the posterior, and 𝑥̂₀ is its mean. Its entropy in bits says how much is still open.\n"
    "At pure noise all N images are possible, log₂ N bits; every bit that is resolved halves them."
)
CHART_LEAST, CHART_FROM = 72, 172
"""Height of the chart at least; height of the page from which on there is room for it."""
START = (
    "<b>No posterior yet</b><br>Run the Exact model to see which images<br>"
    "a sample may still become"
)
LET_GO = "Its posteriors were given up for the memory of newer runs: run it again to see them"


class PosteriorPage(FollowingPage):
    """Follows the step on show and the chosen picture; the arrows in its head choose another."""

    def __init__(self, shown: RunView, theme: Theme) -> None:
        super().__init__("posteriorPage", shown, START)
        self._theme = theme
        self._drawn: tuple[object, int, int] | None = None
        self._build()
        self._pace.due.connect(self._show_all)
        theme.changed.connect(self._tint)
        self._tint()
        self._show_all()

    def _build(self) -> None:
        self.caption = ElidedLabel("caption")
        self.resolved = label("")
        self.left = ElidedLabel("caption")
        self.bar = ResolvedBar(self._theme)
        self.list = BeliefList(self._theme)
        kind = KINDS[StepNumber.ENTROPY]
        plot = StepPlot(self._theme, "posterior", kind.names[0], kind.token, kind.log)
        plot.step_dragged.connect(self._shown.scrub)
        plot.hovered.connect(self._on_hovered)
        self.chart = StepCard(plot, kind.names, kind.tooltip)
        self.chart.setMinimumHeight(CHART_LEAST)
        numbers = QHBoxLayout()
        numbers.setSpacing(GAP)
        numbers.addWidget(self.resolved)
        numbers.addWidget(self.left, 1)
        column = self.column
        column.addLayout(self._head())
        column.addLayout(numbers)
        column.addWidget(self.bar)
        column.addWidget(self.list, 3)
        column.addWidget(self.chart, 1)

    def _head(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(2)
        row.addWidget(self.caption, 1)
        self.arrows = (QToolButton(), QToolButton())
        for arrow, words, way in zip(self.arrows, ("before", "after"), (-1, 1), strict=True):
            arrow.setProperty("role", "bare")
            arrow.setToolTip(f"The picture {words} it in the batch")
            arrow.setAccessibleName(f"Picture {words}")
            arrow.clicked.connect(self._on_earlier if way < 0 else self._on_later)
            row.addWidget(arrow)
        row.addWidget(InfoSign(self._theme, MEANING))
        return row

    @property
    def sample(self) -> int:
        """The picture of the batch that is told about: the chosen one, or the first."""
        return self._shown.image or 0

    def showEvent(self, event: QShowEvent) -> None:
        """Show what has come meanwhile."""
        super().showEvent(event)
        self._show_all()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Leave the chart out where both it and the list would be cut."""
        super().resizeEvent(event)
        self.chart.setVisible(self.height() >= CHART_FROM)

    @Slot()
    def _on_earlier(self) -> None:
        self._choose(-1)

    @Slot()
    def _on_later(self) -> None:
        self._choose(1)

    def _choose(self, way: int) -> None:
        frame = self._shown.frame
        if frame is not None:
            self._shown.set_image((self.sample + way) % len(frame.x_t))

    @Slot()
    def _show_all(self) -> None:
        run, frame = self._shown.run, self._shown.frame
        survey = run.survey if run else None
        if not self.isVisible():
            return
        found = survey.newest_belief(frame.index) if survey and frame else None
        self.content.setVisible(found is not None)
        self.empty.setVisible(found is None)
        if run is None or survey is None or frame is None:
            self.empty.setText(_nothing(run, frame.index if frame else 0))
        elif found is None:
            self.empty.setText(_missing(run.experiment, frame.index))
        else:
            self._show_belief(*found)
            self._show_chart()

    def _show_belief(self, step: int, belief: Belief) -> None:
        run, frame, sample = self._shown.run, self._shown.frame, self.sample
        if run is None or frame is None:
            return
        asked = "" if step == frame.index else f", at the last estimate: step {step}"
        about = _about(run.experiment, belief)
        self.caption.setText(f"picture {sample + 1} of {len(frame.x_t)}{asked}   {about}")
        bits = min(max(float(belief.bits[sample]), 0.0), belief.most_bits)
        most = belief.most_bits
        self.resolved.setText(f"bits resolved: {most - bits:.2f} / {most:.2f}")
        number = max(float(belief.effective_number[sample]), 1.0)
        words = "image" if number < 1.005 else "images"
        said = f"{number:.3g}" if number < 1000 else f"{number:,.0f}"
        self.left.setText(f"{said} {words} left")
        self.bar.set_share((most - bits) / most if most else 1.0)
        self.list.show_belief(belief, sample)

    def _show_chart(self) -> None:
        """Draw the entropy over the steps, where it is another curve."""
        run, frame = self._shown.run, self._shown.frame
        if run is None or run.survey is None or frame is None:
            return
        self.chart.plot.set_step(frame.index)
        drawn = run, len(run.survey), self.sample
        if drawn != self._drawn:
            self._drawn = drawn
            line = series(run, StepNumber.ENTROPY)
            self.chart.plot.show_series(line, self.sample, {}, run.trajectory.num_steps)
        self._say(frame.index)

    @Slot(int)
    def _on_hovered(self, step: int) -> None:
        self.chart.plot.set_hovered(step)
        if self._shown.frame is not None:
            self._say(self._shown.frame.index if step == NO_STEP else step)

    def _say(self, step: int) -> None:
        """Write the entropies at a step beside the chart's name."""
        run = self._shown.run
        found = run.survey.newest_belief(step) if run and run.survey else None
        if found is not None:
            own, bits = float(found[1].bits[self.sample]), float(found[1].bits.mean())
            self.chart.head.set_value(f"{own:.2f} bits   mean {bits:.2f}", f"{own:.2f} bits")

    @Slot()
    def _tint(self) -> None:
        for arrow, name in zip(self.arrows, ("chevron-left", "chevron-right"), strict=True):
            arrow.setIcon(icon(name, self._theme.tokens.secondary))


def _nothing(run: Run | None, step: int) -> str:
    """Return why there is no posterior of a run at all."""
    if run is not None and run.let_go:
        return LET_GO
    if run is not None and not uses_data(run.experiment.sampling):
        return _missing(run.experiment, step)
    return START


def _about(experiment: Experiment, belief: Belief) -> str:
    """Return in words what the posterior is over, and what of the settings it leaves out."""
    sampling = experiment.sampling
    words = f"over {len(belief.atlas):,} images"
    if sampling.label:
        words += f" labelled {sampling.label}"
    temperature = dict(sampling.model_params).get("temperature", 1.0)
    if temperature != 1.0:
        words += f", τ = {temperature:g}"
    return words + (", before guidance" if sampling.guidance.method else "")


def _missing(experiment: Experiment, step: int) -> str:
    """Return why there is nothing to see."""
    model = experiment.sampling.model
    if model not in WITHOUT:
        return f"No estimate has been made at step {step}"
    title = MODELS[model].title
    return f"{title} has no posterior over images: {WITHOUT[model]}. Choose the Exact model."
