"""The options of a training as parameter rows, for forms. No torch."""

from __future__ import annotations

from dataclasses import replace

from diffusion_gui.engine.numerals import spelled
from diffusion_gui.engine.params import Param, Values, pack
from diffusion_gui.engine.training.options import Levels, TrainOptions, Weighting

LEVELS, WEIGHTINGS = tuple(Levels), tuple(Weighting)
_TITLES = {
    Weighting.EDM: "EDM: even",
    Weighting.MIN_SNR: "min-SNR-5",
    Weighting.EPSILON: "ε: simple loss",
}
LEVEL_TITLES = {Levels.LOG_NORMAL: "Log-normal σ", Levels.SCHEDULE: "Uniform t"}
_DEFAULT = TrainOptions()


def _said(value: float) -> str:
    return spelled(value).replace("-", "−")


PARAMS: tuple[Param, ...] = (
    Param(
        "weighting", "w(σ)", 0.0, 0.0, 2.0,
        "How much an error of 𝑥̂₀ weighs at a noise level.\n"
        "EDM: (σ² + σ_d²) / (σ σ_d)², the same pull everywhere; min-SNR: min(1/σ², 5),\n"
        "easy levels less; ε: 1/σ², the error of the noise, DDPM's simple loss.",
        decimals=0, choices=tuple(_TITLES[one] for one in WEIGHTINGS), words="Weighting",
    ),
    Param(
        "p_mean", "P_mean", _DEFAULT.p_mean, -6.0, 6.0,
        "Mean of ln σ of the levels trained at, where they are log-normal "
        f"(EDM: −1.2, here {_said(_DEFAULT.p_mean)})",
        decimals=2, words="Mean of ln σ",
    ),
    Param(
        "p_std", "P_std", _DEFAULT.p_std, 0.05, 5.0,
        "Standard deviation of ln σ of the levels trained at, where they are log-normal "
        f"(EDM: 1.2, here {_said(_DEFAULT.p_std)})",
        decimals=2, words="Spread of ln σ",
    ),
    Param(
        "flip", "flip", 0.0, 0.0, 1.0,
        "Mirror half of the pictures: twice as many to learn from, where left and right mean\n"
        "nothing",
        decimals=0, choices=("No", "Mirror half"), words="Flip",
    ),
    Param(
        "shift", "shift", float(_DEFAULT.shift), 0.0, 16.0,
        "Move pictures by up to so many pixels each way; their border is repeated",
        decimals=0, words="Shift, pixels",
    ),
    Param(
        "ema", "EMA", _DEFAULT.ema, 0.0, 0.99999,
        "Share of the averaged weights that a step leaves: 0.999 averages about 1,000 steps.\n"
        "Samples come from the average.",
        decimals=5, words="EMA",
    ),
    Param(
        "warmup", "warm-up", float(_DEFAULT.warmup), 1.0, 1e6,
        "Steps in which the learning rate grows from 0", decimals=0, words="Warm-up, steps",
    ),
    Param(
        "decay_after", "decay", float(_DEFAULT.decay_after), 1.0, 1e9,
        "Steps after which the learning rate falls as 1 / √step", decimals=0, words="Decay after",
    ),
    Param(
        "clip", "clip", _DEFAULT.clip, 0.001, 1e6,
        "Longest gradient; a longer one is shortened to it", decimals=3, words="Gradient clip",
    ),
    Param(
        "withheld", "p(∅)", _DEFAULT.withheld, 0.0, 1.0,
        "Chance that a picture's caption is withheld: guidance needs a network that can do without",
        decimals=2, words="No caption",
    ),
    Param(
        "word_withheld", "p(word)", _DEFAULT.word_withheld, 0.0, 1.0,
        "Chance that one word of a caption is withheld", decimals=2, words="Word left out",
    ),
    Param(
        "seed", "seed", 0.0, 0.0, 2.0**31 - 1,
        "Everything random in a training follows from it and the step", decimals=0, words="Seed",
    ),
)  # fmt: skip
"""All but batch and learning rate, which stand by themselves, and the levels."""
_WHOLE = ("shift", "warmup", "decay_after", "seed")


def values_of(options: TrainOptions) -> Values:
    """Return the options as values of `PARAMS`."""
    found = {row.name: getattr(options, row.name) for row in PARAMS if row.name != "weighting"}
    return pack({**found, "weighting": WEIGHTINGS.index(options.weighting)})


def with_values(options: TrainOptions, values: Values) -> TrainOptions:
    """Return the options with those values of `PARAMS` that are given."""
    given = dict(values)
    changes: dict[str, object] = {name: int(given[name]) for name in _WHOLE if name in given}
    if "weighting" in given:
        changes["weighting"] = WEIGHTINGS[int(given["weighting"])]
    if "flip" in given:
        changes["flip"] = bool(given["flip"])
    rest = {name: value for name, value in given.items() if name not in {*changes, "weighting"}}
    return replace(options, **changes, **rest)  # type: ignore[arg-type]
