"""The numbers of a schedule as a table model: one row per t, read lazily, few signals.

A change of the schedule is one `dataChanged` for the whole table, however long it is: the view
asks again only for what it shows.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt, Signal

from diffusion_gui.engine.numerals import plain_exponent
from diffusion_gui.engine.schedules import Schedule
from diffusion_gui.engine.schedules.columns import COLUMNS
from diffusion_gui.engine.schedules.schedule import Array

NAMES = ("t", *COLUMNS)
"""The columns, by the names under which they are copied."""
TOKENS = {"beta": "beta", "alpha_bar": "alpha_bar", "snr": "log_snr", "sigma": "sigma"}
"""Colours of the columns that have one."""
_UNITS = {"t": "in steps, 0 to T", "sigma": "no unit, 0 and up", "snr": "no unit, 0 and up"}
_STEP = ("beta", "alpha", "posterior_variance")
"""Columns that belong to a step, of which there is none at t = 0."""
_NONE = QModelIndex()

Index = QModelIndex | QPersistentModelIndex


class ScheduleModel(QAbstractTableModel):
    """Shows the arrays of a schedule; `number_typed(t, column, text)` when one is to change."""

    number_typed = Signal(int, str, str)

    def __init__(self, schedule: Schedule) -> None:
        super().__init__()
        self._schedule = schedule
        self._columns: dict[str, Array] = {}

    @property
    def T(self) -> int:
        """The largest t, that of the last row."""
        return self._schedule.T

    def set_schedule(self, schedule: Schedule) -> None:
        """Show another schedule; its length may differ."""
        before, after = self._schedule.T, schedule.T
        if after > before:
            self.beginInsertRows(_NONE, before + 1, after)
        elif after < before:
            self.beginRemoveRows(_NONE, after + 1, before)
        self._schedule, self._columns = schedule, {}
        if after > before:
            self.endInsertRows()
        elif after < before:
            self.endRemoveRows()
        self.dataChanged.emit(self.index(0, 1), self.index(after, len(NAMES) - 1))

    def values(self, name: str) -> Array:
        """Return the numbers of a column at t = 0..T; not that of t itself."""
        if name not in self._columns:
            self._columns[name] = COLUMNS[name].values(self._schedule)
        return self._columns[name]

    def text(self, t: int, place: int) -> str:
        """Return what a cell shows."""
        name = NAMES[place]
        if name == "t":
            return str(t)
        if t == 0 and name in _STEP:
            return "–"
        return short(float(self.values(name)[t]))

    def exact(self, name: str, rows: NDArray[np.intp] | slice) -> list[str]:
        """Return numbers of a column with all their digits, as they are copied and edited."""
        numbers = np.arange(self.T + 1) if name == "t" else self.values(name)
        return [repr(number) for number in numbers[rows].tolist()]

    def _exact(self, index: Index) -> str:
        return self.exact(NAMES[index.column()], slice(index.row(), index.row() + 1))[0]

    # --- Qt's model -------------------------------------------------------------------------

    def rowCount(self, parent: Index = _NONE) -> int:
        """T + 1 rows: t = 0..T."""
        return 0 if parent.isValid() else self.T + 1

    def columnCount(self, parent: Index = _NONE) -> int:
        """One column per quantity, t first."""
        return 0 if parent.isValid() else len(NAMES)

    def flags(self, index: Index) -> Qt.ItemFlag:
        """What can be edited: all but t, the posterior variance, and the clean picture's row."""
        flags = super().flags(index)
        name = NAMES[index.column()]
        if index.row() > 0 and name != "t" and COLUMNS[name].domain:
            flags |= Qt.ItemFlag.ItemIsEditable
        return flags

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return the short number, all digits of it for editing, or what it is as a tooltip."""
        t, name = index.row(), NAMES[index.column()]
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return self.text(t, index.column())
            case Qt.ItemDataRole.EditRole:
                return self._exact(index)
            case Qt.ItemDataRole.ToolTipRole if name != "t":
                return f"{COLUMNS[name].symbol} at t = {t}: {self._exact(index)}"
            case Qt.ItemDataRole.TextAlignmentRole:
                return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        return None

    def setData(self, index: Index, value: Any, role: int = Qt.ItemDataRole.EditRole) -> bool:
        """Say what was typed; the schedule changes, and with it the table, if it can."""
        if role != Qt.ItemDataRole.EditRole:
            return False
        t, name = index.row(), NAMES[index.column()]
        if str(value) != self._exact(index):
            self.number_typed.emit(t, name, str(value))
        return True

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """Return a column's symbol, and as a tooltip its meaning and unit."""
        if orientation is not Qt.Orientation.Horizontal:
            return None
        name = NAMES[section]
        symbol = "t" if name == "t" else COLUMNS[name].symbol
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return symbol
            case Qt.ItemDataRole.ToolTipRole:
                meaning = "time" if name == "t" else COLUMNS[name].meaning
                return f"{symbol}: {meaning}; {_UNITS.get(name, 'no unit, 0 to 1')}"
            case Qt.ItemDataRole.TextAlignmentRole:
                return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        return None


def short(value: float) -> str:
    """Return a number of the table in at most seven characters: 0.6295, 2.4e-9, 0.99996."""
    if math.isinf(value):
        return "∞"
    if value in (0.0, 1.0):
        return f"{value:g}"
    if not 1e-3 <= value < 1e4:
        return plain_exponent(f"{value:.1e}")
    if value >= 1.0:
        return f"{value:#.4g}".rstrip(".")
    rest = 1.0 - value
    if rest < 5e-6:
        return "1−" + plain_exponent(f"{rest:.0e}")
    return f"{value:.5f}" if value < 0.1 or rest < 0.01 else f"{value:.4f}"
