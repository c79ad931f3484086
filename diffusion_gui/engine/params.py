"""Parameters as data: the rows from which forms, command line choices and checks are built.

A preset or a sampler declares its parameters once, as `Param` rows; values travel as
`Values`, a sorted tuple of (name, value) pairs, so that they are hashable and readable in files.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from diffusion_gui.engine.errors import EngineError

Values = tuple[tuple[str, float], ...]
_MOST_LETTERS = 20
"""Of what is no number that a message repeats."""


@dataclass(frozen=True, slots=True)
class Param:
    """One numeric parameter: its name in files, its symbol on screen, its range and meaning."""

    name: str
    symbol: str
    default: float
    minimum: float
    maximum: float
    tooltip: str
    decimals: int = 4
    choices: tuple[str, ...] = ()
    """Names of the values 0, 1, 2, ...; when given, the parameter is a choice, not a number."""
    words: str = ""
    """What it is in words with its symbol, where the symbol alone does not say it."""

    @property
    def caption(self) -> str:
        """Its name where there is room for words."""
        return self.words or self.symbol

    def clamp(self, value: float) -> float:
        """Return `value` moved into [minimum, maximum]."""
        return min(max(value, self.minimum), self.maximum)


def pack(values: Mapping[str, float]) -> Values:
    """Return `values` as a sorted tuple of pairs."""
    return tuple(sorted((name, float(value)) for name, value in values.items()))


def known(params: Iterable[Param], values: Values) -> Values:
    """Return those of `values` that are parameters among `params`, moved into their ranges."""
    rows = {param.name: param for param in params}
    return tuple((name, rows[name].clamp(value)) for name, value in values if name in rows)


def resolve(params: Iterable[Param], values: Values, owner: str) -> dict[str, float]:
    """Return every parameter's value, defaults filled in.

    Raises EngineError for a name `owner` does not have and for a value outside its range.
    """
    rows = {param.name: param for param in params}
    resolved = {name: param.default for name, param in rows.items()}
    for name, value in values:
        if name not in rows:
            known = ", ".join(rows) or "none"
            raise EngineError(f"{owner} has no parameter {name!r}; it has: {known}")
        row = rows[name]
        if not row.minimum <= value <= row.maximum:
            raise EngineError(
                f"{owner}: {name} = {value:g} is outside {row.minimum:g} to {row.maximum:g}"
            )
        if row.choices and value != int(value):
            raise EngineError(f"{owner}: {name} = {value:g} is none of 0..{len(row.choices) - 1}")
        resolved[name] = value
    return resolved


def numbers_in(text: str) -> tuple[float, ...]:
    """Return the numbers in "14.6, 3.9, 0.9", apart by commas, semicolons or blanks.

    Raises EngineError, naming it, for what is no finite number, and where there is none.
    """
    parts = re.split(r"[\s,;]+", text.strip(" \t\r\n,;"))
    if parts == [""]:
        raise EngineError("there is no number; write some, as in 14.6, 3.9, 0.9")
    numbers = []
    for part in parts:
        try:
            number = float(part)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            shown = part if len(part) <= _MOST_LETTERS else f"{part[:_MOST_LETTERS]}…"
            raise EngineError(f"{shown!r} is not a number; write some, as in 14.6, 3.9, 0.9")
        numbers.append(number)
    return tuple(numbers)
