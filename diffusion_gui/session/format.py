"""The session format: an `Experiment` as JSON text and back. Knows the engine, no Qt.

The text is an envelope {"format": "diffusion-gui/1", "version": program version, "experiment": ...}
around the dataclass tree of `engine/experiment.py`, key by key. The same text goes into exported
pictures, there with a "view": where the experiment was looked at, which is no part of it. What
types cannot say (ranges, names from the registries) is checked after decoding.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

import msgspec
import numpy as np

from diffusion_gui import __version__
from diffusion_gui.engine.denoisers import CLOSED_FORMS, LEARNED, MODELS
from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.experiment import (
    DATA_SIZES,
    EMOJI,
    MAX_COUNT,
    MAX_OFFSET,
    MAX_SEED,
    MOST_FORKS,
    NETWORK_SIZES,
    PICTURES,
    WORKING_SIZES,
    Experiment,
    Forward,
    Guidance,
    Inpaint,
    Sampling,
)
from diffusion_gui.engine.forward import Shown
from diffusion_gui.engine.guidance import GUIDANCE
from diffusion_gui.engine.inpainting import INPAINTING
from diffusion_gui.engine.inversion import INVERSION_PARAMS
from diffusion_gui.engine.legs import legs
from diffusion_gui.engine.lineage import lineage
from diffusion_gui.engine.masks import decode as decode_mask
from diffusion_gui.engine.params import Param, Values, resolve
from diffusion_gui.engine.samplers import SAMPLERS
from diffusion_gui.engine.samplers.restart import RESTART_PARAMS
from diffusion_gui.engine.schedules import (
    MAX_STEPS,
    PRESETS,
    SPACINGS,
    ControlPoint,
    ScheduleSpec,
    build,
)
from diffusion_gui.engine.schedules.doctor import examine_table
from diffusion_gui.engine.schedules.operations import (
    LARGEST_SCALE,
    LARGEST_SHIFT,
    LEAST_SCALE,
    LOG_SNR_RANGE,
)

FORMAT = "diffusion-gui/1"
MOST_LEVEL = 1e12
"""A listed level, t or sigma, is below this."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class View:
    """Where an experiment is looked at: time cursor, picture on show, display range."""

    t: int
    picture: str = ""
    """The id of one of the experiment's pictures."""
    shown: Shown = Shown.CLIP
    span: tuple[float, float] | None = None
    """The values that are black and white in a single picture, in the units of x_0 in [-1, 1]."""


@dataclass(frozen=True, slots=True)
class Saved:
    """What a text of this format holds."""

    experiment: Experiment
    view: View | None = None


class _Envelope(msgspec.Struct):
    format: str
    version: str
    experiment: Experiment
    view: View | msgspec.UnsetType = msgspec.UNSET


def encode(experiment: Experiment, view: View | None = None) -> str:
    """Return `experiment` as JSON text that `decode` reads back as an equal value."""
    envelope = _Envelope(FORMAT, __version__, experiment, view or msgspec.UNSET)
    try:
        text = msgspec.json.encode(envelope)
    except UnicodeEncodeError:  # a file name that is not text, as Linux allows
        text = msgspec.json.encode(_printable(msgspec.to_builtins(envelope)))
    return msgspec.json.format(text, indent=2).decode()


def decode(text: str) -> Experiment:
    """Return the experiment in `text`.

    Raises EngineError, one line with the path of the key and the mend, for anything else than a
    complete experiment that this program could have written.
    """
    return decode_saved(text).experiment


def decode_saved(text: str) -> Saved:
    """Return the experiment in `text` and its view; raises EngineError as `decode` does."""
    raw = _parse(text)
    _check_format(raw)
    envelope = convert(raw, _Envelope, "")
    check(envelope.experiment)
    if isinstance(envelope.view, msgspec.UnsetType):
        return Saved(envelope.experiment)
    _check_range("view.t", envelope.view.t, 0, envelope.experiment.schedule.T)
    return Saved(envelope.experiment, envelope.view)


def convert(raw: object, kind: type[_T], name: str) -> _T:
    """Return JSON values as a `kind` (dataclass or Struct); `name` prefixes the path in errors.

    Raises EngineError for a wrong type, a missing key and a key that `kind` does not have.
    """
    try:
        value = msgspec.convert(raw, kind)
    except (msgspec.ValidationError, RecursionError) as error:
        reason, _, place = str(error).replace("`", "").partition(" - at $")
        path = (name + place).lstrip(".") or "the file"
        raise EngineError(f"{path}: {reason[:1].lower()}{reason[1:]}; correct it") from None
    _refuse_unknown(raw, msgspec.to_builtins(value), name)
    return value


def check(experiment: Experiment) -> None:
    """Raise EngineError, naming the key, where a value of `experiment` is outside its range."""
    check_schedule(experiment.schedule)
    _check_forward(experiment.forward)
    _check_sampling(experiment.sampling)
    _check_range("experiment.seed", experiment.seed, 0, MAX_SEED)
    _check_fork(experiment)


def _check_fork(experiment: Experiment) -> None:
    """Check the runs it forks from, the nearest first, and that every fork is one of their steps.

    That its legs can be built says all of it at once; a chain of forks has an end, so has this.
    """
    line: list[tuple[str, Experiment]] = []
    path = "experiment.fork"
    for one in lineage(experiment):
        if one.fork is None:
            break
        if len(line) == MOST_FORKS:
            raise EngineError(f"{path}: more than {MOST_FORKS} forks; start from an earlier run")
        _under(path, partial(check, replace(one.fork.parent, fork=None)))
        line.append((path, one))
        path = f"{path}.parent.fork"
    try:
        if line:
            legs(experiment)
    except EngineError:
        for path, one in reversed(line):  # which of them is the first that cannot be
            _under(path, partial(legs, one))
        raise


def check_schedule(spec: ScheduleSpec, path: str = "experiment.schedule") -> None:
    """Raise EngineError, its keys under `path`, where `spec` does not describe a schedule."""
    _check_range(f"{path}.T", spec.T, 1, MAX_STEPS)
    if spec.preset:  # else a table of betas or points alone
        _check_choice(f"{path}.preset", spec.preset, PRESETS)
        row = PRESETS[spec.preset]
        _check_params(f"{path}.params", row.params, spec.params, row.title)
    _check_betas(f"{path}.betas", spec)
    _check_range(f"{path}.base_T", spec.base_T, 0, MAX_STEPS)
    _check_range(f"{path}.scale", spec.scale, LEAST_SCALE, LARGEST_SCALE)
    _check_range(f"{path}.shift", spec.shift, -LARGEST_SHIFT, LARGEST_SHIFT)
    _check_points(f"{path}.points", spec.points)
    _under(path, lambda: build(spec))


def _check_betas(path: str, spec: ScheduleSpec) -> None:
    if spec.preset and spec.betas:
        raise EngineError(f"{path}: the preset {spec.preset!r} has none; leave one of them out")
    if len(spec.betas) > MAX_STEPS:
        raise EngineError(f"{path}: {len(spec.betas)} betas; keep at most {MAX_STEPS}")
    for finding in examine_table(np.array(spec.betas)):
        raise EngineError(f"{path}: {finding.text}; correct it")


def _check_forward(forward: Forward) -> None:
    path = "experiment.forward"
    _check_choice(f"{path}.size", forward.size, WORKING_SIZES)
    _check_range(f"{path}.offset", forward.offset, 0.0, MAX_OFFSET)
    if not re.fullmatch("#[0-9a-f]{6}", forward.background):
        raise EngineError(f"{path}.background: {forward.background!r}; write it as #rrggbb")


def _check_sampling(sampling: Sampling) -> None:
    path = "experiment.sampling"
    _check_choice(f"{path}.model", sampling.model, MODELS)
    _check_choice(f"{path}.data", sampling.data, (EMOJI, PICTURES))
    if sampling.model in LEARNED:
        _check_range(f"{path}.size", sampling.size, *NETWORK_SIZES)
    else:
        _check_choice(f"{path}.size", sampling.size, DATA_SIZES)
    _check_choice(f"{path}.sampler", sampling.sampler, SAMPLERS)
    _check_choice(f"{path}.spacing", sampling.spacing, SPACINGS)
    spacing = SPACINGS[sampling.spacing]
    _check_params(f"{path}.spacing_params", spacing.params, sampling.spacing_params, spacing.title)
    _check_levels(f"{path}.levels", sampling.levels)
    _check_range(f"{path}.steps", sampling.steps, 1, MAX_STEPS)
    _check_range(f"{path}.count", sampling.count, 1, MAX_COUNT)
    model = MODELS[sampling.model]
    _check_params(f"{path}.model_params", model.params, sampling.model_params, model.title)
    _check_guidance(f"{path}.guidance", sampling.guidance)
    _check_params(f"{path}.restart", RESTART_PARAMS, sampling.restart, "Restart")
    row = SAMPLERS[sampling.sampler]
    _check_params(f"{path}.params", row.params, sampling.params, row.title)
    if sampling.start is not None:
        # not bound by T here: T may be edited after the start was set, and the run says so
        _check_range(f"{path}.start.t", sampling.start.t, 1, MAX_STEPS)
        most = INVERSION_PARAMS[0].maximum
        _check_range(f"{path}.start.iterations", sampling.start.iterations, 0, most)
    if sampling.inpaint is not None:
        _check_inpaint(f"{path}.inpaint", sampling.inpaint)


def _check_inpaint(path: str, inpaint: Inpaint) -> None:
    _check_choice(f"{path}.method", inpaint.method, INPAINTING)
    row = INPAINTING[inpaint.method]
    _check_params(f"{path}.params", row.params, inpaint.params, row.title)
    _under(f"{path}.kept", lambda: decode_mask(inpaint.kept))


def _check_guidance(path: str, guidance: Guidance) -> None:
    if guidance.against:
        _check_choice(f"{path}.against", guidance.against, CLOSED_FORMS)
    if guidance.method:
        _check_choice(f"{path}.method", guidance.method, GUIDANCE)
        row = GUIDANCE[guidance.method]
        _check_params(f"{path}.params", row.params, guidance.params, row.title)


def _check_levels(path: str, levels: tuple[float, ...]) -> None:
    if len(levels) > MAX_STEPS:
        raise EngineError(f"{path}: {len(levels)} levels; give at most {MAX_STEPS}")
    wrong = next((level for level in levels if not 0.0 <= level < MOST_LEVEL), None)
    if wrong is not None:
        raise EngineError(f"{path}: {wrong} is not a level; give numbers from 0 to {MOST_LEVEL:g}")


def _check_points(path: str, points: tuple[ControlPoint, ...]) -> None:
    if len(points) > MAX_STEPS:
        raise EngineError(f"{path}: {len(points)} points; keep at most {MAX_STEPS}")
    u = np.array([point.u for point in points])
    log_snr = np.array([point.log_snr for point in points])
    if not (np.all((u >= 0.0) & (u <= 1.0)) and np.all(np.diff(u) > 1e-9)):
        raise EngineError(f"{path}: u must rise from point to point within 0 to 1; sort the points")
    low, high = LOG_SNR_RANGE
    within = np.all((log_snr >= low) & (log_snr <= high))
    if not (within and np.all(np.diff(log_snr) < 0.0)):
        raise EngineError(
            f"{path}: log_snr must fall from point to point within {high:g} to {low:g};"
            " move the points"
        )


def _check_params(path: str, rows: Iterable[Param], values: Values, owner: str) -> None:
    names = [name for name, _ in values]
    if len(set(names)) < len(names):
        [(name, _)] = Counter(names).most_common(1)
        raise EngineError(f"{path}: {name} is given twice; keep one of them")
    _under(path, lambda: resolve(rows, values, owner))


def _check_choice(path: str, value: object, known: Collection[object]) -> None:
    if value not in known:
        names = ", ".join(str(name) for name in known)
        raise EngineError(f"{path}: {value!r} is not known; choose one of: {names}")


def _check_range(path: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise EngineError(f"{path}: {value} is outside {low} to {high}; choose a value within")


def _under(path: str, action: Callable[[], object]) -> None:
    """Run `action` and put `path` before the message of its EngineError."""
    try:
        action()
    except EngineError as error:
        raise EngineError(f"{path}: {error}") from None


def _parse(text: str) -> Any:
    try:
        return msgspec.json.decode(str(text))  # Pillow's text chunks are a kind of str
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        reason = str(error).replace("\n", " ")
        raise EngineError(f"the file is not a session: it is not JSON ({reason})") from None


def _check_format(raw: object) -> None:
    name = raw.get("format") if isinstance(raw, dict) else None
    family = FORMAT.partition("/")[0] + "/"
    if not isinstance(name, str) or not name.startswith(family):
        raise EngineError(f'the file is not a session: it has no "format": "{FORMAT}"')
    if name != FORMAT:
        raise EngineError(
            f"format: {name!r} cannot be read by version {__version__}, which reads {FORMAT!r};"
            " install a newer Diffusion GUI"
        )


def _refuse_unknown(raw: object, known: object, path: str) -> None:
    """Raise EngineError at the first key of `raw` that did not make it into `known`."""
    if isinstance(raw, dict) and isinstance(known, dict):
        for key, value in raw.items():
            here = f"{path}.{key}".lstrip(".")
            if key not in known:
                names = ", ".join(known)
                raise EngineError(f"{here!r} is not a known key; correct it to one of: {names}")
            _refuse_unknown(value, known[key], here)
    elif isinstance(raw, list) and isinstance(known, list | tuple):
        for index, (part, known_part) in enumerate(zip(raw, known, strict=True)):
            _refuse_unknown(part, known_part, f"{path}[{index}]")


def _printable(value: Any) -> Any:
    """Return `value` with characters that no file can hold replaced by question marks."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {key: _printable(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_printable(part) for part in value]
    return value
