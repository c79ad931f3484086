"""`diffusion-cli`: the same engine and files as the window, without it. Knows no Qt.

Every command is one function below. What it reads from the command line is checked before any
work begins (`options.py`, `reading.py`), and torch is imported only where a model runs
(`sampling.py`, `training.py`).
Exit codes: 0 done; 1 `schedule --check` found something, or memory ran out; 2 bad input (one line
on the error stream); 130 Ctrl-C, 143 SIGTERM, after a training has been saved.
"""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import PIL
import typer
from rich.console import Console
from rich.table import Table
from typer.core import TyperGroup

from diffusion_gui import __version__
from diffusion_gui.cli import options, reading, sampling, training
from diffusion_gui.engine.denoisers import LEARNED, MODELS
from diffusion_gui.engine.errors import EngineError, ran_out_of_memory
from diffusion_gui.engine.experiment import (
    EMOJI,
    PICTURES,
    WORKING_SIZES,
    Experiment,
    Fit,
    Forward,
    NoiseKind,
    Sampling,
)
from diffusion_gui.engine.forward import Shown
from diffusion_gui.engine.images import Picture, arranged, colour, read_picture
from diffusion_gui.engine.planning import trained_to
from diffusion_gui.engine.schedules import ScheduleSpec, build
from diffusion_gui.engine.schedules.doctor import Finding, Severity, Use, examine
from diffusion_gui.session import export
from diffusion_gui.session.animation import Motion, check_animation, check_frames, save_animation
from diffusion_gui.session.diffusers_export import NOTES_KEY, to_config
from diffusion_gui.session.files import check_target
from diffusion_gui.session.format import View, check
from diffusion_gui.session.forward_export import Scene, Subject, save_strip
from diffusion_gui.session.networks import NetworkStore
from diffusion_gui.session.picture_store import PictureStore
from diffusion_gui.session.resources import resource
from diffusion_gui.session.schedule_import import Imported

_USUAL_STEPS = 20
"""Steps with which a schedule is examined; `sample` takes as many unless told otherwise."""


class _OneLineErrors(TyperGroup):
    """A command group that ends every expected failure with one line and the right exit code."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        try:
            code = super().main(*args, **{**kwargs, "standalone_mode": False})
        except (typer.Abort, KeyboardInterrupt):
            code = 130
        except Exception as error:
            code = _report(error)
        sys.exit(int(code or 0))


def _report(error: Exception) -> int:
    """Print `error` as one line and return the exit code; raise it again if it is a defect."""
    usage: Callable[[], str] | None = getattr(error, "format_message", None)
    if usage is not None:  # typer's own, whose class has moved between its versions
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "diffusion-cli"
        text, code = f"{usage().rstrip('.')}; see {command} --help", 2
    elif isinstance(error, EngineError | OSError):
        text, code = str(error), 2
    elif ran_out_of_memory(error):
        text, code = "not enough memory; lower --count or --size", 1
    else:
        raise error
    typer.echo(f"diffusion-cli: {' '.join(text.split())}", err=True)
    return code


app = typer.Typer(
    cls=_OneLineErrors,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Noise schedules, noised pictures and samples, without the window.",
)


@app.command()
def schedule(
    preset: options.PresetName = None,
    source: options.ScheduleFile = None,
    timesteps: options.Timesteps = None,
    settings: options.PresetSettings = None,
    image_size: options.ImageSize = None,
    check: options.Check = False,
    target: options.ScheduleTarget = None,
    scheduler: options.SchedulerName = None,
) -> None:
    """Show a noise schedule at eleven times, and what is good or doubtful about it."""
    if (preset is None) == (source is None):
        raise EngineError("schedule: give either --preset NAME or --from FILE")
    if target is not None:
        check_target(target, export.SCHEDULE_WRITERS)
    if scheduler is not None and (target is None or target.suffix.lower() != ".json"):
        raise EngineError(f"--scheduler {scheduler}: this names the class of an exported .json")
    found = reading.find_schedule(preset or str(source), timesteps, settings, image_size)
    if target is not None:
        _export(found.spec, target, scheduler or "")
    findings = examine(
        found.spec, Use(found.spacing, _USUAL_STEPS, found.prediction, found.spacing_params)
    )
    _print_schedule(found, findings)
    if check and any(f.severity in (Severity.WARNING, Severity.ERROR) for f in findings):
        raise typer.Exit(1)


@app.command()
def noise(
    image: options.Picture,
    output: options.Output,
    schedule: options.ScheduleSource = "cosine",
    image_size: options.ImageSize = None,
    times: options.Times = None,
    seed: options.Seed = 0,
    size: options.PictureSize = 256,
    fit: options.FitName = Fit.FIT.value,
    background: options.Background = "#ffffff",
    kind: options.NoiseName = NoiseKind.FROZEN.value,
    offset: options.Offset = 0.0,
    shown: options.ShownName = Shown.CLIP.value,
    animation: options.MotionFile = None,
) -> None:
    """Noise a picture to several times t and write them side by side.

    The PNG carries the experiment: the window restores it when the file is opened there.
    """
    check_target(output, (".png",))
    if animation is not None:
        check_animation(animation)
    found = reading.find_schedule(schedule, None, image_size=image_size)
    chosen = reading.read_times(times, found.spec.T)
    store = PictureStore()
    ref = store.add(read_picture(image), str(image))
    background = background.lower()
    large = next((known for known in WORKING_SIZES if known >= size), 0) if size else 0
    forward = Forward(large, Fit(fit), background, NoiseKind(kind), offset)
    view = View(chosen[len(chosen) // 2], ref.id, Shown(shown))
    experiment = Experiment(found.spec, (ref,), forward, seed=seed)
    check(experiment)
    picture = store.source(ref.id, replace(forward, size=size))
    pixels = arranged(picture, size, fit, colour(background))
    # x_0 at a size between the window's own is a picture of that size, which is not enlarged there
    scene = Scene(experiment, view, (Subject(ref, lambda: Picture(ref.name, pixels)),))
    if animation is not None:
        check_frames(animation, len(Motion().times(found.spec.T)), pixels)
    save_strip(output, scene, {"": chosen})
    typer.echo(f"{output}: {image.name} at t = {reading.names(chosen)}")
    if animation is not None:
        count = save_animation(animation, scene, Motion())
        typer.echo(f"{animation}: {count} frames")


@app.command()
def sample(
    context: typer.Context,
    output: options.Output,
    source: options.ExportedRun = None,
    model: options.ModelName = "exact",
    model_settings: options.ModelSettings = None,
    network_settings: options.NetworkSettings = None,
    images: options.Images = EMOJI,
    sampler: options.SamplerName = "ddim",
    settings: options.SamplerSettings = None,
    steps: options.Steps = 20,
    schedule: options.ScheduleSource = "cosine",
    timesteps: options.Timesteps = None,
    image_size: options.ImageSize = None,
    count: options.Count = 16,
    seed: options.Seed = 0,
    size: options.Size = None,
    spacing: options.SpacingName = "trailing",
    spacing_settings: options.SpacingSettings = None,
    levels: options.LevelList = None,
    label: options.Label = "",
    guidance: options.GuidanceName = "",
    guidance_settings: options.GuidanceSettings = None,
    against: options.Against = "",
    restart_settings: options.RestartSettings = None,
    device: options.DeviceName = "auto",
    start: options.StartPicture = None,
    t: options.StartTime = None,
    trajectory: options.TrajectoryFile = None,
    animation: options.AnimationFile = None,
) -> None:
    """Sample pictures by the reverse process and write them as a grid."""
    wanted = sampling.Files(output, trajectory, animation)
    wanted.check()
    networks = NetworkStore()
    if source is not None:
        apart = ("source", "output", "device", "trajectory", "animation")
        given = model not in MODELS  # the file of the run's network, which it does not name itself
        also = ("model", "network_settings") if given else ()
        reading.check_alone(context, (*apart, *also))
        if given:
            reading.find_network(model, networks, network_settings)
        _sample(sampling.exported(source, wanted, networks), device, wanted)
        return
    model, network = reading.find_network(model, networks, network_settings)
    about = networks.about(network) if model in LEARNED else None
    size = reading.read_size(size, about, model)
    params = reading.read_sampler_settings(sampler, settings)
    model_params = reading.read_model_settings(model, model_settings)
    found = reading.find_schedule(schedule, timesteps, image_size=image_size)
    told = Sampling(
        model=model,
        model_params=model_params,
        data=EMOJI if images == EMOJI else PICTURES,
        size=size,
        sampler=sampler,
        params=params,
        steps=steps,
        spacing=spacing,
        spacing_params=reading.read_spacing_settings(
            spacing, spacing_settings, trained_to(found.spec, about) if about is not None else 0.0
        ),
        levels=reading.read_levels(levels, spacing),
        label=label,
        guidance=reading.read_guidance(guidance, guidance_settings, against),
        restart=reading.read_restart_settings(restart_settings),
        count=count,
        network=network,
    )
    experiment = Experiment(found.spec, sampling=told, seed=seed)
    job = sampling.prepare(experiment, images, start, t, wanted, networks)
    known = sampling.network_notes(experiment, networks)
    _sample(job, device, wanted, [*found.notes, *known])


def _sample(
    job: sampling.Job, device: str, wanted: sampling.Files, notes: Sequence[str] = ()
) -> None:
    """Run a job, write its files and say so, after what there is to note of its settings."""
    for note in notes:
        typer.echo(f"note: {note}", err=True)
    for problem in job.problems:
        typer.echo(f"left out: {problem}", err=True)
    begin = time.perf_counter()
    recording = sampling.sample(job, device, wanted)
    for note in recording.notes:
        typer.echo(f"note: {note}", err=True)
    wanted.write(recording, job)
    seconds = time.perf_counter() - begin
    count = job.experiment.sampling.count
    pictures = f"{count} picture{'s' * (count > 1)}"
    typer.echo(f"{wanted.grid}: {pictures} in {seconds:.1f} s, NFE {recording.calls}")


app.command()(training.train)


@app.command()
def info() -> None:
    """Show versions, devices, memory and where the bundled files lie."""
    import torch

    from diffusion_gui.engine import device as devices

    rows = {
        "diffusion-gui": __version__,
        "python": f"{platform.python_version()} ({sys.executable})",
        "system": platform.platform(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "pillow": PIL.__version__,
        "devices": "; ".join(
            f"{name}: {devices.describe(torch.device(name))}" for name in devices.available()
        ),
        "threads": str(torch.get_num_threads()),
        "memory": _memory(),
        "program": str(Path(__file__).parent),
        "resources": str(resource("emoji").parent),
    }
    for name, value in rows.items():
        typer.echo(f"{name:<14}{value}")


def _memory() -> str:
    """Return the machine's memory and that of its CUDA device, as far as they can be told."""
    import torch

    parts = []
    if hasattr(os, "sysconf"):
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        parts.append(f"{total / 1024**3:.1f} GiB")
    if torch.cuda.is_available():
        free, total = torch.cuda.mem_get_info()
        parts.append(f"cuda: {free / 1024**3:.1f} of {total / 1024**3:.1f} GiB free")
    return "; ".join(parts) or "unknown"


def _export(spec: ScheduleSpec, target: Path, scheduler: str) -> None:
    """Write a schedule, and say what a diffusers config does not hold of it."""
    made = build(spec)
    export.save_schedule(made, target, spec, scheduler)
    if target.suffix.lower() == ".json":
        for note in to_config(made, spec, scheduler).get(NOTES_KEY, ()):
            typer.echo(f"note: {target}: {note}", err=True)


def _print_schedule(found: Imported, findings: tuple[Finding, ...]) -> None:
    made = build(found.spec)
    table = Table("t", "beta", "alpha_bar", "SNR dB", box=None, pad_edge=False)
    for column in table.columns:
        column.justify = "right"
    for t in np.unique(np.round(np.linspace(0, made.T, 11)).astype(int)).tolist():
        beta, alpha_bar = float(made.beta[t]), float(made.alpha_bar[t])
        table.add_row(str(t), f"{beta:.6g}", f"{alpha_bar:.6g}", f"{made.snr_db(t):.2f}")
    console = Console(highlight=False)
    console.print(table)
    lines = [f"note: {note}" for note in found.notes]
    lines += [f"{finding.severity}: {finding.text}" for finding in findings]
    for line in [*_use(found), *lines]:
        console.print(line, markup=False, soft_wrap=True)


def _use(found: Imported) -> list[str]:
    """Return a line with what a file says of the use of its schedule, if it says anything."""
    settings = "".join(f", {name} = {value:g}" for name, value in found.spacing_params)
    parts = [
        f"predicts {found.prediction}" if found.prediction else "",
        f"spacing {found.spacing}{settings}" if found.spacing else "",
        "clips x0" if found.clip_sample else "",
    ]
    said = "; ".join(part for part in parts if part)
    return [f"use: {said}"] if said else []


def main() -> None:
    """Run the program with the arguments of the process; always ends in SystemExit."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # terminals that cannot print a beta
    app(prog_name="diffusion-cli")
