"""The sampling panel: run, hold, step and stop the reverse process, and look at every step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import QHBoxLayout, QStackedWidget, QWidget

from diffusion_gui.engine.experiment import Experiment
from diffusion_gui.engine.trajectory import Frame
from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.panels.common.widgets import GAP, ElidedLabel, Panel
from diffusion_gui.panels.sampling.compare_place import ComparePlace
from diffusion_gui.panels.sampling.fork_tools import ForkChip
from diffusion_gui.panels.sampling.head_tools import HeadTools
from diffusion_gui.panels.sampling.pages import make_page
from diffusion_gui.panels.sampling.picture_stage import PictureStage
from diffusion_gui.panels.sampling.settings_form import SettingsForm
from diffusion_gui.panels.sampling.sources import Sources
from diffusion_gui.panels.sampling.start_bar import StartBar
from diffusion_gui.panels.sampling.start_chip import StartChip
from diffusion_gui.panels.sampling.start_windows import StartWindows
from diffusion_gui.panels.sampling.status import status, wish
from diffusion_gui.panels.sampling.transport import Transport
from diffusion_gui.state.forecast import sentence
from diffusion_gui.state.run_view import SamplingPage
from diffusion_gui.state.sampling import RunState

if TYPE_CHECKING:
    from diffusion_gui.panels.sampling.drawer import SettingsDrawer


class SamplingPanel(Panel):
    """Drives the sampling controller and shows the run that `shown` looks at."""

    def __init__(self, sources: Sources, theme: Theme) -> None:
        super().__init__("samplingPanel", "Sampling", theme)
        self._of = sources
        self._said = ""
        self.drawer: SettingsDrawer | None = None
        self._build_head()
        self.form = SettingsForm(sources.document)
        self.body.addWidget(self.form)
        self._build_line()
        self.body.addWidget(self.start_bar)
        self._build_middle()
        self.transport = Transport(sources.controller, sources.shown, theme)
        self.body.addWidget(self.transport)
        self._bind()
        self._show_page()
        self.tools.settings.setChecked(sources.settings.drawer_open)
        sources.forecaster.refresh()
        self._show_forecast()
        self._show_state()

    def _build_head(self) -> None:
        self.start = StartChip(self._of.document, self._of.view, self._of.starts)
        self.start_bar = StartBar(self._of.document, self._of.starts, self.theme)
        parts = self._of.document, self._of.view, self._of.starts, self.theme
        self.start_windows = StartWindows(*parts, self)
        self.tools = HeadTools(self._of.shown, self._of.controller.live, self.theme)
        of = self._of
        self.fork = ForkChip(of.document, of.controller, of.shown, self.start, self.theme)
        self.head.addWidget(self.start)
        self.head.addWidget(self.fork)
        self.head.addWidget(self.tools)

    def _build_line(self) -> None:
        """What a run will take stands at the left, how it goes at the right."""
        self.forecast = ElidedLabel("caption")
        self.forecast.setObjectName("forecastLabel")
        self.head.removeWidget(self.caption)
        self.head.insertStretch(1, 1)
        self.caption.setAlignment(Qt.AlignmentFlag.AlignRight)
        self.line = QHBoxLayout()
        self.line.setSpacing(2 * GAP)
        self.line.addWidget(self.forecast, 1)
        self.line.addWidget(self.caption, 1)
        self.body.addLayout(self.line)

    def _build_middle(self) -> None:
        self.stage = PictureStage(self._of.shown, self._of.view, self.theme)
        self.batch, self.enlarged = self.stage.batch, self.stage.enlarged
        self._pages = QStackedWidget()
        self._made: dict[SamplingPage, QWidget] = {}
        middle = self._middle = QHBoxLayout()
        middle.setSpacing(2 * GAP)
        middle.addWidget(self.stage, 4)
        parts = self._of.controller, self._of.comparison, self._of.shown, self.theme
        self.compare = ComparePlace(self.stage, *parts)
        middle.addWidget(self.compare, 4)
        middle.addWidget(self._pages, 1)
        self.body.addLayout(middle, 1)

    def _bind(self) -> None:
        controller, shown = self._of.controller, self._of.shown
        self._of.starts.refused.connect(self.refuse)
        for wished in (self.start.mask_wished, self.start_bar.paint_wished):
            wished.connect(self.start_windows.paint_mask)
        self.start.trip_wished.connect(self.start_windows.make_trips)
        self.tools.live_changed.connect(self._on_live)
        controller.state_changed.connect(self._show_state)
        shown.run_changed.connect(self._show_state)
        shown.grown.connect(self._show_state)
        shown.step_changed.connect(self._show_frame)
        shown.shown_changed.connect(self._show_page)
        shown.shown_changed.connect(self._show_frame)
        self._of.forecaster.changed.connect(self._show_forecast)
        controller.runs.changed.connect(self._show_forecast)
        self.tools.settings.toggled.connect(self._on_settings)

    @property
    def frame(self) -> Frame | None:
        """The recorded step on show."""
        return self._of.shown.frame

    @property
    def experiment(self) -> Experiment | None:
        """The experiment that the step on show belongs to."""
        return self._of.shown.run.experiment if self._of.shown.run else None

    @Slot(str)
    def refuse(self, line: str) -> None:
        """Say why something cannot be done."""
        self.bar.show_lines([line])

    @Slot()
    def toggle(self) -> None:
        """Run, pause or resume: what the accent button says."""
        self._of.forecaster.refresh()  # that nothing refuses which was mended just now
        self.transport.toggle()

    @Slot(bool)
    def _on_live(self, live: bool) -> None:
        self._of.controller.live = live
        self._of.settings.live = live

    @Slot(bool)
    def _on_settings(self, wished: bool) -> None:
        """Open or close the drawer; it is built when it is first opened."""
        self._of.settings.drawer_open = wished
        if wished and self.drawer is None:
            from diffusion_gui.panels.sampling.drawer import SettingsDrawer

            parts = self._of.document, self._of.forecaster, self._of.settings, self.theme
            self.drawer = SettingsDrawer(*parts)
            self._middle.insertWidget(0, self.drawer)
        if self.drawer is not None:
            self.drawer.setVisible(wished)

    @Slot()
    def _show_forecast(self) -> None:
        told = self._of.forecaster
        ask = "" if told.problems else wish(self._of.controller, told)
        self.forecast.setText(ask + told.text)
        self.transport.set_obstacle(told.problem)
        role = "problem" if told.problems else "caption"
        if self.forecast.property("role") != role:
            self.forecast.setProperty("role", role)
            self.forecast.style().polish(self.forecast)

    @Slot()
    def _show_page(self) -> None:
        page = self._of.shown.page
        self._pages.setVisible(page is not None)
        self.batch.set_sharing(page is not None)
        if page is None:
            return
        if page not in self._made:
            self._made[page] = make_page(page, self._of, self.theme, self.refuse)
            self._pages.addWidget(self._made[page])
        self._pages.setCurrentWidget(self._made[page])

    @Slot()
    def _show_frame(self) -> None:
        frame, wanted = self._of.shown.frame, self._of.shown.quantities
        self.batch.set_pictures({q: getattr(frame, q) for q in wanted} if frame else {})

    @Slot()
    def _show_state(self) -> None:
        state = self._of.controller.shown_state
        self.tools.export.setEnabled(self._of.shown.run is not None)
        self.caption.setText(status(self._of.controller, self._of.shown.run))
        failed = state is RunState.FAILED
        mended = failed and self._of.controller.outdated
        if self._of.controller.message and not mended:
            self._say(sentence(self._of.controller.message), info=not failed)
        elif state is RunState.RUNNING or (mended and self._said):
            self._said = ""
            self.bar.clear()
        if self._of.shown.run is None:
            self.batch.set_message(
                "Getting ready: loading torch and the data set"
                if state is RunState.LOADING
                else "Press Run to draw pictures from noise"
            )

    def _say(self, line: str, info: bool) -> None:
        """Show a line of the controller's once: dismissed, it stays so."""
        if line != self._said:
            self._said = line
            self.bar.show_lines([line], info=info)
