"""Rows of frames on paper, their t below them: film strips and contact sheets, drawn by Pillow.

Frames are set pixel for pixel; small ones are enlarged a whole number of times.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from PIL import Image, ImageDraw, ImageFont

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.images import Pixels
from diffusion_gui.session.schedule_plot import PAPER, SECONDARY, TEXT

MOST_PIXELS = 120_000_000
"""Of one sheet: 360 MB while it is drawn."""
CELL = 96
"""About how many pixels wide a frame is at least."""
_MARGIN, _GAP = 12, 6
_Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """Frames at `times`, made only when they are drawn; `title` stands above them if there is one.

    Frames are uint8 [h, w, 3], at most as large as the sheet's cell.
    """

    times: Sequence[int]
    frames: Callable[[], Iterable[Pixels]]
    title: str = ""


class Layout:
    """Where everything stands on a sheet whose frames are at most `cell` = (width, height)."""

    def __init__(self, rows: Sequence[Row], cell: tuple[int, int], scale: int = 0) -> None:
        """Every pixel is `scale` wide, or with 0 as wide as makes a frame about `CELL` wide.

        Raises EngineError if the sheet would be larger than `MOST_PIXELS`.
        """
        self.scale = scale or max(1, round(CELL / max(cell)))
        self.font = ImageFont.load_default(min(max(round(max(cell) * self.scale / 18), 12), 28))
        longest = max((t for row in rows for t in row.times), default=0)
        self._line = round(1.6 * self.font.size) if hasattr(self.font, "size") else 20
        width = max(cell[0] * self.scale, round(self.font.getlength(str(longest))))
        self.cell = width, cell[1] * self.scale
        self.named = self.font.getlength(f"t = {longest}") <= width
        """Whether there is room for "t = " before every time."""
        self.labelled = [*(a.times != b.times for a, b in pairwise(rows)), True]
        """Whether a row has its times below it: rows of the same times share a line."""
        self.tops: list[int] = []
        top = _MARGIN
        for row, labelled in zip(rows, self.labelled, strict=True):
            top += self._line if row.title else 0
            self.tops.append(top)
            top += self.cell[1] + (self._line if labelled else 0) + _GAP
        columns = max(len(row.times) for row in rows)
        self.size = 2 * _MARGIN + columns * (width + _GAP) - _GAP, top - _GAP + _MARGIN
        if self.size[0] * self.size[1] > MOST_PIXELS:
            raise EngineError(
                f"the sheet would be {self.size[0]} x {self.size[1]} pixels, over"
                f" {MOST_PIXELS // 10**6} megapixels; lower the working size (Options) or choose"
                " fewer pictures"
            )

    def corner(self, row: int, column: int) -> tuple[int, int]:
        """Return the left and the top of a cell."""
        return _MARGIN + column * (self.cell[0] + _GAP), self.tops[row]

    def place(self, row: int, column: int, frame: Pixels) -> tuple[int, int]:
        """Return the left and the top of a frame, in the middle of its cell."""
        (left, top), (width, height) = self.corner(row, column), self.cell
        high, wide = (self.scale * side for side in frame.shape[:2])
        return left + (width - wide) // 2, top + (height - high) // 2


def draw_rows(
    rows: Sequence[Row],
    layout: Layout,
    poll: Callable[[], None] = lambda: None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Image.Image:
    """Return the sheet in RGB; `progress` is told frames done and of how many."""
    sheet = Image.new("RGB", layout.size, PAPER)
    pen = ImageDraw.Draw(sheet)
    total = sum(len(row.times) for row in rows)
    done = 0
    for number, row in enumerate(rows):
        _write(pen, layout, number, row)
        for column, frame in enumerate(row.frames()):
            poll()
            if layout.scale > 1:
                large = frame.repeat(layout.scale, axis=0).repeat(layout.scale, axis=1)
            else:
                large = frame
            sheet.paste(Image.fromarray(large), layout.place(number, column, frame))
            done += 1
            progress(done, total)
    return sheet


def _write(pen: ImageDraw.ImageDraw, layout: Layout, number: int, row: Row) -> None:
    """Write the title above a row and the times below it."""
    left, top = layout.corner(number, 0)
    if row.title:
        room = layout.size[0] - 2 * _MARGIN
        title = _elided(_drawable(row.title, layout.font, f"picture {number + 1}"), layout, room)
        pen.text((left, top - _GAP), title, TEXT, layout.font, anchor="ls")
    if layout.labelled[number]:
        for column, t in enumerate(row.times):
            left, top = layout.corner(number, column)
            place = left + layout.cell[0] / 2, top + layout.cell[1] + _GAP / 2
            text = f"t = {t}" if layout.named else str(t)
            pen.text(place, text, SECONDARY, layout.font, anchor="ma")


def _elided(text: str, layout: Layout, room: int) -> str:
    if layout.font.getlength(text) <= room:
        return text
    while text and layout.font.getlength(text + "...") > room:
        text = text[:-1]
    return text + "..."


def _drawable(text: str, font: _Font, otherwise: str) -> str:
    """Return `text`, or `otherwise` where the font has no glyph for one of its characters."""
    missing = bytes(font.getmask("\uffff"))
    printable = text.isprintable() and all(bytes(font.getmask(c)) != missing for c in set(text))
    return text if printable else otherwise
