"""The list of runs as a Qt tree: newest first, forks below the run that they go on from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from PySide6.QtCore import (
    QAbstractItemModel,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    Qt,
    Slot,
)

from diffusion_gui.engine import run_words
from diffusion_gui.engine.experiment import Experiment
from diffusion_gui.engine.numerals import spelled
from diffusion_gui.engine.run_distance import is_random
from diffusion_gui.panels.sampling.status import told_outcome
from diffusion_gui.state.run import Outcome, Run
from diffusion_gui.state.runs import Runs

Index = QModelIndex | QPersistentModelIndex
MANY = 8
"""Rows that come or go; where there are more at a time all of them are made anew."""
ROLE = Qt.ItemDataRole
RUN = ROLE.UserRole
"""The role of the run itself."""
NOWHERE = QModelIndex()
_ROW = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemIsEditable


@dataclass(slots=True, eq=False)
class _Node:
    """A row: its run, the row it stands below, the rows below it."""

    run: Run | None
    above: _Node | None = None
    below: list[_Node] = field(default_factory=list)
    place: int = 0
    """Where it was last found below the row above."""

    @property
    def row(self) -> int:
        """Where it stands below the row above."""
        assert self.above is not None
        rows = self.above.below
        if self.place >= len(rows) or rows[self.place] is not self:
            self.place = rows.index(self)
        return self.place


class RunsModel(QAbstractItemModel):
    """One row for each run, known by its number; it is renamed here, all else is up to `Runs`.

    A change of the list removes, inserts and repaints rows, so what is chosen and open stays so;
    one of many rows is a reset. While no one is watching the rows are none, from the first change
    on: they keep no run that is gone, and cost nothing.
    """

    def __init__(self, runs: Runs, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._runs = runs
        self._root = _Node(None)
        self._nodes: dict[int, _Node] = {}
        self._watched = True
        self._stale = False
        runs.changed.connect(self.take_in)
        self.take_in()

    # --- what Qt asks -----------------------------------------------------------------------

    def index(self, row: int, column: int, parent: Index = NOWHERE) -> QModelIndex:
        """Return the index of a row below another."""
        below = self._node(parent).below
        if column != 0 or not 0 <= row < len(below):
            return QModelIndex()
        run = below[row].run
        assert run is not None
        return self.createIndex(row, 0, run.number)

    def parent(self, index: Index = NOWHERE) -> QModelIndex:  # type: ignore[override]
        """Return the row that another stands below."""
        above = self._node(index).above
        return QModelIndex() if above is None else self._index(above)

    def rowCount(self, parent: Index = NOWHERE) -> int:
        """Return how many rows stand below another."""
        return len(self._node(parent).below)

    def columnCount(self, parent: Index = NOWHERE) -> int:
        """Return 1."""
        return 1

    def data(self, index: Index, role: int = ROLE.DisplayRole) -> Any:
        """Return what is said of a run."""
        run = self.run(index)
        if run is None:
            return None
        if role == ROLE.DisplayRole:
            return run.title
        if role == ROLE.EditRole:
            return run.name
        if role == RUN:
            return run
        if role == ROLE.ToolTipRole:
            return "\n".join(self.lines(run))
        if role == ROLE.AccessibleTextRole:
            return ", ".join(
                (run.title, *filter(None, (forked(run), self.summary(run))), figures(run))
            )
        return None

    def setData(self, index: Index, value: Any, role: int = ROLE.EditRole) -> bool:
        """Rename a run."""
        run = self.run(index)
        if run is None or role != ROLE.EditRole:
            return False
        self._runs.rename(run, str(value))
        return True

    def flags(self, index: Index) -> Qt.ItemFlag:
        """Every run can be chosen and renamed."""
        if not index.isValid():
            return Qt.ItemFlag.NoItemFlags
        return _ROW

    # --- what the page asks -----------------------------------------------------------------

    def run(self, index: Index) -> Run | None:
        """Return the run of a row."""
        return self._node(index).run

    def index_of(self, run: Run | None) -> QModelIndex:
        """Return the row of a run, an invalid one if it is not in the list."""
        node = self._nodes.get(run.number) if run is not None else None
        return QModelIndex() if node is None else self._index(node)

    def summary(self, run: Run) -> str:
        """Return model, sampler and steps, then what else differs from the run before it.

        Of a fork that is the one it goes on from.
        """
        fork = run.experiment.fork
        if fork is not None:
            before: Experiment | None = fork.parent
        else:
            older = (one for one in reversed(list(self._runs)) if one.number < run.number)
            whole = (one.experiment for one in older if one.experiment.fork is None)
            before = next(whole, None)
        more = run_words.beside(run.experiment, before)
        return ", ".join(filter(None, (run_words.core(run.experiment), more)))

    def lines(self, run: Run) -> list[str]:
        """Return all that is known of a run."""
        known = [run.title, run_words.said(run.experiment), figures(run), run.device]
        fork = run.experiment.fork
        if fork is not None:
            differs = run_words.changed(run.experiment, fork.parent)
            known.insert(1, f"{forked(run)}: {differs}")
        return [*known, *filter(None, (verdict_text(run), distance_text(run), run.note))]

    def set_watched(self, watched: bool) -> None:
        """Say that someone begins, or ends, to look at the rows."""
        self._watched = watched
        if watched and self._stale:
            self.take_in()

    @Slot()
    def take_in(self) -> None:
        """Bring the rows to what the list of runs is now."""
        if not self._watched:
            if not self._stale:
                self._stale = True
                self._reset({})
            return
        stale, self._stale = self._stale, False
        below: dict[int, list[Run]] = {}
        for run in reversed(list(self._runs)):
            parent = self._runs.parent_of(run)
            below.setdefault(parent.number if parent else 0, []).append(run)
        places = {run.number: above for above, runs in below.items() for run in runs}
        if stale or len(self._nodes.keys() ^ places.keys()) > MANY:
            self._reset(below)
            return
        self._remove(self._root, places)
        self._fill(self._root, below)
        self._repaint(self._root)

    @Slot()
    def show_growth(self, run: Run) -> None:
        """Paint the row of a run again."""
        index = self.index_of(run)
        if index.isValid():
            self.dataChanged.emit(index, index)

    # --- within -----------------------------------------------------------------------------

    def _node(self, index: Index) -> _Node:
        return self._nodes[int(index.internalId())] if index.isValid() else self._root

    def _index(self, node: _Node) -> QModelIndex:
        if node.run is None or node.above is None:
            return QModelIndex()
        return self.createIndex(node.row, 0, node.run.number)

    def _reset(self, below: dict[int, list[Run]]) -> None:
        self.beginResetModel()
        self._root = _Node(None)
        self._nodes = {}
        self._grow(self._root, below)
        self.endResetModel()

    def _grow(self, node: _Node, below: dict[int, list[Run]]) -> None:
        for place, run in enumerate(below.get(_number(node), [])):
            child = self._nodes[run.number] = _Node(run, node, place=place)
            node.below.append(child)
            self._grow(child, below)

    def _remove(self, node: _Node, places: dict[int, int]) -> None:
        """Remove the rows that are gone, or stand below another now."""
        number = node.run.number if node.run else 0
        for row in reversed(range(len(node.below))):
            child = node.below[row]
            assert child.run is not None
            if places.get(child.run.number) == number:
                self._remove(child, places)
                continue
            self.beginRemoveRows(self._index(node), row, row)
            del node.below[row]
            self._forget(child)
            self.endRemoveRows()

    def _forget(self, node: _Node) -> None:
        assert node.run is not None
        del self._nodes[node.run.number]
        for child in node.below:
            self._forget(child)

    def _fill(self, node: _Node, below: dict[int, list[Run]]) -> None:
        """Insert the rows that are new; the others are in their order already."""
        for row, run in enumerate(below.get(node.run.number if node.run else 0, [])):
            if row >= len(node.below) or _number(node.below[row]) != run.number:
                self.beginInsertRows(self._index(node), row, row)
                child = self._nodes[run.number] = _Node(run, node)
                node.below.insert(row, child)
                self.endInsertRows()
            node.below[row].run = run  # one that goes on in another's place
            self._fill(node.below[row], below)

    def _repaint(self, node: _Node) -> None:
        if not node.below:
            return
        first, last = self._index(node.below[0]), self._index(node.below[-1])
        self.dataChanged.emit(first, last)
        for child in node.below:
            self._repaint(child)


def _number(node: _Node) -> int:
    return node.run.number if node.run else 0


def forked(run: Run) -> str:
    """Return at which step a run goes on from another, "" for one from the beginning."""
    return f"from step {run.forked_at}" if run.forked_at is not None else ""


def figures(run: Run) -> str:
    """Return a run's end, steps, time and NFE in a few words."""
    last = run.trajectory.last
    step, total = (last.index if last else 0), run.trajectory.num_steps
    parts = [told_outcome(run)] if run.outcome is not Outcome.DONE else []
    if step < total:
        parts.append(f"{step} of {total} steps")
    parts.append(f"{spelled(run.seconds)} s" if run.seconds < 1e3 else f"{run.seconds:.0f} s")
    parts.append(f"NFE {run.calls[step]:,}")
    return " · ".join(parts)


def verdict_text(run: Run) -> str:
    """Return what verifying a run has shown, "" if it was not verified."""
    found = run.verdict
    if found is None:
        return ""
    steps = (
        f"all {found.steps}" if found.equal == found.steps else f"{found.equal} of {found.steps}"
    )
    frames = "frame" if found.steps == 1 else "frames"
    largest = "0" if found.largest == 0.0 else spelled(found.largest)
    elsewhere = "" if found.device == run.device else f", on {found.device} instead of {run.device}"
    return f"Run again: largest difference {largest} (identical in {steps} {frames}){elsewhere}"


def distance_text(run: Run) -> str:
    """Return how far a run's result is from its reference, "" if that was not measured."""
    found = run.distance
    if found is None:
        return ""
    each = found.each
    span = f", {spelled(min(each))} to {spelled(max(each))}" if len(each) > 1 else ""
    noisy = "; it draws fresh noise, the reference does not" if is_random(run.experiment) else ""
    what = f"{found.steps:,} Heun steps from the same noise"
    return f"To {what}: rms {spelled(found.rms)} over the batch{span}{noisy}"
