"""What a network may predict, and in which form it sees its pictures. Imports nothing.

`denoisers/parametrisation.py` has the formulas.
"""

from __future__ import annotations

from enum import StrEnum

SIGMA_DATA = 0.5
"""Standard deviation of natural images in [-1, 1], EDM's sigma_data."""


class Prediction(StrEnum):
    """What a network predicts; the first three by their names in checkpoints."""

    SAMPLE = "sample"
    """x_0 itself."""
    EPSILON = "epsilon"
    """The noise eps; says nothing of x_0 at a = 0."""
    V = "v_prediction"
    """v = a eps - s x_0 of the level scaled to a^2 + s^2 = 1 (arXiv:2202.00512)."""
    SCORE = "score"
    """grad log p(x_t) = -eps / s; says nothing of x_0 at a = 0."""
    FLOW = "flow_velocity"
    """u = eps - x_0, dx/ds on the straight path a = 1 - s (arXiv:2210.02747)."""
    EDM = "edm"
    """F in D = c_skip x + c_out F(c_in x), x at a = 1 (arXiv:2206.00364, table 1)."""


class Form(StrEnum):
    """The scale in which a network sees x_t, and the number that tells it the level."""

    VP = "variance preserving"
    """a^2 + s^2 = 1, told log SNR = 2 ln(a / s)."""
    VE = "variance exploding"
    """a = 1, told sigma = s / a; does not exist at a = 0."""
    FLOW = "flow"
    """a + s = 1, told s."""
    EDM = "edm"
    """c_in (x_0 + sigma eps), told c_noise = ln(sigma) / 4."""
