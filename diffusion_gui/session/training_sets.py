"""Pictures to learn from: the emoji set, a folder, or the tray, with their captions.

A picture in a class folder is called by the folder's name, one directly in the folder given by
its own, without the number at its end. Imports torch where a `PictureSet` is made.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.experiment import PictureRef
from diffusion_gui.engine.image_files import find_images, printable
from diffusion_gui.engine.images import Pixels, read_picture, square
from diffusion_gui.engine.threads import share
from diffusion_gui.session import library
from diffusion_gui.session.files import AnyPath
from diffusion_gui.session.picture_store import PictureStore
from diffusion_gui.session.training_plan import Source

if TYPE_CHECKING:
    from diffusion_gui.engine.training.data import PictureSet

HELD_OUT = 10
"""Of the emoji every tenth is held out, to measure what the network makes of unseen ones."""
_HELD_REMAINDER = 7
TRAINING_SIZES = (32, 64)
MOST_PICTURES = 100_000
"""So many pictures are learned from at most: they take 1.2 GB of memory at 64 pixels."""
_MOST_FOUND = 1_000_000
_FEW = 20
_TOGETHER = 32
"""Files that are read before it is asked again whether to go on."""

Item = TypeVar("Item")
Poll = Callable[[int, int], None]
"""Called with how many pictures of how many are read (0, 0 while they are searched); may raise."""


@dataclass(frozen=True, slots=True, eq=False)
class TrainingSet:
    """Pictures to learn from, and what there is to say of them."""

    pictures: PictureSet
    name: str
    """What they are, in a few words, for the model list."""
    mirrored: bool
    """Whether half of them may be mirrored: not where they hold letters and arrows."""
    problems: tuple[str, ...] = ()
    """One line for every file that was left out."""
    notes: tuple[str, ...] = ()
    """One line for everything to know before training."""


def emoji_places(held_out: bool) -> list[int]:
    """Return the places in the emoji set that are held out of trainings, or the others."""
    return [
        place
        for place in range(len(library.captions()))
        if (place % HELD_OUT == _HELD_REMAINDER) == held_out
    ]


def emoji_set(size: int, hold_out: bool = True) -> PictureSet:
    """Return the bundled emoji, without those that are held out, with their CLDR names."""
    from diffusion_gui.engine.training.data import PictureSet

    names = library.captions()
    places = emoji_places(held_out=False) if hold_out else list(range(len(names)))
    return PictureSet.of(library.emoji(size)[places], [names[place] for place in places])


def bundled_set(size: int) -> TrainingSet:
    """Return the emoji to learn from; they are not mirrored, as they hold letters and flags."""
    return TrainingSet(emoji_set(size), "emoji", mirrored=may_mirror(Source.EMOJI))


def may_mirror(source: Source) -> bool:
    """Return whether pictures may be mirrored: as is usual for photographs, not for letters."""
    return source is not Source.EMOJI


def folder_set(
    folder: AnyPath,
    size: int,
    words: tuple[str, ...] | None = None,
    poll: Poll = lambda done, total: None,
) -> TrainingSet:
    """Read the pictures in a folder and below as central squares of `size` pixels.

    Of more than `MOST_PICTURES` some are taken, evenly spread; one picture is held at full size
    at a time in each of a few threads. `words` is the vocabulary of a network that is trained
    further. What cannot be read is left out and named. Raises EngineError where nothing is left.
    """
    root = Path(folder)
    if not root.is_dir():
        missing = "there is no such folder" if not root.exists() else "this is not a folder"
        raise EngineError(f"{folder}: {missing}; give a folder with images")
    files, problems = find_images([root], _MOST_FOUND, lambda found: poll(0, 0))
    if not files:
        reason = problems[0].removeprefix(f"{printable(root.name)[:80]}: ")
        raise EngineError(f"{folder}: {reason}; give a folder with images")
    chosen = _spread(files)
    notes = _notes_of(len(files), len(chosen))
    pixels, kept = _squares(chosen, size, problems, poll)
    if not kept:
        raise EngineError(f"{folder}: none of its images can be read ({problems[0]})")
    captions = [caption_of(chosen[place], root) for place in kept]
    name = printable(root.resolve().name)
    return _training_set(pixels, captions, words, name, problems, notes)


def tray_set(
    store: PictureStore,
    pictures: Sequence[PictureRef],
    size: int,
    words: tuple[str, ...] | None = None,
    poll: Poll = lambda done, total: None,
) -> TrainingSet:
    """Return pictures of the tray as central squares of `size` pixels, called by their folders.

    A picture that is in no folder of its own kind is called by its name. What can no longer be
    read is left out and named; raises EngineError where nothing is left.
    """
    chosen = _spread(pictures)
    pixels = np.empty((len(chosen), size, size, 3), np.uint8)
    kept: list[PictureRef] = []
    problems: list[str] = []
    for ref in chosen:
        poll(len(kept) + len(problems), len(chosen))
        try:
            pixels[len(kept)] = store.squares([ref], size)[0]
        except EngineError as error:
            problems.append(str(error))
        else:
            kept.append(ref)
    if not kept:
        raise EngineError(
            f"none of the pictures can be read ({problems[0]})"
            if problems
            else "there are no pictures to learn from: drop some, or choose Emoji"
        )
    notes = _notes_of(len(pictures), len(chosen))
    return _training_set(pixels[: len(kept)], _tray_captions(kept), words, "tray", problems, notes)


def caption_of(file: Path, root: Path) -> str:
    """Return what a picture is called: its class folder below `root`, or else its own name."""
    return file.parent.name if file.parent != root else unnumbered(file.stem)


def unnumbered(stem: str) -> str:
    """Return a file's name without the number at its end: "red heart (2)" is "red heart"."""
    return re.sub(r"[\s_\-.(#]*\d+\)?$", "", stem).replace("_", " ").strip()


def _tray_captions(pictures: Iterable[PictureRef]) -> list[str]:
    """Return each picture's folder where they came from several, else each one's name."""
    refs = list(pictures)
    classes = [Path(ref.source).parent.name if Path(ref.source).parent.name else "" for ref in refs]
    if len({name for name in classes if name}) > 1:
        return [
            name or unnumbered(Path(ref.name).stem) for name, ref in zip(classes, refs, strict=True)
        ]
    return [unnumbered(Path(ref.name).stem) for ref in refs]


def _training_set(
    pixels: Pixels,
    captions: list[str],
    words: tuple[str, ...] | None,
    name: str,
    problems: list[str],
    notes: list[str],
) -> TrainingSet:
    from diffusion_gui.engine.training.data import PictureSet

    made = PictureSet.of(pixels, captions, words)
    if len(pixels) < _FEW:
        count = "1 picture is" if len(pixels) == 1 else f"{len(pixels)} pictures are"
        notes = [*notes, f"{count} soon known by heart: the network will draw nothing else"]
    if bool((pixels == pixels[:1, :1, :1]).all()):
        notes = [*notes, "all pixels have one colour: there is nothing else to learn"]
    return TrainingSet(made, name, may_mirror(Source.FOLDER), tuple(problems), tuple(notes))


def _notes_of(found: int, taken: int) -> list[str]:
    if found == taken:
        return []
    return [f"{taken:,} of {found:,} pictures are learned from, evenly spread"]


def _spread(found: Sequence[Item]) -> list[Item]:
    """Return at most `MOST_PICTURES`, evenly spread, so that every class folder stays."""
    count = len(found)
    if count <= MOST_PICTURES:
        return list(found)
    return [found[place * count // MOST_PICTURES] for place in range(MOST_PICTURES)]


def _squares(
    files: Sequence[Path], size: int, problems: list[str], poll: Poll
) -> tuple[Pixels, list[int]]:
    """Return the squares of the files that can be read, and their places among the files."""
    pixels = np.empty((len(files), size, size, 3), np.uint8)
    wrong: dict[int, str] = {}

    def read(places: Iterator[int]) -> None:
        for place in places:
            try:
                pixels[place] = _read_square(files[place], size)
            except EngineError as error:
                wrong[place] = str(error)

    for begin in range(0, len(files), _TOGETHER):
        poll(begin, len(files))
        share(range(begin, min(begin + _TOGETHER, len(files))), read)
    problems.extend(wrong[place] for place in sorted(wrong))
    kept = [place for place in range(len(files)) if place not in wrong]
    for row, place in enumerate(kept if wrong else ()):  # in place: a copy is as large again
        pixels[row] = pixels[place]
    return pixels[: len(kept)], kept


def _read_square(file: Path, size: int) -> Pixels:
    """Return the central square of a file, read no larger than it needs."""
    picture = read_picture(file, 4 * size)
    if min(picture.pixels.shape[:2]) < size and not picture.whole:
        longest, shortest = max(picture.full_size), min(picture.full_size)
        picture = read_picture(file, math.ceil(size * longest / shortest))
    return square(picture.pixels, size)
