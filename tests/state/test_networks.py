"""Networks in the window's state: opened, remembered, sampled, judged by what they are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from diffusion_gui.app.parts import Parts
from diffusion_gui.engine.experiment import PICTURES, Guidance, NetworkRef
from diffusion_gui.session.networks import open_file
from diffusion_gui.state import model_choice
from diffusion_gui.state.dependence import same_samples
from diffusion_gui.state.networks import Networks
from diffusion_gui.state.run_checks import Check
from diffusion_gui.state.sampling import RunState
from diffusion_gui.state.settings import MOST_NETWORKS, Settings

TIMEOUT = 60_000
Make = Callable[..., Path]


def _add(parts: Parts, path: Path) -> NetworkRef:
    ref, network = open_file(path)
    parts.networks.add(ref, network)
    return ref


def _choose(parts: Parts, ref: NetworkRef, **changes: object) -> None:
    about = parts.networks.about(ref)
    chosen = model_choice.network(parts.document.experiment, ref, about)
    parts.document.replace_sampling("network", **(chosen | {"steps": 4, "count": 2} | changes))


def _run(qtbot: QtBot, parts: Parts) -> None:
    parts.sampling.run()
    qtbot.waitUntil(lambda: not parts.sampling.active, timeout=TIMEOUT)
    assert parts.sampling.state is RunState.DONE, parts.sampling.message


def test_opened_networks_are_there_at_the_next_start(
    make_network: Make, settings: Settings, qtbot: QtBot, caplog: pytest.LogCaptureFixture
) -> None:
    first = Networks(None, settings)
    added: list[object] = []
    first.added.connect(added.append)
    paths = [make_network(name, seed=seed) for seed, name in enumerate(("one", "two", "three"))]
    refs = [open_file(path) for path in paths]
    for ref, network in refs:
        first.add(ref, network)
    first.add(*refs[0])  # opened again: it is the newest
    first.add(NetworkRef("trained", "still in memory"), refs[0][1])
    assert len(added) == 5
    assert settings.networks == tuple(str(paths[place]) for place in (1, 2, 0))
    paths[2].unlink()
    again = Networks(None, settings)
    again.added.connect(added.append)
    with qtbot.waitSignal(again.changed):
        again.recall()
    assert [ref.name for ref in again.refs] == ["two", "one"]
    assert "three.safetensors: cannot be read" in caplog.text
    assert settings.networks == (str(paths[1]), str(paths[0]))
    assert len(added) == 5, "what was there before is not new"
    settings.networks = [f"/{number}" for number in range(MOST_NETWORKS + 5)]
    assert len(settings.networks) == MOST_NETWORKS
    settings._store.setValue("networks", "not a list")
    assert settings.networks == ()
    for one in (first, again):
        one.shutdown()
        one.deleteLater()


def test_a_network_samples_forks_and_is_verified(
    make_network: Make, parts: Parts, qtbot: QtBot
) -> None:
    parts.sampling.live = False
    ref = _add(parts, make_network())
    parts.document.replace_sampling("small", size=16, steps=4, count=2)
    _run(qtbot, parts)
    exact = parts.sampling.recorded
    assert exact is not None
    parts.sampling.fork(exact, 2)
    _choose(parts, ref, label="red heart", guidance=Guidance("cfg", (("scale", 2.0),)))
    assert parts.forecaster.problem == ""
    _run(qtbot, parts)
    learned = parts.sampling.recorded
    assert learned is not None
    assert learned.survey is None
    frames, before = learned.trajectory, exact.trajectory
    np.testing.assert_array_equal(frames.at_step(1).x_t, before.at_step(1).x_t)  # type: ignore[union-attr]
    assert not np.array_equal(frames.at_step(4).x_t, before.at_step(4).x_t)  # type: ignore[union-attr]
    assert learned.untrained == ""
    parts.run_checks.ask(Check.VERIFY, learned)
    qtbot.waitUntil(lambda: learned.verdict is not None, timeout=TIMEOUT)
    assert learned.verdict is not None
    assert learned.verdict.identical
    parts.sampling.unfork()
    _run(qtbot, parts)
    assert parts.sampling.recorded is not None
    assert parts.sampling.recorded.untrained == "1 untrained (σ > 160)"


def test_one_call_estimates_with_a_network(make_network: Make, parts: Parts, qtbot: QtBot) -> None:
    parts.sampling.live = False
    _choose(parts, _add(parts, make_network()), label="red")
    parts.view.set_display(estimate=True)
    qtbot.waitUntil(lambda: parts.estimator.newest is not None, timeout=TIMEOUT)
    assert parts.estimator.newest is not None
    assert parts.estimator.newest.x0_hat is not None
    assert parts.estimator.newest.x0_hat.shape == (16, 16, 3)


def test_a_network_that_is_not_here_is_asked_for_and_found_when_it_is_opened(
    make_network: Make, parts: Parts, qtbot: QtBot
) -> None:
    parts.sampling.live = False
    ref, network = open_file(make_network())
    parts.document.replace_sampling("restored", model="neural", network=replace(ref, source=""))
    parts.document.replace_sampling("size", size=16)
    qtbot.waitUntil(lambda: bool(parts.forecaster.problems))
    assert parts.forecaster.problem == (
        "Tiny is not here: open its file again, or choose another model"
    )
    assert parts.sampling.obstacle
    parts.networks.add(ref, network)
    qtbot.waitUntil(lambda: not parts.forecaster.problems)
    _run(qtbot, parts)
    stranger = parts.document.experiment
    parts.document.replace_sampling("the same", network=ref)
    assert same_samples(stranger, parts.document.experiment)
    parts.document.replace_sampling("pictures", data=PICTURES)
    assert same_samples(stranger, parts.document.experiment), "a network knows no images"
    parts.document.replace_sampling("another", network=replace(ref, id="other"))
    assert not same_samples(stranger, parts.document.experiment)


def test_the_time_of_one_network_says_nothing_of_another(
    make_network: Make, parts: Parts, qtbot: QtBot
) -> None:
    parts.sampling.live = False
    one, other = (_add(parts, make_network(name, seed=ord(name))) for name in "ab")
    _choose(parts, one, label="red")
    _run(qtbot, parts)
    pace, wish = parts.sampling.pace, parts.sampling.device
    assert pace.knows(parts.document.experiment, wish)
    parts.document.replace_sampling("tray", data=PICTURES)
    assert pace.per_call(parts.document.experiment, wish) is not None
    _choose(parts, other)
    assert not pace.knows(parts.document.experiment, wish)
    _choose(parts, one, model_params=(("precision", 1.0),))
    assert not pace.knows(parts.document.experiment, wish)


def test_choosing_a_model_keeps_what_it_can_be_told(make_network: Make, parts: Parts) -> None:
    labels = ("red heart", "green tree")
    guided = Guidance("cfg", (("scale", 3.0),))
    parts.document.replace_sampling("x", label="green tree", guidance=guided, size=64)
    tiny, silent = make_network(), make_network("silent", words=())
    ref = _add(parts, tiny)
    before = parts.document.experiment
    chosen = model_choice.network(before, ref, parts.networks.about(ref))
    assert (chosen["size"], chosen["label"], chosen["guidance"].method) == (16, "", "")
    known = replace(before, sampling=replace(before.sampling, label="red heart"))
    assert "label" not in model_choice.network(known, ref, parts.networks.about(ref))
    mute = _add(parts, silent)
    assert model_choice.network(known, mute, parts.networks.about(mute))["label"] == ""
    odd = replace(known.sampling, model="neural", network=ref, size=28, label="blue circle")
    back = model_choice.closed_form(replace(before, sampling=odd), "gaussian", labels)
    assert (back["size"], back["label"], back["network"]) == (32, "", None)
    large = replace(odd, size=256, label="red heart")
    back = model_choice.closed_form(replace(before, sampling=large), "exact", labels)
    assert back["size"] == 64
    assert "label" not in back
    tray = model_choice.closed_form(
        replace(before, sampling=replace(large, data=PICTURES)), "exact", labels
    )
    assert tray["size"] == 128


def test_the_guidance_scale_is_one_number() -> None:
    assert model_choice.scale_of(Guidance()) == 1.0
    assert model_choice.scale_of(Guidance("cfg")) == 2.0
    made = model_choice.with_scale(Guidance(), 3.0)
    assert (made.method, dict(made.params)["scale"]) == ("cfg", 3.0)
    apg = Guidance("apg", (("eta", 0.5), ("scale", 2.0)), "gaussian")
    kept = model_choice.with_scale(apg, 4.0)
    assert (kept.method, kept.against) == ("apg", "gaussian")
    assert dict(kept.params) == {"eta": 0.5, "scale": 4.0}
