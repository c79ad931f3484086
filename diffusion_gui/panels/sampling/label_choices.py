"""What a label may be: a name that images have, words that a network was taught, or its classes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from diffusion_gui.engine.labels import common, members
from diffusion_gui.engine.networks import About, Told, check_label

OF_IMAGES = (
    "The model knows only the images with this label: a class folder of the tray,\n"
    "or a word of the emoji's names. Empty: all images."
)
OF_WORDS = (
    "What the network shall draw, in any of the words that it was taught, in any order:\n"
    "also together as in no picture of its training. Empty: whatever it likes. Enter samples."
)
OF_CLASSES = (
    "The class that the network shall draw, one of those it was taught.\n"
    "Empty: whatever it likes. Enter samples."
)


@dataclass(frozen=True, slots=True, eq=False)
class LabelChoices:
    """What is offered for a label, what is found by typing; `check` raises for what cannot be."""

    source: object
    offered: tuple[str, ...]
    found: tuple[str, ...]
    check: Callable[[str], object]
    tooltip: str
    placeholder: str
    title: str = "label"
    """What it is called."""
    by_word: bool = False
    """Whether words are found one by one, in a label of several."""

    def same(self, other: LabelChoices) -> bool:
        """Return whether these are the choices of `other`."""
        alike = isinstance(self.source, About) and self.source == other.source
        return self.source is other.source or alike


def of_images(labels: tuple[str, ...]) -> LabelChoices:
    """Return the labels of the images that a closed form learns from."""
    offered = tuple(common(labels))
    found = sorted({*offered, *labels} - {""}, key=str.casefold)
    return LabelChoices(
        labels,
        offered,
        tuple(found),
        lambda label: members(labels, label),
        OF_IMAGES,
        "type a label",
    )


def of_network(about: About) -> LabelChoices:
    """Return what a network can be told."""
    words = about.told is Told.WORDS
    whole = about.suggestions or about.vocabulary
    example = _example(about)
    return LabelChoices(
        about,
        whole,
        tuple(dict.fromkeys((*about.suggestions, *about.vocabulary))),
        lambda label: check_label(about, label),
        OF_WORDS if words else OF_CLASSES,
        f"type a {'caption' if words else 'class'}, e.g. {example}" if example else "",
        title="caption" if words else "class",
        by_word=words,
    )


def _example(about: About) -> str:
    """Return something that the network can be told."""
    if about.told is Told.WORDS and {"red", "heart"} <= set(about.vocabulary):
        return "red heart"
    return next(iter(about.suggestions or about.vocabulary), "")
