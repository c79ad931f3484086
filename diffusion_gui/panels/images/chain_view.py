"""The page "Chain": x_t by t small steps, x_t by one jump, how they differ, and how they agree."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, QSize, Qt, Slot
from PySide6.QtGui import QHideEvent, QResizeEvent, QShowEvent
from PySide6.QtWidgets import QBoxLayout, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from diffusion_gui.engine.forward import CLIPPED
from diffusion_gui.engine.schedules.schedule import Array
from diffusion_gui.panels.common.icons import set_icon
from diffusion_gui.panels.common.number_boxes import IntegerBox
from diffusion_gui.panels.common.picture import CAPTION, PictureView
from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.panels.common.widgets import GAP, ElidedLabel, button, label
from diffusion_gui.panels.common.zoom import Zoom
from diffusion_gui.panels.images.chain_plots import ResidualPlot, VariancePlot, titled
from diffusion_gui.panels.images.chain_table import ROWS, ReadOuts
from diffusion_gui.panels.images.chain_words import captions, lesson, notes
from diffusion_gui.state.chain import MOST_PER_FRAME, ChainController, Look
from diffusion_gui.state.tiles import Tile
from diffusion_gui.state.view_state import ViewState

DETAILS = 412
"""Width of the table beside the pictures."""
BETWEEN = 2
CAPTIONED = 190
"""Width that even a narrow picture has for its caption, where there is room."""
LESSON = 43
"""Height of the sentence: three lines. In a low page it is shorter."""
LEAST_PICTURE = 80
"""Least height of a picture on which its range can be read."""
PLOTS = 96
"""Least height at which a plot can be read."""
WIDGET_MOST = (1 << 24) - 1
"""Qt's own most pixels of a widget: no bound."""
_HOW = (
    "\n\nWheel or + and −: zoom. Drag or arrows: pan. Double click: one to one. 0: whole."
    "\nPoint at a pixel, or Alt + arrows: its values R G B, not clipped."
)


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
        self.zoom = Zoom(self)
        self._seen: object = None
        self._captions: list[tuple[PictureView, tuple[str, ...]]] = []
        self._sentences: tuple[str, ...] = ("",)
        self._lesson_room = LESSON
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
        self._show_scaling()
        self._tint()
        self.show_look()

    def _build_pictures(self) -> None:
        def picture(name: str, caption: str, tooltip: str) -> PictureView:
            return PictureView(self._theme, caption, tooltip + _HOW, self.zoom, name)

        self.chain = picture(
            "chainPicture",
            "Markov chain",
            "𝑥ₜ by the Markov chain: q(𝑥ₜ | 𝑥ₜ₋₁) = N(√α 𝑥ₜ₋₁, β I) applied t times, each with a"
            " noise of its own.",
        )
        self.jump = picture(
            "jumpPicture",
            "closed form",
            "𝑥ₜ by the closed form: one jump from 𝑥₀, q(𝑥ₜ | 𝑥₀) = N(√ᾱ 𝑥₀, (1−ᾱ) I), with one"
            " noise ε.",
        )
        self.difference = picture(
            "differencePicture",
            "difference",
            "Chain minus closed form; mid grey is 0, its range stands on it.",
        )
        self._pictures = QWidget()
        row = QHBoxLayout(self._pictures)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GAP)
        self._views = (self.chain, self.jump, self.difference)
        for view in self._views:
            view.installEventFilter(self)
            row.addWidget(view, 1)

    def _build_details(self) -> None:
        self.table = ReadOuts(self._theme)
        self.lesson = QLabel()
        self.lesson.setObjectName("chainLesson")
        self.lesson.setAccessibleName("What is to be seen")
        self.lesson.setWordWrap(True)
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
            self._plot_row.addWidget(titled(title, plot), 1)
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
        controller.failed.connect(self._on_failed)
        self.back.clicked.connect(controller.step_back)
        self.step.clicked.connect(controller.step)
        self.play.clicked.connect(controller.toggle_play)
        self.redraw.clicked.connect(controller.redraw)
        self.stop.clicked.connect(controller.stop_here)
        self.per_frame.setValue(controller.per_frame)
        self.per_frame.valueChanged.connect(self._on_per_frame)
        self.variances.t_dragged.connect(self._view.set_t)
        self.zoom.pointed.connect(self._read)
        self._view.display_changed.connect(self._show_scaling)
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
        side = f"{self._controller.letter}  ".lstrip()
        self._captions = [
            (picture, tuple(side + text for text in texts))
            for picture, texts in zip(self._views, captions(look), strict=True)
        ]
        self._fit_captions()
        self.table.show_look(look)
        self._say(*lesson(look))
        self.back.setEnabled(look.t > 0)
        self.step.setEnabled(look.t < look.schedule.T)
        self.stop.setVisible(look.walking)
        self._fit_shape(look)
        self._read()
        self._show_plots()

    @Slot(str)
    def _on_failed(self, problem: str) -> None:
        self._say(problem)

    def _say(self, *sentences: str) -> None:
        """Show the first of these sentences for which there is room."""
        self._sentences = sentences
        self._fit_lesson()

    def _fit_lesson(self) -> None:
        """Show whole lines of the lesson, the shortest one beside the buttons if there are none."""
        room, look = self._lesson_room, self._controller.look
        measured = self.lesson.fontMetrics()
        wrap = Qt.TextFlag.TextWordWrap
        heights = {
            text: measured.boundingRect(0, 0, DETAILS, 9999, wrap, text).height()
            for text in self._sentences
        }
        fits = next((text for text in self._sentences if heights[text] <= room), "")
        self.lesson.setVisible(bool(fits))
        self.lesson.setText(fits)
        self.lesson.setToolTip(self._sentences[0] if fits != self._sentences[0] else "")
        if fits:
            self.lesson.setFixedHeight(max(heights[fits], min(LESSON, room)))
        said = "" if fits else self._sentences[-1]
        self.notes.setText("   ".join(filter(None, (said, notes(look) if look else ""))))

    @Slot()
    def _read(self) -> None:
        """Let the captions say the values of the marked pixel, or what the pictures are."""
        look, pixel = self._controller.look, self.chain.pixel()
        views = self._views
        texts = ("", "", "")
        if look is not None and pixel is not None:
            chain, jump = (x[pixel.y(), pixel.x()] for x in look.values)
            for digits in (3, 2, 1):
                apart = "" if look.walking else f"Δ {_signed(chain - jump, digits)}"
                texts = (_signed(chain, digits), _signed(jump, digits), apart)
                if all(view.fits(text) for view, text in zip(views, texts, strict=True)):
                    break
        for view, text in zip(views, texts, strict=True):
            view.set_reading(text)

    def _fit_shape(self, look: Look) -> None:
        """Arrange for pictures of this shape, and show the whole of another picture."""
        height, width = look.chain.pixels.shape[:2]
        if self._seen != (seen := (self._view.picture, width, height)):
            self._seen = seen
            self.zoom.reset()
        aspect = min(max(width / height, 0.5), 2.0)
        if aspect != self._aspect:
            self._aspect = aspect
            self._arrange()

    @Slot()
    def _show_scaling(self) -> None:
        for picture in self._views:
            picture.set_scaling(self._view.display.scaling)

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
        self.zoom.point(None)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Put table and plots where the pictures leave most room."""
        super().resizeEvent(event)
        self._arrange()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Let the captions fit pictures that have another width now."""
        if event.type() is QEvent.Type.Resize:
            self._fit_captions()
        return super().eventFilter(watched, event)

    def minimumSizeHint(self) -> QSize:
        """Return where every row of the table and the range of the difference can be read."""
        return self._size_with(self.table.least_height)

    def sizeHint(self) -> QSize:
        """Ask for room for the sentence too, not for what is arranged at the moment."""
        return self._size_with(self.table.least_height + BETWEEN + LESSON)

    def hasHeightForWidth(self) -> bool:
        """Follow the height that is given; the sentence wraps within it."""
        return False

    def _size_with(self, words: int) -> QSize:
        """Return the size of the page with so much height for table and sentence."""
        buttons = self._buttons.minimumSize()
        beside = DETAILS + 3 * (self.chain.minimumWidth() + GAP)
        height = max(words, LEAST_PICTURE + CAPTION) + GAP + buttons.height()
        return QSize(max(beside, buttons.width()), height)

    def _arrange(self) -> None:
        """Put the details beside or below the pictures: where these come out larger."""
        width, height = self.width(), self.height() - self.back.sizeHint().height() - GAP
        table = self.table.least_height
        words = table + BETWEEN + LESSON
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
        self._details.setFixedWidth(
            width if tall else max(DETAILS, width - 3 * (max(beside, CAPTIONED) + GAP))
        )
        self._plots.setVisible(plots)
        taken = BETWEEN + LESSON + (0 if tall else (PLOTS + GAP) * (plots + stacked))
        apart = self.table.fit_height(spare - taken)
        self._words.setSpacing(BETWEEN + apart)
        below_it = (PLOTS + GAP) * (1 + stacked) if plots and not tall else 0
        self._lesson_room = spare - below_it - table - BETWEEN - (len(ROWS) + 1) * apart
        self._fit_lesson()
        self._show_plots()

    def _picture_width(self, width: int, height: int) -> int:
        """Return how wide a picture comes out in this room, its caption included."""
        return max(min(width, round((height - CAPTION) * self._aspect)), 0)

    def _fit_captions(self) -> None:
        for picture, texts in self._captions:
            picture.set_caption(next(filter(picture.fits_caption, texts), texts[-1]))

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


def _signed(values: Array, digits: int) -> str:
    """Return numbers with their signs; there is no negative zero."""
    rounded = (round(float(value), digits) + 0.0 for value in values)
    return " ".join(f"{value:+.{digits}f}" for value in rounded).replace("-", "−")


def _show(picture: PictureView, tile: Tile) -> None:
    """Show a tile, and on it what its black and white stand for."""
    span = tile.span
    note = "" if span == CLIPPED else f"{span.low:.2g} … {span.high:.2g}".replace("-", "−")
    picture.set_pixels(tile.pixels, note)
