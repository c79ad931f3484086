"""The sampling panel: run, hold, step and stop the reverse process, and look at every step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QHBoxLayout, QStackedWidget, QWidget

from diffusion_gui.engine.experiment import PICTURES, Experiment
from diffusion_gui.engine.trajectory import Frame
from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.panels.common.widgets import GAP, ElidedLabel, Panel
from diffusion_gui.panels.sampling.compare_place import ComparePlace
from diffusion_gui.panels.sampling.fork_tools import ForkChip
from diffusion_gui.panels.sampling.head_tools import HeadTools
from diffusion_gui.panels.sampling.picture_stage import PictureStage
from diffusion_gui.panels.sampling.settings_form import SettingsForm
from diffusion_gui.panels.sampling.start_bar import StartBar
from diffusion_gui.panels.sampling.start_chip import StartChip
from diffusion_gui.panels.sampling.start_windows import StartWindows
from diffusion_gui.panels.sampling.transport import Transport
from diffusion_gui.state.document import Document
from diffusion_gui.state.forecast import Forecaster, spoken
from diffusion_gui.state.run_checks import RunChecks
from diffusion_gui.state.run_comparison import RunComparison
from diffusion_gui.state.run_endings import RunEndings
from diffusion_gui.state.run_view import RunView, SamplingPage
from diffusion_gui.state.sampling import RunState, SamplingController
from diffusion_gui.state.settings import Settings
from diffusion_gui.state.starts import Starts
from diffusion_gui.state.view_state import ViewState

if TYPE_CHECKING:
    from diffusion_gui.panels.sampling.drawer import SettingsDrawer


class SamplingPanel(Panel):
    """Drives the sampling controller and shows the run that `shown` looks at."""

    def __init__(
        self,
        document: Document,
        view: ViewState,
        controller: SamplingController,
        shown: RunView,
        starts: Starts,
        forecaster: Forecaster,
        comparison: RunComparison,
        checks: RunChecks,
        endings: RunEndings,
        settings: Settings,
        theme: Theme,
    ) -> None:
        super().__init__("samplingPanel", "Sampling", theme)
        self._document = document
        self._view = view
        self._controller = controller
        self._shown = shown
        self._starts = starts
        self._forecaster = forecaster
        self._comparison = comparison
        self._checks = checks
        self._endings = endings
        self._settings = settings
        self._said = ""
        self.drawer: SettingsDrawer | None = None
        self._build_head()
        self.form = SettingsForm(document)
        self.body.addWidget(self.form)
        self.forecast = ElidedLabel("caption")
        self.forecast.setObjectName("forecastLabel")
        self.body.addWidget(self.forecast)
        self.body.addWidget(self.start_bar)
        self._build_middle()
        self.transport = Transport(controller, shown, theme)
        self.body.addWidget(self.transport)
        self._bind()
        self._show_page()
        self._show_data()
        self.tools.settings.setChecked(settings.drawer_open)
        forecaster.refresh()
        self._show_forecast()
        self._show_state()

    def _build_head(self) -> None:
        self.start = StartChip(self._document, self._view, self._starts)
        self.start_bar = StartBar(self._document, self._starts, self.theme)
        parts = self._document, self._view, self._starts, self.theme
        self.start_windows = StartWindows(*parts, self)
        self.tools = HeadTools(self._shown, self._controller.live, self.theme)
        self.fork = ForkChip(self._document, self._controller, self.start)
        self.head.addWidget(self.start)
        self.head.addWidget(self.fork)
        self.head.addWidget(self.tools)

    def _build_middle(self) -> None:
        self.stage = PictureStage(self._shown, self._view, self.theme)
        self.batch, self.enlarged = self.stage.batch, self.stage.enlarged
        self._pages = QStackedWidget()
        self._made: dict[SamplingPage, QWidget] = {}
        middle = self._middle = QHBoxLayout()
        middle.setSpacing(2 * GAP)
        middle.addWidget(self.stage, 4)
        parts = self._controller, self._comparison, self._shown, self.theme
        self.compare = ComparePlace(self.stage, *parts)
        middle.addWidget(self.compare, 4)
        middle.addWidget(self._pages, 1)
        self.body.addLayout(middle, 1)

    def _bind(self) -> None:
        controller, shown = self._controller, self._shown
        self._starts.refused.connect(lambda line: self.bar.show_lines([line]))
        for wish in (self.start.mask_wished, self.start_bar.paint_wished):
            wish.connect(self.start_windows.paint_mask)
        self.start.trip_wished.connect(self.start_windows.make_trips)
        self.tools.live_changed.connect(self._on_live)
        controller.state_changed.connect(self._show_state)
        shown.run_changed.connect(self._show_state)
        shown.grown.connect(self._show_state)
        shown.step_changed.connect(self._show_frame)
        shown.shown_changed.connect(self._show_page)
        shown.shown_changed.connect(self._show_frame)
        self._document.sampling_changed.connect(self._show_data)
        self._forecaster.changed.connect(self._show_forecast)
        self.tools.settings.toggled.connect(self._on_settings)

    @property
    def frame(self) -> Frame | None:
        """The recorded step on show."""
        return self._shown.frame

    @property
    def experiment(self) -> Experiment | None:
        """The experiment that the step on show belongs to."""
        return self._shown.run.experiment if self._shown.run else None

    @Slot()
    def toggle(self) -> None:
        """Run, pause or resume: what the accent button says."""
        self.transport.toggle()

    @Slot(bool)
    def _on_live(self, live: bool) -> None:
        self._controller.live = live
        self._settings.live = live

    @Slot(bool)
    def _on_settings(self, wished: bool) -> None:
        """Open or close the drawer; it is built when it is first opened."""
        self._settings.drawer_open = wished
        if wished and self.drawer is None:
            from diffusion_gui.panels.sampling.drawer import SettingsDrawer

            parts = self._document, self._forecaster, self._settings, self.theme
            self.drawer = SettingsDrawer(*parts)
            self._middle.insertWidget(0, self.drawer)
        if self.drawer is not None:
            self.drawer.setVisible(wished)

    @Slot()
    def _show_forecast(self) -> None:
        problems = self._forecaster.problems
        wish = "" if problems else self._wish()
        self.forecast.setText(wish + self._forecaster.text)
        role = "problem" if problems else "caption"
        if self.forecast.property("role") != role:
            self.forecast.setProperty("role", role)
            self.forecast.style().polish(self.forecast)

    def _wish(self) -> str:
        """Return what is to be done for the pictures of the settings, "" where nothing is."""
        controller = self._controller
        if not controller.outdated or controller.state in (RunState.LOADING, RunState.RUNNING):
            return ""
        offered = None if self._forecaster.seconds else controller.offered
        time = f" (about {spoken(offered)})" if offered else ""
        press = "Stop, then Run" if controller.state is RunState.PAUSED else "Run"
        return f"settings changed: press {press}{time}   "

    def _make_page(self, page: SamplingPage) -> QWidget:
        """Build a page when it is first looked at."""
        if page is SamplingPage.CURVES:
            from diffusion_gui.panels.sampling.step_charts import StepCharts

            parts = self._shown, self._endings, self._comparison
            return StepCharts(*parts, self._settings, self.theme)
        if page is SamplingPage.POSTERIOR:
            from diffusion_gui.panels.sampling.posterior_page import PosteriorPage

            return PosteriorPage(self._shown, self.theme)
        if page is SamplingPage.MAP:
            from diffusion_gui.panels.sampling.map_page import MapPage

            return MapPage(self._shown, self._endings, self.theme)
        if page is SamplingPage.RUNS:
            from diffusion_gui.panels.sampling.runs_page import RunsPage

            runs = RunsPage(
                self._document,
                self._controller,
                self._shown,
                self._comparison,
                self._checks,
                self.theme,
            )
            runs.refused.connect(lambda line: self.bar.show_lines([line]))
            return runs
        raise KeyError(page)

    @Slot()
    def _show_page(self) -> None:
        page = self._shown.page
        self._pages.setVisible(page is not None)
        self.batch.set_sharing(page is not None)
        if page is None:
            return
        if page not in self._made:
            self._made[page] = self._make_page(page)
            self._pages.addWidget(self._made[page])
        self._pages.setCurrentWidget(self._made[page])

    @Slot()
    def _show_frame(self) -> None:
        frame = self._shown.frame
        if frame is not None:
            self.batch.set_pictures({q: getattr(frame, q) for q in self._shown.quantities})

    @Slot()
    def _show_state(self) -> None:
        state = self._controller.shown_state
        self.tools.export.setEnabled(self._shown.run is not None)
        self.caption.setText(self._status())
        if self._controller.message:
            self._say(self._controller.message, info=state is not RunState.FAILED)
        elif state is RunState.RUNNING:
            self._said = ""
            self.bar.clear()
        if self._shown.run is None:
            self.batch.set_message(
                "getting ready: loading torch and the data set"
                if state is RunState.LOADING
                else "press Run to draw pictures from noise"
            )

    def _say(self, line: str, info: bool) -> None:
        """Show a line of the controller's once: dismissed, it stays so."""
        if line != self._said:
            self._said = line
            self.bar.show_lines([line], info=info)

    def _status(self) -> str:
        state, run = self._controller.shown_state, self._shown.run
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
        return "   ".join(parts)

    @Slot()
    def _show_data(self) -> None:
        experiment = self._document.experiment
        if experiment.sampling.data == PICTURES and not experiment.pictures:
            self.bar.show_lines(
                ["There are no pictures to sample from: drop some, or choose Emoji"]
            )
