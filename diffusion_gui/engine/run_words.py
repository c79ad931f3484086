"""What a run was asked for, in a few words. No torch.

Of two runs only what differs is said, the newer's way: "Heun, 10 steps, seed 3"; in a list every
run says its model, sampler and steps besides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from diffusion_gui.engine.denoisers import MODELS
from diffusion_gui.engine.experiment import EMOJI, Experiment, Sampling
from diffusion_gui.engine.guidance import GUIDANCE
from diffusion_gui.engine.numerals import spelled
from diffusion_gui.engine.params import Param, Values
from diffusion_gui.engine.planning import network_id, uses_data
from diffusion_gui.engine.samplers import SAMPLERS
from diffusion_gui.engine.samplers.restart import RESTART_PARAMS
from diffusion_gui.engine.schedules import PRESETS, SPACINGS


@dataclass(frozen=True, slots=True)
class _Facet:
    """One thing that a run is told: what of the experiment it is, and how it is said."""

    value: Callable[[Experiment], object]
    say: Callable[[Experiment], str]
    always: bool = True
    """True if it is said of a run that is compared with none."""
    core: bool = False
    """True for model, sampler and steps."""


def said(experiment: Experiment) -> str:
    """Return in one line what a run was asked for."""
    return ", ".join(_texts(facet.say(experiment) for facet in _FACETS if facet.always))


def changed(experiment: Experiment, before: Experiment) -> str:
    """Return in one line how a run differs from another, "same settings" if it does not."""
    facets = [facet for facet in _FACETS if facet.value(experiment) != facet.value(before)]
    return ", ".join(_texts(facet.say(experiment) for facet in facets)) or "same settings"


def core(experiment: Experiment) -> str:
    """Return the model, the sampler and the steps of a run: "Exact, DDIM, 20 steps"."""
    return ", ".join(_texts(facet.say(experiment) for facet in _FACETS if facet.core))


def beside(experiment: Experiment, before: Experiment | None) -> str:
    """Return what differs from another run beyond the `core`, "" for nothing.

    Of a run that is compared with none, what `said` says beyond it.
    """
    facets = [
        facet for facet in _FACETS
        if not facet.core
        and (facet.always if before is None else facet.value(experiment) != facet.value(before))
    ]  # fmt: skip
    return ", ".join(_texts(facet.say(experiment) for facet in facets))


def model_name(experiment: Experiment) -> str:
    """Return what the model of a run is called: its title, or the name of its network."""
    sampling = experiment.sampling
    row = MODELS.get(sampling.model)
    if row is None:
        return sampling.model
    return sampling.network.name if row.learned and sampling.network else row.title


def _texts(texts: Iterator[str]) -> Iterator[str]:
    return (text for text in texts if text)


def _model(experiment: Experiment) -> str:
    row = MODELS.get(experiment.sampling.model)
    name = model_name(experiment)
    return _named(name, row.params, experiment.sampling.model_params) if row else name


def _data(experiment: Experiment) -> str:
    sampling = experiment.sampling
    if not uses_data(sampling):
        return f"{sampling.size} px"
    if sampling.data == EMOJI:
        return f"emoji {sampling.size} px"
    count = len(experiment.pictures)
    return f"{count} picture{'s' * (count != 1)} {sampling.size} px"


def _sampler(experiment: Experiment) -> str:
    sampling = experiment.sampling
    row = SAMPLERS.get(sampling.sampler)
    return _named(row.title, row.params, sampling.params) if row else sampling.sampler


def _spacing(experiment: Experiment) -> str:
    sampling = experiment.sampling
    row = SPACINGS.get(sampling.spacing)
    if row is None:
        return sampling.spacing
    if row.listed:
        return f"{row.title} ({len(sampling.levels)})"
    return _named(row.title, row.params, sampling.spacing_params)


def _guidance(experiment: Experiment) -> str:
    guidance = experiment.sampling.guidance
    row = GUIDANCE.get(guidance.method)
    if row is None:
        return "no guidance"
    text = _named(row.title, row.params, guidance.params)
    return f"{text} against {guidance.against}" if guidance.against else text


def _schedule(experiment: Experiment) -> str:
    spec = experiment.schedule
    row = PRESETS.get(spec.preset)
    title = row.title if row else "schedule of its own"
    bent = spec.points or spec.shift or spec.scale != 1.0
    return f"{title}{' (edited)' if bent else ''}"


def _start(experiment: Experiment) -> str:
    start = experiment.sampling.start
    if start is None:
        return "from noise"
    names = {ref.id: ref.name for ref in experiment.pictures}
    name = names.get(start.picture, "a picture")
    return f"from {name} at t = {start.t}{', inverted' if start.inverted else ''}"


def _named(title: str, params: tuple[Param, ...], values: Values) -> str:
    """Return a title and those parameters that are not as they were."""
    rows: Mapping[str, Param] = {param.name: param for param in params}
    told = [
        f"{rows[name].symbol} {_shown(rows[name], value)}"
        for name, value in values
        if name in rows and value != rows[name].default
    ]
    return " ".join([title, *told])


def _shown(row: Param, value: float) -> str:
    return row.choices[int(value)] if row.choices else spelled(value)


def _of(name: str) -> Callable[[Experiment], object]:
    return lambda experiment: getattr(experiment.sampling, name)


def _restart(experiment: Experiment) -> str:
    values = experiment.sampling.restart
    return _named("Restart", RESTART_PARAMS, values) if values else "no Restart"


def _pictures(experiment: Experiment) -> object:
    sampling = experiment.sampling
    if not uses_data(sampling):
        return sampling.size
    return sampling.data, sampling.size, () if sampling.data == EMOJI else experiment.pictures


def _label(sampling: Sampling) -> str:
    return f"label {sampling.label}" if sampling.label else "no label"


_FACETS: tuple[_Facet, ...] = (
    _Facet(
        lambda e: (e.sampling.model, network_id(e.sampling), e.sampling.model_params), _model,
        core=True,
    ),
    _Facet(_pictures, _data, always=False),
    _Facet(_of("label"), lambda e: _label(e.sampling), always=False),
    _Facet(lambda e: (e.sampling.sampler, e.sampling.params), _sampler, core=True),
    _Facet(_of("steps"), lambda e: f"{e.sampling.steps} steps", core=True),
    _Facet(lambda e: (e.sampling.spacing, e.sampling.spacing_params, e.sampling.levels), _spacing),
    _Facet(_of("guidance"), _guidance, always=False),
    _Facet(_of("restart"), _restart, always=False),
    _Facet(lambda e: e.schedule, _schedule),
    _Facet(lambda e: e.schedule.T, lambda e: f"T = {e.schedule.T}", always=False),
    _Facet(_of("count"), lambda e: f"{e.sampling.count} pictures", always=False),
    _Facet(lambda e: e.seed, lambda e: f"seed {e.seed}"),
    _Facet(_of("start"), _start, always=False),
    _Facet(
        _of("inpaint"), lambda e: "part kept" if e.sampling.inpaint else "nothing kept",
        always=False,
    ),
)  # fmt: skip
