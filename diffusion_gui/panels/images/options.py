"""What is done to the picture and how it is shown: a small form that opens below its button."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import QPoint, QSignalBlocker, Qt, Slot
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QColorDialog, QComboBox, QFrame, QGridLayout, QWidget

from diffusion_gui.engine.experiment import MAX_OFFSET, WORKING_SIZES, Fit, NoiseKind
from diffusion_gui.engine.forward import Shown
from diffusion_gui.engine.noise_fields import mean_snr_loss_db
from diffusion_gui.panels.common.combo import Combo
from diffusion_gui.panels.common.number_boxes import NumberBox
from diffusion_gui.panels.common.widgets import GAP, PADDING, label
from diffusion_gui.state.document import Document
from diffusion_gui.state.forward_preview import ForwardPreview
from diffusion_gui.state.view_state import Frames, Scaling, ViewState

Items = Sequence[tuple[object, str]]

_SIZES: Items = [(size, f"{size} px" if size else "Original") for size in WORKING_SIZES]
_FITS: Items = [
    (Fit.FIT, "Fit, keep the shape"),
    (Fit.CROP, "Crop a square"),
    (Fit.PAD, "Pad to a square"),
]
_GROUNDS: Items = [("#ffffff", "White"), ("#808080", "Grey"), ("#000000", "Black"), ("", "Other…")]
_NOISES: Items = [
    (NoiseKind.FROZEN, "Frozen: one ε, scaled"),
    (NoiseKind.PATH, "True path: Brownian in σ²"),
    (NoiseKind.FRESH, "Fresh: new ε at every t"),
]
_RANGES: Items = [
    (Shown.CLIP, "Clip to [−1, 1]"),
    (Shown.NORMALISE, "Normalise, min to max"),
    (Shown.SYMMETRIC, "Symmetric around 0"),
]
_SCALINGS: Items = [
    (Scaling.AUTO, "Automatic"),
    (Scaling.NEAREST, "Nearest pixel"),
    (Scaling.SMOOTH, "Smooth"),
]
_FRAMES: Items = [
    (Frames.T, "Evenly in t"),
    (Frames.LOG_SNR, "Evenly in log-SNR"),
    (Frames.STEPS, "At the sampler's steps"),
]


class ImageOptions(QFrame):
    """Working size and background, noise, display range, scaling, frames of the strip."""

    def __init__(self, document: Document, view: ViewState, preview: ForwardPreview) -> None:
        super().__init__(None, Qt.WindowType.Popup)
        self.setObjectName("imageOptions")
        self.setProperty("role", "popup")
        self._document = document
        self._view = view
        self._preview = preview
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(PADDING, PADDING, PADDING, PADDING)
        self._grid.setHorizontalSpacing(PADDING)
        self._grid.setVerticalSpacing(GAP)
        self._build_picture()
        self._build_noise()
        self._build_display()
        document.forward_changed.connect(self._show_forward)
        preview.picture_changed.connect(self._show_forward)
        view.display_changed.connect(self._show_display)
        self._show_forward()
        self._show_display()

    def open_below(self, widget: QWidget) -> None:
        """Show the form under a widget, their right edges in line."""
        self.adjustSize()
        corner = widget.mapToGlobal(QPoint(widget.width() - self.width(), widget.height() + 4))
        room = widget.screen().availableGeometry()
        self.move(max(corner.x(), room.left()), min(corner.y(), room.bottom() - self.height()))
        self.show()
        self.size_combo.setFocus()

    def _build_picture(self) -> None:
        self.size_combo = self._combo(
            "workingSizeCombo", "Working size", _SIZES, self._on_size,
            "The longer side, in pixels, at which the picture is noised.\nNoise is added pixel by"
            " pixel:\nat equal SNR a large picture stays recognisable for longer than a small one.",
        )  # fmt: skip
        self.fit = self._combo(
            "fitCombo", "Shape", _FITS, self._on_fit,
            "Fit keeps the shape; crop takes the central square;\npad shows all of it in a square."
            " Models that learn from\nthe pictures get squares: padded, or else cropped.",
        )  # fmt: skip
        self.ground = self._combo(
            "backgroundCombo", "Background", _GROUNDS, self._on_ground,
            "What shows through transparent pixels and around a padded picture",
        )  # fmt: skip

    def _build_noise(self) -> None:
        self.noise = self._combo(
            "noiseCombo", "Noise", _NOISES, self._on_noise,
            "How the noises at two times belong together. Each alone is ε ~ N(0, I),\nso 𝑥ₜ has the"
            " same distribution q(𝑥ₜ | 𝑥₀) at every t, whichever is chosen.\n\nFrozen: one ε for"
            " all t; the picture dissolves smoothly. Good to look at,\nbut no diffusion runs like"
            " this.\nTrue path: 𝑥ₜ = √ᾱ (𝑥₀ + W(σ²)), W a Brownian path in σ² = (1−ᾱ)/ᾱ:\nwhat the"
            " Markov chain draws, step after step; early noise stays in 𝑥ₜ.\nFresh: another ε at"
            " every t, as training draws it.\n\nAll depend on the seed alone (Ctrl+R rerolls).",
        )  # fmt: skip
        self.offset = NumberBox(0.0, MAX_OFFSET, 3)
        self.offset.setObjectName("offsetSpin")
        self.offset.setSingleStep(0.02)
        self.offset.valueChanged.connect(self._on_offset)
        self._row(
            "Offset noise", self.offset,
            "Strength of offset noise: ε + offset · δ, one normal δ for each channel,\nthe same at"
            " every pixel. 0: white noise. 0.1 is usual in training.\nIt drowns the mean colour of"
            " the picture sooner than white noise would.",
        )  # fmt: skip
        self.offset_note = label("", "caption")
        self._grid.addWidget(self.offset_note, self._grid.rowCount(), 1)

    def _build_display(self) -> None:
        self.shown = self._combo(
            "rangeCombo", "Display range", _RANGES, lambda v: self._view.set_display(shown=v),
            "Which values black and white stand for. It is written on the\npicture, or how many lie"
            " beyond",
        )  # fmt: skip
        self.scaling = self._combo(
            "scalingCombo", "Scaling", _SCALINGS, lambda v: self._view.set_display(scaling=v),
            "How pictures are brought to the size of the screen.\nSmoothing averages noise away:"
            " look at pixels with Nearest.",
        )  # fmt: skip
        self.frames = self._combo(
            "framesCombo", "Film strip", _FRAMES, lambda v: self._view.set_display(frames=v),
            "At which t the frames of the film strip stand",
        )  # fmt: skip

    def _combo(
        self,
        name: str,
        caption: str,
        items: Items,
        chosen: Callable[[object], None],
        tooltip: str,
    ) -> QComboBox:
        combo = Combo()
        combo.setObjectName(name)
        for value, text in items:
            combo.addItem(text, value)
        combo.activated.connect(lambda index: chosen(items[index][0]))  # Qt would make it a str
        self._row(caption, combo, tooltip)
        return combo

    def _row(self, caption: str, control: QWidget, tooltip: str) -> None:
        control.setToolTip(tooltip)
        control.setAccessibleName(caption)
        control.setMinimumWidth(190)
        head = label(caption, "caption")
        head.setToolTip(tooltip)
        head.setBuddy(control)
        row = self._grid.rowCount()
        self._grid.addWidget(head, row, 0)
        self._grid.addWidget(control, row, 1)

    def _on_size(self, size: object) -> None:
        self._document.replace_forward("working size", size=size)

    def _on_fit(self, fit: object) -> None:
        self._document.replace_forward("shape", fit=fit)

    def _on_ground(self, background: object) -> None:
        if background:
            self._document.replace_forward("background", background=background)
            return
        now = QColor(self._document.experiment.forward.background)
        chosen = QColorDialog.getColor(now, self.parentWidget(), "Background")
        if chosen.isValid():
            self._document.replace_forward("background", background=chosen.name())
        self._show_forward()

    def _on_noise(self, noise: object) -> None:
        self._document.replace_forward("noise", noise=noise)

    @Slot(float)
    def _on_offset(self, offset: float) -> None:
        self._document.replace_forward("offset noise", "offset", offset=offset)

    @Slot()
    def _show_forward(self) -> None:
        forward = self._document.experiment.forward
        for combo, value in (
            (self.size_combo, forward.size),
            (self.fit, forward.fit),
            (self.noise, forward.noise),
        ):
            combo.setCurrentIndex(combo.findData(value))
        place = self.ground.findData(forward.background)
        self.ground.setCurrentIndex(place if place >= 0 else self.ground.count() - 1)
        self.ground.setItemText(
            self.ground.count() - 1, "Other…" if place >= 0 else f"Other ({forward.background})"
        )
        with QSignalBlocker(self.offset):
            self.offset.setValue(forward.offset)
        self._show_note(forward.offset)

    def _show_note(self, offset: float) -> None:
        """Say what offset noise costs the mean of the picture on show."""
        width, height = self._preview.size
        if not width or not offset:
            self.offset_note.setText("white: every frequency alike")
            return
        loss = mean_snr_loss_db(offset, height, width)
        self.offset_note.setText(f"mean: {loss:.1f} dB less SNR than with white noise")

    @Slot()
    def _show_display(self) -> None:
        display = self._view.display
        for combo, value in (
            (self.shown, display.shown),
            (self.scaling, display.scaling),
            (self.frames, display.frames),
        ):
            combo.setCurrentIndex(combo.findData(value))
