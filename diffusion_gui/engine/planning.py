"""What a run of an experiment will visit and cost, before any model is built. No torch.

Read next: `legs.py`, which knows the forks, and `reverse.py`, which runs it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from diffusion_gui.engine.denoisers import LEARNED
from diffusion_gui.engine.experiment import EMOJI, Experiment, Sampling
from diffusion_gui.engine.guidance import calls_at
from diffusion_gui.engine.legs import Leg, legs, shared_calls, visited
from diffusion_gui.engine.lineage import origin
from diffusion_gui.engine.networks import About
from diffusion_gui.engine.params import Values, known, pack
from diffusion_gui.engine.samplers import Levels
from diffusion_gui.engine.schedules import SIGMA_MAX, SPACINGS, ScheduleSpec, build, highest


def plan(experiment: Experiment) -> Levels:
    """Return the levels a run of `experiment` visits, checked; those of a fork step by step.

    A run from a picture begins at exactly its t; of levels that a person listed, those above it
    are left out.
    """
    if experiment.fork is None:
        return legs(experiment)[0].levels
    marks = list(visited(experiment))
    t, a, s = (np.array([getattr(mark, name) for mark in marks], float) for name in "tas")
    return Levels(t, a, s)


def transitions(experiment: Experiment) -> int:
    """Return the number of transitions of a run; it yields one step more."""
    return legs(experiment)[-1].last


def calls_by_step(experiment: Experiment) -> list[int]:
    """Return the model calls made when step 0, 1, ... of a run is there.

    Exact for every sampler, with Restart and RePaint, and with guidance, which calls a second model
    within its interval; the calls of an inversion come first. Nothing is computed but the number.
    """
    ways = legs(experiment)
    before, found = _inversion_calls(origin(experiment)), list[int]()
    for leg in ways:
        made = [before, *(before + np.cumsum(_costs(leg))).tolist()]
        found += [made[mark.calls] for mark in leg.own_marks]
        before = made[leg.marks[leg.last - leg.first].calls]
    return found


def model_calls(experiment: Experiment) -> int:
    """Return the model calls of a whole run of `experiment` (NFE)."""
    return calls_by_step(experiment)[-1]


def model_key(experiment: Experiment) -> Any:
    """Return what the experiment's model depends on, but for the pixels and the device."""
    sampling, forward = experiment.sampling, experiment.forward
    own = sampling.data != EMOJI and uses_data(sampling)
    pictures = (experiment.pictures, forward.fit, forward.background) if own else ()
    against = sampling.guidance.method and (sampling.guidance.against or "itself")
    model = sampling.model, network_id(sampling), sampling.model_params, sampling.label, against
    return model, sampling.data, sampling.size, pictures


def untrained(experiment: Experiment, about: About) -> str:
    """Return in words how many steps of a run ask its network at levels it was not trained at.

    "" for none. Steps that a fork has from its run are not counted.
    """
    levels = plan(experiment)
    first = experiment.fork.step if experiment.fork is not None else 0
    a, s = levels.a[first:-1], levels.s[first:-1]
    above, below = int(np.sum(s > about.sigma_max * a)), int(np.sum(s < about.sigma_min * a))
    where = ((above, f"σ > {about.sigma_max:.3g}"), (below, f"σ < {about.sigma_min:.3g}"))
    return ", ".join(f"{count} untrained ({which})" for count, which in where if count)


def trained_to(spec: ScheduleSpec, about: About) -> float:
    """Return the noisiest sigma that a network knows, 0 where the schedule has no noisier one."""
    schedule = build(spec)
    return about.sigma_max if highest(schedule, about.sigma_max) < schedule.T else 0.0


def visiting(sampling: Sampling, sigma_max: float) -> Values:
    """Return the settings of the spacing that let a run begin at a level, 0 for the schedule's.

    Levels that a person listed stay.
    """
    row = SPACINGS[sampling.spacing]
    if row.listed:
        return sampling.spacing_params
    values = {name: value for name, value in sampling.spacing_params if name != SIGMA_MAX}
    if sigma_max:
        values[SIGMA_MAX] = sigma_max
    return known(row.params, pack(values))


def network_id(sampling: Sampling) -> str | None:
    """Return what names the network that a run asks, "" for the bundled one; None for none."""
    if sampling.model not in LEARNED:
        return None
    return sampling.network.id if sampling.network is not None else ""


def uses_data(sampling: Sampling) -> bool:
    """Return whether a run's models are made from the data set: a trained network needs none."""
    return sampling.model not in LEARNED or bool(
        sampling.guidance.method and sampling.guidance.against
    )


def shared_model_calls(experiment: Experiment) -> int:
    """Return the model calls that a fork has in common with its run, those of an inversion too."""
    ways = legs(experiment)
    made = [cost for leg in ways for cost in _costs(leg)[: leg.marks[leg.last - leg.first].calls]]
    before = _inversion_calls(origin(experiment)) if experiment.fork is not None else 0
    return before + sum(made[: shared_calls(experiment)])


def _costs(leg: Leg) -> list[int]:
    """Return the model calls of each estimate of a leg."""
    taken = [*leg.handovers(), len(leg.estimates)]
    return [
        calls_at(owner.experiment.sampling.guidance, a, s)
        for owner, first, last in zip(leg.owners, taken, taken[1:], strict=False)
        for a, s in leg.estimates[first:last]
    ]


def _inversion_calls(root: Experiment) -> int:
    """Return the model calls that are made before the first step, see `inversion.invert`."""
    start, guidance = root.sampling.start, root.sampling.guidance
    if start is None or not start.inverted:
        return 0
    way = legs(root)[0].levels
    levels = zip(way.a.tolist(), way.s.tolist(), strict=True)
    costs = [calls_at(guidance, a, s) for a, s in levels][:-1]  # none at the clean picture
    return sum(costs) + start.iterations * sum(costs[:-1])
