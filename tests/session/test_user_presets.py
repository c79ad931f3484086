"""The file of the user's presets: it comes back equal, and what is damaged is never lost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.schedules import ControlPoint, ScheduleSpec
from diffusion_gui.session.user_presets import (
    FORMAT,
    Shelf,
    check_name,
    encode,
    read,
    title,
    titles,
    write,
)

DRAWN = ScheduleSpec("cosine", points=(ControlPoint(0.0, 8.0), ControlPoint(1.0, -9.0)))
LINEAR = ScheduleSpec("linear", T=500, params=(("beta_end", 0.03), ("beta_start", 1e-4)))
TABLE = ScheduleSpec("", T=3, betas=(0.1, 0.2, 0.3))
SHELF = Shelf({"Gentle": DRAWN, "ünï ⌘": LINEAR}, (TABLE, LINEAR))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "presets.json"


def _aside(path: Path) -> list[Path]:
    return sorted(path.parent.glob("*-unreadable-*"))


def _write_raw(path: Path, **changes: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**json.loads(encode(SHELF)), **changes}))


def test_what_was_written_is_read_back_equal(path: Path) -> None:
    write(path, SHELF)
    reading = read(path)
    assert (reading.shelf, reading.fault, reading.replaceable) == (SHELF, "", True)
    assert list(path.parent.iterdir()) == [path]


def test_a_missing_file_is_an_empty_shelf_and_no_fault(path: Path) -> None:
    reading = read(path)
    assert (reading.shelf, reading.fault) == (Shelf(), "")


@pytest.mark.parametrize(
    "data", [b"", b"{", b"\xff\xfe\x00", b"[]", b'{"format": "diffusion-gui-presets/9"}', b"7"]
)
def test_a_file_that_cannot_be_read_is_set_aside_whole(path: Path, data: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(data)
    reading = read(path)
    (kept,) = _aside(path)
    assert kept.read_bytes() == data
    assert not path.exists()
    assert str(kept) in reading.fault
    assert "\n" not in reading.fault
    assert (reading.shelf, reading.replaceable) == (Shelf(), True)


def test_files_set_aside_earlier_stay(path: Path) -> None:
    path.parent.mkdir()
    for data in (b"first", b"second"):
        path.write_bytes(data)
        read(path)
    assert [kept.read_bytes() for kept in _aside(path)] == [b"first", b"second"]


@pytest.mark.parametrize(
    ("entry", "key"),
    [
        ({"name": "Bad", "schedule": {"preset": "cosine", "T": 0}}, "presets[1].schedule.T"),
        ({"name": "Bad", "schedule": {"preset": "nope"}}, "presets[1].schedule.preset"),
        ({"name": "Bad", "schedule": {"preset": "linear", "T": "x"}}, "presets[1].schedule.T"),
        ({"name": "Bad", "schedule": {"bogus": 1}}, "presets[1].schedule.bogus"),
        ({"name": " ", "schedule": {}}, "name"),
        ({"name": "Good", "schedule": {}}, "'Good' is given twice"),
        (None, "presets[1]"),
    ],
)
def test_one_wrong_entry_leaves_the_others_and_is_named(
    path: Path, entry: object, key: str
) -> None:
    good = {"name": "Good", "schedule": {"preset": "linear"}}
    _write_raw(path, presets=[good, entry], recent=[])
    reading = read(path)
    assert dict(reading.shelf.presets) == {"Good": ScheduleSpec("linear")}
    assert key in reading.fault
    assert len(_aside(path)) == 1


def test_a_faulty_file_that_cannot_be_moved_may_not_be_replaced(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, target: Path) -> Path:
        raise PermissionError(13, "Permission denied")

    path.parent.mkdir()
    path.write_text("{")
    monkeypatch.setattr(Path, "rename", refuse)
    reading = read(path)
    assert not reading.replaceable
    assert "Permission denied" in reading.fault
    assert path.read_text() == "{"


def test_a_folder_in_place_of_the_file_may_not_be_replaced(path: Path) -> None:
    path.mkdir(parents=True)
    reading = read(path)
    assert not reading.replaceable
    assert str(path) in reading.fault


def test_writing_where_no_folder_can_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EngineError, match="cannot be made"):
        write(tmp_path / "file" / "presets.json", SHELF)


def test_the_recent_ones_are_distinct_and_at_most_ten(path: Path) -> None:
    specs = [{"preset": "linear", "T": T} for T in (5, 5, *range(10, 40))]
    _write_raw(path, recent=specs)
    assert [spec.T for spec in read(path).shelf.recent] == [5, *range(10, 19)]


def test_the_envelope_names_its_format() -> None:
    assert json.loads(encode(SHELF))["format"] == FORMAT


@pytest.mark.parametrize(("typed", "name"), [("  My  own ", "My own"), ("x" * 60, "x" * 60)])
def test_names_are_trimmed(typed: str, name: str) -> None:
    assert check_name(typed) == name


@pytest.mark.parametrize("typed", ["", "  ", "x" * 61, "a\x00b", "a\u202eb"])
def test_names_that_cannot_be_shown_are_refused(typed: str) -> None:
    with pytest.raises(EngineError):
        check_name(typed)


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        (ScheduleSpec(), "Cosine"),
        (DRAWN, "Cosine, drawn"),
        (ScheduleSpec("linear", T=500), "Linear, T = 500"),
        (LINEAR, "Linear, β_T = 0.03, T = 500"),
        (TABLE, "Table, T = 3"),
        (ScheduleSpec("", T=9, points=DRAWN.points), "Drawn curve, T = 9"),
        (ScheduleSpec("linear", zero_terminal=True), "Linear, zero terminal SNR"),
        (ScheduleSpec("linear", shift=-1.386), "Linear, shifted by -1.39"),
        (ScheduleSpec("linear", scale=0.5), "Linear, scaled by 0.5"),
        (ScheduleSpec("linear", scale=0.5, shift=1.0), "Linear, scaled by 0.5, shifted by 1"),
        (ScheduleSpec("linear", family="sub_vp"), "Linear, SUB-VP"),
    ],
)
def test_a_schedule_has_a_short_name(spec: ScheduleSpec, name: str) -> None:
    assert title(spec) == name


def test_short_names_that_repeat_are_numbered() -> None:
    other = ScheduleSpec("cosine", points=(ControlPoint(0.0, 7.0), ControlPoint(1.0, -8.0)))
    assert titles([DRAWN, LINEAR, other]) == (
        "Cosine, drawn",
        "Linear, β_T = 0.03, T = 500",
        "Cosine, drawn (2)",
    )
