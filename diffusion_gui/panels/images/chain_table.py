"""The read-outs of the chain page: a table of numbers. `chain_words.py` reads it."""

from __future__ import annotations

import math

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout, QLabel, QWidget

from diffusion_gui.engine.chain import Comparison
from diffusion_gui.engine.numerals import spelled
from diffusion_gui.panels.common.picture import CAPTION
from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.state.chain import Look

STRIKING = 3.0
"""Standard errors from which on a number is marked: one of 370 is, by chance."""
MOST_APART = 5
"""Most pixels between two rows."""

ROWS = {
    "factor": (
        "mean factor √ᾱ",
        "E[𝑥ₜ | 𝑥₀] = √ᾱ 𝑥₀.\nChain: the product of √α over its steps.\nClosed form: √ᾱ of the"
        " schedule.",
    ),
    "variance": (
        "variance 1−ᾱ",
        "Var[𝑥ₜ | 𝑥₀], the noise in 𝑥ₜ.\nChain: 𝑣 ← α 𝑣 + β at every step, from 𝑣 = 0.\nClosed"
        " form: 1 − ᾱ of the schedule.",
    ),
    "mean": (
        "sample mean",
        "Mean of all values of the residual 𝑟 = (𝑥ₜ − √ᾱ 𝑥₀) / √(1−ᾱ), without unit.\nExpected: 0"
        " ± one standard error, 1/√𝑛 of 𝑛 values; with offset noise, which moves\nwhole channels,"
        " √(1/𝑛 + offset²/3).",
    ),
    "sample": (
        "sample variance",
        "Variance of the residual 𝑟 about the mean of its channel, without unit.\nExpected: 1 ± one"
        " standard error, √(2/𝑛).",
    ),
    "correlation": (
        "correlation",
        "Correlation of both residuals, pixel by pixel: 1 for one noise, 0 for two.\nExpected: 0 ±"
        " one standard error, 1/√𝑛.",
    ),
    "distance": (
        "rms difference",
        "Root mean square difference of both pictures in units of √(1−ᾱ).\nExpected: √2 ± one"
        " standard error, 1/√𝑛: two noises of variance 1 differ by variance 2.",
    ),
}
"""Name and tooltip of every row."""
_SHARED = ("correlation", "distance")
"""Rows with one number for both columns."""
_SCORES = {
    ("mean", 0): "mean of the chain",
    ("mean", 1): "mean of the jump",
    ("sample", 0): "variance of the chain",
    ("sample", 1): "variance of the jump",
    ("correlation", 0): "correlation",
    ("distance", 0): "rms difference",
}


class ReadOuts(QWidget):
    """Six rows: chain, closed form, and what is expected of both."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self._striking: set[QLabel] = set()
        self._names: list[QLabel] = []
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(8)
        self._grid.setVerticalSpacing(0)
        self._grid.setColumnStretch(0, 1)
        self.heads = [QLabel(text) for text in ("", "chain", "closed form", "expected ± 1 s.e.")]
        for column, head in enumerate(self.heads):
            head.setFixedHeight(CAPTION)
            if column == 3:
                head.setToolTip("± one standard error of the sample: 1 of 3 numbers is further off")
            self._place(head, 0, column)
        self.cells: dict[tuple[str, int], QLabel] = {}
        for row, name in enumerate(ROWS, start=1):
            self._add_row(row, name)
        theme.changed.connect(self._tint)
        self._tint()

    def _add_row(self, row: int, name: str) -> None:
        title, tooltip = ROWS[name]
        head = QLabel(title)
        head.setToolTip(tooltip)
        self._names.append(head)
        self._place(head, row, 0)
        for column in (0, 2) if name in _SHARED else (0, 1, 2):
            cell = QLabel()
            cell.setToolTip(tooltip)
            cell.setAccessibleName(f"{title}, {('chain', 'closed form', 'expected')[column]}")
            cell.setObjectName(f"{name}Chain{column}")
            cell.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            cell.setMinimumWidth((90, 90, 84)[column])
            self.cells[name, column] = cell
            span = 2 if name in _SHARED and column == 0 else 1
            self._place(cell, row, column + 1, span)

    def _place(self, cell: QLabel, row: int, column: int, span: int = 1) -> None:
        middle = Qt.AlignmentFlag.AlignHCenter if span > 1 else Qt.AlignmentFlag.AlignRight
        side = Qt.AlignmentFlag.AlignLeft if column == 0 else middle
        cell.setAlignment(side | Qt.AlignmentFlag.AlignVCenter)
        self._grid.addWidget(cell, row, column, 1, span)

    @property
    def least_height(self) -> int:
        """The height in which every row can be read."""
        return self.sizeHint().height() - len(ROWS) * self._grid.verticalSpacing()

    def fit_height(self, room: int) -> int:
        """Let the rows stand apart where there is room for more than the table needs.

        Returns by how many pixels; so much is left over below the table.
        """
        spare = room - self.least_height
        apart = min(max(spare // (len(ROWS) + 1), 0), MOST_APART)
        self._grid.setVerticalSpacing(apart)
        return apart

    def show_look(self, look: Look) -> None:
        """Write the numbers of a look; what is not known yet is a dash."""
        texts = {**_exact(look), **_measured(look.comparison)}
        for key, cell in self.cells.items():
            cell.setText(texts.get(key, "–"))
        scores = look.comparison.scores if look.comparison else {}
        striking = {
            self.cells[key] for key, n in _SCORES.items() if abs(scores.get(n, 0.0)) > STRIKING
        }
        if striking != self._striking:
            self._striking = striking
            self._tint()

    def _tint(self) -> None:
        tokens = self._theme.tokens
        small = "font-size: 11px; color: {}"
        for head, colour in zip(
            self.heads,
            (tokens.secondary, tokens.beta, tokens.alpha_bar, tokens.secondary),
            strict=True,
        ):
            head.setStyleSheet(small.format(colour))
        for name in self._names:
            name.setStyleSheet(small.format(tokens.secondary))
        for (_, column), cell in self.cells.items():
            plain = tokens.secondary if column == 2 else tokens.text
            cell.setStyleSheet(small.format(tokens.warning if cell in self._striking else plain))


def _exact(look: Look) -> dict[tuple[str, int], str]:
    """Return what the recursion and the closed form say."""
    texts = {}
    chain = (look.factor, look.variance)
    for name, ours, theirs in zip(("factor", "variance"), chain, look.closed, strict=True):
        texts[name, 0], texts[name, 1] = _twelve(ours), _twelve(theirs)
        if not look.walking:
            off = abs(ours - theirs)
            texts[name, 2] = f"equal to {spelled(off, 1)}" if off else "equal"
    return texts


def _measured(found: Comparison | None) -> dict[tuple[str, int], str]:
    """Return what is measured in the pictures."""
    if found is None:
        return {}
    root = math.sqrt(2.0)
    rows = (
        ("mean", (found.chain.mean, found.jump.mean), "0", found.mean_error),
        ("sample", (found.chain.variance, found.jump.variance), "1", found.variance_error),
        ("correlation", (found.correlation,), "0", found.correlation_error),
        ("distance", (found.distance,), f"√2 = {root:.4f}", found.correlation_error),
    )
    texts = {}
    for name, values, expected, error in rows:
        digits = min(max(1 - math.floor(math.log10(error)), 1), 6)
        for column, value in enumerate(values):
            texts[name, column] = f"{value:.{digits}f}".replace("-", "−")
        texts[name, 2] = f"{expected.split(' ')[0]} ± {spelled(error, 2)}"
    return texts


def _twelve(value: float) -> str:
    """Return a number in [0, 1] with twelve decimals, a tiny one with ten digits."""
    return f"{value:.12f}" if value == 0.0 or value >= 1e-4 else spelled(value, 10)
