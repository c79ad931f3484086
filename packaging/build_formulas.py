"""Typeset the formulas of the schedule presets again: one small SVG per row of `PRESETS`.

Requirements::

    pip install . ziamath==0.13 ziafont==0.11 latex2mathml==3.81.1

Run from the root of the repository::

    python packaging/build_formulas.py

It writes ``formulas/<preset>.svg`` below ``resources/`` and removes files of presets that are gone.
The drawings are outlines in ``currentColor``, so that the program can tint them and needs no font;
their units are pixels at the text size of the editor. Each file holds its LaTeX as its ``desc``,
by which the tests tell whether it is up to date.
"""

from __future__ import annotations

import argparse
from html import escape
from pathlib import Path

import ziamath

from diffusion_gui.engine.schedules import PRESETS

TEXT_SIZE = 13
"""Height of the letters' em square in the units of the drawings."""
DIGITS = 2
DEFAULT_OUTPUT = Path(__file__).resolve().parent.parent / "resources"


def typeset(latex: str) -> str:
    """Return the SVG of one formula, plain paths only, with its LaTeX as the description."""
    formula = ziamath.Math.fromlatex(latex, size=TEXT_SIZE, color="currentColor")
    head, mark, rest = formula.svg().partition(">")
    return f"{head}{mark}<desc>{escape(latex, quote=False)}</desc>{rest}\n"


def write_formulas(folder: Path) -> int:
    """Write the drawing of every preset that has a formula and return their number."""
    folder.mkdir(parents=True, exist_ok=True)
    drawings = {f"{key}.svg": typeset(row.latex) for key, row in PRESETS.items() if row.latex}
    for old in folder.glob("*.svg"):
        if old.name not in drawings:
            old.unlink()
    for name, drawing in drawings.items():
        (folder / name).write_text(drawing, encoding="utf-8", newline="\n")
    return len(drawings)


def main() -> None:
    """Build everything and say what was written."""
    parser = argparse.ArgumentParser(description="Typeset the formulas of the presets again.")
    parser.add_argument(
        "--output", type=Path, default=DEFAULT_OUTPUT, help="folder to write (resources/)"
    )
    arguments = parser.parse_args()
    ziamath.config.svg2 = False  # Qt draws no symbol that is used before it is defined
    ziamath.config.precision = DIGITS
    print(f"{write_formulas(arguments.output / 'formulas')} formulas written")


if __name__ == "__main__":
    main()
