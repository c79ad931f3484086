"""Checkpoints of diffusers' `UNet2DModel`: a pipeline's folder, its `unet` folder, or its weights.

Nothing is fetched, and of the weights only tensors are read. The network is built without memory
first, so that a config that does not fit its weights costs nothing. diffusers itself is imported
when the weights are read.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diffusion_gui.engine.checkpoint_use import AVERAGED, TRAINED, PixelRange, Use
from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.predictions import SIGMA_DATA, Prediction
from diffusion_gui.engine.schedules import Family, ScheduleSpec, family_of
from diffusion_gui.engine.torch_loading import import_torch
from diffusion_gui.session.checkpoints.checkpoint import Checkpoint
from diffusion_gui.session.checkpoints.tensors import (
    SAFE,
    Poll,
    Shape,
    TensorFile,
    compare,
    count,
    open_tensors,
    prefixes,
    under,
)
from diffusion_gui.session.diffusers_classes import CLASSES, Kind
from diffusion_gui.session.schedule_import import CONFIG_NAME, Imported, load_schedule

if TYPE_CHECKING:
    from torch import nn

CLASS = "UNet2DModel"
KIND = f"diffusers {CLASS}"
MARKER = "conv_in.weight"
MODEL_INDEX, CONFIG = "model_index.json", "config.json"
STEM = "diffusion_pytorch_model"
_WEIGHT_NAMES = (f"{STEM}{SAFE}", f"{STEM}.fp16{SAFE}", f"model{SAFE}")
_FOLDERS = {TRAINED: "unet", AVERAGED: "unet_ema"}
_MOST_CONFIG = 1024**2
_MOST_CLASSES = 100_000
_MOST_BLOCKS, _MOST_LAYERS, _MOST_WIDTH = 12, 32, 8192
_OLD_NAMES = {
    ".query.": ".to_q.",
    ".key.": ".to_k.",
    ".value.": ".to_v.",
    ".proj_attn.": ".to_out.0.",
}
"""Of attention in files that diffusers wrote before 0.15."""
_EDM = ("EDMEulerScheduler", "EDMDPMSolverMultistepScheduler")
_PREDICTIONS = {
    "epsilon": Prediction.EPSILON,
    "v_prediction": Prediction.V,
    "sample": Prediction.SAMPLE,
    "flow": Prediction.FLOW,
}


@dataclass(frozen=True, slots=True)
class _Source:
    """One set of weights with the config beside it."""

    config: Mapping[str, Any]
    weights: TensorFile
    prefix: str
    config_file: Path


def read_folder(folder: Path) -> Checkpoint:
    """Return the checkpoint in a folder; raises EngineError with one line where there is none."""
    index = _json(folder / MODEL_INDEX) if (folder / MODEL_INDEX).is_file() else {}
    latent = [name for name in ("vae", "vqvae", "movq", "text_encoder") if name in index]
    if latent:
        raise EngineError(
            f"{folder}: its pictures are latents of a {latent[0]}; this program opens networks of"
            f" pixels (diffusers {CLASS})"
        )
    sources: dict[str, _Source] = {}
    for weights, place in _FOLDERS.items():
        if (folder / place / CONFIG).is_file():
            sources[weights] = _source(folder / place)
    if not sources:
        sources[TRAINED] = _source(folder)
    return _checkpoint(folder, _called(folder), sources, index)


def read_file(file: TensorFile) -> Checkpoint:
    """Return the checkpoint in a file of weights that has its config.json beside it."""
    config_file = file.path.parent / CONFIG
    if not config_file.is_file():
        raise EngineError(
            f"{file.path}: these are weights of a diffusers {CLASS}; put its {CONFIG} beside them"
        )
    config = _config(config_file)
    found = prefixes(file.shapes, MARKER)
    averaged = [one for one in found if "ema" in one.lower()]
    trained = [one for one in found if one not in averaged]
    places = {AVERAGED: averaged[:1], TRAINED: trained[:1]}
    sources = {
        name: _Source(config, file, one[0], config_file) for name, one in places.items() if one
    }
    return _checkpoint(file.path, _called(file.path.parent), sources, {})


def _called(folder: Path) -> str:
    """Return the name of a folder, or of the one that it is the network of."""
    whole = folder.resolve()
    return whole.parent.name if whole.name in _FOLDERS.values() else whole.name


def _source(folder: Path) -> _Source:
    config = _config(folder / CONFIG)
    for name in _WEIGHT_NAMES:
        if (folder / name).is_file():
            return _Source(config, open_tensors(folder / name), "", folder / CONFIG)
    others = sorted(path.name for path in folder.glob("*.bin"))
    if others:
        raise EngineError(
            f"{folder}: there are only pickled weights ({others[0]}); save it again with"
            " safe_serialization=True, or open that file itself"
        )
    if any(folder.glob(f"*{SAFE}.index.json")):
        raise EngineError(f"{folder}: its weights are in several files; save it again in one")
    raise EngineError(f"{folder}: there are no weights; put {_WEIGHT_NAMES[0]} into it")


def _checkpoint(
    path: Path, name: str, sources: Mapping[str, _Source], index: Mapping[str, Any]
) -> Checkpoint:
    first = next(iter(sources.values()))
    shapes = _shapes(first)
    config = first.config
    told, edm = _schedule(path)
    size = _side(config.get("sample_size"), first.config_file)
    halvings = 2 ** (len(config.get("block_out_channels", (0,) * 4)) - 1)
    use = _use(config, told, edm, AVERAGED if AVERAGED in sources else TRAINED)
    missing = (f"there is no {CONFIG_NAME}: the usual schedule is taken",)
    return Checkpoint(
        path=path,
        name=name,
        kind=KIND,
        channels=int(config.get("in_channels", 3)),
        parameters=count(shapes),
        use=replace(use, size=size or max(32, halvings)),
        load=lambda wanted, poll: _load(sources[wanted.weights], wanted, poll),
        files=lambda wanted: (
            sources[wanted.weights].config_file,
            sources[wanted.weights].weights.path,
        ),
        weights=tuple(key for key in (AVERAGED, TRAINED) if key in sources),
        has_schedule=told is not None,
        says_prediction=bool(told and told.prediction),
        says_size=size is not None,
        halvings=halvings,
        classes=_classes(config, shapes, index, first.config_file),
        notes=told.notes if told else missing,
    )


def _use(config: Mapping[str, Any], told: Imported | None, edm: bool, weights: str) -> Use:
    """Return how a network is called as its config and its scheduler's say, but for the size."""
    fourier = config.get("time_embedding_type") == "fourier"
    spec = told.spec if told else ScheduleSpec("ve" if fourier else "linear")
    family = family_of(spec)
    unit = fourier and family is Family.VE  # as the networks of Song et al. 2021 were trained
    return Use(
        _prediction(told, family, edm),
        PixelRange.UNIT if unit else PixelRange.SYMMETRIC,
        weights,
        spec,
        edm=edm,
        clip=bool(told and told.clip_sample),
    )


# --- what the config says -------------------------------------------------------------------------


def _json(file: Path) -> dict[str, Any]:
    try:
        if file.stat().st_size > _MOST_CONFIG:
            raise EngineError(f"{file}: too large to be a config")
        found = json.loads(file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise EngineError(f"{file}: cannot be read ({error.strerror or error})") from None
    except (ValueError, RecursionError) as error:
        raise EngineError(f"{file}: this is not JSON ({error}); save it again") from None
    if not isinstance(found, dict):
        raise EngineError(f"{file}: a config is one JSON object; save it again")
    return found


def _config(file: Path) -> dict[str, Any]:
    """Return a config whose numbers are of a size that a network can have."""
    if not file.is_file():
        raise EngineError(f"{file.parent}: there is no network in it; {CONFIG} is missing")
    config = _json(file)
    if "model_type" in config or "architectures" in config:
        kind = str(config.get("model_type") or config["architectures"])[:40]
        raise EngineError(
            f"{file.parent}: a transformers model ({kind}), which draws no pictures; choose a"
            f" diffusers {CLASS}"
        )
    name = str(config.get("_class_name", ""))[:60]
    if name != CLASS:
        raise EngineError(
            f"{file.parent}: a network of the class {name or 'unknown'}; this program opens"
            f" diffusers {CLASS}"
        )
    _check_numbers(file, config)
    return config


def _check_numbers(file: Path, config: Mapping[str, Any]) -> None:
    """Raise EngineError where building a network of this config could take for ever."""
    widths = config.get("block_out_channels", (224, 448, 672, 896))
    layers = config.get("layers_per_block", 2)
    whole = isinstance(widths, list | tuple) and all(_whole(width, _MOST_WIDTH) for width in widths)
    if not whole or not 1 <= len(widths) <= _MOST_BLOCKS:
        raise EngineError(f"{file}: block_out_channels must be 1 to {_MOST_BLOCKS} widths")
    if not _whole(layers, _MOST_LAYERS):
        raise EngineError(f"{file}: layers_per_block must be 1 to {_MOST_LAYERS}")
    for key in ("in_channels", "out_channels"):
        if not _whole(config.get(key, 3), _MOST_WIDTH):
            raise EngineError(f"{file}: {key} must be a whole number from 1 on")
    shown, given = config.get("in_channels", 3), config.get("out_channels", 3)
    if given not in (shown, 2 * shown):
        raise EngineError(
            f"{file}: it is shown {shown} channels and answers with {given}; a network that draws"
            f" answers with {shown}, or {2 * shown} with a learned variance"
        )


def _whole(value: object, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= most


def _side(size: object, file: Path) -> int | None:
    sides = list(size) if isinstance(size, list) else [size]
    if sides == [None]:
        return None
    if len(set(map(str, sides))) != 1 or not isinstance(sides[0], int):
        raise EngineError(f"{file}: sample_size {size}: only square pictures are drawn here")
    return sides[0]


def _classes(
    config: Mapping[str, Any], shapes: Mapping[str, Shape], index: Mapping[str, Any], file: Path
) -> tuple[str, ...]:
    """Return the names of the classes that a network knows, their numbers where it has no names."""
    if config.get("class_embed_type") is not None:
        raise EngineError(
            f"{file}: class_embed_type {str(config['class_embed_type'])[:20]!r} is told vectors,"
            " not classes; only numbered classes are read here"
        )
    known = shapes.get("class_embedding.weight", ())
    if not known or config.get("num_class_embeds") is None:
        return ()
    if not all(known) or known[0] > _MOST_CLASSES:
        raise EngineError(
            f"{file}: a table of classes of {list(known)}; 1 to {_MOST_CLASSES:,} are read here"
        )
    names = index.get("id2label", config.get("id2label"))
    if isinstance(names, dict) and all(str(n) in names for n in range(known[0])):
        called = [str(names[str(n)])[:60] for n in range(known[0])]
        if len(set(called)) == len(called) and all(called):
            return tuple(called)
    return tuple(map(str, range(known[0])))


def _schedule(path: Path) -> tuple[Imported | None, bool]:
    """Return what the scheduler's config says, if there is one, and whether it is EDM's."""
    folder = path if path.is_dir() else path.parent
    for place in (folder / "scheduler", folder, folder.parent / "scheduler"):
        config = place / CONFIG_NAME
        if not config.is_file():
            continue
        name = str(_json(config).get("_class_name", ""))
        row = CLASSES.get(name)
        if row is not None and row.kind is Kind.SIGMAS and name not in _EDM:
            raise EngineError(
                f"{config}: a network of {name} is told its levels in a way that is not known here"
            )
        if name in _EDM and (found := _json(config).get("sigma_data", 0.5)) != SIGMA_DATA:
            raise EngineError(
                f"{config}: sigma_data is {str(found)[:20]}; a network of pixels is read here with"
                f" {SIGMA_DATA:g}"
            )
        return load_schedule(config), name in _EDM
    return None, False


def _prediction(told: Imported | None, family: Family, edm: bool) -> Prediction:
    named = _PREDICTIONS.get(told.prediction if told else "")
    if edm:
        return Prediction.SAMPLE if named is Prediction.SAMPLE else Prediction.EDM
    if family is Family.FLOW:
        return named if named is Prediction.SAMPLE else Prediction.FLOW
    if family is Family.VE:
        return Prediction.SCORE
    return Prediction.EPSILON if named in (None, Prediction.FLOW) else named


# --- the network ----------------------------------------------------------------------------------


def _shapes(source: _Source) -> dict[str, Shape]:
    """Return the shapes of a network by today's names."""
    found = under(source.weights.shapes, source.prefix)
    return {_renamed(name): _as_linear(name, shape) for name, shape in found.items()}


def _is_old(name: str) -> bool:
    return "attentions" in name and any(old in name for old in _OLD_NAMES)


def _renamed(name: str) -> str:
    if _is_old(name):
        for old, new in _OLD_NAMES.items():
            name = name.replace(old, new)
    return name


def _as_linear(name: str, shape: Shape) -> Shape:
    """Return a weight's shape as a linear layer has it: the oldest files have 1 x 1 squares."""
    square = _is_old(name) and len(shape) == 4 and shape[2:] == (1, 1)
    return shape[:2] if square else shape


def _load(source: _Source, use: Use, poll: Poll) -> nn.Module:
    from diffusion_gui.session.checkpoints.called_unet import CalledUNet

    shapes, told = _shapes(source), under(source.weights.shapes, source.prefix)
    network = _built(source)
    wanted = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    compare(source.weights.path, shapes, wanted)
    values = source.weights.read((f"{source.prefix}{name}" for name in told), poll)
    weights = {}
    for full, value in values.items():
        name = _renamed(full.removeprefix(source.prefix))
        weights[name] = value.reshape(shapes[name])
    network.load_state_dict(weights, assign=True)
    return CalledUNet(network, use.no_class).requires_grad_(False).eval()


def _built(source: _Source) -> Any:
    """Return the network without memory for its weights."""
    try:
        torch = import_torch("diffusers.models.unets.unet_2d")
        from diffusers import UNet2DModel
    except ImportError:
        raise EngineError(
            f"{source.config_file.parent}: a {CLASS} needs diffusers; install it with pip install"
            ' "diffusion-gui[diffusers]"'
        ) from None
    known = inspect.signature(UNet2DModel.__init__).parameters
    told = {key: value for key, value in source.config.items() if key in known}
    try:
        with torch.device("meta"):
            return UNet2DModel(**told)  # type: ignore[no-untyped-call]
    except Exception as error:  # whatever a config makes of the library
        reason = (str(error).splitlines() or [type(error).__name__])[0][:120]
        raise EngineError(f"{source.config_file}: no {CLASS} can be built ({reason})") from None
