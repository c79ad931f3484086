"""The options of a training as parameter rows: what is said of the defaults is true."""

from __future__ import annotations

from diffusion_gui.engine.training.options import TrainOptions
from diffusion_gui.engine.training.params import PARAMS, values_of, with_values


def test_the_rows_begin_at_the_defaults_and_say_them():
    options = TrainOptions()
    assert (options.p_mean, options.p_std) == (-0.2, 1.5)
    tips = {row.name: row.tooltip for row in PARAMS}
    assert tips["p_mean"].endswith("(EDM: −1.2, here −0.2)")
    assert tips["p_std"].endswith("(EDM: 1.2, here 1.5)")
    assert dict(values_of(options)) == {row.name: row.default for row in PARAMS}
    assert with_values(options, values_of(options)) == options
