"""A schedule as columns of numbers over t: read from text, one replaced, one number replaced.

Every edit returns the spec of a table of betas in the same family, and keeps what it does not
speak of: another number of a column never moves a beta that it does not have to. Numbers that
equal those of the schedule keep its exact levels, so that a column copied and pasted back changes
nothing. NumPy only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.schedules.build import build, family_of
from diffusion_gui.engine.schedules.operations import table
from diffusion_gui.engine.schedules.quantities import QUANTITIES
from diffusion_gui.engine.schedules.schedule import (
    MAX_STEPS,
    Array,
    Schedule,
    ScheduleSpec,
    from_log_snr,
)


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its symbol, what it means, its numbers at t = 0..T, and the way back."""

    symbol: str
    meaning: str
    values: Callable[[Schedule], Array]
    domain: str = ""
    """The range of its numbers in words; empty where they cannot be edited."""
    inside: Callable[[Array], NDArray[np.bool_]] = np.isfinite
    """Where numbers are in that range."""
    clean: float = 0.0
    """Its number at t = 0."""
    log_snr: Callable[[Array], Array] | None = None
    """The levels that its numbers stand for; None for one that belongs to a step."""


def with_column(spec: ScheduleSpec, name: str, values: Sequence[float]) -> ScheduleSpec:
    """Return the schedule whose column `name` is `values` at t = 1..T, or at t = 0..T.

    A number at t = 0 is known by its value, that of a clean picture. T becomes their count, 1 to
    10,000. Raises EngineError where they do not describe a schedule, naming the first t.
    """
    column, numbers = _editable(name), _from_1_on(name, values)
    if not 1 <= len(numbers) <= MAX_STEPS:
        raise EngineError(
            f"a schedule has 1 to {MAX_STEPS:,} steps, but the column has {len(numbers):,} numbers"
        )
    _check_domain(column, numbers, 1)
    now = build(spec)
    same = len(numbers) == now.T and numbers == column.values(now)[1:]
    if np.all(same):
        return spec
    kept = np.flatnonzero(same)
    if column.log_snr is None:
        betas = _betas(name, numbers)
    else:
        level = column.log_snr(numbers)
        level[kept] = now.log_snr[kept + 1]
        _check_fall(column, numbers, level)
        betas = from_log_snr(level).beta[1:].copy()
        kept = kept[np.isin(kept - 1, kept) | (kept == 0)]  # steps between two known levels
    betas[kept] = now.beta[kept + 1]
    return _table(spec, betas)


def with_value(spec: ScheduleSpec, name: str, t: int, value: float) -> ScheduleSpec:
    """Return `spec` with one number of column `name` at `t` in 1..T replaced.

    A beta (or alpha) leaves every other beta as it is; a level (alpha-bar, SNR, sigma) leaves every
    other level. Raises EngineError where the number is out of range, naming t and the range.
    """
    column, now = _editable(name), build(spec)
    if not 1 <= t <= now.T:
        raise EngineError(f"{column.symbol} can be changed at t = 1 to {now.T}, not at t = {t}")
    number = np.array([value], dtype=np.float64)
    if value == column.values(now)[t]:
        return spec
    _check_domain(column, number, t)
    if column.log_snr is None:
        return with_part(spec, name, t, [value])
    level = float(column.log_snr(number)[0])
    low, high = _bounds(column, now, t)
    below = now.log_snr[t + 1] if t < now.T else -np.inf
    last = t == now.T and np.isneginf(level)
    if not (last or (low < value < high and now.log_snr[t - 1] > level > below)):
        raise EngineError(_between(column, t, low, high, value))
    levels, betas = now.log_snr[1:].copy(), now.beta[1:].copy()
    levels[t - 1] = level
    betas[t - 1 : t + 1] = from_log_snr(levels).beta[t : t + 2]
    return _table(spec, betas)


def with_part(spec: ScheduleSpec, name: str, t: int, values: Sequence[float]) -> ScheduleSpec:
    """Return `spec` with the betas (or alphas) from `t` in 1..T on replaced, every other kept."""
    column, now = _editable(name), build(spec)
    numbers = np.asarray(values, dtype=np.float64)
    if column.log_snr is not None:
        raise EngineError(
            f"only β and α can be replaced in part; a column of {column.symbol} has"
            f" {now.T:,} numbers (t = 1 to {now.T}), not {len(numbers):,}"
        )
    if not 1 <= t <= now.T + 1 - len(numbers):
        raise EngineError(
            f"{len(numbers):,} numbers from t = {t} on go beyond T = {now.T}; paste at most"
            f" {max(now.T + 1 - t, 0):,}, or at t = 0 for a schedule of {len(numbers):,} steps"
        )
    _check_domain(column, numbers, t)
    betas = now.beta[1:].copy()
    betas[t - 1 : t - 1 + len(numbers)] = _betas(name, numbers)
    return _table(spec, betas)


def pasted(spec: ScheduleSpec, name: str, t: int, values: Sequence[float]) -> ScheduleSpec:
    """Return what `values` make of `spec` when they are pasted into column `name` at row `t`.

    One number replaces that at t. T numbers (or those of t = 0..T) are the whole column. At t = 0
    or 1 a column of another length makes a schedule of that length; but a few betas (or alphas)
    replace those from t >= 1 on, unless they begin with that of t = 0.
    """
    column, T = _editable(name), build(spec).T
    numbers = _from_1_on(name, values)
    whole = len(numbers) < len(values)
    if len(numbers) == 1 and not whole:
        return with_value(spec, name, t, float(numbers[0]))
    downward = column.log_snr is None and (t > 1 or (t == 1 and len(numbers) < T and not whole))
    if len(numbers) == T or (t <= 1 and not downward):
        return with_column(spec, name, values)
    return with_part(spec, name, t, numbers.tolist())


# --- checks -------------------------------------------------------------------------------------


def _editable(name: str) -> Column:
    column = COLUMNS.get(name)
    if column is None or not column.domain:
        names = ", ".join(row.symbol for row in COLUMNS.values() if row.domain)
        symbol = column.symbol if column else name
        raise EngineError(f"{symbol} follows from the other columns; change one of {names}")
    return column


def _from_1_on(name: str, values: Sequence[float]) -> Array:
    """Return the numbers without that of the clean picture at t = 0, if they begin with it."""
    numbers = np.asarray(values, dtype=np.float64)
    return numbers[1:] if len(numbers) > 1 and numbers[0] == COLUMNS[name].clean else numbers


def _check_domain(column: Column, numbers: Array, first: int) -> None:
    bad = np.flatnonzero(~column.inside(numbers))
    if bad.size:
        t, value = first + int(bad[0]), float(numbers[bad[0]])
        raise EngineError(f"{column.symbol} must be {column.domain}, but is {value:.6g} at t = {t}")


def _check_fall(column: Column, numbers: Array, level: Array) -> None:
    """Refuse levels that do not fall from each t to the next."""
    rises = ~(np.diff(level) < 0.0)
    if not rises.any():
        return
    t = int(np.argmax(rises)) + 1
    before, after = (float(number) for number in numbers[t - 1 : t + 1])
    must = "rise" if column.symbol == "σ" else "fall"
    mend = "; it runs from T to 1: turn it round" if rises.all() and len(level) > 2 else ""
    raise EngineError(
        f"{column.symbol} must {must} at every step, but goes from {before:.6g} at t = {t} to"
        f" {after:.6g} at t = {t + 1}{mend}"
    )


def _bounds(column: Column, now: Schedule, t: int) -> tuple[float, float]:
    """Return the numbers between which that at `t` must lie: its neighbours', the end at T."""
    numbers = column.values(now)
    end = np.inf if column.symbol == "σ" else 0.0
    low, high = sorted((float(numbers[t - 1]), float(numbers[t + 1]) if t < now.T else end))
    return low, high


def _between(column: Column, t: int, low: float, high: float, value: float) -> str:
    """Return the line that names the range, with as many digits as tell its ends apart."""
    for digits in range(4, 18):
        texts = [f"{number:.{digits}g}" for number in (low, high, value)]
        if len(set(texts)) == 3:
            break
    return (
        f"{column.symbol} at t = {t} must lie between {texts[0]} and {texts[1]}, its neighbours,"
        f" but is {texts[2]}"
    )


def _betas(name: str, numbers: Array) -> Array:
    return 1.0 - numbers if name == "alpha" else numbers.copy()


def _table(spec: ScheduleSpec, betas: Array) -> ScheduleSpec:
    """Return the table in the family of `spec`; no signal may be left at T only."""
    none_left = np.flatnonzero(betas[:-1] >= 1.0)
    if none_left.size:
        t = int(none_left[0]) + 1
        raise EngineError(f"β = 1 leaves no signal and may stand at T only, but is at t = {t}")
    made = table(betas, family_of(spec).value)
    build(made)
    return made


# --- numbers in text ----------------------------------------------------------------------------

_SPACES = re.compile(r"[\s;]+")
_NOISE = str.maketrans("", "", "[](){}\"'")


def read_number(text: str) -> float:
    """Return the number that `text` is; a decimal comma will do. Raises EngineError otherwise."""
    value = _number(text.strip())
    if value is None and text.count(",") == 1 and "." not in text:
        value = _number(text.strip().replace(",", "."))
    if value is None:
        raise EngineError(f"{_short(text)} is not a number; type one such as 0.0125 or 1.25e-2")
    return value


def read_numbers(text: str, name: str = "") -> list[float]:
    """Return the numbers of a clipboard: one a line, or parted by tabs, spaces, `;` or `,`.

    A first line without numbers is a header. Of a table with several columns the one whose header
    is `name` is read. Raises EngineError for what is not a number, naming its line.
    """
    lines = [line.translate(_NOISE).strip() for line in text.splitlines()]
    rows = [(place, line) for place, line in enumerate(lines, 1) if line.strip(",;")]
    if not rows:
        raise EngineError("the clipboard holds no numbers; copy a column of numbers first")
    header = rows[0][1] if not _any_number(rows[0][1]) else ""
    rows = _one_column(rows, header, name)[1 if header else 0 :]
    if not rows:
        raise EngineError(f"the clipboard holds {_short(text)}, no numbers; copy some first")
    decimal = _decimal_commas([line for _, line in rows])
    numbers: list[float] = []
    for place, line in rows:
        for word in _words(line, decimal):
            value = _number(word)
            if value is None:
                raise EngineError(f"{_short(word)} in line {place} is not a number; remove it")
            numbers.append(value)
        if len(numbers) > MAX_STEPS + 1:
            raise EngineError(
                f"the clipboard holds more than {MAX_STEPS + 1:,} numbers, but a schedule has at"
                f" most {MAX_STEPS:,} steps; copy fewer"
            )
    return numbers


def _one_column(rows: list[tuple[int, str]], header: str, name: str) -> list[tuple[int, str]]:
    """Return the rows of the column `name` where they form a table, else the rows themselves."""
    separators = "\t;," if header else "\t"
    for separator in separators:
        cells = [line.split(separator) for _, line in rows]
        if len(rows) < 2 or len({len(row) for row in cells}) != 1 or len(cells[0]) < 2:
            continue
        names = [cell.strip() for cell in header.split(separator)]
        if name not in names:
            raise EngineError(
                f"the clipboard holds {len(cells[0])} columns, none named {name}; copy one of them"
            )
        at = names.index(name)
        return [(place, row[at]) for (place, _), row in zip(rows, cells, strict=True)]
    return rows


def _decimal_commas(lines: list[str]) -> bool:
    """Return whether commas are decimal points: no point anywhere, one comma a word, no list."""
    if any("." in line for line in lines):
        return False
    words = [word for line in lines for word in _SPACES.split(line) if "," in word]
    single = all(word.count(",") == 1 and not word.endswith(",") for word in words)
    return single and all(_number(word.replace(",", ".")) is not None for word in words)


def _words(line: str, decimal: bool) -> list[str]:
    line = line.replace(",", "." if decimal else " ")
    return [word for word in _SPACES.split(line) if word]


def _any_number(line: str) -> bool:
    return any(_number(word) is not None for word in re.split(r"[\s;,]+", line))


def _number(word: str) -> float | None:
    if "_" in word:  # Python's own digit groups
        return None
    try:
        return float(word.replace("∞", "inf").replace("−", "-"))
    except ValueError:
        return None


def _short(text: str) -> str:
    line = " ".join(text.split())
    return f"“{line[:24]}…”" if len(line) > 25 else f"“{line}”"


# --- the columns --------------------------------------------------------------------------------


def _log(values: Array) -> Array:
    with np.errstate(divide="ignore"):
        return np.log(values)


COLUMNS: dict[str, Column] = {
    "beta": Column(
        "β", "noise added by the step from t − 1 to t, by variance", lambda s: s.beta,
        "above 0 and at most 1", lambda v: (v > 0.0) & (v <= 1.0),
    ),
    "alpha": Column(
        "α", "signal kept by the step from t − 1 to t, by variance: 1 − β", lambda s: s.alpha,
        "at least 0 and below 1", lambda v: (v >= 0.0) & (v < 1.0), 1.0,
    ),
    "alpha_bar": Column(
        "ᾱ", "signal left at t, by variance: the product of all α up to t", lambda s: s.alpha_bar,
        "at least 0 and below 1", lambda v: (v >= 0.0) & (v < 1.0), 1.0,
        lambda v: _log(v) - np.log1p(-v),
    ),
    "snr": Column(
        "SNR", "signal-to-noise ratio at t, by variance: ᾱ/(1−ᾱ)", QUANTITIES["snr"].values,
        "at least 0 and finite", lambda v: (v >= 0.0) & np.isfinite(v), np.inf, _log,
    ),
    "sigma": Column(
        "σ", "noise per unit of signal at t: √((1−ᾱ)/ᾱ)", lambda s: s.sigma,
        "above 0", lambda v: v > 0.0, 0.0, lambda v: -2.0 * np.log(v),
    ),
    "posterior_variance": Column(
        "β̃", "variance of the step back from t to t − 1, x₀ known (posterior variance)",
        lambda s: s.posterior_variance,
    ),
}  # fmt: skip
