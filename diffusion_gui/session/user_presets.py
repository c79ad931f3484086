"""The user's own presets and recent schedules: one JSON file. Knows the engine, no Qt.

The file is an envelope {"format": "diffusion-gui-presets/1", "version": program version,
"presets": [{"name": ..., "schedule": ...}], "recent": [schedule, ...]}. Nothing in it is lost
silently: a file that cannot be read whole is set aside under another name, and what could be read
of it is kept.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from diffusion_gui import __version__
from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.schedules import PRESETS, ScheduleSpec
from diffusion_gui.session.files import atomic_write
from diffusion_gui.session.format import check_schedule, convert

FORMAT = "diffusion-gui-presets/1"
LONGEST_NAME = 60
MOST_RECENT = 10


class _Named(msgspec.Struct):
    name: str
    schedule: ScheduleSpec


class _Envelope(msgspec.Struct):
    format: str
    version: str
    presets: list[_Named]
    recent: list[ScheduleSpec]


@dataclass(frozen=True, slots=True)
class Shelf:
    """What the file holds: presets by name, and the recent schedules, newest first."""

    presets: Mapping[str, ScheduleSpec] = field(default_factory=dict)
    recent: tuple[ScheduleSpec, ...] = ()


@dataclass(frozen=True, slots=True)
class Reading:
    """What came out of a file, one line about what is wrong with it, and whether it may be
    replaced: not while it holds what could not be read."""

    shelf: Shelf = field(default_factory=Shelf)
    fault: str = ""
    replaceable: bool = True


def read(path: Path) -> Reading:
    """Read the file; a missing one is an empty shelf.

    A file with a fault is renamed, so that saving cannot overwrite it; the entries that are right
    are returned all the same.
    """
    try:
        shelf, faults = decode(path.read_bytes())
    except FileNotFoundError:
        return Reading()
    except OSError as error:
        reason = f"{path} cannot be read ({error.strerror or error})"
        return Reading(fault=f"Your presets: {reason}; they are not changed", replaceable=False)
    except EngineError as error:
        shelf, faults = Shelf(), [str(error)]
    if not faults:
        return Reading(shelf)
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    kept, moved = _set_aside(path)
    return Reading(shelf, f"Your presets: {faults[0]}{more}; {kept}", replaceable=moved)


def write(path: Path, shelf: Shelf) -> None:
    """Write the file, whole or not at all; raises EngineError where the file system refuses."""
    text = msgspec.json.format(encode(shelf), indent=2)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = error.strerror or str(error)
        raise EngineError(f"{path}: the folder cannot be made ({reason})") from None
    atomic_write(path, lambda file: file.write(text + b"\n"))


def encode(shelf: Shelf) -> bytes:
    """Return the shelf as JSON that `decode` reads back as an equal value."""
    presets = [_Named(name, spec) for name, spec in shelf.presets.items()]
    return msgspec.json.encode(_Envelope(FORMAT, __version__, presets, list(shelf.recent)))


def decode(data: bytes) -> tuple[Shelf, list[str]]:
    """Return the entries of a file that are right, and a line for each that is not.

    Raises EngineError when the file as a whole cannot be read.
    """
    try:
        raw = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise EngineError(f"the file is not JSON ({error})") from None
    if not isinstance(raw, dict) or raw.get("format") != FORMAT:
        raise EngineError(f'the file has no "format": "{FORMAT}"')
    faults: list[str] = []
    presets: dict[str, ScheduleSpec] = {}
    for place, entry in _entries(raw, "presets", faults):
        if named := _checked(entry, _Named, place, faults):
            _keep(presets, named, place, faults)
    recent = [
        spec
        for place, entry in _entries(raw, "recent", faults)
        if (spec := _checked(entry, ScheduleSpec, place, faults))
    ]
    return Shelf(presets, tuple(dict.fromkeys(recent))[:MOST_RECENT]), faults


def check_name(name: str) -> str:
    """Return `name` without outer and doubled blanks; raises EngineError if it cannot be one."""
    trimmed = " ".join(name.split())
    if not trimmed:
        raise EngineError("Give the preset a name")
    if len(trimmed) > LONGEST_NAME:
        raise EngineError(f"At most {LONGEST_NAME} letters, this name has {len(trimmed)}")
    if not trimmed.isprintable():
        raise EngineError("The name has a character that cannot be shown")
    return trimmed


def title(spec: ScheduleSpec) -> str:
    """Return a short name for a schedule, e.g. "Linear, T = 500" or "Cosine, drawn"."""
    if not spec.has_base:
        return f"Drawn curve, T = {spec.T}"
    parts = [PRESETS[spec.preset].title if spec.preset else "Table"]
    if spec.preset:
        parts += _unusual(spec)
    if spec.zero_terminal:
        parts.append("zero terminal SNR")
    if spec.scale != 1.0:
        parts.append(f"scaled by {spec.scale:.3g}")
    if spec.shift:
        parts.append(f"shifted by {spec.shift:.3g}")
    if spec.family:
        parts.append(spec.family.replace("_", "-").upper())
    if spec.T != 1000:
        parts.append(f"T = {spec.T}")
    if spec.points:
        parts.append("drawn")
    return ", ".join(parts)


def titles(specs: Iterable[ScheduleSpec]) -> tuple[str, ...]:
    """Return the short names of schedules, those that repeat with a number: "..., drawn (2)"."""
    seen: Counter[str] = Counter()
    result = []
    for spec in specs:
        name = title(spec)
        seen[name] += 1
        result.append(f"{name} ({seen[name]})" if seen[name] > 1 else name)
    return tuple(result)


def _unusual(spec: ScheduleSpec) -> list[str]:
    """Return "symbol = value" of the parameters that are not at their defaults."""
    given = dict(spec.params)
    return [
        f"{param.symbol} = {given[param.name]:.4g}"
        for param in PRESETS[spec.preset].params
        if param.name in given and given[param.name] != param.default
    ]


def _entries(raw: dict[str, Any], key: str, faults: list[str]) -> list[tuple[str, Any]]:
    """Return (place, value) for each entry of the list `key`."""
    values = raw.get(key, [])
    if not isinstance(values, list):
        faults.append(f"{key} is not a list")
        return []
    return [(f"{key}[{index}]", value) for index, value in enumerate(values)]


def _checked(raw: object, kind: type[Any], place: str, faults: list[str]) -> Any:
    """Return one entry as a `kind`, or None and a line in `faults`."""
    try:
        value = convert(raw, kind, place)
        if isinstance(value, _Named):
            value.name = check_name(value.name)
            check_schedule(value.schedule, f"{place}.schedule")
        else:
            check_schedule(value, place)
    except EngineError as error:
        faults.append(str(error))
        return None
    return value


def _keep(presets: dict[str, ScheduleSpec], named: _Named, place: str, faults: list[str]) -> None:
    if named.name in presets:
        faults.append(f"{place}: the name {named.name!r} is given twice")
    else:
        presets[named.name] = named.schedule


def _set_aside(path: Path) -> tuple[str, bool]:
    """Rename the file; return what became of it and whether that worked. Older ones stay."""
    number = 1
    while (place := path.with_name(f"{path.stem}-unreadable-{number}{path.suffix}")).exists():
        number += 1
    try:
        path.rename(place)
    except OSError as error:
        reason = error.strerror or str(error)
        return f"it cannot be moved ({reason}), so new presets are not saved", False
    return f"the file is kept as {place}", True
