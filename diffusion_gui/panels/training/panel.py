"""The training panel: choose pictures, let a network learn from them, see what it has learned."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QDragEnterEvent, QDragLeaveEvent, QDropEvent, QResizeEvent, QShowEvent
from PySide6.QtWidgets import QHBoxLayout

from diffusion_gui.engine.numerals import spelled
from diffusion_gui.engine.training.densities import density, levels_of
from diffusion_gui.panels.common.dropping import paths_from
from diffusion_gui.panels.common.icons import set_icon
from diffusion_gui.panels.common.panel_frame import Panel
from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.panels.common.widgets import GAP, ElidedLabel, button, dress
from diffusion_gui.panels.training.charts import Charts
from diffusion_gui.panels.training.drawer import TrainingDrawer
from diffusion_gui.panels.training.form import TrainingForm
from diffusion_gui.panels.training.samples_view import SamplesView
from diffusion_gui.panels.training.transport import TrainingTransport
from diffusion_gui.panels.training.words import copies_line, data_line, numbers_line, state_line
from diffusion_gui.session.model_header import TRAINING_ENDING
from diffusion_gui.state.document import Document
from diffusion_gui.state.training import TrainingController, TrainState
from diffusion_gui.state.view_state import ViewState

WIDE = 1000
"""Width in pixels from which on the drawer leaves the charts their place."""
BUSY = "A training is under way: stop it before others are opened"


class TrainingPanel(Panel):
    """Drives the training controller and shows what it has found.

    `open_wished`, `save_wished` and `folder_wished` ask for a dialog, `sample_wished` for samples
    of the newest network. `others_dropped(paths)` with what holds no pictures to learn from.
    """

    open_wished = Signal()
    save_wished = Signal()
    folder_wished = Signal()
    sample_wished = Signal()
    others_dropped = Signal(list)

    def __init__(
        self, training: TrainingController, document: Document, view: ViewState, theme: Theme
    ) -> None:
        super().__init__("trainingPanel", "Training", theme)
        self._training, self._document, self._view = training, document, view
        self._said = ""
        self.setAcceptDrops(True)
        self._build_head()
        self.form = TrainingForm(training.plans, document)
        self.body.addWidget(self.form)
        self._build_line()
        self._build_middle()
        self.transport = TrainingTransport(training, theme)
        self.body.addWidget(self.transport)
        self._bind()
        self._tint()
        for show in (self._show_state, self._show_data, self._show_numbers, self._show_density):
            show()
        self._show_time()
        self._show_samples()

    def _build_head(self) -> None:
        self.open = button("Open…", f"Go on with a training from its file (*{TRAINING_ENDING})")
        self.save = button("Save as…", "Copy the model and its training to a place of your choice")
        self.sample = button("Sample from it", "Draw with the network as it is by now", "")
        self.settings = button(
            "", "Settings: weighting, flip, EMA, warm-up, clip, captions, device", "tool"
        )
        self.settings.setCheckable(True)
        self.settings.setAccessibleName("Settings")
        for widget, name in (
            (self.open, "openTrainingButton"),
            (self.save, "saveTrainingButton"),
            (self.sample, "sampleFromTrainingButton"),
            (self.settings, "trainingSettingsButton"),
        ):
            widget.setObjectName(name)
            self.head.addWidget(widget)

    def _build_line(self) -> None:
        """What is learned from stands at the left, how it goes at the right."""
        self.data_label = ElidedLabel("caption")
        self.data_label.setObjectName("trainingDataLabel")
        self.numbers = ElidedLabel("caption")
        self.numbers.setObjectName("trainingNumbersLabel")
        self.numbers.setAlignment(Qt.AlignmentFlag.AlignRight)
        line = QHBoxLayout()
        line.setSpacing(2 * GAP)
        line.addWidget(self.data_label, 2)
        line.addWidget(self.numbers, 3)
        self.body.addLayout(line)

    def _build_middle(self) -> None:
        self.samples = SamplesView(self.theme)
        self.charts = Charts(self.theme)
        self.drawer: TrainingDrawer | None = None
        self._middle = QHBoxLayout()
        self._middle.setSpacing(2 * GAP)
        self._middle.addWidget(self.samples, 11)
        self._middle.addWidget(self.charts, 9)
        self.body.addLayout(self._middle, 1)

    def _bind(self) -> None:
        training, plans = self._training, self._training.plans
        self.open.clicked.connect(self.open_wished)
        self.save.clicked.connect(self.save_wished)
        self.sample.clicked.connect(self.sample_wished)
        self.settings.toggled.connect(self._on_settings)
        self.form.folder_wished.connect(self.folder_wished)
        self.form.model_wished.connect(training.begin_with)
        training.state_changed.connect(self._show_state)
        training.progressed.connect(self._show_numbers)
        training.trained.connect(self._show_buttons)
        self.transport.chosen.connect(self._show_samples)
        plans.changed.connect(self._show_data)
        plans.changed.connect(self._show_density)
        plans.changed.connect(self._show_buttons)
        plans.data_changed.connect(self._show_data)
        self._document.schedule_changed.connect(self._show_density)
        self._document.schedule_changed.connect(self._show_time)
        self._view.t_changed.connect(self._show_time)
        self.theme.changed.connect(self._tint)

    def showEvent(self, event: QShowEvent) -> None:
        """Read the pictures of the plan, and offer what was not finished, from the first sight."""
        super().showEvent(event)
        self._training.plans.watch()
        if self._training.state is TrainState.IDLE:
            self.transport.offer_newest()

    @Slot(bool)
    def _on_settings(self, wished: bool) -> None:
        if wished and self.drawer is None:
            self.drawer = TrainingDrawer(self._training.plans)
            self._middle.addWidget(self.drawer)
        if self.drawer is not None:
            self.drawer.setVisible(wished)
        self._share_width()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Use the width."""
        super().resizeEvent(event)
        self._share_width()

    def _share_width(self) -> None:
        """Leave the room of the charts to the drawer where there is little width."""
        drawn = self.drawer is not None and not self.drawer.isHidden()
        self.charts.setVisible(not drawn or self.width() >= WIDE)

    @Slot()
    def _show_state(self) -> None:
        training = self._training
        self.form.show_plan()
        if self.drawer is not None:
            self.drawer.show_plan()
        failed = training.state is TrainState.FAILED
        if training.message and training.message != self._said:
            self.bar.show_lines([training.message], info=False)
        elif self._said and not training.message:
            self.bar.clear()
        self._said = training.message
        self._show_buttons()
        title, line = "No samples yet", "Press Train: the first ones come with the first step"
        if training.state is TrainState.LOADING:
            title, line = "Getting ready", "Loading torch and the pictures"
        elif failed:
            line = "Mend what is said above, then press Train"
        self.samples.set_message(title, line)
        self._show_numbers()

    @Slot()
    def _show_buttons(self) -> None:
        training = self._training
        self.open.setEnabled(not training.active)
        self.sample.setEnabled(training.ref is not None)
        self.save.setEnabled(training.files is not None and training.saved)

    @Slot()
    def _show_data(self) -> None:
        plans = self._training.plans
        text = data_line(plans)
        self.data_label.setText(text)
        dress(self.data_label, "role", "problem" if plans.problem else "caption")
        problems = plans.data.set.problems if plans.data is not None else ()
        if problems and plans.data is not self._told_of:
            self.bar.show_lines(problems, info=True, summary=f"{len(problems):,} left out")
        self._told_of = plans.data

    _told_of: object = None

    @Slot()
    def _show_numbers(self) -> None:
        news = self._training.news
        self.caption.setText(state_line(self._training))
        self.numbers.setText(numbers_line(self._training))
        self.numbers.setVisible(bool(self.numbers.text()))
        empty = np.zeros(0)
        curve = news.curve if news is not None else (empty, empty, empty)
        self.charts.loss.show_curve(*curve)
        if news is not None:
            self.charts.levels.show_levels(*news.levels, news.seen)
            self.charts.loss_head.set_value(spelled(news.progress.loss))
        else:
            self.charts.levels.show_levels(empty, empty, empty)
            self.charts.loss_head.set_value("")

    @Slot()
    def _show_density(self) -> None:
        plans = self._training.plans
        sigmas = plans.sigmas if plans.sigmas is not None else levels_of(self._document.schedule)
        self.charts.levels.show_density(density(plans.plan.options, sigmas))

    @Slot()
    def _show_time(self) -> None:
        schedule, t = self._document.schedule, min(self._view.t, self._document.schedule.T)
        a, s = float(schedule.a[t]), float(schedule.s[t])
        self.charts.levels.set_time(s / a if a > 0.0 else math.inf)

    @Slot()
    def _show_samples(self) -> None:
        shown = self.transport.samples
        line = ""
        if shown is not None:
            ratio = float(np.median(shown.ratios))
            line = copies_line(shown.copies, len(shown.pictures), ratio)
        self.samples.show_samples(shown, line)

    @Slot()
    def _tint(self) -> None:
        tokens = self.theme.tokens
        set_icon(self.settings, "sliders-horizontal", tokens.text, tokens.disabled, tokens.accent)
        set_icon(self.open, "folder-open", tokens.text, tokens.disabled)
        set_icon(self.save, "save", tokens.text, tokens.disabled)
        set_icon(self.sample, "wand-sparkles", tokens.text, tokens.disabled)

    # --- drops --------------------------------------------------------------------------------

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Take folders and trainings; all else is the window's."""
        if _taken(paths_from(event.mimeData())):
            event.acceptProposedAction()
            self._set_drop(True)
        else:
            event.ignore()

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        """The drag has left."""
        self._set_drop(False)

    def dropEvent(self, event: QDropEvent) -> None:
        """Learn from a folder, or go on with a training."""
        self._set_drop(False)
        if path := _taken(paths_from(event.mimeData())):
            event.acceptProposedAction()
            self.take(path)
        else:
            event.ignore()

    def take(self, path: str) -> None:
        """Learn from a folder, or go on with a training, as if dropped.

        A folder that holds a network, or a schedule, is opened as one.
        """
        if _holds_another(path):
            self.others_dropped.emit([path])
        elif self._training.active:
            self.bar.show_lines([BUSY])
        elif Path(path).is_dir():
            self._training.plans.set_folder(path)
        else:
            self._training.open(path)

    def _set_drop(self, over: bool) -> None:
        dress(self, "drop", over)


def _holds_another(path: str) -> bool:
    """Return whether a folder is one of a network or a schedule rather than of pictures."""
    from diffusion_gui.session.checkpoints import holds_network
    from diffusion_gui.session.schedule_import import holds_schedule

    return Path(path).is_dir() and (holds_network(path) or holds_schedule(path))


def _taken(paths: list[str]) -> str:
    """Return what a drop means here, "" for nothing."""
    return next((p for p in paths if p.endswith(TRAINING_ENDING) or Path(p).is_dir()), "")
