"""The formulas of the named schedules: from (T, parameters) to beta_1..beta_T, float64 [T].

NumPy only. Each is a METHOD of the paper that its row in `presets.py` cites; parameters are by the
names of that row, and resolved: none is missing. `T` is 1..10,000.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.schedules.schedule import Array

Params = Mapping[str, float]


def linear(T: int, p: Params) -> Array:
    """Return betas that rise evenly."""
    return np.linspace(p["beta_start"], p["beta_end"], T)


def linear_scaled(T: int, p: Params) -> Array:
    """Return betas that rise evenly, as large as T steps need."""
    return 1000.0 / T * linear(T, p)


def scaled_linear(T: int, p: Params) -> Array:
    """Return betas whose roots rise evenly."""
    return np.linspace(p["beta_start"] ** 0.5, p["beta_end"] ** 0.5, T) ** 2


def cosine(T: int, p: Params) -> Array:
    """Return the betas of an alpha-bar that is a squared cosine."""
    offset = p["offset"]
    u = np.arange(T + 1) / T
    return _steps(np.cos((u + offset) / (1.0 + offset) * np.pi / 2.0) ** 2)


def sigmoid(T: int, p: Params) -> Array:
    """Return betas that rise as a sigmoid."""
    ramp = 1.0 / (1.0 + np.exp(-np.linspace(-p["width"], p["width"], T)))
    return ramp * (p["beta_end"] - p["beta_start"]) + p["beta_start"]


def sqrt(T: int, p: Params) -> Array:
    """Return the betas of alpha-bar 1 - sqrt(t / T + offset)."""
    abar = 1.0 - np.sqrt(np.arange(T + 1) / T + p["offset"])  # falls below 0 at the very end
    return _steps(np.maximum(abar, 1e-9))


def sqrt_beta(T: int, p: Params) -> Array:
    """Return the roots of betas that rise evenly."""
    return np.sqrt(linear(T, p))


def constant(T: int, p: Params) -> Array:
    """Return the same beta at every step."""
    return np.full(T, p["beta"])


def harmonic(T: int, p: Params) -> Array:
    """Return the betas of an alpha-bar that falls evenly to 0."""
    return 1.0 / np.arange(T, 0, -1)


def vp_sde(T: int, p: Params) -> Array:
    """Return the steps of the SDE whose rate of noise rises evenly."""
    return -np.expm1(np.diff(_sde_log_abar(T, p), prepend=0.0))


def _sde_log_abar(T: int, p: Params) -> Array:
    u = _times(T)
    return -0.5 * u**2 * (p["beta_max"] - p["beta_min"]) - u * p["beta_min"]


def gamma_linear(T: int, p: Params) -> Array:
    """Return the betas of an alpha-bar that falls evenly, the input scaled."""
    return _scaled_input(1.0 - _times(T), p["scale"])


def gamma_sigmoid(T: int, p: Params) -> Array:
    """Return the betas of a piece of a sigmoid as alpha-bar, the input scaled."""
    start, end, tau = *_ordered(p), p["tau"]

    def value(x: Array | float) -> Array:
        return np.asarray(1.0 / (1.0 + np.exp(-np.asarray(x) / tau)))

    gamma = (value(end) - value(_times(T) * (end - start) + start)) / (value(end) - value(start))
    return _scaled_input(gamma, p["scale"])


def gamma_cosine(T: int, p: Params) -> Array:
    """Return the betas of a piece of a cosine as alpha-bar, the input scaled."""
    start, end, tau = *_ordered(p), p["tau"]

    def value(x: Array | float) -> Array:
        return np.maximum(np.cos(np.asarray(x) * np.pi / 2.0), 0.0) ** (2.0 * tau)

    gamma = (value(_times(T) * (end - start) + start) - value(end)) / (value(start) - value(end))
    return _scaled_input(gamma, p["scale"])


def laplace(T: int, p: Params) -> Array:
    """Return the betas whose log-SNR is Laplace distributed over t."""
    u = _times(T)
    tail = np.maximum(1.0 - 2.0 * np.abs(u - 0.5), 1e-12)
    return _from_log_snr(p["mu"] - p["b"] * np.sign(0.5 - u) * np.log(tail))


def resolution_shift(T: int, p: Params) -> Array:
    """Return the betas of the cosine schedule, shifted for the size of pictures."""
    with np.errstate(divide="ignore"):
        cosine = -2.0 * np.log(np.tan(0.5 * np.pi * _times(T)))
    return _from_log_snr(np.clip(cosine, -15.0, 15.0) + 2.0 * np.log(64.0 / p["size"]))


def sub_vp(T: int, p: Params) -> Array:
    """Return the betas of the sub-VP SDE."""
    log_abar = _sde_log_abar(T, p)  # its noise has the deviation 1 - abar
    return _from_log_snr(log_abar - 2.0 * np.log(-np.expm1(log_abar)))


def karras(T: int, p: Params) -> Array:
    """Return the betas of sigmas even in their root of order rho."""
    low, high = (p[name] ** (1.0 / p["rho"]) for name in ("sigma_min", "sigma_max"))
    return _from_sigma((low + _ramp(T) * (high - low)) ** p["rho"], p)


def exponential(T: int, p: Params) -> Array:
    """Return the betas of sigmas even in their logarithm, to the power of rho."""
    ramp = _ramp(T) ** p.get("rho", 1.0)
    return _from_sigma(p["sigma_min"] * (p["sigma_max"] / p["sigma_min"]) ** ramp, p)


def flow(T: int, p: Params) -> Array:
    """Return the betas of the straight line, shifted by a factor."""
    return _shifted_flow(T, np.log(p["shift"]))


def flow_dynamic(T: int, p: Params) -> Array:
    """Return the betas of the straight line, shifted for the size of pictures."""
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


def _from_sigma(sigma: Array, p: Params) -> Array:
    if p["sigma_max"] < 1.01 * p["sigma_min"]:
        raise EngineError(
            f"sigma_max = {p['sigma_max']:g} must be above sigma_min = {p['sigma_min']:g}"
        )
    return _from_log_snr(-2.0 * np.log(sigma))


def _ordered(p: Params) -> tuple[float, float]:
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
