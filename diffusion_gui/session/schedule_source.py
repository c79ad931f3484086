"""A schedule as source code that makes it again: NumPy, diffusers, k-diffusion. Imports neither.

The NumPy source is also a file format: `from_python` reads its numbers back without running it.
"""

from __future__ import annotations

import ast
import math
import textwrap
import warnings
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from diffusion_gui import __version__
from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.schedules import Family, Schedule, ScheduleSpec, build
from diffusion_gui.engine.schedules.schedule import Array
from diffusion_gui.session.diffusers_config import Imported
from diffusion_gui.session.diffusers_export import NOTES_KEY, to_config
from diffusion_gui.session.schedule_numbers import check_length, family_named, of_betas

_SCALES = {
    Family.VP: "a = np.sqrt(alphas_cumprod)\ns = np.exp(0.5 * log_noise)",
    Family.VE: "sigmas = np.exp(-0.5 * log_snr)\na, s = np.ones_like(sigmas), sigmas",
    Family.SUB_VP: (
        "root = np.exp(0.5 * log_snr)  # a / (1 - a^2)\n"
        "s = 2.0 / (1.0 + np.hypot(1.0, 2.0 * root))\na = root * s"
    ),
    Family.FLOW: (
        "root = np.exp(0.5 * log_snr)  # a / (1 - a)\n"
        "a, s = root / (1.0 + root), 1.0 / (1.0 + root)"
    ),
}


def python_source(spec: ScheduleSpec, kind: str = "numpy") -> str:
    """Return Python source that makes the schedule of `spec` again; `kind` names a row of SOURCES.

    "numpy" defines betas, alphas_cumprod, log_snr, a and s at t = 1..T in float64; "diffusers" a
    `scheduler`; "k-diffusion" a tensor `sigmas`, descending, with a last 0. Raises EngineError for
    an unknown kind, and where no signal is left at T, which a list of sigmas cannot say.
    """
    if kind not in SOURCES:
        raise EngineError(f"unknown source {kind!r}; choose one of: {', '.join(SOURCES)}")
    return SOURCES[kind](build(spec), spec)


def numpy_source(schedule: Schedule, spec: ScheduleSpec | None = None) -> str:
    """Return the source that needs NumPy alone; the same schedule gives the same text."""
    return f'''"""{_title(schedule, spec)}: arrays over t = 1..T."""

import numpy as np

family = "{schedule.family.value}"
betas = np.array([
{_listed(schedule.beta[1:].tolist())}
])

with np.errstate(divide="ignore"):
    log_abar = np.cumsum(np.log1p(-betas))
    log_noise = np.log(-np.expm1(log_abar))
alphas_cumprod = np.exp(log_abar)
log_snr = log_abar - log_noise
# x_t = a x_0 + s eps
{_SCALES[schedule.family]}
'''


def _diffusers_source(schedule: Schedule, spec: ScheduleSpec) -> str:
    config = to_config(schedule, spec)
    name = config["_class_name"]
    fields = {key: value for key, value in config.items() if key[0] != "_"}
    if "beta_schedule" in fields:
        del fields["trained_betas"]  # the formula gives the same
    lines = [f"    {key}={_value(value)},\n" for key, value in fields.items()]
    notes = "".join(f"# {note}\n" for note in config.get(NOTES_KEY, ()))
    return (
        f'"""{_title(schedule, spec)}, for diffusers {config["_diffusers_version"]}."""\n\n'
        f"from diffusers import {name}\n\n{notes}scheduler = {name}(\n{''.join(lines)})\n"
    )


def _k_diffusion_source(schedule: Schedule, spec: ScheduleSpec) -> str:
    sigmas = schedule.sigma[::-1]
    if not np.isfinite(sigmas).all():
        raise EngineError(
            "sigma is infinite where no signal is left (alpha_bar = 0), and k-diffusion's list"
            " cannot hold it; keep a little signal at T, or choose the NumPy source"
        )
    return f'''"""{_title(schedule, spec)}, for k-diffusion."""

import torch

# sigma at t = T..1, then 0
sigmas = torch.tensor([
{_listed(sigmas.tolist())}
], dtype=torch.float64)

# x = torch.randn(shape) * sigmas[0]
# samples = k_diffusion.sampling.sample_euler(model, x, sigmas.float())
'''


def from_python(text: str) -> Imported:
    """Return the schedule whose `betas` (and `family`) a source assigns; nothing is executed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise EngineError(f"the file is not Python ({reason}); save it again") from None
    found = dict(_assigned(tree))
    if "betas" not in found:
        raise EngineError("there is no list of numbers called betas; add betas = [...]")
    family = family_named(str(found.get("family", Family.VP.value)), "family")
    return Imported(of_betas(_numbers(found["betas"]), "betas", family))


def _assigned(tree: ast.Module) -> Iterable[tuple[str, Any]]:
    """Yield the top-level names to which a literal is assigned, also inside np.array(...)."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            value = node.value
            if isinstance(value, ast.Call) and value.args:
                value = value.args[0]
            try:
                yield node.targets[0].id, ast.literal_eval(value)
            except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
                continue


def _numbers(values: object) -> Array:
    if not isinstance(values, list | tuple):
        raise EngineError("betas: must be a list of numbers; write betas = [...]")
    check_length(len(values), "betas")
    for index, value in enumerate(values):
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise EngineError(f"betas[{index}]: {value!r:.40} is not a number")
    return np.array(values, dtype=np.float64)


def _title(schedule: Schedule, spec: ScheduleSpec | None) -> str:
    name = (spec.preset if spec else "") or "a table"
    return f"Noise schedule ({name}, T = {schedule.T}) by Diffusion GUI {__version__}"


def _value(value: object) -> str:
    if isinstance(value, list):
        return f"[\n{textwrap.indent(_listed(value), '    ')}\n    ]"
    if isinstance(value, float) and not math.isfinite(value):
        return f'float("{value}")'
    return repr(value)


def _listed(values: list[float]) -> str:
    """Return numbers with all their digits, four to a line."""
    rows = [values[i : i + 4] for i in range(0, len(values), 4)]
    return "\n".join("    " + " ".join(f"{value!r}," for value in row) for row in rows)


SOURCES: dict[str, Callable[[Schedule, ScheduleSpec], str]] = {
    "numpy": numpy_source,
    "diffusers": _diffusers_source,
    "k-diffusion": _k_diffusion_source,
}
