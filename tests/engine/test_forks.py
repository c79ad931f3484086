"""Forks: with nothing changed bit for bit the same, with something changed only from there on."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from diffusion_gui.engine import masks, reverse, traces
from diffusion_gui.engine.denoisers.in_parts import AtOnce
from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.experiment import (
    MOST_FORKS,
    Experiment,
    Fit,
    Fork,
    Forward,
    Guidance,
    Inpaint,
    Sampling,
    Start,
)
from diffusion_gui.engine.lineage import shortest
from diffusion_gui.engine.params import pack
from diffusion_gui.engine.planning import calls_by_step, plan, transitions
from diffusion_gui.engine.reverse import Built, Ready, tape_for, walk
from diffusion_gui.engine.samplers import SAMPLERS, Step
from diffusion_gui.engine.schedules import ScheduleSpec
from diffusion_gui.engine.tape import Tape

CPU = torch.device("cpu")
PICTURE = np.random.default_rng(0).integers(0, 256, (16, 16, 3)).astype(np.uint8)
HALF = np.zeros((64, 64), bool)
HALF[:, :32] = True

WAYS: dict[str, dict[str, Any]] = {
    "plain": {},
    "restart": {"restart": pack({"low": 0.3, "high": 2.0, "rounds": 2.0})},
    "guided": {"guidance": Guidance("cfg", pack({"scale": 3.0, "rescale": 0.5, "low": 0.5}))},
    "projected": {"guidance": Guidance("apg", pack({"scale": 3.0, "momentum": -0.5}))},
    "inpainting": {"inpaint": Inpaint("p", masks.encode(HALF), pack({"resamples": 2, "jump": 3}))},
    "from a picture": {"start": Start("p", 700)},
    "inverted": {"start": Start("p", 700, inverted=True, iterations=2)},
}


class Model:
    """Curved, so that no sampler is exact, and counts its calls."""

    def __init__(self, bend: float = 1.0) -> None:
        self.made = 0
        self._bend = bend

    def __call__(self, x: Tensor, a: float, s: float) -> Tensor:
        self.made += 1
        return torch.tanh(self._bend * x * a / (a * a + s * s)) + 0.1 * torch.sin(3.0 * x)


def source(bend: float = 1.0) -> Ready:
    return Ready(Built(Model(bend), Model(0.5)), PICTURE, PICTURE)


def made(ready: Ready) -> int:
    return ready.built.main.made + ready.built.against.made  # type: ignore[attr-defined, union-attr]


def wish(seed: int = 0, **sampling: Any) -> Experiment:
    given = {"steps": 12, "count": 2, "size": 16, "sampler": "dpmpp_2m"} | sampling
    return Experiment(sampling=Sampling(**given), seed=seed)


def steps_of(
    experiment: Experiment, ready: Ready | None = None, tape: Tape | None = None
) -> list[Step]:
    return list(walk(experiment, ready or source(), CPU, tape))


def assert_same(one: Step, other: Step) -> None:
    assert (one.index, one.a, one.s) == (other.index, other.a, other.s)
    assert torch.equal(one.x_t, other.x_t)
    assert torch.equal(one.x0_hat, other.x0_hat)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_an_unchanged_fork_is_the_same_to_the_last_bit(sampler: str, way: str) -> None:
    parent = wish(sampler=sampler, **WAYS[way])
    tape = tape_for(parent, None)
    expected = steps_of(parent, tape=tape)
    last = transitions(parent) - 1
    for step in (0, 1, last // 2, last):
        fork = replace(parent, fork=Fork(parent, step))
        for played in (None, tape_for(fork, tape)):
            found = steps_of(fork, tape=played)
            assert len(found) == len(expected)
            for one, other in zip(found, expected, strict=True):
                assert_same(one, other)


CHANGES: dict[str, dict[str, Any]] = {
    "sampler": {"sampler": "heun"},
    "parameter": {"sampler": "ddim", "params": pack({"eta": 0.5})},
    "steps": {"steps": 31},
    "spacing": {"spacing": "karras"},
    "guidance": {"guidance": Guidance("cfg", pack({"scale": 4.0}))},
    "restart": {"restart": pack({"low": 0.1, "high": 0.9, "rounds": 1.0})},
}


@pytest.mark.parametrize("change", [*CHANGES, "seed", "schedule", "T", "family"])
@pytest.mark.parametrize("sampler", ["ddpm", "dpmpp_2m_sde", "heun", "unipc"])
def test_a_change_shows_from_its_step_on(sampler: str, change: str) -> None:
    parent, at = wish(sampler=sampler), 5
    tape = tape_for(parent, None)
    before = steps_of(parent, tape=tape)
    others = {
        "seed": {"seed": 7},
        "schedule": {"schedule": ScheduleSpec("cosine")},
        "T": {"schedule": ScheduleSpec("linear", T=250)},
        "family": {"schedule": ScheduleSpec("flow")},
    }
    sampling = replace(parent.sampling, **CHANGES.get(change, {}))
    fork = replace(parent, sampling=sampling, fork=Fork(parent, at), **others.get(change, {}))
    if fork == replace(parent, fork=fork.fork):
        return
    ready = source()
    after = steps_of(fork, ready, tape_for(fork, tape))
    for one, other in zip(after[:at], before[:at], strict=True):
        assert_same(one, other)
    assert torch.equal(after[at].x_t, before[at].x_t)
    assert len(after) == transitions(fork) + 1
    levels = plan(fork)
    assert [step.a for step in after] == levels.a.tolist()
    assert after[-1].s == 0.0
    noisier = [step.s / step.a if step.a else np.inf for step in after[at:]]
    assert change == "restart" or noisier == sorted(noisier, reverse=True)
    alike = len(after) == len(before) and torch.equal(after[-1].x_t, before[-1].x_t)
    assert alike == (change == "seed" and not SAMPLERS[sampler].stochastic)
    # without the tape the same, by asking again; and every call is told
    ready = source()
    again = steps_of(fork, ready)
    for one, other in zip(again, after, strict=True):
        assert_same(one, other)
    assert made(ready) == calls_by_step(fork)[-1]


def test_the_tape_saves_the_calls_that_were_made_before() -> None:
    parent = wish(steps=20)
    tape = tape_for(parent, None)
    steps_of(parent, tape=tape)
    assert len(tape) == 20
    fork = replace(parent, seed=3, fork=Fork(parent, 12))
    ready = source()
    steps_of(fork, ready, tape_for(fork, tape))
    assert made(ready) == 20 - 12


def test_a_fork_of_a_fork_keeps_both_pasts() -> None:
    first = wish(sampler="unipc", steps=16)
    second = replace(first, seed=5, fork=Fork(first, 4))
    sampling = replace(second.sampling, sampler="heun")
    third = replace(second, sampling=sampling, fork=Fork(second, 9))
    fourth = replace(third, fork=Fork(third, 12))
    one, two, three, four = (steps_of(e) for e in (first, second, third, fourth))
    for i in range(4):
        assert_same(two[i], one[i])
    for i in range(9):
        assert_same(three[i], two[i])
    for here, there in zip(four, three, strict=True):
        assert_same(here, there)
    # an earlier fork of a late fork is a fork of what was there then
    early = replace(third, fork=Fork(third, 2))
    assert len(steps_of(early)) == transitions(early) + 1
    for i in range(2):
        assert_same(steps_of(early)[i], one[i])


def test_a_model_is_asked_only_for_what_is_its_own() -> None:
    parent = wish(steps=10, sampler="ddim")
    tape = tape_for(parent, None)
    before = steps_of(parent, tape=tape)
    fork = replace(
        parent, sampling=replace(parent.sampling, model="gaussian"), fork=Fork(parent, 6)
    )
    other = source(bend=2.0)
    after = steps_of(fork, other, tape_for(fork, tape))
    assert torch.equal(after[5].x0_hat, before[5].x0_hat)
    assert torch.equal(after[6].x_t, before[6].x_t)
    assert not torch.equal(after[6].x0_hat, before[6].x0_hat)
    assert made(other) == 4


@pytest.mark.parametrize(
    ("step", "changes", "message"),
    [
        (12, {}, "a fork must be at a step in 0..11 of its run, got 12"),
        (-1, {}, "a fork must be at a step in 0..11 of its run, got -1"),
        (3, {"count": 3}, "a fork keeps the 2 pictures of 16 px"),
        (3, {"size": 32}, "a fork keeps the 2 pictures of 16 px"),
    ],
)
def test_impossible_forks_say_why(step: int, changes: dict[str, Any], message: str) -> None:
    parent = wish()
    sampling = replace(parent.sampling, **changes)
    with pytest.raises(EngineError, match=message):
        plan(replace(parent, sampling=sampling, fork=Fork(parent, step)))


def test_a_tape_over_its_budget_stops_and_the_fork_asks_again() -> None:
    parent = wish(steps=10)
    tape = Tape(budget=4 * 2 * 3 * 16 * 16 * 4)  # four estimates
    expected = steps_of(parent, tape=tape)
    assert len(tape) == 4
    fork = replace(parent, fork=Fork(parent, 8))
    ready = source()
    found = steps_of(fork, ready, tape_for(fork, tape))
    assert made(ready) == 6
    for one, other in zip(found, expected, strict=True):
        assert_same(one, other)


def test_masks_survive_their_text_and_come_to_any_size() -> None:
    drawn = np.random.default_rng(1).random((64, 64)) < 0.5
    assert np.array_equal(masks.decode(masks.encode(drawn)), drawn)
    for size in (16, 32, 64, 128):
        at = masks.at_size(HALF, size)
        assert at.shape == (size, size)
        assert at[:, : size // 2].all()
        assert not at[:, size // 2 :].any()
    for text in ("", "?", "AAAA", masks.encode(drawn)[:-8]):
        with pytest.raises(EngineError, match="the mask cannot be read; paint it again"):
            masks.decode(text)


# --- forks of forks, whatever they change -----------------------------------------------------


class Several(Ready):
    """A source with another model for every name and label, another picture for every fit."""

    def model(self, experiment: Experiment) -> Built:
        sampling = experiment.sampling
        bend = {"exact": 1.0, "gaussian": 2.0}[sampling.model] + 0.25 * len(sampling.label)
        return Built(Model(bend), Model(0.5))

    def start(self, experiment: Experiment) -> np.ndarray:
        return _arranged(experiment)

    def inpaint(self, experiment: Experiment) -> np.ndarray:
        return _arranged(experiment)


def _arranged(experiment: Experiment) -> np.ndarray:
    return PICTURE if experiment.forward.fit is not Fit.PAD else PICTURE[::-1].copy()


def any_way(rng: random.Random) -> dict[str, Any]:
    """Return settings that a fork may change, drawn at random."""
    name = rng.choice(list(SAMPLERS))
    ways = ["plain", "plain", "restart", "guided", "projected", "inpainting"]
    plain = {"restart": (), "inpaint": None, "guidance": Guidance(), "params": ()}
    found = plain | {"sampler": name, "steps": rng.randint(2, 9)} | WAYS[rng.choice(ways)]
    if name == "heun" and rng.random() < 0.5:
        found["params"] = pack({"churn": 10.0})
    return found


def changed(rng: random.Random, run: Experiment) -> Experiment:
    """Return a run with one setting changed, with none, or with all of them."""
    sampling, name = run.sampling, rng.choice(list(SAMPLERS))
    return rng.choice(
        [
            lambda: run,
            lambda: replace(run, seed=run.seed + 1),
            lambda: replace(run, sampling=replace(sampling, steps=rng.randint(2, 9))),
            lambda: replace(run, sampling=replace(sampling, sampler=name, params=())),
            lambda: replace(run, sampling=replace(sampling, model="gaussian")),
            lambda: replace(run, sampling=replace(sampling, start=Start("p", 500))),
            lambda: replace(run, forward=replace(run.forward, fit=Fit.PAD)),
            lambda: replace(run, schedule=ScheduleSpec("linear", T=250)),
            lambda: replace(run, sampling=replace(sampling, **any_way(rng))),
        ]
    )()


@pytest.mark.parametrize("seed", range(60))
def test_forks_of_forks_have_what_was_before_and_go_on_from_it(seed: int) -> None:
    rng = random.Random(seed)
    start = rng.choice([None, Start("p", 700), Start("p", 700, inverted=True, iterations=1)])
    run = wish(start=start, **any_way(rng))
    tape = tape_for(run, None)
    before = steps_of(run, Several(Built(Model())), tape)
    for _ in range(3):
        at = rng.choice([0, rng.randrange(len(before) - 1), len(before) - 2])
        fork = replace(changed(rng, run), fork=Fork(run, at))
        played = tape_for(fork, tape)
        after = steps_of(fork, Several(Built(Model())), played)
        again = steps_of(fork, Several(Built(Model())))
        assert len(after) == len(again) == transitions(fork) + 1
        for one, other in zip(after, again, strict=True):
            assert_same(one, other)
        for one, other in zip(after[:at], before[:at], strict=True):
            assert_same(one, other)
        assert torch.equal(after[at].x_t, before[at].x_t)
        same = replace(fork, fork=run.fork) == run
        if same and (run.fork is None or at >= run.fork.step):
            for one, other in zip(after, before, strict=True):
                assert_same(one, other)
        run, tape, before = fork, played, after


@pytest.mark.parametrize("start", [Start("p", 700, inverted=True, iterations=2), None])
def test_at_step_0_only_what_follows_is_another(start: Start | None) -> None:
    parent = wish(start=start)
    before = steps_of(parent, Several(Built(Model())))
    for change in ({"model": "gaussian"}, {"start": Start("p", 300)}, {"steps": 19}):
        fork = replace(
            parent, seed=9, sampling=replace(parent.sampling, **change), fork=Fork(parent, 0)
        )
        after = steps_of(fork, Several(Built(Model())))
        assert torch.equal(after[0].x_t, before[0].x_t)
        assert torch.equal(after[0].x0_hat, before[0].x0_hat) == ("model" not in change)
        assert after[0].t == before[0].t


def test_going_back_behind_a_fork_leaves_its_settings() -> None:
    first = wish()
    other = replace(first, sampling=replace(first.sampling, model="gaussian", steps=20))
    second = replace(other, fork=Fork(first, 6))
    third = replace(other, fork=Fork(second, 2))
    assert shortest(third) == replace(other, fork=Fork(first, 2))
    assert shortest(second) is second
    assert plan(third).t.tolist() == plan(shortest(third)).t.tolist()
    for one, other_step in zip(
        steps_of(third, Several(Built(Model()))),
        steps_of(shortest(third), Several(Built(Model()))),
        strict=True,
    ):
        assert_same(one, other_step)
    late = replace(first, seed=1, fork=Fork(second, 9))
    assert shortest(late) is late


@pytest.mark.parametrize("method", ["repaint", "exact"])
def test_another_arrangement_is_another_picture_from_its_step_on(method: str) -> None:
    kept = Inpaint("p", masks.encode(HALF), method=method)
    parent = wish(inpaint=kept, steps=6)
    alone = Arranging(Built(Known(torch.zeros(3, 16, 16))))
    before = steps_of(parent, alone)
    at = 3
    fork = replace(parent, forward=Forward(fit=Fit.PAD), fork=Fork(parent, at))
    after = steps_of(fork, alone)
    for one, other in zip(after[:at], before[:at], strict=True):
        assert_same(one, other)
    assert torch.equal(after[at].x_t, before[at].x_t)
    half = after[-1].x_t[0, :, :, :8]
    turned = torch.from_numpy(PICTURE[::-1].copy()).permute(2, 0, 1)[:, :, :8]
    torch.testing.assert_close((half + 1.0) * 127.5, turned.float())


class Known:
    """Answers with the picture that it is told to know, so that it is seen which one that is."""

    def __init__(self, picture: Tensor) -> None:
        self._picture = picture

    def __call__(self, x: Tensor, a: float, s: float) -> Tensor:
        return self._picture.expand_as(x) + 0.0 * x

    def knowing(self, mask: Any) -> Known:
        return Known(mask.picture)


class Arranging(Ready):
    """One model, and pictures as the experiment arranges them."""

    def inpaint(self, experiment: Experiment) -> np.ndarray:
        return _arranged(experiment)


def test_estimates_of_another_device_are_asked_for_again() -> None:
    parent = wish(steps=8)
    tape = tape_for(parent, None)
    expected = steps_of(parent, tape=tape)
    moved = Tape([tape.first(8).play(_never, CPU).to("meta") for _ in range(8)])
    fork = replace(parent, fork=Fork(parent, 5))
    ready = source()
    played = tape_for(fork, moved)
    for one, other in zip(steps_of(fork, ready, played), expected, strict=True):
        assert_same(one, other)
    assert made(ready) == 8
    assert len(played) == 8


def _never() -> Tensor:
    raise AssertionError("it is on the tape")


def test_where_memory_is_short_the_tape_is_given_up_before_the_batch_is_cut() -> None:
    parent = wish(steps=6, count=4)
    tape = tape_for(parent, None)
    asked: list[int] = []

    def full(x: Tensor, a: float, s: float) -> Tensor:
        asked.append(len(x))
        if len(tape) >= 3:  # it is the tape that fills the memory
            raise torch.OutOfMemoryError("CUDA out of memory")
        return 0.5 * x

    told: list[str] = []
    built = Built(full, at_once=AtOnce(told=told.append))
    steps_of(parent, Ready(built), tape)
    assert asked == [4] * 7
    assert len(tape) == 0
    assert told == []


def test_a_long_line_of_forks_is_traced_once_and_refused_beyond_the_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    traced = []
    walk_once = traces.walk_of
    monkeypatch.setattr(traces, "walk_of", lambda *given: traced.append(given) or walk_once(*given))
    run = wish(steps=37, restart=pack({"low": 0.3, "high": 2.0, "rounds": 3.0}))
    for seed in range(MOST_FORKS):
        run = replace(run, seed=seed + 1, fork=Fork(run, min(seed, 35)))
        calls_by_step(run)
    assert len([given for given in traced if given[0].restart]) == 1
    with pytest.raises(EngineError, match="more than 64 forks in a row"):
        plan(replace(run, fork=Fork(run, 36)))


def test_a_fork_with_churn_draws_as_much_before_it() -> None:
    parent = wish(sampler="heun", params=pack({"churn": 10.0}))
    before = steps_of(parent)
    fork = replace(parent, sampling=replace(parent.sampling, steps=31), fork=Fork(parent, 5))
    assert torch.equal(steps_of(fork)[5].x_t, before[5].x_t)


def test_the_key_of_a_model_is_worked_out_once_for_each_owner(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []
    key = reverse.model_key
    monkeypatch.setattr(reverse, "model_key", lambda one: asked.append(one) or key(one))
    parent = wish(steps=10)
    steps_of(replace(parent, seed=3, fork=Fork(parent, 4)))
    assert len(asked) == 2
