"""diffusers' scheduler classes: the fields each reads from its config, and their defaults. Facts.

A config may leave out any field; what is meant then is the class's own default, and they differ
(Heun begins at beta = 0.00085, DDPM at 0.0001). A test compares this table with diffusers. Read
next: `diffusers_schedules.py`, which makes a schedule of each kind.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

Defaults = Mapping[str, object]

VERSION = "0.42.1"
"""The version of diffusers that this table describes, and that exported configs are written for."""
REQUIRED = object()
"""Stands for a default that is not known: the config must give the field."""


class Kind(StrEnum):
    """Which of a config's fields make the schedule."""

    BETAS = "betas"
    SIGMAS = "sigmas"
    FLOW = "flow"
    VE_SDE = "ve_sde"
    VP_SDE = "vp_sde"
    KARRAS_VE = "karras_ve"
    WUERSTCHEN = "wuerstchen"
    IPNDM = "ipndm"


@dataclass(frozen=True, slots=True)
class SchedulerClass:
    """One class: its kind, its fields with their defaults, and what no field of it says."""

    kind: Kind
    fields: Defaults
    prediction: str = ""
    """What a network predicts for it, where there is no `prediction_type`; empty: not known."""
    spacing: str = ""
    """How it spreads its steps, where there is no `timestep_spacing`."""


def _betas(start: float = 0.0001, end: float = 0.02, schedule: str = "linear") -> Defaults:
    return {
        "num_train_timesteps": 1000,
        "beta_start": start,
        "beta_end": end,
        "beta_schedule": schedule,
        "trained_betas": None,
    }


def _spaced(spacing: str) -> Defaults:
    return {"timestep_spacing": spacing, "steps_offset": 0}


_PREDICTION: Defaults = {"prediction_type": "epsilon"}
_SD_LINEAR = _betas(0.00085, 0.012)
_SD_SCALED = _betas(0.00085, 0.012, "scaled_linear")
_CLIP: Defaults = {"clip_sample": True, "clip_sample_range": 1.0}
_NO_CLIP: Defaults = {"clip_sample": False, "clip_sample_range": 1.0}
_THRESHOLDING: Defaults = {
    "thresholding": False,
    "dynamic_thresholding_ratio": 0.995,
    "sample_max_value": 1.0,
}
_USE_SIGMAS: Defaults = {
    "use_karras_sigmas": False,
    "use_exponential_sigmas": False,
    "use_beta_sigmas": False,
}
_USE_FLOW: Defaults = {"use_flow_sigmas": False, "flow_shift": 1.0}
_DYNAMIC: Defaults = {"use_dynamic_shifting": False, "time_shift_type": "exponential"}
_ZERO_SNR: Defaults = {"rescale_betas_zero_snr": False}
_FINAL: Defaults = {"final_sigmas_type": "zero"}
_ENDS: Defaults = {"sigma_min": None, "sigma_max": None}

_DDPM: Defaults = {
    **_betas(), **_CLIP, **_PREDICTION, **_THRESHOLDING, **_spaced("leading"), **_ZERO_SNR,
    "variance_type": "fixed_small",
}  # fmt: skip
_INVERSE: Defaults = {
    **_betas(), **_CLIP, **_PREDICTION, **_spaced("leading"), **_ZERO_SNR,
    "set_alpha_to_one": True,
}  # fmt: skip
_DDIM: Defaults = {**_INVERSE, **_THRESHOLDING}
_COGVIDEO: Defaults = {
    **_SD_SCALED, **_CLIP, **_PREDICTION, **_spaced("leading"), **_ZERO_SNR,
    "set_alpha_to_one": True, "sample_max_value": 1.0, "snr_shift_scale": 3.0,
}  # fmt: skip
_CONSISTENCY: Defaults = {
    **_SD_SCALED, **_NO_CLIP, **_PREDICTION, **_THRESHOLDING, **_spaced("leading"), **_ZERO_SNR,
    "original_inference_steps": 50, "set_alpha_to_one": True, "timestep_scaling": 10.0,
}  # fmt: skip
_EULER: Defaults = {
    **_betas(), **_PREDICTION, **_USE_SIGMAS, **_ENDS, **_spaced("linspace"), **_ZERO_SNR,
    **_FINAL, "interpolation_type": "linear", "timestep_type": "discrete",
}  # fmt: skip
_KDPM: Defaults = {**_SD_LINEAR, **_PREDICTION, **_USE_SIGMAS, **_spaced("linspace")}
_SOLVER: Defaults = {
    **_betas(), **_PREDICTION, **_THRESHOLDING, **_USE_SIGMAS, **_USE_FLOW, "solver_order": 2,
}  # fmt: skip
_DPM: Defaults = {
    **_SOLVER, "algorithm_type": "dpmsolver++", "solver_type": "midpoint",
    "lower_order_final": True, "lambda_min_clipped": -math.inf, "variance_type": None,
}  # fmt: skip
_UNIPC: Defaults = {
    **_SOLVER, **_spaced("linspace"), **_FINAL, **_ZERO_SNR, **_DYNAMIC, **_ENDS,
    "predict_x0": True, "solver_type": "bh2", "lower_order_final": True, "disable_corrector": [],
    "solver_p": None, "shift_terminal": None,
}  # fmt: skip
_SA: Defaults = {
    **_betas(), **_PREDICTION, **_THRESHOLDING, **_USE_SIGMAS, **_USE_FLOW, **_spaced("linspace"),
    "predictor_order": 2, "corrector_order": 2, "tau_func": None,
    "algorithm_type": "data_prediction", "lower_order_final": True,
    "lambda_min_clipped": -math.inf, "variance_type": None,
}  # fmt: skip
_EDM: Defaults = {
    "sigma_min": 0.002, "sigma_max": 80.0, "sigma_data": 0.5, "sigma_schedule": "karras",
    "num_train_timesteps": 1000, "prediction_type": "epsilon", "rho": 7.0, **_FINAL,
}  # fmt: skip
_EDM_DPM: Defaults = {
    **_EDM, **_THRESHOLDING, "solver_order": 2, "algorithm_type": "dpmsolver++",
    "solver_type": "midpoint", "lower_order_final": True, "euler_at_final": False,
}  # fmt: skip
_COSINE_DPM: Defaults = {
    **_EDM, "sigma_min": 0.3, "sigma_max": 500, "sigma_data": 1.0, "sigma_schedule": "exponential",
    "prediction_type": "v_prediction", "solver_order": 2, "solver_type": "midpoint",
    "lower_order_final": True, "euler_at_final": False,
}  # fmt: skip
_PLAIN_FLOW: Defaults = {"num_train_timesteps": 1000, "shift": 1.0}
_FLOW: Defaults = {
    **_PLAIN_FLOW, **_DYNAMIC, **_USE_SIGMAS, "base_shift": 0.5, "max_shift": 1.15,
    "base_image_seq_len": 256, "max_image_seq_len": 4096, "invert_sigmas": False,
    "shift_terminal": None,
}  # fmt: skip

CLASSES: dict[str, SchedulerClass] = {
    "DDPMScheduler": SchedulerClass(Kind.BETAS, _DDPM),
    "DDPMParallelScheduler": SchedulerClass(Kind.BETAS, _DDPM),
    "DDIMScheduler": SchedulerClass(Kind.BETAS, _DDIM),
    "DDIMParallelScheduler": SchedulerClass(Kind.BETAS, _DDIM),
    "DDIMInverseScheduler": SchedulerClass(Kind.BETAS, _INVERSE),
    "CogVideoXDDIMScheduler": SchedulerClass(Kind.BETAS, _COGVIDEO),
    "CogVideoXDPMScheduler": SchedulerClass(Kind.BETAS, _COGVIDEO),
    "PNDMScheduler": SchedulerClass(
        Kind.BETAS,
        {**_betas(), **_PREDICTION, **_spaced("leading"),
         "skip_prk_steps": False, "set_alpha_to_one": False},
    ),
    "LMSDiscreteScheduler": SchedulerClass(
        Kind.BETAS, {**_betas(), **_PREDICTION, **_USE_SIGMAS, **_spaced("linspace")}
    ),
    "EulerDiscreteScheduler": SchedulerClass(Kind.BETAS, _EULER),
    "EulerAncestralDiscreteScheduler": SchedulerClass(
        Kind.BETAS, {**_betas(), **_PREDICTION, **_spaced("linspace"), **_ZERO_SNR}
    ),
    "HeunDiscreteScheduler": SchedulerClass(Kind.BETAS, {**_KDPM, **_NO_CLIP}),
    "KDPM2DiscreteScheduler": SchedulerClass(Kind.BETAS, _KDPM),
    "KDPM2AncestralDiscreteScheduler": SchedulerClass(Kind.BETAS, _KDPM),
    "DPMSolverMultistepScheduler": SchedulerClass(
        Kind.BETAS,
        {**_DPM, **_spaced("linspace"), **_FINAL, **_ZERO_SNR, **_DYNAMIC,
         "euler_at_final": False, "use_lu_lambdas": False},
    ),
    "DPMSolverMultistepInverseScheduler": SchedulerClass(
        Kind.BETAS, {**_DPM, **_spaced("linspace"), "euler_at_final": False}
    ),
    "DPMSolverSinglestepScheduler": SchedulerClass(
        Kind.BETAS, {**_DPM, **_FINAL, **_DYNAMIC, "lower_order_final": False}, spacing="linspace"
    ),
    "DPMSolverSDEScheduler": SchedulerClass(Kind.BETAS, {**_KDPM, "noise_sampler_seed": None}),
    "UniPCMultistepScheduler": SchedulerClass(Kind.BETAS, _UNIPC),
    "DEISMultistepScheduler": SchedulerClass(
        Kind.BETAS,
        {**_SOLVER, **_spaced("linspace"), **_DYNAMIC, "algorithm_type": "deis",
         "solver_type": "logrho", "lower_order_final": True},
    ),
    "SASolverScheduler": SchedulerClass(Kind.BETAS, _SA),
    "LCMScheduler": SchedulerClass(Kind.BETAS, _CONSISTENCY),
    "TCDScheduler": SchedulerClass(Kind.BETAS, _CONSISTENCY),
    "RePaintScheduler": SchedulerClass(
        Kind.BETAS, {**_betas(), "eta": 0.0, "clip_sample": True}, "epsilon", "leading"
    ),
    "UnCLIPScheduler": SchedulerClass(
        Kind.BETAS,
        {**_CLIP, **_PREDICTION, "num_train_timesteps": 1000,
         "variance_type": "fixed_small_log", "beta_schedule": "squaredcos_cap_v2"},
        spacing="linspace",
    ),
    "EDMEulerScheduler": SchedulerClass(Kind.SIGMAS, _EDM),
    "EDMDPMSolverMultistepScheduler": SchedulerClass(Kind.SIGMAS, _EDM_DPM),
    "CosineDPMSolverMultistepScheduler": SchedulerClass(Kind.SIGMAS, _COSINE_DPM),
    "CMStochasticIterativeScheduler": SchedulerClass(
        Kind.SIGMAS,
        {"num_train_timesteps": 40, "sigma_min": 0.002, "sigma_max": 80.0, "sigma_data": 0.5,
         "s_noise": 1.0, "rho": 7.0, "clip_denoised": True},
        "sample",
    ),
    "KarrasVeScheduler": SchedulerClass(
        Kind.KARRAS_VE,
        {"sigma_min": 0.02, "sigma_max": 100, "s_noise": 1.007, "s_churn": 80, "s_min": 0.05,
         "s_max": 50},
        spacing="exponential",
    ),
    "ScoreSdeVeScheduler": SchedulerClass(
        Kind.VE_SDE,
        {"num_train_timesteps": 2000, "snr": 0.15, "sigma_min": 0.01, "sigma_max": 1348.0,
         "sampling_eps": 1e-5, "correct_steps": 1},
        spacing="linspace",
    ),
    "ScoreSdeVpScheduler": SchedulerClass(
        Kind.VP_SDE,
        {"num_train_timesteps": 2000, "beta_min": 0.1, "beta_max": 20, "sampling_eps": 1e-3},
        spacing="linspace",
    ),
    "FlowMatchEulerDiscreteScheduler": SchedulerClass(
        Kind.FLOW, {**_FLOW, "stochastic_sampling": False}, "flow", "linspace"
    ),
    "FlowMatchHeunDiscreteScheduler": SchedulerClass(Kind.FLOW, _PLAIN_FLOW, "flow", "linspace"),
    "FlowMatchLCMScheduler": SchedulerClass(
        Kind.FLOW, {**_FLOW, "scale_factors": None, "upscale_mode": "bicubic"}, "flow", "linspace"
    ),
    "DDPMWuerstchenScheduler": SchedulerClass(
        Kind.WUERSTCHEN, {"scaler": 1.0, "s": 0.008}, "epsilon", "trailing"
    ),
    "IPNDMScheduler": SchedulerClass(
        Kind.IPNDM, {"num_train_timesteps": 1000, "trained_betas": None}, "epsilon", "trailing"
    ),
}  # fmt: skip

UNKNOWN = SchedulerClass(
    Kind.BETAS,
    {
        "num_train_timesteps": REQUIRED, "beta_start": REQUIRED, "beta_end": REQUIRED,
        "beta_schedule": REQUIRED, "trained_betas": None, "prediction_type": None,
        "timestep_spacing": None, "steps_offset": 0, "clip_sample": False, **_USE_SIGMAS,
        "use_lu_lambdas": False, **_ZERO_SNR,
    },
)  # fmt: skip
"""What is read from the config of a class that is not in the table, if it says enough."""

ALL_FIELDS = frozenset(name for row in CLASSES.values() for name in row.fields)
OLD_FIELDS = frozenset({"predict_epsilon", "tensor_format", "timestep_values"})
"""Fields of versions before 0.10; only the first says anything about a schedule's use."""
