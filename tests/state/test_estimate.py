"""The estimate beside x_t: one call of the document's model at the time cursor."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from diffusion_gui.app.parts import Parts
from diffusion_gui.engine.experiment import PICTURES, NoiseKind
from diffusion_gui.engine.images import square
from diffusion_gui.engine.noise import START, gaussian
from diffusion_gui.session import library
from diffusion_gui.state.sampling import Estimate, RunState


@pytest.fixture(autouse=True)
def _no_live_sampling(parts: Parts) -> None:
    parts.sampling.live = False


def _answer(parts: Parts, qtbot: QtBot) -> Estimate:
    """Return the estimate for what is on show now."""
    view, experiment = parts.view, parts.document.experiment

    def there() -> bool:
        newest = parts.estimator.newest
        shown = (experiment, view.picture, view.t)
        return newest is not None and (newest.experiment, newest.picture, newest.t) == shown

    qtbot.waitUntil(there, timeout=60_000)
    assert parts.estimator.newest is not None
    return parts.estimator.newest


def _posterior_mean(parts: Parts, t: int) -> np.ndarray:
    """Return E[x_0 | x_t] over the emoji in grey levels, float64, by the formula alone."""
    schedule = parts.document.schedule
    a, s = float(schedule.a[t]), float(schedule.s[t])
    clean = square(parts.store.get(parts.view.picture).pixels, 32).astype(np.float64) / 127.5 - 1.0
    x_t = a * clean + s * gaussian(0, 0, START, (32, 32, 3)).astype(np.float64)
    data = library.emoji(32).astype(np.float64) / 127.5 - 1.0
    logits = -((x_t - a * data) ** 2).sum(axis=(1, 2, 3)) / (2.0 * s**2)
    weights = np.exp(logits - logits.max())
    mean = np.tensordot(weights / weights.sum(), data, 1)
    return (np.clip(mean, -1.0, 1.0) + 1.0) * 127.5


def test_it_is_the_posterior_mean_at_the_cursor_and_follows_it(parts: Parts, qtbot: QtBot) -> None:
    parts.view.set_display(estimate=True)
    for t in (990, 940):
        parts.view.set_t(t)
        estimate = _answer(parts, qtbot)
        assert estimate.x0_hat is not None
        assert np.abs(estimate.x0_hat - _posterior_mean(parts, t)).max() <= 1.0


def test_it_follows_model_seed_picture_schedule_and_noise(parts: Parts, qtbot: QtBot) -> None:
    parts.view.set_display(estimate=True)
    parts.view.set_t(800)
    parts.document.replace_sampling("model", model="gaussian")
    before = _answer(parts, qtbot)
    document = parts.document
    for change in (
        lambda: document.replace(replace(document.experiment, seed=9), "seed"),
        lambda: parts.view.set_picture(document.experiment.pictures[1].id),
        lambda: document.replace_schedule(replace(document.experiment.schedule, shift=2.0), "s"),
        lambda: document.replace_forward("noise", noise=NoiseKind.FRESH),
        lambda: document.replace_sampling("size", size=16),
    ):
        change()
        after = _answer(parts, qtbot)
        assert after.x0_hat is not None
        assert before.x0_hat is not None
        assert after.x0_hat.shape != before.x0_hat.shape or (after.x0_hat != before.x0_hat).any()
        before = after


def test_nothing_is_asked_unless_wished_and_nothing_at_t_0(parts: Parts, qtbot: QtBot) -> None:
    parts.view.set_t(500)
    qtbot.wait(50)
    assert parts.estimator.newest is None
    parts.view.set_t(0)
    parts.view.set_display(estimate=True)
    qtbot.waitUntil(lambda: "no noise" in parts.estimator.message)
    parts.view.set_t(700)
    assert _answer(parts, qtbot).t == 700


def test_what_the_model_refuses_is_said_and_mended(parts: Parts, qtbot: QtBot) -> None:
    parts.view.set_t(500)
    parts.document.replace_sampling("label", label="no such thing")
    parts.view.set_display(estimate=True)
    qtbot.waitUntil(lambda: "no image has the label" in parts.estimator.message, timeout=60_000)
    assert parts.sampling.state is RunState.IDLE
    parts.document.replace_sampling("label", label="")
    assert _answer(parts, qtbot).x0_hat is not None


def test_it_waits_for_a_run_and_disturbs_none(parts: Parts, qtbot: QtBot) -> None:
    parts.view.set_t(600)
    parts.view.set_display(estimate=True)
    _answer(parts, qtbot)
    parts.run_view.stay()
    parts.sampling.step()  # a run that is held after its first step
    qtbot.waitUntil(lambda: parts.sampling.trajectory is not None, timeout=60_000)
    parts.view.set_t(650)
    qtbot.waitUntil(lambda: parts.estimator.message == "waits for the run")
    assert parts.sampling.state is RunState.PAUSED
    parts.sampling.resume()
    qtbot.waitUntil(lambda: parts.sampling.state is RunState.DONE, timeout=60_000)
    assert _answer(parts, qtbot).t == 650
    assert parts.sampling.state is RunState.DONE


def test_a_question_that_a_run_has_taken_the_place_of_is_asked_again(
    parts: Parts, qtbot: QtBot
) -> None:
    parts.view.set_t(600)
    parts.view.set_display(estimate=True)
    _answer(parts, qtbot)
    parts.view.set_t(620)
    parts.estimator._ask()
    parts.run_view.stay()
    parts.sampling.run()
    qtbot.waitUntil(lambda: parts.sampling.state is RunState.DONE, timeout=60_000)
    assert _answer(parts, qtbot).t == 620


def test_the_users_own_pictures_are_a_data_set_for_it_too(parts: Parts, qtbot: QtBot) -> None:
    parts.document.replace_sampling("data", data=PICTURES)
    parts.view.set_t(300)
    parts.view.set_display(estimate=True)
    estimate = _answer(parts, qtbot)
    own = square(parts.store.get(parts.view.picture).pixels, 32)
    assert estimate.x0_hat is not None
    assert np.abs(estimate.x0_hat.astype(int) - own).max() <= 1  # one of three is soon sure
