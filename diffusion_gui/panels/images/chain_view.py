"""The page "Chain": x_t by t small steps, x_t by one jump, how they differ, and how they agree."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt, Slot
from PySide6.QtGui import QColor, QFont, QFontMetrics, QHideEvent, QResizeEvent, QShowEvent
from PySide6.QtWidgets import QBoxLayout, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from diffusion_gui.engine.chain import BINS, REACH
from diffusion_gui.engine.forward import CLIPPED
from diffusion_gui.panels.common.icons import set_icon
from diffusion_gui.panels.common.picture import CAPTION, PictureView
from diffusion_gui.panels.common.plot import CurvePlot, Plot
from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.panels.common.widgets import GAP, ElidedLabel, IntegerBox, button, label
from diffusion_gui.panels.images.chain_table import ReadOuts, lesson, notes
from diffusion_gui.state.chain import MOST_PER_FRAME, ChainController, Look
from diffusion_gui.state.forward_preview import Tile
from diffusion_gui.state.view_state import ViewState

DETAILS = 400
"""Width of the table beside the pictures."""
BETWEEN = 2
LESSON = 43
"""Height of the sentence: three lines."""
PLOTS = 96
"""Least height at which a plot can be read."""
WIDGET_MOST = (1 << 24) - 1
"""Qt's own most pixels of a widget: no bound."""
POINTS = 24
"""Most points of the recursion in its plot."""


class VariancePlot(CurvePlot):
    """Noise variance over t: the closed form as a line, the recursion as points up to the chain."""

    def __init__(self, theme: Theme) -> None:
        self._points = pg.ScatterPlotItem(pxMode=True)
        super().__init__(theme, "alpha_bar")
        self._points.setZValue(4)
        self.addItem(self._points, ignoreBounds=True)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setObjectName("chainVariancePlot")
        self.setAccessibleName("Noise variance over t")
        self.setToolTip(
            "Noise variance 1 − ᾱ over t. Line: the closed form. Points: 𝑣 ← α 𝑣 + β, step by"
            " step.\nPress or drag to move t."
        )
        self._schedule: object = None
        self._readout.hide()  # the number stands in the table
        self._tint()

    @property
    def points(self) -> tuple[np.ndarray, np.ndarray]:
        """The points on show: t and variance."""
        return self._points.getData()

    def show_look(self, look: Look) -> None:
        """Show the chain's way so far."""
        schedule = look.schedule
        if schedule is not self._schedule:
            self._schedule = schedule
            self.curve.setData(np.arange(schedule.T + 1.0), 1.0 - schedule.alpha_bar)
            self.set_ranges(schedule.T, 0.0, 1.0)
        every = -(-schedule.T // POINTS)
        times = np.unique(np.r_[np.arange(0, look.k + 1, every), look.k])
        self._points.setData(times.astype(float), look.variances[times])
        self.set_time(look.t, look.closed[1], "")

    def _tint(self) -> None:
        super()._tint()
        tokens, scale = self.theme.tokens, self.devicePixelRatioF()
        self._points.setSize(7.0 * scale)
        self._points.setBrush(pg.mkBrush(tokens.beta))
        self._points.setPen(self.line(tokens.panel, 1.0))


class ResidualPlot(Plot):
    """Densities of both residuals, the jump's as an area, the chain's as points, and of N(0, 1)."""

    def __init__(self, theme: Theme) -> None:
        self._points = pg.ScatterPlotItem(pxMode=True)
        super().__init__(theme, small=True)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setObjectName("chainResidualPlot")
        self.setAccessibleName("Histogram of both residuals")
        self.setToolTip(
            "Histograms of 𝑟 = (𝑥ₜ − √ᾱ 𝑥₀) / √(1−ᾱ), the noise in both pictures, as densities."
            "\nPoints: chain. Area: closed form. Dashed: N(0, 1)."
        )
        edges = np.linspace(-REACH, REACH, BINS + 1)
        self._centres = 0.5 * (edges[1:] + edges[:-1])
        self.area = self.add_curve("alpha_bar", width=1.2)
        self.area.setFillLevel(0.0)
        normal = self.add_curve("secondary", width=1.2, dashed=True)
        normal.setData(self._centres, np.exp(-0.5 * self._centres**2) / np.sqrt(2.0 * np.pi))
        self.addItem(self._points, ignoreBounds=True)
        self.setXRange(-REACH, REACH, padding=0.0)
        self.setYRange(0.0, 0.45, padding=0.03)
        self._tint()

    @property
    def points(self) -> tuple[np.ndarray, np.ndarray]:
        """The points on show: residual and density of the chain."""
        return self._points.getData()

    def show_look(self, look: Look) -> None:
        """Show both densities, or none where there is no noise."""
        found = look.comparison
        if found is None:
            self.area.setData([], [])
            self._points.setData([], [])
        else:
            self.area.setData(self._centres, found.jump.density)
            self._points.setData(self._centres, found.chain.density)

    def _tint(self) -> None:
        super()._tint()
        tokens = self.theme.tokens
        if self._pens:
            fill = QColor(tokens.alpha_bar)
            fill.setAlpha(50)
            self.area.setBrush(pg.mkBrush(fill))
        self._points.setSize(4.0 * self.devicePixelRatioF())
        self._points.setBrush(pg.mkBrush(tokens.beta))
        self._points.setPen(pg.mkPen(None))


class ChainView(QWidget):
    """Follows the controller, which works while this page is in sight."""

    def __init__(self, view: ViewState, controller: ChainController, theme: Theme) -> None:
        super().__init__()
        self.setObjectName("chainPage")
        self._view = view
        self._controller = controller
        self._theme = theme
        self._aspect = 1.0
        """Width of the pictures by their height, as far as the layout follows it."""
        self._captions: list[tuple[PictureView, tuple[str, ...]]] = []
        self._build_pictures()
        self._build_details()
        self._build_buttons()
        self._body = QBoxLayout(QBoxLayout.Direction.LeftToRight)
        self._body.setSpacing(GAP)
        self._body.addWidget(self._pictures, 1)
        self._body.addWidget(self._details, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GAP)
        column.addLayout(self._body, 1)
        column.addLayout(self._buttons)
        self._bind()
        self._tint()
        self.show_look()

    def _build_pictures(self) -> None:
        theme = self._theme
        self.chain = PictureView(
            theme,
            "Markov chain",
            "𝑥ₜ by the Markov chain: q(𝑥ₜ | 𝑥ₜ₋₁) = N(√α 𝑥ₜ₋₁, β I) applied t times, each with a"
            " noise of its own",
        )
        self.jump = PictureView(
            theme,
            "closed form",
            "𝑥ₜ by the closed form: one jump from 𝑥₀, q(𝑥ₜ | 𝑥₀) = N(√ᾱ 𝑥₀, (1−ᾱ) I), with one"
            " noise ε",
        )
        self.difference = PictureView(
            theme, "difference", "Chain minus closed form; mid grey is 0, its range stands on it"
        )
        self._pictures = QWidget()
        row = QHBoxLayout(self._pictures)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GAP)
        for picture in (self.chain, self.jump, self.difference):
            row.addWidget(picture, 1)

    def _build_details(self) -> None:
        self.table = ReadOuts(self._theme)
        self.lesson = QLabel()
        self.lesson.setObjectName("chainLesson")
        self.lesson.setAccessibleName("What is to be seen")
        self.lesson.setWordWrap(True)
        self.lesson.setMinimumHeight(LESSON)
        self.lesson.setAlignment(Qt.AlignmentFlag.AlignTop)
        words = QWidget()
        self._words = QVBoxLayout(words)
        self._words.setContentsMargins(0, 0, 0, 0)
        self._words.setSpacing(BETWEEN)
        self._words.addWidget(self.table)
        self._words.addWidget(self.lesson)
        self._words.addStretch(1)
        words.setFixedWidth(DETAILS)
        self.variances = VariancePlot(self._theme)
        self.residuals = ResidualPlot(self._theme)
        self._plots = QWidget()
        self._plot_row = QBoxLayout(QBoxLayout.Direction.LeftToRight, self._plots)
        self._plot_row.setContentsMargins(0, 0, 0, 0)
        self._plot_row.setSpacing(GAP)
        for title, plot in (
            ("noise variance 1−ᾱ over t", self.variances),
            ("residuals against N(0, 1)", self.residuals),
        ):
            self._plot_row.addWidget(_titled(title, plot), 1)
        self._details = QWidget()
        self._detail_row = QBoxLayout(QBoxLayout.Direction.TopToBottom, self._details)
        self._detail_row.setContentsMargins(0, 0, 0, 0)
        self._detail_row.setSpacing(GAP)
        self._detail_row.addWidget(words)
        self._detail_row.addWidget(self._plots, 1)

    def _build_buttons(self) -> None:
        self.back = button("Step back", "One step back: t − 1. Hold to go on")
        self.step = button("Step", "One step of the chain: t + 1. Hold to go on")
        self.play = button("Play steps", "Let the chain take its steps by itself, up to T")
        self.play.setCheckable(True)
        self.per_frame = IntegerBox(1, MOST_PER_FRAME)
        self.per_frame.setToolTip("Steps of the chain per picture while it plays, 1 to 20")
        self.per_frame.setAccessibleName("Steps per picture")
        self.per_frame.setMaximumWidth(60)
        self.redraw = button(
            "Redraw the chain", "Other noise in every step of the chain; the closed form stays"
        )
        self.stop = button("Stop here", "Stop catching up: bring t to where the chain is")
        self.notes = ElidedLabel("caption")
        names = {
            "chainStepBackButton": self.back,
            "chainStepButton": self.step,
            "chainPlayButton": self.play,
            "chainPerFrameSpin": self.per_frame,
            "chainRedrawButton": self.redraw,
            "chainStopButton": self.stop,
        }
        for name, control in names.items():
            control.setObjectName(name)
        self.stop.hide()
        for repeated in (self.back, self.step):
            repeated.setAutoRepeat(True)
        self._buttons = QHBoxLayout()
        self._buttons.setSpacing(GAP)
        for widget in (self.back, self.step, self.play, self.per_frame):
            self._buttons.addWidget(widget)
        self._buttons.addWidget(label("per frame", "caption"))
        self._buttons.addWidget(self.redraw)
        self._buttons.addWidget(self.stop)
        self._buttons.addWidget(self.notes, 1)

    def _bind(self) -> None:
        controller = self._controller
        controller.look_changed.connect(self.show_look)
        controller.playing_changed.connect(self._show_playing)
        controller.failed.connect(self.lesson.setText)
        self.back.clicked.connect(controller.step_back)
        self.step.clicked.connect(controller.step)
        self.play.clicked.connect(controller.toggle_play)
        self.redraw.clicked.connect(controller.redraw)
        self.stop.clicked.connect(controller.stop_here)
        self.per_frame.setValue(controller.per_frame)
        self.per_frame.valueChanged.connect(self._on_per_frame)
        self.variances.t_dragged.connect(self._view.set_t)
        self._theme.changed.connect(self._tint)

    @Slot()
    def show_look(self) -> None:
        """Show what the controller has."""
        look = self._controller.look
        if look is None:
            return
        _show(self.chain, look.chain)
        _show(self.jump, look.jump)
        if look.difference is None:
            self.difference.set_pixels(None)
        else:
            _show(self.difference, look.difference)
        self._captions = _captions(self, look)
        self._fit_captions()
        self.table.show_look(look)
        self.lesson.setText(lesson(look))
        self.notes.setText(notes(look))
        self.back.setEnabled(look.t > 0)
        self.step.setEnabled(look.t < look.schedule.T)
        self.stop.setVisible(look.walking)
        self._fit_aspect(look)
        self._show_plots()

    def _fit_aspect(self, look: Look) -> None:
        height, width = look.chain.pixels.shape[:2]
        aspect = min(max(width / height, 0.5), 2.0)
        if aspect != self._aspect:
            self._aspect = aspect
            self._arrange()

    def _show_plots(self) -> None:
        look = self._controller.look
        if look is not None and self._plots.isVisibleTo(self):
            self.variances.show_look(look)
            self.residuals.show_look(look)

    def showEvent(self, event: QShowEvent) -> None:
        """Let the chain walk."""
        super().showEvent(event)
        self._controller.set_active(True)

    def hideEvent(self, event: QHideEvent) -> None:
        """Let it rest."""
        super().hideEvent(event)
        self._controller.set_active(False)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Put table and plots where the pictures leave most room."""
        super().resizeEvent(event)
        self._arrange()
        self._fit_captions()

    def _arrange(self) -> None:
        """Put the details beside or below the pictures: where these come out larger."""
        width, height = self.width(), self.height() - self.back.sizeHint().height() - GAP
        self.table.fit_height(0)
        words = self.table.sizeHint().height() + BETWEEN + LESSON
        beside = self._picture_width((width - DETAILS - 3 * GAP) // 3, height)
        below = self._picture_width((width - 2 * GAP) // 3, height - words - GAP)
        tall = below > beside
        across, down = QBoxLayout.Direction.LeftToRight, QBoxLayout.Direction.TopToBottom
        pictures = round(below / self._aspect) + CAPTION
        spare = height - pictures - GAP if tall else height
        plots = tall or spare - words - GAP >= PLOTS
        self._body.setDirection(down if tall else across)
        self._detail_row.setDirection(across if tall else down)
        stacked = not tall and spare - words - GAP >= 2 * PLOTS + GAP
        self._plot_row.setDirection(down if stacked else across)
        self._pictures.setMaximumHeight(pictures if tall else WIDGET_MOST)
        self._details.setFixedWidth(width if tall else max(DETAILS, width - 3 * (beside + GAP)))
        self._plots.setVisible(plots)
        taken = BETWEEN + LESSON + (0 if tall else (PLOTS + GAP) * (plots + stacked))
        apart = self.table.fit_height(spare - taken)
        self._words.setSpacing(BETWEEN + apart)
        self._show_plots()

    def _picture_width(self, width: int, height: int) -> int:
        """Return how wide a picture comes out in this room, its caption included."""
        return max(min(width, round((height - CAPTION) * self._aspect)), 0)

    def _fit_captions(self) -> None:
        font = QFont(self.font())
        font.setPixelSize(11)
        metrics = QFontMetrics(font)
        for picture, texts in self._captions:
            fits = (text for text in texts if metrics.horizontalAdvance(text) <= picture.width())
            picture.set_caption(next(fits, texts[-1]))

    @Slot(int)
    def _on_per_frame(self, steps: int) -> None:
        self._controller.per_frame = steps

    @Slot(bool)
    def _show_playing(self, playing: bool) -> None:
        self.play.setChecked(playing)
        self._tint()

    @Slot()
    def _tint(self) -> None:
        tokens = self._theme.tokens
        icons: dict[QPushButton, str] = {
            self.back: "step-back",
            self.step: "step-forward",
            self.play: "pause" if self._controller.playing else "play",
            self.redraw: "dices",
        }
        for control, name in icons.items():
            set_icon(control, name, tokens.text, tokens.disabled)


def _titled(title: str, plot: Plot) -> QWidget:
    """Return a plot with a caption above it, as pictures have one."""
    head = label(title, "caption")
    head.setFixedHeight(CAPTION)
    head.setMinimumWidth(40)
    result = QWidget()
    column = QVBoxLayout(result)
    column.setContentsMargins(0, 0, 0, 0)
    column.setSpacing(0)
    column.addWidget(head)
    column.addWidget(plot, 1)
    return result


def _captions(view: ChainView, look: Look) -> list[tuple[PictureView, tuple[str, ...]]]:
    """Return the lines above the pictures, the longest first."""
    times = f"{look.k} times" if look.k != 1 else "once"
    chain: tuple[str, ...] = (
        f"Markov chain: q(𝑥ₜ | 𝑥ₜ₋₁) applied {times}",
        f"chain: q(𝑥ₜ | 𝑥ₜ₋₁) {times}",
        f"q(𝑥ₜ|𝑥ₜ₋₁) {times}",
    )
    if look.walking:
        chain = (f"chain at t = {look.k} of {look.t}", f"t = {look.k} of {look.t}")
    jump = ("closed form: one jump from 𝑥₀, q(𝑥ₜ | 𝑥₀)", "jump: q(𝑥ₜ | 𝑥₀) once", "q(𝑥ₜ|𝑥₀) once")
    difference: tuple[str, ...] = (
        "difference: chain − closed form",
        "chain − closed form",
        "difference",
    )
    if look.walking:
        difference = ("difference: once the chain is there", "difference: not yet")
    return [(view.chain, chain), (view.jump, jump), (view.difference, difference)]


def _show(picture: PictureView, tile: Tile) -> None:
    """Show a tile, and on it what its black and white stand for."""
    span = tile.span
    note = "" if span == CLIPPED else f"{span.low:.2g} … {span.high:.2g}".replace("-", "−")
    picture.set_pixels(tile.pixels, note)
