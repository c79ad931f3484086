"""What `diffusion-cli sample` does between reading its options and its last word.

Imports torch, but only when a run begins.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from diffusion_gui.cli.progress import step_progress
from diffusion_gui.engine.checkpoint_use import WORDS
from diffusion_gui.engine.denoisers import LEARNED
from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.experiment import EMOJI, Experiment, PictureRef, Start
from diffusion_gui.engine.forecast import obstacle
from diffusion_gui.engine.image_files import find_images
from diffusion_gui.engine.images import Pixels, read_picture, square
from diffusion_gui.engine.lineage import lineage
from diffusion_gui.engine.planning import transitions, untrained, uses_data
from diffusion_gui.engine.trajectory import Frame
from diffusion_gui.session import export, library
from diffusion_gui.session.animation import check_animation
from diffusion_gui.session.checkpoints import CheckpointNetwork
from diffusion_gui.session.files import check_target
from diffusion_gui.session.format import check, decode
from diffusion_gui.session.networks import NetworkStore
from diffusion_gui.session.picture_store import PictureStore
from diffusion_gui.session.png_parts import portable
from diffusion_gui.session.restore import read_experiment, renamed, with_networks
from diffusion_gui.session.run_export import Look, RunMotion, save_run_animation
from diffusion_gui.session.run_inputs import Carriage, RunInputs, carriage, network_of
from diffusion_gui.session.shared import learns_from_tray, needed, shared
from diffusion_gui.session.trajectory_export import ENDINGS, check_trajectory, save_trajectory

if TYPE_CHECKING:
    from diffusion_gui.engine.reverse import Inputs
    from diffusion_gui.engine.samplers import Step

MOST_ANIMATED = 100
"""An animation shows at most this many of a run's steps, evenly, the first and last among them."""
_ANIMATION_SIDE = 800
"""About how many pixels wide an animation is at most."""


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """A run with what gives the pixels that it, and the runs it forks from, take in."""

    experiment: Experiment
    inputs: Callable[[Experiment], Inputs]
    kept: Carriage
    """The run as it goes into files."""
    problems: tuple[str, ...] = ()
    """One line for every file that was left out of the data."""


@dataclass(slots=True)
class Recording:
    """What was kept of a run: the result, and as wished the steps of an animation."""

    result: Pixels = field(default_factory=lambda: np.empty(0, np.uint8))
    animation: list[Frame] = field(default_factory=list)
    calls: int = 0
    """Model calls of the whole run (NFE)."""
    notes: list[str] = field(default_factory=list)
    """One line for everything that the run did without, because memory was short."""


@dataclass(frozen=True, slots=True)
class Files:
    """What a run writes: always the grid, as wished the trajectory and the animation."""

    grid: Path
    trajectory: Path | None
    animation: Path | None

    def check(self) -> None:
        """Raise EngineError if one of them cannot be made."""
        check_target(self.grid, (".png",))
        if self.trajectory is not None:
            check_target(self.trajectory, ENDINGS)
        if self.animation is not None:
            check_animation(self.animation)
        files = [file for file in (self.grid, self.trajectory, self.animation) if file is not None]
        if len({file.absolute() for file in files}) < len(files):
            raise EngineError(f"{self.grid}: two results cannot be one file; name them apart")

    def write(self, recording: Recording, job: Job) -> None:
        """Write what is not written while it runs; raises EngineError as the writers do."""
        kept = job.kept
        export.save_grid(self.grid, recording.result, kept.experiment, pictures=kept.pictures)
        if self.animation is not None:
            count = len(recording.result)
            cell = min(export.CELL, _ANIMATION_SIDE // export.square_columns(count))
            motion = RunMotion(MOST_ANIMATED, 12, 1.5, Look(("x_t",), cell=cell))
            save_run_animation(self.animation, recording.animation, motion, kept)


def prepare(
    experiment: Experiment,
    images: str,
    start: Path | None,
    t: int | None,
    wanted: Files,
    networks: NetworkStore,
) -> Job:
    """Check `experiment`, put the pictures and the start into it, and read their pixels.

    `networks` has the trained network that it may name. Raises EngineError on bad settings, and
    when no image of the data can be read.
    """
    check(experiment)
    if (start is None) != (t is None):
        raise EngineError("--start and --t belong together; give both or neither")
    T = experiment.schedule.T
    if t is not None and t > T:
        raise EngineError(f"--t: {t} is outside 1 to {T}, the T of the schedule; lower it")
    if wanted.trajectory is not None:
        begun = Start("", t) if t is not None else None
        told = replace(experiment, sampling=replace(experiment.sampling, start=begun))
        check_trajectory(wanted.trajectory, told, transitions(told) + 1)
    size = experiment.sampling.size
    begin = None if start is None else _read_square(start, size)
    if images != EMOJI and not uses_data(experiment.sampling):
        raise EngineError(f"--images {images}: a network knows no images; leave it out")
    if uses_data(experiment.sampling):
        pixels, pictures, problems = _read_data(images, size)
    else:
        pixels, pictures, problems = np.empty((0, size, size, 3), np.uint8), (), []
    if begin is not None and t is not None:
        ref = begin[1]
        experiment = replace(
            experiment, sampling=replace(experiment.sampling, start=Start(ref.id, t))
        )
        if not learns_from_tray(experiment.sampling):  # else they are the data, and it is not of it
            pictures = (ref,)
    experiment = replace(experiment, pictures=pictures)
    return _job(experiment, pixels, begin, tuple(problems), networks)


def network_notes(experiment: Experiment, networks: NetworkStore) -> list[str]:
    """Return what there is to say of the trained network of a run, of another program's above all.

    That one is asked about known noise: it should do what it is taken for.
    """
    network, about = network_of(experiment, networks), networks.about(experiment.sampling.network)
    if network is None or about is None:
        return []
    outside = untrained(experiment, about)
    said = [f"steps at levels that the network was not trained at: {outside}"] if outside else []
    if isinstance(network, CheckpointNetwork):
        said = [*network.checkpoint.notes, _sanity(network), *said]
    return said


def _sanity(network: CheckpointNetwork) -> str:
    from diffusion_gui.engine.sanity import examine, how_many, verdict

    use, side = network.use, min(network.use.size, 64)
    emoji = library.emoji(side)[:: len(library.captions()) // how_many(use.size)]
    asked = np.stack([square(one, use.size) for one in emoji[: how_many(use.size)]])
    channels = network.checkpoint.channels
    found = examine(network.loaded(), use, channels, asked, ranges=(use.pixels,))
    score = found.score(use)
    mend = "" if verdict(score) == "yes" else "; see --network-set"
    return f"predicts {WORDS[use.prediction]}: {verdict(score)}, {round(score, 2) + 0.0:.2f}{mend}"


def _job(
    experiment: Experiment,
    pixels: Pixels,
    begin: tuple[Pixels, PictureRef] | None,
    problems: tuple[str, ...],
    networks: NetworkStore,
) -> Job:
    """Return a run of one experiment, with the data and the start that were read for it."""
    emoji = experiment.sampling.data == EMOJI
    labels = library.captions() if emoji else library.labels(experiment.pictures)
    ids = (ref.id for ref in experiment.pictures)
    own = dict(zip(ids, pixels, strict=True)) if learns_from_tray(experiment.sampling) else {}
    if begin is not None:
        own = {begin[1].id: begin[0]} | own
    carried = portable(own)
    kept = Carriage(shared(experiment, carried), carried, len(own) - len(carried))
    network = network_of(experiment, networks)
    if experiment.sampling.model in LEARNED:
        about = network.about if network is not None else None
        if line := obstacle(experiment, labels, about):
            raise EngineError(line)

    def inputs(_: Experiment) -> Inputs:
        from diffusion_gui.engine.reverse import Inputs

        return Inputs(pixels, begin[0] if begin else None, labels, network=network)

    return Job(experiment, inputs, kept, problems)


def exported(source: Path, wanted: Files, networks: NetworkStore) -> Job:
    """Return the run of an experiment that was exported: a .png with its pictures, or a .json.

    Its networks are found among `networks`. Raises EngineError where it holds none, and where a
    picture or a network that the run needs is not at hand.
    """
    store = PictureStore()
    bundled = {ref.id: ref for ref in store.defer_bundled()}
    if source.suffix.lower() == ".json":
        experiment = with_networks(_decoded(source), networks.trusted)
    else:
        check_readable(source)
        found = read_experiment(source, bundled, network=networks.trusted)
        sources = {ref.id: ref.source for ref in found.experiment.pictures}
        ids = {old: store.add(one, sources.get(old, "")).id for old, one in found.pictures.items()}
        if found.left_out:
            raise EngineError(
                f"{source}: {found.left_out} of the pictures that its run needs are not in it;"
                " run it in the window, where they are open"
            )
        experiment = renamed(found, ids).experiment
    for one in lineage(experiment):
        if one.sampling.model in LEARNED and networks.about(one.sampling.network) is None:
            ref = one.sampling.network
            raise EngineError(
                f"{source}: its network {ref.name if ref else 'that is bundled'} is not here: give"
                " its file as --model"
            )
        for picture in needed(one):
            if not store.knows(picture):
                raise EngineError(
                    f"{source}: the picture {picture} is not in a .json; give an exported .png"
                )
    if wanted.trajectory is not None:
        check_trajectory(wanted.trajectory, experiment, transitions(experiment) + 1)
    inputs = RunInputs(store, networks=networks)
    return Job(experiment, inputs, carriage(experiment, store))


def check_readable(source: Path) -> None:
    """Raise EngineError where a file is no PNG that can be there."""
    if source.suffix.lower() not in (".png", ".apng"):
        raise EngineError(f"--from {source}: give an exported .png, .apng or .json")


def _decoded(source: Path) -> Experiment:
    try:
        text = source.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise EngineError(f"--from {source}: it is not text; give an exported .json") from None
    except OSError as error:
        reason = error.strerror or error
        raise EngineError(f"--from {source}: cannot be read ({reason})") from None
    try:
        return decode(text)
    except EngineError as error:
        raise EngineError(f"--from {source}: {error}") from None


def sample(job: Job, device: str, wanted: Files) -> Recording:
    """Run `job` to its end under a progress bar, keeping what `wanted` needs.

    A trajectory is written meanwhile.
    """
    recording = Recording()
    with step_progress() as advance:
        from diffusion_gui.engine import device as devices
        from diffusion_gui.engine.recorder import record
        from diffusion_gui.engine.reverse import model_calls, run

        total = transitions(job.experiment)
        recording.calls = model_calls(job.experiment)
        shown = animated(total) if wanted.animation else set()
        target = devices.choose(device)

        def steps() -> Iterator[Step]:
            for step in run(job.experiment, job.inputs, target, told=recording.notes.append):
                advance(step.index, total)
                if step.index in shown:
                    recording.animation.append(record(step))
                if step.index == total:
                    recording.result = record(step).x0_hat  # raises where it is not finite
                yield step

        if wanted.trajectory is not None:
            save_trajectory(wanted.trajectory, steps(), total + 1, job.kept.experiment)
        else:
            deque(steps(), maxlen=0)
    return recording


def animated(total: int) -> set[int]:
    """Return the steps of 0..total that an animation shows."""
    return {round(x) for x in np.linspace(0, total, min(total + 1, MOST_ANIMATED)).tolist()}


def _read_data(images: str, size: int) -> tuple[Pixels, tuple[PictureRef, ...], list[str]]:
    """Return the emoji, or the central squares of the images in a folder, and what was left out.

    One picture is held at full size at a time.
    """
    if images == EMOJI:
        return library.emoji(size), (), []
    files, problems = find_images([images])
    pixels: list[Pixels] = []
    pictures: list[PictureRef] = []
    for file in files:
        try:
            one, ref = _read_square(file, size)
        except EngineError as error:
            problems.append(str(error))
        else:
            pixels.append(one)
            pictures.append(ref)
    if not pixels:
        raise EngineError(f"--images: {problems[0]}; give a folder with images, or 'emoji'")
    return np.stack(pixels), tuple(pictures), problems


def _read_square(path: Path, size: int) -> tuple[Pixels, PictureRef]:
    picture = read_picture(path)
    return square(picture.pixels, size), PictureStore().add(picture, str(path))
