"""The row below the settings while a run starts from a picture, or keeps a part of one."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QRect, QSignalBlocker, QSize, Qt, Signal, Slot
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QFrame, QHBoxLayout, QWidget

from diffusion_gui.engine import masks
from diffusion_gui.engine.images import Pixels
from diffusion_gui.engine.inpainting import INPAINTING
from diffusion_gui.engine.inversion import INVERSION_PARAMS
from diffusion_gui.engine.samplers import SAMPLERS
from diffusion_gui.panels.common.icons import set_icon
from diffusion_gui.panels.common.number_boxes import IntegerBox
from diffusion_gui.panels.common.picture import draw, to_qimage
from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.panels.common.widgets import GAP, ElidedLabel, JumpSlider, button, label
from diffusion_gui.panels.sampling.start_chip import name_of
from diffusion_gui.state.document import Document
from diffusion_gui.state.starts import Starts

SIDE = 36
"""Of the small pictures."""
SEEN_THROUGH = 0.45
"""How much of the picture is covered where it is drawn anew."""


def veiled(pixels: Pixels, kept: masks.Mask, colour: QColor) -> Pixels:
    """Return a picture [size, size, 3] with `colour` over what is drawn anew."""
    redrawn = ~masks.at_size(kept, len(pixels))
    shown = pixels.copy()
    veil = np.array([colour.red(), colour.green(), colour.blue()])
    covered = (1.0 - SEEN_THROUGH) * pixels[redrawn] + SEEN_THROUGH * veil
    shown[redrawn] = np.round(covered).astype(np.uint8)
    return shown


class Thumb(QWidget):
    """A small picture in the row."""

    def __init__(self, theme: Theme, tooltip: str) -> None:
        super().__init__()
        self._theme = theme
        self.pixels: Pixels | None = None
        self.setFixedSize(QSize(SIDE, SIDE))
        self.setToolTip(tooltip)
        self.setAccessibleName(tooltip)
        theme.changed.connect(self.update)

    def set_pixels(self, pixels: Pixels | None) -> None:
        """Show uint8 [size, size, 3], or an empty frame."""
        self.pixels = pixels
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the picture."""
        painter = QPainter(self)
        if self.pixels is not None:
            draw(painter, to_qimage(self.pixels), QRect(0, 0, SIDE, SIDE))
        else:
            painter.setPen(QPen(QColor(self._theme.tokens.hairline)))
            painter.drawRect(self.rect().adjusted(0, 0, -1, -1))


class StartBar(QWidget):
    """Shows and changes what `starts` is set to; hidden while a run starts from pure noise.

    `paint_wished` when the mask is to be changed.
    """

    paint_wished = Signal()

    def __init__(self, document: Document, starts: Starts, theme: Theme) -> None:
        super().__init__()
        self.setObjectName("startBar")
        self._document = document
        self._starts = starts
        self._theme = theme
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GAP)
        row.addWidget(self._build_start(), 3)
        row.addWidget(self._build_mask(), 2)
        for changed in (
            document.sampling_changed, document.schedule_changed, document.seed_changed,
            document.pictures_changed, document.forward_changed, starts.square_arrived,
        ):  # fmt: skip
            changed.connect(self._show)
        theme.changed.connect(self._tint)
        self._tint()

    def _build_start(self) -> QWidget:
        self.clean = Thumb(self._theme, "The picture that a run starts from, as the model takes it")
        self.noised = Thumb(self._theme, "What the first sample starts from: 𝑥ₜ at this t")
        self.text = ElidedLabel("caption")
        self.text.setMinimumWidth(64)
        self.strength = JumpSlider()
        self.strength.setObjectName("strengthSlider")
        self.strength.setAccessibleName("Strength: the t that a run starts from")
        self.strength.setToolTip(
            "Strength: the t that a run starts from. At small t little is left to draw;\n"
            "towards T nothing of the picture is left."
        )
        self.strength.setMinimumWidth(90)
        self.t = label("", "caption")
        self.t.setMinimumWidth(52)
        most = INVERSION_PARAMS[0]
        self.iterations = IntegerBox(round(most.minimum), round(most.maximum))
        self.iterations.setObjectName("inversionIterationsSpin")
        self.iterations.setAccessibleName("Corrections per step of the inversion")
        self.iterations.setToolTip(most.tooltip)
        self.iterations.setFixedWidth(56)
        self.corrections = label("corrections", "caption")
        self.drop_start = button("", "Start from pure noise again", "tool")
        self.drop_start.setObjectName("dropStartButton")
        self.drop_start.setAccessibleName("Start from pure noise")
        self.drop_start.clicked.connect(self._starts.from_noise)
        self.strength.valueChanged.connect(self._starts.set_strength)
        self.strength.sliderReleased.connect(self._starts.end_gesture)
        self.iterations.valueChanged.connect(self._starts.set_iterations)
        self.start_card, row = _card("startCard")
        for widget, share in (
            (self.clean, 0), (self.noised, 0), (self.text, 3), (self.strength, 4), (self.t, 0),
            (self.iterations, 0), (self.corrections, 0), (self.drop_start, 0),
        ):  # fmt: skip
            row.addWidget(widget, share)
        return self.start_card

    def _build_mask(self) -> QWidget:
        self.masked = Thumb(self._theme, "The picture that is kept; what is drawn anew is veiled")
        self.kept = ElidedLabel("caption")
        self.kept.setMinimumWidth(90)
        self.paint = button("Paint…", "Change the mask, and how the rest is drawn (Ctrl+M)")
        self.paint.setObjectName("paintMaskButton")
        self.paint.clicked.connect(self.paint_wished)
        self.drop_mask = button("", "Keep nothing: draw whole pictures again", "tool")
        self.drop_mask.setObjectName("dropMaskButton")
        self.drop_mask.setAccessibleName("Keep nothing")
        self.drop_mask.clicked.connect(self._starts.keep_nothing)
        self.mask_card, row = _card("maskCard")
        for widget, share in (
            (self.masked, 0), (self.kept, 1), (self.paint, 0), (self.drop_mask, 0)
        ):  # fmt: skip
            row.addWidget(widget, share)
        return self.mask_card

    @Slot()
    def _show(self) -> None:
        start, inpaint = self._starts.start, self._starts.inpaint
        if self._document.experiment.fork is not None:
            start = None  # a fork starts where its run does
        self.setVisible(start is not None or inpaint is not None)
        self.start_card.setVisible(start is not None)
        self.mask_card.setVisible(inpaint is not None)
        sampling = self._document.experiment.sampling
        if start is not None:
            T = self._document.schedule.T
            with QSignalBlocker(self.strength), QSignalBlocker(self.iterations):
                self.strength.setRange(1, max(T, start.t))
                self.strength.setValue(start.t)
                self.iterations.setValue(start.iterations)
            name, count = name_of(self._document, start.picture), sampling.count
            said = f": {count} alike, 1 is enough" if self._alike(count) else ", inverted"
            self.text.setText(f"{name}{said}" if start.inverted else f"{name}, noised")
            self.t.setText(f"t = {start.t}")
            self.iterations.setVisible(start.inverted)
            self.corrections.setVisible(start.inverted)
            self.noised.setVisible(not start.inverted)
            self.clean.set_pixels(self._starts.square(start.picture))
            self.noised.set_pixels(self._starts.noised())
        if inpaint is not None:
            pixels, kept = self._starts.square(inpaint.picture), self._starts.mask
            accent = QColor(self._theme.tokens.accent)
            self.masked.set_pixels(None if pixels is None else veiled(pixels, kept, accent))
            name = name_of(self._document, inpaint.picture)
            row = INPAINTING[inpaint.method]
            self.kept.setText(f"keeps {100.0 * kept.mean():.0f} % of {name} · {row.title}")

    def _alike(self, count: int) -> bool:
        """Return whether an inversion, without fresh noise, gives one picture many times."""
        sampling = self._document.experiment.sampling
        if count == 1 or sampling.restart or sampling.inpaint is not None:
            return False
        row = SAMPLERS[sampling.sampler]
        values = {param.name: param.default for param in row.params} | dict(sampling.params)
        return not row.stochastic and not any(values.get(name) for name in ("eta", "churn"))

    @Slot()
    def _tint(self) -> None:
        tokens = self._theme.tokens
        for widget in (self.drop_start, self.drop_mask):
            set_icon(widget, "x", tokens.text, tokens.disabled)
        self._show()


def _card(name: str) -> tuple[QFrame, QHBoxLayout]:
    card = QFrame()
    card.setObjectName(name)
    card.setProperty("role", "card")
    row = QHBoxLayout(card)
    row.setContentsMargins(4, 3, 4, 3)
    row.setSpacing(GAP)
    row.setAlignment(Qt.AlignmentFlag.AlignVCenter)
    return card, row
