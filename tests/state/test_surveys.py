"""What is noted of runs through the controller: forks, labels, endings; curves of the numbers."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from diffusion_gui.app.parts import Parts
from diffusion_gui.engine.experiment import EMOJI, PICTURES
from diffusion_gui.session import library
from diffusion_gui.state import run_endings, surveyor
from diffusion_gui.state.sampling import Run, RunState
from diffusion_gui.state.step_series import StepNumber, series

TIMEOUT = 60_000


@pytest.fixture
def run(parts: Parts, qtbot: QtBot) -> Callable[..., Run]:
    """Return a function that makes a run of 6 steps with these settings and returns it."""
    parts.sampling.live = False

    def make(**changes: object) -> Run:
        few = {"steps": 6, "count": 3, "size": 16}
        parts.document.replace_sampling("few", **(few | changes))
        parts.sampling.run()
        qtbot.waitUntil(lambda: parts.sampling.state is RunState.DONE, timeout=TIMEOUT)
        assert parts.sampling.recorded is not None
        return parts.sampling.recorded

    return make


def test_a_run_is_noted_step_by_step_over_its_own_images(
    parts: Parts, run: Callable[..., Run]
) -> None:
    whole = run().survey
    assert whole is not None
    assert len(whole) == 7
    assert whole.atlas.names == library.captions()
    assert whole.atlas.pixels is library.emoji(16), "bundled pictures are not copied"
    assert whole.x_t.shape == whole.x0_hat.shape == (7, 3, 2)
    np.testing.assert_allclose(whole.x0_hat[0], 0.0, atol=0.5)  # the mean of the set
    labelled = run(label="heart").survey
    assert labelled is not None
    assert all("heart" in name for name in labelled.atlas.names)
    belief = labelled.belief(5)
    assert belief is not None
    result = parts.sampling.trajectory.last.x0_hat[0]
    chosen = labelled.atlas.pixels[belief.indices[0, 0]]
    assert np.abs(result.astype(int) - chosen).max() <= 1
    again = run(steps=5, label="").survey
    assert again is not None
    assert again.atlas is whole.atlas, "the map of a set just left is kept"


def test_a_fork_has_the_posteriors_of_its_parent_and_its_own(
    parts: Parts, run: Callable[..., Run]
) -> None:
    first = run()
    parts.sampling.fork(first, 3)
    forked = run(sampler="euler", model_params=(("temperature", 3.0),))
    assert first.survey is not None
    assert forked.survey is not None
    for step in range(3):
        assert forked.survey.belief(step) is first.survey.belief(step)
    own, other = forked.survey.belief(3), first.survey.belief(3)
    assert own is not None
    assert other is not None
    assert (own.entropy > other.entropy).all(), "a temperature leaves more open"
    np.testing.assert_array_equal(forked.survey.x_t[:4], first.survey.x_t[:4])


def test_own_pictures_are_on_the_map_by_name(
    parts: Parts, run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(surveyor, "MOST_BYTES", 3 * 8 * 8 * 3)
    own = run(data=PICTURES, steps=3).survey
    assert own is not None
    assert own.atlas.names == tuple(ref.name for ref in parts.document.experiment.pictures)
    assert own.atlas.pixels.shape == (3, 8, 8, 3), "a set too large is shown smaller"
    assert own.atlas.plane.points.shape == (3, 2)


def test_what_needs_the_result_is_worked_out_while_someone_watches(
    parts: Parts, run: Callable[..., Run], qtbot: QtBot
) -> None:
    first = run(model="gaussian")
    assert first.survey is not None
    assert first.ending is None
    assert not len(series(first, StepNumber.DISTANCE).steps)
    with qtbot.waitSignal(parts.run_endings.changed, timeout=TIMEOUT):
        parts.run_endings.set_watched(True)
    with qtbot.waitSignal(parts.run_endings.changed, timeout=TIMEOUT):
        second = run(model="gaussian", steps=5)
    for one in (first, second):
        survey = one.survey
        assert survey is not None
        assert one.ending is not None
        frames = one.trajectory.frames
        result = frames[-1].x0_hat.astype(float)
        curve = series(one, StepNumber.DISTANCE)
        assert curve.steps.tolist() == [frame.index for frame in frames]
        apart = [(frame.x0_hat - result) / 127.5 for frame in frames]
        wanted = [math.sqrt(np.square(one).mean()) for one in apart]
        np.testing.assert_allclose(curve.values, wanted, rtol=1e-5)
        wide = survey.atlas.pixels.reshape(len(survey.atlas), -1).astype(float)
        nearest = [np.square(wide - flat).sum(axis=1).argmin() for flat in result.reshape(3, -1)]
        assert one.ending.nearest.tolist() == nearest


def test_a_failure_at_the_end_is_forgotten_at_the_next_look(
    parts: Parts, run: Callable[..., Run], qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise MemoryError

    with monkeypatch.context() as short:
        short.setattr(run_endings, "distances", full)
        parts.run_endings.set_watched(True)
        done = run(model="gaussian")
        with qtbot.waitSignal(parts.run_endings._runner.ended, timeout=TIMEOUT):
            parts.sampling.runs.annotate(done, "the list is another")
    assert done.survey is not None
    assert done.ending is None
    with qtbot.waitSignal(parts.run_endings.changed, timeout=TIMEOUT):
        parts.run_endings.set_watched(True)
    assert done.ending is not None


def test_curves_are_the_numbers_of_the_frames(parts: Parts, run: Callable[..., Run]) -> None:
    done = run(sampler="ddpm", data=EMOJI)
    frames = done.trajectory.frames
    change = series(done, StepNumber.CHANGE)
    assert change.steps.tolist() == [1, 2, 3, 4, 5, 6]
    np.testing.assert_allclose(change.values, [frame.change for frame in frames[1:]], rtol=1e-6)
    assert change.each is not None
    assert change.at(3, 2) == pytest.approx(float(frames[3].changes[2]))
    cosine = series(done, StepNumber.COSINE)
    wanted = [frame.cosines.mean() for frame in frames[1:]]
    np.testing.assert_allclose(cosine.values, wanted, rtol=1e-5)
    sigma = series(done, StepNumber.SIGMA)
    assert sigma.at(2) == frames[2].sigma
    took = series(done, StepNumber.TIME)
    assert took.at(4) == pytest.approx(1e3 * (frames[4].seconds - frames[3].seconds))
    entropy = series(done, StepNumber.ENTROPY)
    assert entropy.steps.tolist() == [0, 1, 2, 3, 4, 5]
    assert entropy.values[0] == pytest.approx(math.log2(1377), abs=0.2)
    assert done.survey is not None
    assert entropy.at(2, 1) == pytest.approx(float(done.survey.belief(2).bits[1]))
    without = run(model="gaussian")
    assert math.isnan(series(without, StepNumber.ENTROPY).at(2))


def test_which_charts_are_shown_is_remembered(parts: Parts, tmp_path: Path) -> None:
    settings = parts.settings
    assert StepNumber.SIGMA in settings.step_charts
    settings.step_charts = (StepNumber.TIME, StepNumber.COSINE)
    assert settings.step_charts == (StepNumber.COSINE, StepNumber.TIME), "in their own order"
    settings.step_charts = ()
    assert settings.step_charts == ()
    settings._store.setValue("sampling/charts", "nonsense,time")
    assert settings.step_charts == (StepNumber.TIME,)
