"""Schedules as files: every format gives back what it was given, and bad files one clear line."""

from __future__ import annotations

import io
import pickle
import re
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.experiment import Experiment
from diffusion_gui.engine.schedules import (
    PRESETS,
    ControlPoint,
    Family,
    ScheduleSpec,
    build,
    control_points,
    with_points,
)
from diffusion_gui.engine.schedules.operations import resampled, shifted, table, zero_terminal
from diffusion_gui.session.export import METADATA_KEY, SCHEDULE_WRITERS, save_png, save_schedule
from diffusion_gui.session.format import encode
from diffusion_gui.session.schedule_import import READERS, load_schedule

DRAWN = ScheduleSpec("", 90, points=(ControlPoint(0.0, 9.0), ControlPoint(0.4, 1.0),
                                     ControlPoint(1.0, -11.0)))  # fmt: skip
BENT = with_points(ScheduleSpec("cosine", 120), (ControlPoint(0.0, 8.0), ControlPoint(1.0, -9.0)))
SPECS = {
    **{preset: ScheduleSpec(preset, 200) for preset in PRESETS},
    **{f"{family} table": table(np.linspace(1e-4, 0.2, 70), family.value) for family in Family},
    **{f"linear as {family}": ScheduleSpec("linear", 300, family=family) for family in Family},
    "one step": ScheduleSpec("linear", 1),
    "drawn": DRAWN,
    "drawn flow": ScheduleSpec("", 90, points=DRAWN.points, family="flow"),
    "bent": BENT,
    "zero terminal": zero_terminal(ScheduleSpec("scaled_linear", 150)),
    "zero terminal, bent": with_points(
        zero_terminal(ScheduleSpec("linear", 80)),
        control_points(zero_terminal(ScheduleSpec("linear", 80))),
    ),
    "zero terminal sub-VP": zero_terminal(ScheduleSpec("sub_vp", 80)),
    "shifted": shifted(ScheduleSpec("flow", 60), -1.5),
    "resampled": resampled(ScheduleSpec("sigmoid", 1000), 77),
}


def line(load: object) -> str:
    """Return the one line with which `load` refuses."""
    with pytest.raises(EngineError) as caught:
        load()  # type: ignore[operator]
    text = str(caught.value)
    assert len(text.splitlines()) == 1
    assert len(text) < 400
    return text


def refused(file: Path, content: bytes | str) -> str:
    """Return the line that refuses a file, which it names."""
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    text = line(lambda: load_schedule(file))
    assert text.startswith(str(file))
    return text.removeprefix(str(file))


def outcome(file: Path) -> str:
    """Return the line that refuses a file, or its name if it gives a schedule."""
    try:
        build(load_schedule(file).spec)
    except EngineError as error:
        return str(error)
    return str(file)


# --- there and back ------------------------------------------------------------------------------


def test_every_format_that_is_written_is_read() -> None:
    assert set(SCHEDULE_WRITERS) <= set(READERS)


@pytest.mark.parametrize("ending", SCHEDULE_WRITERS)
@pytest.mark.parametrize("name", SPECS)
def test_a_schedule_comes_back_from_every_format(tmp_path: Path, name: str, ending: str) -> None:
    spec, file = SPECS[name], tmp_path / f"s{ending}"
    schedule = build(spec)
    if ending == ".txt" and not np.isfinite(schedule.sigma).all() and schedule.family != "flow":
        assert "infinite" in line(lambda: save_schedule(schedule, file, spec))
        return
    if ending == ".npy" and schedule.family != "vp":
        assert "cannot say that the family" in line(lambda: save_schedule(schedule, file, spec))
        return
    save_schedule(schedule, file, spec)
    found = load_schedule(file)
    back = build(found.spec)
    assert back.family is schedule.family
    assert_allclose(back.alpha_bar, schedule.alpha_bar, rtol=1e-9)
    assert_allclose(back.a, schedule.a, rtol=1e-9)
    assert_allclose(back.s, schedule.s, rtol=1e-9)
    assert_allclose(back.beta, schedule.beta, rtol=1e-9)
    assert found.notes == () or ending == ".npy"
    if ending in (".json", ".png", ".svg"):
        assert found.spec == spec


@pytest.mark.parametrize("ending", sorted({*SCHEDULE_WRITERS} - {".json", ".npy"}))
@pytest.mark.parametrize("family", Family)
def test_a_schedule_whose_spec_is_not_known_keeps_its_family(
    tmp_path: Path, family: Family, ending: str
) -> None:
    schedule = build(table(np.linspace(1e-4, 0.2, 70), family.value))
    save_schedule(schedule, tmp_path / f"s{ending}")
    back = build(load_schedule(tmp_path / f"s{ending}").spec)
    assert back.family is family
    assert_allclose(back.s, schedule.s, rtol=1e-9)


@pytest.mark.parametrize("name", ["beta", "alpha_bar", "log_snr", "sigma"])
def test_one_column_of_a_table_is_enough_and_without_a_family_it_is_vp(
    tmp_path: Path, name: str
) -> None:
    schedule = build(ScheduleSpec("flow", 30, family="flow"))
    column = {"sigma": schedule.sigma}.get(name, getattr(schedule, name))
    rows = "".join(f"{t},{float(column[t])!r}\n" for t in range(1, 30))
    (tmp_path / "s.csv").write_text(f"t,{name}\n{rows}")
    back = build(load_schedule(tmp_path / "s.csv").spec)
    assert back.family is Family.VP
    assert_allclose(back.log_snr[1:], schedule.log_snr[1:-1], rtol=1e-9, atol=1e-9)


# --- lists of sigmas -----------------------------------------------------------------------------

SIGMAS = (14.6146, 6.4746, 3.8637, 1.0, 0.1515, 0.0292)


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(map(str, SIGMAS)),
        ", ".join(map(str, (*SIGMAS, 0))),
        "[" + ", ".join(map(str, (*SIGMAS, 0.0))) + "]",
        " ".join(map(str, SIGMAS[::-1])),
        "0\n" + "\r\n".join(map(str, SIGMAS[::-1])),
        "(\n" + ",\n".join(map(str, SIGMAS)) + ",\n)\n",
        "# family: ve\n" + "\n".join(map(str, SIGMAS)),
        "# from a paper\n" + " ; ".join(map(str, SIGMAS)),
    ],
)
def test_a_list_of_sigmas_is_the_schedule_with_them(tmp_path: Path, text: str) -> None:
    (tmp_path / "s.txt").write_text(text)
    schedule = build(load_schedule(tmp_path / "s.txt").spec)
    assert_allclose(schedule.sigma[1:], SIGMAS[::-1], rtol=1e-9)
    assert schedule.family is (Family.VE if "ve" in text else Family.VP)


def test_a_list_that_begins_with_one_may_be_a_flow_and_says_how(tmp_path: Path) -> None:
    (tmp_path / "s.txt").write_text("1.0 0.5 0.25")
    assert "# family: flow" in load_schedule(tmp_path / "s.txt").notes[0]
    (tmp_path / "s.txt").write_text("# family: flow\n1.0 0.5 0.25")
    assert_allclose(build(load_schedule(tmp_path / "s.txt").spec).s, [0.0, 0.25, 0.5, 1.0])


# --- arrays and weights --------------------------------------------------------------------------

PLAIN = build(ScheduleSpec("linear", 50))


@pytest.mark.parametrize("key", ["beta", "alpha_bar"])
@pytest.mark.parametrize("clean", [0, 1])
def test_an_array_is_betas_or_alpha_bar_by_its_fall(tmp_path: Path, key: str, clean: int) -> None:
    np.save(tmp_path / "s.npy", getattr(PLAIN, key)[1 - clean :])
    found = load_schedule(tmp_path / "s.npy")
    assert_allclose(build(found.spec).alpha_bar, PLAIN.alpha_bar, rtol=1e-9)
    assert ("alphas_cumprod" if key == "alpha_bar" else "betas") in found.notes[0]


@pytest.mark.parametrize("ending", [".safetensors", ".pt", ".pth", ".ckpt"])
@pytest.mark.parametrize("keys", [("betas",), ("alphas_cumprod",), ("betas", "alphas_cumprod")])
def test_a_state_dict_gives_its_schedule(
    tmp_path: Path, ending: str, keys: tuple[str, ...]
) -> None:
    arrays = {"betas": PLAIN.beta[1:].copy(), "alphas_cumprod": PLAIN.alpha_bar[1:].copy()}
    chosen = {f"model.diffusion.{key}": arrays[key] for key in keys}
    other = {"model.weight": np.zeros((3, 4), np.float32)}
    if ending == ".safetensors":
        safetensors.numpy.save_file(chosen | other, tmp_path / f"s{ending}")
    else:
        tensors = {key: torch.from_numpy(value) for key, value in (chosen | other).items()}
        torch.save({"state_dict": tensors, "step": 3}, tmp_path / f"s{ending}")
    back = build(load_schedule(tmp_path / f"s{ending}").spec)
    assert_allclose(back.alpha_bar, PLAIN.alpha_bar, rtol=1e-9)


def test_a_tensor_alone_and_float32_are_read(tmp_path: Path) -> None:
    torch.save(torch.from_numpy(PLAIN.beta[1:].astype(np.float32)), tmp_path / "s.pt")
    back = build(load_schedule(tmp_path / "s.pt").spec)
    assert_allclose(back.beta, PLAIN.beta, rtol=1e-7)


@pytest.mark.parametrize("place", ["scheduler", "."])
def test_a_diffusers_folder_is_read(tmp_path: Path, place: str) -> None:
    (tmp_path / place).mkdir(exist_ok=True)
    spec = ScheduleSpec("scaled_linear", 100)
    save_schedule(build(spec), tmp_path / place / "scheduler_config.json", spec)
    assert load_schedule(tmp_path).spec == spec
    (tmp_path / "empty").mkdir()
    assert "no scheduler_config.json" in line(lambda: load_schedule(tmp_path / "empty"))


def test_a_sample_gives_the_schedule_it_was_made_with(tmp_path: Path) -> None:
    text = {METADATA_KEY: encode(Experiment(BENT))}
    save_png(tmp_path / "a.png", np.zeros((4, 4, 3), np.uint8), text)
    assert load_schedule(tmp_path / "a.png").spec == BENT


# --- bad files -----------------------------------------------------------------------------------


class Bomb:
    """Runs code where it is unpickled."""

    def __init__(self, mark: Path):
        self.mark = mark

    def __reduce__(self) -> object:
        return Path.touch, (self.mark,)


@pytest.mark.parametrize("ending", [".pt", ".pth", ".ckpt", ".npy", ".npz"])
@pytest.mark.parametrize("wrapped", [False, True])
def test_a_pickle_that_runs_code_is_refused_and_not_run(
    tmp_path: Path, ending: str, wrapped: bool
) -> None:
    mark, file = tmp_path / "ran", tmp_path / f"s{ending}"
    hostile = np.array([Bomb(mark)], dtype=object)
    if ending == ".npy":
        np.save(file, hostile)
    elif ending == ".npz":
        np.savez(file, beta=hostile)
    elif wrapped:
        torch.save({"betas": torch.ones(3), "x": Bomb(mark)}, file)
    else:
        file.write_bytes(pickle.dumps(Bomb(mark)))
    text = line(lambda: load_schedule(file))
    assert text.startswith(str(file))
    assert not mark.exists()


def npy(shape: str, descr: str = "<f8") -> bytes:
    head = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode() + b"\0" * 80


def safetensor(header: str, size: int | None = None) -> bytes:
    return struct.pack("<Q", len(header) if size is None else size) + header.encode() + b"\0" * 64


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("s.csv", "t,beta\n1,much\n", "row 2: beta = 'much' is not a number; correct"),
        ("s.csv", "t,beta\n1,nan\n", "column beta: .*nan at t = 1.*correct"),
        ("s.csv", "t,alpha_bar\n1,0.9\n2,0.95\n", "column alpha_bar: .*not at t = 2; correct"),
        ("s.csv", "t,alpha_bar\n1,0.9\n2,nan\n", "column alpha_bar: .*not at t = 2; correct"),
        ("s.csv", "t,log_snr\n1,0.9\n2,1\n", "column log_snr: .*not at t = 2; correct"),
        ("s.csv", "t,beta\n0,0\n", r"column beta: T must be in 1\.\.10000"),
        ("s.csv", "t,beta\n" + "".join(f"{t},0.1\n" for t in range(1, 10_002)), "T must be in"),
        ("s.csv", "t,beta,family\n1,0.1,vpp\n", "column family: family 'vpp'.* use vp or ve"),
        ("s.csv", "t,beta,family\n1,0.1,vp\n2,0.1,ve\n", "column family must name the same"),
        ("s.csv", "t,beta,family\n1,0.1,vp\n2,0.1\n", "column family must name the same"),
        ("s.csv", "t,beta,family\n1,1,ve\n", "column beta: a variance-exploding process"),
        ("s.json", "[1, 2]", "one JSON object"),
        ("s.json", '{"_class_name": "DDPMScheduler", "beta_end": "0.02"}',
         "beta_end: '0.02' is not a number; write one without quotes"),
        ("s.json", '{"_class_name": "DDPMScheduler", "num_train_timesteps": 1000000000}',
         "num_train_timesteps: 1000000000 is outside 1 to 10000; choose"),
        ("s.json", '{\n<<<<<<< HEAD\n"a": 1}', "line 2 is a merge conflict .* keep one"),
        ("s.txt", "14.6\n3.9\nlow\n", "value 3 is 'low', not a number; list sigmas alone"),
        ("s.txt", "", r"T must be in 1\.\.10000"),
        ("s.txt", "0 0", "sigmas must be numbers above 0"),
        ("s.txt", "3 2 2 1", "all falling or all rising, but see 2"),
        ("s.txt", "3 nan 1", "but see nan"),
        ("s.txt", "inf 3 1", "but see inf"),
        ("s.txt", "3 2 -1", "but see -1"),
        ("s.txt", "# family: flow\n1.5 0.5", "s must be numbers from 0 to 1.* see 1.5"),
        ("s.txt", "# family: fast\n1 0.5", "family 'fast' is not known; use vp or ve"),
        ("s.txt", "1 " * 20_000, "20000 sigmas are too many"),
        ("s.py", "betas = [0.1,", "not Python"),
        ("s.py", "import numpy\nprint(1)", r"no list of numbers called betas; add betas = \["),
        ("s.py", "betas = [0.1, 'x']", r"betas\[1\]: 'x' is not a number"),
        ("s.py", "betas = [0.1, 2.0]", "betas: .*2 at t = 2.*correct"),
        ("s.py", "betas = 0.1", "betas: must be a list"),
        ("s.py", "betas = [0.1]\nfamily = 'x'", "family 'x' is not known"),
        ("s.py", "(" * 5000, "not Python"),
        ("s.png", "no picture", "not a whole PNG; choose another"),
        ("s.npy", "", "not a NumPy array"),
        ("s.npy", npy("(10,)")[:60], "not a NumPy array"),
        ("s.npy", npy("(10, 1)"), r"the shape is \[10, 1\], but a schedule has one axis"),
        ("s.npy", npy("(1000000000000,)"), "the header does not fit"),
        ("s.npy", npy("(10,)", "|O"), "the header does not fit"),
        ("s.npy", npy("(10,)", "<c8"), "the type is complex64, not a number"),
        ("s.npy", npy("(10,)"), r"β = 0|T must be"),
        ("s.npy", npy("(0,)"), "T must be in"),
        ("s.npy", b"\0" * 400_000, "400,000 bytes"),
        ("s.npz", "no archive", "the file is damaged"),
        ("s.safetensors", "", "not a readable safetensors file .*; save it again"),
        ("s.safetensors", safetensor("{}"), "not a readable|neither betas nor alphas_cumprod"),
        ("s.safetensors", safetensor('{"betas"', 10**6), "not a readable safetensors file"),
        ("s.safetensors", safetensor("{}", 2**62), "not a readable safetensors file"),
        ("s.safetensors",
         safetensor('{"betas":{"dtype":"F64","shape":[1000000000],"data_offsets":[0,8]}}'),
         "not a readable safetensors file"),
        ("s.pt", "", "not a file of weights alone .*; save the state dict"),
        ("s.ckpt", "x" * 100, "not a file of weights alone"),
        ("s.doc", "", r"can be read from \.json, \.csv.*; save it as one"),
    ],
)  # fmt: skip
def test_a_bad_file_is_one_line_with_the_place_and_the_mend(
    tmp_path: Path, name: str, content: str | bytes, reason: str
) -> None:
    text = refused(tmp_path / name, content)
    assert re.search(reason, text), text


def test_ten_million_rows_are_refused_without_being_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "s.csv"
    with file.open("wb") as out:
        out.write(b"t,beta\n")
        out.truncate(10_000_000 * 8)  # sparse: as long as so many rows
    monkeypatch.setattr(Path, "read_text", lambda *_a, **_k: pytest.fail("the file was read"))
    assert "too large to be a schedule" in line(lambda: load_schedule(file))


def test_arrays_that_inflate_are_refused_by_their_size(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "s.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("beta.npy", npy("(10,)") + b"\0" * 10_000_000)
    assert "10,000,208 bytes are too many" in line(lambda: load_schedule(tmp_path / "s.npz"))


@pytest.mark.parametrize("kind", ["betas", "alphas_cumprod"])
def test_a_tensor_of_another_shape_is_refused_by_name(tmp_path: Path, kind: str) -> None:
    safetensors.numpy.save_file({kind: np.zeros((2, 3))}, tmp_path / "s.safetensors")
    torch.save({kind: torch.zeros(20_000)}, tmp_path / "s.pt")
    assert f"{kind}: the shape is [2, 3]" in line(lambda: load_schedule(tmp_path / "s.safetensors"))
    assert f"{kind}: T must be in" in line(lambda: load_schedule(tmp_path / "s.pt"))
    torch.save({"weight": torch.zeros(3)}, tmp_path / "s.pt")
    assert "only weight" in line(lambda: load_schedule(tmp_path / "s.pt"))


def test_a_picture_without_or_with_a_broken_schedule_is_refused(tmp_path: Path) -> None:
    pixels, file = np.zeros((4, 4, 3), np.uint8), tmp_path / "s.png"
    for text, reason in (
        ({}, "holds no schedule"),
        ({"diffusion-gui-schedule": "{"}, "diffusion-gui-schedule: not JSON"),
        ({"diffusion-gui-schedule": '{"T": 0}'}, "diffusion-gui-schedule.T: 0 is outside"),
        ({"diffusion-gui-schedule": '{"T": "x"}'}, "diffusion-gui-schedule.T: expected"),
    ):
        save_png(file, pixels, text)
        assert reason in line(lambda: load_schedule(file))


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.binary(max_size=300), cut=st.integers(0, 400))
@example(data=b"\x93NUMPY\x01\x00\x01\x00(", cut=0)  # a header that is no Python
@pytest.mark.parametrize("ending", [".txt", ".py", ".png", ".npz", ".npy", ".safetensors", ".pt"])
def test_any_bytes_and_any_cut_file_give_a_schedule_or_one_line(
    tmp_path: Path, ending: str, data: bytes, cut: int
) -> None:
    file = tmp_path / f"s{ending}"
    for content in (data, _whole(ending)[:cut], _whole(ending)[:cut] + data):
        file.write_bytes(content)
        assert len(outcome(file).splitlines()) == 1
        assert outcome(file).startswith(str(file))


def _whole(ending: str) -> bytes:
    """Return a file of a short schedule."""
    out, betas = io.BytesIO(), np.array([0.1, 0.2])
    if ending == ".safetensors":
        return safetensors.numpy.save({"betas": betas})
    if ending == ".pt":
        torch.save({"betas": torch.from_numpy(betas)}, out)
    elif ending == ".npy":
        np.save(out, betas)
    else:
        return SCHEDULE_WRITERS[ending](build(table(betas)), None, "")
    return out.getvalue()
