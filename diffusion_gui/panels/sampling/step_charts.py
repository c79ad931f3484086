"""The page of curves: small linked charts over the steps of the run on show."""

from __future__ import annotations

import math

from PySide6.QtCore import Qt, Slot
from PySide6.QtGui import QAction, QResizeEvent, QShowEvent
from PySide6.QtWidgets import (
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QMenu,
    QScrollArea,
    QWidget,
)

from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.panels.common.widgets import GAP, ElidedLabel, button
from diffusion_gui.panels.sampling.following_page import FollowingPage
from diffusion_gui.panels.sampling.runs_delegate import LETTERS
from diffusion_gui.panels.sampling.step_chart import NO_STEP, StepCard, StepPlot
from diffusion_gui.panels.sampling.step_kinds import KINDS, missing, names_of
from diffusion_gui.state.run import Run
from diffusion_gui.state.run_comparison import RunComparison
from diffusion_gui.state.run_endings import RunEndings
from diffusion_gui.state.run_view import RunView
from diffusion_gui.state.settings import Settings
from diffusion_gui.state.step_series import Series, StepNumber, series

START = "<b>No curves yet</b><br>They are drawn while a run is made"
CARD_WIDTH, CARD_HEIGHT = 168, 76
"""Least width of a chart that has another one beside it; least height, the rest is scrolled to."""


class StepCharts(FollowingPage):
    """Which charts are on show is remembered; a press in any of them chooses the step."""

    def __init__(
        self,
        shown: RunView,
        endings: RunEndings,
        comparison: RunComparison,
        settings: Settings,
        theme: Theme,
    ) -> None:
        super().__init__("curvesPage", shown, START, endings)
        self._comparison = comparison
        self._settings = settings
        self._theme = theme
        self._hovered = NO_STEP
        self._columns = 0
        self._drawn: tuple[object, ...] = ()
        self.cards: dict[StepNumber, StepCard] = {}
        self._lines: dict[StepNumber, Series] = {}
        self._build()
        self._bind(endings)
        self._show_charts()

    def _build(self) -> None:
        self.caption = ElidedLabel("caption")
        self.choose = button("Charts", "Choose which charts are shown", "link")
        self.choose.setObjectName("stepChartsButton")
        self.choose.setMenu(self._menu())
        head = QHBoxLayout()
        head.setSpacing(GAP)
        head.addWidget(self.caption, 1)
        head.addWidget(self.choose)
        inside = QWidget()
        inside.setProperty("role", "drawer")
        self._grid = QGridLayout(inside)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(GAP)
        self._grid.setVerticalSpacing(2)
        self.area = QScrollArea()
        self.area.setObjectName("stepChartsArea")
        self.area.setProperty("role", "drawer")
        self.area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.area.setFrameShape(QFrame.Shape.NoFrame)
        self.area.setWidgetResizable(True)
        self.area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.area.setWidget(inside)
        self.column.setSpacing(2)
        self.column.addLayout(head)
        self.column.addWidget(self.area, 1)

    def _menu(self) -> QMenu:
        menu = QMenu(self)
        self.choices: dict[StepNumber, QAction] = {}
        for number, kind in KINDS.items():
            choice = menu.addAction(kind.names[0])
            choice.setToolTip(kind.tooltip)
            choice.setCheckable(True)
            choice.setChecked(number in self._settings.step_charts)
            choice.toggled.connect(self._on_choice)
            self.choices[number] = choice
        menu.setToolTipsVisible(True)
        return menu

    def _bind(self, endings: RunEndings) -> None:
        self._pace.due.connect(self._show_all)
        endings.changed.connect(self._draw)
        self._comparison.changed.connect(self._draw)

    @property
    def others(self) -> dict[int, Run]:
        """The runs that the one on show is compared with, by their place: they are dashed."""
        numbered = enumerate(self._comparison.runs)
        return {number: run for number, run in numbered if run is not self._shown.run}

    @property
    def numbers(self) -> tuple[StepNumber, ...]:
        """What is on show, in the order of the charts."""
        return tuple(number for number in KINDS if self.choices[number].isChecked())

    def showEvent(self, event: QShowEvent) -> None:
        """Draw what has come meanwhile."""
        super().showEvent(event)
        self._draw()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Use the width."""
        super().resizeEvent(event)
        self._arrange()

    @Slot()
    def _on_choice(self) -> None:
        self._settings.step_charts = self.numbers
        self._show_charts()

    def _show_charts(self) -> None:
        for number in self.numbers:
            if number not in self.cards:
                self.cards[number] = self._made(number)
        self._columns = 0
        self._arrange()
        self._draw()

    def _made(self, number: StepNumber) -> StepCard:
        kind = KINDS[number]
        plot = StepPlot(self._theme, number, kind.names[0], kind.token, kind.log, kind.zero)
        plot.step_dragged.connect(self._shown.scrub)
        plot.hovered.connect(self._on_hovered)
        card = StepCard(plot, kind.names, kind.tooltip)
        card.setMinimumHeight(CARD_HEIGHT)
        return card

    def _arrange(self) -> None:
        """Put the charts in as many columns as there is room for, those not on show aside."""
        numbers = self.numbers
        columns = max(1, min(self.width() // CARD_WIDTH, math.ceil(math.sqrt(len(numbers) or 1))))
        if columns == self._columns:
            return
        self._columns = columns
        for number, card in self.cards.items():
            self._grid.removeWidget(card)
            card.setVisible(number in numbers)
        for place, number in enumerate(numbers):
            self._grid.addWidget(self.cards[number], *divmod(place, columns))
        for column in range(len(KINDS)):
            self._grid.setColumnStretch(column, int(column < columns))
            self._grid.setRowStretch(column, int(column < math.ceil(len(numbers) / columns)))

    @Slot()
    def _show_all(self) -> None:
        """Draw the curves where they are others, and move the markers."""
        run = self._shown.run
        drawn = (run, len(run.trajectory), run.outcome, self._shown.image) if run else ()
        if drawn != self._drawn:
            self._draw()
        else:
            self._show_step()

    @Slot()
    def _draw(self) -> None:
        """Draw the curves of the frames recorded so far; the axis spans the whole run."""
        run = self._shown.run
        self.empty.setVisible(run is None)
        self.content.setVisible(run is not None)
        if run is None or not self.isVisible():
            return
        self._drawn = run, len(run.trajectory), run.outcome, self._shown.image
        beside = self.others
        last = max(one.trajectory.num_steps for one in (run, *beside.values()))
        self._lines = {number: series(run, number) for number in self.numbers}
        if StepNumber.DISTANCE in self._lines:
            self.cards[StepNumber.DISTANCE].head.set_names(*names_of(StepNumber.DISTANCE, run))
        for number, line in self._lines.items():
            others = {place: series(other, number) for place, other in beside.items()}
            plot = self.cards[number].plot
            plot.show_series(line, self._shown.image, others, last)
            some = any(len(one.steps) for one in (line, *others.values()))
            plot.set_message("" if some else missing(number, run))
        self._show_step()

    @Slot()
    def _show_step(self) -> None:
        """Move the markers, and say the numbers there."""
        if self._shown.frame is None or not self.isVisible():
            return
        for number in self._lines:
            self.cards[number].plot.set_step(self._shown.frame.index)
        self._say()

    @Slot(int)
    def _on_hovered(self, step: int) -> None:
        if step != self._hovered:
            self._hovered = step
            for number in self.numbers:
                self.cards[number].plot.set_hovered(step)
            self._say()

    def _say(self) -> None:
        """Write the numbers at the step under the mouse, else at the one on show."""
        frame, image = self._shown.frame, self._shown.image
        if frame is None or not self.isVisible():
            return
        step = frame.index if self._hovered == NO_STEP else self._hovered
        count = len(frame.x_t)
        whose = f"mean of {count}" if count > 1 else "1 picture"
        if image is not None:
            whose += f", thin: picture {image + 1}"
        dashed = ", ".join(LETTERS[place] for place in self.others)  # as the comparison has it
        beside = f"dashed: {dashed}   " if dashed else ""
        self.caption.setText(f"step {step}   {beside}{whose}")
        for number, line in self._lines.items():
            value, said = line.at(step), KINDS[number].said
            texts = [said(value) if not math.isnan(value) else "–"]
            if image is not None and line.each is not None and not math.isnan(value):
                texts.insert(0, f"{texts[0]}   {image + 1}: {said(line.at(step, image))}")
            self.cards[number].head.set_value(*texts)
