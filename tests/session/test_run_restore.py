"""A run out of any PNG of it: on another machine it makes the same pixels, forks and all."""

from __future__ import annotations

from collections.abc import Callable
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
    Inpaint,
    PictureRef,
    Sampling,
    Start,
)
from diffusion_gui.engine.images import Picture, Pixels, read_picture
from diffusion_gui.engine.masks import MASK_SIDE, encode
from diffusion_gui.engine.recorder import record, to_pixels
from diffusion_gui.engine.reverse import run
from diffusion_gui.session import run_inputs
from diffusion_gui.session.picture_store import PictureStore
from diffusion_gui.session.restore import Restored, read_experiment, renamed
from diffusion_gui.session.run_export import (
    Look,
    RunMotion,
    save_images,
    save_run_animation,
    save_sheet,
    save_step,
)
from diffusion_gui.session.run_inputs import Carriage, RunInputs, carriage

SMALL = Sampling(model="exact", size=16, count=2, steps=6)
LEFT_KEPT = encode(np.arange(MASK_SIDE)[None].repeat(MASK_SIDE, axis=0) < MASK_SIDE // 2)


@pytest.fixture
def own(tmp_path: Path) -> tuple[PictureStore, tuple[PictureRef, ...]]:
    """Return a store with three pictures of two folders, not square, one see-through."""
    rng = np.random.default_rng(3)
    store, refs = PictureStore(), []
    for index, name in enumerate(("cats/a.png", "cats/b.png", "dogs/c.png")):
        path = tmp_path / "own" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 256, (30, 40 + 5 * index, 4 if index == 1 else 3), np.uint8)
        Image.fromarray(pixels).save(path)
        refs.append(store.add(read_picture(path), str(path)))
    return store, tuple(refs)


def _result(experiment: Experiment, store: PictureStore) -> Pixels:
    for step in run(experiment, RunInputs(store)):
        last = step
    return to_pixels(last.x_t)


def _elsewhere(path: Path) -> tuple[Restored, PictureStore]:
    """Restore as the window of another machine does."""
    store = PictureStore()
    found = read_experiment(path, {ref.id: ref for ref in store.defer_bundled()})
    sources = {ref.id: ref.source for ref in found.experiment.pictures}
    ids = {
        old: store.add(picture, sources.get(old, "")).id for old, picture in found.pictures.items()
    }
    return renamed(found, ids), store


def _experiments(refs: tuple[PictureRef, ...]) -> dict[str, Experiment]:
    a, b, c = (ref.id for ref in refs)
    plain = Experiment(pictures=refs, sampling=SMALL, seed=5)
    started = replace(plain, sampling=replace(SMALL, start=Start(a, 400)))
    inverted = replace(plain, sampling=replace(SMALL, start=Start(b, 600, True, 2)))
    painted = replace(plain, sampling=replace(SMALL, inpaint=Inpaint(c, LEFT_KEPT)))
    own = replace(
        plain, forward=Forward(fit=Fit.PAD, background="#204060"),
        sampling=replace(SMALL, data=PICTURES, label="cats", sampler="ddpm"),
    )  # fmt: skip
    other_way = replace(own, forward=Forward(fit=Fit.CROP), seed=9, fork=Fork(own, 2))
    return {
        "plain": plain,
        "started": started,
        "inverted": inverted,
        "painted": painted,
        "own": own,
        "fork of a start": replace(
            plain, sampling=replace(SMALL, sampler="heun"), fork=Fork(started, 2)
        ),
        "fork of own pictures": replace(plain, seed=8, fork=Fork(own, 3)),
        "fork that crops what was padded": other_way,
        "fork of a fork": replace(painted, seed=2, fork=Fork(other_way, 4)),
    }


KINDS = list(_experiments(tuple(PictureRef(name, "") for name in "abc")))


@pytest.mark.parametrize("kind", KINDS)
def test_every_png_of_a_run_makes_the_same_pixels_elsewhere(
    tmp_path: Path, own: tuple[PictureStore, tuple[PictureRef, ...]], kind: str
) -> None:
    store, refs = own
    experiment = _experiments(refs)[kind]
    steps = list(run(experiment, RunInputs(store)))
    frames = [record(step) for step in steps]
    expected = to_pixels(steps[-1].x_t)
    kept = carriage(experiment, store)
    assert kept.left_out == 0
    save_step(tmp_path / "grid.png", frames[-1], Look(), kept)
    save_sheet(tmp_path / "sheet.png", frames, Look(), kept)
    save_images(tmp_path, "one", frames[2], Look(("x_t",), cell=16), kept)
    save_run_animation(tmp_path / "run.apng", frames, RunMotion(look=Look(cell=16)), kept)
    for name in ("grid.png", "sheet.png", "one-02.png", "run.apng"):
        found, elsewhere = _elsewhere(tmp_path / name)
        assert found.left_out == 0
        assert_array_equal(_result(found.experiment, elsewhere), expected)
        assert b"own/cats" not in (tmp_path / name).read_bytes()


def test_at_home_the_pictures_of_the_tray_are_taken(
    tmp_path: Path, own: tuple[PictureStore, tuple[PictureRef, ...]]
) -> None:
    store, refs = own
    experiment = _experiments(refs)["own"]
    frame = record(next(iter(run(experiment, RunInputs(store)))))
    save_step(tmp_path / "g.png", frame, Look(), carriage(experiment, store))
    known = {ref.id: ref for ref in refs}
    found = read_experiment(tmp_path / "g.png", known, store.source)
    assert found.experiment == experiment
    assert not found.pictures


def test_a_fork_without_a_picture_of_its_parent_is_no_fork(
    tmp_path: Path, own: tuple[PictureStore, tuple[PictureRef, ...]]
) -> None:
    store, refs = own
    experiment = _experiments(refs)["fork of a start"]
    frame = record(next(iter(run(experiment, RunInputs(store)))))
    kept = carriage(experiment, store)
    save_step(tmp_path / "g.png", frame, Look(), replace(kept, pictures={}))
    found, elsewhere = _elsewhere(tmp_path / "g.png")
    assert found.left_out == 1
    assert found.experiment.fork is None
    assert found.experiment.sampling == experiment.sampling
    assert _result(found.experiment, elsewhere).shape == (2, 16, 16, 3)


def test_the_parents_hold_no_paths_either(
    own: tuple[PictureStore, tuple[PictureRef, ...]],
) -> None:
    store, refs = own
    kept = carriage(_experiments(refs)["fork of a fork"], store)
    assert "own/cats" not in str(kept.experiment)


def test_more_than_a_png_may_carry_is_counted(
    monkeypatch: pytest.MonkeyPatch,
    own: tuple[PictureStore, tuple[PictureRef, ...]],
    make_image: Callable[..., Path],
) -> None:
    from diffusion_gui.session import run_inputs

    store, refs = own
    monkeypatch.setattr(run_inputs, "MOST_PICTURES", 2)
    kept = carriage(_experiments(refs)["own"], store)
    assert (len(kept.pictures), kept.left_out) == (2, 1)


def test_the_same_pictures_in_a_line_of_forks_are_carried_and_counted_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(run_inputs, "MOST_PICTURES", 6)
    store, rng = PictureStore(), np.random.default_rng(5)
    refs = tuple(
        store.add(Picture(f"{i}.png", rng.integers(0, 256, (16, 24, 3), np.uint8)), "")
        for i in range(6)
    )
    own = Experiment(pictures=refs, sampling=replace(SMALL, data=PICTURES))
    forked = replace(own, seed=2, fork=Fork(replace(own, seed=1, fork=Fork(own, 2)), 4))
    kept = carriage(forked, store)
    assert list(kept.pictures) == [ref.id for ref in refs]
    assert kept.left_out == 0
    # arranged otherwise as well there is room for one more, and five are left out
    monkeypatch.setattr(run_inputs, "MOST_PICTURES", 7)
    padded = replace(own, forward=Forward(fit=Fit.PAD))
    start, inpaint = Start(refs[0].id, 500), Inpaint(refs[1].id, LEFT_KEPT)
    painted = replace(padded, sampling=replace(SMALL, start=start, inpaint=inpaint))
    kept = carriage(replace(own, fork=Fork(painted, 3)), store)
    assert kept.left_out == 1
    assert len(kept.pictures) == 7
    parent = kept.experiment.fork.parent
    assert parent.sampling.start.picture == f"{refs[0].id}-2"
    assert parent.sampling.inpaint.picture not in kept.pictures  # rather none than another one


def test_more_text_than_is_read_again_is_refused(tmp_path: Path) -> None:
    refs = tuple(PictureRef(f"{i:016x}", f"{'x' * 100}{i}.jpg", "") for i in range(5000))
    run_of = Experiment(pictures=refs, sampling=replace(SMALL, data=PICTURES))
    for seed in range(20):
        run_of = replace(run_of, seed=seed + 1, fork=Fork(run_of, 3))
    frame = record(next(iter(run(Experiment(sampling=SMALL), RunInputs()))))
    with pytest.raises(EngineError, match="a picture carries 17 MB at most; fork an earlier run"):
        save_step(tmp_path / "g.png", frame, Look(), Carriage(run_of, {}))
    assert not list(tmp_path.iterdir())
