"""The named schedules: one function from (T, parameters) to beta_1..beta_T, and one row each.

NumPy only. To add a preset, write its function and its row in `PRESETS`: the editor's form, the
command line and the conformance tests read the row. The formulas are METHODS of the papers cited.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.params import Param
from diffusion_gui.engine.schedules.schedule import BETA_MAX, Array, Family


@dataclass(frozen=True, slots=True)
class Preset:
    """A named schedule: its title, source, formula for display, parameters and function."""

    title: str
    source: str
    formula: str
    params: tuple[Param, ...]
    betas: Callable[[int, Mapping[str, float]], Array]
    clip: str = ""
    """Name of the parameter that limits beta, where it is not `BETA_MAX`."""
    family: Family = Family.VP
    latex: str = ""
    """The formula in LaTeX, typeset by packaging/build_formulas.py; empty where there is none."""


def _linear(T: int, p: Mapping[str, float]) -> Array:
    return np.linspace(p["beta_start"], p["beta_end"], T)


def _linear_scaled(T: int, p: Mapping[str, float]) -> Array:
    return 1000.0 / T * _linear(T, p)


def _scaled_linear(T: int, p: Mapping[str, float]) -> Array:
    return np.linspace(p["beta_start"] ** 0.5, p["beta_end"] ** 0.5, T) ** 2


def _cosine(T: int, p: Mapping[str, float]) -> Array:
    offset = p["offset"]
    u = np.arange(T + 1) / T
    return _steps(np.cos((u + offset) / (1.0 + offset) * np.pi / 2.0) ** 2)


def _sigmoid(T: int, p: Mapping[str, float]) -> Array:
    ramp = 1.0 / (1.0 + np.exp(-np.linspace(-p["width"], p["width"], T)))
    return ramp * (p["beta_end"] - p["beta_start"]) + p["beta_start"]


def _sqrt(T: int, p: Mapping[str, float]) -> Array:
    abar = 1.0 - np.sqrt(np.arange(T + 1) / T + p["offset"])  # falls below 0 at the very end
    return _steps(np.maximum(abar, 1e-9))


def _sqrt_beta(T: int, p: Mapping[str, float]) -> Array:
    return np.sqrt(_linear(T, p))


def _constant(T: int, p: Mapping[str, float]) -> Array:
    return np.full(T, p["beta"])


def _harmonic(T: int, p: Mapping[str, float]) -> Array:
    return 1.0 / np.arange(T, 0, -1)


def _vp_sde(T: int, p: Mapping[str, float]) -> Array:
    return -np.expm1(np.diff(_sde_log_abar(T, p), prepend=0.0))


def _sde_log_abar(T: int, p: Mapping[str, float]) -> Array:
    u = _times(T)
    return -0.5 * u**2 * (p["beta_max"] - p["beta_min"]) - u * p["beta_min"]


def _gamma_linear(T: int, p: Mapping[str, float]) -> Array:
    return _scaled_input(1.0 - _times(T), p["scale"])


def _gamma_sigmoid(T: int, p: Mapping[str, float]) -> Array:
    start, end, tau = *_ordered(p), p["tau"]

    def value(x: Array | float) -> Array:
        return np.asarray(1.0 / (1.0 + np.exp(-np.asarray(x) / tau)))

    gamma = (value(end) - value(_times(T) * (end - start) + start)) / (value(end) - value(start))
    return _scaled_input(gamma, p["scale"])


def _gamma_cosine(T: int, p: Mapping[str, float]) -> Array:
    start, end, tau = *_ordered(p), p["tau"]

    def value(x: Array | float) -> Array:
        return np.maximum(np.cos(np.asarray(x) * np.pi / 2.0), 0.0) ** (2.0 * tau)

    gamma = (value(_times(T) * (end - start) + start) - value(end)) / (value(start) - value(end))
    return _scaled_input(gamma, p["scale"])


def _laplace(T: int, p: Mapping[str, float]) -> Array:
    u = _times(T)
    tail = np.maximum(1.0 - 2.0 * np.abs(u - 0.5), 1e-12)
    return _from_log_snr(p["mu"] - p["b"] * np.sign(0.5 - u) * np.log(tail))


def _resolution_shift(T: int, p: Mapping[str, float]) -> Array:
    with np.errstate(divide="ignore"):
        cosine = -2.0 * np.log(np.tan(0.5 * np.pi * _times(T)))
    return _from_log_snr(np.clip(cosine, -15.0, 15.0) + 2.0 * np.log(64.0 / p["size"]))


def _sub_vp(T: int, p: Mapping[str, float]) -> Array:
    log_abar = _sde_log_abar(T, p)  # its noise has the deviation 1 - abar
    return _from_log_snr(log_abar - 2.0 * np.log(-np.expm1(log_abar)))


def _karras(T: int, p: Mapping[str, float]) -> Array:
    low, high = (p[name] ** (1.0 / p["rho"]) for name in ("sigma_min", "sigma_max"))
    return _from_sigma((low + _ramp(T) * (high - low)) ** p["rho"], p)


def _exponential(T: int, p: Mapping[str, float]) -> Array:
    ramp = _ramp(T) ** p.get("rho", 1.0)
    return _from_sigma(p["sigma_min"] * (p["sigma_max"] / p["sigma_min"]) ** ramp, p)


def _flow(T: int, p: Mapping[str, float]) -> Array:
    return _shifted_flow(T, np.log(p["shift"]))


def _flow_dynamic(T: int, p: Mapping[str, float]) -> Array:
    return _shifted_flow(T, dynamic_shift((p["size"] / 16.0) ** 2, p["base_shift"], p["max_shift"]))


def dynamic_shift(tokens: float, base_shift: float, max_shift: float) -> float:
    """Return Flux's mu: linear in the image tokens, `base_shift` at 256, `max_shift` at 4,096."""
    return base_shift + (tokens - 256.0) / (4096.0 - 256.0) * (max_shift - base_shift)


def _shifted_flow(T: int, mu: float) -> Array:
    """Return the betas of s = t / T after log-SNR has moved by -2 mu; no signal is left at T."""
    if abs(mu) > 10.0:
        raise EngineError(f"a flow shifted by μ = {mu:.3g} is beyond ±10; lower the size or μ")
    s = _times(T)
    with np.errstate(divide="ignore"):
        return _from_log_snr(2.0 * (np.log1p(-s) - np.log(s)) - 2.0 * mu)


def _ramp(T: int) -> Array:
    """Return 0..1 over t = 1..T, 1 for a single step."""
    return np.linspace(0.0, 1.0, T) if T > 1 else np.ones(1)


def _from_sigma(sigma: Array, p: Mapping[str, float]) -> Array:
    if p["sigma_max"] < 1.01 * p["sigma_min"]:
        raise EngineError(
            f"sigma_max = {p['sigma_max']:g} must be above sigma_min = {p['sigma_min']:g}"
        )
    return _from_log_snr(-2.0 * np.log(sigma))


def _ordered(p: Mapping[str, float]) -> tuple[float, float]:
    if p["end"] - p["start"] < 0.04:
        raise EngineError(f"end = {p['end']:g} must be above start = {p['start']:g} by 0.05")
    return p["start"], p["end"]


def _times(T: int) -> Array:
    """Return u = t / T for t = 1..T."""
    return np.arange(1, T + 1) / T


def _steps(abar: Array) -> Array:
    """Return beta_t = 1 - abar_t / abar_{t-1} for alpha-bar at t = 0..T."""
    return 1.0 - abar[1:] / abar[:-1]


def _scaled_input(gamma: Array, scale: float) -> Array:
    """Return the betas of alpha-bar `gamma` at t = 1..T after x_0 is scaled by `scale`.

    Scaling the input moves log-SNR by 2 ln(scale) (Chen 2023, section 2.2).
    """
    gamma = np.clip(gamma, 1e-9, 1.0 - 1e-9)
    return _from_log_snr(np.log(gamma) - np.log1p(-gamma) + 2.0 * np.log(scale))


def _from_log_snr(log_snr: Array) -> Array:
    """Return beta_1..beta_T of log-SNR at t = 1..T, without cancellation."""
    return -np.expm1(np.diff(-np.logaddexp(0.0, -log_snr), prepend=0.0))


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


_SDE_RATES = (
    Param(
        "beta_min", "β min", 0.1, 1e-3, 10.0,
        "Rate of noise at u = 0, per unit of u. Range 0.001 to 10.", 3,
    ),
    Param(
        "beta_max", "β max", 20.0, 0.1, 100.0,
        "Rate of noise at u = 1, per unit of u. Range 0.1 to 100.", 2,
    ),
)  # fmt: skip
_SCALE = Param(
    "scale", "scale b", 1.0, 0.05, 4.0,
    "Factor on the clean picture: below 1 is noisier, log-SNR moves by 2 ln b. Range 0.05 to 4.", 3,
)  # fmt: skip


def _sigma_ends(low: float, high: float) -> tuple[Param, Param]:
    return (
        Param(
            "sigma_min", "σ min", low, 1e-4, 10.0,
            "Noise at t = 1, per unit of signal. Range 0.0001 to 10.", 4,
        ),
        Param(
            "sigma_max", "σ max", high, 0.1, 10_000.0,
            "Noise at t = T, per unit of signal. Range 0.1 to 10,000.", 2,
        ),
    )  # fmt: skip


def _gamma_range(start: float, end: float, low: float, high: float) -> tuple[Param, ...]:
    return (
        Param(
            "start", "start", start, low, high - 0.05,
            f"Where on its curve it begins. Range {low:g} to {high - 0.05:g}.", 2,
        ),
        Param(
            "end", "end", end, low + 0.05, high,
            f"Where on its curve it ends, after start. Range {low + 0.05:g} to {high:g}.", 2,
        ),
        Param("tau", "τ", 1.0, 0.1, 3.0, "Temperature of the curve. Range 0.1 to 3.", 2),
        _SCALE,
    )  # fmt: skip


PRESETS: dict[str, Preset] = {
    "linear": Preset(
        title="Linear",
        source="Ho et al. 2020",
        formula="βₜ = β₁ + (t − 1)/(T − 1) · (β_T − β₁)",
        latex=r"\beta_t=\beta_1+\frac{t-1}{T-1}\,(\beta_T-\beta_1)",
        params=_beta_ends(1e-4, 0.02),
        betas=_linear,
    ),
    "scaled_linear": Preset(
        title="Scaled linear",
        source="Rombach et al. 2022 (Stable Diffusion)",
        formula="√βₜ = √β₁ + (t − 1)/(T − 1) · (√β_T − √β₁)",
        latex=(
            r"\sqrt{\beta_t}=\sqrt{\beta_1}+\frac{t-1}{T-1}"
            r"\left(\sqrt{\beta_T}-\sqrt{\beta_1}\right)"
        ),
        params=_beta_ends(0.00085, 0.012),
        betas=_scaled_linear,
    ),
    "cosine": Preset(
        title="Cosine",
        source="Nichol & Dhariwal 2021",
        formula="ᾱₜ = f(t)/f(0),  f(t) = cos²( (t/T + s)/(1 + s) · π/2 ),  βₜ ≤ β_max",
        latex=(
            r"\bar\alpha_t=\frac{f(t)}{f(0)},\quad f(t)=\cos^2\left(\frac{t/T+s}{1+s}"
            r"\cdot\frac{\pi}{2}\right),\quad \beta_t\le\beta_{\max}"
        ),
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
        clip="beta_max",
    ),
    "sigmoid": Preset(
        title="Sigmoid",
        source="Xu et al. 2022 (GeoDiff)",
        formula="βₜ = β₁ + (β_T − β₁) · sigmoid( w · (2(t − 1)/(T − 1) − 1) )",
        latex=(
            r"\beta_t=\beta_1+(\beta_T-\beta_1)\,\mathrm{sigmoid}"
            r"\left(w\left(2\,\frac{t-1}{T-1}-1\right)\right)"
        ),
        params=(
            *_beta_ends(1e-4, 0.02),
            Param(
                "width", "width w", 6.0, 0.5, 20.0,
                "Half width of the sigmoid's argument. Range 0.5 to 20, no unit.", 2,
            ),
        ),
        betas=_sigmoid,
    ),
    "linear_scaled": Preset(
        title="Linear, scaled with T",
        source="Ho et al. 2020, ends times 1000/T",
        formula="βₜ = 1000/T · ( β₁ + (t − 1)/(T − 1) · (β_T − β₁) )",
        latex=r"\beta_t=\frac{1000}{T}\left(\beta_1+\frac{t-1}{T-1}\,(\beta_T-\beta_1)\right)",
        params=_beta_ends(1e-4, 0.02),
        betas=_linear_scaled,
    ),
    "quadratic": Preset(
        title="Quadratic",
        source="Song et al. 2021 (DDIM)",
        formula="√βₜ = √β₁ + (t − 1)/(T − 1) · (√β_T − √β₁)",
        latex=(
            r"\sqrt{\beta_t}=\sqrt{\beta_1}+\frac{t-1}{T-1}"
            r"\left(\sqrt{\beta_T}-\sqrt{\beta_1}\right)"
        ),
        params=_beta_ends(1e-4, 0.02),
        betas=_scaled_linear,
    ),
    "sqrt": Preset(
        title="Square root",
        source="Li et al. 2022 (Diffusion-LM)",
        formula="ᾱₜ = f(t)/f(0),  f(t) = 1 − √(t/T + s)",
        latex=r"\bar\alpha_t=\frac{f(t)}{f(0)},\quad f(t)=1-\sqrt{t/T+s}",
        params=(
            Param(
                "offset", "offset s", 1e-4, 1e-6, 0.1,
                "Offset s: noise there from the start. Range 1e-6 to 0.1, in units of T.", 6,
            ),
        ),
        betas=_sqrt,
    ),
    "sqrt_beta": Preset(
        title="Square root of β",
        source="Rombach et al. 2022, their code",
        formula="βₜ = √( β₁ + (t − 1)/(T − 1) · (β_T − β₁) )",
        latex=r"\beta_t=\sqrt{\beta_1+\frac{t-1}{T-1}\,(\beta_T-\beta_1)}",
        params=_beta_ends(1e-4, 0.02),
        betas=_sqrt_beta,
    ),
    "constant": Preset(
        title="Constant β",
        source="Ho et al. 2020, their code",
        formula="βₜ = β",
        latex=r"\beta_t=\beta",
        params=(
            Param(
                "beta", "β", 0.02, 1e-7, BETA_MAX,
                "Variance added by every step. Range 1e-7 to 0.999, no unit.", 7,
            ),
        ),
        betas=_constant,
    ),
    "harmonic": Preset(
        title="1/(T − t)",
        source="Sohl-Dickstein et al. 2015",
        formula="βₜ = 1/(T − t + 1),  so that ᾱₜ = 1 − t/T",
        latex=r"\beta_t=\frac{1}{T-t+1},\quad\text{so that }\bar\alpha_t=1-\frac{t}{T}",
        params=(),
        betas=_harmonic,
    ),
    "vp_sde": Preset(
        title="VP-SDE",
        source="Song et al. 2021 (score SDE)",
        formula="ln ᾱₜ = −u²/2 · (β_max − β_min) − u β_min,  u = t/T",
        latex=(
            r"\ln\bar\alpha_t={-}\frac{u^2}{2}\,(\beta_{\max}-\beta_{\min})-u\,\beta_{\min},"
            r"\quad u=\frac{t}{T}"
        ),
        params=_SDE_RATES,
        betas=_vp_sde,
    ),
    "gamma_linear": Preset(
        title="Linear ᾱ",
        source="Chen 2023",
        formula="ᾱₜ = 1 − t/T,  input times b",
        latex=r"\bar\alpha_t=1-\frac{t}{T},\quad\text{input times }b",
        params=(_SCALE,),
        betas=_gamma_linear,
    ),
    "gamma_sigmoid": Preset(
        title="Sigmoid ᾱ",
        source="Jabri et al. 2022, Chen 2023",
        formula="ᾱₜ ∝ sig(end/τ) − sig( (u (end − start) + start)/τ ),  input times b",
        latex=(
            r"\bar\alpha_t\propto\mathrm{sig}\left(\frac{\text{end}}{\tau}\right)"
            r"-\mathrm{sig}\left(\frac{u\,(\text{end}-\text{start})+\text{start}}{\tau}\right),"
            r"\quad\text{input times }b"
        ),
        params=_gamma_range(-3.0, 3.0, -6.0, 6.0),
        betas=_gamma_sigmoid,
    ),
    "gamma_cosine": Preset(
        title="Cosine ᾱ",
        source="Chen 2023",
        formula="ᾱₜ ∝ cos( π/2 (u (end − start) + start) )^2τ − cos( π/2 end )^2τ",
        latex=(
            r"\bar\alpha_t\propto\cos\left(\frac{\pi}{2}\,(u\,(\text{end}-\text{start})+\text{start})"
            r"\right)^{2\tau}-\cos\left(\frac{\pi}{2}\,\text{end}\right)^{2\tau}"
        ),
        params=_gamma_range(0.0, 1.0, 0.0, 1.0),
        betas=_gamma_cosine,
    ),
    "laplace": Preset(
        title="Laplace",
        source="Hang et al. 2024 (diffusers' version is its square root)",
        formula="log-SNR = μ − b sgn(½ − u) ln(1 − 2|u − ½|)",
        latex=(
            r"\ln\mathrm{SNR}_t=\mu-b\,\mathrm{sgn}\left(\frac12-u\right)"
            r"\ln\left(1-2\,\left|u-\frac12\right|\right)"
        ),
        params=(
            Param("mu", "μ", 0.0, -5.0, 5.0, "Median log-SNR, in nats. Range -5 to 5.", 2),
            Param("b", "b", 0.5, 0.05, 5.0, "Width in log-SNR, in nats. Range 0.05 to 5.", 2),
        ),
        betas=_laplace,
    ),
    "resolution_shift": Preset(
        title="Cosine, shifted for size",
        source="Hoogeboom et al. 2023 (simple diffusion)",
        formula="log-SNR = −2 ln tan(π u/2) + 2 ln(64/d)",
        latex=r"\ln\mathrm{SNR}_t={-}2\ln\tan\frac{\pi u}{2}+2\ln\frac{64}{d}",
        params=(
            Param(
                "size", "size d", 64.0, 8.0, 2048.0,
                "Side of the pictures in pixels: at 64 nothing is shifted. Range 8 to 2048.", 0,
            ),
        ),
        betas=_resolution_shift,
    ),
    "ve": Preset(
        title="VE (SMLD)",
        source="Song & Ermon 2019, Song et al. 2021",
        formula="σₜ = σ_min (σ_max/σ_min)^((t − 1)/(T − 1)),  a = 1",
        latex=r"\sigma_t=\sigma_{\min}\,(\sigma_{\max}/\sigma_{\min})^{(t-1)/(T-1)},\quad a=1",
        params=_sigma_ends(0.01, 50.0),
        betas=_exponential,
        family=Family.VE,
    ),
    "sub_vp": Preset(
        title="sub-VP SDE",
        source="Song et al. 2021 (score SDE)",
        formula="a² = exp(−u²/2 · (β_max − β_min) − u β_min),  s = 1 − a²",
        latex=(
            r"a^2=\exp\left({-}\frac{u^2}{2}(\beta_{\max}-\beta_{\min})"
            r"-u\,\beta_{\min}\right),\quad s=1-a^2"
        ),
        params=_SDE_RATES,
        betas=_sub_vp,
        family=Family.SUB_VP,
    ),
    "karras": Preset(
        title="Karras σ",
        source="Karras et al. 2022 (EDM)",
        formula="σₜ^(1/ρ) = σ_min^(1/ρ) + (t − 1)/(T − 1) · (σ_max^(1/ρ) − σ_min^(1/ρ))",
        latex=(
            r"\sigma_t^{1/\rho}=\sigma_{\min}^{1/\rho}+\frac{t-1}{T-1}"
            r"\left(\sigma_{\max}^{1/\rho}-\sigma_{\min}^{1/\rho}\right)"
        ),
        params=(
            *_sigma_ends(0.002, 80.0),
            Param("rho", "ρ", 7.0, 1.0, 20.0, "More steps at small σ when larger. 1 to 20.", 2),
        ),
        betas=_karras,
        family=Family.VE,
    ),
    "exponential": Preset(
        title="Exponential σ",
        source="k-diffusion",
        formula="ln σₜ even from ln σ_min to ln σ_max",
        latex=(
            r"\ln\sigma_t=\ln\sigma_{\min}+\frac{t-1}{T-1}\,\ln\frac{\sigma_{\max}}{\sigma_{\min}}"
        ),
        params=_sigma_ends(0.002, 80.0),
        betas=_exponential,
        family=Family.VE,
    ),
    "polyexponential": Preset(
        title="Polyexponential σ",
        source="k-diffusion",
        formula="ln σₜ = ln σ_min + ((t − 1)/(T − 1))^ρ · ln(σ_max/σ_min)",
        latex=(
            r"\ln\sigma_t=\ln\sigma_{\min}+\left(\frac{t-1}{T-1}\right)^{\rho}"
            r"\ln\frac{\sigma_{\max}}{\sigma_{\min}}"
        ),
        params=(
            *_sigma_ends(0.002, 80.0),
            Param("rho", "ρ", 1.5, 0.2, 10.0, "1 is exponential. Range 0.2 to 10.", 2),
        ),
        betas=_exponential,
        family=Family.VE,
    ),
    "flow": Preset(
        title="Rectified flow",
        source="Liu et al. 2022; shift of Esser et al. 2024 (SD3)",
        formula="s = α u/(1 + (α − 1) u),  a = 1 − s,  u = t/T",
        latex=r"s=\frac{\alpha\,u}{1+(\alpha-1)\,u},\quad a=1-s,\quad u=\frac{t}{T}",
        params=(
            Param(
                "shift", "shift α", 1.0, 0.05, 100.0,
                "Above 1 is noisier: log-SNR moves by −2 ln α; SD3 takes 3. Range 0.05 to 100.", 3,
            ),
        ),
        betas=_flow,
        family=Family.FLOW,
    ),
    "flow_dynamic": Preset(
        title="Rectified flow, shifted for size",
        source="Flux (Black Forest Labs 2024)",
        formula="α = e^μ,  μ linear in the tokens (d/16)², at 256 and at 4,096",
        latex=(
            r"\alpha=e^{\mu},\quad\mu\text{ linear in the tokens }(d/16)^2,"
            r"\text{ at 256 and at 4096}"
        ),
        params=(
            Param(
                "size", "size d", 1024.0, 64.0, 2048.0,
                "Side of the pictures in pixels, 16 to a token. Range 64 to 2,048.", 0,
            ),
            Param(
                "base_shift", "μ 256", 0.5, -5.0, 5.0,
                "Shift μ at 256 tokens, a picture of 256 pixels. Range -5 to 5.", 3,
            ),
            Param(
                "max_shift", "μ 4096", 1.15, -5.0, 5.0,
                "Shift μ at 4,096 tokens, a picture of 1,024 pixels. Range -5 to 5.", 3,
            ),
        ),
        betas=_flow_dynamic,
        family=Family.FLOW,
    ),
}  # fmt: skip
