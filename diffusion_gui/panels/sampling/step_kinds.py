"""How the numbers of the steps are named, coloured and said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from diffusion_gui.engine.denoisers import MODELS
from diffusion_gui.engine.numerals import spelled
from diffusion_gui.state.run import Outcome, Run
from diffusion_gui.state.step_series import StepNumber


@dataclass(frozen=True, slots=True)
class Kind:
    """How a number is shown: names from long to short, tooltip, colour, axis, how it is said."""

    names: tuple[str, ...]
    tooltip: str
    token: str
    log: bool
    said: Callable[[float], str]
    zero: bool = True
    """Whether the axis begins at 0, where it is not logarithmic."""


def _plain(value: float) -> str:
    return spelled(value).replace("-", "−")


KINDS: dict[StepNumber, Kind] = {
    StepNumber.SIGMA: Kind(
        ("noise level σ", "σ"),
        "σ = s / 𝑎: the noise-to-signal ratio at each step, on a logarithmic axis",
        "sigma", True, _plain,
    ),
    StepNumber.CHANGE: Kind(
        ("change of 𝑥̂₀ (rms)", "change of 𝑥̂₀", "Δ𝑥̂₀"),
        "How much 𝑥̂₀ changed since the step before: root mean square over the values,\n"
        "in units of [−1, 1]",
        "text", False, _plain,
    ),
    StepNumber.COSINE: Kind(
        ("cosine to the step before", "cosine"),
        "Cosine of the angle between ε̂ and that of the step before: 1 while the path is straight",
        "text", False, lambda value: f"{value:.4f}".replace("-", "−"), False,
    ),
    StepNumber.TIME: Kind(
        ("time per step", "time"),
        "Milliseconds that each step took, pauses left out",
        "text", False, lambda value: f"{spelled(value)} ms",
    ),
    StepNumber.DISTANCE: Kind(
        ("𝑥̂₀ to the result (rms)", "𝑥̂₀ to the result", "to the result"),
        "How far 𝑥̂₀ is from that of the last step: root mean square over the values,\n"
        "in units of [−1, 1]. Measured on the recorded 8-bit pictures: right to about 0.002.\n"
        "It appears when the run has ended; of one that was stopped the newest step is the last.",
        "text", False, _plain,
    ),
    StepNumber.ENTROPY: Kind(
        ("posterior entropy", "entropy"),
        "Entropy of the posterior over the images of the set, in bits: log₂ N while any of\n"
        "them is possible, 0 when one is certain. Only the Exact model has it.",
        "text", False, lambda value: f"{value:.2f} bits",
    ),
}  # fmt: skip

WITHOUT = {
    "gaussian": "it knows no list of images, only their mean and covariance",
    "local": "it weighs patches, pixel by pixel, and no whole images",
    "smoothed": "it averages the posteriors at several points around 𝑥ₜ",
    "neural": "it was trained on images and remembers none of them as a list",
    "stack": "it mixes the estimates of several models",
}
"""Why a model has no posterior over images."""


def missing(number: StepNumber, run: Run) -> str:
    """Return in words why a run never has a number, "" where it has, or may have it later."""
    model = run.experiment.sampling.model
    if number is not StepNumber.ENTROPY or model not in WITHOUT:
        return ""
    return f"{MODELS[model].title} has none: only the Exact model weighs each image of a list"


def names_of(number: StepNumber, run: Run) -> tuple[str, ...]:
    """Return what a number of a run is called, from long to short.

    A run that has not come to its end has no result to be near to, but a newest step.
    """
    last = run.trajectory.last
    if number is not StepNumber.DISTANCE or last is None or run.trajectory.finished:
        return KINDS[number].names
    if run.outcome is Outcome.RUNNING:
        return "𝑥̂₀ to the result, when it ends", "𝑥̂₀ to the result", "to the result"
    step = f"step {last.index}"
    return f"𝑥̂₀ to {step}, the last (rms)", f"𝑥̂₀ to {step}", f"to {step}"
