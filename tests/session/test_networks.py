"""Networks at hand, and runs that name one in files: by content, never by a path."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.experiment import (
    PICTURES,
    Experiment,
    Fork,
    Guidance,
    NetworkRef,
    PictureRef,
    Sampling,
)
from diffusion_gui.engine.recorder import to_pixels
from diffusion_gui.engine.reverse import run
from diffusion_gui.engine.run_words import changed, core, said
from diffusion_gui.session import networks as networks_module
from diffusion_gui.session.diffusers_run import diffusers_source
from diffusion_gui.session.export import save_grid
from diffusion_gui.session.format import check, decode, encode
from diffusion_gui.session.networks import NetworkStore, UNetFile
from diffusion_gui.session.picture_store import PictureStore
from diffusion_gui.session.python_run import about, run_source
from diffusion_gui.session.restore import read_experiment
from diffusion_gui.session.run_inputs import RunInputs
from diffusion_gui.session.shared import needed, shared

PIXELS = np.zeros((2, 16, 16, 3), np.uint8)
Make = Callable[..., Path]


def _experiment(ref: NetworkRef | None, **changes: object) -> Experiment:
    sampling = Sampling(
        model="neural",
        network=ref,
        size=16,
        count=2,
        steps=4,
        label="red heart",
        guidance=Guidance("cfg", (("scale", 2.0),)),
    )
    return Experiment(sampling=replace(sampling, **changes))  # type: ignore[arg-type]


def test_a_network_is_what_its_file_holds_wherever_that_lies(make_network: Make) -> None:
    store = NetworkStore()
    path = make_network("one")
    ref = store.open_model(path)
    other = store.open_model(make_network("two", seed=1))
    moved = path.rename(path.with_name("moved.safetensors"))
    again = store.open_model(moved)
    assert ref.id == again.id != other.id
    assert [one.name for one in store.all()] == ["two", "moved"]
    assert store.trusted(NetworkRef(ref.id, "any name", "/a/path")) == again
    assert store.trusted(NetworkRef("no such", "theirs", "/a/path")) == NetworkRef(
        "no such", "theirs"
    )
    assert store.about(NetworkRef("no such", "theirs")) is None
    with pytest.raises(EngineError, match="cannot be read"):
        store.open_model(moved.with_name("none.safetensors"))


def test_few_networks_are_in_memory_at_once(
    make_network: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    store = NetworkStore()
    refs = [store.open_model(make_network(f"n{seed}", seed=seed)) for seed in range(3)]

    def loaded() -> list[bool]:
        files = [store._networks[ref.id][1] for ref in refs]
        return [isinstance(one, UNetFile) and one._loaded is not None for one in files]

    for ref in refs:
        network = store.find(ref)
        assert network is not None
        network.denoiser(torch.device("cpu"), "")
        store.about(refs[0])  # what is only asked for what it says is not used
    assert networks_module.MOST_LOADED == 2
    assert loaded() == [False, True, True]
    first = store.find(refs[0])
    assert first is not None
    first.denoiser(torch.device("cpu"), "")
    assert loaded() == [True, False, True]


def test_no_path_of_a_network_leaves_the_machine_and_none_is_followed(
    make_network: Make, tmp_path: Path
) -> None:
    store = NetworkStore()
    ref = store.open_model(make_network())
    parent = _experiment(ref, steps=3)
    experiment = replace(_experiment(ref), fork=Fork(parent, 1))
    text = encode(shared(experiment, ()))
    assert str(tmp_path) not in text
    assert ref.id in text
    save_grid(tmp_path / "g.png", PIXELS, experiment)
    assert str(tmp_path).encode() not in (tmp_path / "g.png").read_bytes()
    found = read_experiment(tmp_path / "g.png", {}, network=store.trusted).experiment
    assert found.sampling.network == ref
    assert found.fork is not None
    assert found.fork.parent.sampling.network == ref
    strange = read_experiment(tmp_path / "g.png", {}).experiment
    assert strange.sampling.network == NetworkRef(ref.id, ref.name)
    assert strange.fork is not None
    evil = replace(experiment.sampling, network=NetworkRef("x", "../../etc/passwd", "/etc/passwd"))
    _save_as_it_is(tmp_path / "h.png", replace(experiment, sampling=evil, fork=None))
    theirs = read_experiment(tmp_path / "h.png", {}, network=store.trusted).experiment
    assert theirs.sampling.network == NetworkRef("x", "passwd")


def _save_as_it_is(path: Path, experiment: Experiment) -> None:
    from diffusion_gui.session.export import METADATA_KEY
    from diffusion_gui.session.png_parts import png_info

    with path.open("wb") as file:
        text = {METADATA_KEY: encode(experiment)}
        Image.fromarray(PIXELS[0]).save(file, "PNG", pnginfo=png_info(text, {}))


def test_the_format_knows_networks_of_any_size() -> None:
    for size in (8, 28, 256, 512):
        experiment = _experiment(NetworkRef("id", "n"), size=size)
        assert decode(encode(experiment)) == experiment
    for size in (7, 513):
        with pytest.raises(EngineError, match=rf"experiment.sampling.size: {size} is outside 8 to"):
            check(_experiment(None, size=size))
    with pytest.raises(EngineError, match=r"sampling.size: 28 is not known"):
        check(_experiment(None, size=28, model="exact", guidance=Guidance(), label=""))
    assert decode(encode(Experiment())).sampling.network is None


def test_a_network_takes_no_pictures_of_the_tray_along() -> None:
    refs = (PictureRef("one", "one"), PictureRef("two", "two"))
    experiment = replace(_experiment(None, data=PICTURES), pictures=refs)
    assert needed(experiment) == []
    assert shared(experiment, ()).pictures == ()
    against = Guidance("cfg", (), "gaussian")
    guided = replace(experiment, sampling=replace(experiment.sampling, guidance=against))
    assert needed(guided) == ["one", "two"]


def test_a_run_says_which_network_it_asked() -> None:
    one, other = _experiment(NetworkRef("a", "dots")), _experiment(NetworkRef("b", "cats"))
    assert core(one) == "dots, DDIM, 4 steps"
    assert core(_experiment(None)) == "Neural, DDIM, 4 steps"
    assert changed(other, one) == "cats"
    moved = _experiment(NetworkRef("a", "dots", "/elsewhere"))
    assert changed(moved, one) == "same settings"
    assert "emoji" not in said(one)
    assert about(one) == "2 samples of dots by DDIM, 4 steps, seed 0"


def test_a_copied_run_opens_the_file_and_gives_the_same_pixels(
    make_network: Make, tmp_path: Path
) -> None:
    store = NetworkStore()
    ref = store.open_model(make_network("my network"))
    experiment = _experiment(ref)
    for step in run(experiment, RunInputs(networks=store)):
        last = step
    source = run_source(experiment, PictureStore())
    assert "for step in run(experiment, RunInputs(networks=networks)):" in source
    script = tmp_path / "script.py"
    script.write_text(f"{source}\nimport numpy\nnumpy.save('pixels.npy', to_pixels(step.x_t))\n")
    subprocess.run([sys.executable, script.name], cwd=tmp_path, check=True, capture_output=True)
    np.testing.assert_array_equal(np.load(tmp_path / "pixels.npy"), to_pixels(last.x_t))
    kept = read_experiment(tmp_path / "samples.png", {}, network=store.trusted).experiment
    assert kept.sampling == experiment.sampling
    nowhere = _experiment(replace(ref, source=""))
    with pytest.raises(EngineError, match="my network is in no file: save it"):
        run_source(nowhere, PictureStore())
    assert "networks" not in run_source(_experiment(None), PictureStore())


def test_forks_over_two_networks_open_both(make_network: Make) -> None:
    store = NetworkStore()
    one, two = (store.open_model(make_network(name, seed=ord(name))) for name in "ab")
    forked = replace(_experiment(two), fork=Fork(_experiment(one), 2))
    source = run_source(forked, PictureStore())
    assert re.search(r'network_1 = networks.open_model\([^)]*"a"', source), source
    assert "network=network_2" in source
    names: dict[str, object] = {}
    exec(source.partition("for step in")[0], names)
    assert names["experiment"] == forked


def test_diffusers_drives_a_network(
    make_network: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("diffusers")
    store = NetworkStore()
    experiment = _experiment(store.open_model(make_network()), steps=5)
    source = diffusers_source(experiment, PictureStore())
    names: dict[str, object] = {"__name__": "script"}
    monkeypatch.chdir(tmp_path)
    exec(source, names)
    *_, last = run(experiment, RunInputs(networks=store))
    ours, theirs = to_pixels(last.x_t).astype(int), names["pixels"]
    assert np.abs(ours - theirs).max() <= 4  # type: ignore[operator]
