"""Checkpoints of other programs: opened by their layout, weights only, never code.

`open_checkpoint` finds out what a path is; `Checkpoint` says it, `CheckpointNetwork` is it with its
`Use` as a network that runs may name. Imports torch only where weights are read.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.experiment import NetworkRef
from diffusion_gui.engine.networks import Network
from diffusion_gui.session.checkpoints import diffusers_unet, lucidrains
from diffusion_gui.session.checkpoints.checkpoint import Checkpoint
from diffusion_gui.session.checkpoints.network import CheckpointNetwork
from diffusion_gui.session.checkpoints.tensors import ENDINGS, SAFE, open_tensors
from diffusion_gui.session.checkpoints.use_text import corrected
from diffusion_gui.session.files import AnyPath
from diffusion_gui.session.model_header import KEY, read_header
from diffusion_gui.session.schedule_weights import MOST_ARRAY_BYTES

__all__ = [
    "Checkpoint",
    "CheckpointNetwork",
    "holds_network",
    "is_own",
    "open_checkpoint",
    "open_network",
]

_LEAST_BYTES = 8 * MOST_ARRAY_BYTES
"""Above this a file of weights is a network; a schedule's tables are smaller."""
_FOLDER_SIGNS = (diffusers_unet.CONFIG, f"unet/{diffusers_unet.CONFIG}", "unet_ema/config.json")


def holds_network(path: AnyPath) -> bool:
    """Return whether a path looks like a network rather than pictures or a schedule alone.

    It may turn out to be none that can be opened: `open_checkpoint` says why.
    """
    file = Path(path)
    if file.is_dir():
        if any((file / sign).is_file() for sign in _FOLDER_SIGNS):
            return True
        index, scheduler = file / diffusers_unet.MODEL_INDEX, file / "scheduler"
        return index.is_file() and not scheduler.is_dir()
    if file.suffix.lower() not in ENDINGS or not file.is_file():
        return False
    try:
        if file.stat().st_size > _LEAST_BYTES or is_own(file):
            return True
        if file.suffix.lower() == SAFE:
            return any(len(shape) > 1 for shape in open_tensors(file).shapes.values())
        return zipfile.is_zipfile(file) and len(zipfile.ZipFile(file).infolist()) > 32
    except (EngineError, OSError, zipfile.BadZipFile):
        return False


def is_own(path: AnyPath) -> bool:
    """Return whether a file is a model or a training of this program's."""
    file = Path(path)
    if file.is_dir() or file.suffix.lower() != SAFE:
        return False
    try:
        return KEY in open_tensors(file).metadata
    except EngineError:
        return False


def open_network(
    path: AnyPath, name: str = "", use: str = "", poll: Callable[[], None] = lambda: None
) -> tuple[NetworkRef, Network]:
    """Return the network of another program's file or folder, called as that says.

    `use` corrects it (`use_text`). Raises EngineError with one line where it is none, or none that
    can be called so. Weights are read when a run asks for them.
    """
    found = open_checkpoint(path)
    found = replace(found, name=name or found.name)
    network = CheckpointNetwork(found, corrected(found.use, use))
    found.check(network.use)
    return network.ref(poll), network


def open_checkpoint(path: AnyPath) -> Checkpoint:
    """Return what a file or folder holds, without reading its weights.

    Raises EngineError with one line, naming the file, where it is no network that draws pictures.
    """
    file = Path(path)
    if file.is_dir():
        return diffusers_unet.read_folder(file)
    found = open_tensors(file)
    if KEY in found.metadata:
        read_header(file)  # says what is wrong with it, if anything is
        raise EngineError(f"{file}: a model of this program's needs no form")
    if lucidrains.is_lucidrains(found):
        return lucidrains.read_lucidrains(found)
    if any(name.endswith(diffusers_unet.MARKER) for name in found.shapes):
        return diffusers_unet.read_file(found)
    if (file.parent / diffusers_unet.CONFIG).is_file():
        return diffusers_unet.read_file(found)  # says what the config is of
    first = next(iter(found.shapes), "nothing")[:60]
    raise EngineError(
        f"{file}: its {len(found.shapes):,} tensors are those of no network known here (first:"
        f" {first}); choose a diffusers {diffusers_unet.CLASS} or a {lucidrains.KIND}"
    )
