"""Edits of the set of pictures: what stays, in which order, what is shown then, and undo."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytestqt.qtbot import QtBot

from diffusion_gui.app.parts import Parts
from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.experiment import PictureRef
from diffusion_gui.session.library import PHOTOS, captions
from diffusion_gui.state.picture_set import _shifted


@pytest.fixture(autouse=True)
def _eight(parts: Parts) -> None:
    """Begin with the emoji a, b, ... h, of which the third is on show."""
    parts.sampling.live = False
    refs = parts.store.defer_emoji()[:8]
    named = tuple(replace(ref, name=name) for ref, name in zip(refs, "abcdefgh", strict=True))
    parts.document.replace(replace(parts.document.experiment, pictures=named), "open")
    _choose(parts, "c")


def _names(parts: Parts) -> str:
    return "".join(ref.name for ref in parts.document.experiment.pictures)


def _ids(parts: Parts, names: str) -> list[str]:
    known = {ref.name: ref.id for ref in parts.document.experiment.pictures}
    return [known[name] for name in names]


def _choose(parts: Parts, names: str, shown: str = "") -> None:
    parts.view.choose(_ids(parts, names), _ids(parts, shown)[0] if shown else "")


def _shown(parts: Parts) -> tuple[str, str]:
    """Return the names of the picture on show and of all chosen ones."""
    names = {ref.id: ref.name for ref in parts.document.experiment.pictures}
    return names[parts.view.picture], "".join(names[each] for each in parts.view.chosen)


def _settle(qtbot: QtBot, parts: Parts) -> None:
    qtbot.waitUntil(lambda: not parts.pictures.busy, timeout=20_000)


@pytest.mark.parametrize(
    ("chosen", "left", "shown"),
    [
        ("c", "abdefgh", "d"),
        ("cde", "abfgh", "f"),
        ("ch", "abdefg", "d"),
        ("gh", "abcdef", "f"),
        ("abcdefg", "h", "h"),
    ],
)
def test_what_is_removed_goes_in_one_step_and_the_next_neighbour_is_shown(
    parts: Parts, chosen: str, left: str, shown: str
) -> None:
    _choose(parts, chosen, chosen[0])
    pictures: list[str] = []
    parts.view.picture_changed.connect(pictures.append)
    parts.pictures.remove(parts.view.chosen)
    assert _names(parts) == left
    assert _shown(parts) == (shown, shown)
    assert len(pictures) == 1  # no other picture was on show in between
    parts.document.history.undo()
    assert _names(parts) == "abcdefgh"


def test_removing_others_leaves_what_is_chosen_as_it_is(parts: Parts) -> None:
    _choose(parts, "bcd", "c")
    parts.pictures.remove(_ids(parts, "bh"))
    assert _shown(parts) == ("c", "cd")
    parts.pictures.keep_only(_ids(parts, "d"))
    assert _names(parts) == "d"
    assert _shown(parts) == ("d", "d")


def test_the_steps_have_names(parts: Parts, qtbot: QtBot) -> None:
    pictures, history = parts.pictures, parts.document.history
    named = []
    for edit in (
        lambda: pictures.remove(_ids(parts, "a")),
        lambda: pictures.remove(_ids(parts, "bc")),
        lambda: pictures.move(_ids(parts, "h"), 0),
        lambda: pictures.shift(_ids(parts, "de"), right=True),
        lambda: pictures.keep_only(_ids(parts, "de")),
        pictures.clear,
        pictures.use_emoji,
        pictures.restore_photos,
    ):
        edit()
        _settle(qtbot, parts)
        named.append(history.undo_text)
    assert named == [
        "remove a",
        "remove 2 pictures",
        "move h",
        "move 2 pictures",
        "remove all but 2 pictures",
        "clear the tray",
        "use the bundled emoji",
        "restore the photographs",
    ]
    for _ in named:
        history.undo()
    assert _names(parts) == "abcdefgh"


@pytest.mark.parametrize(
    ("moved", "place", "after"),
    [
        ("a", 8, "bcdefgha"),
        ("h", 0, "habcdefg"),
        ("bd", 6, "acefbdgh"),
        ("db", 0, "bdacefgh"),
        ("cf", 4, "abdcfegh"),
        ("c", 99, "abdefghc"),
        ("c", -3, "cabdefgh"),
    ],
)
def test_pictures_move_together_to_a_gap(parts: Parts, moved: str, place: int, after: str) -> None:
    parts.pictures.move(_ids(parts, moved), place)
    assert _names(parts) == after
    assert _shown(parts) == ("c", "c")
    parts.document.history.undo()
    assert _names(parts) == "abcdefgh"


@pytest.mark.parametrize("place", [2, 3, 4])
def test_a_move_to_where_they_are_is_no_step(parts: Parts, place: int) -> None:
    count = parts.document.history.count
    parts.pictures.move(_ids(parts, "cd"), place)
    assert _names(parts) == "abcdefgh"
    assert parts.document.history.count == count


def test_shifts_are_one_step_until_the_key_is_up(parts: Parts) -> None:
    count = parts.document.history.count
    for _ in range(3):
        parts.pictures.shift(_ids(parts, "bg"), right=True)
    assert _names(parts) == "acdebfhg"
    parts.pictures.end_shift()
    parts.pictures.shift(_ids(parts, "b"), right=False)
    assert _names(parts) == "acdbefhg"
    assert parts.document.history.count == count + 2
    parts.document.history.undo()
    parts.document.history.undo()
    assert _names(parts) == "abcdefgh"


@given(st.integers(1, 9), st.sets(st.integers(0, 8)), st.booleans())
def test_a_shift_moves_each_by_at_most_one_and_keeps_both_orders(
    count: int, places: set[int], right: bool
) -> None:
    pictures = tuple(PictureRef(str(n), str(n)) for n in range(count))
    ids = {str(n) for n in places if n < count}
    after = _shifted(pictures, ids, right)
    for among in (True, False):
        assert _those(after, ids, among) == _those(pictures, ids, among)
    for before, ref in enumerate(pictures):
        way = (after.index(ref) - before) * (1 if right else -1)
        if ref.id in ids:
            ahead = pictures[before + 1 :] if right else pictures[:before]
            assert way == any(other.id not in ids for other in ahead)


def _those(pictures: Sequence[PictureRef], ids: set[str], among: bool) -> list[str]:
    return [ref.id for ref in pictures if (ref.id in ids) is among]


def test_undoing_an_opening_shows_what_was_on_show_before(parts: Parts) -> None:
    before = _shown(parts)
    pictures = parts.document.experiment.pictures
    more = (*pictures[:4], PictureRef(parts.store.defer_emoji()[20].id, "new"), *pictures[4:])
    parts.document.replace(replace(parts.document.experiment, pictures=more), "open new")
    parts.view.set_picture(more[4].id)
    assert _shown(parts) != before
    parts.document.history.undo()
    assert _shown(parts) == before


def test_clearing_shows_nothing_and_undo_shows_what_was_on_show(parts: Parts) -> None:
    before = _shown(parts)
    parts.pictures.clear()
    assert (parts.view.picture, parts.view.chosen) == ("", ())
    assert parts.preview.picture is None
    parts.document.history.undo()
    assert _shown(parts) == before


def test_the_photographs_come_back_first_and_the_first_is_shown(parts: Parts, qtbot: QtBot) -> None:
    parts.pictures.restore_photos()
    _settle(qtbot, parts)
    names = [ref.name for ref in parts.document.experiment.pictures]
    assert names == [*PHOTOS, *"abcdefgh"]
    assert parts.preview.picture is not None
    assert parts.preview.picture.name == PHOTOS[0]
    count = parts.document.history.count
    parts.view.set_picture(_ids(parts, "d")[0])
    parts.pictures.restore_photos()  # they are there: the first is shown, nothing is changed
    _settle(qtbot, parts)
    assert parts.document.history.count == count
    assert parts.view.picture == parts.document.experiment.pictures[0].id


def test_all_emoji_come_in_once(parts: Parts, qtbot: QtBot) -> None:
    parts.pictures.use_emoji()
    _settle(qtbot, parts)
    ids = [ref.id for ref in parts.document.experiment.pictures]
    assert len(ids) == len(set(ids)) == len(captions()) == 1377
    assert _names(parts).endswith("abcdefgh")  # those that were there stay where they were


def test_both_asked_for_at_once_come_both(parts: Parts, qtbot: QtBot) -> None:
    parts.pictures.clear()
    parts.pictures.restore_photos()
    parts.pictures.use_emoji()
    _settle(qtbot, parts)
    assert len(parts.document.experiment.pictures) == len(PHOTOS) + len(captions())


def test_bundled_pictures_that_cannot_be_read_are_said(
    parts: Parts, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(_: object) -> None:
        raise EngineError("chelsea.png: the file is no longer there")

    monkeypatch.setattr(parts.store, "get", gone)
    with qtbot.waitSignal(parts.pictures.problems_found, timeout=20_000) as said:
        parts.pictures.restore_photos()
    assert said.args == [
        [
            "the bundled pictures could not be opened: chelsea.png: the file is no longer there;"
            " install the program again"
        ]
    ]
    assert _names(parts) == "abcdefgh"
