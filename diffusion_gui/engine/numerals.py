"""How numbers are spelled for people. Imports nothing of the package."""

from __future__ import annotations

import re

_EXPONENT = re.compile(r"e([+-])0*(\d+)")


def spelled(value: float, digits: int = 3) -> str:
    """Return a number with so many significant digits: 0.02, 2.4e-9, 120, 1.5e6.

    Powers of ten are short, and there are none below a million.
    """
    text = f"{value:.{digits}g}"
    if "e+" in text and abs(value) < 1e6:
        return f"{float(text):.0f}"
    return plain_exponent(text)


def plain_exponent(text: str) -> str:
    """Return a number in Python's spelling without what an exponent can do without."""
    return _EXPONENT.sub(lambda found: f"e{found[1].replace('+', '')}{found[2]}", text)


def size(nbytes: float) -> str:
    """Return a size with sensible digits: 41 kB, 3.9 MB, 2.1 GB."""
    for unit, each in (("GB", 1e9), ("MB", 1e6)):
        if nbytes >= each:
            return (
                f"{nbytes / each:.1f} {unit}"
                if nbytes < 10 * each
                else f"{nbytes / each:.0f} {unit}"
            )
    return f"{nbytes / 1e3:.0f} kB"
