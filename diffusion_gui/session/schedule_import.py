"""Reading schedules from files: our own .csv and .json, and diffusers' configs."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.schedules import (
    ControlPoint,
    Schedule,
    ScheduleSpec,
    build,
    from_betas,
)
from diffusion_gui.engine.schedules.curve import MIN_FALL
from diffusion_gui.session.diffusers_config import from_config
from diffusion_gui.session.files import AnyPath
from diffusion_gui.session.format import LOG_SNR_MOST

_MOST_BYTES = 16 * 1024**2


def load_schedule(path: AnyPath) -> tuple[Schedule, ScheduleSpec | None]:
    """Return the schedule in a .json or .csv file, and a spec that describes it exactly.

    The spec is the one the file was saved with, or a curve with a point at every t; None where no
    curve can be drawn through it (no signal at all left at some t). Raises EngineError with one
    line that names the file, the key or row, and the mend.
    """
    file = Path(path)
    if file.suffix.lower() not in READERS:
        raise EngineError(
            f"{file}: a schedule can be read from {' or '.join(READERS)}; save it as one of these"
        )
    try:
        schedule, spec = READERS[file.suffix.lower()](_read(file))
    except EngineError as error:
        raise EngineError(f"{file}: {error}") from None
    return schedule, spec or _through_every_t(schedule)


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


def _from_json(text: str) -> tuple[Schedule, ScheduleSpec | None]:
    try:
        config = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise EngineError(f"the file is not JSON ({error}); save it again") from None
    return from_config(config)


def _from_csv(text: str) -> tuple[Schedule, ScheduleSpec | None]:
    """Read columns t (0..T or 1..T) and beta; alpha_bar, where given, must follow from them."""
    rows = csv.DictReader(text.splitlines())
    fields = rows.fieldnames or []
    for name in ("t", "beta"):
        if name not in fields:
            raise EngineError(f"there is no column {name!r} in the first line; add it")
    table = list(rows)
    t, beta = (_column(table, name) for name in ("t", "beta"))
    first = int(t[0]) if len(t) and t[0] in (0.0, 1.0) else 0
    if not len(t) or not np.array_equal(t, first + np.arange(len(t))):
        raise EngineError("column t must count 0, 1, 2, ... without a gap; sort the rows")
    schedule = from_betas(beta[1 - first :])
    if "alpha_bar" in fields:
        _check_product(_column(table, "alpha_bar")[1 - first :], schedule)
    return schedule, None


def _column(table: list[dict[str, str]], name: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    values = np.empty(len(table))
    for index, row in enumerate(table):
        try:
            values[index] = float(row[name])
        except (TypeError, ValueError):
            raise EngineError(f"row {index + 2}: {name} = {row[name]!r} is not a number") from None
    return values


def _check_product(alpha_bar: np.ndarray[tuple[int], np.dtype[np.float64]], own: Schedule) -> None:
    off = np.flatnonzero(~np.isclose(alpha_bar, own.alpha_bar[1:], rtol=1e-6, atol=1e-12))
    if off.size:
        t = int(off[0]) + 1
        raise EngineError(
            f"alpha_bar at t = {t} is {alpha_bar[t - 1]:g}, but the betas give"
            f" {own.alpha_bar[t]:g}; correct one of them or leave the column out"
        )


def _through_every_t(schedule: Schedule) -> ScheduleSpec | None:
    """Return the drawn curve with a control point at every t, if it gives this very schedule."""
    T = schedule.T
    # a drawn curve is lowered by MIN_FALL per step so that it falls; raised by it, it stays put
    log_snr = schedule.log_snr[1:] + MIN_FALL * np.arange(T)
    falls = np.all(np.diff(log_snr) < 0.0)
    if not (falls and np.all(np.abs(log_snr) <= LOG_SNR_MOST)):
        return None
    u = np.linspace(0.0, 1.0, T)
    points = tuple(ControlPoint(float(x), float(y)) for x, y in zip(u, log_snr, strict=True))
    spec = ScheduleSpec("cosine", T, points=points)
    same = np.allclose(build(spec).beta, schedule.beta, rtol=1e-6, atol=1e-12)
    return spec if same else None


READERS: dict[str, Callable[[str], tuple[Schedule, ScheduleSpec | None]]] = {
    ".json": _from_json,
    ".csv": _from_csv,
}
