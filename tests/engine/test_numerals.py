"""Numbers as people read them, and read back."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffusion_gui.engine.numerals import plain_exponent, spelled


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (2.4291e-9, 2, "2.4e-9"), (0.02, 3, "0.02"), (1.5e6, 3, "1.5e6"), (-3e-10, 3, "-3e-10"),
        (1e100, 3, "1e100"), (0.0, 3, "0"), (math.inf, 3, "inf"), (123.0, 2, "120"),
    ],
)  # fmt: skip
def test_a_power_of_ten_is_short(value: float, digits: int, text: str) -> None:
    assert spelled(value, digits) == text


@given(st.floats(allow_nan=False))
def test_what_is_spelled_reads_as_the_same_number(value: float) -> None:
    assert float(spelled(value, 17)) == value
    assert float(plain_exponent(repr(value))) == value
