"""Every command of the program, in one table: menus and shortcuts are built from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from PySide6.QtGui import QAction, QActionGroup, QKeySequence, QShortcut
from PySide6.QtWidgets import QMainWindow, QMenu


@dataclass(frozen=True, slots=True)
class ActionRow:
    """A command: object name, menu, text, shortcuts; rows named "-" are separators.

    A menu "Schedule/Copy as" is the one of that name inside the menu Schedule.

    Rows that share a `group` exclude one another and are checkable, as is a `checkable` row. A
    `submenu` row has no handler: who is given its menu fills it.
    """

    name: str
    menu: str
    text: str = ""
    shortcuts: tuple[str, ...] = ()
    group: str = ""
    checkable: bool = False
    submenu: bool = False


ACTIONS: tuple[ActionRow, ...] = (
    ActionRow("openImages", "File", "Open images…", ("Ctrl+O",)),
    ActionRow("openFolder", "File", "Open folder…", ("Ctrl+Shift+O",)),
    ActionRow("openNetwork", "File", "Open network…", ("Ctrl+Shift+N",)),
    ActionRow("openNetworkFolder", "File", "Open network of a diffusers folder…"),
    ActionRow("-", "File"),
    ActionRow("saveGrid", "File", "Save result as PNG…", ("Ctrl+S",)),
    ActionRow("-", "File"),
    ActionRow("quit", "File", "Quit", ("Ctrl+Q",)),
    ActionRow("undo", "Edit", "Undo", ("Ctrl+Z",)),
    ActionRow("redo", "Edit", "Redo", ("Ctrl+Shift+Z", "Ctrl+Y")),
    ActionRow("-", "Edit"),
    ActionRow("paste", "Edit", "Paste picture or schedule", ("Ctrl+V",)),
    ActionRow("reroll", "Edit", "New seed", ("Ctrl+R",)),
    ActionRow("resetAll", "Edit", "Start over with the bundled pictures"),
    ActionRow("themeSystem", "View", "Theme of the system", group="theme"),
    ActionRow("themeLight", "View", "Light", group="theme"),
    ActionRow("themeDark", "View", "Dark", group="theme"),
    ActionRow("-", "View"),
    ActionRow("playTime", "View", "Play / pause t", ("Ctrl+Space",)),
    ActionRow("earlier", "View", "t − 1 %", ("Ctrl+Left",)),
    ActionRow("later", "View", "t + 1 %", ("Ctrl+Right",)),
    ActionRow("exportFrame", "Image", "Export the picture at t…", ("Ctrl+Shift+E",)),
    ActionRow("exportStrip", "Image", "Export the film strip…"),
    ActionRow("exportSheet", "Image", "Export a contact sheet of the chosen pictures…"),
    ActionRow("exportAnimation", "Image", "Export an animation over t…"),
    ActionRow("exportTensors", "Image", "Export the tensors at t…"),
    ActionRow("copyPicture", "Image", "Copy the picture at t", ("Ctrl+Shift+X",)),
    ActionRow("-", "Image"),
    ActionRow("selectAllPictures", "Image", "Select all pictures\tCtrl+A"),
    ActionRow("removePictures", "Image", "Remove from the tray\tDel"),
    ActionRow("removeOtherPictures", "Image", "Remove all others"),
    ActionRow("clearPictures", "Image", "Clear the tray"),
    ActionRow("movePicturesLeft", "Image", "Move to the left\tAlt+Left"),
    ActionRow("movePicturesRight", "Image", "Move to the right\tAlt+Right"),
    ActionRow("-", "Image"),
    ActionRow("restorePhotos", "Image", "Restore the photographs"),
    ActionRow("useEmoji", "Image", "Use the 1,377 emoji"),
    ActionRow("savePreset", "Schedule", "Save as preset…"),
    ActionRow("-", "Schedule"),
    ActionRow("drawFreehand", "Schedule", "Draw freehand\tD", checkable=True),
    ActionRow("addPoint", "Schedule", "Add a point at t"),
    ActionRow("removePoints", "Schedule", "Remove the chosen points"),
    ActionRow("stepToT", "Schedule", "Move the nearest sampling step to t", ("Ctrl+T",)),
    ActionRow("resetCurve", "Schedule", "Reset the curve to its preset"),
    ActionRow("-", "Schedule"),
    ActionRow("shiftScale", "Schedule", "Shift and scale log-SNR…"),
    ActionRow("resolutionShift", "Schedule", "Resolution shift…"),
    ActionRow("blend", "Schedule", "Blend with another schedule…"),
    ActionRow("changeT", "Schedule", "Change T, keep the curve…"),
    ActionRow("zeroTerminal", "Schedule", "Rescale to zero terminal SNR"),
    ActionRow("toPoints", "Schedule", "Turn into points alone…"),
    ActionRow("-", "Schedule"),
    ActionRow("switchSides", "Schedule", "Switch between A and B", ("F7",)),
    ActionRow("endSides", "Schedule", "Keep the side on show only"),
    ActionRow("-", "Schedule"),
    ActionRow("pinSchedule", "Schedule", "Pin this schedule", ("Ctrl+P",)),
    ActionRow("pinPreset", "Schedule", "Pin a preset", submenu=True),
    ActionRow("clearPins", "Schedule", "Remove all pins"),
    ActionRow("-", "Schedule"),
    ActionRow("openSchedule", "Schedule", "Open schedule…", ("Ctrl+L",)),
    ActionRow("openScheduleFolder", "Schedule", "Open schedule of a diffusers folder…"),
    ActionRow("saveSchedule", "Schedule", "Save schedule…", ("Ctrl+E",)),
    ActionRow("copyConfig", "Schedule/Copy as", "scheduler_config.json"),
    ActionRow("copyNumpy", "Schedule/Copy as", "Python, NumPy", ("Ctrl+Shift+C",)),
    ActionRow("copyDiffusers", "Schedule/Copy as", "Python, diffusers"),
    ActionRow("copyKDiffusion", "Schedule/Copy as", "Python, k-diffusion"),
    ActionRow("copySigmas", "Schedule/Copy as", "List of σ"),
    ActionRow("copyTable", "Schedule/Copy as", "Table (CSV)"),
    ActionRow("copyPlot", "Schedule/Copy as", "Picture of the plot"),
    ActionRow("runPause", "Sampling", "Run / pause", ("F5",)),
    ActionRow("step", "Sampling", "One step on", ("F6",)),
    ActionRow("stepBack", "Sampling", "One step back", ("Shift+F6",)),
    ActionRow("firstStep", "Sampling", "To the first step", ("Alt+Home",)),
    ActionRow("lastStep", "Sampling", "To the newest step", ("Alt+End",)),
    ActionRow("stop", "Sampling", "Stop", ("Esc",)),
    ActionRow("-", "Sampling"),
    ActionRow("forkRun", "Sampling", "Fork at the step on show", ("F8",)),
    ActionRow("unforkRun", "Sampling", "Take the fork away"),
    ActionRow("showRuns", "Sampling", "Show the runs", ("Ctrl+Shift+R",)),
    ActionRow("showSampling", "Sampling", "Sampling panel", ("Ctrl+Shift+S",)),
    ActionRow("showTraining", "Sampling", "Training panel", ("Ctrl+Shift+T",)),
    ActionRow("-", "Sampling"),
    ActionRow("denoiseFromHere", "Sampling", "Denoise from here", ("Ctrl+D",)),
    ActionRow("startInverted", "Sampling", "Start from the picture's inversion"),
    ActionRow("startFromNoise", "Sampling", "Start from pure noise"),
    ActionRow("paintMask", "Sampling", "Keep a part: paint a mask…", ("Ctrl+M",)),
    ActionRow("-", "Sampling"),
    ActionRow("roundTrip", "Sampling", "Round trip: picture, noise, picture…"),
    ActionRow("-", "Sampling"),
    ActionRow("exportRunPictures", "Sampling", "Export pictures and steps…"),
    ActionRow("exportRunAnimation", "Sampling", "Export animation of the run…"),
    ActionRow("exportTrajectory", "Sampling", "Export trajectory, exact floats…"),
    ActionRow("exportNumbers", "Sampling", "Export numbers of the steps…"),
    ActionRow("-", "Sampling"),
    ActionRow("copyGrid", "Sampling", "Copy grids at this step"),
    ActionRow("copyRunPython", "Sampling", "Copy run as Python"),
    ActionRow("copyRunDiffusers", "Sampling", "Copy run as Python with diffusers"),
    ActionRow("shortcuts", "Help", "Keyboard shortcuts", ("F1",)),
    ActionRow("about", "Help", "About Diffusion GUI"),
)
TITLES = {
    "File": "&File", "Edit": "&Edit", "View": "&View", "Image": "&Image", "Schedule": "Sche&dule",
    "Sampling": "&Sampling", "Help": "&Help",
}  # fmt: skip
"""The menus of the bar with the letters that open them together with Alt."""


def build_menus(
    window: QMainWindow, handlers: Mapping[str, Callable[[], object]]
) -> tuple[dict[str, QAction], dict[str, QMenu]]:
    """Fill the window's menu bar from `ACTIONS`; return the actions and the menus by name.

    Every row but separators and submenus must have a handler; raises KeyError otherwise.
    """
    menus: dict[str, QMenu] = {}
    groups: dict[str, QActionGroup] = {}
    actions: dict[str, QAction] = {}
    for row in ACTIONS:
        if row.menu not in menus:
            parent, _, name = row.menu.rpartition("/")
            owner = menus[parent] if parent else window.menuBar()
            menus[row.menu] = owner.addMenu(TITLES.get(name, name))
        if row.name == "-":
            menus[row.menu].addSeparator()
            continue
        if row.submenu:
            menus[row.name] = menus[row.menu].addMenu(row.text)
            actions[row.name] = menus[row.name].menuAction()
            actions[row.name].setObjectName(row.name)
            continue
        action = QAction(row.text, window)
        action.setObjectName(row.name)
        action.setShortcuts([QKeySequence(text) for text in row.shortcuts])
        action.setCheckable(row.checkable or bool(row.group))
        if row.group:
            group = groups.setdefault(row.group, QActionGroup(window))
            group.addAction(action)
        handler = handlers[row.name]
        action.triggered.connect(lambda _checked=False, run=handler: run())
        menus[row.menu].addAction(action)
        actions[row.name] = action
    _open_by_key(window, menus[ACTIONS[0].menu])
    return actions, menus


def _open_by_key(window: QMainWindow, menu: QMenu) -> None:
    """Let F10 open the first menu, as it does elsewhere; the arrow keys go on from there."""
    key = QShortcut(QKeySequence("F10"), window)
    key.activated.connect(lambda: window.menuBar().setActiveAction(menu.menuAction()))


def shortcut_groups() -> dict[str, list[tuple[str, str]]]:
    """Return (keys, text) of every command that has keys, by menu, then of what has the focus."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for row in ACTIONS:
        text, _, keys = row.text.partition("\t")
        keys = " or ".join(row.shortcuts) or keys
        if keys:
            menu, inside, name = row.menu.partition("/")
            groups.setdefault(menu, []).append((keys, f"{name}: {text}" if inside else text))
    return groups | FOCUS_KEYS


FOCUS_KEYS = {
    "Picture with the focus": [
        ("+, −, 0", "Zoom, show all of it"),
        ("Arrows", "Move it while it is zoomed"),
        ("Alt+Arrows", "Read its pixels; with Shift every tenth"),
    ],
    "List of runs": [
        ("Up, Down", "Look at the run before or after"),
        ("Ctrl+Return", "Restore its settings"),
        ("C", "Compare the chosen runs"),
        ("P", "Pin or unpin"),
        ("F2", "Rename"),
        ("N", "Write a note"),
        ("Del", "Delete"),
        ("Ctrl+Z", "Put back what was deleted"),
    ],
    "Mask": [
        ("X", "Draw anew or keep"),
        ("R", "Brush or rectangles"),
        ("[, ]", "Size of the brush"),
        ("Arrows, Space", "Move the brush, paint there"),
    ],
    "Elsewhere": [
        ("[, ]", "Choose a point of the curve; arrows move it"),
        ("Space", "Play / pause t, where the focus has no use for it"),
        ("Left, Right", "t − 1, t + 1, where the focus has no use for them"),
        ("F10", "Open the menus"),
    ],
}
"""The keys that act on what has the focus, by what that is."""
