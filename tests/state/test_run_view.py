"""What the sampling panel looks at: runs, steps, the link with the time cursor."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pytestqt.qtbot import QtBot

from diffusion_gui.app.parts import Parts
from diffusion_gui.engine.schedules import ScheduleSpec
from diffusion_gui.state.run_view import Quantity, SamplingPage
from diffusion_gui.state.sampling import Run, RunState

TIMEOUT = 60_000


@pytest.fixture
def run(parts: Parts, qtbot: QtBot) -> Callable[..., Run]:
    """Return a function that makes a run of 6 steps with these settings and returns it."""
    parts.sampling.live = False

    def make(**changes: object) -> Run:
        parts.document.replace_sampling("few", **({"steps": 6, "count": 2} | changes))
        parts.sampling.run()
        qtbot.waitUntil(lambda: parts.sampling.state is RunState.DONE, timeout=TIMEOUT)
        assert parts.sampling.recorded is not None
        return parts.sampling.recorded

    return make


def test_a_new_run_is_shown_and_followed_to_its_end(parts: Parts, run: Callable[..., Run]) -> None:
    shown, told = parts.run_view, []
    assert shown.at_first
    assert shown.at_newest
    shown.run_changed.connect(lambda: told.append(shown.run))
    first = run()
    assert told == [first]
    assert shown.frame is first.trajectory.last
    assert shown.step == 6
    assert shown.following
    shown.set_step(2)
    second = run(count=1)
    assert told == [first, second]
    assert shown.step == 6
    shown.set_image(0)
    shown.show(first)
    assert shown.frame is first.trajectory.last
    shown.set_image(1)
    shown.show(second)
    assert shown.image is None


def test_steps_are_walked_and_lead_the_time_cursor(parts: Parts, run: Callable[..., Run]) -> None:
    shown = parts.run_view
    shown.earlier()  # nothing to look at yet, nothing happens
    run()
    shown.earlier()
    assert shown.step == 5
    assert shown.frame is not None
    assert parts.view.t == shown.frame.t
    assert not shown.following
    shown.later()
    shown.later()
    assert shown.step == 6
    assert shown.following
    shown.first()
    shown.earlier()
    assert (shown.step, shown.at_first, shown.at_newest) == (0, True, False)
    assert parts.view.t == parts.view.T
    shown.last()
    assert (shown.step, parts.view.t) == (6, 0)
    shown.set_step(99)
    assert shown.step == 6
    parts.view.set_t(510)
    assert shown.frame.t == 500
    assert not shown.following


def test_a_run_that_is_followed_takes_the_time_cursor_along_wherever_it_rests(
    parts: Parts, run: Callable[..., Run], qtbot: QtBot
) -> None:
    shown = parts.run_view

    def agree() -> bool:
        return shown.frame is not None and parts.view.t == shown.frame.t

    first = run()
    assert (shown.step, parts.view.t) == (6, 0), "at its end"
    parts.sampling.step()
    qtbot.waitUntil(lambda: shown.run is not first, timeout=TIMEOUT)
    for made in (1, 2, 3):
        parts.sampling.step()
        qtbot.waitUntil(lambda made=made: shown.step == made and agree(), timeout=TIMEOUT)
    parts.sampling.stop()
    assert (shown.step, agree()) == (3, True), "stopped"
    shown.show(first)
    assert (shown.step, parts.view.t) == (6, 0), "another run"
    parts.view.set_t(400)
    assert shown.frame is not None
    assert (shown.following, abs(shown.frame.t - 400) <= 100) == (False, True)
    run(steps=9)
    assert (shown.step, parts.view.t) == (9, 0), "asked for by a person"


def test_a_run_that_no_person_asked_for_is_shown_at_the_time_cursor(
    parts: Parts, qtbot: QtBot
) -> None:
    shown, t = parts.run_view, parts.view.t
    assert 0 < t < parts.view.T
    shown.stay()  # as the program does with the run that it begins with
    parts.sampling.run()
    for steps in (0, 5, 40):
        if steps:
            parts.document.replace_sampling("more", steps=steps)  # live samples again
        qtbot.waitUntil(
            lambda steps=steps: (
                parts.sampling.state is RunState.DONE
                and not parts.sampling.outdated
                and shown.run is parts.sampling.recorded
            ),
            timeout=TIMEOUT,
        )
        assert (parts.view.t, shown.following) == (t, False)
        assert shown.run is not None
        assert shown.frame is shown.run.trajectory.at_time(t)


def test_the_time_cursor_comes_along_while_steps_are_scrubbed_but_not_at_each(
    parts: Parts, run: Callable[..., Run], qtbot: QtBot
) -> None:
    shown, moved, led = parts.run_view, [], []
    shown.scrub(3)  # nothing to look at yet, nothing happens
    run(steps=50)
    parts.view.t_changed.connect(moved.append)
    shown.led.connect(lambda: led.append(shown.step))
    for step in range(30):
        shown.scrub(step)
        assert shown.step == step, "the step itself is never late"
    assert shown.lags
    qtbot.waitUntil(lambda: not shown.lags)
    assert shown.frame is not None
    assert parts.view.t == moved[-1] == shown.frame.t
    assert led[-1] == 29
    assert len(moved) < 30
    assert not shown.following
    shown.scrub(40)
    shown.scrub(41)
    shown.set_step(42)
    assert (shown.lags, parts.view.t) == (False, shown.frame.t), "one step alone is told at once"
    shown.scrub(43)
    assert shown.lags
    parts.view.set_t(999)
    assert (shown.lags, shown.step) == (False, 0), "whoever moves the cursor now is right"


def test_a_time_of_another_length_is_scaled(parts: Parts, run: Callable[..., Run]) -> None:
    run()
    parts.document.replace_schedule(ScheduleSpec("cosine", 100), "T")
    parts.run_view.set_step(3)
    assert parts.run_view.frame is not None
    assert parts.run_view.frame.t == 500
    assert parts.view.t == 50
    parts.view.set_t(83)
    assert parts.run_view.step == 1


def test_step_goes_on_where_there_is_more_and_makes_a_step_at_the_newest(
    parts: Parts, run: Callable[..., Run], qtbot: QtBot
) -> None:
    shown, old = parts.run_view, run()
    shown.set_step(5)
    shown.step_on()
    assert shown.step == 6
    assert parts.sampling.recorded is old
    shown.step_on()  # of a run at its end: a new one, held after its first step
    qtbot.waitUntil(lambda: shown.run is not old, timeout=TIMEOUT)
    assert parts.sampling.state is RunState.PAUSED
    for made in (1, 2, 3):
        shown.step_on()
        qtbot.waitUntil(lambda made=made: shown.step == made, timeout=TIMEOUT)
    shown.step_back()
    shown.step_on()
    assert shown.step == 3
    assert shown.run is not None
    assert len(shown.run.trajectory) == 4
    shown.show(old)
    shown.step_on()  # at the end of an old run: the one that is held goes on
    qtbot.waitUntil(lambda: shown.run is not old and shown.step == 4, timeout=TIMEOUT)


def test_a_step_back_holds_the_run(parts: Parts, qtbot: QtBot) -> None:
    parts.document.replace_sampling("long", steps=1000, count=1)
    parts.sampling.run()
    shown = parts.run_view
    qtbot.waitUntil(lambda: shown.step > 3, timeout=TIMEOUT)
    parts.view.set_t(900)
    assert shown.following, "the time cursor leaves a run alone that is followed"
    shown.step_back()
    assert parts.sampling.state is RunState.PAUSED
    assert not shown.following
    assert shown.run is not None
    assert shown.run.trajectory.last is not None
    assert shown.step < shown.run.trajectory.last.index
    shown.follow()
    assert shown.frame is shown.run.trajectory.last
    parts.sampling.stop()


def test_at_least_one_grid_is_shown_in_a_fixed_order(parts: Parts) -> None:
    shown, told = parts.run_view, []
    shown.shown_changed.connect(lambda: told.append(shown.quantities))
    shown.set_quantities([Quantity.EPS_HAT, Quantity.X_T])
    shown.set_quantities([])
    assert told == [(Quantity.X_T, Quantity.EPS_HAT)]
    assert shown.page is SamplingPage.CURVES
    shown.set_page(None)
    assert len(told) == 2
