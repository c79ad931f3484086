"""Trained networks as a run sees them: what one says of itself, and how it becomes a denoiser.

No torch. `session/networks.py` opens them; `denoisers/neural.py` and the checkpoints' wrappers are
what comes out.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.words import near, unknown

if TYPE_CHECKING:
    import torch

    from diffusion_gui.engine.denoisers.base import Denoiser


class Told(StrEnum):
    """What a network may be told of the picture it shall draw."""

    NOTHING = "nothing"
    WORDS = "words"
    """The words of a caption, in any order, each of the vocabulary."""
    CLASS = "class"
    """One name of the vocabulary."""


@dataclass(frozen=True, slots=True)
class About:
    """What a network says of itself before it is loaded."""

    name: str
    size: int
    """Side of its square pictures in pixels."""
    told: Told = Told.NOTHING
    vocabulary: tuple[str, ...] = ()
    """The words or classes that it knows, sorted."""
    suggestions: tuple[str, ...] = ()
    """Whole captions that it was trained with, where they are known."""
    parameters: int = 0
    sigma_min: float = 0.0
    sigma_max: float = float("inf")
    """The noise-to-signal ratios it was trained between; beyond them it is told the nearer end."""
    source: str = ""
    """In a few words where it comes from: "trained on the emoji set, 12,000 steps"."""


class Network(Protocol):
    """A trained network, in memory or opened when it is asked for."""

    @property
    def about(self) -> About:
        """What it says of itself."""
        ...

    def denoiser(self, device: torch.device, label: str) -> Denoiser:
        """Return D on a device, told `label` (`check_label`), or nothing if that is empty."""
        ...


@runtime_checkable
class Paired(Protocol):
    """A network that can be told a label and nothing in one call, for guidance away from itself."""

    def both(self, device: torch.device, label: str) -> Denoiser:
        """Return what gives both estimates [B, 2 C, H, W], that of D told `label` first."""
        ...


def check_label(about: About, label: str) -> None:
    """Raise EngineError where a network cannot be told `label`; says what is spelled like it."""
    if not label:
        return
    if about.told is Told.NOTHING:
        raise EngineError(f"{about.name} was trained without labels: take {label!r} away")
    if about.told is Told.CLASS:
        if label not in about.vocabulary:
            found = get_close_matches(label, about.vocabulary, n=3) or about.vocabulary[:3]
            said = ", ".join(map(repr, found))
            raise EngineError(f"{about.name} has no class {label!r}: is it one of {said}?")
        return
    for word in unknown(label, frozenset(about.vocabulary)):
        like = near(word, about.vocabulary)
        hint = f"is it {like!r}?" if like else "use words of its captions"
        raise EngineError(f"{about.name} was not taught the word {word!r}: {hint}")


def described(about: About) -> str:
    """Return in a few sentences what a network is."""
    size = f"{about.parameters / 1e6:.1f} million parameters, " if about.parameters else ""
    parts = [f"{about.name}: {about.source}." if about.source else f"{about.name}."]
    parts.append(f"{size}pictures of {about.size} × {about.size}.".capitalize())
    if about.sigma_max < float("inf"):
        between = f"{about.sigma_min:.3g} to {about.sigma_max:.3g}"
        parts.append(f"It was told noise levels σ from {between}; beyond, the nearer end.")
    return " ".join(parts)


def check_size(about: About, size: int) -> None:
    """Raise EngineError where pictures of `size` pixels are not what a network draws."""
    if size != about.size:
        raise EngineError(
            f"{about.name} draws pictures of {about.size} x {about.size}: choose {about.size} px"
        )
