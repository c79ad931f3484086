"""The preset row under mouse and keys, asserted on the document and on what is shown."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import replace

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QColor, QContextMenuEvent
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QAbstractSpinBox, QApplication
from pytestqt.qtbot import QtBot

from diffusion_gui.app.main_window import MainWindow
from diffusion_gui.app.parts import Parts
from diffusion_gui.engine.schedules import PRESETS, ControlPoint, ScheduleSpec
from diffusion_gui.panels.schedule.preset_combo import OWN, RECENT
from diffusion_gui.panels.schedule.preset_row import PresetRow
from diffusion_gui.session.resources import resource
from diffusion_gui.state.user_presets import FILE_NAME

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support")

LEFT, RIGHT = Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton
ENTER, ESCAPE = Qt.Key.Key_Return, Qt.Key.Key_Escape
DRAWN = ScheduleSpec("cosine", 700, points=(ControlPoint(0.0, 8.0), ControlPoint(1.0, -9.0)))


@pytest.fixture
def row(parts: Parts, qtbot: QtBot) -> Iterator[PresetRow]:
    """Return the row, 412 pixels wide as in the smallest window, editing the document."""
    document = parts.document
    made = PresetRow(parts.theme, parts.presets)
    made.edited.connect(document.replace_schedule)
    made.finished.connect(document.end_gesture)
    document.schedule_changed.connect(lambda: made.show_spec(document.experiment.schedule))
    qtbot.addWidget(made)
    made.resize(412, 90)
    made.show()
    qtbot.waitExposed(made)
    made.activateWindow()
    yield made
    document.schedule_changed.disconnect()


def _spec(parts: Parts) -> ScheduleSpec:
    return parts.document.experiment.schedule


def _rows(row: PresetRow) -> list[str]:
    return [row.preset.itemText(index) for index in range(row.preset.count())]


def _pick(row: PresetRow, qtbot: QtBot, key: str) -> None:
    """Choose a row of the open list by Enter."""
    row.preset.showPopup()
    view = row.preset.view()
    view.setCurrentIndex(row.preset.model().index(row.preset.findData(key), 0))
    qtbot.keyClick(view, ENTER)
    assert not view.isVisible()


def _save_as(row: PresetRow, qtbot: QtBot, name: str) -> None:
    qtbot.mouseClick(row.save, LEFT)
    qtbot.keyClicks(row.naming.field, name)
    qtbot.keyClick(row.naming.field, ENTER)


def _type(qtbot: QtBot, box: QAbstractSpinBox, text: str) -> None:
    box.setFocus()
    box.selectAll()
    qtbot.keyClicks(box, text)
    qtbot.keyClick(box, ENTER)


def _menu(row: PresetRow) -> list[str]:
    return [action.text() for action in row.menu.actions()]


def _ink(row: PresetRow) -> set[str]:
    """Return the darkest and the lightest colour of the formula line, as it is painted."""
    image = row.formula.grab().toImage()
    colours = {
        image.pixelColor(x, y).name() for x in range(image.width()) for y in range(image.height())
    }
    ordered = sorted(colours, key=lambda name: QColor(name).lightness())
    return {ordered[0], ordered[-1]}


def test_a_built_in_preset_keeps_T(row: PresetRow, parts: Parts, qtbot: QtBot) -> None:
    _type(qtbot, row.steps, "300")
    _pick(row, qtbot, "karras")
    assert _spec(parts) == ScheduleSpec("karras", T=300)
    assert row.preset.currentText() == "Karras σ"


def test_the_arrow_keys_step_through_the_presets(
    row: PresetRow, parts: Parts, qtbot: QtBot
) -> None:
    row.preset.setFocus()
    qtbot.keyClick(row.preset, Qt.Key.Key_Down)
    assert _spec(parts).preset == "sigmoid"


def test_saving_adds_the_preset_to_the_list_and_chooses_it(
    row: PresetRow, parts: Parts, qtbot: QtBot
) -> None:
    parts.document.replace_schedule(DRAWN, "draw")
    _save_as(row, qtbot, "  My   own ")
    assert parts.presets.get("My own") == DRAWN
    assert row.preset.currentText() == "My own"
    assert _rows(row)[-2:] == ["Your presets", "My own"]
    assert row.formula.isVisible()
    assert not row.naming.isVisible()


def test_the_name_offered_says_what_is_saved(row: PresetRow, parts: Parts, qtbot: QtBot) -> None:
    parts.document.replace_schedule(DRAWN, "draw")
    qtbot.mouseClick(row.save, LEFT)
    qtbot.keyClick(row.naming.field, ENTER)
    assert parts.presets.names() == ("Cosine, T = 700, drawn",)


def test_one_of_your_presets_takes_the_whole_schedule(
    row: PresetRow, parts: Parts, qtbot: QtBot
) -> None:
    parts.presets.save("Mine", DRAWN)
    _type(qtbot, row.steps, "300")
    _pick(row, qtbot, OWN + "Mine")
    assert _spec(parts) == DRAWN
    assert row.preset.currentText() == "Mine"
    assert row.steps.value() == 700
    parts.document.history.undo()
    assert _spec(parts).T == 300
    assert row.preset.currentText() == "Cosine"


def test_a_recent_schedule_takes_the_whole_schedule(
    row: PresetRow, parts: Parts, qtbot: QtBot
) -> None:
    parts.presets.save("Mine", DRAWN)
    parts.presets.remove("Mine")
    assert _rows(row)[-2:] == ["Recent", "Cosine, T = 700, drawn"]
    _pick(row, qtbot, RECENT + "0")
    assert _spec(parts) == DRAWN
    assert row.preset.currentText() == "Cosine"


def test_headings_and_separators_cannot_be_chosen(
    row: PresetRow, parts: Parts, qtbot: QtBot
) -> None:
    parts.presets.save("Mine", DRAWN)
    row.preset.setFocus()
    row.preset.choose("flow_dynamic")
    qtbot.keyClick(row.preset, Qt.Key.Key_Down)
    assert row.preset.currentText() == "Mine"
    assert _spec(parts) == DRAWN


def test_an_edit_of_your_preset_shows_what_it_starts_from(
    row: PresetRow, parts: Parts, qtbot: QtBot
) -> None:
    parts.presets.save("Mine", ScheduleSpec("linear", T=700))
    _pick(row, qtbot, OWN + "Mine")
    _type(qtbot, row.steps, "600")
    assert row.preset.currentText() == "Linear"
    qtbot.mouseClick(row.save, LEFT)
    assert row.naming.field.text() == "Mine"


@pytest.mark.parametrize("typed", ["", "   ", "x" * 61])
def test_a_name_that_is_no_good_is_refused_in_place(
    row: PresetRow, parts: Parts, qtbot: QtBot, typed: str
) -> None:
    qtbot.mouseClick(row.save, LEFT)
    row.naming.field.clear()
    qtbot.keyClicks(row.naming.field, typed)
    qtbot.keyClick(row.naming.field, ENTER)
    assert parts.presets.names() == ()
    assert row.naming.isVisible()
    assert row.naming.note.text()
    qtbot.keyClicks(row.naming.field, "a")
    assert not row.naming.note.isVisible()


def test_overwriting_is_asked_for_and_a_changed_name_takes_it_back(
    row: PresetRow, parts: Parts, qtbot: QtBot
) -> None:
    parts.presets.save("Mine", DRAWN)
    _save_as(row, qtbot, "Mine")
    assert parts.presets.get("Mine") == DRAWN
    assert row.naming.accept.text() == "Overwrite"
    qtbot.keyClicks(row.naming.field, "2")
    assert row.naming.accept.text() == "Save"
    qtbot.keyClick(row.naming.field, Qt.Key.Key_Backspace)
    qtbot.mouseClick(row.naming.accept, LEFT)
    assert parts.presets.get("Mine") == DRAWN
    qtbot.mouseClick(row.naming.accept, LEFT)
    assert parts.presets.get("Mine") == ScheduleSpec()
    assert parts.presets.names() == ("Mine",)


@pytest.mark.parametrize("part", ["field", "accept", "cancel"])
def test_escape_leaves_the_name_and_does_not_reach_the_window(
    window: MainWindow, parts: Parts, qtbot: QtBot, part: str
) -> None:
    row, stopped = window.schedule.presets, []
    window.actions_by_name["stop"].triggered.connect(lambda: stopped.append(True))
    qtbot.mouseClick(row.save, LEFT)
    qtbot.keyClicks(row.naming.field, "Mine")
    widget = getattr(row.naming, part)
    widget.setFocus()
    qtbot.keyClick(widget, ESCAPE)
    assert not row.naming.isVisible()
    assert parts.presets.names() == ()
    assert stopped == []


@pytest.mark.parametrize(
    ("key", "modifier"),
    [
        (Qt.Key.Key_Menu, Qt.KeyboardModifier.NoModifier),
        (Qt.Key.Key_F10, Qt.KeyboardModifier.ShiftModifier),
    ],
)
def test_keys_open_the_menu_that_renames(
    row: PresetRow, parts: Parts, qtbot: QtBot, key: Qt.Key, modifier: Qt.KeyboardModifier
) -> None:
    parts.document.replace_schedule(DRAWN, "draw")
    parts.presets.save("Mine", DRAWN)
    row.preset.setFocus()
    qtbot.keyClick(row.preset, key, modifier)
    assert _menu(row) == ["Save as preset…", "Rename “Mine”…", "Delete “Mine”"]
    row.menu.hide()
    row.menu.actions()[1].trigger()
    qtbot.keyClicks(row.naming.field, "Yours")
    qtbot.keyClick(row.naming.field, ENTER)
    assert parts.presets.names() == ("Yours",)
    assert row.preset.currentText() == "Yours"


def test_renaming_to_a_name_in_use_is_refused(row: PresetRow, parts: Parts, qtbot: QtBot) -> None:
    parts.presets.save("Mine", DRAWN)
    parts.presets.save("Other", ScheduleSpec("linear", 9))
    row.preset.menu_requested.emit("Mine", QPoint())
    row.menu.hide()
    row.menu.actions()[1].trigger()
    qtbot.keyClicks(row.naming.field, "Other")
    qtbot.keyClick(row.naming.field, ENTER)
    assert "Other" in row.naming.note.text()
    assert parts.presets.names() == ("Mine", "Other")


def test_a_right_click_in_the_open_list_deletes_without_choosing(
    row: PresetRow, parts: Parts, qtbot: QtBot
) -> None:
    parts.presets.save("Mine", DRAWN)
    before = _spec(parts)
    row.preset.showPopup()
    view = row.preset.view()
    index = row.preset.model().index(row.preset.findData(OWN + "Mine"), 0)
    view.scrollTo(index)
    qtbot.mouseClick(view.viewport(), RIGHT, pos=view.visualRect(index).center())
    assert _spec(parts) == before
    assert not view.isVisible()
    row.menu.hide()
    row.menu.actions()[2].trigger()
    assert parts.presets.names() == ()
    assert "Mine" not in _rows(row)


def test_a_right_click_on_a_built_in_preset_offers_saving_only(row: PresetRow) -> None:
    place = row.preset.rect().center()
    event = QContextMenuEvent(QContextMenuEvent.Reason.Mouse, place, row.preset.mapToGlobal(place))
    QApplication.sendEvent(row.preset, event)
    assert _menu(row) == ["Save as preset…"]
    row.menu.hide()


def test_each_number_entered_is_its_own_undo_step(
    row: PresetRow, parts: Parts, qtbot: QtBot
) -> None:
    for typed in ("500", "200"):
        _type(qtbot, row.steps, typed)
    parts.document.history.undo()
    assert _spec(parts).T == 500


def test_tab_goes_from_the_preset_through_its_parameters(
    row: PresetRow, parts: Parts, qtbot: QtBot
) -> None:
    parts.document.replace_schedule(ScheduleSpec("sigmoid"), "choose")
    expected = [row.save, row.steps, *map(row.params.control, ("beta_start", "beta_end", "width"))]
    qtbot.waitUntil(expected[-1].isVisible)
    row.preset.setFocus()
    reached = []
    for _ in expected:
        qtbot.keyClick(QApplication.focusWidget(), Qt.Key.Key_Tab)
        reached.append(QApplication.focusWidget())
    assert reached == expected


def test_a_damaged_file_is_told_in_the_editor(window: MainWindow, parts: Parts) -> None:
    folder = parts.settings.home
    (folder / FILE_NAME).write_text("{")
    parts.presets.load()
    (kept,) = folder.glob("*-unreadable-*")
    assert str(kept) in window.schedule.bar.text


@pytest.mark.parametrize("key", list(PRESETS))
def test_every_preset_has_the_drawing_of_its_formula(qapp: QApplication, key: str) -> None:
    path = resource("formulas", f"{key}.svg")
    root = ElementTree.fromstring(path.read_text(encoding="utf-8"))
    assert root.findtext("{http://www.w3.org/2000/svg}desc") == PRESETS[key].latex
    drawing = QSvgRenderer(str(path))
    assert drawing.isValid()
    assert 8.0 < drawing.viewBoxF().height() < 40.0


def test_there_is_no_drawing_without_a_preset() -> None:
    drawings = {path.stem for path in resource("formulas").glob("*.svg")}
    assert drawings == set(PRESETS)


def test_the_formula_is_inked_in_the_colour_of_the_text_of_each_theme(
    row: PresetRow, parts: Parts
) -> None:
    for wish in ("light", "dark"):
        parts.theme.set_wish(wish)
        row.setStyleSheet(f"background: {parts.theme.tokens.panel}")
        assert _ink(row) == {parts.theme.tokens.text.lower(), parts.theme.tokens.panel.lower()}


@pytest.mark.parametrize("width", [386, 120])
def test_no_formula_is_cut_off(row: PresetRow, parts: Parts, width: int) -> None:
    """Each drawing ends before the right edge, at its own size or as wide as there is room."""
    row.formula.setFixedWidth(width)
    for key in PRESETS:
        parts.document.replace_schedule(ScheduleSpec(key), "choose")
        image = row.formula.grab().toImage()
        paper = image.pixel(width - 1, 0)
        inked = [x for x in range(width) if any(image.pixel(x, y) != paper for y in range(34))]
        natural = QSvgRenderer(str(resource("formulas", f"{key}.svg"))).viewBoxF().width()
        assert max(inked) < width - 1, key
        assert max(inked) - min(inked) > 0.85 * min(natural, width) - 3, key


def test_the_formula_says_itself_its_source_and_its_symbols(row: PresetRow) -> None:
    for part in ("cos²", "Nichol & Dhariwal 2021", "offset s: ", "Range 0 to 0.5"):
        assert part in row.formula.toolTip()
    assert row.formula.accessibleName() == PRESETS["cosine"].formula


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"points": DRAWN.points, "base_T": 1000}, "bent through 2 points"),
        ({"zero_terminal": True}, "zero terminal SNR"),
        ({"shift": -1.5}, "shifted by -1.5"),
        ({"scale": 0.5}, "log-SNR times 0.5"),
        ({"family": "ve"}, "Cosine"),
        ({"preset": "", "T": 2, "betas": (0.1, 0.2)}, "table"),
        ({"preset": "", "points": DRAWN.points}, "points"),
    ],
)
def test_a_schedule_that_is_no_formula_says_so_in_words(
    row: PresetRow, parts: Parts, changes: dict[str, object], words: str
) -> None:
    assert row.formula.typeset
    parts.document.replace_schedule(replace(ScheduleSpec(), **changes), "change")
    assert not row.formula.typeset
    assert words in row.formula.text


def test_a_long_name_widens_no_box(row: PresetRow, parts: Parts) -> None:
    before = row.preset.width()
    parts.presets.save("W" * 60, _spec(parts))
    QApplication.processEvents()
    assert row.preset.currentText() == "W" * 60
    assert row.preset.width() == before
    assert "W" * 60 in row.preset.toolTip()
