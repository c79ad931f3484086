"""Files that are written: they hold the numbers exactly, and appear whole or not at all."""

from __future__ import annotations

import csv
import json
import os

import numpy as np
import pytest
from PIL import Image

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.experiment import PICTURES, Experiment, PictureRef, Sampling
from diffusion_gui.engine.schedules import (
    PRESETS,
    Family,
    ScheduleSpec,
    build,
    control_points,
    from_betas,
    with_points,
)
from diffusion_gui.session.export import (
    METADATA_KEY,
    SCHEDULE_WRITERS,
    save_grid,
    save_png,
    save_schedule,
    schedule_columns,
    square_columns,
)
from diffusion_gui.session.files import atomic_write, sweep
from diffusion_gui.session.format import decode
from diffusion_gui.session.schedule_import import load_schedule
from diffusion_gui.session.schedule_plot import nice_ticks

_SPECS = [
    *(ScheduleSpec(preset, 1000) for preset in PRESETS),
    ScheduleSpec("linear", 1),
    ScheduleSpec("linear", 100, zero_terminal=True),
    ScheduleSpec("", 3, betas=(0.1, 0.2, 1.0)),
]


def _drawn():
    spec = ScheduleSpec("cosine", 200)
    return with_points(spec, control_points(spec))


def _batch(count, side=8):
    rng = np.random.default_rng(5)
    return rng.integers(0, 256, (count, side, side, 3), dtype=np.uint8)


# --- schedules -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "spec",
    [spec for spec in [*_SPECS, _drawn()] if build(spec).family is Family.VP],
    ids=lambda s: f"{s.preset}-{s.T}",
)
def test_json_betas_multiply_to_alpha_bar(tmp_path, spec):
    schedule = build(spec)
    save_schedule(schedule, tmp_path / "s.json", spec)
    config = json.loads((tmp_path / "s.json").read_text())
    betas = np.array(config["trained_betas"], dtype=np.float64)
    assert config["_class_name"] == "DDPMScheduler"
    assert config["num_train_timesteps"] == len(betas) == spec.T
    np.testing.assert_allclose(np.cumprod(1.0 - betas), schedule.alpha_bar[1:], rtol=1e-9)


def test_json_names_the_formula_only_where_diffusers_has_the_same(tmp_path):
    def named(spec):
        save_schedule(build(spec), tmp_path / "s.json", spec)
        return json.loads((tmp_path / "s.json").read_text()).get("beta_schedule")

    assert named(ScheduleSpec("cosine", 100)) == "squaredcos_cap_v2"
    assert named(ScheduleSpec("linear", 100, (("beta_end", 0.1),))) == "linear"
    assert named(ScheduleSpec("cosine", 100, (("offset", 0.1),))) is None
    assert named(_drawn()) is None
    assert named(ScheduleSpec("linear", 100, zero_terminal=True)) is None
    assert named(ScheduleSpec("linear", 100, shift=1.0)) is None


def test_json_is_of_the_class_asked_for(tmp_path):
    spec = ScheduleSpec("linear", 100)
    save_schedule(build(spec), tmp_path / "s.json", spec, "EulerDiscreteScheduler")
    config = json.loads((tmp_path / "s.json").read_text())
    assert config["_class_name"] == "EulerDiscreteScheduler"
    with pytest.raises(EngineError, match="EDMEulerScheduler holds a formula"):
        save_schedule(build(spec), tmp_path / "t.json", spec, "EDMEulerScheduler")
    assert not (tmp_path / "t.json").exists()


def test_csv_holds_every_number_exactly(tmp_path):
    schedule = build(ScheduleSpec("scaled_linear", 300))
    save_schedule(schedule, tmp_path / "s.csv")
    with (tmp_path / "s.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [
        *("t", "beta", "alpha", "alpha_bar"),
        *("snr", "log_snr", "sigma", "posterior_variance", "family"),
    ]
    assert {row["family"] for row in rows} == {"vp"}
    assert [int(row["t"]) for row in rows] == list(range(301))
    for name, values in schedule_columns(schedule).items():
        assert [float(row[name]) for row in rows] == values.tolist()


def test_npz_holds_the_arrays(tmp_path):
    schedule = build(ScheduleSpec("cosine", 50))
    save_schedule(schedule, tmp_path / "s.npz")
    with np.load(tmp_path / "s.npz") as file:
        arrays = dict(file)
    np.testing.assert_array_equal(arrays["t"], np.arange(51))
    np.testing.assert_array_equal(arrays["alpha_bar"], schedule.alpha_bar)
    np.testing.assert_allclose(arrays["sigma"], schedule.s / schedule.a, rtol=1e-12)
    np.testing.assert_allclose(arrays["a"] ** 2 + arrays["s"] ** 2, 1.0, rtol=1e-12)


def test_txt_is_the_sigmas_from_noise_to_zero(tmp_path):
    schedule = build(ScheduleSpec("linear", 20))
    save_schedule(schedule, tmp_path / "s.txt")
    sigmas = [float(line) for line in (tmp_path / "s.txt").read_text().splitlines()]
    assert sigmas == schedule.sigma[::-1].tolist()
    assert sigmas == sorted(sigmas, reverse=True)
    assert sigmas[-1] == 0.0


def test_txt_of_a_flow_is_its_s_from_one_to_zero(tmp_path):
    schedule = build(ScheduleSpec("flow", 20, (("shift", 3.0),)))
    save_schedule(schedule, tmp_path / "s.txt")
    head, *lines = (tmp_path / "s.txt").read_text().splitlines()
    levels = [float(line) for line in lines]
    assert head == "# family: flow"
    assert levels == schedule.s[::-1].tolist()
    assert (levels[0], levels[-1]) == (1.0, 0.0)


def test_txt_refuses_an_infinite_sigma(tmp_path):
    with pytest.raises(EngineError, match="infinite"):
        save_schedule(from_betas(np.array([0.5, 1.0])), tmp_path / "s.txt")
    assert not list(tmp_path.iterdir())


def test_png_plots_both_curves_where_they_belong(tmp_path):
    spec = ScheduleSpec("linear", 1000)
    save_schedule(build(spec), tmp_path / "s.png", spec)
    pixels = np.array(Image.open(tmp_path / "s.png").convert("RGB")).astype(int)

    def rows(color, x):
        found = np.abs(pixels[:, x] - color).max(axis=1) < 40
        found[:125] = found[470:530] = False  # the headings have the curves' colours
        return np.flatnonzero(found)

    left, right = 130, 1230
    blue, vermilion = (0x25, 0x63, 0xC9), (0xC8, 0x50, 0x0A)
    # alpha-bar falls (rows count downwards), beta rises
    assert rows(blue, left).max() < rows(blue, right).min()
    assert rows(vermilion, left).min() > rows(vermilion, right).max()
    # the linear beta at the middle of the axis is at the middle of its range
    middle = rows(vermilion, (92 + 1240) // 2).mean()
    ends = [rows(vermilion, x).mean() for x in (92 + 100, 1240 - 100)]
    assert middle == pytest.approx(sum(ends) / 2, abs=1.0)


@pytest.mark.parametrize("T", [1, 2, 7, 60, 10_000])
@pytest.mark.parametrize("given_spec", [True, False])
def test_png_is_drawn_for_every_length(tmp_path, T, given_spec):
    spec = ScheduleSpec("cosine", T)
    save_schedule(build(spec), tmp_path / "s.png", spec if given_spec else None)
    with Image.open(tmp_path / "s.png") as picture:
        assert picture.size == (1280, 840)


@pytest.mark.parametrize("limit", [1e-7, 3e-4, 0.02, 0.0201, 0.999, 1.0, 7.0, 10_000.0])
def test_ticks_are_even_start_at_zero_and_reach_the_limit(limit):
    ticks = np.array(nice_ticks(limit))
    assert ticks[0] == 0.0
    assert ticks[-2] < limit <= ticks[-1] * (1 + 1e-9)
    np.testing.assert_allclose(np.diff(ticks), ticks[1], rtol=1e-9)
    assert 3 <= len(ticks) <= 12


@pytest.mark.parametrize("ending", sorted(SCHEDULE_WRITERS))
def test_the_same_schedule_gives_the_same_bytes(tmp_path, ending):
    spec = ScheduleSpec("sigmoid", 100)
    for name in ("a", "b"):
        save_schedule(build(spec), tmp_path / f"{name}{ending}", spec)
    assert (tmp_path / f"a{ending}").read_bytes() == (tmp_path / f"b{ending}").read_bytes()


@pytest.mark.parametrize("name", ["s.doc", "s", "s.jpeg"])
def test_an_unknown_ending_is_refused_with_the_known_ones(tmp_path, name):
    with pytest.raises(EngineError, match=r"\.json.*\.png"):
        save_schedule(build(ScheduleSpec()), tmp_path / name)
    assert not list(tmp_path.iterdir())


# --- schedules read back -------------------------------------------------------------------------


@pytest.mark.parametrize("ending", [".json", ".csv"])
@pytest.mark.parametrize("spec", [*_SPECS, _drawn()], ids=lambda s: f"{s.preset}-{s.T}")
def test_a_saved_schedule_comes_back(tmp_path, spec, ending):
    schedule = build(spec)
    save_schedule(schedule, tmp_path / f"s{ending}", spec)
    found = load_schedule(tmp_path / f"s{ending}")
    back = build(found.spec)
    np.testing.assert_allclose(back.beta, schedule.beta, rtol=1e-12)
    np.testing.assert_allclose(back.alpha_bar, schedule.alpha_bar, rtol=1e-9)
    assert found.notes == ()
    if ending == ".json":
        assert found.spec == spec


def test_edited_betas_win_over_the_spec_in_the_file(tmp_path):
    spec = ScheduleSpec("linear", 10)
    save_schedule(build(spec), tmp_path / "s.json", spec)
    config = json.loads((tmp_path / "s.json").read_text())
    config["trained_betas"][4] = 0.25
    (tmp_path / "s.json").write_text(json.dumps(config))
    found = load_schedule(tmp_path / "s.json").spec
    assert build(found).beta[5] == 0.25
    np.testing.assert_array_equal(found.betas, config["trained_betas"])


def test_a_diffusers_config_with_a_formula_is_read(tmp_path):
    config = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}
    (tmp_path / "s.json").write_text(json.dumps(config | {"num_train_timesteps": 1000}))
    spec = load_schedule(tmp_path / "s.json").spec
    assert spec.preset == "scaled_linear"
    # Stable Diffusion's published last alpha-bar
    assert build(spec).alpha_bar[-1] == pytest.approx(4.66009851e-03, rel=1e-8)


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("s.doc", "", r"\.json, \.csv"),
        ("s.json", "{", "not JSON"),
        ("s.json", "[" * 100_000, "not JSON"),
        ("s.json", "[]", "one JSON object"),
        ("s.json", '{"beta_schedule": "magic"}', "beta_schedule"),
        ("s.json", '{"beta_schedule": ["linear"]}', "beta_schedule"),
        ("s.json", '{"beta_schedule": "linear"}', "num_train_timesteps"),
        ("s.json", '{"trained_betas": [0.1, "x"]}', r"trained_betas\[1\]|trained_betas\[\.\.\.\]"),
        ("s.json", '{"trained_betas": []}', "T must be"),
        ("s.json", '{"trained_betas": [0.1, 1.5]}', r"trained_betas: .* 1\.5 at t = 2"),
        ("s.json", '{"trained_betas": [0.1], "rescale_betas_zero_snr": 1}', "rescale"),
        ("s.csv", "", "'t'"),
        ("s.csv", "t,gamma\n0,0\n", "'beta'"),
        ("s.csv", "t,beta\n", "column t"),
        ("s.csv", "t,beta\n0,0\n2,0.1\n", "column t"),
        ("s.csv", "t,beta\n0,0\n1,x\n", "row 3"),
        ("s.csv", "t,beta\n0,0\n1\n", "row 3"),
        ("s.csv", "t,beta\n0,0\n", "column beta: T must be in"),
        ("s.csv", "t,beta\n0,0\n1,nan\n", "column beta: .*nan at t = 1"),
        ("s.csv", "t,beta\n0,0\n1,1\n2,0.5\n", "column beta: β = 1 .* t = 1"),
        ("s.csv", "t,beta\n0,0\n1," + "1" * 200_000, "not a table"),
        ("s.csv", "t,beta,alpha_bar\n0,0,1\n1,0.1,0.8\n", "alpha_bar at t = 1"),
    ],
)
def test_an_unreadable_schedule_names_the_file_and_the_place(tmp_path, name, text, reason):
    (tmp_path / name).write_text(text)
    with pytest.raises(EngineError, match=reason) as caught:
        load_schedule(tmp_path / name)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_schedule_that_ends_without_signal_is_a_table_as_any_other(tmp_path):
    (tmp_path / "s.csv").write_text("t,beta\n1,0.5\n2,1.0\n")
    spec = load_schedule(tmp_path / "s.csv").spec
    assert spec == ScheduleSpec("", 2, betas=(0.5, 1.0))
    assert build(spec).alpha_bar.tolist() == [1.0, 0.5, 0.0]


# --- pictures ------------------------------------------------------------------------------------


def test_a_png_holds_its_pixels_and_its_text(tmp_path):
    pixels = _batch(1)[0]
    save_png(tmp_path / "a.png", pixels, {METADATA_KEY: "ᾱ {}"})
    with Image.open(tmp_path / "a.png") as picture:
        np.testing.assert_array_equal(np.array(picture), pixels)
        assert picture.text == {METADATA_KEY: "ᾱ {}"}


@pytest.mark.parametrize("count", [1, 2, 4, 5, 16])
def test_a_grid_shows_every_sample_enlarged_and_names_its_experiment(tmp_path, count):
    data = Sampling(data=PICTURES)
    experiment = Experiment(pictures=(PictureRef("1", "Ä.png"),), sampling=data, seed=7)
    frames = _batch(count, 16)
    save_grid(tmp_path / "g.png", frames, experiment)
    with Image.open(tmp_path / "g.png") as picture:
        sheet, text = np.array(picture), picture.text
    assert decode(text[METADATA_KEY]) == experiment
    columns = int(np.ceil(np.sqrt(count)))
    for index, frame in enumerate(frames):
        top, left = (2 + 130 * (index // columns)), (2 + 130 * (index % columns))
        cell = sheet[top : top + 128, left : left + 128]
        np.testing.assert_array_equal(cell[::8, ::8], frame)
        np.testing.assert_array_equal(cell[7::8, 7::8], frame)


def test_a_grid_keeps_the_columns_it_is_given(tmp_path):
    save_grid(tmp_path / "g.png", _batch(6, 64), Experiment(), columns=6)
    with Image.open(tmp_path / "g.png") as picture:
        assert picture.size == (6 * 130 + 2, 132)


def test_the_same_grid_gives_the_same_bytes(tmp_path):
    for name in ("a.png", "b.png"):
        save_grid(tmp_path / name, _batch(5), Experiment())
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


@pytest.mark.parametrize("count", range(1, 30))
def test_square_columns_hold_all_and_not_one_more_than_needed(count):
    columns = square_columns(count)
    assert columns**2 >= count > (columns - 1) ** 2


# --- whole or not at all -------------------------------------------------------------------------


@pytest.mark.parametrize("failure", [KeyboardInterrupt, ValueError])
def test_a_write_that_breaks_off_leaves_the_old_file_and_nothing_else(tmp_path, failure):
    target = tmp_path / "a.bin"
    target.write_bytes(b"old")

    def write(file):
        file.write(b"half")
        raise failure

    with pytest.raises(failure):
        atomic_write(target, write)
    assert [path.name for path in tmp_path.iterdir()] == ["a.bin"]
    assert target.read_bytes() == b"old"


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path):
    def write(file):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    with pytest.raises(EngineError, match=r"a\.bin: cannot be written \(No space left") as caught:
        atomic_write(tmp_path / "a.bin", write)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_written_file_replaces_the_old_one_through_a_link(tmp_path):
    (tmp_path / "real.bin").write_bytes(b"old")
    (tmp_path / "link.bin").symlink_to(tmp_path / "real.bin")
    atomic_write(tmp_path / "link.bin", lambda file: file.write(b"new"))
    assert (tmp_path / "real.bin").read_bytes() == b"new"
    assert (tmp_path / "link.bin").is_symlink()


def test_the_longest_name_can_be_written(tmp_path):
    target = tmp_path / ("x" * 255)
    atomic_write(target, lambda file: file.write(b"new"))
    assert target.read_bytes() == b"new"


def test_a_missing_folder_and_a_folder_as_target_are_named(tmp_path):
    with pytest.raises(EngineError, match="no folder"):
        save_png(tmp_path / "none" / "a.png", _batch(1)[0], {})
    (tmp_path / "a.png").mkdir()
    with pytest.raises(EngineError, match="this is a folder"):
        save_png(tmp_path / "a.png", _batch(1)[0], {})


def test_what_killed_programs_left_is_swept_away_but_nothing_else(tmp_path):
    old, young, other = (
        tmp_path / name for name in (f".{'0a' * 8}.part", f".{'0b' * 8}.part", ".mine.part")
    )
    folder = tmp_path / f".{'00' * 8}.part"  # which cannot be removed so
    folder.mkdir()
    os.utime(folder, (1, 1))
    for path in (old, young, other):
        path.write_bytes(b"half")
    for path in (old, other):
        os.utime(path, (1, 1))
    sweep(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted([young, other, folder])
    sweep(tmp_path / "none")
