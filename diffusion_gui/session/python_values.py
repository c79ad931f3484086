"""Values as Python source that makes them again: short, only what differs from the defaults.

Standard library only. What is written evaluates to an equal value, whatever its length.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from enum import Enum
from typing import Any

WIDTH = 96
"""Characters in a line, where it can be broken."""


@dataclasses.dataclass(frozen=True, slots=True)
class Raw:
    """Source that stands as it is."""

    text: str


@dataclasses.dataclass(frozen=True, slots=True)
class Call:
    """A call of `name`; arguments with an empty key are positional."""

    name: str
    arguments: tuple[tuple[str, Any], ...]


def call(name: str, *positional: object, **named: object) -> Call:
    """Return a call with these arguments."""
    return Call(name, (*(("", value) for value in positional), *named.items()))


def of(value: object) -> Any:
    """Return a value as what `written` takes; dataclasses become calls without their defaults."""
    if isinstance(value, Enum):
        return Raw(f"{type(value).__name__}.{value.name}")
    if dataclasses.is_dataclass(value) and not isinstance(value, type | Raw | Call):
        pairs = ((f.name, getattr(value, f.name)) for f in _changed(value))
        return Call(type(value).__name__, tuple((name, of(part)) for name, part in pairs))
    if isinstance(value, tuple):
        return tuple(of(part) for part in value)
    return value


def _changed(value: Any) -> Iterable[dataclasses.Field[Any]]:
    for row in dataclasses.fields(value):
        default = row.default
        if row.default_factory is not dataclasses.MISSING:
            default = row.default_factory()
        if default is dataclasses.MISSING or getattr(value, row.name) != default:
            yield row


def names_in(node: object) -> set[str]:
    """Return the names that are called, or whose members are named, in what is written."""
    if isinstance(node, Call):
        inner = (names_in(part) for _, part in node.arguments)
        return {node.name.partition(".")[0]}.union(*inner)
    if isinstance(node, tuple):
        return set().union(*map(names_in, node))
    return {node.text.partition(".")[0]} if isinstance(node, Raw) else set()


def written(node: object, indent: int = 0, before: int = 0) -> str:
    """Return source of a node; `before` characters stand before it in its line."""
    line = _flat(node)
    if indent + before + len(line) <= WIDTH or not isinstance(node, Call | tuple | str):
        return line
    inner = indent + 4
    pad, end = " " * inner, " " * indent
    if isinstance(node, str):
        pieces = (node[i : i + WIDTH - inner - 2] for i in range(0, len(node), WIDTH - inner - 2))
        return f"(\n{''.join(f'{pad}{_text(piece)}{chr(10)}' for piece in pieces)}{end})"
    if isinstance(node, Call):
        rows = []
        for key, value in node.arguments:
            head = f"{key}=" if key else ""
            rows.append(f"{pad}{head}{written(value, inner, len(head) + 1)},\n")
        return f"{node.name}(\n{''.join(rows)}{end})"
    if all(isinstance(part, float | int) for part in node):
        return f"(\n{_filled(list(map(_flat, node)), pad)}{end})"
    return f"(\n{''.join(f'{pad}{written(part, inner, 1)},{chr(10)}' for part in node)}{end})"


def _filled(parts: list[str], pad: str) -> str:
    """Return numbers in lines that are as full as they may be."""
    lines, line = [], pad
    for part in parts:
        if len(line) + len(part) + 1 > WIDTH and line != pad:
            lines.append(line.rstrip() + "\n")
            line = pad
        line += f"{part}, "
    return "".join([*lines, line.rstrip() + "\n"])


def _flat(node: object) -> str:
    if isinstance(node, Raw):
        return node.text
    if isinstance(node, Call):
        parts = (f"{key}={_flat(value)}" if key else _flat(value) for key, value in node.arguments)
        return f"{node.name}({', '.join(parts)})"
    if isinstance(node, tuple):
        return f"({', '.join(map(_flat, node))}{',' * (len(node) == 1)})"
    if isinstance(node, str):
        return _text(node)
    return repr(node)


def _text(text: str) -> str:
    """Return a string in double quotes where that needs no more escapes."""
    plain = repr(text)
    simple = plain[0] == "'" and '"' not in plain and "\\" not in plain
    return f'"{text}"' if simple else plain
