"""The sampling panel: run, hold, step and stop the reverse process, and look at every step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QSize, Qt, Slot
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QWidget

from diffusion_gui.engine.experiment import Experiment
from diffusion_gui.engine.trajectory import Frame
from diffusion_gui.panels.common.panel_frame import Panel
from diffusion_gui.panels.common.tab_order import order_tabs
from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.panels.common.widgets import GAP, PADDING, ElidedLabel
from diffusion_gui.panels.sampling.compare_place import ComparePlace
from diffusion_gui.panels.sampling.fork_tools import ForkChip
from diffusion_gui.panels.sampling.head_tools import HeadTools
from diffusion_gui.panels.sampling.middle import Middle
from diffusion_gui.panels.sampling.pages import make_page
from diffusion_gui.panels.sampling.picture_stage import PictureStage
from diffusion_gui.panels.sampling.settings_form import SettingsForm
from diffusion_gui.panels.sampling.sources import Sources
from diffusion_gui.panels.sampling.start_bar import StartBar
from diffusion_gui.panels.sampling.start_chip import StartChip
from diffusion_gui.panels.sampling.start_windows import StartWindows
from diffusion_gui.panels.sampling.status import status, wish
from diffusion_gui.panels.sampling.told import Told
from diffusion_gui.panels.sampling.transport import Transport
from diffusion_gui.state.forecast import sentence
from diffusion_gui.state.run_view import SamplingPage
from diffusion_gui.state.sampling import RunState

if TYPE_CHECKING:
    from diffusion_gui.panels.sampling.drawer import SettingsDrawer


TALL = 470
"""Height from which on a comparison leaves the form its place."""
HEAD_LEAST = 230
"""Width of the tabs and of what a run starts from, shortened, with their gaps."""


class SamplingPanel(Panel):
    """Drives the sampling controller and shows the run that `shown` looks at."""

    def __init__(self, sources: Sources, theme: Theme) -> None:
        super().__init__("samplingPanel", "Sampling", theme)
        self._of = sources
        self._said = self._refused = ""
        self.told = Told(self)
        self._ordered: tuple[object, ...] = ()
        self.drawer: SettingsDrawer | None = None
        self._build_head()
        self.form = SettingsForm(sources.document, sources.networks, sources.controller.labels)
        self.body.addWidget(self.form)
        self._build_line()
        self.body.addWidget(self.start_bar)
        self._build_middle()
        self.transport = Transport(sources.controller, sources.shown, theme)
        self.body.addWidget(self.transport)
        self._bind()
        self._show_page()
        self._of.document.sampling_changed.connect(self._order_tabs)  # after forms have changed
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
        self._made: dict[SamplingPage, QWidget] = {}
        parts = self._of.controller, self._of.comparison, self._of.shown, self.theme
        self.compare = ComparePlace(self.stage, *parts)
        self.middle = Middle(self.stage, self.compare, self._of.comparison)
        self.body.addWidget(self.middle, 1)

    def _bind(self) -> None:
        controller, shown = self._of.controller, self._of.shown
        self._of.starts.refused.connect(self.refuse)
        for fork in (self.fork, self.transport.fork):
            fork.said.connect(self.told.say)
        self.form.refused.connect(self._on_refused)
        self.form.sample_wished.connect(self._sample)
        for wished in (self.start.mask_wished, self.start_bar.paint_wished):
            wished.connect(self.start_windows.paint_mask)
        self.start.trip_wished.connect(self.start_windows.make_trips)
        self.tools.live_changed.connect(self._on_live)
        controller.state_changed.connect(self._show_state)
        self.told.changed.connect(self._show_state)
        shown.run_changed.connect(self._show_state)
        shown.run_changed.connect(self._show_forecast)
        shown.grown.connect(self._show_state)
        shown.step_changed.connect(self._show_frame)
        shown.shown_changed.connect(self._show_page)
        shown.shown_changed.connect(self._show_frame)
        self._of.forecaster.changed.connect(self._show_forecast)
        controller.runs.changed.connect(self._show_forecast)
        self.tools.settings.toggled.connect(self._on_settings)
        self.tools.page_wished.connect(self.show_page)
        self.middle.page_covered.connect(self.tools.set_page_covered)
        self.middle.page_covered.connect(self._share_width)
        self.middle.drawer_refused.connect(lambda: self.tools.settings.setChecked(False))
        self._of.comparison.changed.connect(self._share_height)

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

    @Slot(str)
    def _on_refused(self, line: str) -> None:
        """Say why a caption cannot be, until it is mended."""
        if line:
            self.refuse(line)
        elif self._refused and self.bar.text == self._refused:
            self.bar.clear()
        self._refused = line

    @Slot()
    def _sample(self) -> None:
        """Sample what was entered, however long it takes."""
        self._of.forecaster.refresh()
        if not self._of.forecaster.problems:
            self._of.controller.run_unless_begun()

    @Slot(bool)
    def _on_live(self, live: bool) -> None:
        self._of.controller.live = live
        self._of.settings.live = live

    @Slot(bool)
    def _on_settings(self, wished: bool) -> None:
        """Open or close the drawer."""
        self._of.settings.drawer_open = wished
        if wished or self.drawer is not None:
            self.middle.set_drawer(self._drawer(), wished)
            self._order_tabs()

    @Slot()
    def prepare(self) -> None:
        """Build the drawer before anyone asks for it: at a moment when nothing goes on."""
        if self.drawer is None:
            self.middle.set_drawer(self._drawer(), False)
            self._order_tabs()

    def _drawer(self) -> SettingsDrawer:
        """Return the drawer, built when it is first wanted."""
        if self.drawer is None:
            from diffusion_gui.panels.sampling.drawer import SettingsDrawer

            parts = self._of.document, self._of.forecaster, self._of.settings, self.theme
            self.drawer = SettingsDrawer(*parts)
            changed = self._of.document.sampling_changed
            changed.disconnect(self._order_tabs)  # to come after the drawer's own fields again
            changed.connect(self._order_tabs)
        return self.drawer

    @Slot()
    def _show_forecast(self) -> None:
        told = self._of.forecaster
        ask = "" if told.problems else wish(self._of.controller, told, self._of.shown.run)
        armed = bool(ask) and self._of.controller.armed is not None
        self.forecast.setText(ask if armed else ask + told.text)  # it costs nothing yet
        self.transport.set_obstacle(told.problem)
        role = "problem" if told.problems else "caption"
        if self.forecast.property("role") != role:  # seldom: the whole window is laid out anew
            self.line.setStretchFactor(self.forecast, 3 if told.problems else 1)
            self.forecast.setProperty("role", role)
            self.forecast.style().polish(self.forecast)

    @Slot()
    def _show_page(self) -> None:
        page = self._of.shown.page
        if page is not None and page not in self._made:
            self._made[page] = make_page(page, self._of, self.theme, self.refuse)
        self.middle.show_page(self._made[page] if page is not None else None)
        self._share_width()
        self._order_tabs()

    @Slot()
    def _order_tabs(self) -> None:
        """Let Tab go on in reading order when fields have come."""
        now = self._of.document.experiment.sampling
        fields = now.model, now.sampler, now.spacing, now.guidance.method, bool(now.restart)
        there = (*fields, self.drawer is not None, *self._made)
        if there != self._ordered:
            self._ordered = there
            order_tabs(self)

    def show_page(self, page: SamplingPage | None) -> None:
        """Show a page, though something else may have to give way to it; None leaves none."""
        self._of.shown.set_page(page)
        if page is not None:
            self.middle.insist_on_page()

    @Slot()
    def _share_width(self) -> None:
        """Let the pictures leave room where a page stands beside them."""
        self.batch.set_sharing(not self.middle.pages.isHidden())

    @Slot()
    def _share_height(self) -> None:
        """Leave the room of the form to a comparison where there is little height."""
        self.form.setVisible(not self._of.comparison.on or self.height() >= TALL)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Use the width of the head, and the height."""
        super().resizeEvent(event)
        self.tools.fit(self.width() - 2 * PADDING - HEAD_LEAST)
        self._share_height()

    def minimumSizeHint(self) -> QSize:
        """Ask for what is needed at least: with all pages in one drop-down."""
        head = HEAD_LEAST + self.tools.needed(narrow=True)
        inside = max(
            head, self.form.minimumSizeHint().width(), self.middle.minimumSizeHint().width()
        )
        return QSize(inside + 2 * PADDING, super().minimumSizeHint().height())

    @Slot()
    def _show_frame(self) -> None:
        frame, wanted = self._of.shown.frame, self._of.shown.quantities
        self.batch.set_clean(frame is not None and frame.sigma == 0.0)
        self.batch.set_pictures({q: getattr(frame, q) for q in wanted} if frame else {})

    @Slot()
    def _show_state(self) -> None:
        state = self._of.controller.shown_state
        self.tools.export.setEnabled(self._of.shown.run is not None)
        said = self.told.text or status(self._of.controller, self._of.shown.run)
        self.caption.setText(said)
        self.caption.setVisible(bool(said))
        failed = state is RunState.FAILED
        mended = failed and self._of.controller.outdated
        if self._of.controller.message and not mended:
            self._say(sentence(self._of.controller.message), info=not failed)
        elif state is RunState.RUNNING or (mended and self._said):
            self._said = ""
            self.bar.clear()
        if self._of.shown.run is None:
            self.batch.set_message(
                "Getting ready\nLoading torch and the data set"
                if state is RunState.LOADING
                else "No pictures yet\nPress Run (F5) to draw them from noise"
            )

    def _say(self, line: str, info: bool) -> None:
        """Show a line of the controller's once: dismissed, it stays so."""
        if line != self._said:
            self._said = line
            self.bar.show_lines([line], info=info)
