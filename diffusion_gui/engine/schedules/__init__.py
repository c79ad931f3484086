"""Noise schedules: values, presets, drawn curves, sampling grids. NumPy only, no torch, no Qt."""

from diffusion_gui.engine.schedules.build import (
    build,
    build_preset,
    control_points,
    family_of,
    with_points,
    without_points,
)
from diffusion_gui.engine.schedules.describe import formula_of
from diffusion_gui.engine.schedules.presets import PRESETS, Preset
from diffusion_gui.engine.schedules.schedule import (
    MAX_STEPS,
    ControlPoint,
    Family,
    Schedule,
    ScheduleSpec,
    from_betas,
    from_log_snr,
)
from diffusion_gui.engine.schedules.timesteps import (
    SIGMA_MAX,
    SPACINGS,
    Spacing,
    as_list,
    grid,
    highest,
    timesteps,
)

__all__ = [
    "MAX_STEPS",
    "PRESETS",
    "SIGMA_MAX",
    "SPACINGS",
    "ControlPoint",
    "Family",
    "Preset",
    "Schedule",
    "ScheduleSpec",
    "Spacing",
    "as_list",
    "build",
    "build_preset",
    "control_points",
    "family_of",
    "formula_of",
    "from_betas",
    "from_log_snr",
    "grid",
    "highest",
    "timesteps",
    "with_points",
    "without_points",
]
