"""What a run will cost and what stands in its way, told before anything is built. No torch.

Read next: `planning.py`, which counts the model calls; `trajectory.py`, which thins the history.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from diffusion_gui.engine.denoisers import LEARNED, MODELS
from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.experiment import EMOJI, LARGEST_EMOJI, Experiment, Sampling
from diffusion_gui.engine.guidance import check
from diffusion_gui.engine.labels import members
from diffusion_gui.engine.lineage import fork_refusal
from diffusion_gui.engine.networks import About, check_label, check_size
from diffusion_gui.engine.params import resolve
from diffusion_gui.engine.planning import calls_by_step, plan, shared_model_calls, uses_data
from diffusion_gui.engine.trajectory import DEFAULT_BUDGET
from diffusion_gui.engine.walks import walk_of

_FLOAT = 4
_FRAME_BYTES = 9
"""Of one pixel in a recorded frame: x_t, x0_hat and eps_hat as RGB."""


class Part(StrEnum):
    """The groups of the sampling settings."""

    MODEL = "model"
    GUIDANCE = "guidance"
    SAMPLER = "sampler"
    SPACING = "spacing"
    RESTART = "restart"
    PICTURES = "pictures"


Problems = dict[Part, str]
"""One line for each group of settings that a run would be refused for."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a run comes to; memory in bytes."""

    steps: int
    """Transitions; one frame more is made."""
    calls: int
    """Model calls of the whole run (NFE)."""
    kept: int
    """Frames that the recorded run holds at its end."""
    kept_bytes: int
    model_bytes: int | None
    """What the model holds while it runs, and the one it is guided away from; None: not known."""
    shared_calls: int = 0
    """Of the calls those that the run has in common with the one it forks from."""


def frames_kept(num_steps: int, frame_bytes: int, budget: int = DEFAULT_BUDGET) -> int:
    """Return how many of `num_steps` + 1 frames a `Trajectory` of that budget holds at the end."""
    stride = 1
    while True:
        kept = -(-num_steps // stride) + 1
        if kept <= 2 or kept * frame_bytes <= budget:
            return kept
        stride *= 2


def forecast(
    experiment: Experiment, labels: Sequence[str], network: About | None = None
) -> tuple[Forecast | None, Problems]:
    """Return what a run of `experiment` comes to, and why it would be refused.

    `labels` are those of the images the model would learn from; empty where there are none.
    `network` is the trained network that it names, if it is at hand. The problems stand by the
    settings they are due to; there is a forecast where there are none.
    """
    sampling = experiment.sampling
    plain = replace(sampling, restart=(), inpaint=None)
    bare = replace(experiment, fork=None, sampling=plain)
    checks: dict[Part, Callable[[], object]] = {
        Part.MODEL: lambda: _check_model(sampling, labels, network),
        Part.GUIDANCE: lambda: check(sampling.guidance, sampling.label),
        Part.SAMPLER: lambda: walk_of(plain),
        Part.SPACING: lambda: plan(bare),
    }
    found = {part: line for part, test in checks.items() if (line := _refusal(test))}
    if line := fork_refusal(experiment):
        return None, found | {Part.PICTURES: line}
    if Part.SAMPLER in found or Part.SPACING in found:
        return None, found
    try:
        made = calls_by_step(experiment)
    except EngineError as error:
        found[Part.RESTART if sampling.restart else Part.SAMPLER] = str(error)
        return None, found
    if found:
        return None, found
    frame = sampling.count * sampling.size**2 * _FRAME_BYTES
    kept, memory = frames_kept(len(made) - 1, frame), _memory(sampling, labels, network)
    old = shared_model_calls(experiment)
    return Forecast(len(made) - 1, made[-1], kept, kept * frame, memory, old), found


def obstacle(experiment: Experiment, labels: Sequence[str], network: About | None = None) -> str:
    """Return in one line what in model, guidance and pictures refuses a run; "" if nothing does.

    It costs next to nothing, unlike `forecast`, which also counts the model calls.
    """
    sampling = experiment.sampling
    checks: tuple[Callable[[], object], ...] = (
        lambda: _check_model(sampling, labels, network),
        lambda: check(sampling.guidance, sampling.label),
    )
    return next((line for test in checks if (line := _refusal(test))), fork_refusal(experiment))


def _refusal(check: Callable[[], object]) -> str:
    try:
        check()
    except EngineError as error:
        return str(error)
    return ""


def _check_model(sampling: Sampling, labels: Sequence[str], network: About | None) -> None:
    if sampling.model not in MODELS:
        raise EngineError(f"unknown model {sampling.model!r}; choose one of: {', '.join(MODELS)}")
    row = MODELS[sampling.model]
    resolve(row.params, sampling.model_params, row.title)
    if row.learned:
        if network is None:
            name = sampling.network.name if sampling.network else "the bundled network"
            raise EngineError(f"{name} is not here: open its file again, or choose another model")
        check_size(network, sampling.size)
        check_label(network, sampling.label)
    if not labels and uses_data(sampling):
        raise EngineError("there are no pictures to learn from: drop some, or choose Emoji")
    if sampling.data == EMOJI and uses_data(sampling) and sampling.size > LARGEST_EMOJI:
        raise EngineError(
            f"the emoji have {LARGEST_EMOJI} px, and the samples {sampling.size}: choose the"
            " pictures of the tray"
        )
    if sampling.label and not row.learned:
        members(labels, sampling.label)


# --- memory -----------------------------------------------------------------------------------


def _memory(sampling: Sampling, labels: Sequence[str], network: About | None) -> int | None:
    if network is not None and sampling.model in LEARNED:
        against = sampling.guidance.method and sampling.guidance.against
        other = model_bytes(against, len(labels), sampling.size) if against else 0
        return None if other is None else network.parameters * _FLOAT + other
    of_all = len(labels)
    images = len(members(labels, sampling.label)) if sampling.label else of_all
    values = dict(sampling.model_params)
    held = model_bytes(sampling.model, images, sampling.size, kind=values.get("kind", 0.0))
    guidance = sampling.guidance
    if held is None or not guidance.method:
        return held
    if guidance.against:
        other = model_bytes(guidance.against, images, sampling.size)
    else:
        other = model_bytes(sampling.model, of_all, sampling.size, kind=values.get("kind", 0.0))
    return None if other is None else held + other


def model_bytes(name: str, images: int, size: int, *, kind: float = 0.0) -> int | None:
    """Return the bytes that a closed-form model of `images` squares of `size` pixels holds.

    What it needs for a moment inside a call is not in it; None for a model not known here.
    """
    values = 3 * size * size
    data = images * values
    directions = 8 * values if kind else min(images, values) * values
    floats = {
        "exact": data,
        "smoothed": data,
        "gaussian": directions,
        "local": 2 * data,
        "stack": 3 * data + min(images, values) * values,
    }
    return floats[name] * _FLOAT if name in floats else None
