"""The schedule doctor: what is good or doubtful about a schedule, in plain words. NumPy only."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from diffusion_gui.engine.schedules.schedule import Schedule


class Severity(StrEnum):
    """How bad a finding is."""

    GOOD = "good"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding: how bad, and one line with the number."""

    severity: Severity
    text: str


def examine(schedule: Schedule) -> tuple[Finding, ...]:
    """Return the findings, the most important first; never empty."""
    last, first = float(schedule.alpha_bar[-1]), float(schedule.alpha_bar[1])
    findings = []
    if last > 0.005:
        signal = f"{100.0 * float(schedule.a[-1]):.3g} % signal left at T (ᾱ_T = {last:.3g}):"
        findings.append(_warn(f"{signal} samples start from pure noise that is never reached"))
    else:
        findings.append(Finding(Severity.GOOD, f"Reaches noise: ᾱ_T = {last:.2g}"))
    if first < 0.99:
        findings.append(_warn(f"Starts noisy: ᾱ₁ = {first:.4g}, fine detail is lost at once"))
    findings.extend(_warn(note) for note in schedule.notes)
    return tuple(findings)


def _warn(text: str) -> Finding:
    return Finding(Severity.WARNING, text)
