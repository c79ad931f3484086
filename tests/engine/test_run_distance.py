"""Distances of runs: rms, differences, which steps go together, what a run is measured by."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffusion_gui.engine import run_words
from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.experiment import Experiment, Fork, Guidance, Inpaint, Sampling, Start
from diffusion_gui.engine.planning import plan
from diffusion_gui.engine.run_distance import (
    Matching,
    all_matched,
    difference,
    is_random,
    largest_difference,
    matched,
    natural_gain,
    natural_matching,
    reference_of,
    rms,
)
from diffusion_gui.engine.schedules import ScheduleSpec
from diffusion_gui.engine.trajectory import Frame, Trajectory


def with_sampling(**changes: object) -> Experiment:
    return Experiment(sampling=Sampling(**changes))


def test_rms_is_that_of_floats_and_of_8_bit_pictures_in_the_same_unit() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.uniform(-1, 1, (2, 3, 4, 4, 3)).astype(np.float32)
    exact = np.sqrt(np.mean((one.astype(float) - other) ** 2, axis=(1, 2, 3)))
    np.testing.assert_allclose(rms(one, other), exact, rtol=1e-6)
    bytes_of = [np.rint(127.5 * (x + 1)).astype(np.uint8) for x in (one, other)]
    np.testing.assert_allclose(rms(*bytes_of), exact, atol=2e-3)
    np.testing.assert_allclose(rms(one[:2], other), exact[:2], rtol=1e-6)
    with pytest.raises(EngineError, match="pictures of 4 and 2 px cannot be compared"):
        rms(one, other[:, :2, :2])


def test_a_difference_is_signed_around_grey_and_clipped() -> None:
    one = np.array([[[[10, 200, 255]]]], np.uint8)
    other = np.array([[[[12, 200, 0]]]], np.uint8)
    assert difference(one, other, 1.0).tolist() == [[[[126, 128, 255]]]]
    assert difference(one, other, 8.0).tolist() == [[[[112, 128, 255]]]]
    assert difference(other, one, 1.0).tolist() == [[[[130, 128, 0]]]]
    assert largest_difference(one, other) == largest_difference(other, one) == 255
    assert largest_difference(one, one) == largest_difference(one[:0], one) == 0
    for largest in (1, 2, 31, 32, 63, 64, 127, 128, 255):
        gain = natural_gain(largest)
        assert gain * largest <= 128 < 2.0 * gain * largest, "nothing is clipped, no larger one"


def made(sigmas: list[float]) -> Trajectory:
    trajectory = Trajectory(len(sigmas) - 1)
    picture, numbers = np.zeros((1, 2, 2, 3), np.uint8), np.zeros(1, np.float32)
    for i, sigma in enumerate(sigmas):
        trajectory.append(Frame(i, 9 - i, sigma, picture, picture, picture, numbers, numbers))
    return trajectory


def test_steps_go_together_by_number_or_by_the_nearest_noise_level() -> None:
    few, many = made([np.inf, 1.0, 0.0]), made([np.inf, 10.0, 1.2, 0.1, 0.0])
    assert natural_matching(few, many) is Matching.LEVEL
    assert natural_matching(few, made([1.0, 0.5, 0.0])) is Matching.STEP
    found = [matched(frame, many, Matching.LEVEL) for frame in few.frames]
    assert [frame.index for frame in found if frame] == [0, 2, 4]
    found = [matched(frame, many, Matching.STEP) for frame in few.frames]
    assert [frame.index for frame in found if frame] == [0, 1, 2]
    assert matched(few.frames[0], Trajectory(3), Matching.LEVEL) is None


@given(
    st.lists(st.sampled_from([0.0, 0.1, 0.5, 1.0, 1.0001, 4.0, 40.0, np.inf]), min_size=1),
    st.lists(st.floats(0.0, 100.0), max_size=5),
)
def test_steps_of_a_run_that_goes_back_up_are_matched_to_the_first_of_the_nearest(
    sigmas: list[float], wanted: list[float]
) -> None:
    def level(sigma: float) -> float:
        return min(max(math.log(sigma), -20.0), 20.0) if sigma else -20.0

    run, frames = made(sigmas), made(wanted or [1.0]).frames
    found = all_matched(frames, run, Matching.LEVEL)
    for frame, got in zip(frames, found, strict=True):
        apart = [abs(level(one.sigma) - level(frame.sigma)) for one in run.frames]
        assert apart[got.index] <= min(apart) + 1e-9
        first = next(one for one in run.frames if one.sigma == got.sigma)
        assert got is first, "of a level that is visited twice, the first visit"
    assert [matched(frame, run, Matching.LEVEL) for frame in frames] == found


def test_the_reference_keeps_the_start_and_all_but_how_the_steps_are_made() -> None:
    guidance = Guidance("cfg", (("scale", 3.0),))
    experiment = with_sampling(
        label="heart", guidance=guidance, sampler="ddpm", restart=(("rounds", 2.0),), steps=7,
        spacing="karras", count=3, start=Start("p", 400),
    )  # fmt: skip
    found = reference_of(replace(experiment, seed=5))
    wanted = replace(experiment.sampling, sampler="heun", restart=(), steps=1000)
    assert found == replace(experiment, seed=5, sampling=wanted)
    assert reference_of(found) == found
    levels = plan(found)
    assert (levels.t[0], len(levels)) == (400.0, 400), "no more than t has"


@pytest.mark.parametrize(
    ("spacing", "listed"), [("times", (900.0, 500.0, 10.0)), ("sigmas", (20.0, 3.0, 0.5))]
)
def test_listed_levels_are_refined_from_the_first_of_them(
    spacing: str, listed: tuple[float, ...]
) -> None:
    experiment = with_sampling(spacing=spacing, levels=listed)
    one, fine = plan(experiment), plan(reference_of(experiment))
    assert len(fine) == 1000
    np.testing.assert_allclose((fine.t[0], fine.s[0]), (one.t[0], one.s[0]), rtol=1e-9)
    assert (np.diff(fine.t) < 0).all()


def test_a_fork_is_measured_from_the_noise_of_the_run_it_goes_back_to() -> None:
    root = replace(with_sampling(start=Start("p", 300)), seed=3)
    fork = replace(root, seed=4, fork=Fork(root, 5), sampling=Sampling(model="gaussian"))
    again = replace(fork, fork=Fork(fork, 8))
    found = reference_of(again)
    assert (found.seed, found.fork, found.sampling.start) == (3, None, Start("p", 300))
    assert found.sampling.model == "gaussian"
    other = replace(again, schedule=ScheduleSpec("linear"))
    with pytest.raises(EngineError, match="measure a run from the beginning"):
        reference_of(other)


def test_a_run_from_an_inverted_picture_has_no_reference() -> None:
    """Its first noise is another for every number of steps."""
    root = with_sampling(start=Start("p", 300, inverted=True))
    for experiment in (root, replace(root, fork=Fork(root, 5), sampling=Sampling())):
        with pytest.raises(EngineError, match="ends at other noise than this run began with"):
            reference_of(experiment)


def test_a_run_that_pastes_a_part_has_no_reference() -> None:
    with pytest.raises(EngineError, match="measure one without a mask, or with exact"):
        reference_of(with_sampling(inpaint=Inpaint("p", "")))
    exact = with_sampling(inpaint=Inpaint("p", "", method="exact"))
    assert reference_of(exact).sampling.inpaint == exact.sampling.inpaint
    assert not is_random(exact)


@pytest.mark.parametrize(
    ("changes", "random"),
    [
        ({"sampler": "ddim"}, False),
        ({"sampler": "ddim", "params": (("eta", 0.5),)}, True),
        ({"sampler": "ddpm"}, True),
        ({"sampler": "heun"}, False),
        ({"sampler": "heun", "params": (("churn", 2.0),)}, True),
        ({"sampler": "sa_solver"}, True),
        ({"sampler": "sa_solver", "params": (("tau", 0.0),)}, False),
        ({"sampler": "dpmpp_2m", "restart": (("rounds", 1.0),)}, True),
    ],
)
def test_runs_that_draw_fresh_noise_are_known(changes: dict[str, object], random: bool) -> None:
    assert is_random(with_sampling(**changes)) is random


def test_words_tell_what_differs() -> None:
    plain = Experiment()
    assert run_words.said(plain) == "Exact, DDIM, 20 steps, Trailing, Cosine, seed 0"
    assert run_words.changed(plain, plain) == "same settings"
    for changes, words in (
        ({"model": "local"}, "Local"),
        ({"sampler": "ddpm", "params": (("variance", 1.0),)}, "DDPM variance β large"),
        ({"guidance": Guidance("cfg", (("scale", 3.0),))}, "Guidance"),
        ({"label": "heart"}, "label heart"),
        ({"count": 4}, "4 pictures"),
        ({"size": 64}, "emoji 64 px"),
        ({"spacing": "times", "levels": (9.0, 3.0)}, "List of t (2)"),
        ({"start": Start("p", 40, inverted=True)}, "from a picture at t = 40, inverted"),
    ):
        assert run_words.changed(with_sampling(**changes), plain).startswith(words)
        assert run_words.changed(plain, with_sampling(**changes)) != "same settings"
    bent = replace(plain, schedule=ScheduleSpec("linear", T=500, shift=1.0))
    assert run_words.changed(bent, plain) == "Linear (edited), T = 500"
