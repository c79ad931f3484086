"""Parameter rows: packing, defaults, and refusals that name the value."""

from __future__ import annotations

import math

import pytest

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.params import Param, pack, resolve

ROWS = (Param("eta", "η", 0.5, 0.0, 1.0, "Share."), Param("rho", "ρ", 7.0, 1.0, 10.0, "Power."))


def test_values_are_packed_sorted_and_hashable() -> None:
    packed = pack({"rho": 3, "eta": 0.25})
    assert packed == (("eta", 0.25), ("rho", 3.0))
    assert all(isinstance(value, float) for _, value in packed)
    assert hash(packed) == hash(pack({"eta": 0.25, "rho": 3}))


def test_missing_values_take_their_defaults() -> None:
    assert resolve(ROWS, (), "Test") == {"eta": 0.5, "rho": 7.0}
    assert resolve(ROWS, (("rho", 2.0),), "Test") == {"eta": 0.5, "rho": 2.0}


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_the_limits_themselves_are_legal(value: float) -> None:
    assert resolve(ROWS, (("eta", value),), "Test")["eta"] == value


@pytest.mark.parametrize("value", [-0.01, 1.01, math.inf, math.nan])
def test_a_value_out_of_range_is_named_with_its_range(value: float) -> None:
    with pytest.raises(EngineError, match=rf"^Test: eta = {value:g} is outside 0 to 1$"):
        resolve(ROWS, (("eta", value),), "Test")


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(EngineError, match=r"^Test has no parameter 'tau'; it has: eta, rho$"):
        resolve(ROWS, (("tau", 1.0),), "Test")
    with pytest.raises(EngineError, match=r"it has: none$"):
        resolve((), (("tau", 1.0),), "Test")


@pytest.mark.parametrize(("value", "clamped"), [(-5.0, 0.0), (0.3, 0.3), (9.0, 1.0)])
def test_clamp_moves_into_the_range(value: float, clamped: float) -> None:
    assert ROWS[0].clamp(value) == clamped
