"""Reading schedules from files: our own .csv and .json, and diffusers' configs."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.schedules import Schedule, build
from diffusion_gui.session.diffusers_config import Imported, from_config
from diffusion_gui.session.diffusers_schedules import table_spec
from diffusion_gui.session.files import AnyPath

__all__ = ["READERS", "Imported", "load_schedule"]

_MOST_BYTES = 16 * 1024**2


def load_schedule(path: AnyPath, image_size: int | None = None) -> Imported:
    """Return the schedule in a .json or .csv file, with notes and what the file says of its use.

    The spec is the one the file was saved with, the preset that a config names, or a table of
    betas. `image_size` in pixels is for flows whose shift depends on it. Raises EngineError with
    one line that names the file, the key or row, and the mend.
    """
    file = Path(path)
    if file.suffix.lower() not in READERS:
        raise EngineError(
            f"{file}: a schedule can be read from {' or '.join(READERS)}; save it as one of these"
        )
    try:
        text = _read(file)
        _refuse_conflict(text)
        return READERS[file.suffix.lower()](text, image_size)
    except EngineError as error:
        raise EngineError(f"{file}: {error}") from None


def _read(file: Path) -> str:
    try:
        if file.stat().st_size > _MOST_BYTES:
            raise EngineError("the file is too large to be a schedule; choose another")
        return file.read_text(encoding="utf-8-sig")
    except OSError as error:
        reason = error.strerror or str(error)
        raise EngineError(f"cannot be read ({reason}); choose another file") from None
    except UnicodeError:
        raise EngineError("the file is not text; choose another") from None


def _from_json(text: str, image_size: int | None) -> Imported:
    try:
        config = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise EngineError(f"the file is not JSON ({error}); save it again") from None
    return from_config(config, image_size)


def _refuse_conflict(text: str) -> None:
    """Raise EngineError where git left both sides of a merge in the file."""
    for number, line in enumerate(text.splitlines(), start=1):
        if line.startswith(("<<<<<<<", ">>>>>>>", "=======")):
            raise EngineError(
                f"line {number} is a merge conflict ({line[:7]}); keep one of the two versions"
            )


def _from_csv(text: str, _: int | None) -> Imported:
    """Read columns t (0..T or 1..T) and beta; alpha_bar, where given, must follow from them."""
    rows = csv.DictReader(text.splitlines())
    try:
        fields, table = rows.fieldnames or [], list(rows)
    except csv.Error as error:
        raise EngineError(f"the file is not a table ({error}); save it again") from None
    for name in ("t", "beta"):
        if name not in fields:
            raise EngineError(f"there is no column {name!r} in the first line; add it")
    t, beta = (_column(table, name) for name in ("t", "beta"))
    first = int(t[0]) if len(t) and t[0] in (0.0, 1.0) else 0
    if not len(t) or not np.array_equal(t, first + np.arange(len(t))):
        raise EngineError("column t must count 0, 1, 2, ... without a gap; sort the rows")
    spec = table_spec(beta[1 - first :], "column beta")
    if "alpha_bar" in fields:
        _check_product(_column(table, "alpha_bar")[1 - first :], build(spec))
    return Imported(spec)


def _column(table: list[dict[str, str]], name: str) -> NDArray[np.float64]:
    values = np.empty(len(table))
    for index, row in enumerate(table):
        try:
            values[index] = float(row[name])
        except (TypeError, ValueError):
            raise EngineError(f"row {index + 2}: {name} = {row[name]!r} is not a number") from None
    return values


def _check_product(alpha_bar: NDArray[np.float64], own: Schedule) -> None:
    off = np.flatnonzero(~np.isclose(alpha_bar, own.alpha_bar[1:], rtol=1e-6, atol=1e-12))
    if off.size:
        t = int(off[0]) + 1
        raise EngineError(
            f"alpha_bar at t = {t} is {alpha_bar[t - 1]:g}, but the betas give"
            f" {own.alpha_bar[t]:g}; correct one of them or leave the column out"
        )


READERS: dict[str, Callable[[str, int | None], Imported]] = {
    ".json": _from_json,
    ".csv": _from_csv,
}
