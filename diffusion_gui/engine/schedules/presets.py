"""The named schedules: one function from (T, parameters) to beta_1..beta_T, and one row each.

NumPy only. To add a preset, write its function and its row in `PRESETS`: the editor's form, the
command line and the conformance tests read the row. The formulas are METHODS of the papers cited.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from diffusion_gui.engine.params import Param
from diffusion_gui.engine.schedules.schedule import BETA_MAX, Array


@dataclass(frozen=True, slots=True)
class Preset:
    """A named schedule: its title, source, formula for display, parameters and function."""

    title: str
    source: str
    formula: str
    params: tuple[Param, ...]
    betas: Callable[[int, Mapping[str, float]], Array]


def _linear(T: int, p: Mapping[str, float]) -> Array:
    return np.linspace(p["beta_start"], p["beta_end"], T)


def _scaled_linear(T: int, p: Mapping[str, float]) -> Array:
    return np.linspace(p["beta_start"] ** 0.5, p["beta_end"] ** 0.5, T) ** 2


def _cosine(T: int, p: Mapping[str, float]) -> Array:
    offset = p["offset"]
    u = np.arange(T + 1) / T
    abar = np.cos((u + offset) / (1.0 + offset) * np.pi / 2.0) ** 2
    return 1.0 - abar[1:] / abar[:-1]


def _sigmoid(T: int, p: Mapping[str, float]) -> Array:
    ramp = 1.0 / (1.0 + np.exp(-np.linspace(-p["width"], p["width"], T)))
    return ramp * (p["beta_end"] - p["beta_start"]) + p["beta_start"]


def _beta_ends(start: float, end: float) -> tuple[Param, Param]:
    return (
        Param(
            "beta_start", "β₁", start, 1e-7, BETA_MAX,
            "Variance added by the first step. Range 1e-7 to 0.999, no unit.", 7,
        ),
        Param(
            "beta_end", "β_T", end, 1e-7, BETA_MAX,
            "Variance added by the last step. Range 1e-7 to 0.999, no unit.", 7,
        ),
    )  # fmt: skip


PRESETS: dict[str, Preset] = {
    "linear": Preset(
        title="Linear",
        source="Ho et al. 2020",
        formula="βₜ = β₁ + (t − 1)/(T − 1) · (β_T − β₁)",
        params=_beta_ends(1e-4, 0.02),
        betas=_linear,
    ),
    "scaled_linear": Preset(
        title="Scaled linear",
        source="Rombach et al. 2022 (Stable Diffusion)",
        formula="√βₜ = √β₁ + (t − 1)/(T − 1) · (√β_T − √β₁)",
        params=_beta_ends(0.00085, 0.012),
        betas=_scaled_linear,
    ),
    "cosine": Preset(
        title="Cosine",
        source="Nichol & Dhariwal 2021",
        formula="ᾱₜ = f(t)/f(0),  f(t) = cos²( (t/T + s)/(1 + s) · π/2 ),  βₜ ≤ β_max",
        params=(
            Param(
                "offset", "offset s", 0.008, 0.0, 0.5,
                "Offset s that keeps β small near t = 0. Range 0 to 0.5, in units of T.", 4,
            ),
            Param(
                "beta_max", "β max", BETA_MAX, 0.01, BETA_MAX,
                "Largest β allowed; the formula reaches 1 at t = T. Range 0.01 to 0.999.", 4,
            ),
        ),
        betas=_cosine,
    ),
    "sigmoid": Preset(
        title="Sigmoid",
        source="Xu et al. 2022 (GeoDiff)",
        formula="βₜ = β₁ + (β_T − β₁) · sigmoid( w · (2(t − 1)/(T − 1) − 1) )",
        params=(
            *_beta_ends(1e-4, 0.02),
            Param(
                "width", "width w", 6.0, 0.5, 20.0,
                "Half width of the sigmoid's argument. Range 0.5 to 20, no unit.", 2,
            ),
        ),
        betas=_sigmoid,
    ),
}  # fmt: skip
