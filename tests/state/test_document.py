"""The document: every change is undoable, a drag is one step, nothing illegal gets in."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.experiment import Experiment
from diffusion_gui.engine.schedules import ScheduleSpec, build, control_points, curve, with_points
from diffusion_gui.state.document import Document


@pytest.fixture
def document(qapp: QApplication) -> Document:
    return Document()


def test_a_change_can_be_undone_and_redone(document: Document) -> None:
    first = document.experiment
    document.replace(replace(first, seed=7), "seed 7")
    assert document.experiment.seed == 7
    document.history.undo()
    assert document.experiment == first
    document.history.redo()
    assert document.experiment.seed == 7


def test_only_the_part_that_changed_is_announced(document: Document, qtbot: QtBot) -> None:
    with (
        qtbot.assertNotEmitted(document.sampling_changed),
        qtbot.assertNotEmitted(document.pictures_changed),
        qtbot.waitSignals([document.schedule_changed, document.changed]),
    ):
        document.replace_schedule(ScheduleSpec("linear"), "preset")


def test_an_equal_experiment_is_no_step(document: Document) -> None:
    document.replace(replace(document.experiment), "nothing")
    assert document.history.count == 0


def test_a_drag_is_one_undo_step_and_the_next_drag_another(document: Document) -> None:
    for seed in range(1, 20):
        document.replace(replace(document.experiment, seed=seed), "drag", "key")
    document.end_gesture()
    for seed in range(30, 40):
        document.replace(replace(document.experiment, seed=seed), "drag", "key")
    assert document.history.count == 2
    document.history.undo()
    assert document.experiment.seed == 19
    document.history.undo()
    assert document.experiment.seed == 0


def test_changes_with_different_keys_are_not_merged(document: Document) -> None:
    document.replace(replace(document.experiment, seed=1), "a", "a")
    document.replace(replace(document.experiment, seed=2), "b", "b")
    document.replace(replace(document.experiment, seed=3), "c")
    assert document.history.count == 3


def test_a_key_with_a_number_of_its_own_outlives_the_gestures_of_others(document: Document) -> None:
    for seed, key in ((1, "operation#1"), (2, "operation#1"), (3, "operation#2")):
        document.replace(replace(document.experiment, seed=seed), "a", key)
        document.end_gesture()
    assert document.history.count == 2


@pytest.mark.parametrize(
    "spec",
    [
        ScheduleSpec("no such preset"),
        ScheduleSpec(T=0),
        ScheduleSpec(T=10_001),
        ScheduleSpec("linear", params=(("beta_end", 1.5),)),
    ],
)
def test_an_illegal_schedule_changes_nothing(document: Document, spec: ScheduleSpec) -> None:
    before = document.experiment
    with pytest.raises(EngineError):
        document.replace_schedule(spec, "illegal")
    assert document.experiment == before
    assert document.history.count == 0


class EditingSession(RuleBasedStateMachine):
    """Random edits, drags, undos and redos; a plain list of states is the truth."""

    def __init__(self) -> None:
        super().__init__()
        self.document = Document()
        self.states = [self.document.experiment]
        self.position = 0

    def _push(self, experiment: Experiment) -> None:
        if experiment != self.states[self.position]:
            self.states = [*self.states[: self.position + 1], experiment]
            self.position += 1

    @rule(seed=st.integers(0, 5))
    def change_seed(self, seed: int) -> None:
        self.document.replace(replace(self.document.experiment, seed=seed), "seed")
        self._push(self.document.experiment)

    @rule(T=st.sampled_from([1, 2, 10, 1000]), preset=st.sampled_from(["linear", "cosine"]))
    def change_schedule(self, T: int, preset: str) -> None:
        self.document.replace_schedule(ScheduleSpec(preset, T), "schedule")
        self._push(self.document.experiment)

    @rule(index=st.integers(0, 8), values=st.lists(st.floats(-30, 30), min_size=1, max_size=4))
    def drag_point(self, index: int, values: list[float]) -> None:
        self.document.end_gesture()
        before = self.document.experiment
        for value in values:
            spec = self.document.experiment.schedule
            points = control_points(spec)
            moved = curve.move(points, index % len(points), 0.5, value, spec.T)
            self.document.replace_schedule(with_points(spec, moved), "drag", "curve")
            if self.document.experiment != before:  # what was undone can no longer be redone
                self.states = self.states[: self.position + 1]
        self.document.end_gesture()
        self._push(self.document.experiment)

    @rule()
    def undo(self) -> None:
        self.document.history.undo()
        self.position = max(self.position - 1, 0)

    @rule()
    def redo(self) -> None:
        self.document.history.redo()
        self.position = min(self.position + 1, len(self.states) - 1)

    @invariant()
    def the_document_is_where_the_list_says(self) -> None:
        assert self.document.experiment == self.states[self.position]

    @invariant()
    def the_schedule_is_legal(self) -> None:
        schedule = build(self.document.experiment.schedule)
        assert (schedule.beta[1:] > 0).all()
        assert (schedule.beta <= 0.999 + 1e-12).all()


EditingSession.TestCase.settings = hypothesis_settings(
    max_examples=40, stateful_step_count=20, deadline=None
)
TestEditingSession = pytest.mark.usefixtures("qapp")(EditingSession.TestCase)
