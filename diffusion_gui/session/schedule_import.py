"""Reading schedules from files: what this program writes, diffusers' configs, lists and weights.

Here are the files that are text; `schedule_weights.py` has the binary ones.
"""

from __future__ import annotations

import csv
import json
import re
import warnings
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.schedules import MAX_STEPS, Family, Schedule, ScheduleSpec, build
from diffusion_gui.session.diffusers_config import Imported, from_config
from diffusion_gui.session.export import FLOW_LINE, METADATA_KEY, SCHEDULE_KEY
from diffusion_gui.session.files import AnyPath
from diffusion_gui.session.format import check_schedule, convert, decode
from diffusion_gui.session.schedule_numbers import (
    family_named,
    of_alpha_bar,
    of_betas,
    of_either,
    of_log_snr,
    of_sigmas,
)
from diffusion_gui.session.schedule_source import from_python
from diffusion_gui.session.schedule_svg import kept_in
from diffusion_gui.session.schedule_weights import (
    NoScheduleError,
    from_npy,
    from_npz,
    from_safetensors,
    from_torch,
)

__all__ = [
    "READERS",
    "Imported",
    "NoScheduleError",
    "holds_schedule",
    "load_schedule",
    "schedule_in",
]

CONFIG_NAME = "scheduler_config.json"
_MOST_BYTES = 16 * 1024**2
_LONGEST_WORD = 40


def load_schedule(path: AnyPath, image_size: int | None = None) -> Imported:
    """Return the schedule in a file, or in a diffusers folder, with notes and what it says of use.

    The spec is the one the file was saved with, the preset that a config names, or a table of
    betas. `image_size` in pixels is for flows whose shift depends on it. Raises EngineError with
    one line that names the file, the key or row, and the mend; it is a NoScheduleError where a file
    of weights has no schedule in it.
    """
    file = _config_in(Path(path))
    reader = READERS.get(file.suffix.lower())
    if reader is None:
        known = ", ".join(READERS)
        raise EngineError(
            f"{file}: a schedule can be read from {known}, or a diffusers folder; save it as one"
        )
    try:
        return reader(file, image_size)
    except EngineError as error:
        kind = NoScheduleError if isinstance(error, NoScheduleError) else EngineError
        raise kind(f"{file}: {error}") from None
    except OSError as error:
        reason = error.strerror or str(error)
        raise EngineError(f"{file}: cannot be read ({reason}); choose another file") from None


def schedule_in(text: str) -> Imported:
    """Return the schedule in a pasted text: a config, a table, Python source, or a list of numbers.

    Numbers alone are betas or alphas_cumprod where they can be, else sigmas. Raises EngineError,
    one line.
    """
    try:
        _refuse_conflict(text)
        return _TEXTS[_kind_of(text)](text, None) if _kind_of(text) else _of_numbers(text)
    except EngineError as error:
        raise EngineError(f"the clipboard: {error}") from None


def _kind_of(text: str) -> str:
    """Return the ending of the file that `text` could be, "" for numbers alone."""
    head = text.lstrip("\ufeff \t\r\n")
    first = head.partition("\n")[0]
    if head.startswith("{"):
        return ".json"
    if re.search(r"\bbetas\s*=|\bimport numpy", text):
        return ".py"
    if first.startswith("#"):
        return ".txt"
    return ".csv" if "," in first and any(name in first.split(",") for name in _COLUMNS) else ""


def _of_numbers(text: str) -> Imported:
    sigmas = _words(text)
    if not len(sigmas):
        raise EngineError("there is no schedule in it; copy a config, a table or a list of numbers")
    inside = bool(np.all((sigmas > 0.0) & (sigmas < 1.0)))
    if not inside:
        return _from_txt(text, None)
    spec, kind = of_either(sigmas, "the list")
    return Imported(spec, (f"read as {kind}; end the list with 0 where it is σ",))


def holds_schedule(path: AnyPath) -> bool:
    """Return whether a file or folder is one of a schedule rather than of pictures, by its name.

    Of PNGs only those that this program saved a schedule's plot in.
    """
    file = Path(path)
    if file.is_dir():
        return (file / CONFIG_NAME).is_file() or (file / "scheduler" / CONFIG_NAME).is_file()
    if file.suffix.lower() != ".png":
        return file.suffix.lower() in READERS
    try:
        return SCHEDULE_KEY in _png_texts(file)
    except (EngineError, OSError):
        return False


def _config_in(path: Path) -> Path:
    """Return the scheduler config of a folder, where a diffusers pipeline keeps it."""
    if not path.is_dir():
        return path
    for file in (path / "scheduler" / CONFIG_NAME, path / CONFIG_NAME):
        if file.is_file():
            return file
    raise EngineError(
        f"{path}: the folder has no {CONFIG_NAME}, neither in scheduler/ nor in itself; choose a"
        " diffusers folder or a file"
    )


def _read(file: Path) -> str:
    if file.stat().st_size > _MOST_BYTES:
        raise EngineError("the file is too large to be a schedule; choose another")
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeError:
        raise EngineError("the file is not text; choose another") from None
    _refuse_conflict(text)
    return text


def _refuse_conflict(text: str) -> None:
    """Raise EngineError where git left both sides of a merge in the file."""
    for number, line in enumerate(text.splitlines(), start=1):
        if line.startswith(("<<<<<<<", ">>>>>>>", "=======")):
            raise EngineError(
                f"line {number} is a merge conflict ({line[:7]}); keep one of the two versions"
            )


def _from_json(text: str, image_size: int | None) -> Imported:
    try:
        config = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise EngineError(f"the file is not JSON ({error}); save it again") from None
    return from_config(config, image_size)


# --- tables ---------------------------------------------------------------------------------------

_COLUMNS: dict[str, Callable[[NDArray[np.float64], str, Family], ScheduleSpec]] = {
    "beta": of_betas,
    "alpha_bar": of_alpha_bar,
    "log_snr": of_log_snr,
    "sigma": of_sigmas,
}
"""What a table may give, the most exact first."""


def _from_csv(text: str, _: int | None) -> Imported:
    """Read columns t (0..T or 1..T) and beta, alpha_bar, log_snr or sigma, and family if any.

    With beta, an alpha_bar must follow from it.
    """
    rows = csv.DictReader(text.splitlines())
    try:
        fields, table = rows.fieldnames or [], list(islice(rows, MAX_STEPS + 2))
    except csv.Error as error:
        raise EngineError(f"the file is not a table ({error}); save it again") from None
    given = [name for name in _COLUMNS if name in fields]
    for missing in ["t"] * ("t" not in fields) + ["beta"] * (not given):
        raise EngineError(f"there is no column {missing!r} in the first line; add it")
    t = _column(table, "t")
    first = int(t[0]) if len(t) and t[0] in (0.0, 1.0) else 0
    if not len(t) or not np.array_equal(t, first + np.arange(len(t))):
        raise EngineError("column t must count 0, 1, 2, ... without a gap; sort the rows")
    skip = 1 - first
    spec = _COLUMNS[given[0]](
        _column(table, given[0])[skip:], f"column {given[0]}", _family(table, fields)
    )
    if len(table) < 2:
        raise EngineError("column t has 1 row, too few for a schedule; give t = 0 and 1 at least")
    if given[:2] == ["beta", "alpha_bar"]:
        _check_product(_column(table, "alpha_bar")[skip:], build(spec))
    return Imported(spec)


def _family(table: list[dict[str, str]], fields: object) -> Family:
    """Return the one family in the column of that name, variance preserving without it."""
    if "family" not in list(fields if isinstance(fields, list | tuple) else []):
        return Family.VP
    names = {row["family"] for row in table}
    if len(names) > 1 or None in names:
        raise EngineError("column family must name the same family in every row; correct it")
    return family_named(names.pop().strip(), "column family")


def _column(table: list[dict[str, str]], name: str) -> NDArray[np.float64]:
    values = np.empty(len(table))
    for index, row in enumerate(table):
        try:
            values[index] = float(row[name])
        except (TypeError, ValueError):
            shown = repr(row[name])[:_LONGEST_WORD]
            raise EngineError(
                f"row {index + 2}: {name} = {shown} is not a number; correct it"
            ) from None
    return values


def _check_product(alpha_bar: NDArray[np.float64], own: Schedule) -> None:
    off = np.flatnonzero(~np.isclose(alpha_bar, own.alpha_bar[1:], rtol=1e-6, atol=1e-12))
    if off.size:
        t = int(off[0]) + 1
        raise EngineError(
            f"alpha_bar at t = {t} is {alpha_bar[t - 1]:g}, but the betas give"
            f" {own.alpha_bar[t]:g}; correct one of them or leave the column out"
        )


def _from_txt(text: str, _: int | None) -> Imported:
    """Read sigmas, one a line or parted by commas or blanks, in brackets or not, 0 at the end.

    A line "# family: ..." names a family; that of a flow says that its s is listed.
    """
    lines = text.splitlines()
    marks = [line[1:].partition(":") for line in lines if line.startswith("#")]
    named = [value.partition(";")[0].strip() for key, _, value in marks if key.strip() == "family"]
    family = family_named(named[0], "# family") if named else Family.VP
    sigmas = _words("\n".join(line.partition("#")[0] for line in lines))
    notes: tuple[str, ...] = ()
    if family is Family.VP and len(sigmas) and sigmas.max() == 1.0:
        notes = (f"read as σ; for a flow's s put {FLOW_LINE.strip()!r} in the first line",)
    return Imported(of_sigmas(sigmas, "the list", family, family is Family.FLOW), notes)


def _words(text: str) -> NDArray[np.float64]:
    """Return the numbers in a text, parted by commas or blanks, in brackets or not."""
    words = [word for word in re.split(r"[\s,;]+", text.strip().strip("[]()")) if word]
    if len(words) > MAX_STEPS + 1:
        raise EngineError(f"{len(words)} sigmas are too many; keep at most {MAX_STEPS}")
    return np.array([_number(word, place) for place, word in enumerate(words, start=1)])


def _number(word: str, place: int) -> float:
    try:
        return float(word)
    except ValueError:
        raise EngineError(
            f"value {place} is {word[:_LONGEST_WORD]!r}, not a number; list sigmas alone"
        ) from None


# --- pictures -------------------------------------------------------------------------------------


def _from_png(file: Path, _: int | None) -> Imported:
    """Read the schedule that a plot or a sample of this program was saved with."""
    texts = _png_texts(file)
    if SCHEDULE_KEY in texts:
        return Imported(_spec_in(str(texts[SCHEDULE_KEY])))
    if METADATA_KEY in texts:
        return Imported(decode(texts[METADATA_KEY]).schedule)
    raise EngineError("the picture holds no schedule; choose one that this program has saved")


def _from_svg(text: str, _: int | None) -> Imported:
    """Read the schedule that a drawing of this program was saved with."""
    kept = kept_in(text)
    if not kept:
        raise EngineError("the drawing holds no schedule; choose one that this program has saved")
    return Imported(_spec_in(kept))


def _png_texts(file: Path) -> dict[str, str]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the size: no pixel is read
            with Image.open(file, formats=["PNG"]) as picture:
                return dict(getattr(picture, "text", {}))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        if isinstance(error, FileNotFoundError | PermissionError):
            raise
        raise EngineError("the file is not a whole PNG; choose another") from None


def _spec_in(text: str) -> ScheduleSpec:
    try:
        raw = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise EngineError(f"{SCHEDULE_KEY}: not JSON; save the picture again") from None
    spec = convert(raw, ScheduleSpec, SCHEDULE_KEY)
    check_schedule(spec, SCHEDULE_KEY)
    return spec


_TEXTS: dict[str, Callable[[str, int | None], Imported]] = {
    ".json": _from_json,
    ".csv": _from_csv,
    ".txt": _from_txt,
    ".py": lambda text, _: from_python(text),
    ".svg": _from_svg,
}


def _of_file(parse: Callable[[str, int | None], Imported]) -> Callable[..., Imported]:
    return lambda file, image_size: parse(_read(file), image_size)


READERS: dict[str, Callable[[Path, int | None], Imported]] = {
    **{ending: _of_file(parse) for ending, parse in _TEXTS.items()},
    ".png": _from_png,
    ".npz": lambda file, _: from_npz(file),
    ".npy": lambda file, _: from_npy(file),
    ".safetensors": lambda file, _: from_safetensors(file),
    ".pt": lambda file, _: from_torch(file),
    ".pth": lambda file, _: from_torch(file),
    ".ckpt": lambda file, _: from_torch(file),
}
