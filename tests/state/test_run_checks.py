"""Second looks at runs: the same again, a planted difference, the distance to a reference."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from diffusion_gui.app.parts import Parts
from diffusion_gui.engine.experiment import PICTURES
from diffusion_gui.engine.run_distance import reference_of
from diffusion_gui.state import run_checks
from diffusion_gui.state import runs as runs_module
from diffusion_gui.state.run import Outcome, Run
from diffusion_gui.state.run_checks import Check, RunChecks
from diffusion_gui.state.sampling import RunState

SMOOTH = "gaussian"
TIMEOUT = 60_000
FEW = {
    "model": "exact", "sampler": "ddim", "steps": 4, "count": 2, "data": PICTURES, "size": 16,
}  # fmt: skip


@pytest.fixture
def finish(parts: Parts, qtbot: QtBot) -> Callable[..., Run]:
    """Return a function that runs the document's experiment with changes to its end."""
    parts.sampling.live = False

    def run(**changes: object) -> Run:
        parts.document.replace_sampling("few", **(FEW | changes))
        parts.sampling.run()
        qtbot.waitUntil(lambda: parts.sampling.state is RunState.DONE, timeout=TIMEOUT)
        made = parts.sampling.recorded
        assert made is not None
        return made

    return run


def _wait(qtbot: QtBot, checks: RunChecks) -> None:
    qtbot.waitUntil(lambda: checks.check is None, timeout=TIMEOUT)
    assert checks.message == ""


def test_a_run_is_the_same_again_and_a_planted_difference_is_found(
    parts: Parts, qtbot: QtBot, finish: Callable[..., Run]
) -> None:
    checks = parts.run_checks
    parent = finish(sampler="ddpm")
    parts.sampling.fork(parent, 2)
    fork = finish(sampler="heun")
    checks.ask(Check.VERIFY, parent, fork)
    assert checks.check is Check.VERIFY
    _wait(qtbot, checks)
    for run in (parent, fork):
        assert run.verdict is not None
        assert run.verdict.identical
        assert (run.verdict.largest, run.verdict.equal, run.verdict.steps) == (0.0, 5, 5)
    assert fork.result is not None
    fork.result = fork.result.copy()
    fork.result[1, 2, 3, 4] += 0.25
    fork.trajectory.frames[3].x0_hat[0, 0, 0, 0] ^= 1
    checks.ask(Check.VERIFY, fork)
    _wait(qtbot, checks)
    assert fork.verdict.largest == pytest.approx(0.25, abs=1e-6)
    assert (fork.verdict.equal, fork.verdict.steps) == (4, 5)
    assert parts.sampling.recorded is fork, "the check is no run"
    assert parts.sampling.state is RunState.DONE


def test_the_distance_to_the_reference_is_that_of_its_own_run(
    parts: Parts, qtbot: QtBot, finish: Callable[..., Run]
) -> None:
    checks = parts.run_checks
    runs = [finish(steps=n, model=m) for n, m in ((3, SMOOTH), (4, "exact"), (10, SMOOTH))]
    parts.document.replace(replace(reference_of(runs[0].experiment)), "the reference")
    by_hand = finish(steps=1000, sampler="heun", model=SMOOTH)
    checks.ask(Check.REFERENCE, *runs, by_hand)
    _wait(qtbot, checks)
    assert by_hand.distance is not None
    assert by_hand.distance.rms == 0.0
    for run in (runs[0], runs[2]):
        assert run.distance is not None
        assert run.distance.reference == by_hand.experiment
        apart = np.sqrt(np.mean((run.result - by_hand.result) ** 2, axis=(1, 2, 3)))
        np.testing.assert_allclose(run.distance.each, apart, rtol=1e-5)
        whole = np.sqrt(np.mean((run.result - by_hand.result) ** 2))
        assert run.distance.rms == pytest.approx(whole, rel=1e-5)
    assert runs[0].distance.rms > 0.0
    assert runs[1].distance.reference.sampling.model == "exact"


def test_a_run_that_begins_supersedes_a_check_which_says_so(
    parts: Parts, qtbot: QtBot, finish: Callable[..., Run]
) -> None:
    checks, seen = parts.run_checks, []
    run = finish(model="local")
    checks.changed.connect(lambda: seen.append(checks.progress))
    checks.ask(Check.REFERENCE, run)
    qtbot.waitUntil(lambda: 0.0 < max(seen) < 1.0, timeout=TIMEOUT)
    finish(model="exact")
    assert checks.check is None
    assert "given up" in checks.message
    assert run.distance is None
    checks.ask(Check.REFERENCE, run)
    assert checks.message == ""
    checks.cancel()
    assert checks.check is None
    checks.ask(Check.VERIFY, run)
    _wait(qtbot, checks)
    assert run.verdict is not None


def test_what_cannot_be_checked_is_said(parts: Parts, qtbot: QtBot) -> None:
    checks = parts.run_checks
    parts.sampling.live = False
    parts.document.replace_sampling("many", **(FEW | {"steps": 1000}))
    parts.sampling.run()
    qtbot.waitUntil(lambda: bool(parts.run_view.step), timeout=TIMEOUT)
    parts.sampling.stop()
    run = parts.sampling.recorded
    assert run is not None
    checks.ask(Check.VERIFY, run)
    assert checks.message.endswith("finish it first")
    parts.sampling.finish(run)
    qtbot.waitUntil(lambda: parts.sampling.state is RunState.DONE, timeout=TIMEOUT)
    [whole] = parts.sampling.runs
    assert whole is not run
    assert (whole.number, whole.outcome) == (run.number, Outcome.DONE)
    assert whole.trajectory.finished
    assert whole.trajectory.frames[0] is run.trajectory.frames[0]
    checks.ask(Check.VERIFY, whole)
    _wait(qtbot, checks)
    assert whole.verdict is not None
    assert whole.verdict.identical


def test_a_run_whose_result_was_given_up_says_what_to_do(
    parts: Parts, finish: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    old, checks = finish(), parts.run_checks
    monkeypatch.setattr(runs_module, "BUDGET", old.trajectory.nbytes)
    finish(steps=5)
    assert old.result is None
    assert "run it again to verify it" in checks.refusal(Check.VERIFY, old)
    assert "run it again to measure it" in checks.refusal(Check.REFERENCE, old)
    checks.ask(Check.VERIFY, old)
    assert checks.check is None
    assert "given up for the memory of newer runs" in checks.message


def test_references_are_kept_within_a_budget(
    parts: Parts, monkeypatch: pytest.MonkeyPatch, finish: Callable[..., Run]
) -> None:
    checks = parts.run_checks
    made = finish(model=SMOOTH)
    assert made.result is not None
    monkeypatch.setattr(run_checks, "REFERENCE_BYTES", 2 * made.result.nbytes)
    for number in range(5):
        checks._remember(replace(made.experiment, seed=number), made.result)
    assert [one.seed for one in checks._references] == [3, 4]
    monkeypatch.setattr(run_checks, "REFERENCE_BYTES", 1)
    checks._remember(made.experiment, made.result)
    assert len(checks._references) == 1, "the newest, or it could not be measured by"
