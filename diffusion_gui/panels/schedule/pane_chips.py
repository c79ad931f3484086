"""The chips under the plots: which third pane is on show."""

from __future__ import annotations

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QWidget

from diffusion_gui.panels.common.widgets import button
from diffusion_gui.state.editor_state import TABLE, EditorState

CHIPS = {
    "log_snr": ("log-SNR", "log-SNR over t: λ = ln ᾱ/(1−ᾱ), in nats"),
    "sigma": ("σ", "σ over t: noise per unit of signal, √((1−ᾱ)/ᾱ)"),
    "signal": ("signal · noise", "√ᾱ and √(1−ᾱ) over t: the two factors in 𝑥ₜ"),
    "step": ("step", "Δλ over t: by how many nats each step lowers log-SNR"),
    "flow": ("s", "s over t: time of the straight line, σ/(1+σ)"),
    TABLE: ("table", "All numbers: t, β, α, ᾱ, SNR, σ, posterior variance"),
}


class PaneChips(QWidget):
    """One checkable chip per pane; pressing the pressed one hides its pane."""

    def __init__(self, state: EditorState) -> None:
        super().__init__()
        self._state = state
        self.chips: dict[str, QPushButton] = {}
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        for key, (text, tooltip) in CHIPS.items():
            chip = button(text, tooltip, "chip")
            chip.setCheckable(True)
            chip.setObjectName(f"pane_{key}")
            chip.clicked.connect(lambda on, key=key: state.show_pane(key if on else ""))
            row.addWidget(chip)
            self.chips[key] = chip
        row.addStretch(1)
        state.panes_changed.connect(self._show)

    @Slot()
    def _show(self) -> None:
        for key, chip in self.chips.items():
            chip.setChecked(key == self._state.pane)
