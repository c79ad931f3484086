"""Runs as Python: the text, run in a fresh interpreter, gives the same pixels."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.experiment import (
    PICTURES,
    Experiment,
    Fit,
    Fork,
    Forward,
    Guidance,
    Inpaint,
    PictureRef,
    Sampling,
    Start,
)
from diffusion_gui.engine.images import Picture, Pixels
from diffusion_gui.engine.inpainting import EXACT
from diffusion_gui.engine.masks import MASK_SIDE, encode
from diffusion_gui.engine.recorder import to_pixels
from diffusion_gui.engine.reverse import run
from diffusion_gui.engine.samplers import SAMPLERS
from diffusion_gui.engine.schedules import ControlPoint, ScheduleSpec
from diffusion_gui.session.diffusers_run import SCHEDULERS, diffusers_source
from diffusion_gui.session.export import save_grid
from diffusion_gui.session.picture_store import PictureStore
from diffusion_gui.session.python_run import run_source
from diffusion_gui.session.restore import read_experiment
from diffusion_gui.session.run_inputs import RunInputs, carriage

ROOT = Path(__file__).resolve().parents[2]
SMALL = Sampling(model="gaussian", size=16, count=2, steps=6)
POINTS = tuple(ControlPoint(u, 9.0 - 18.0 * u) for u in (0.0, 0.3, 0.7, 1.0))
BETAS = tuple(np.linspace(1e-3, 0.3, 40).tolist())
KEPT = encode(np.arange(MASK_SIDE)[None].repeat(MASK_SIDE, axis=0) < MASK_SIDE // 2)
_RUN_ALL = """
import os, runpy, sys
for folder in sys.argv[1:]:
    os.chdir(folder)
    runpy.run_path("script.py")
"""


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> tuple[PictureStore, tuple[PictureRef, ...]]:
    """Return a store with two files, one of them kept small, a pasted picture and bundled ones."""
    rng, folder = np.random.default_rng(3), tmp_path_factory.mktemp('a "quoted" näme')
    store = PictureStore()
    for name, side in (("one.png", 90), ("two.png", 300)):
        pixels = rng.integers(0, 256, (side, side + 20, 3), np.uint8)
        Image.fromarray(pixels).save(folder / name)
    pasted = Picture("pasted.png", rng.integers(0, 256, (12, 20, 3), np.uint8))
    return store, (
        store.open(str(folder / "one.png")),
        store.open(str(folder / "two.png"), 100),
        store.add(pasted, "clipboard"),
        store.defer_photo("chelsea.png"),
        store.defer_emoji()[700],
    )


def _experiments(refs: tuple[PictureRef, ...]) -> dict[str, Experiment]:
    one, _, pasted, chelsea, emoji = refs
    plain = Experiment(sampling=SMALL)
    data = replace(
        plain, pictures=refs, sampling=replace(SMALL, model="exact", data=PICTURES, sampler="ddpm")
    )
    started = replace(plain, pictures=(one,), sampling=replace(SMALL, start=Start(one.id, 500)))
    forked = replace(
        data,
        seed=7,
        fork=Fork(replace(data, forward=Forward(fit=Fit.PAD, background="#ff0000")), 3),
    )
    return {
        "plain": plain,
        "heun with churn": replace(
            plain, sampling=replace(SMALL, sampler="heun", params=(("churn", 5.0),))
        ),
        "unipc on karras": replace(
            plain, sampling=replace(SMALL, sampler="unipc", spacing="karras"), seed=3
        ),
        "listed": replace(
            plain, sampling=replace(SMALL, spacing="times", levels=(900.0, 350.5, 20.0))
        ),
        "guided": replace(
            plain,
            sampling=replace(
                SMALL, model="exact", label="heart",
                guidance=Guidance("cfg", (("scale", 3.0),)),
            ),
        ),
        "restart": replace(
            plain,
            sampling=replace(SMALL, restart=(("high", 10.0), ("low", 0.5), ("rounds", 2.0))),
        ),
        "points": replace(plain, schedule=ScheduleSpec(points=POINTS)),
        "table": replace(plain, schedule=ScheduleSpec("", 40, betas=BETAS)),
        "own pictures": data,
        "a start": started,
        "an inversion": replace(
            started, sampling=replace(SMALL, start=Start(pasted.id, 600, True, 1))
        ),
        "a mask": replace(
            plain, pictures=(chelsea, emoji),
            sampling=replace(SMALL, inpaint=Inpaint(emoji.id, KEPT)),
        ),
        "a mask, exactly": replace(
            plain,
            pictures=(emoji,),
            sampling=replace(
                SMALL, model="exact", inpaint=Inpaint(emoji.id, KEPT, method=EXACT)
            ),
        ),
        "fork": replace(
            plain, schedule=ScheduleSpec("linear"), sampling=replace(SMALL, sampler="dpmpp_2m"),
            fork=Fork(started, 2),
        ),
        "fork of a fork": replace(
            forked, sampling=replace(data.sampling, sampler="euler"), fork=Fork(forked, 4)
        ),
    }  # fmt: skip


def _samples(experiment: Experiment, store: PictureStore) -> Pixels:
    for step in run(experiment, RunInputs(store)):
        last = step
    return to_pixels(last.x_t)


def _interpreter(folders: list[Path]) -> None:
    command = [sys.executable, "-W", "error", "-c", _RUN_ALL, *map(str, folders)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_the_script_of_a_run_makes_its_pixels_in_a_fresh_interpreter(
    tmp_path: Path, own: tuple[PictureStore, tuple[PictureRef, ...]]
) -> None:
    store, refs = own
    experiments = _experiments(refs)
    for name, experiment in experiments.items():
        (tmp_path / name).mkdir()
        source = run_source(experiment, store)
        (tmp_path / name / "script.py").write_text(source, encoding="utf-8")
    _interpreter([tmp_path / name for name in experiments])
    for name, experiment in experiments.items():
        kept = carriage(experiment, store)
        expected = _samples(experiment, store)
        save_grid(tmp_path / name / "ours.png", expected, kept.experiment, pictures=kept.pictures)
        made, ours = (Image.open(tmp_path / name / f"{n}.png") for n in ("samples", "ours"))
        assert_array_equal(np.array(made), np.array(ours), err_msg=name)
        # and its PNG restores the run
        fresh = PictureStore()
        found = read_experiment(
            tmp_path / name / "samples.png", {ref.id: ref for ref in fresh.defer_bundled()}
        )
        assert found.left_out == 0
        assert found.experiment.sampling.sampler == experiment.sampling.sampler


def test_only_what_differs_stands_in_the_script() -> None:
    source = run_source(Experiment(seed=4), PictureStore())
    assert "experiment = Experiment(seed=4)\n" in source
    assert "PictureStore" not in source
    assert len(source.splitlines()) < 20


def test_every_sampler_and_long_table_is_python(
    own: tuple[PictureStore, tuple[PictureRef, ...]],
) -> None:
    store, refs = own
    for sampler, row in SAMPLERS.items():
        params = tuple(sorted((param.name, param.default) for param in row.params))
        experiment = Experiment(sampling=replace(SMALL, sampler=sampler, params=params))
        compile(run_source(experiment, store), sampler, "exec")
    for experiment in _experiments(refs).values():
        assert max(map(len, run_source(experiment, store).splitlines())) < 130


def test_a_device_is_chosen_where_the_run_had_one() -> None:
    assert 'RunInputs(), choose("auto"))' in run_source(Experiment(), PictureStore(), on_cpu=False)


def test_all_the_emoji_in_the_tray_are_one_line() -> None:
    store = PictureStore()
    experiment = Experiment(
        pictures=store.defer_emoji(), sampling=replace(SMALL, data=PICTURES, count=1, steps=2)
    )
    source = run_source(experiment, store)
    assert "pictures = emoji[:1377]\n" in source
    assert len(source.splitlines()) < 30
    made: dict[str, object] = {}
    exec(source.partition("for step in")[0], made)
    assert made["experiment"].pictures == experiment.pictures


def test_too_many_pictures_in_no_file_are_refused_with_the_mend() -> None:
    store, rng = PictureStore(), np.random.default_rng(0)
    refs = tuple(
        store.add(Picture(f"{i}", rng.integers(0, 256, (128, 128, 3), np.uint8))) for i in range(3)
    )
    experiment = Experiment(pictures=refs, sampling=replace(SMALL, data=PICTURES, size=128))
    with pytest.raises(EngineError, match=r"is in no file, .* save it, open it from there"):
        run_source(experiment, store)


# --- diffusers ------------------------------------------------------------------------------------


def _theirs(source: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Pixels:
    """Run a script of diffusers here and return its samples."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (folder / "script.py").write_text(source, encoding="utf-8")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what diffusers and NumPy say to one another
        pixels: Pixels = runpy.run_path("script.py")["pixels"]
    assert (folder / "samples-diffusers.png").exists()
    return pixels


@pytest.mark.parametrize("sampler", SCHEDULERS)
def test_diffusers_takes_the_steps_of_a_run(
    sampler: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row, store = SCHEDULERS[sampler], PictureStore()
    told = replace(SMALL, sampler=sampler, count=3)
    kinds = {
        "whole schedule": (ScheduleSpec("linear"), replace(told, steps=20)),
        "steps that do not divide T": (ScheduleSpec("linear"), replace(told, steps=30)),
        "karras": (ScheduleSpec("linear"), replace(told, spacing="karras", steps=12)),
        "exploding": (ScheduleSpec("ve"), replace(told, steps=15)),
    }
    for name, (schedule, sampling) in kinds.items():
        experiment = Experiment(schedule, sampling=sampling, seed=5)
        source = diffusers_source(experiment, store)
        assert f"from diffusers import {row.name}" in source
        theirs = _theirs(source, tmp_path, monkeypatch).astype(int)
        difference = np.abs(theirs - _samples(experiment, store).astype(int))
        if row.fresh({"eta": 0.0}) and not row.takes_noise:
            assert "other\n# pictures of the same distribution" in source
            assert difference.max() > 20, name
            assert abs(theirs.mean() - _samples(experiment, store).mean()) < 60, name
        else:
            assert "differ by one of 255 grey levels at most" in source
            assert difference.max() <= 1, name


@pytest.mark.parametrize(("sampler", "most"), [("ddim", 3), ("dpmpp_2m", 3), ("unipc", 20)])
def test_without_signal_at_the_start_the_script_says_how_far_off_it_is(
    sampler: str, most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = PictureStore()
    sampling = replace(SMALL, sampler=sampler, steps=10, spacing="linspace")
    experiment = Experiment(ScheduleSpec("flow"), sampling=sampling, seed=5)
    source = diffusers_source(experiment, store)
    assert "cannot begin\n# without any signal" in source
    theirs = _theirs(source, tmp_path, monkeypatch).astype(int)
    assert np.abs(theirs - _samples(experiment, store).astype(int)).max() <= most


def test_fresh_noise_is_ours_where_diffusers_takes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = PictureStore()
    sampling = replace(SMALL, sampler="ddim", params=(("eta", 0.7),), steps=10)
    experiment = Experiment(ScheduleSpec("linear"), sampling=sampling, seed=5)
    theirs = _theirs(diffusers_source(experiment, store), tmp_path, monkeypatch).astype(int)
    assert np.abs(theirs - _samples(experiment, store).astype(int)).max() <= 1


def test_what_diffusers_does_not_have_is_one_line(
    own: tuple[PictureStore, tuple[PictureRef, ...]],
) -> None:
    store, refs = own
    experiments = _experiments(refs)
    for name, part in (
        ("fork", "forks"),
        ("a start", "starts from a picture"),
        ("a mask", "masks"),
        ("restart", "Restart"),
        ("heun with churn", "Heun"),
    ):
        with pytest.raises(EngineError, match=part) as caught:
            diffusers_source(experiments[name], store)
        assert "\n" not in str(caught.value)
    for sampler in set(SAMPLERS) - set(SCHEDULERS):
        with pytest.raises(EngineError, match="copy it as Python"):
            diffusers_source(Experiment(sampling=replace(SMALL, sampler=sampler)), store)
