"""A run as a Python script that makes it again, short, only what is needed. No Qt, no torch.

Pictures are read from their files, at the side at which the window keeps them; those in no file
stand in the script as PNGs, at the size at which the run takes them.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any, cast

from PIL import Image

from diffusion_gui import __version__
from diffusion_gui.engine.denoisers import MODELS
from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.experiment import Experiment, Forward, PictureRef, Sampling
from diffusion_gui.engine.images import MAX_SIDE
from diffusion_gui.engine.lineage import lineage
from diffusion_gui.engine.planning import network_id
from diffusion_gui.engine.samplers import SAMPLERS
from diffusion_gui.engine.schedules import ScheduleSpec
from diffusion_gui.session.picture_store import PictureStore
from diffusion_gui.session.python_values import WIDTH, Call, Raw, call, names_in, of, written
from diffusion_gui.session.restore import BUNDLED
from diffusion_gui.session.run_inputs import arrangement, squares
from diffusion_gui.session.shared import begun_with, learns_from_tray, needed

MOST_EMBEDDED = 48 * 1024
"""Bytes of pictures that a script may hold itself."""
_MODULES = {
    "diffusion_gui.engine": (
        "Experiment", "Fit", "Fork", "Forward", "Guidance", "Inpaint", "Sampling", "ScheduleSpec",
        "Start", "build", "run", "to_pixels",
    ),
    "diffusion_gui.engine.device": ("choose",),
    "diffusion_gui.engine.images": ("Picture", "contact_sheet", "read_picture"),
    "diffusion_gui.engine.models": ("build_model", "guided", "to_batch"),
    "diffusion_gui.engine.noise": ("START", "gaussian_batch"),
    "diffusion_gui.engine.planning": ("plan",),
    "diffusion_gui.engine.schedules": ("ControlPoint",),
    "diffusion_gui.session.export": ("save_grid",),
    "diffusion_gui.session.networks": ("NetworkStore",),
    "diffusion_gui.session.picture_store": ("PictureStore",),
    "diffusion_gui.session.run_inputs": ("RunInputs", "carriage"),
}  # fmt: skip


def run_source(experiment: Experiment, store: PictureStore, on_cpu: bool = True) -> str:
    """Return a script that makes the samples of a run again and saves them as samples.png.

    On the kind of device that the run had it gives the same pixels. Raises EngineError where more
    pictures are in no file than a script can hold.
    """
    script = Script(experiment, store)
    title = f"{about(experiment)}.\n\nMade by Diffusion GUI {__version__}; writes samples.png.\n"
    given = script.inputs
    device = "" if on_cpu else ', choose("auto")'
    script.uses |= {"run", "RunInputs", "save_grid", "to_pixels"} | (
        {"choose"} if device else set()
    )
    script.say(
        "",
        f"for step in run(experiment, {given}{device}):",
        '    print(f"step {step.index}: t = {step.t}")',
        "",
    )
    if script.pictures:
        script.uses.add("carriage")
        script.say(
            "kept = carriage(experiment, store)  # with its pictures: the file restores the run",
            "pixels = to_pixels(step.x_t)",
            'save_grid("samples.png", pixels, kept.experiment, pictures=kept.pictures)',
        )
    else:
        script.say('save_grid("samples.png", to_pixels(step.x_t), experiment)')
    return script.text(title)


def about(experiment: Experiment) -> str:
    """Return a run in a few words: "16 samples of Exact by DDIM, 20 steps, seed 0"."""
    sampling = experiment.sampling
    model, sampler = MODELS[sampling.model].title, SAMPLERS[sampling.sampler].title
    if network_id(sampling) and sampling.network is not None:
        model = sampling.network.name
    samples = f"{sampling.count} sample{'s' * (sampling.count > 1)}"
    line = f"{samples} of {model} by {sampler}, {sampling.steps} steps, seed {experiment.seed}"
    return line + (f", forked at step {experiment.fork.step}" if experiment.fork else "")


@dataclass(eq=False)
class Script:
    """The beginning of a script: `experiment` and, where it takes pictures in, their `store`."""

    experiment: Experiment
    store: PictureStore
    uses: set[str] = field(default_factory=set)
    """Names to be imported."""
    others: list[str] = field(default_factory=list)
    """Lines of imports besides those of this program."""
    pictures: list[Call | Raw] = field(init=False)
    """What opens each picture that is needed."""

    def __post_init__(self) -> None:
        self._lines: list[str] = []
        self.pictures = []
        self._places: dict[tuple[str, object], int] = {}
        self._room = MOST_EMBEDDED
        self._networks: dict[str, str] = {}
        """The name in the script of each network in a file of its own, by its id."""
        line = list(lineage(self.experiment))[::-1]
        for one in line:
            for picture_id in needed(one):
                self._open(one, picture_id)
        self._write_pictures()
        self._write_networks(line)
        self._write_experiments(line)

    @property
    def inputs(self) -> str:
        """The source of what gives the run its pixels and its network."""
        store = ["store"] if self.pictures else []
        networks = ["networks=networks"] if self._networks else []
        return f"RunInputs({', '.join(store + networks)})"

    def say(self, *lines: str) -> None:
        """Add lines."""
        self._lines += lines

    def text(self, title: str) -> str:
        """Return the whole script."""
        imports = [
            _import(module, sorted(self.uses & set(names), key=_order))
            for module, names in _MODULES.items()
            if self.uses & set(names)
        ]
        heads = ["\n".join(self.others), "\n".join(imports)]
        head = "\n\n".join(part for part in heads if part)
        return f'"""{title}"""\n\n{head}\n\n' + "\n".join(self._lines) + "\n"

    # --- pictures -------------------------------------------------------------------------------

    def _open(self, experiment: Experiment, picture_id: str) -> None:
        """Note how a picture that a run takes in is opened."""
        ref = next((r for r in experiment.pictures if r.id == picture_id), None)
        way = self._way(ref) if ref is not None else None
        key = (picture_id, None) if way is not None else _arranged_key(experiment, picture_id)
        if key not in self._places:
            self._places[key] = len(self.pictures)
            self.pictures.append(way or self._embedded(experiment, picture_id, ref))

    def _way(self, ref: PictureRef) -> Call | Raw | None:
        """Return how a bundled picture, or one in a file, is opened."""
        if ref.source == BUNDLED and ref.id.startswith("emoji-"):
            return Raw(f"emoji[{ref.id.removeprefix('emoji-')}]")
        if ref.source == BUNDLED:
            return call("store.defer_photo", ref.name)
        if not ref.source or ref.source.startswith("restored:") or not _is_path(ref.source):
            return None
        side = self.store.side_of(ref.id)
        named = {} if side == MAX_SIDE else {"side": side}
        return call("store.open", ref.source, **named)

    def _embedded(self, experiment: Experiment, picture_id: str, ref: PictureRef | None) -> Call:
        """Return a picture that is in no file, as the run takes it."""
        wanted = (PictureRef(picture_id, ""),)
        content = io.BytesIO()
        pixels = squares(self.store, experiment, wanted)[0]
        Image.fromarray(pixels).save(content, format="PNG", optimize=True)
        text = base64.b64encode(content.getvalue()).decode()
        self._room -= len(text)
        name = ref.name if ref is not None else "start"
        if self._room < 0:
            raise EngineError(
                f"{name} is in no file, and too large for a script with the others; save it, open"
                " it from there and run again"
            )
        return call("pasted", text, name, ref.source if ref is not None else "")

    def _name(self, experiment: Experiment, picture_id: str) -> str:
        """Return the source of a picture's reference."""
        place = self._places.get((picture_id, None))
        if place is None:
            place = self._places[_arranged_key(experiment, picture_id)]
        return "picture" if len(self.pictures) == 1 else f"pictures[{place}]"

    def _write_pictures(self) -> None:
        if not self.pictures:
            return
        self.uses.add("PictureStore")
        self.say("store = PictureStore()")
        if self._room < MOST_EMBEDDED:
            self.uses.add("Picture")
            modules = ("import base64", "import io", "", "import numpy as np")
            self.others += [*modules, "from PIL import Image"]
            self.say(*_PASTED)
        ways = [one.text for one in self.pictures if isinstance(one, Raw)]
        if ways:
            self.say("emoji = store.defer_emoji()")
        if ways == [f"emoji[{i}]" for i in range(len(self.pictures))] and len(ways) > 1:
            self.say(f"pictures = emoji[:{len(ways)}]", "")
        elif len(self.pictures) == 1:
            self.say(f"picture = {written(self.pictures[0], 0, 10)}", "")
        else:
            self.say("pictures = (")
            self._lines += [f"    {written(one, 4, 1)}," for one in self.pictures]
            self.say(")", "")

    # --- networks -------------------------------------------------------------------------------

    def _write_networks(self, line: Sequence[Experiment]) -> None:
        """Open the files of networks; the bundled one is at hand. Raises EngineError for none."""
        asked = (one.sampling.network for one in line if network_id(one.sampling))
        refs = {ref.id: ref for ref in asked if ref is not None}
        if not refs:
            return
        self.uses.add("NetworkStore")
        self.say("networks = NetworkStore()")
        for number, ref in enumerate(refs.values(), start=1):
            if not ref.source:
                raise EngineError(
                    f"{ref.name} is in no file: save it, choose it again and run, then copy"
                )
            name = self._networks[ref.id] = "network" if len(refs) == 1 else f"network_{number}"
            told = (ref.source, ref.name, *([ref.use] if ref.use else []))
            opened = written(call("networks.open_model", *told), 0, len(name) + 3)
            self.say(f"{name} = {opened}")
        self.say("")

    # --- experiments ----------------------------------------------------------------------------

    def _write_experiments(self, line: Sequence[Experiment]) -> None:
        """Write the runs, those that are forked from before their forks."""
        schedules: dict[ScheduleSpec, str] = {}
        before = ""
        for number, one in enumerate(line, start=1):
            node = self._experiment(one, before, schedules)
            before = "experiment" if number == len(line) else f"run_{number}"
            self.uses |= names_in(node)
            self.say(f"{before} = {written(node, 0, len(before) + 3)}")

    def _experiment(
        self, experiment: Experiment, parent: str, schedules: dict[ScheduleSpec, str]
    ) -> Call:
        forward, sampling = experiment.forward, self._sampling(experiment)
        parts: dict[str, object] = {}
        if experiment.schedule != ScheduleSpec():
            parts["schedule"] = self._schedule(experiment.schedule, schedules)
        if taken := needed(experiment):
            parts["pictures"] = self._refs(experiment)
        plain = Forward(fit=forward.fit, background=forward.background)
        if taken and plain != Forward():
            parts["forward"] = of(plain)
        if sampling != Sampling():
            parts["sampling"] = of(sampling)
        if experiment.seed:
            parts["seed"] = experiment.seed
        if experiment.fork is not None:
            parts["fork"] = call("Fork", Raw(parent), step=experiment.fork.step)
        return call("Experiment", **parts)

    def _sampling(self, experiment: Experiment) -> Sampling:
        """Return the settings with source in place of the ids of pictures."""
        sampling: Any = experiment.sampling
        for name in ("start", "inpaint"):
            part = getattr(sampling, name)
            if part is not None:
                picture = Raw(f"{self._name(experiment, part.picture)}.id")
                sampling = replace(sampling, **{name: replace(part, picture=picture)})
        if sampling.network is not None:
            there = self._networks.get(sampling.network.id)
            sampling = replace(sampling, network=Raw(there) if there else None)
        return cast("Sampling", sampling)

    def _refs(self, experiment: Experiment) -> object:
        """Return the references that a run keeps: its data, or else what it begins with."""
        own = learns_from_tray(experiment.sampling)
        ids = [ref.id for ref in experiment.pictures] if own else begun_with(experiment)
        names = [self._name(experiment, picture_id) for picture_id in ids]
        if len(names) > 1 and names == [f"pictures[{i}]" for i in range(len(self.pictures))]:
            return Raw("pictures")
        return tuple(map(Raw, names))

    def _schedule(self, spec: ScheduleSpec, known: dict[ScheduleSpec, str]) -> object:
        """Return a schedule, or the name of one that takes more than a line."""
        node = of(spec)
        if spec not in known and "\n" not in written(node, 4, 10):
            return node
        if spec not in known:
            known[spec] = f"schedule_{len(known) + 1}" if known else "schedule"
            self.uses |= names_in(node)
            self.say(f"{known[spec]} = {written(node, 0, len(known[spec]) + 3)}")
        return Raw(known[spec])


_PASTED = (
    "",
    "",
    "def pasted(png, name, source):",
    '    """Add a picture that is in no file."""',
    '    pixels = np.array(Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB"))',
    "    return store.add(Picture(name, pixels), source)",
    "",
    "",
)


def _arranged_key(experiment: Experiment, picture_id: str) -> tuple[str, object]:
    return picture_id, arrangement(experiment)


def _is_path(source: str) -> bool:
    return PurePosixPath(source).is_absolute() or PureWindowsPath(source).is_absolute()


def _import(module: str, names: Sequence[str]) -> str:
    line = f"from {module} import {', '.join(names)}"
    if len(line) <= WIDTH:
        return line
    return f"from {module} import (\n" + "".join(f"    {name},\n" for name in names) + ")"


def _order(name: str) -> tuple[int, str]:
    """Return where a name stands in an import: constants, classes, functions."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2), name
