"""The page of measures: x_t, and six small plots of how far it is from x_0 and from noise."""

from __future__ import annotations

import math

import numpy as np
from PySide6.QtCore import Signal, Slot
from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QWidget

from diffusion_gui.engine.forward import CLIPPED
from diffusion_gui.engine.measure_curves import Curves
from diffusion_gui.engine.measures import kl_bias
from diffusion_gui.engine.numerals import spelled
from diffusion_gui.engine.schedules.schedule import Array
from diffusion_gui.engine.spectrum import Spectrum
from diffusion_gui.panels.common.picture import PictureView
from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.panels.common.widgets import GAP, ElidedLabel
from diffusion_gui.panels.images.histogram import HistogramView, nats
from diffusion_gui.panels.images.measure_plots import LEAST, Card, SpectrumPlot, TimePlot
from diffusion_gui.panels.images.tiles_view import PLUS_MINUS_1
from diffusion_gui.state.document import Document
from diffusion_gui.state.forward_preview import ForwardPreview
from diffusion_gui.state.measures import Measures, Reading, Sample
from diffusion_gui.state.view_state import ViewState

MOST_DB = 60.0
"""The axes of SNR and PSNR reach no further than this, up and down."""
MOVE = "\nPress or drag to move t; ← → with the keyboard. Dashed: the other side, A or B."
SNR = (
    "SNR: signal-to-noise ratio at t in dB, 10 log₁₀(𝑎² / 𝑠²) with 𝑥ₜ = 𝑎 𝑥₀ + 𝑠 ε,"
    "\nfor pictures of variance 1. ᾱ / (1−ᾱ) where the variance is preserved."
    "\nWith offset noise each value has 𝑠² (1 + offset²) instead of 𝑠²." + MOVE
)
PSNR = (
    "PSNR: peak signal-to-noise ratio of 𝑥ₜ against 𝑥₀ in dB, 10 log₁₀(2² / mean (𝑥ₜ − 𝑥₀)²);"
    "\n2 is the range from black to white, 𝑥ₜ is not clipped."
)
SSIM = (
    "SSIM: structural similarity of 𝑥ₜ and 𝑥₀, 1 for equal pictures. Means, variances and the"
    "\ncovariance in 11 × 11 Gaussian windows (σ = 1.5), K₁ = 0.01, K₂ = 0.03, range 2;"
    "\nthe mean over windows and channels. Wang et al. 2004." + MOVE
)
KL = (
    "KL: divergence in nats of the values of 𝑥ₜ from N(0, 1), Σ p ln(p / q) over the bins of the"
    "\nhistogram. Grey: what as many draws of N(0, 1) itself show on average, (bins − 1) / 2n."
    + MOVE
)
SPECTRUM = (
    "Power of the signal 𝑎 𝑥₀ (blue) over spatial frequency in cycles per pixel, the mean over all"
    "\ndirections, against the noise floor 𝑠² (grey); white noise of variance 1 has 1 everywhere."
    "\nThin: 𝑥ₜ as it is. Shaded: the frequencies that have drowned. 0 is the mean of the picture,"
    "\nwhich offset noise hits hardest. By the cosine transform: the picture mirrored at its edges."
)


class MeasuresView(QWidget):
    """Follows picture, schedule and time cursor while it is visible; `t_dragged` from the plots."""

    t_dragged = Signal(int)

    def __init__(
        self,
        document: Document,
        view: ViewState,
        preview: ForwardPreview,
        measures: Measures,
        theme: Theme,
    ) -> None:
        super().__init__()
        self.setObjectName("measuresPage")
        self._document = document
        self._view = view
        self._preview = preview
        self._measures = measures
        self._build(theme)
        preview.tiles_changed.connect(self.show_moment)
        preview.sides_changed.connect(self.show_curves)
        document.schedule_changed.connect(self.show_curves)
        measures.changed.connect(self._show_all)
        measures.failed.connect(self._show_failure)

    def _build(self, theme: Theme) -> None:
        self.x_t = PictureView(theme, "𝑥ₜ", "𝑥ₜ = √ᾱ 𝑥₀ + √(1−ᾱ) ε: what is measured here")
        self.over_t = {
            "snr": Card(TimePlot(theme, "snr", "log_snr", "SNR"), "SNR", SNR),
            "psnr": Card(TimePlot(theme, "psnr", "text", "PSNR"), "PSNR", PSNR + MOVE),
            "ssim": Card(TimePlot(theme, "ssim", "text", "SSIM"), "SSIM", SSIM),
            "kl": Card(TimePlot(theme, "kl", "text", "KL to N(0, 1)"), "KL to N(0, 1)", KL),
        }
        self.over_t["kl"].plot.set_power_ticks(True)
        for card in self.over_t.values():
            card.plot.t_dragged.connect(self.t_dragged)
        self.histogram = HistogramView(theme)
        self.spectrum = Card(SpectrumPlot(theme), "spectrum", SPECTRUM)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GAP)
        row.addWidget(self.x_t, 10)
        row.addLayout(self._grid(), 32)

    def _grid(self) -> QGridLayout:
        grid = QGridLayout()
        grid.setHorizontalSpacing(GAP)
        grid.setVerticalSpacing(2)
        cards: dict[str, QWidget] = {**self.over_t, "values": self.histogram, "f": self.spectrum}
        for place, name in enumerate(("snr", "psnr", "ssim", "values", "kl", "f")):
            grid.addWidget(cards[name], *divmod(place, 3))
            grid.setColumnStretch(place % 3, 1)
            grid.setRowStretch(place // 3, 1)
        self.sample = ElidedLabel("caption")
        self.sample.setObjectName("measuredSample")
        grid.addWidget(self.sample, 2, 0, 1, 3)
        return grid

    def showEvent(self, event: QShowEvent) -> None:
        """Begin to work."""
        super().showEvent(event)
        self._measures.set_watched(True)
        self._show_all()

    def hideEvent(self, event: QHideEvent) -> None:
        """Let the work rest."""
        super().hideEvent(event)
        self._measures.set_watched(False)

    @Slot()
    def _show_all(self) -> None:
        self.show_curves()
        self.show_moment()

    # --- over t -----------------------------------------------------------------------------

    @Slot()
    def show_curves(self) -> None:
        """Draw the measures over t of the schedule on show, and of the other side."""
        curves = self._measures.curves() if self.isVisible() else None
        if curves is None:
            return
        T, places = self._document.schedule.T, _places(curves)
        for name, card in self.over_t.items():
            card.plot.show_curve(curves.t, places[name], T, *_axis(name, places[name]))
        found = self._measures.other_curves()
        if found is None:
            for card in self.over_t.values():
                card.plot.show_other(np.zeros(0), np.zeros(0))
            return
        other, length = found
        places = _places(other)
        for name, card in self.over_t.items():  # at the same share of the way
            card.plot.show_other(other.t * (T / length), places[name])

    # --- at t -------------------------------------------------------------------------------

    @Slot()
    def show_moment(self) -> None:
        """Show the picture at the time cursor, and the measures of it."""
        moment = self._preview.moment() if self.isVisible() else None
        if moment is None:
            return
        t, display = self._view.t, self._view.display
        span = moment.spans(display.shown)[0]
        note = PLUS_MINUS_1 if span == CLIPPED else _minus(f"{span.low:.2f} … {span.high:.2f}")
        self.x_t.set_pixels(moment.x_t(span), note)
        self.x_t.set_scaling(display.scaling)
        side = self._preview.letter
        self.x_t.set_caption(
            f"𝑥ₜ  {side}".rstrip() + f"   t = {t}",
            f"x_t{f' under {side}' if side else ''}, the noised picture, t = {t}",
        )
        self.histogram.set_side(side)
        sample = self._measures.sample
        self.sample.setText("" if sample is None else _sample_text(sample))
        self.sample.setVisible(bool(self.sample.text()))
        values = moment.values()
        self.histogram.set_values(values)
        for card in self.over_t.values():
            card.plot.set_time(t, 0.0, "")
        self._show_reading(self._measures.reading(values))

    def _show_reading(self, reading: Reading | None) -> None:
        heads = {name: card.head for name, card in self.over_t.items()}
        offset = self._preview.offset
        if reading is None:  # for a moment, after another picture or seed
            for head in (*heads.values(), self.spectrum.head):
                head.set_value("…")
            return
        snr = _decibel(reading.snr_db)
        heads["snr"].set_value(*((f"{snr} with offset noise", snr) if offset else (snr,)))
        heads["psnr"].set_value(_decibel(reading.psnr))
        heads["ssim"].set_value(_minus(f"{reading.ssim:.3f}"))
        heads["kl"].set_value(f"{nats(reading.kl)} nat")
        self.over_t["psnr"].setToolTip(
            f"{PSNR}\nOver all noises, at this t: {_decibel(reading.expected_psnr)}.{MOVE}"
        )
        self.over_t["kl"].plot.show_level(math.log10(kl_bias(reading.values)))
        self.spectrum.plot.show_spectrum(reading.spectrum)
        self.spectrum.head.set_value(*_cutoff_texts(reading.spectrum))

    @Slot(str)
    def _show_failure(self, line: str) -> None:
        self.x_t.set_caption(line)


def _sample_text(sample: Sample) -> str:
    """Return in words which pixels are measured, "" where it is all of them."""
    if sample.whole:
        return ""
    size = f"{sample.width} × {sample.height}"
    if sample.stride == 1:
        return f"measured on the central {size} pixels"
    part = f"1 of {sample.stride**2} pixels"
    return f"measured on {part}, " + (f"the central {size} of them" if sample.central else size)


def _places(curves: Curves) -> dict[str, Array]:
    """Return the curves as plotted, by name: log10 of the KL."""
    kl = np.log10(np.maximum(curves.kl, LEAST))
    return {"snr": curves.snr_db, "psnr": curves.psnr, "ssim": curves.ssim, "kl": kl}


def _axis(name: str, places: Array) -> tuple[float, float]:
    """Return the ends of the value axis of one measure."""
    if name == "ssim":
        return 0.0, 1.0
    finite = places[np.isfinite(places)]
    if not len(finite):
        return 0.0, 1.0
    step = 1.0 if name == "kl" else 20.0  # a decade, or dB
    low, high = float(finite.min()), float(finite.max())
    low = 0.0 if name == "psnr" else math.floor(low / step) * step
    high = max(math.ceil(high / step) * step, low + step)
    return (low, high) if name == "kl" else (max(low, -MOST_DB), min(high, MOST_DB))


def _cutoff_texts(spectrum: Spectrum) -> tuple[str, ...]:
    """Return in words which frequencies are above the noise, the longest first."""
    cutoff = spectrum.cutoff
    if cutoff == math.inf:
        return ("none drowned",)
    if cutoff == 0.0:
        return ("all drowned",) if spectrum.mean_drowned else ("all but the mean drowned",)
    f = spelled(cutoff, 2)
    return (
        f"below {f} cycles/px still above the noise",
        f"drowned above {f} cycles/px",
        f"drowned above {f}",
        f"< {f}",
    )


def _decibel(value: float) -> str:
    return (
        _minus(f"{value:.1f} dB")
        if math.isfinite(value)
        else _minus("∞ dB" if value > 0 else "-∞ dB")
    )


def _minus(text: str) -> str:
    return text.replace("-", "−")
