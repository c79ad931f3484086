"""Which images of a set a label means. No torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from diffusion_gui.engine.errors import EngineError


def members(labels: Sequence[str], wanted: str) -> list[int]:
    """Return the images whose label is `wanted` or, where there are none, has it as words."""
    exact = [i for i, label in enumerate(labels) if label == wanted]
    found = exact or [i for i, label in enumerate(labels) if f" {wanted} " in f" {label} "]
    if not found:
        known = ", ".join(sorted(set(labels) - {""})[:8]) or "none; put images into class folders"
        raise EngineError(f"no image has the label {wanted!r}; there are: {known}")
    return found


def common(labels: Iterable[str]) -> list[str]:
    """Return what several images have in common: labels and words of labels, sorted."""
    found = Counter[str]()
    for label, times in Counter(labels).items():
        words = {word for word in label.split() if word.replace("-", "").isalnum()}
        for name in {label, *words} - {""}:
            found[name] += times
    return sorted((name for name, times in found.items() if times > 1), key=str.casefold)
