"""Two sides and pins: what is on each side, through edits, switches, undo and redo."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from diffusion_gui.engine.schedules import ControlPoint, ScheduleSpec
from diffusion_gui.state.comparison import OTHER, Comparison, side_texts, title
from diffusion_gui.state.document import Document

COSINE = ScheduleSpec("cosine")
LINEAR = ScheduleSpec("linear")
SQRT = ScheduleSpec("sqrt", T=500)
TABLE = ScheduleSpec("", T=2, betas=(0.1, 0.2))
DRAWN = (ControlPoint(0.0, 5.0), ControlPoint(1.0, -5.0))


@pytest.fixture
def document(qapp: QApplication) -> Document:
    return Document()


@pytest.fixture
def comparison(document: Document) -> Comparison:
    return Comparison(document)


def _edit(document: Document, spec: ScheduleSpec) -> None:
    document.replace_schedule(spec, "edit")


def _sides(comparison: Comparison) -> tuple[str, ScheduleSpec, ScheduleSpec]:
    sides = dict(comparison.sides())
    return comparison.side, sides["A"], sides["B"]


def test_there_is_one_side_until_B_begins_as_a_copy_of_A(
    document: Document, comparison: Comparison
) -> None:
    assert comparison.sides() == (("A", COSINE),)
    assert comparison.other is None
    comparison.switch()
    assert _sides(comparison) == ("B", COSINE, COSINE)
    assert document.history.count == 0


def test_each_side_keeps_what_was_made_of_it(document: Document, comparison: Comparison) -> None:
    comparison.switch()
    _edit(document, LINEAR)
    assert _sides(comparison) == ("B", COSINE, LINEAR)
    comparison.switch()
    assert document.experiment.schedule == COSINE
    _edit(document, SQRT)
    comparison.switch()
    assert _sides(comparison) == ("B", SQRT, LINEAR)
    assert document.experiment.schedule == LINEAR


def test_undo_and_redo_walk_over_switches_with_the_right_letter(
    document: Document, comparison: Comparison
) -> None:
    comparison.switch()
    _edit(document, LINEAR)
    comparison.switch()
    _edit(document, SQRT)
    comparison.switch()
    expected = [
        ("B", COSINE, COSINE),
        ("B", COSINE, LINEAR),
        ("A", COSINE, LINEAR),
        ("A", SQRT, LINEAR),
        ("B", SQRT, LINEAR),
    ]
    for sides in reversed(expected[:-1]):
        document.history.undo()
        assert _sides(comparison) == sides
    for sides in expected[1:]:
        document.history.redo()
        assert _sides(comparison) == sides


def test_a_change_of_something_else_between_two_switches_keeps_its_letter(
    document: Document, comparison: Comparison
) -> None:
    comparison.switch()
    _edit(document, LINEAR)
    document.replace(replace(document.experiment, seed=5), "seed")
    comparison.switch()
    document.history.undo()
    assert _sides(comparison) == ("B", COSINE, LINEAR)
    assert document.experiment.seed == 5


def test_switching_between_equal_sides_is_no_undo_step_but_the_letter_holds(
    document: Document, comparison: Comparison
) -> None:
    comparison.switch()
    comparison.switch()
    _edit(document, LINEAR)
    assert _sides(comparison) == ("A", LINEAR, COSINE)
    document.history.undo()
    assert _sides(comparison) == ("A", COSINE, COSINE)
    comparison.switch()
    document.history.redo()  # that edit was made on A
    assert _sides(comparison) == ("A", LINEAR, COSINE)
    document.history.undo()  # and here B was shown last
    assert _sides(comparison) == ("B", COSINE, COSINE)


def test_making_a_side_equal_to_the_other_does_not_switch(
    document: Document, comparison: Comparison
) -> None:
    comparison.switch()
    _edit(document, LINEAR)
    _edit(document, COSINE)
    assert _sides(comparison) == ("B", COSINE, COSINE)


def test_undo_to_before_the_comparison_edits_the_side_on_show(
    document: Document, comparison: Comparison
) -> None:
    _edit(document, LINEAR)
    comparison.switch()
    document.history.undo()
    assert _sides(comparison) == ("B", LINEAR, COSINE)
    document.history.redo()
    assert _sides(comparison) == ("B", LINEAR, LINEAR)


def test_a_drag_that_ends_where_it_began_leaves_both_sides(
    document: Document, comparison: Comparison
) -> None:
    comparison.switch()
    _edit(document, LINEAR)
    for T in (900, 800, 1000):
        document.replace_schedule(replace(LINEAR, T=T), "drag", "drag")
    assert _sides(comparison) == ("B", COSINE, LINEAR)
    document.history.undo()
    assert _sides(comparison) == ("B", COSINE, COSINE)


def test_keeping_one_side_ends_it_and_old_steps_know_no_side(
    document: Document, comparison: Comparison
) -> None:
    comparison.switch()
    _edit(document, LINEAR)
    comparison.end()
    assert comparison.sides() == (("A", LINEAR),)
    comparison.switch()
    document.history.undo()  # a step of the comparison that is over
    assert _sides(comparison) == ("B", LINEAR, COSINE)


def test_only_a_change_of_the_other_side_or_the_letter_is_announced(
    document: Document, comparison: Comparison, qtbot: QtBot
) -> None:
    with qtbot.waitSignal(comparison.sides_changed):
        comparison.switch()
    with qtbot.assertNotEmitted(comparison.changed):
        _edit(document, LINEAR)
    with qtbot.waitSignal(comparison.changed), qtbot.assertNotEmitted(comparison.pins_changed):
        comparison.switch()
    with qtbot.waitSignal(comparison.sides_changed):
        document.history.undo()
    with (
        qtbot.waitSignal(comparison.pins_changed),
        qtbot.assertNotEmitted(comparison.sides_changed),
    ):
        comparison.pin(SQRT)


def test_the_sides_are_told_in_words(document: Document, comparison: Comparison) -> None:
    assert side_texts(comparison)["A"] == "A: Cosine, T = 1,000 (on show)"
    assert "begins as a copy of A" in side_texts(comparison)["B"]
    comparison.switch()
    _edit(document, SQRT)
    assert side_texts(comparison) == {
        "A": "A: Cosine, T = 1,000 (F7 shows it)",
        "B": "B: Square root, T = 500 (on show)",
    }


@dataclass
class _State:
    """One step of the history in the model; no side until it was seen by the comparison."""

    spec: ScheduleSpec
    sides: tuple[str, ScheduleSpec, ScheduleSpec] | None = None


SPECS = st.sampled_from([COSINE, LINEAR, SQRT, replace(COSINE, T=10)])


class Comparing(RuleBasedStateMachine):
    """Random edits, drags, switches, undos and redos against a plain list of states."""

    def __init__(self) -> None:
        super().__init__()
        self.document = Document()
        self.comparison = Comparison(self.document)
        self.states = [_State(COSINE)]
        self.place = 0
        self.sides: tuple[str, ScheduleSpec, ScheduleSpec] | None = None

    @property
    def _here(self) -> _State:
        return self.states[self.place]

    def _arrive(self) -> None:
        """Take the sides of the state, or edit the one on show."""
        if self.sides is not None:
            letter, a, b = self.sides
            spec = self._here.spec
            edited = (letter, spec, b) if letter == "A" else (letter, a, spec)
            self.sides = self._here.sides = self._here.sides or edited

    def _push(self, spec: ScheduleSpec) -> None:
        if spec != self._here.spec:
            self.states[self.place + 1 :] = [_State(spec)]
            self.place += 1
            self._arrive()

    @rule(spec=SPECS)
    def edit(self, spec: ScheduleSpec) -> None:
        self.document.replace_schedule(spec, "edit")
        self._push(spec)

    @rule(specs=st.lists(SPECS, min_size=1, max_size=4))
    def drag(self, specs: list[ScheduleSpec]) -> None:
        self.document.end_gesture()
        for spec in specs:
            self.document.replace_schedule(spec, "drag", "drag")
        self.document.end_gesture()
        if any(spec != self._here.spec for spec in specs):
            del self.states[self.place + 1 :]
        self._push(specs[-1])

    @rule()
    def switch(self) -> None:
        self.comparison.switch()
        letter, a, b = self.sides or ("A", self._here.spec, self._here.spec)
        letter, target = ("B", b) if letter == "A" else ("A", a)
        self.sides = (letter, a, b)
        self._push(target)
        self._here.sides = self.sides

    @rule()
    def end(self) -> None:
        self.comparison.end()
        self.sides = None
        for state in self.states:
            state.sides = None

    @rule()
    def undo(self) -> None:
        self.document.history.undo()
        if self.place > 0:
            self.place -= 1
            self._arrive()

    @rule()
    def redo(self) -> None:
        self.document.history.redo()
        if self.place + 1 < len(self.states):
            self.place += 1
            self._arrive()

    @invariant()
    def the_sides_are_those_of_the_list(self) -> None:
        spec = self.document.experiment.schedule
        assert spec == self._here.spec
        if self.sides is None:
            assert self.comparison.sides() == (("A", spec),)
        else:
            assert _sides(self.comparison) == self.sides

    @invariant()
    def the_side_on_show_is_the_document(self) -> None:
        shown = dict(self.comparison.sides())[self.comparison.side]
        assert shown == self.document.experiment.schedule


Comparing.TestCase.settings = hypothesis_settings(
    max_examples=60, stateful_step_count=25, deadline=None
)
TestComparing = pytest.mark.usefixtures("qapp")(Comparing.TestCase)


# --- pins -----------------------------------------------------------------------------------------


def test_any_number_can_be_pinned_and_each_has_its_own_style(comparison: Comparison) -> None:
    for T in range(2, 102):
        comparison.pin(ScheduleSpec("cosine", T=T))
    assert len(comparison.pins) == 100
    assert {pin.style for pin in comparison.pins} == set(range(100))
    assert len({pin.name for pin in comparison.pins}) == 100


def test_a_pin_is_named_after_its_schedule_and_told_from_the_others(
    comparison: Comparison,
) -> None:
    wide = replace(COSINE, params=(("offset", 0.1),))
    names = [
        comparison.pin(spec).name
        for spec in (COSINE, replace(COSINE, T=50), wide, replace(COSINE, points=DRAWN), TABLE)
    ]
    assert names == ["Cosine", "Cosine, T = 50", "Cosine 2", "Cosine, drawn", "Table"]
    assert comparison.pin(LINEAR, "Mine").name == "Mine"


def test_a_curve_drawn_without_a_base_has_a_name() -> None:
    assert title(ScheduleSpec("", points=DRAWN)) == "Drawn curve"
    assert title(replace(TABLE, points=DRAWN)) == "Table, drawn"


def test_the_same_schedule_is_pinned_once(comparison: Comparison) -> None:
    assert comparison.pin(COSINE) == comparison.pin(COSINE)
    assert len(comparison.pins) == 1


def test_a_pin_keeps_its_style_while_others_go_and_a_freed_one_is_taken_again(
    comparison: Comparison,
) -> None:
    first, second = comparison.pin(COSINE), comparison.pin(LINEAR)
    comparison.unpin(first)
    assert comparison.pins == (second,)
    assert comparison.pin(SQRT).style == first.style
    comparison.clear_pins()
    assert comparison.pins == ()


def test_the_other_side_leads_what_is_compared(document: Document, comparison: Comparison) -> None:
    comparison.pin(SQRT)
    comparison.switch()
    _edit(document, LINEAR)
    assert [(pin.name, pin.spec) for pin in comparison.compared()] == [
        ("A", COSINE),
        ("Square root", SQRT),
    ]
    assert comparison.compared()[0].style == OTHER
    comparison.switch()
    assert comparison.compared()[0].name == "B"
    assert comparison.compared()[0].spec == LINEAR
