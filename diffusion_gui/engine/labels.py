"""Which images of a set a label means. No torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from diffusion_gui.engine.errors import EngineError

MOST_COMPARED = 4000
"""So many names are searched for one spelled alike."""


def members(labels: Sequence[str], wanted: str) -> list[int]:
    """Return the images whose label is `wanted` or, where there are none, has it as words."""
    exact = [i for i, label in enumerate(labels) if label == wanted]
    found = exact or [i for i, label in enumerate(labels) if f" {wanted} " in f" {label} "]
    if not found:
        raise EngineError(f"no image has the label {wanted!r}: {_help(labels, wanted)}")
    return found


def _help(labels: Sequence[str], wanted: str) -> str:
    """Return what to write instead: what is spelled like it, else what many images have."""
    names = _names(labels)
    if not names:
        return "none has one; put images into class folders"
    usual = [name for name, _ in names.most_common(MOST_COMPARED)]
    near = get_close_matches(wanted.casefold(), usual, n=3)
    if near:
        return f"is it {_listed(near)}?"
    return f"there are {_listed(usual[:4])}" + (", and others" if len(usual) > 4 else "")


def _listed(names: Sequence[str]) -> str:
    *first, last = [repr(name) for name in names]
    return f"{', '.join(first)} or {last}" if first else last


def common(labels: Iterable[str]) -> list[str]:
    """Return what several images have in common: labels and words of labels, sorted."""
    return sorted((name for name, n in _names(labels).items() if n > 1), key=str.casefold)


def _names(labels: Iterable[str]) -> Counter[str]:
    """Return how many images each label, and each word of one, is of."""
    found = Counter[str]()
    for label, times in Counter(labels).items():
        words = {word for word in label.split() if word.replace("-", "").isalnum()}
        for name in {label, *words} - {""}:
            found[name] += times
    return found
