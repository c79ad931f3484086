"""The methods of guidance and their parameters. Importing this does not import torch.

The mathematics is in `denoisers/guided.py`. To add a method, write its denoiser there and its row
in `GUIDANCE`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.experiment import Guidance
from diffusion_gui.engine.params import Param, resolve

if TYPE_CHECKING:
    from diffusion_gui.engine.denoisers.base import Denoiser

UNBOUNDED = 1000.0
"""A `high` from here on means no upper end: also pure noise, sigma = infinity, is guided."""


@dataclass(frozen=True, slots=True)
class Method:
    """A way to guide: title, source, explanation, parameters, `build(main, against, **values)`."""

    title: str
    source: str
    explanation: str
    params: tuple[Param, ...]
    build: Callable[..., Denoiser]
    remembers: bool = False
    """Whether an estimate depends on those before it in the run."""


def _guided(main: Denoiser, against: Denoiser, **values: Any) -> Denoiser:
    from diffusion_gui.engine.denoisers.guided import Guided

    return Guided(main, against, **values)


def _apg(main: Denoiser, against: Denoiser, **values: Any) -> Denoiser:
    from diffusion_gui.engine.denoisers.guided import APG

    return APG(main, against, **values)


_SCALE = Param(
    "scale", "w", 2.0, 0.0, 20.0,
    "How far to go past the second model: 0 is that model, 1 the first. Range 0 to 20.", 2,
    words="scale w",
)  # fmt: skip
_INTERVAL = (
    Param(
        "low", "σ low", 0.0, 0.0, 10.0,
        "Guide only above this noise-to-signal ratio. Range 0 to 10.", 2, words="from σ",
    ),
    Param(
        "high", "σ high", UNBOUNDED, 0.05, UNBOUNDED,
        "Guide only up to this noise-to-signal ratio; 1000 is no limit. Range 0.05 to 1000.", 2,
        words="to σ",
    ),
)  # fmt: skip

GUIDANCE_PARAMS: tuple[Param, ...] = (
    _SCALE,
    Param(
        "rescale", "φ", 0.0, 0.0, 1.0,
        "Pull the contrast back to the first model's; the paper takes 0.7. Range 0 to 1.", 2,
        words="rescale φ",
    ),
    *_INTERVAL,
)  # fmt: skip
"""The parameters of `Guided`, by its keywords."""

APG_PARAMS: tuple[Param, ...] = (
    _SCALE,
    Param(
        "eta", "η", 0.0, 0.0, 1.0,
        "Share of the push along the picture itself, which saturates colours. Range 0 to 1.", 2,
        words="parallel η",
    ),
    Param(
        "momentum", "β", -0.5, -0.95, 0.95,
        "Share of the push before; below 0 it is taken back. Range -0.95 to 0.95.", 2,
        words="momentum β",
    ),
    Param(
        "norm", "r", 2.5, 0.0, 100.0,
        "Longest push (L2 norm of a picture); 0 is no limit. Range 0 to 100.", 2,
        words="longest push r",
    ),
    *_INTERVAL,
)  # fmt: skip
"""The parameters of `APG`, by its keywords."""


def calls_at(guidance: Guidance, a: float, s: float) -> int:
    """Return the model calls that one guided estimate at level (a, s) makes: 1 or 2.

    Raises EngineError for an unknown method and parameters out of range.
    """
    if not guidance.method:
        return 1
    values = values_of(guidance)
    return calls_within(a, s, values["scale"], values["low"], values["high"])


def calls_within(a: float, s: float, scale: float, low: float, high: float) -> int:
    """Return 2 where a scale that changes anything is applied, low < s / a <= high, else 1."""
    above = low * a < s
    below = high >= UNBOUNDED or s <= high * a
    return 2 if scale != 1.0 and above and below else 1


def check(guidance: Guidance, label: str) -> None:
    """Raise EngineError for guidance that has nothing to move away from, or wrong parameters."""
    if not guidance.method:
        return
    values = values_of(guidance)
    check_interval(values["low"], values["high"])
    if not guidance.against and not label:
        raise EngineError("guidance needs a label to follow, or a second model to move away from")


def check_interval(low: float, high: float) -> None:
    """Raise EngineError for an empty interval of noise levels."""
    if not 0.0 <= low < high:
        raise EngineError(
            f"the guidance interval ({low:g}, {high:g}] is empty; make low smaller than high"
        )


def values_of(guidance: Guidance) -> dict[str, float]:
    """Return every parameter of the guidance; raises EngineError as `calls_at` does."""
    if guidance.method not in GUIDANCE:
        known = ", ".join(GUIDANCE)
        raise EngineError(f"unknown guidance {guidance.method!r}; choose one of: {known}")
    row = GUIDANCE[guidance.method]
    return resolve(row.params, guidance.params, row.title)


GUIDANCE: dict[str, Method] = {
    "cfg": Method(
        title="Guidance",
        source="Ho & Salimans 2022; Karras et al. 2024",
        explanation="Moves the estimate away from that without the label, or of a worse model.",
        params=GUIDANCE_PARAMS,
        build=_guided,
    ),
    "apg": Method(
        title="Projected guidance",
        source="Sadat et al. 2024 (APG)",
        explanation="Guidance without the part that only adds contrast, with momentum.",
        params=APG_PARAMS,
        build=_apg,
        remembers=True,
    ),
}
