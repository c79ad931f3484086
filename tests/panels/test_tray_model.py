"""The tray's model: whatever becomes of the pictures, its rows are they, and indexes follow them"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtCore import QPersistentModelIndex
from PySide6.QtTest import QAbstractItemModelTester
from PySide6.QtWidgets import QApplication

from diffusion_gui.engine.experiment import PictureRef
from diffusion_gui.panels.images.tray_model import TrayModel
from diffusion_gui.session.picture_store import PictureStore

REFS = tuple(PictureRef(name, name) for name in "abcdefghijkl")
pictures = st.lists(st.sampled_from(REFS), unique=True).map(tuple)


def _model(qapp: QApplication, *shown: PictureRef) -> TrayModel:
    model = TrayModel(PictureStore(), qapp)
    model.set_pictures(shown)
    return model


def _names(model: TrayModel) -> str:
    return "".join(model.ids(range(model.rowCount())))


def _refs(names: str) -> tuple[PictureRef, ...]:
    return tuple(PictureRef(name, name) for name in names)


@given(states=st.lists(pictures, min_size=2, max_size=6))
def test_the_rows_are_the_pictures(
    qapp: QApplication, states: list[tuple[PictureRef, ...]]
) -> None:
    model = _model(qapp)
    tester = QAbstractItemModelTester(
        model, QAbstractItemModelTester.FailureReportingMode.Fatal, model
    )
    assert tester.model() is model
    for state in states:
        model.set_pictures(state)
        assert _names(model) == "".join(ref.name for ref in state)
        assert model.rows(ref.id for ref in state) == list(range(len(state)))
    model.deleteLater()


@pytest.mark.parametrize(
    ("before", "after", "kept"),
    [
        ("abcdef", "abxycdef", "abcdef"),  # inserted
        ("abcdef", "xaybzcdef", "abcdef"),  # at several places, as undo does
        ("abcdef", "adf", "adf"),  # taken out
        ("abcdef", "fbadec", "abcdef"),  # in another order
        ("abcdef", "", ""),
    ],
)
def test_indexes_follow_their_pictures(
    qapp: QApplication, before: str, after: str, kept: str
) -> None:
    model = _model(qapp, *_refs(before))
    held = {name: QPersistentModelIndex(model.index(n, 0)) for n, name in enumerate(before)}
    model.set_pictures(_refs(after))
    rows = {name: index.row() for name, index in held.items() if index.isValid()}
    assert rows == {name: after.index(name) for name in kept}
    model.deleteLater()


def test_a_change_at_very_many_places_is_a_new_list(qapp: QApplication) -> None:
    many = tuple(PictureRef(str(n), str(n)) for n in range(1000))
    model = _model(qapp, *many)
    resets: list[int] = []
    model.modelReset.connect(lambda: resets.append(1))
    model.set_pictures(many[::2])
    assert resets == [1]
    assert model.ids([0, 1, 499]) == ("0", "2", "998")
    model.deleteLater()
