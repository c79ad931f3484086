"""Build the bundled example data again: the emoji atlas, its captions and the photographs.

Requirements::

    apt install fonts-noto-color-emoji
    pip install emoji fonttools pillow scikit-image

Run from the root of the repository::

    python packaging/build_resources.py

It writes ``emoji/atlas.webp``, ``emoji/captions.json`` and ``photos/`` below ``resources/``.

Which emoji are in the atlas
    An emoji of the package ``emoji`` (``emoji.EMOJI_DATA``) is taken when

    1. its status is "fully qualified"; this leaves out the components, which are the skin-tone
       modifiers and the hair parts. Regional indicators and keycap parts are no entries of
       their own in that table;
    2. it is one code point once a trailing variation selector U+FE0F is dropped; this leaves
       out flags, keycaps, families and every other sequence;
    3. the font has a bitmap for that code point.

    With the font version 2.042 (Unicode 15.1; Debian 12) these are 1,377 emoji: all
    single-code-point emoji up to Emoji 15.1. The order is by code point. A newer font adds
    newer emoji, so ``--expect`` guards the number.

What a cell looks like
    The font holds bitmaps of 136x128 pixels, and what is drawn in them never exceeds 128x128.
    It is centred in a square of 128x128, and that square is halved to the 64x64 cell: the same
    scale for all, so that a small square stays smaller than a large one, and most emoji keep a
    margin of 1 to 2 pixels. The drawing is put on white before the Lanczos filter runs: on a
    constant background this equals the filtering of premultiplied colours, with one rounding
    step less.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import emoji
from fontTools.ttLib import TTFont
from PIL import Image

CELL = 64
COLUMNS = 38
EXPECTED_COUNT = 1377
WHITE = (255, 255, 255)
VARIATION_SELECTOR = "\ufe0f"
DEFAULT_FONT = Path("/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf")
DEFAULT_OUTPUT = Path(__file__).resolve().parent.parent / "resources"
PHOTOS = ("astronaut.png", "chelsea.png", "hubble_deep_field.jpg")
MAX_PHOTO_BYTES = 1_000_000


@dataclass(frozen=True)
class Emoji:
    """One emoji of the atlas: its code point, its name in plain words, its bitmap as PNG."""

    codepoint: int
    name: str
    png: bytes


def plain_name(cldr_name: str) -> str:
    """Turn ``:grinning_face:`` into ``grinning face``."""
    return " ".join(cldr_name.replace(":", " ").replace("_", " ").split())


def named_codepoints() -> dict[int, str]:
    """Return the fully qualified emoji of one code point each, with their English names."""
    names: dict[int, str] = {}
    for sequence, entry in emoji.EMOJI_DATA.items():
        character = sequence.removesuffix(VARIATION_SELECTOR)
        qualified = entry["status"] == emoji.STATUS["fully_qualified"]
        if qualified and len(character) == 1:
            names[ord(character)] = plain_name(entry["en"])
    return names


def glyph_bitmaps(font_path: Path) -> dict[int, bytes]:
    """Return the PNG bitmap of every code point that has one in the font."""
    with TTFont(font_path) as font:
        strike: dict[str, Any] = font["CBDT"].strikeData[0]
        return {
            codepoint: bytes(strike[glyph].imageData)
            for codepoint, glyph in font.getBestCmap().items()
            if hasattr(strike.get(glyph), "imageData")
        }


def select_emoji(font_path: Path) -> list[Emoji]:
    """Return the emoji of the atlas in the order of their code points."""
    bitmaps = glyph_bitmaps(font_path)
    return [
        Emoji(codepoint, name, bitmaps[codepoint])
        for codepoint, name in sorted(named_codepoints().items())
        if codepoint in bitmaps
    ]


def render_cell(png: bytes) -> Image.Image:
    """Return one bitmap of the font as a 64x64 RGB image on white."""
    with Image.open(io.BytesIO(png)) as stored:
        glyph = stored.convert("RGBA")
    bounds = glyph.getchannel("A").getbbox()
    if bounds is None:
        raise SystemExit("a glyph of the font is empty")
    drawn = glyph.crop(bounds)
    side = 2 * CELL
    if max(drawn.size) > side:
        raise SystemExit(f"a glyph of {drawn.size} exceeds {side}x{side}")
    canvas = Image.new("RGBA", (side, side), (*WHITE, 255))
    canvas.alpha_composite(drawn, ((side - drawn.width) // 2, (side - drawn.height) // 2))
    return canvas.convert("RGB").resize((CELL, CELL), Image.Resampling.LANCZOS)


def build_atlas(items: list[Emoji]) -> Image.Image:
    """Return all cells in rows of 38; the cells left over at the end are white."""
    rows = -(-len(items) // COLUMNS)
    atlas = Image.new("RGB", (COLUMNS * CELL, rows * CELL), WHITE)
    for index, item in enumerate(items):
        row, column = divmod(index, COLUMNS)
        atlas.paste(render_cell(item.png), (column * CELL, row * CELL))
    return atlas


def write_emoji(items: list[Emoji], folder: Path) -> None:
    """Write the atlas (lossless) and the captions, one JSON object a line."""
    folder.mkdir(parents=True, exist_ok=True)
    build_atlas(items).save(folder / "atlas.webp", lossless=True, quality=100, method=6, exact=True)
    lines = [
        json.dumps(
            {"codepoint": f"{item.codepoint:04X}", "name": item.name},
            ensure_ascii=False,
            separators=(",", ":"),
        )
        for item in items
    ]
    text = "[\n" + ",\n".join(lines) + "\n]\n"
    (folder / "captions.json").write_text(text, encoding="utf-8", newline="\n")


def copy_photos(folder: Path) -> None:
    """Copy the photographs, byte for byte, from the installed scikit-image."""
    spec = importlib.util.find_spec("skimage")
    if spec is None or spec.origin is None:
        raise SystemExit("scikit-image is not installed")
    folder.mkdir(parents=True, exist_ok=True)
    for name in PHOTOS:
        source = Path(spec.origin).parent / "data" / name
        if source.stat().st_size > MAX_PHOTO_BYTES:
            raise SystemExit(f"{name} exceeds {MAX_PHOTO_BYTES} bytes")
        shutil.copyfile(source, folder / name)


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description="Build the emoji atlas, its captions and the photographs again."
    )
    parser.add_argument(
        "--font", type=Path, default=DEFAULT_FONT, help="NotoColorEmoji.ttf (%(default)s)"
    )
    parser.add_argument(
        "--output", type=Path, default=DEFAULT_OUTPUT, help="folder to write (resources/)"
    )
    parser.add_argument(
        "--expect",
        type=int,
        default=EXPECTED_COUNT,
        help="number of emoji that must come out; 0 takes any (%(default)s)",
    )
    return parser.parse_args()


def main() -> None:
    """Build everything and say what was written."""
    arguments = parse_arguments()
    items = select_emoji(arguments.font)
    if arguments.expect and len(items) != arguments.expect:
        raise SystemExit(f"{len(items)} emoji found, {arguments.expect} expected (see --expect)")
    write_emoji(items, arguments.output / "emoji")
    copy_photos(arguments.output / "photos")
    print(f"{len(items)} emoji and {len(PHOTOS)} photographs written")


if __name__ == "__main__":
    main()
