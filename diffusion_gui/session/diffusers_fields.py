"""The fields of a scheduler config, checked as they are read. Every error names the key.

A field that the config leaves out, or gives as null, has its class's default.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.session.diffusers_classes import (
    ALL_FIELDS,
    CLASSES,
    OLD_FIELDS,
    REQUIRED,
    UNKNOWN,
    SchedulerClass,
)

_MOST_NAMES = 12
_LONGEST = 40


class Fields:
    """One config with the row of its class; `notes` is what there is to say about them."""

    def __init__(self, config: Mapping[str, object]):
        """Find the class of `config`; raises EngineError where its schedule cannot be told."""
        self._config = config
        self.name = _class_name(config)
        self.row: SchedulerClass = CLASSES.get(self.name, UNKNOWN)
        self.notes: list[str] = []
        if self.row is UNKNOWN:
            self._check_unknown()
        self._note_unused()

    def value(self, key: str) -> object:
        """Return a field as it stands, its default, or None where the class does not have it."""
        if key not in self.row.fields:
            return None
        given = self._config.get(key)
        default = self.row.fields[key]
        if given is None and default is REQUIRED:
            raise EngineError(f"{key}: the key is missing; add it")
        return default if given is None else given

    def given(self, key: str) -> bool:
        """Whether the config itself has a value for a field that its class reads."""
        return key in self.row.fields and self._config.get(key) is not None

    def number(self, key: str, low: float, high: float) -> float:
        """Return a number in low..high."""
        value = self.value(key)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise EngineError(f"{key}: {short(value)} is not a number; write one without quotes")
        if not low <= value <= high:  # also where it is not a number at all (NaN)
            raise EngineError(
                f"{key}: {short(value)} is outside {low:g} to {high:g}; choose a value within"
            )
        return float(value)

    def whole(self, key: str, low: int, high: int) -> int:
        """Return a whole number in low..high; 1000.0 counts as one."""
        value = self.number(key, low, high)
        if value != math.floor(value):
            raise EngineError(f"{key}: {value:g} is not a whole number; round it")
        return int(value)

    def flag(self, key: str) -> bool:
        """Return true or false; false where the class does not have the field."""
        value = self.value(key)
        if value is None:
            return False
        if not isinstance(value, bool):
            raise EngineError(f"{key}: {short(value)} is neither true nor false; write one of them")
        return value

    def text(self, key: str, known: Collection[str]) -> str:
        """Return one of the names `known`; empty where the class does not have the field."""
        value = self.value(key)
        if value is None:
            return ""
        if not isinstance(value, str) or value not in known:
            names = ", ".join(known)
            raise EngineError(f"{key}: {short(value)} is not known; choose one of: {names}")
        return value

    def predicts_epsilon(self) -> bool:
        """Whether a config older than `prediction_type` says that noise is predicted."""
        return self._config.get("predict_epsilon") is not False

    def _check_unknown(self) -> None:
        readable = any(self._config.get(key) is not None
                       for key in ("trained_betas", "beta_schedule"))  # fmt: skip
        if not readable:
            what = f"{short(self.name)} is not known" if self.name else "the key is missing"
            raise EngineError(
                f"_class_name: {what}, and there is neither trained_betas nor beta_schedule to go"
                " by; add one of them"
            )
        if self.name:
            self.notes.append(
                f"the class {short(self.name)} is not known: its schedule is read from"
                " the beta fields alone"
            )

    def _note_unused(self) -> None:
        rest = [key for key in self._config if key not in self.row.fields and key[:1] != "_"]
        foreign = [key for key in rest if key in ALL_FIELDS]
        unknown = [key for key in rest if key not in ALL_FIELDS and key not in OLD_FIELDS]
        if foreign:
            owner = "a plain beta schedule" if self.row is UNKNOWN else self.name
            self.notes.append(f"{owner} does not use {_listed(foreign)}")
        if unknown:
            self.notes.append(f"unknown and left out: {_listed(unknown)}")


def short(value: object) -> str:
    """Return `value` on one line that is not too long."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "an object"
    text = repr(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."


def _class_name(config: Mapping[str, object]) -> str:
    name = config.get("_class_name")
    if name is None:
        return ""
    if not isinstance(name, str):
        raise EngineError(f"_class_name: {short(name)} is not text; write a scheduler's name")
    plain = name.removeprefix("Flax")
    return plain if plain in CLASSES else name


def _listed(keys: Iterable[str]) -> str:
    names = [key if key.isidentifier() and len(key) <= _LONGEST else short(key) for key in keys]
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more
