"""What a schedule is made of, in one line of plain text. NumPy only."""

from __future__ import annotations

from diffusion_gui.engine.schedules.build import base_length, family_of
from diffusion_gui.engine.schedules.operations import equivalents
from diffusion_gui.engine.schedules.presets import PRESETS
from diffusion_gui.engine.schedules.schedule import Family, ScheduleSpec

_FAMILIES = {
    Family.VP: "variance preserving",
    Family.VE: "variance exploding",
    Family.SUB_VP: "sub-VP",
    Family.FLOW: "straight flow",
}


def formula_of(spec: ScheduleSpec) -> str:
    """Return everything that makes `spec`, in the order in which it is applied.

    The formula of the preset or the length of the table, then what differs from it: zero terminal
    SNR, scale, shift (with its name for a flow), T or the resampling, another family, points.
    Raises EngineError for a family that is not known.
    """
    return "; ".join([_base(spec), *changes_of(spec)])


def changes_of(spec: ScheduleSpec) -> tuple[str, ...]:
    """Return what `formula_of` says after the formula or the table: the length and the changes."""
    tellers = _zero_terminal, _scale, _shift, _length, _family, _points
    return tuple(part for tell in tellers if (part := tell(spec)))


def _base(spec: ScheduleSpec) -> str:
    if spec.preset:
        row = PRESETS.get(spec.preset)
        return row.formula if row else f"unknown preset {spec.preset!r}"
    if spec.betas:
        return f"βₜ from a table of {_count(len(spec.betas), 'beta')}"
    return f"drawn through {_count(len(spec.points), 'point')} in log-SNR"


def _zero_terminal(spec: ScheduleSpec) -> str:
    return "rescaled to zero terminal SNR" if spec.zero_terminal else ""


def _scale(spec: ScheduleSpec) -> str:
    return f"log-SNR times {spec.scale:.4g}" if spec.scale != 1.0 else ""


def _shift(spec: ScheduleSpec) -> str:
    if not spec.shift:
        return ""
    alpha = equivalents(spec.shift).sd3_shift
    return f"log-SNR shifted by {spec.shift:+.4g} nats (SD3 shift {alpha:.4g})"


def _length(spec: ScheduleSpec) -> str:
    made_at = base_length(spec)
    if not spec.has_base or made_at == spec.T:
        return f"T = {spec.T:,}"
    return f"resampled from T = {made_at:,} to {spec.T:,}"


def _family(spec: ScheduleSpec) -> str:
    """Return the family where it is not the one that the base alone would have."""
    own = PRESETS[spec.preset].family if spec.preset in PRESETS else Family.VP
    family = family_of(spec)
    return "" if family is own else f"told as {_FAMILIES[family]}"


def _points(spec: ScheduleSpec) -> str:
    bent = bool(spec.points) and spec.has_base
    return f"bent through {_count(len(spec.points), 'point')} in log-SNR" if bent else ""


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' * (number != 1)}"
