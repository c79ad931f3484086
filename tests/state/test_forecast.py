"""The forecast follows the settings, and learns from the runs how long they take."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pytestqt.qtbot import QtBot

from diffusion_gui.app.parts import Parts
from diffusion_gui.engine.experiment import PICTURES, Start
from diffusion_gui.engine.forecast import Part
from diffusion_gui.engine.numerals import size
from diffusion_gui.state.forecast import spoken
from diffusion_gui.state.sampling import RunState

TIMEOUT = 60_000


def test_the_forecast_follows_the_settings_and_the_runs(parts: Parts, qtbot: QtBot) -> None:
    parts.sampling.live = False
    told = parts.forecaster
    told.refresh()
    assert told.text == (
        "NFE 20   time unknown until the first run   keeps 21 of 21 steps, 3.1 MB   model 17 MB"
    )
    parts.document.replace_sampling("few", steps=4, count=2)
    qtbot.waitUntil(lambda: told.text.startswith("NFE 4 "))
    parts.sampling.run()
    qtbot.waitUntil(lambda: parts.sampling.state is RunState.DONE, timeout=TIMEOUT)
    run = parts.sampling.recorded
    assert run is not None
    assert run.trajectory.last is not None
    first, last = run.trajectory.frames[0], run.trajectory.last
    per_call = (last.seconds - first.seconds) / 3  # the first one is slow
    assert told.seconds == pytest.approx(4 * per_call)
    parts.document.replace_sampling("more", steps=8)
    qtbot.waitUntil(lambda: told.forecast is not None and told.forecast.calls == 8)
    assert told.seconds == pytest.approx(8 * per_call)
    assert "about" in told.text
    parts.document.replace_sampling("another count", count=3)
    assert told.seconds == pytest.approx(8 * per_call * 3 / 2)
    assert "roughly" in told.text, "of this count there is no run yet"


def test_steps_beyond_T_are_counted_the_same_everywhere_and_said(
    parts: Parts, qtbot: QtBot
) -> None:
    controller, told = parts.sampling, parts.forecaster
    controller.live = False
    parts.document.replace_sampling("few", steps=4, count=2, model="gaussian", size=16)
    controller.run()
    qtbot.waitUntil(lambda: controller.state is RunState.DONE, timeout=TIMEOUT)
    for start, most, words in (
        (None, 1000, "no more than 1,000 steps from T = 1,000"),
        (Start(parts.view.picture, 300), 300, "no more than 300 steps from t = 300"),
    ):
        parts.document.replace_sampling("many", steps=2000, start=start)
        qtbot.waitUntil(
            lambda most=most: told.forecast is not None and told.forecast.calls == most,
            timeout=TIMEOUT,
        )
        assert told.text.startswith(f"NFE {most:,}   {words}   about ")
        expected = controller.pace.expected(parts.document.experiment, "cpu")
        assert expected == pytest.approx(told.seconds)
    parts.document.replace_sampling("fewer", steps=300)
    qtbot.waitUntil(lambda: "no more than" not in told.text, timeout=TIMEOUT)


def test_a_long_plan_is_counted_in_the_background(parts: Parts, qtbot: QtBot) -> None:
    parts.sampling.live = False
    told = parts.forecaster
    for steps in (200, 300, 400):
        parts.document.replace_sampling("steps", steps=steps, sampler="heun")
    qtbot.waitUntil(lambda: told.forecast is not None, timeout=TIMEOUT)
    assert told.forecast is not None
    assert told.forecast.calls == 799
    assert "keeps 401 of 401 steps" in told.text


def test_what_is_impossible_is_said_instead(parts: Parts, qtbot: QtBot) -> None:
    parts.sampling.live = False
    empty = replace(parts.document.experiment, pictures=())
    parts.document.replace(empty, "remove all")
    parts.document.replace_sampling("own pictures", data=PICTURES)
    qtbot.waitUntil(lambda: Part.MODEL in parts.forecaster.problems)
    assert "no pictures to learn from" in parts.forecaster.text
    assert parts.forecaster.seconds is None


def test_times_and_sizes_have_sensible_digits() -> None:
    assert [spoken(s) for s in (0.012, 0.5, 1.25, 42.0, 600.0)] == [
        "12 ms", "0.50 s", "1.2 s", "42 s", "10 min",
    ]  # fmt: skip
    assert [size(n) for n in (4e4, 3.1e6, 17e6, 2.13e9)] == ["40 kB", "3.1 MB", "17 MB", "2.1 GB"]
