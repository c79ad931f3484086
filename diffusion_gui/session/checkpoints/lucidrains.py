"""Checkpoints of denoising-diffusion-pytorch: its Trainer's `model-N.pt`, or its U-Net alone.

The file says neither the architecture nor the objective: both are read off the tensors. `betas`
and `loss_weight` are there where the diffusion was saved with its network. Imports torch only
where the weights are read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from diffusion_gui.engine.checkpoint_use import AVERAGED, TRAINED, Use
from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.predictions import Prediction
from diffusion_gui.engine.schedules import ScheduleSpec, build
from diffusion_gui.engine.schedules.schedule import Array
from diffusion_gui.session.checkpoints.checkpoint import Checkpoint
from diffusion_gui.session.checkpoints.tensors import (
    Poll,
    Shape,
    TensorFile,
    compare,
    count,
    prefixes,
    under,
)
from diffusion_gui.session.schedule_numbers import of_alpha_bar, of_betas, without_clean

if TYPE_CHECKING:
    from torch import nn

    from diffusion_gui.engine.denoisers.lucidrains_unet import Heads, LucidrainsConfig

MARKER = "init_conv.weight"
KIND = "denoising-diffusion-pytorch U-Net"
_USUAL_SIZES = (32, 64, 128)
_MEMORY = "mid_attn.mem_kv"


def is_lucidrains(file: TensorFile) -> bool:
    """Return whether a file holds such a network."""
    found = prefixes(file.shapes, MARKER)
    return bool(found) and f"{found[0]}final_conv.weight" in file.shapes


def read_lucidrains(file: TensorFile) -> Checkpoint:
    """Return the checkpoint in a file; raises EngineError where its layout is another."""
    places = _places(file)
    prefix = places.get(AVERAGED) or places[TRAINED]
    network = _network(file, prefix)
    config = infer(file.path, network)
    spec = _schedule(file, prefix)
    prediction = _objective(file, prefix, spec) if spec else None
    size = next((side for side in _USUAL_SIZES if not side % config.halvings), config.halvings)
    notes = []
    if config.self_condition:
        notes.append("it was also shown its last estimate; here it is shown none")
    if spec is None:
        notes.append("the file holds no schedule: the library's usual one is taken")
    use = Use(
        prediction or Prediction.V,
        weights=AVERAGED if AVERAGED in places else TRAINED,
        schedule=spec or ScheduleSpec("gamma_sigmoid"),
        size=max(size, config.halvings),
        clip=True,  # its own sampling does so always
    )
    return Checkpoint(
        path=file.path,
        name=file.path.stem,
        kind=KIND,
        channels=config.channels,
        parameters=count(network),
        use=use,
        load=lambda wanted, poll: _load(file, places[wanted.weights], config, poll),
        files=lambda _: (file.path,),
        weights=tuple(places),
        has_schedule=spec is not None,
        says_prediction=prediction is not None,
        halvings=config.halvings,
        notes=tuple(notes),
    )


def _places(file: TensorFile) -> dict[str, str]:
    """Return where the averaged and the trained weights stand, the averaged first."""
    found = [one for one in prefixes(file.shapes, MARKER) if "online_model" not in one]
    found = found or prefixes(file.shapes, MARKER)
    averaged = [one for one in found if "ema" in one.lower()]
    trained = [one for one in found if one not in averaged]
    places = {AVERAGED: averaged[:1], TRAINED: trained[:1]}
    return {name: one[0] for name, one in places.items() if one}


def _network(file: TensorFile, prefix: str) -> dict[str, Shape]:
    """Return the tensors of the network alone: buffers of the diffusion stand beside it."""
    found = under(file.shapes, prefix)
    return {name: shape for name, shape in found.items() if "." in name}


def _load(file: TensorFile, prefix: str, config: LucidrainsConfig, poll: Poll) -> nn.Module:
    import torch

    from diffusion_gui.engine.denoisers.lucidrains_unet import LucidrainsUNet

    names = _network(file, prefix)
    with torch.device("meta"):
        network = LucidrainsUNet(config)
    compare(file.path, names, {key: tuple(v.shape) for key, v in network.state_dict().items()})
    weights = file.read((f"{prefix}{name}" for name in names), poll)
    network.load_state_dict(
        {name.removeprefix(prefix): value for name, value in weights.items()}, assign=True
    )
    return network.requires_grad_(False).eval()


# --- the architecture -----------------------------------------------------------------------------


def infer(path: Path, shapes: Mapping[str, Shape]) -> LucidrainsConfig:
    """Return the shape of a U-Net from those of its tensors; raises EngineError, naming the first
    that fits none."""
    from diffusion_gui.engine.denoisers.lucidrains_unet import LucidrainsConfig

    _refuse_others(path, shapes)
    levels = _count(shapes, r"downs\.(\d+)\.")
    if not levels or levels > 12:
        raise EngineError(f"{path}: {levels} resolutions fit no U-Net of {KIND}")
    widths = [_shape(path, shapes, "init_conv.weight", 4)[0]]
    for place in range(levels):
        last = place == levels - 1
        name = f"downs.{place}.3.weight" if last else f"downs.{place}.3.1.weight"
        widths.append(_shape(path, shapes, name, 4)[0])
    shown = _shape(path, shapes, "init_conv.weight", 4)[1]
    given = _shape(path, shapes, "final_conv.weight", 4)[0]
    conditioned = shown in (2, 6)
    channels = shown // 2 if conditioned else shown
    if given not in (channels, 2 * channels):
        raise EngineError(
            f"{path}: it is shown {channels} channels and answers with {given}; a network that"
            f" draws answers with {channels}, or {2 * channels} with a learned variance"
        )
    dim = _shape(path, shapes, "time_mlp.1.weight", 2)[1]
    attention = [_heads(path, shapes, f"downs.{place}.2") for place in range(levels)]
    return LucidrainsConfig(
        channels=channels,
        channels_out=given,
        self_condition=conditioned,
        dim=dim,
        widths=tuple(widths),
        attention=(*attention, _heads(path, shapes, "mid_attn")),
    )


def _refuse_others(path: Path, shapes: Mapping[str, Shape]) -> None:
    if any(name.startswith(("classes_emb", "null_classes_emb", "classes_mlp")) for name in shapes):
        raise EngineError(
            f"{path}: the class-conditional U-Net of denoising-diffusion-pytorch is not read here;"
            " train the plain one, or a diffusers UNet2DModel"
        )
    if "time_mlp.0.weights" in shapes:
        raise EngineError(f"{path}: a U-Net with learned waves of time is not read here")
    if _MEMORY not in shapes:
        raise EngineError(
            f"{path}: the layout is that of an older denoising-diffusion-pytorch ({_MEMORY} is"
            " missing); version 2 is read here"
        )


def _heads(path: Path, shapes: Mapping[str, Shape], place: str) -> Heads:
    from diffusion_gui.engine.denoisers.lucidrains_unet import Heads

    kept = _shape(path, shapes, f"{place}.mem_kv", 4)
    full = f"{place}.to_out.weight" in shapes
    width, memory = (kept[3], kept[2]) if full else (kept[2], kept[3])
    return Heads(full, kept[1], width, memory)


def _shape(path: Path, shapes: Mapping[str, Shape], name: str, axes: int) -> Shape:
    found = shapes.get(name, ())
    if len(found) != axes or not all(found):
        told = "is missing" if name not in shapes else f"is {list(found)}"
        raise EngineError(f"{path}: its tensors fit no {KIND}: {name} {told}")
    return found


def _count(shapes: Mapping[str, Shape], pattern: str) -> int:
    found = {int(match[1]) for name in shapes if (match := re.match(pattern, name))}
    return len(found) if found == set(range(len(found))) else 0


# --- what the diffusion left in the file ----------------------------------------------------------


def _buffer(file: TensorFile, prefix: str, names: tuple[str, ...]) -> tuple[str, Array] | None:
    """Return a buffer of the diffusion around the network at `prefix`, else of any."""
    beside = prefix.removesuffix("model.")
    for name in names:
        ends = sorted(
            (one for one in file.shapes if one.rpartition(".")[2] == name),
            key=lambda one: (one != f"{beside}{name}", len(one)),
        )
        if ends and len(file.shapes[ends[0]]) == 1:
            return name, file.read(ends[:1])[ends[0]].double().numpy().astype(np.float64)
    return None


def _schedule(file: TensorFile, prefix: str) -> ScheduleSpec | None:
    found = _buffer(file, prefix, ("betas", "alphas_cumprod"))
    if found is None:
        return None
    name, values = found
    try:
        if name == "betas":
            return of_betas(without_clean(values), name)
        return of_alpha_bar(values, name)
    except EngineError as error:
        raise EngineError(f"{file.path}: {error}") from None


def _objective(file: TensorFile, prefix: str, spec: ScheduleSpec) -> Prediction | None:
    """Return what is predicted, which the weight of the loss over t tells: see `GaussianDiffusion`.

    It is the SNR, or the SNR held at 5 (min-SNR), over 1 for the picture, over the SNR for noise,
    over the SNR + 1 for v.
    """
    found = _buffer(file, prefix, ("loss_weight",))
    snr = np.exp(build(spec).log_snr[1:])
    if found is None or len(found[1]) != len(snr):
        return None
    low = snr < 1.0  # where no usual gamma of min-SNR holds it
    if np.count_nonzero(low) < 2:
        return None
    over = {Prediction.EPSILON: snr, Prediction.SAMPLE: np.ones_like(snr), Prediction.V: snr + 1.0}
    wrong = {
        kind: float(np.abs(found[1][low] * under_it[low] / snr[low] - 1.0).max())
        for kind, under_it in over.items()
    }
    best = min(wrong, key=lambda kind: wrong[kind])
    return best if wrong[best] < 0.05 else None
