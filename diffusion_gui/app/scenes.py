"""What is on show in the image panel, as exports take it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from diffusion_gui.app.parts import Parts
from diffusion_gui.engine.experiment import PictureRef
from diffusion_gui.engine.images import Picture

if TYPE_CHECKING:
    from diffusion_gui.session.forward_export import Scene, Subject


def scene_on_show(parts: Parts) -> Scene | None:
    """Return what is on show, None without a picture."""
    from diffusion_gui.session.format import View
    from diffusion_gui.session.forward_export import Scene

    view, experiment, preview = parts.view, parts.document.experiment, parts.preview
    if preview.picture is None:
        return None
    chosen = {*view.chosen, view.picture}
    subjects = tuple(_subject(parts, ref) for ref in experiment.pictures if ref.id in chosen)
    sides = dict(parts.comparison.sides()) if preview.comparing else {}
    return Scene(experiment, View(view.t, view.picture, view.display.shown), subjects, sides)


def _subject(parts: Parts, ref: PictureRef) -> Subject:
    """Return a picture that is opened in the thread of the job, unless it is on show."""
    from diffusion_gui.session.forward_export import Subject

    pixels, store, forward = parts.preview.pixels, parts.store, parts.document.experiment.forward
    if ref.id == parts.view.picture and pixels is not None:
        return Subject(ref, lambda: Picture(ref.name, pixels))
    return Subject(ref, lambda: store.source(ref.id, forward))


def other_side(scene: Scene) -> Scene:
    """Return what is on show under the side that is compared with."""
    own = scene.experiment.schedule
    spec = next((spec for spec in scene.sides.values() if spec != own), own)
    t = round(scene.view.t / own.T * spec.T)
    experiment = replace(scene.experiment, schedule=spec)
    return replace(scene, experiment=experiment, view=replace(scene.view, t=t))


def side_suffix(parts: Parts) -> str:
    """Return what tells in a file's name which of two sides it is of, "" while there is one."""
    return f"-{parts.comparison.side}" if parts.comparison.other is not None else ""


def file_name(parts: Parts, ending: str, what: str = "") -> str:
    """Return a name for a file of the picture on show."""
    from diffusion_gui.session.forward_export import file_stem

    picture = parts.preview.picture
    return f"{file_stem(picture.name if picture else '')}{what}{ending}"
