"""The named schedules: one row each, with the function in `formulas.py` that gives its betas.

NumPy only. To add a preset, write its function there and its row in `PRESETS` here: the editor's
form, the command line and the conformance tests read the row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from diffusion_gui.engine.params import Param
from diffusion_gui.engine.schedules import formulas
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
        betas=formulas.linear,
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
        betas=formulas.scaled_linear,
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
        betas=formulas.cosine,
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
        betas=formulas.sigmoid,
    ),
    "linear_scaled": Preset(
        title="Linear, scaled with T",
        source="Ho et al. 2020, ends times 1000/T",
        formula="βₜ = 1000/T · ( β₁ + (t − 1)/(T − 1) · (β_T − β₁) )",
        latex=r"\beta_t=\frac{1000}{T}\left(\beta_1+\frac{t-1}{T-1}\,(\beta_T-\beta_1)\right)",
        params=_beta_ends(1e-4, 0.02),
        betas=formulas.linear_scaled,
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
        betas=formulas.scaled_linear,
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
        betas=formulas.sqrt,
    ),
    "sqrt_beta": Preset(
        title="Square root of β",
        source="Rombach et al. 2022, their code",
        formula="βₜ = √( β₁ + (t − 1)/(T − 1) · (β_T − β₁) )",
        latex=r"\beta_t=\sqrt{\beta_1+\frac{t-1}{T-1}\,(\beta_T-\beta_1)}",
        params=_beta_ends(1e-4, 0.02),
        betas=formulas.sqrt_beta,
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
        betas=formulas.constant,
    ),
    "harmonic": Preset(
        title="1/(T − t)",
        source="Sohl-Dickstein et al. 2015",
        formula="βₜ = 1/(T − t + 1),  so that ᾱₜ = 1 − t/T",
        latex=r"\beta_t=\frac{1}{T-t+1},\quad\text{so that }\bar\alpha_t=1-\frac{t}{T}",
        params=(),
        betas=formulas.harmonic,
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
        betas=formulas.vp_sde,
    ),
    "gamma_linear": Preset(
        title="Linear ᾱ",
        source="Chen 2023",
        formula="ᾱₜ = 1 − t/T,  input times b",
        latex=r"\bar\alpha_t=1-\frac{t}{T},\quad\text{input times }b",
        params=(_SCALE,),
        betas=formulas.gamma_linear,
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
        betas=formulas.gamma_sigmoid,
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
        betas=formulas.gamma_cosine,
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
        betas=formulas.laplace,
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
        betas=formulas.resolution_shift,
    ),
    "ve": Preset(
        title="VE (SMLD)",
        source="Song & Ermon 2019, Song et al. 2021",
        formula="σₜ = σ_min (σ_max/σ_min)^((t − 1)/(T − 1)),  a = 1",
        latex=r"\sigma_t=\sigma_{\min}\,(\sigma_{\max}/\sigma_{\min})^{(t-1)/(T-1)},\quad a=1",
        params=_sigma_ends(0.01, 50.0),
        betas=formulas.exponential,
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
        betas=formulas.sub_vp,
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
        betas=formulas.karras,
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
        betas=formulas.exponential,
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
        betas=formulas.exponential,
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
        betas=formulas.flow,
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
        betas=formulas.flow_dynamic,
        family=Family.FLOW,
    ),
}  # fmt: skip
