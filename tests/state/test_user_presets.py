"""The user's presets as observable state: saved at once, safe beside a second program."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QSettings
from pytestqt.qtbot import QtBot

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.schedules import ControlPoint, ScheduleSpec
from diffusion_gui.state.settings import Settings
from diffusion_gui.state.user_presets import FILE_NAME, UserPresets

DRAWN = ScheduleSpec("cosine", points=(ControlPoint(0.0, 8.0), ControlPoint(1.0, -9.0)))
LINEAR = ScheduleSpec("linear", T=500)


@pytest.fixture
def library(tmp_path: Path, qtbot: QtBot) -> Iterator[UserPresets]:
    made = UserPresets(tmp_path, settle_ms=1)
    yield made
    made.shutdown()


def _show(library: UserPresets, qtbot: QtBot, spec: ScheduleSpec) -> None:
    with qtbot.waitSignal(library.changed):
        library.watch(spec)


def test_a_saved_preset_is_there_at_once_and_after_a_restart(
    library: UserPresets, tmp_path: Path, qtbot: QtBot
) -> None:
    library.load()
    with qtbot.waitSignal(library.changed):
        assert library.save("  Gentle ", DRAWN) == "Gentle"
    for one in (library, UserPresets(tmp_path)):
        assert one.names() == ("Gentle",)
        assert one.get("Gentle") == DRAWN
        assert one.name_of(DRAWN) == "Gentle"


def test_names_are_in_alphabetical_order(library: UserPresets) -> None:
    for name in ("beta", "Gamma", "Alpha"):
        library.save(name, DRAWN)
    assert library.names() == ("Alpha", "beta", "Gamma")


def test_nothing_is_read_before_it_is_asked_for(library: UserPresets, tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text("{")
    assert library.name_of(DRAWN) == ""
    assert (tmp_path / FILE_NAME).exists()
    library.load()
    assert not (tmp_path / FILE_NAME).exists()


def test_saving_under_a_name_again_replaces_the_schedule(library: UserPresets) -> None:
    library.save("A", DRAWN)
    library.save("A", LINEAR)
    assert library.names() == ("A",)
    assert library.get("A") == LINEAR


@pytest.mark.parametrize("name", ["", "   ", "x" * 61])
def test_a_name_that_is_no_good_changes_nothing(
    library: UserPresets, tmp_path: Path, name: str
) -> None:
    with pytest.raises(EngineError):
        library.save(name, DRAWN)
    assert library.names() == ()
    assert not (tmp_path / FILE_NAME).exists()


def test_renaming_keeps_the_schedule_and_refuses_a_name_in_use(library: UserPresets) -> None:
    library.save("A", DRAWN)
    library.save("B", LINEAR)
    assert library.rename("A", " C ") == "C"
    with pytest.raises(EngineError, match="B"):
        library.rename("C", "B")
    assert (library.get("C"), library.get("B")) == (DRAWN, LINEAR)
    assert library.names() == ("B", "C")


def test_a_removed_preset_stays_among_the_recent_ones(library: UserPresets) -> None:
    library.save("A", DRAWN)
    library.remove("A")
    assert library.names() == ()
    assert library.recent() == (DRAWN,)
    with pytest.raises(EngineError):
        library.get("A")


def test_a_schedule_that_stays_on_show_becomes_a_recent_one(
    library: UserPresets, tmp_path: Path, qtbot: QtBot
) -> None:
    library.load()
    _show(library, qtbot, DRAWN)
    _show(library, qtbot, LINEAR)
    _show(library, qtbot, DRAWN)
    assert library.recent() == (DRAWN, LINEAR)
    assert library.recent_titles() == ("Cosine, drawn", "Linear, T = 500")
    assert UserPresets(tmp_path).recent() == (DRAWN, LINEAR)


def test_what_passes_by_during_a_drag_is_not_recent(library: UserPresets, qtbot: QtBot) -> None:
    library.load()
    for T in range(100, 120):
        library.watch(ScheduleSpec("linear", T=T))
    _show(library, qtbot, LINEAR)
    assert library.recent() == (LINEAR,)


@pytest.mark.parametrize("spec", [ScheduleSpec(), ScheduleSpec("karras"), DRAWN])
def test_what_another_list_has_is_not_recent(
    library: UserPresets, qtbot: QtBot, spec: ScheduleSpec
) -> None:
    library.save("A", DRAWN)
    library.watch(spec)
    with qtbot.waitSignal(library._settled.timeout):
        pass
    assert library.recent() == ()


def test_at_most_ten_recent_ones_are_kept(library: UserPresets, qtbot: QtBot) -> None:
    library.load()
    for T in range(1, 13):
        _show(library, qtbot, ScheduleSpec("linear", T=T))
    assert [spec.T for spec in library.recent()] == list(range(12, 2, -1))


def test_a_damaged_file_is_told_once_and_kept(
    library: UserPresets, tmp_path: Path, qtbot: QtBot
) -> None:
    (tmp_path / FILE_NAME).write_text("{oops")
    with qtbot.waitSignal(library.failed) as told:
        library.load()
    library.save("A", DRAWN)
    (kept,) = tmp_path.glob("*-unreadable-*")
    assert kept.read_text() == "{oops"
    assert str(kept) in told.args[0]
    assert UserPresets(tmp_path).names() == ("A",)


def test_a_second_program_does_not_undo_what_this_one_saved(
    library: UserPresets, tmp_path: Path
) -> None:
    second = UserPresets(tmp_path)
    assert library.names() == second.names() == ()
    library.save("Mine", DRAWN)
    second.save("Theirs", LINEAR)
    assert second.names() == ("Mine", "Theirs")
    assert UserPresets(tmp_path).names() == ("Mine", "Theirs")


def test_what_cannot_be_written_is_said_and_stays_in_memory(tmp_path: Path, qtbot: QtBot) -> None:
    (tmp_path / "file").write_text("")
    library = UserPresets(tmp_path / "file")
    with qtbot.waitSignals([library.failed, library.changed]):
        library.save("A", DRAWN)
    assert library.names() == ("A",)


def test_the_file_lies_beside_the_settings(tmp_path: Path) -> None:
    store = QSettings(str(tmp_path / "s.ini"), QSettings.Format.IniFormat)
    assert Settings(store).home == tmp_path
