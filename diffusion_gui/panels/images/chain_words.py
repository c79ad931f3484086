"""What the chain page says in words: captions, the sentence that reads the numbers, notes."""

from __future__ import annotations

from diffusion_gui.engine.chain import Comparison
from diffusion_gui.engine.numerals import spelled
from diffusion_gui.engine.schedules.schedule import Family
from diffusion_gui.panels.images.chain_table import STRIKING
from diffusion_gui.state.chain import Look

HARDLY = 0.05
"""Mean factor below which a picture cannot be seen any more."""
_FAMILIES = {
    Family.VE: "VE",
    Family.SUB_VP: "sub-VP",
    Family.FLOW: "flow",
}


def captions(look: Look) -> tuple[tuple[str, ...], ...]:
    """Return the lines above chain, closed form and difference, the longest first."""
    times = f"{look.k} times" if look.k != 1 else "once"
    chain: tuple[str, ...] = (
        f"Markov chain: q(𝑥ₜ | 𝑥ₜ₋₁) applied {times}",
        f"chain: q(𝑥ₜ | 𝑥ₜ₋₁) {times}",
        f"q(𝑥ₜ|𝑥ₜ₋₁) {times}",
        f"{look.k} steps" if look.k != 1 else "1 step",
        f"{look.k}×",
    )
    if look.walking:
        at = f"{look.k} of {look.t}"
        chain = (f"chain at t = {at}", f"t = {at}", at)
    jump = (
        "closed form: one jump from 𝑥₀, q(𝑥ₜ | 𝑥₀)",
        "jump: q(𝑥ₜ | 𝑥₀) once",
        "q(𝑥ₜ|𝑥₀) once",
        "1 jump",
    )
    difference: tuple[str, ...] = (
        "difference: chain − closed form",
        "chain − closed form",
        "difference",
        "Δ",
    )
    if look.walking:
        difference = ("difference: once the chain is there", "difference: not yet", "not yet")
    return chain, jump, difference


def lesson(look: Look) -> tuple[str, ...]:
    """Return what is to be seen now, in plain words: at length, and in one line."""
    t = look.t
    if look.walking:
        way = f"The chain takes every step: it is at t = {look.k} of {t}."
        return f"{way} The closed form is there already, with a single draw of noise.", way
    if t == 0:
        return (
            "At t = 0 there is no noise yet: both are the picture itself, pixel for pixel.",
            "At t = 0 both are the picture itself, pixel for pixel.",
        )
    if look.comparison is None:
        return (
            "A single pixel has no sample variance: choose a larger picture to compare.",
            "A single pixel has no sample variance.",
        )
    return _compared(look, look.comparison)


def _compared(look: Look, found: Comparison) -> tuple[str, ...]:
    """Return what the numbers say. Each row is that many standard errors off, or fewer."""
    t = look.t
    name, score = max(found.scores.items(), key=lambda item: abs(item[1]))
    off = f"{abs(score):.1f}"
    if abs(score) > STRIKING:
        striking = f"The {name} is {off} standard errors off"
        return f"{striking}, which chance does rarely: redraw the chain, and see.", f"{striking}."
    within = f"within {off} standard errors"
    if t > 1 and look.closed[0] < HARDLY:
        return (
            "Hardly anything of the picture is left: both are noise, not the same noise, but"
            f" N(0, 1) {within}. {t} steps or one: the same distribution.",
            f"Both are noise, N(0, 1) {within}.",
        )
    if t == 1:
        return (
            "One step is one jump: the same formula with two draws of noise. Pixels differ, the"
            f" distribution is the same, {within}.",
            f"One step is one jump: the same {within}.",
        )
    return (
        f"{t} steps or one jump: the pixels differ, the distribution is the same, {within}."
        " So 𝑥ₜ = √ᾱ 𝑥₀ + √(1−ᾱ) ε may stand for the whole chain.",
        f"{t} steps or one: the same {within}.",
    )


def notes(look: Look) -> str:
    """Return what else one should know about the numbers."""
    parts = []
    if look.schedule.family in _FAMILIES:
        parts.append(f"VP twin of the {_FAMILIES[look.schedule.family]} process")
    if look.forward.offset:
        parts.append(f"offset {spelled(look.forward.offset)} in both")
    if look.comparison is not None:
        height, width = look.chain.pixels.shape[:2]
        values = f"{look.comparison.values:,}".replace(",", "\u202f")
        parts.append(f"𝑛 = {values} ({width} × {height})")
    return "   ".join(parts)
