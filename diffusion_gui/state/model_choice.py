"""What choosing another model changes besides it: size, network, and a label it cannot be told.

No widgets. All of it is one undoable step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from diffusion_gui.engine.denoisers import LEARNED, MODELS, NEURAL
from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.experiment import (
    DATA_SIZES,
    EMOJI,
    LARGEST_EMOJI,
    Experiment,
    Guidance,
    NetworkRef,
    Sampling,
)
from diffusion_gui.engine.guidance import GUIDANCE
from diffusion_gui.engine.labels import members
from diffusion_gui.engine.networks import About, check_label
from diffusion_gui.engine.params import known, pack, resolve
from diffusion_gui.engine.planning import trained_to, visiting
from diffusion_gui.engine.schedules import SIGMA_MAX

SUGGESTED_SCALE = 2.0
"""A guidance scale w that suits most networks told a caption."""


def closed_form(experiment: Experiment, key: str, labels: Sequence[str]) -> dict[str, Any]:
    """Return the changes that make a closed form the model; `labels` are those of its images."""
    sampling = experiment.sampling
    told = _told(sampling, lambda label: members(labels, label))
    return {
        "model": key,
        "network": None,
        "model_params": known(MODELS[key].params, sampling.model_params),
        **told,
        **({} if experiment.fork is not None else {"size": data_size(sampling)}),
        **(_visiting(experiment, 0.0) if sampling.model in LEARNED else {}),
    }


def network(experiment: Experiment, ref: NetworkRef | None, about: About | None) -> dict[str, Any]:
    """Return the changes that make a trained network the model, the bundled one for None.

    Where the schedule is noisier than what it was trained at, a run begins at its noisiest level.
    """
    sampling = experiment.sampling
    changes: dict[str, Any] = {
        "model": NEURAL,
        "network": ref,
        "model_params": known(MODELS[NEURAL].params, sampling.model_params),
    }
    if about is None:
        return changes
    if experiment.fork is None:
        changes["size"] = about.size
        changes |= _visiting(experiment, trained_to(experiment.schedule, about))
    return changes | _told(sampling, lambda label: check_label(about, label))


def spacing(experiment: Experiment, key: str, about: About | None) -> dict[str, Any]:
    """Return the changes that make a rule the spacing; `about` is the model if it is a network.

    How noisy the noisiest level is stays, or is what the network was trained at.
    """
    before = dict(experiment.sampling.spacing_params).get(SIGMA_MAX)
    if before is None:
        before = trained_to(experiment.schedule, about) if about is not None else 0.0
    plain = replace(experiment.sampling, spacing=key, spacing_params=(), levels=())
    changes = {"spacing": key, "spacing_params": (), "levels": ()}
    return changes | _visiting(replace(experiment, sampling=plain), before)


def data_size(sampling: Sampling) -> int:
    """Return the size of a closed form's images that is nearest to that of the samples."""
    largest = LARGEST_EMOJI if sampling.data == EMOJI else DATA_SIZES[-1]
    sizes = (size for size in DATA_SIZES if size <= largest)
    return min(sizes, key=lambda size: abs(size - sampling.size))


def scale_of(guidance: Guidance) -> float:
    """Return how far the estimate is moved away from the one without the label: 1 for not at all.

    Without guidance the estimate is that of scale 1.
    """
    row = GUIDANCE.get(guidance.method)
    return resolve(row.params, guidance.params, row.title)["scale"] if row is not None else 1.0


def with_scale(guidance: Guidance, scale: float) -> Guidance:
    """Return guidance of another scale; where there was none, the usual one."""
    method = guidance.method or "cfg"
    params = known(GUIDANCE[method].params, guidance.params)
    return replace(guidance, method=method, params=pack(dict(params) | {"scale": scale}))


def _visiting(experiment: Experiment, sigma_max: float) -> dict[str, Any]:
    """Return the change that lets a run begin at a level, 0 for that of the schedule.

    Levels that a person listed stay, and so do those of a fork.
    """
    return (
        {}
        if experiment.fork is not None
        else {"spacing_params": visiting(experiment.sampling, sigma_max)}
    )


def _told(sampling: Sampling, check: Callable[[str], object]) -> dict[str, Any]:
    """Return what to change where a model cannot be told the label, and guidance led there."""
    if not sampling.label:
        return {}
    try:
        check(sampling.label)
    except EngineError:
        guidance = sampling.guidance
        left = guidance if guidance.against else replace(guidance, method="")
        return {"label": "", "guidance": left}
    return {}
