"""Captions as words. No torch."""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches


def unknown(caption: str, vocabulary: Collection[str]) -> list[str]:
    """Return the words of `caption` that the vocabulary does not have, in order."""
    return [word for word in split(caption) if word not in vocabulary]


def near(word: str, vocabulary: Collection[str]) -> str:
    """Return the word of the vocabulary that is spelled most like `word`, "" for none."""
    return next(iter(get_close_matches(word, vocabulary, n=1)), "")


def split(caption: str) -> list[str]:
    """Return the words of a caption: lower case, without punctuation, "&" as a word."""
    kept = (c if c.isalnum() or c in "&#*" else "" if c in "'’" else " " for c in caption.lower())
    return "".join(kept).split()
