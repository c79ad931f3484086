"""The session format: whatever was saved comes back, whatever is damaged says so in one line."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from diffusion_gui import __version__
from diffusion_gui.engine.denoisers import CLOSED_FORMS, MODELS
from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.experiment import (
    DATA_SIZES,
    EMOJI,
    MAX_COUNT,
    MAX_OFFSET,
    MAX_SEED,
    MOST_FORKS,
    PICTURES,
    WORKING_SIZES,
    Experiment,
    Fit,
    Fork,
    Forward,
    Guidance,
    NoiseKind,
    PictureRef,
    Sampling,
    Start,
)
from diffusion_gui.engine.guidance import GUIDANCE
from diffusion_gui.engine.params import pack
from diffusion_gui.engine.samplers import SAMPLERS
from diffusion_gui.engine.samplers.restart import RESTART_PARAMS
from diffusion_gui.engine.schedules import (
    PRESETS,
    SPACINGS,
    ControlPoint,
    Family,
    ScheduleSpec,
    build,
    control_points,
    with_points,
)
from diffusion_gui.session.format import FORMAT, check, decode, encode


@st.composite
def _values(draw, params):
    chosen = draw(st.lists(st.sampled_from(params), unique_by=lambda p: p.name)) if params else []
    return pack({p.name: draw(_value(p)) for p in chosen})


def _value(param):
    if param.choices:
        return st.integers(0, len(param.choices) - 1)
    return st.floats(param.minimum, param.maximum)


@st.composite
def _points(draw):
    u = [0, *sorted(draw(st.sets(st.integers(1, 999), max_size=7))), 1000]
    fall = sorted(draw(st.sets(st.integers(-2000, 2000), min_size=len(u), max_size=len(u))))
    return tuple(ControlPoint(x / 1000, y / 100) for x, y in zip(u, fall[::-1], strict=True))


@st.composite
def _specs(draw):
    preset = draw(st.sampled_from(sorted(PRESETS)))
    points = draw(st.one_of(st.just(()), _points()))
    values = draw(_values(PRESETS[preset].params))
    given_values = {row.name: row.default for row in PRESETS[preset].params} | dict(values)
    if "start" in given_values:  # presets that run from start to end
        assume(given_values["end"] - given_values["start"] > 0.05)
    assume(given_values.get("sigma_max", 1e9) > 1.02 * given_values.get("sigma_min", 0.0))
    T, base_T = draw(st.integers(1, 200)), draw(st.sampled_from([0, 1, 70]))
    if preset == "flow_dynamic":
        values = ()  # not every size goes with every shift
    if draw(st.booleans()) and PRESETS[preset].family is not Family.VE:
        return ScheduleSpec(preset, T, values, base_T=base_T, zero_terminal=True, points=points)
    if draw(st.booleans()):
        betas = tuple(draw(st.lists(st.floats(1e-4, 0.9), min_size=1, max_size=5)))
        moves = {"scale": draw(st.floats(0.3, 3.0)), "shift": draw(st.floats(-3, 3))}
        return ScheduleSpec("", T, betas=betas, points=points, **moves)
    family = draw(st.sampled_from(["", "vp", "flow"]))
    return ScheduleSpec(preset, T, values, family=family, points=points)


@st.composite
def _guidances(draw):
    method = draw(st.sampled_from(sorted(GUIDANCE)))
    against = draw(st.sampled_from(["", *CLOSED_FORMS]))
    return draw(
        st.just(Guidance()) | st.builds(Guidance, st.just(method),
                                        _values(GUIDANCE[method].params), st.just(against))
    )  # fmt: skip


@st.composite
def _samplings(draw):
    sampler = draw(st.sampled_from(sorted(SAMPLERS)))
    model = draw(st.sampled_from(sorted(MODELS)))
    spacing = draw(st.sampled_from(sorted(SPACINGS)))
    start = st.builds(Start, st.text(max_size=8), st.integers(1, 1000))
    return Sampling(
        model=model,
        model_params=draw(_values(MODELS[model].params)),
        label=draw(st.text(max_size=8)),
        guidance=draw(_guidances()),
        restart=draw(_values(RESTART_PARAMS)),
        data=draw(st.sampled_from([EMOJI, PICTURES])),
        size=draw(st.sampled_from(DATA_SIZES)),
        sampler=sampler,
        params=draw(_values(SAMPLERS[sampler].params)),
        steps=draw(st.integers(1, 1000)),
        spacing=spacing,
        spacing_params=draw(_values(SPACINGS[spacing].params)),
        levels=tuple(draw(st.lists(st.floats(0.0, 1e6), max_size=4))),
        count=draw(st.integers(1, MAX_COUNT)),
        start=draw(st.none() | start),
    )


_refs = st.builds(PictureRef, st.text(max_size=16), st.text(), st.text())
_experiments = st.builds(
    Experiment,
    _specs(),
    st.lists(_refs, max_size=4).map(tuple),
    st.builds(
        Forward,
        st.sampled_from(WORKING_SIZES),
        st.sampled_from(list(Fit)),
        st.integers(0, 2**24 - 1).map("#{:06x}".format),
        st.sampled_from(list(NoiseKind)),
        st.floats(0.0, MAX_OFFSET),
    ),
    _samplings(),
    st.integers(0, MAX_SEED),
)


def _edited(*path, value):
    """Return the default experiment's text with the key at `path` set to `value`."""
    document = json.loads(encode(Experiment(pictures=(PictureRef("1", "a"),))))
    place = document
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return json.dumps(document)


@given(_experiments)
def test_every_experiment_comes_back_equal(experiment):
    assert decode(encode(experiment)) == experiment


def test_a_drawn_curve_comes_back_as_the_same_schedule():
    spec = ScheduleSpec("cosine", 1000)
    drawn = with_points(spec, control_points(spec))
    back = decode(encode(Experiment(drawn))).schedule
    assert back == drawn
    assert build(back).log_snr.tolist() == build(drawn).log_snr.tolist()


def test_the_text_says_its_format_and_the_programs_version():
    document = json.loads(encode(Experiment()))
    assert document["format"] == FORMAT == "diffusion-gui/1"
    assert document["version"] == __version__


def test_a_file_name_that_is_not_text_can_be_saved():
    experiment = Experiment(pictures=(PictureRef("1", "caf\udce9.png"),))
    assert decode(encode(experiment)).pictures == (PictureRef("1", "caf?.png"),)


def _one_line(text):
    with pytest.raises(EngineError) as caught:
        decode(text)
    message = str(caught.value)
    assert message
    assert "\n" not in message
    return message


@given(st.text())
def test_any_text_is_refused_in_one_line(text):
    _one_line(text)


def _outcome(text):
    """Return (experiment, "") or (None, the message of the EngineError)."""
    try:
        return decode(text), ""
    except EngineError as error:
        return None, str(error)


_json = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
_paths = st.sampled_from(
    [
        ("experiment",),
        ("experiment", "schedule"),
        ("experiment", "schedule", "T"),
        ("experiment", "schedule", "params"),
        ("experiment", "schedule", "points"),
        ("experiment", "pictures"),
        ("experiment", "sampling", "start"),
        ("experiment", "sampling", "size"),
        ("experiment", "seed"),
        ("version",),
    ]
)


@given(_paths, _json)
def test_any_value_in_any_place_is_read_or_refused_as_an_engine_error(path, value):
    experiment, message = _outcome(_edited(*path, value=value))
    assert "\n" not in message
    if experiment is not None:
        check(experiment)


_numbers = st.floats(-1e308, 1e308) | st.integers(-3, 3)


@settings(max_examples=200)
@given(st.lists(st.fixed_dictionaries({"u": _numbers, "log_snr": _numbers}), max_size=4))
def test_wild_control_points_are_refused_or_give_a_schedule(points):
    text = _edited("experiment", "schedule", "points", value=points)
    experiment, message = _outcome(text)
    if experiment is None:
        assert "experiment.schedule.points" in message
    else:
        assert len(build(experiment.schedule).beta) == 1001


@pytest.mark.parametrize("text", ["[" * 100_000, '{"format": "\ud800"}', "", "null", "[]", "{}"])
def test_what_is_no_session_is_called_so(text):
    assert "not a session" in _one_line(text)


def test_a_newer_format_is_refused_with_the_mend():
    message = _one_line(_edited("format", value="diffusion-gui/2"))
    assert "diffusion-gui/2" in message
    assert "newer" in message


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("schedule", "T"), "many"),
        (("schedule", "T"), 0),
        (("schedule", "T"), 10_001),
        (("schedule", "scale"), 0.05),
        (("schedule", "scale"), -1.0),
        (("schedule", "shift"), 21.0),
        (("schedule", "preset"), "magic"),
        (("schedule", "params"), [["offset", 9.0]]),
        (("schedule", "params"), [["offset", 0.1], ["offset", 0.2]]),
        (("schedule", "points"), [{"u": 0.5, "log_snr": 1.0}, {"u": 0.5, "log_snr": 0.0}]),
        (("schedule", "points"), [{"u": 0.0, "log_snr": 1.0}, {"u": 1.0, "log_snr": 2.0}]),
        (("sampling", "model"), "oracle"),
        (("sampling", "data"), "web"),
        (("sampling", "size"), 33),
        (("sampling", "sampler"), "flow"),
        (("sampling", "params"), [["eta", 2.0]]),
        (("sampling", "spacing"), "random"),
        (("sampling", "steps"), 0),
        (("sampling", "count"), 257),
        (("sampling", "start"), {"picture": "1"}),
        (("seed",), -1),
        (("seed",), 2**31),
    ],
)
def test_a_bad_value_is_refused_by_the_path_of_its_key(path, value):
    message = _one_line(_edited("experiment", *path, value=value))
    assert ".".join(("experiment", *path)) in message


@pytest.mark.parametrize(
    ("schedule", "reason"),
    [
        (ScheduleSpec("", 3, betas=(0.1, 1.0, 0.2)), "β = 1 before the end, at t = 2.*; correct"),
        (ScheduleSpec("", 2, betas=(0.1, 1.5)), r"β = 1\.5 at t = 2.*; correct it"),
        (ScheduleSpec("cosine", 2, betas=(0.1, 0.2)), "the preset 'cosine' has none; leave one"),
        (ScheduleSpec("cosine", 5, betas=(0.1, 0.2)), "the preset 'cosine' has none; leave one"),
        (ScheduleSpec("", 2, betas=(0.1,) * 10_001), "10001 betas; keep at most 10000"),
    ],
)
def test_betas_that_are_no_schedule_are_refused_by_their_key_with_the_mend(schedule, reason):
    message = _one_line(encode(Experiment(schedule)))
    assert re.search(rf"^experiment\.schedule\.betas: .*{reason}", message)


@pytest.mark.parametrize(("preset", "T"), [("sqrt_beta", 10_000), ("sqrt_beta", 1000), ("flow", 9)])
def test_a_bent_schedule_however_deep_is_read_back(preset, T):
    spec = ScheduleSpec(preset, T)
    bent = Experiment(with_points(spec, control_points(spec)))
    assert decode(encode(bent)) == bent


def test_a_start_outside_the_range_is_refused_by_its_path():
    value = {"picture": "1", "t": 0}
    message = _one_line(_edited("experiment", "sampling", "start", value=value))
    assert "experiment.sampling.start.t" in message


def test_a_misspelt_key_is_refused_with_the_right_ones():
    message = _one_line(_edited("experiment", "sampling", "stpes", value=20))
    assert "experiment.sampling.stpes" in message
    assert "steps" in message


def test_check_names_the_key_of_an_experiment_made_in_code():
    experiment = Experiment()
    bad = replace(experiment, sampling=replace(experiment.sampling, steps=0))
    with pytest.raises(EngineError, match=r"experiment\.sampling\.steps"):
        check(bad)
    check(experiment)


def test_every_fork_of_a_line_is_checked() -> None:
    root = Experiment()
    first = replace(root, seed=1, fork=Fork(root, 5))
    for wrong, at in (
        (replace(first, seed=2, fork=Fork(first, 99)), "experiment.fork: "),
        (replace(first, seed=2, fork=Fork(first, 20)), "experiment.fork: "),
        (
            replace(first, seed=3, fork=Fork(replace(first, fork=Fork(first, 99)), 7)),
            "experiment.fork.parent.fork: ",
        ),
    ):
        with pytest.raises(EngineError, match=f"^{at}a fork must be at a step in 0..19 of its run"):
            decode(encode(wrong))
    other = replace(first, sampling=replace(first.sampling, count=3), fork=Fork(first, 10))
    with pytest.raises(EngineError, match=r"experiment\.fork: a fork keeps the 16 pictures"):
        decode(encode(other))
    line = root
    for seed in range(MOST_FORKS):
        line = replace(root, seed=seed + 1, fork=Fork(line, seed % 19))
    assert decode(encode(line)) == line
    with pytest.raises(EngineError, match="more than 64 forks; start from an earlier run"):
        decode(encode(replace(root, fork=Fork(line, 3))))
