"""Columns of a schedule: read from text, pasted whole and in part, one number changed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.schedules import Family, Schedule, ScheduleSpec, build, family_of
from diffusion_gui.engine.schedules.columns import (
    COLUMNS,
    pasted,
    read_number,
    read_numbers,
    with_column,
    with_part,
    with_value,
)
from diffusion_gui.engine.schedules.operations import zero_terminal

EDITABLE = [name for name, column in COLUMNS.items() if column.domain]
LEVELS = [name for name in EDITABLE if COLUMNS[name].log_snr is not None]
LINEAR = ScheduleSpec("linear", 200)


def _same(one: Schedule, other: Schedule) -> None:
    assert one.family is other.family
    for name in ("alpha_bar", "beta", "a", "s"):
        assert_allclose(getattr(one, name), getattr(other, name), rtol=0, atol=1e-9, err_msg=name)


def _text(schedule: Schedule, name: str) -> str:
    return "\n".join([name, *(repr(v) for v in COLUMNS[name].values(schedule).tolist())])


@pytest.mark.parametrize("name", EDITABLE)
@pytest.mark.parametrize("family", list(Family))
def test_a_column_pasted_back_changes_nothing_and_into_another_gives_the_same_schedule(
    name: str, family: Family
) -> None:
    spec = ScheduleSpec("linear", 300, family=family.value)
    values = read_numbers(_text(build(spec), name), name)
    assert len(values) == 301
    assert with_column(spec, name, values) == spec
    other = ScheduleSpec("cosine", 80, family=family.value)
    for rows in (values, values[1:]):
        _same(build(with_column(other, name, rows)), build(spec))


@pytest.mark.parametrize("name", EDITABLE)
def test_a_schedule_without_signal_at_T_goes_by_every_column(name: str) -> None:
    spec = zero_terminal(LINEAR)
    values = COLUMNS[name].values(build(spec))
    made = build(with_column(ScheduleSpec("cosine", 7), name, values.tolist()))
    assert made.alpha_bar[-1] == 0.0
    _same(made, build(spec))


@pytest.mark.parametrize("name", ["beta", "snr", "sigma"])
def test_small_numbers_keep_their_digits(name: str) -> None:
    spec = ScheduleSpec("cosine", 1000)
    made = build(with_column(LINEAR, name, COLUMNS[name].values(build(spec)).tolist()))
    assert_allclose(made.log_snr[1:], build(spec).log_snr[1:], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", ["beta", "alpha"])
def test_a_changed_beta_keeps_every_other_beta_and_moves_alpha_bar_downstream(name: str) -> None:
    before = build(LINEAR)
    made = build(with_value(LINEAR, name, 60, 0.25 if name == "beta" else 0.75))
    others = np.arange(201) != 60
    assert_array_equal(made.beta[others], before.beta[others])
    assert made.beta[60] == 0.25
    assert_allclose(made.alpha_bar[:60], before.alpha_bar[:60], rtol=1e-12)
    share = 0.75 / before.alpha[60]
    assert_allclose(made.alpha_bar[60:], before.alpha_bar[60:] * share, rtol=1e-10)


@pytest.mark.parametrize("family", list(Family))
@pytest.mark.parametrize("name", LEVELS)
@pytest.mark.parametrize("t", [1, 60, 200])
def test_a_changed_level_goes_through_its_value_and_keeps_every_other(
    name: str, family: Family, t: int
) -> None:
    spec = ScheduleSpec("linear", 200, family=family.value)
    before, column = build(spec), COLUMNS[name]
    after = before.log_snr[t + 1] if t < 200 else before.log_snr[t] - 2.0
    near = before.log_snr[t] + 0.4 * (after - before.log_snr[t])
    wanted = float({"alpha_bar": 1 / (1 + np.exp(-near)), "snr": np.exp(near),
                    "sigma": np.exp(-0.5 * near)}[name])  # fmt: skip
    made = build(with_value(spec, name, t, wanted))
    assert_allclose(column.values(made)[t], wanted, rtol=1e-9)
    others = np.arange(201) != t
    assert_allclose(made.alpha_bar[others], before.alpha_bar[others], rtol=1e-11)
    assert made.family is before.family


@pytest.mark.parametrize(
    ("name", "t", "value", "said"),
    [
        ("beta", 5, 0.0, "β must be above 0 and at most 1, but is 0 at t = 5"),
        ("beta", 5, 1.5, "but is 1.5 at t = 5"),
        ("beta", 5, float("nan"), "but is nan at t = 5"),
        ("beta", 5, 1.0, "no signal and may stand at T only, but is at t = 5"),
        ("beta", 0, 0.1, "t = 1 to 200, not at t = 0"),
        ("beta", 201, 0.1, "not at t = 201"),
        ("alpha", 5, 1.0, "α must be at least 0 and below 1"),
        ("alpha_bar", 60, 0.99, "ᾱ at t = 60 must lie between"),
        ("snr", 200, 9.0, "SNR at t = 200 must lie between 0 and"),
        ("snr", 5, float("inf"), "SNR must be at least 0 and finite"),
        ("sigma", 200, 1e-3, "and inf, its neighbours, but is 0.001"),
        ("sigma", 60, -1.0, "σ must be above 0"),
        ("posterior_variance", 5, 0.1, "change one of β, α, ᾱ, SNR, σ"),
    ],
)
def test_an_impossible_number_is_refused_in_one_line(
    name: str, t: int, value: float, said: str
) -> None:
    with pytest.raises(EngineError) as error:
        with_value(LINEAR, name, t, value)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_the_range_that_is_named_is_the_range_that_is_taken() -> None:
    alpha_bar = build(LINEAR).alpha_bar
    low, high = alpha_bar[61], alpha_bar[59]
    for value in (low, high, low - 1e-6, high + 1e-6):
        with pytest.raises(EngineError, match=r"between 0\.\d+ and 0\.\d+"):
            with_value(LINEAR, "alpha_bar", 60, float(value))
    with_value(LINEAR, "alpha_bar", 60, float(low + 1e-9))
    with_value(LINEAR, "alpha_bar", 60, float(high - 1e-9))


def test_the_last_signal_may_go_but_not_where_the_variance_explodes() -> None:
    assert build(with_value(LINEAR, "sigma", 200, float("inf"))).alpha_bar[-1] == 0.0
    exploding = ScheduleSpec("linear", 200, family="ve")
    with pytest.raises(EngineError, match="keeps its signal"):
        with_value(exploding, "alpha_bar", 200, 0.0)


# --- paste ----------------------------------------------------------------------------------------


def test_a_few_betas_replace_those_from_the_row_on() -> None:
    before = build(LINEAR).beta
    made = build(pasted(LINEAR, "beta", 50, [0.1, 0.2, 0.3])).beta
    assert_array_equal(made[50:53], [0.1, 0.2, 0.3])
    assert_array_equal(np.delete(made, [50, 51, 52]), np.delete(before, [50, 51, 52]))
    assert pasted(LINEAR, "beta", 50, [0.1, 0.2]) == with_part(LINEAR, "beta", 50, [0.1, 0.2])


def test_a_whole_column_of_another_length_makes_a_schedule_of_that_length() -> None:
    half = build(ScheduleSpec("linear", 100))
    for row in (0, 1):
        made = pasted(LINEAR, "alpha_bar", row, half.alpha_bar[1:].tolist())
        assert made.T == 100
        _same(build(made), half)
    assert pasted(LINEAR, "beta", 0, half.beta[1:].tolist()).T == 100
    assert pasted(LINEAR, "beta", 1, half.beta.tolist()).T == 100  # begins with that of t = 0
    assert pasted(LINEAR, "beta", 1, half.beta[1:].tolist()).T == 200  # the first 100 betas
    longer = build(ScheduleSpec("linear", 300))
    assert pasted(LINEAR, "beta", 1, longer.beta[1:].tolist()).T == 300


@pytest.mark.parametrize(
    ("name", "t", "values", "said"),
    [
        ("alpha_bar", 50, [0.3, 0.2], "only β and α can be replaced in part"),
        ("beta", 199, [0.1, 0.1, 0.1], "go beyond T = 200; paste at most 2"),
        ("alpha_bar", 1, [0.9, 0.95, 0.1], "goes from 0.9 at t = 1 to 0.95 at t = 2"),
        ("alpha_bar", 1, [0.1, 0.5, 0.9], "turn it round"),
        ("sigma", 1, [1.0, 2.0, 2.0], "σ must rise at every step, but goes from 2 at t = 2"),
        ("beta", 1, [0.1, 1.0, 0.1], "may stand at T only, but is at t = 2"),
        ("beta", 1, [0.1, float("nan")], "but is nan at t = 2"),
        ("beta", 40, [0.1, -0.5], "but is -0.5 at t = 41"),
        ("sigma", 0, [1.0] * 10_001, "1 to 10,000 steps, but the column has 10,001 numbers"),
        ("t", 1, [1.0, 2.0], "t follows from the other columns"),
    ],
)
def test_an_impossible_column_is_refused_in_one_line(
    name: str, t: int, values: list[float], said: str
) -> None:
    with pytest.raises(EngineError) as error:
        pasted(LINEAR, name, t, values)
    assert said in str(error.value)


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(EDITABLE),
    t=st.integers(-1, 14),
    values=st.lists(st.floats(width=64), min_size=1, max_size=16),
    family=st.sampled_from(list(Family)),
)
def test_whatever_is_pasted_the_result_is_a_schedule_or_one_line(
    name: str, t: int, values: list[float], family: Family
) -> None:
    spec = ScheduleSpec("cosine", 12, family=family.value)
    try:
        made = pasted(spec, name, t, values)
    except EngineError:
        return
    schedule = build(made)
    assert family_of(made) is family
    assert np.all(schedule.beta[1:] > 0.0)
    assert np.all(np.diff(schedule.alpha_bar) <= 0.0)


# --- text -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "0.5\n0.25\n0.125",
        "0.5\r\n0.25\r\n0.125\r\n\r\n",
        "0.5\t0.25\t0.125",
        "0.5; 0.25; 0.125",
        "0.5, 0.25, 0.125",
        "0.5,0.25,0.125",
        "[0.5, 0.25,\n 0.125]",
        "[0.5 0.25\n 0.125]",
        "beta\n0.5\n0.25\n0.125",
        "0,5\n0,25\n0,125",
        "0,5; 0,25; 0,125",
        "5e-1\n25E-2\n1.25e-1",
        "t\tbeta\n1\t0.5\n2\t0.25\n3\t0.125",
        "t,beta\n1,0.5\n2,0.25\n3,0.125",
        "5e-1,2.5e-1,125e-3",
    ],
)
def test_numbers_are_read_from_any_usual_clipboard(text: str) -> None:
    assert read_numbers(text, "beta") == [0.5, 0.25, 0.125]


def test_infinity_is_read_in_every_spelling() -> None:
    assert read_numbers("snr\ninf\n∞\nInfinity") == [np.inf] * 3


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no numbers"),
        ("hello", "holds “hello”, no numbers"),
        ("0.1\n0.2\nseven\n0.3", "“seven” in line 3 is not a number"),
        ("beta\n0.1\n1_0", "“1_0” in line 3"),
        ("1\t2\n3\t4", "2 columns, none named beta"),
        ("x" * 400, "…”, no numbers"),
        ("0.1\n" * 10_002, "more than 10,001 numbers"),
    ],
)
def test_what_is_not_a_number_is_named_with_its_line(text: str, said: str) -> None:
    with pytest.raises(EngineError) as error:
        read_numbers(text, "beta")
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("text", "value"), [("0.5", 0.5), (" 0,5 ", 0.5), ("1e-3", 1e-3), ("−1", -1.0)]
)
def test_a_typed_number_is_read(text: str, value: float) -> None:
    assert read_number(text) == value


@pytest.mark.parametrize("text", ["", "abc", "1,234.5", "1,2,3", "1_0", "0x1"])
def test_what_is_typed_but_no_number_is_refused(text: str) -> None:
    with pytest.raises(EngineError, match="is not a number"):
        read_number(text)
