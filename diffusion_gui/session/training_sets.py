"""Pictures to learn from: the emoji set, a folder, or the tray, with their captions.

A picture in a class folder is called by the folder's name, one directly in the folder given by
its own, without numbers. Imports torch where a `PictureSet` is made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from diffusion_gui.session import library

if TYPE_CHECKING:
    from diffusion_gui.engine.training.data import PictureSet

HELD_OUT = 10
"""Of the emoji every tenth is held out, to measure what the network makes of unseen ones."""
_HELD_REMAINDER = 7


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
