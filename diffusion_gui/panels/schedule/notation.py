"""The words in which a schedule is spoken of: DDPM, k-diffusion/EDM, flow, SNR.

Each names every curve (symbol and formula) and says which one number tells the level: the read-outs
lead with it.
"""

from __future__ import annotations

from dataclasses import dataclass

from diffusion_gui.engine.numerals import spelled
from diffusion_gui.engine.schedules import Schedule
from diffusion_gui.engine.schedules.quantities import QUANTITIES


@dataclass(frozen=True, slots=True)
class Notation:
    """One notation: its title, who uses it, its own curve, and the other curves in its terms."""

    title: str
    users: str
    level: str
    """The quantity that stands for the noise level."""
    formulas: dict[str, str]
    """For each quantity what it is in this notation."""


_BETA = "1 − ᾱₜ/ᾱₜ₋₁"

NOTATIONS: dict[str, Notation] = {
    "ddpm": Notation(
        "DDPM", "Ho et al. 2020, diffusers", "alpha_bar",
        {
            "alpha_bar": "ᾱₜ", "beta": "βₜ", "log_snr": "ln ᾱ/(1−ᾱ)", "sigma": "√((1−ᾱ)/ᾱ)",
            "signal": "√ᾱ and √(1−ᾱ)", "step": "λₜ₋₁ − λₜ", "flow": "1/(1 + √(ᾱ/(1−ᾱ)))",
            "snr": "ᾱ/(1−ᾱ)",
        },
    ),
    "edm": Notation(
        "k-diffusion", "Karras et al. 2022 (EDM), ComfyUI", "sigma",
        {
            "alpha_bar": "1/(1+σ²)", "beta": "1 − (1+σₜ₋₁²)/(1+σₜ²)", "log_snr": "−2 ln σ",
            "sigma": "σₜ", "signal": "1/√(1+σ²) and σ/√(1+σ²)", "step": "2 ln σₜ/σₜ₋₁",
            "flow": "σ/(1+σ)", "snr": "1/σ²",
        },
    ),
    "flow": Notation(
        "Flow", "rectified flow, SD3, Flux", "flow",
        {
            "alpha_bar": "(1−s)²/((1−s)²+s²)", "beta": _BETA, "log_snr": "2 ln (1−s)/s",
            "sigma": "s/(1−s)", "signal": "(1−s) and s, over their length",
            "step": "λₜ₋₁ − λₜ", "flow": "sₜ", "snr": "((1−s)/s)²",
        },
    ),
    "snr": Notation(
        "SNR", "Kingma et al. 2021 (VDM)", "log_snr",
        {
            "alpha_bar": "SNR/(1+SNR)", "beta": "1 − ᾱₜ/ᾱₜ₋₁", "log_snr": "ln SNRₜ",
            "sigma": "1/√SNR", "signal": "√(SNR/(1+SNR)) and 1/√(1+SNR)",
            "step": "ln SNRₜ₋₁/SNRₜ", "flow": "1/(1+√SNR)", "snr": "SNRₜ",
        },
    ),
}  # fmt: skip


def level_text(notation: str, schedule: Schedule, t: int) -> str:
    """Return the noise level at t as a notation says it, e.g. "σ = 0.7672" or "SNR = 2.3 dB"."""
    key = NOTATIONS[notation].level
    if key == "log_snr":
        return f"SNR = {schedule.snr_db(t):.1f} dB"
    quantity = QUANTITIES[key]
    return f"{quantity.symbol} = {spelled(float(quantity.of_level(schedule.log_snr[t])), 4)}"
