"""The history: a list of states with a place in it."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtWidgets import QApplication

from diffusion_gui.engine.experiment import Experiment
from diffusion_gui.state.history import LIMIT, History


def _seed(number: int) -> Experiment:
    return replace(Experiment(), seed=number)


def test_a_drag_back_to_where_it_began_leaves_no_step(qapp: QApplication) -> None:
    history = History(_seed(0))
    history.push(_seed(1), "drag", "key")
    history.push(_seed(0), "drag", "key")
    assert history.count == 0
    assert history.current == _seed(0)


def test_the_oldest_steps_are_forgotten_beyond_the_limit(qapp: QApplication) -> None:
    history = History(_seed(0))
    for number in range(1, LIMIT + 50):
        history.push(_seed(number), "step")
    assert history.count == LIMIT
    for _ in range(LIMIT + 10):
        history.undo()
    assert history.current == _seed(49)


def test_the_texts_name_what_would_be_undone_and_redone(qapp: QApplication) -> None:
    history = History(_seed(0))
    history.push(_seed(1), "first")
    history.push(_seed(2), "second")
    history.undo()
    assert (history.undo_text, history.redo_text) == ("first", "second")


def test_a_step_that_is_amended_keeps_its_place_below_those_made_since(
    qapp: QApplication,
) -> None:
    def sampled(experiment: Experiment) -> Experiment:
        return replace(experiment, sampling=replace(experiment.sampling, count=5))

    history = History(_seed(0))
    history.push(_seed(1), "open", "open#1")
    history.push(_seed(2), "drag")
    history.push(_seed(3), "drag")
    history.undo()
    assert history.amend("open#1", "open more", sampled)
    assert history.current == sampled(_seed(2))
    history.redo()
    assert history.current == sampled(_seed(3))
    history.undo()
    history.undo()
    assert history.current == sampled(_seed(1))
    assert history.undo_text == "open more"
    history.undo()
    assert history.current == _seed(0)
    assert not history.amend("open#1", "open more", sampled)
    assert not history.amend("open#2", "open more", sampled)
    assert history.current == _seed(0)
