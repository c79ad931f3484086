"""Checkpoints of other libraries give what these give, and whatever is no checkpoint says why."""

from __future__ import annotations

import json
import math
import os
import pickle
import struct
import warnings
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from diffusion_gui.engine.checkpoint_use import (
    AVERAGED,
    TRAINED,
    Clock,
    PixelRange,
    Use,
)
from diffusion_gui.engine.denoisers.checkpoint import checkpoint
from diffusion_gui.engine.errors import Cancelled, EngineError
from diffusion_gui.engine.experiment import Experiment, Sampling
from diffusion_gui.engine.networks import Told
from diffusion_gui.engine.planning import untrained
from diffusion_gui.engine.predictions import Form, Prediction
from diffusion_gui.engine.sanity import examine, verdict
from diffusion_gui.engine.schedules import ScheduleSpec, build, build_preset
from diffusion_gui.session import library
from diffusion_gui.session.checkpoints import (
    CheckpointNetwork,
    holds_network,
    is_own,
    open_checkpoint,
)

CPU = torch.device("cpu")
HERE = Path(__file__).parent / "checkpoints"
UNET: dict[str, Any] = {
    "sample_size": 16,
    "block_out_channels": (8, 16),
    "down_block_types": ("DownBlock2D", "AttnDownBlock2D"),
    "up_block_types": ("AttnUpBlock2D", "UpBlock2D"),
    "layers_per_block": 1,
    "norm_num_groups": 4,
    "attention_head_dim": 4,
}


@pytest.fixture(scope="module", autouse=True)
def _diffusers() -> Iterator[None]:
    """Import diffusers out of sight of the filter that makes warnings errors."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import diffusers

        diffusers.utils.logging.set_verbosity_error()
        diffusers.utils.logging.disable_progress_bar()
        yield


def _unet(folder: Path, scheduler: Any = None, **changes: Any) -> Any:
    """Save a pipeline of a UNet2DModel with random weights and return its network."""
    from diffusers import UNet2DModel

    torch.manual_seed(0)
    network = UNet2DModel(**{**UNET, **changes}).eval()
    network.save_pretrained(folder / "unet")
    if scheduler is not None:
        scheduler.save_pretrained(folder / "scheduler")
        index = {"_class_name": "DDPMPipeline", "unet": ["diffusers", "UNet2DModel"]}
        (folder / "model_index.json").write_text(json.dumps(index))
    return network


def _x(channels: int = 3, size: int = 16) -> Tensor:
    return torch.randn(2, channels, size, size, generator=torch.Generator().manual_seed(1))


def _network(path: Path, **changes: Any) -> CheckpointNetwork:
    """Return the network at a path, its estimates as they are."""
    found = open_checkpoint(path)
    return CheckpointNetwork(found, replace(found.use, **{"clip": False, **changes}))


# --- the same as their own library -------------------------------------------------------------


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
def test_a_diffusers_folder_gives_the_estimate_of_diffusers(
    prediction: str, tmp_path: Path
) -> None:
    from diffusers import DDIMScheduler

    scheduler = DDIMScheduler(prediction_type=prediction, clip_sample=False)
    theirs = _unet(tmp_path, scheduler)
    ours = _network(tmp_path)
    assert ours.use.prediction == prediction
    assert ours.checkpoint.says_prediction
    assert (ours.about.size, ours.about.told) == (16, Told.NOTHING)
    assert ours.about.parameters == sum(value.numel() for value in theirs.parameters())
    denoise, x = ours.denoiser(CPU, ""), _x()
    scheduler.set_timesteps(1000)
    held = _network(tmp_path, clip=True).denoiser(CPU, "")
    for t in (0, 137, 500, 800, 950):
        with torch.no_grad():
            wanted = scheduler.step(theirs(x, t).sample, t, x).pred_original_sample
        abar = float(scheduler.alphas_cumprod[t])
        found = denoise(x, math.sqrt(abar), math.sqrt(1.0 - abar))
        torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5 * float(wanted.abs().max()))
        inside = held(x, math.sqrt(abar), math.sqrt(1.0 - abar))
        torch.testing.assert_close(inside, found.clamp(-1, 1), rtol=0, atol=0)


def test_classes_are_told_by_name_and_none_is_the_mean_of_all(tmp_path: Path) -> None:
    from diffusers import DDPMScheduler

    theirs = _unet(tmp_path, DDPMScheduler(), num_class_embeds=12)
    network = _network(tmp_path)
    assert network.about.told is Told.CLASS
    assert network.about.vocabulary == tuple(map(str, range(12)))
    abar = float(DDPMScheduler().alphas_cumprod[300])
    a, s, x = math.sqrt(abar), math.sqrt(1.0 - abar), _x()
    for label in ("0", "11"):
        with torch.no_grad():
            eps = theirs(x, 300, class_labels=torch.tensor([int(label)] * 2)).sample
        torch.testing.assert_close(
            network.denoiser(CPU, label)(x, a, s), (x - s * eps) / a, rtol=1e-5, atol=2e-5
        )
    told_none = network.denoiser(CPU, "")(x, a, s)
    tenth = _network(tmp_path, no_class=10).denoiser(CPU, "")(x, a, s)
    torch.testing.assert_close(tenth, network.denoiser(CPU, "10")(x, a, s), rtol=0, atol=0)
    with torch.no_grad():
        mean = theirs.class_embedding.weight.mean(dim=0)
        theirs.class_embedding.weight[3] = mean
        eps = theirs(x, 300, class_labels=torch.tensor([3, 3])).sample
    torch.testing.assert_close(told_none, (x - s * eps) / a, rtol=1e-5, atol=2e-5)


def test_names_of_classes_and_averaged_weights_are_found(tmp_path: Path) -> None:
    from diffusers import DDPMScheduler

    _unet(tmp_path, DDPMScheduler(), num_class_embeds=2)
    index = json.loads((tmp_path / "model_index.json").read_text())
    index["id2label"] = {"0": "cat", "1": "dog"}
    (tmp_path / "model_index.json").write_text(json.dumps(index))
    average = _unet(tmp_path / "other", num_class_embeds=2)
    with torch.no_grad():
        average.conv_out.bias += 1.0
    average.save_pretrained(tmp_path / "unet_ema")
    found = open_checkpoint(tmp_path)
    assert found.classes == ("cat", "dog")
    assert found.weights == (AVERAGED, TRAINED)
    assert found.use.weights == AVERAGED
    one, other = (_network(tmp_path, weights=name) for name in found.weights)
    x = _x()
    moved = one.denoiser(CPU, "cat")(x, 0.6, 0.8) - other.denoiser(CPU, "cat")(x, 0.6, 0.8)
    torch.testing.assert_close(moved, torch.full_like(moved, -0.8 / 0.6), rtol=0, atol=1e-5)
    assert one.ref().id != other.ref().id


def test_a_bare_folder_and_a_file_beside_its_config_are_the_same_network(tmp_path: Path) -> None:
    from diffusers import DDPMScheduler

    _unet(tmp_path, DDPMScheduler(beta_schedule="squaredcos_cap_v2"))
    unet = tmp_path / "unet"
    file = unet / "diffusion_pytorch_model.safetensors"
    torch.save({"ema": load_file(file)}, unet / "weights.pt")
    x, found = _x(), []
    for path in (tmp_path, unet, file, unet / "weights.pt"):
        network = _network(path)
        assert network.checkpoint.name == tmp_path.name
        assert network.use.schedule.preset == "cosine"
        found.append(network.denoiser(CPU, "")(x, 0.6, 0.8))
    for other in found[1:]:
        torch.testing.assert_close(other, found[0], rtol=0, atol=0)


def test_attention_by_its_old_names_is_read(tmp_path: Path) -> None:
    theirs = _unet(tmp_path)
    file = tmp_path / "unet" / "diffusion_pytorch_model.safetensors"
    old = {}
    for name, value in load_file(file).items():
        for new, former in (("to_q", "query"), ("to_k", "key"), ("to_v", "value")):
            name = name.replace(f".{new}.", f".{former}.")
        name = name.replace(".to_out.0.", ".proj_attn.")
        old[name] = value[:, :, None, None].contiguous() if ".query.w" in name else value
    assert old.keys() != load_file(file).keys()
    save_file(old, file)
    x = _x()
    with torch.no_grad():
        eps = theirs(x, 500).sample
    abar = float(build_preset("linear").alpha_bar[501])
    a, s = math.sqrt(abar), math.sqrt(1.0 - abar)
    found = _network(tmp_path).denoiser(CPU, "")(x, a, s)
    torch.testing.assert_close(found, (x - s * eps) / a, rtol=1e-5, atol=1e-4)


def test_other_forms_are_told_what_their_schedulers_tell(tmp_path: Path) -> None:
    """VE: sigma and the score; flow: T s and the velocity; EDM: ln(sigma) / 4 and F."""
    from diffusers import EDMEulerScheduler, FlowMatchEulerDiscreteScheduler, ScoreSdeVeScheduler

    x, a, s = _x(), 0.5, 0.6
    sigma = s / a
    flow = _unet(tmp_path / "flow", FlowMatchEulerDiscreteScheduler())
    share = sigma / (1.0 + sigma)
    with torch.no_grad():
        u = flow(x / (a + s), torch.tensor(1000.0 * share)).sample
    wanted = x / (a + s) - share * u
    found = _network(tmp_path / "flow").denoiser(CPU, "")(x, a, s)
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)

    edm = _unet(tmp_path / "edm", EDMEulerScheduler())
    scheduler = EDMEulerScheduler()
    with torch.no_grad():
        seen = scheduler.precondition_inputs(x / a, sigma)
        F = edm(seen, scheduler.precondition_noise(sigma)).sample
        wanted = scheduler.precondition_outputs(x / a, F, torch.tensor(sigma))
    network = _network(tmp_path / "edm")
    assert Clock(network.use).form is Form.EDM
    torch.testing.assert_close(network.denoiser(CPU, "")(x, a, s), wanted, rtol=1e-5, atol=1e-5)

    ve = _unet(tmp_path / "ve", ScoreSdeVeScheduler(), time_embedding_type="fourier")
    network = _network(tmp_path / "ve")
    assert network.use.pixels is PixelRange.UNIT  # what these were trained on
    own = replace(network, use=replace(network.use, pixels=PixelRange.SYMMETRIC))
    with torch.no_grad():
        score = ve(x / a, torch.tensor(sigma)).sample
    wanted = x / a + sigma**2 * score
    torch.testing.assert_close(own.denoiser(CPU, "")(x, a, s), wanted, rtol=1e-5, atol=1e-5)
    with torch.no_grad():
        y = 0.5 * (x / a + 1.0)
        wanted = 2.0 * (y + (0.5 * sigma) ** 2 * ve(y, torch.tensor(0.5 * sigma)).sample) - 1.0
    torch.testing.assert_close(network.denoiser(CPU, "")(x, a, s), wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("objective", ["pred_noise", "pred_x0", "pred_v"])
def test_a_lucidrains_file_gives_the_estimate_of_its_library(
    objective: str, tmp_path: Path
) -> None:
    """`expected` is the library's own, see make_lucidrains.py."""
    expected = load_file(HERE / "expected.safetensors")
    content = torch.load(HERE / "model-1.pt", weights_only=True)
    weight = expected[f"{objective}.loss_weight"]
    content["model"]["loss_weight"] = content["ema"]["ema_model.loss_weight"] = weight
    path = tmp_path / "model-1.pt"
    torch.save(content, path)
    found = open_checkpoint(path)
    kinds = {"pred_noise": "epsilon", "pred_x0": "sample", "pred_v": "v_prediction"}
    assert found.use.prediction == kinds[objective]
    assert found.weights == (AVERAGED, TRAINED)
    assert found.has_schedule
    abar = content["model"]["alphas_cumprod"].double()
    for weights in found.weights:
        use = replace(found.use, weights=weights, clip=False)
        denoise = CheckpointNetwork(found, use).denoiser(CPU, "")
        rows = zip(expected["t"].tolist(), expected[f"{objective}.{weights}"], strict=True)
        for t, wanted in rows:
            a, s = float(abar[t].sqrt()), float((1.0 - abar[t]).sqrt())
            largest = float(wanted.abs().max())
            torch.testing.assert_close(
                denoise(expected["x"], a, s), wanted, rtol=1e-5, atol=1e-5 * largest
            )


def test_a_plain_state_dict_is_the_same_network_and_its_schedule_is_asked(tmp_path: Path) -> None:
    content = torch.load(HERE / "model-1.pt", weights_only=True)
    head = "model."
    plain = {k.removeprefix(head): v for k, v in content["model"].items() if k.startswith(head)}
    torch.save(plain, tmp_path / "plain.pth")
    save_file(plain, tmp_path / "plain.safetensors")
    whole = _network(HERE / "model-1.pt", weights=TRAINED)
    x = _x(size=8)
    for name in ("plain.pth", "plain.safetensors"):
        found = open_checkpoint(tmp_path / name)
        assert not found.has_schedule
        assert not found.says_prediction
        assert any("no schedule" in note for note in found.notes)
        use = replace(whole.use, size=found.use.size)
        other = CheckpointNetwork(found, use)
        for a, s in ((0.9, 0.3), (0.4, 0.9)):
            one, two = (network.denoiser(CPU, "")(x, a, s) for network in (whole, other))
            torch.testing.assert_close(one, two, rtol=0, atol=0)


# --- levels and pixels ------------------------------------------------------------------------


def test_levels_are_told_by_snr_and_never_by_index() -> None:
    trained = build_preset("linear", T=1000)
    clock = Clock(Use(schedule=ScheduleSpec("linear", 1000)))
    for t in (1, 250, 1000):
        assert clock(float(trained.a[t]), float(trained.s[t])) == t - 1
        # the same SNR in another scale, as a flow or a VE schedule has it
        assert clock(1.0, float(trained.sigma[t])) == t - 1
    cosine = build_preset("cosine", T=50)
    told = [clock(float(cosine.a[t]), float(cosine.s[t])) for t in range(1, 51)]
    for t, index in zip(range(1, 51), told, strict=True):
        below = math.floor(index)
        share = index - below
        snr = trained.log_snr[below + 1] + share * (
            trained.log_snr[min(below + 2, 1000)] - trained.log_snr[below + 1]
        )
        wanted = np.clip(cosine.log_snr[t], trained.log_snr[-1], trained.log_snr[1])
        assert snr == pytest.approx(wanted, rel=1e-6, abs=1e-3)
    assert clock(0.0, 1.0) == 999  # beyond its range the nearer end is told
    assert clock(1.0, 0.0) == 0
    rescaled = Clock(Use(schedule=ScheduleSpec("linear", 100, zero_terminal=True)))
    assert rescaled(0.0, 1.0) == 99


def test_steps_outside_the_trained_range_are_counted(tmp_path: Path) -> None:
    _unet(tmp_path)
    about = _network(tmp_path).about
    linear = build_preset("linear")
    assert about.sigma_min == pytest.approx(linear.sigma[1], rel=1e-5)
    assert about.sigma_max == pytest.approx(linear.sigma[-1], rel=1e-5)
    asked = Experiment(ScheduleSpec("linear"), sampling=Sampling(model="neural", size=16))
    assert untrained(asked, about) == ""
    beyond = replace(asked, schedule=ScheduleSpec("cosine"))
    assert untrained(beyond, about) == f"1 untrained (σ > {about.sigma_max:.3g})"
    unit = _network(tmp_path, pixels=PixelRange.UNIT).about
    assert unit.sigma_max == pytest.approx(2.0 * linear.sigma[-1], rel=1e-5)


def test_a_network_of_grey_pictures_draws_grey_exactly(tmp_path: Path) -> None:
    theirs = _unet(tmp_path, in_channels=1, out_channels=1)
    network = _network(tmp_path)
    table = build_preset("linear")
    a, s = float(table.a[301]), float(table.s[301])
    g, eps = _x(1), _x(3)
    x = a * g + s * math.sqrt(3.0) * eps  # three channels of that noise are a grey one of s
    seen = x.mean(dim=1, keepdim=True)
    with torch.no_grad():
        wanted = (seen - s * theirs(seen, 300).sample) / a
    found = network.denoiser(CPU, "")(x, a, s * math.sqrt(3.0))
    torch.testing.assert_close(found, wanted.expand(-1, 3, -1, -1), rtol=1e-5, atol=2e-5)
    assert network.about.sigma_max == pytest.approx(math.sqrt(3.0) * table.sigma[-1], rel=1e-5)


class Knowing(torch.nn.Module):
    """Knows the pictures of the check and gives exactly what a kind of network would."""

    def __init__(self, x0: Tensor, use: Use, wrong: float = 0.0):
        super().__init__()
        self.x0 = x0 if use.pixels is PixelRange.SYMMETRIC else 0.5 * (x0 + 1.0)
        self.use, self.wrong = use, wrong
        self.table = build(use.schedule)

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        from diffusion_gui.engine.denoisers.parametrisation import from_x0

        t = np.array(float(level[0]) + 1.0)
        a, s = (float(value) for value in self.table.scales_at(t))
        found = from_x0(self.use.prediction, self.x0, x, a, s)
        return found + self.wrong * torch.randn(x.shape, generator=torch.Generator().manual_seed(7))


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
@pytest.mark.parametrize("pixels", list(PixelRange))
def test_the_check_finds_what_is_predicted_and_of_which_pixels(
    prediction: str, pixels: PixelRange
) -> None:
    pictures = library.emoji(16)[100:108]
    x0 = torch.from_numpy(pictures.astype(np.float32) / 127.5 - 1.0).permute(0, 3, 1, 2)
    true = Use(Prediction(prediction), pixels, size=16)
    for asked in (true, Use(Prediction.V, size=16), Use(size=16)):
        sanity = examine(Knowing(x0, true, 0.05), asked, 3, pictures)
        assert sanity.proposal() == replace(asked, prediction=true.prediction, pixels=pixels)
        assert verdict(sanity.score(true)) == "yes"
    noisy, clean = sanity.pictures(true)
    assert noisy.shape == clean.shape == (4, 16, 16, 3)
    near = np.abs(clean[0].astype(int) - pictures[0]).mean()
    assert near < 12 < np.abs(noisy[-1].astype(int) - pictures[0]).mean()


def test_the_check_gives_no_credit_to_weights_that_were_never_trained(tmp_path: Path) -> None:
    _unet(tmp_path)
    network = _network(tmp_path)
    told: list[int] = []
    pictures = library.emoji(16)[:4]
    sanity = examine(network.loaded(), network.use, 3, pictures, done=told.append)
    assert told == list(range(1, 9))
    assert verdict(sanity.score(network.use)) == "no"
    assert sanity.proposal() == network.use  # nothing fits: the file is taken at its word

    def cancel() -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        examine(network.loaded(), network.use, 3, pictures, poll=cancel)


# --- what is no checkpoint --------------------------------------------------------------------


class Code:
    """A pickle that would make a file where it is loaded as code."""

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str, ...]]:
        return os.mkdir, ("ran-as-code",)


def _load(path: Path) -> None:
    found = open_checkpoint(path)
    found.load(found.use, lambda: None)


def _refusal(path: Path) -> str:
    with pytest.raises(EngineError) as caught:
        _load(path)
    line = str(caught.value)
    assert "\n" not in line
    assert str(path) in line or str(path.parent) in line
    return line


def test_code_in_a_file_is_refused_and_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"model": Code()}, tmp_path / "a.pt")
    (tmp_path / "b.ckpt").write_bytes(pickle.dumps({"init_conv.weight": Code()}))
    (tmp_path / "c.safetensors").write_bytes(pickle.dumps(Code()))
    for name in ("a.pt", "b.ckpt"):
        assert "not a file of weights alone" in _refusal(tmp_path / name)
    assert "no safetensors file" in _refusal(tmp_path / "c.safetensors")
    assert not (tmp_path / "ran-as-code").exists()


def test_broken_files_are_refused_in_one_line(tmp_path: Path) -> None:
    whole = tmp_path / "whole.safetensors"
    save_file({"init_conv.weight": torch.zeros(4, 3, 7, 7)}, whole)
    content = whole.read_bytes()
    broken = {
        "short.safetensors": content[:-8],
        "header.safetensors": content[:20],
        "long.safetensors": struct.pack("<Q", 2**40) + content[8:],
        "empty.safetensors": b"",
        "empty.pt": b"",
    }
    for name, data in broken.items():
        (tmp_path / name).write_bytes(data)
        _refusal(tmp_path / name)
    sparse = tmp_path / "sparse.safetensors"
    with sparse.open("wb") as file:
        file.truncate(100 * 1024**3)
    assert "100 GiB" in _refusal(sparse)
    sparse.rename(tmp_path / "sparse.pt")
    assert "100 GiB" in _refusal(tmp_path / "sparse.pt")
    _refusal(tmp_path / "gone.pt")
    (tmp_path / "text.md").write_text("# not weights")
    _refusal(tmp_path / "text.md")


def test_tensors_that_promise_more_than_there_is_are_refused(tmp_path: Path) -> None:
    torch.save({"init_conv.weight": torch.zeros(1).expand(4, 3, 7, 7)}, tmp_path / "a.pt")
    assert "more numbers than" in _refusal(tmp_path / "a.pt")


def test_small_files_that_would_take_much_are_refused_at_once(tmp_path: Path) -> None:
    """Each of these took gigabytes, minutes, or for ever."""
    round_about: dict[str, Any] = {f"k{i}": torch.zeros(1) for i in range(3)}
    round_about |= {f"self{i}": round_about for i in range(200)}
    torch.save(round_about, tmp_path / "self.pt")
    assert "3 tensors" in _refusal(tmp_path / "self.pt")
    torch.save({"init_conv.weight": torch.zeros(4, 3, 7, 7)}, tmp_path / "plain.pt")
    with (
        zipfile.ZipFile(tmp_path / "plain.pt") as plain,
        zipfile.ZipFile(tmp_path / "packed.pt", "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for entry in plain.infolist():
            packed.writestr(entry.filename, plain.read(entry))
    assert "is packed" in _refusal(tmp_path / "packed.pt")
    torch.save({"init_conv.weight": torch.eye(4).to_sparse()}, tmp_path / "sparse.pt")
    assert "no plain array" in _refusal(tmp_path / "sparse.pt")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes to know when it reads one")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    for name in ("a.pt", "a.safetensors"):
        os.mkfifo(tmp_path / name)
        assert not holds_network(tmp_path / name)
        assert "not a file" in _refusal(tmp_path / name)


def test_a_network_outlives_its_file_and_is_not_taken_for_another(tmp_path: Path) -> None:
    """Weights that stay mapped to a file end the process when that is written again."""
    path = tmp_path / "a.pt"
    path.write_bytes((HERE / "model-1.pt").read_bytes())
    found = open_checkpoint(path)
    network = CheckpointNetwork(found, found.use)
    network.ref()
    with torch.no_grad():
        before = [value.clone() for value in network.loaded().parameters()]
    with path.open("r+b") as file:  # in its place, as torch.save does
        file.truncate(0)
    assert all(map(torch.equal, before, network.loaded().parameters()))
    content = torch.load(HERE / "model-1.pt", weights_only=True)
    content["model"] = {key: value + 1 for key, value in content["model"].items()}
    for part in [key for key in content if key.startswith("ema")]:
        content[part] = {
            key: value + 1 if value.is_floating_point() else value
            for key, value in content[part].items()
        }
    torch.save(content, path)
    network.free()
    with pytest.raises(EngineError, match="another by now"):
        network.loaded()


def test_a_network_whose_answer_is_no_picture_or_whose_numbers_are_others_is_refused(
    tmp_path: Path,
) -> None:
    from diffusers import EDMEulerScheduler

    for given in (1, 4, 5):
        _unet(tmp_path / f"to{given}", out_channels=given)
        assert f"answers with {given}" in _refusal(tmp_path / f"to{given}")
    _unet(tmp_path / "edm", EDMEulerScheduler(sigma_data=1.0))
    assert "sigma_data is 1.0" in _refusal(tmp_path / "edm")
    _unet(tmp_path / "classes", num_class_embeds=3)
    weights = tmp_path / "classes" / "unet" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(weights)
    tensors["class_embedding.weight"] = torch.zeros(10_000_000, 0)
    save_file(tensors, weights)
    assert "a table of classes" in _refusal(tmp_path / "classes")


def test_the_learned_variance_is_the_second_half_of_the_answer() -> None:
    class Twice(torch.nn.Module):
        def forward(self, x: Tensor, level: Tensor) -> Tensor:
            return torch.cat((torch.full_like(x, 0.25), torch.full_like(x, 9.0)), dim=1)

    use = Use(Prediction.SAMPLE, size=16)
    assert torch.all(checkpoint(Twice(), use, 3, CPU)(_x(), 0.6, 0.8) == 0.25)


def test_shapes_that_fit_no_network_are_named(tmp_path: Path) -> None:
    save_file({"encoder.weight": torch.zeros(4, 4)}, tmp_path / "a.safetensors")
    assert "encoder.weight" in _refusal(tmp_path / "a.safetensors")
    content = torch.load(HERE / "model-1.pt", weights_only=True)["model"]
    for name, value in (
        ("model.mid_attn.mem_kv", None),
        ("model.downs.1.2.norm.g", torch.ones(1, 5, 1, 1)),
        ("model.time_mlp.0.weights", torch.zeros(4)),
        ("model.classes_emb.weight", torch.zeros(4, 4)),
        ("model.extra.weight", torch.zeros(4)),
    ):
        changed = {**content, name: value}
        if value is None:
            del changed[name]
        torch.save(changed, tmp_path / "b.pt")
        _refusal(tmp_path / "b.pt")
    _unet(tmp_path / "c")
    config = tmp_path / "c" / "unet" / "config.json"
    text = json.loads(config.read_text())
    for change, said in (
        ({"block_out_channels": [16, 16]}, "the network wants [16"),
        ({"block_out_channels": [8, 10**9]}, "block_out_channels"),
        ({"layers_per_block": 10**9}, "layers_per_block"),
        ({"down_block_types": ["NoBlock", "DownBlock2D"]}, "can be built"),
        ({"class_embed_type": "identity"}, "class_embed_type"),
        ({"_class_name": "UNet2DConditionModel"}, "UNet2DConditionModel"),
        ({"sample_size": [16, 32]}, "square"),
    ):
        config.write_text(json.dumps({**text, **change}))
        assert said in _refusal(tmp_path / "c")


def test_weights_that_are_no_numbers_are_named(tmp_path: Path) -> None:
    content = torch.load(HERE / "model-1.pt", weights_only=True)
    content["ema"]["ema_model.model.final_conv.bias"][1] = math.nan
    torch.save(content, tmp_path / "a.pt")
    assert "final_conv.bias holds values that are not numbers" in _refusal(tmp_path / "a.pt")
    _unet(tmp_path / "b")
    file = tmp_path / "b" / "unet" / "diffusion_pytorch_model.safetensors"
    save_file({**load_file(file), "conv_in.bias": torch.full((8,), math.inf)}, file)
    assert "conv_in.bias" in _refusal(tmp_path / "b")


def test_folders_without_a_network_of_pictures_say_what_they_are(tmp_path: Path) -> None:
    from diffusers import DDPMScheduler

    empty = tmp_path / "empty"
    empty.mkdir()
    assert "no network in it" in _refusal(empty)
    _unet(tmp_path / "bare", DDPMScheduler())
    file = tmp_path / "bare" / "unet" / "diffusion_pytorch_model.safetensors"
    file.rename(file.with_suffix(".bin"))
    assert "only pickled weights" in _refusal(tmp_path / "bare")
    file.with_suffix(".bin").unlink()
    assert "no weights" in _refusal(tmp_path / "bare")
    text = tmp_path / "text"
    text.mkdir()
    (text / "config.json").write_text('{"model_type": "bert", "architectures": ["BertModel"]}')
    save_file({"embeddings.weight": torch.zeros(4, 4)}, text / "model.safetensors")
    assert "transformers model (bert)" in _refusal(text)
    assert "transformers model (bert)" in _refusal(text / "model.safetensors")
    (tmp_path / "latent").mkdir()
    (tmp_path / "latent" / "model_index.json").write_text('{"vae": ["diffusers", "X"]}')
    assert "latents" in _refusal(tmp_path / "latent")
    for broken in ("{", "[]", "[" * 100_000):
        (text / "config.json").write_text(broken)
        _refusal(text)


def test_a_use_that_a_network_cannot_have_is_refused(tmp_path: Path) -> None:
    _unet(tmp_path, num_class_embeds=4)
    _unet(tmp_path / "rgba", in_channels=4, out_channels=4)
    found = open_checkpoint(tmp_path)
    for change in (
        {"size": 15}, {"size": 4}, {"size": 1024}, {"prediction": Prediction.FLOW},
        {"weights": AVERAGED}, {"no_class": 4},
        {"schedule": ScheduleSpec("ve"), "prediction": Prediction.V},
    ):  # fmt: skip
        with pytest.raises(EngineError):
            found.check(replace(found.use, **change))
    found.check(replace(found.use, size=18))
    rgba = open_checkpoint(tmp_path / "rgba")
    with pytest.raises(EngineError, match="4 channels"):
        rgba.check(rgba.use)
    with pytest.raises(EngineError, match="4 channels"):
        checkpoint(torch.nn.Identity(), rgba.use, 4, CPU)


def test_networks_are_told_from_schedules_and_pictures(tmp_path: Path) -> None:
    from diffusers import DDPMScheduler

    _unet(tmp_path, DDPMScheduler())
    betas = torch.linspace(1e-4, 0.02, 1000)
    torch.save({"betas": betas}, tmp_path / "betas.pt")
    save_file({"betas": betas}, tmp_path / "betas.safetensors")
    (tmp_path / "pictures").mkdir()
    DDPMScheduler().save_pretrained(tmp_path / "only" / "scheduler")
    networks = (
        tmp_path,
        tmp_path / "unet",
        tmp_path / "unet" / "diffusion_pytorch_model.safetensors",
        HERE / "model-1.pt",
    )
    others = ("betas.pt", "betas.safetensors", "pictures", "only", "scheduler", "gone.pt")
    assert [holds_network(path) for path in networks] == [True] * 4
    assert [holds_network(tmp_path / name) for name in others] == [False] * 6
    assert not any(is_own(path) for path in networks)
