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
