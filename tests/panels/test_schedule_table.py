"""The table of numbers in the real window: read, copied, edited, pasted into, by mouse and keys."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from PySide6.QtCore import QItemSelectionModel, QPoint, Qt
from PySide6.QtGui import QColor, QContextMenuEvent, QFontMetrics, QGuiApplication, QImage
from PySide6.QtWidgets import QApplication, QLineEdit, QMenu
from pytestqt.qtbot import QtBot

from diffusion_gui.app.main_window import MainWindow
from diffusion_gui.app.parts import Parts
from diffusion_gui.engine.schedules import ScheduleSpec, build
from diffusion_gui.engine.schedules.columns import COLUMNS
from diffusion_gui.panels.schedule.table_model import NAMES, short
from diffusion_gui.panels.schedule.table_view import NumbersView

LEFT = Qt.MouseButton.LeftButton
CTRL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
BETA, ALPHA_BAR, SIGMA, POSTERIOR = (
    NAMES.index(name) for name in ("beta", "alpha_bar", "sigma", "posterior_variance")
)


@pytest.fixture
def table(window: MainWindow, parts: Parts, qtbot: QtBot) -> NumbersView:
    parts.sampling.live = False
    window.activateWindow()
    qtbot.waitActive(window)
    qtbot.mouseClick(window.schedule.chips.chips["table"], LEFT)
    numbers = window.schedule.table.numbers
    assert numbers is not None
    numbers.setFocus()
    return numbers


@pytest.fixture
def go(table: NumbersView) -> Callable[[int, int], None]:
    """Return a function that makes a cell the current one."""
    return lambda t, place: table.setCurrentIndex(table.model_.index(t, place))


def _middle(table: NumbersView, t: int, place: int) -> QPoint:
    return table.visualRect(table.model_.index(t, place)).center()


def _field(table: NumbersView) -> QLineEdit:
    field = table.findChild(QLineEdit)
    assert field is not None
    return field


def _edit(qtbot: QtBot, table: NumbersView, text: str) -> None:
    """Type over the current cell and press Enter."""
    qtbot.keyClick(table, text[0])
    field = _field(table)
    qtbot.keyClicks(field, text[1:])
    qtbot.keyClick(field, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: table.findChild(QLineEdit) is None)


def _paste(qtbot: QtBot, table: NumbersView, text: str) -> None:
    QGuiApplication.clipboard().setText(text)
    qtbot.keyClick(table, Qt.Key.Key_V, CTRL)


def _press_head(qtbot: QtBot, table: NumbersView, place: int) -> None:
    head = table.horizontalHeader()
    spot = QPoint(head.sectionViewportPosition(place) + 20, 8)
    qtbot.mouseClick(head.viewport(), LEFT, pos=spot)


def _clipboard() -> list[list[str]]:
    return [line.split("\t") for line in QGuiApplication.clipboard().text().splitlines()]


# --- on show --------------------------------------------------------------------------------------


def test_the_table_is_built_when_it_is_first_asked_for_and_leaves_the_curves_room(
    window: MainWindow, parts: Parts, qtbot: QtBot
) -> None:
    editor, chip = window.schedule, window.schedule.chips.chips["table"]
    assert editor.table.numbers is None
    window.resize(1280, 800)
    qtbot.mouseClick(chip, LEFT)
    numbers = editor.table.numbers
    assert numbers is not None
    qtbot.waitUntil(lambda: numbers.isVisible() and numbers.viewport().height() >= 100)
    assert editor.alpha_bar.height() > 100
    assert editor.beta.height() > 60
    qtbot.mouseClick(chip, LEFT)
    assert not editor.table.isVisible()


def test_the_keyboard_goes_back_to_the_curve_when_the_table_closes(
    window: MainWindow, table: NumbersView, qtbot: QtBot
) -> None:
    chip = window.schedule.chips.chips["table"]
    assert QApplication.focusWidget() is table
    qtbot.mouseClick(chip, LEFT)
    assert QApplication.focusWidget() is window.schedule.alpha_bar
    chip.setFocus()  # who closes it from the chip stays there
    qtbot.mouseClick(chip, LEFT)
    qtbot.keyClick(chip, Qt.Key.Key_Space)
    assert QApplication.focusWidget() is chip


def test_every_row_shows_the_schedule_of_its_t(table: NumbersView, parts: Parts) -> None:
    schedule = parts.document.schedule
    assert table.model_.rowCount() == schedule.T + 1
    for t in (0, 1, 412, 1000):
        for place, name in enumerate(NAMES):
            shown = table.model_.index(t, place).data()
            if name == "t":
                assert shown == str(t)
            elif shown != "–":
                assert shown == short(float(COLUMNS[name].values(schedule)[t]))
    assert table.model_.index(412, ALPHA_BAR).data() == "0.6295"
    assert table.model_.index(1000, ALPHA_BAR).data() == "2.4e-9"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"), (1.0, "1"), (math.inf, "∞"), (0.62951, "0.6295"), (0.5, "0.5000"),
        (2.4291e-9, "2.4e-9"), (0.0023847, "0.00238"), (0.99995, "0.99995"),
        (1.0 - 2e-9, "1−2e-9"), (12.345, "12.35"), (1234.4, "1234"), (24123.0, "2.4e4"),
    ],
)  # fmt: skip
def test_numbers_are_short_enough_for_a_narrow_column(value: float, text: str) -> None:
    assert short(value) == text
    assert len(text) <= 7


def test_every_column_explains_itself(table: NumbersView) -> None:
    for place, name in enumerate(NAMES):
        tooltip = table.model_.headerData(
            place, Qt.Orientation.Horizontal, Qt.ItemDataRole.ToolTipRole
        )
        assert len(tooltip) > 10
        assert name == "t" or COLUMNS[name].meaning in tooltip


def test_no_number_is_cut_off_at_the_smallest_size(
    table: NumbersView, window: MainWindow, qtbot: QtBot
) -> None:
    for width in (1100, 1280):
        window.resize(width, 800)
        qtbot.waitUntil(lambda width=width: window.width() == width)
        assert table.horizontalHeader().length() <= table.viewport().width()
        font, room = table.look()
        for place in range(1, len(NAMES)):
            texts = [table.model_.text(t, place) for t in (1, 3, 500, 999, 1000)]
            widest = max(map(QFontMetrics(font).horizontalAdvance, texts))
            assert widest + room <= table.columnWidth(place), (width, NAMES[place])


def test_the_row_at_the_cursor_is_amber_and_stays_in_sight(
    table: NumbersView, parts: Parts
) -> None:
    amber = QColor(parts.theme.tokens.cursor)
    for t in (700, 3, 1000):
        parts.view.set_t(t)
        row = table.visualRect(table.model_.index(t, 0))
        assert table.viewport().rect().contains(row)
        picture: QImage = table.viewport().grab().toImage()
        assert picture.pixelColor(1, row.center().y()) == amber
        assert picture.pixelColor(1, row.center().y() - 20) != amber


def test_pressing_a_row_moves_the_cursor_there_without_scrolling(
    table: NumbersView, parts: Parts, qtbot: QtBot
) -> None:
    parts.view.set_t(500)
    top = table.rowAt(0)
    qtbot.mouseClick(table.viewport(), LEFT, pos=_middle(table, top + 1, SIGMA))
    assert parts.view.t == top + 1
    assert table.rowAt(0) == top
    qtbot.mouseClick(table.viewport(), LEFT, SHIFT, pos=_middle(table, top + 3, SIGMA))
    assert parts.view.t == top + 1


def test_the_table_follows_a_schedule_of_another_length_and_while_it_is_hidden(
    table: NumbersView, window: MainWindow, parts: Parts, qtbot: QtBot
) -> None:
    chip = window.schedule.chips.chips["table"]
    parts.document.replace_schedule(ScheduleSpec("linear", 30), "short")
    assert table.model_.rowCount() == 31
    qtbot.mouseClick(chip, LEFT)
    parts.document.replace_schedule(ScheduleSpec("linear", 50), "longer")
    qtbot.mouseClick(chip, LEFT)
    assert table.model_.rowCount() == 51
    assert table.model_.index(50, BETA).data() == short(float(parts.document.schedule.beta[50]))


def test_a_change_of_ten_thousand_rows_is_one_signal(
    table: NumbersView, parts: Parts, qtbot: QtBot
) -> None:
    parts.document.replace_schedule(ScheduleSpec("cosine", 10_000), "long")
    said: list[int] = []
    table.model_.dataChanged.connect(lambda top, bottom, _: said.append(bottom.row() - top.row()))
    parts.document.replace_schedule(ScheduleSpec("linear", 10_000), "other")
    assert said == [10_000]


# --- edit -----------------------------------------------------------------------------------------


def test_a_typed_beta_keeps_every_other_and_is_one_undo_step(
    table: NumbersView, parts: Parts, qtbot: QtBot, go: Callable[[int, int], None]
) -> None:
    before, experiment = parts.document.schedule, parts.document.experiment
    go(300, BETA)
    _edit(qtbot, table, "0.25")
    after = parts.document.schedule
    assert after.beta[300] == 0.25
    others = np.arange(1001) != 300
    np.testing.assert_array_equal(after.beta[others], before.beta[others])
    assert after.alpha_bar[600] < 0.8 * before.alpha_bar[600]
    assert table.model_.index(300, BETA).data() == "0.2500"
    assert parts.document.history.count == 1
    parts.document.history.undo()
    assert parts.document.experiment == experiment
    assert table.model_.index(300, BETA).data() == short(float(before.beta[300]))


def test_enter_commits_and_goes_down(
    table: NumbersView, parts: Parts, qtbot: QtBot, go: Callable[[int, int], None]
) -> None:
    go(300, BETA)
    for beta in (0.25, 0.125):
        _edit(qtbot, table, str(beta))
    assert parts.document.schedule.beta[300:302].tolist() == [0.25, 0.125]
    assert (table.currentIndex().row(), table.currentIndex().column()) == (302, BETA)
    go(1000, BETA)
    _edit(qtbot, table, "0.5")
    assert table.currentIndex().row() == 1000
    assert table.hasFocus()


def test_a_number_that_is_only_looked_at_keeps_its_digits(
    table: NumbersView, parts: Parts, qtbot: QtBot, go: Callable[[int, int], None]
) -> None:
    for t, place in ((1, BETA), (412, ALPHA_BAR), (1000, ALPHA_BAR), (999, SIGMA)):
        go(t, place)
        qtbot.keyClick(table, Qt.Key.Key_Return)
        field = _field(table)
        assert field.cursorPosition() == 0
        assert field.selectedText() == field.text()
        digits = field.text().partition("e")[0].replace(".", "").lstrip("0")
        assert len(digits) <= 9
        qtbot.keyClick(field, Qt.Key.Key_Return)
        qtbot.waitUntil(lambda: table.findChild(QLineEdit) is None)
        assert parts.document.history.count == 0


def test_enter_edits_the_number_and_escape_leaves_it(
    table: NumbersView, parts: Parts, qtbot: QtBot, go: Callable[[int, int], None]
) -> None:
    go(412, ALPHA_BAR)
    qtbot.keyClick(table, Qt.Key.Key_Return)
    field = _field(table)
    exact = float(parts.document.schedule.alpha_bar[412])
    assert float(field.text()) == pytest.approx(exact, rel=1e-9)
    qtbot.keyClicks(field, "0.5")
    qtbot.keyClick(field, Qt.Key.Key_Escape)
    qtbot.waitUntil(lambda: table.findChild(QLineEdit) is None)
    assert parts.document.history.count == 0
    assert table.hasFocus()


def test_a_typed_level_moves_the_curve_through_it_a_decimal_comma_will_do(
    table: NumbersView, parts: Parts, qtbot: QtBot, go: Callable[[int, int], None]
) -> None:
    go(412, ALPHA_BAR)
    _edit(qtbot, table, "0,629")
    assert parts.document.schedule.alpha_bar[412] == pytest.approx(0.629, abs=1e-12)


def test_an_impossible_number_is_said_in_the_bar_and_changes_nothing(
    table: NumbersView,
    window: MainWindow,
    parts: Parts,
    qtbot: QtBot,
    go: Callable[[int, int], None],
) -> None:
    for place, typed, said in (
        (ALPHA_BAR, "0.7", ["ᾱ at t = 412", "0.628", "0.631", "0.7"]),
        (BETA, "2", ["β must be above 0 and at most 1", "t = 412"]),
        (SIGMA, "-1", ["σ must be above 0", "t = 412"]),
        (BETA, "1,234.5", ["not a number"]),
    ):
        go(412, place)
        _edit(qtbot, table, typed)
        for word in said:
            assert word in window.schedule.bar.text
    assert parts.document.history.count == 0
    go(412, BETA)
    _edit(qtbot, table, "0.01")
    assert window.schedule.bar.text == ""


def test_what_follows_from_the_rest_cannot_be_edited(
    table: NumbersView, qtbot: QtBot, go: Callable[[int, int], None]
) -> None:
    for t, place in ((412, 0), (412, POSTERIOR), (0, ALPHA_BAR)):
        go(t, place)
        qtbot.keyClick(table, Qt.Key.Key_Return)
        qtbot.keyClick(table, "5")
        assert table.findChild(QLineEdit) is None


def test_letters_do_not_edit_and_arrows_walk(
    table: NumbersView, qtbot: QtBot, go: Callable[[int, int], None]
) -> None:
    go(412, BETA)
    qtbot.keyClick(table, "d")
    assert table.findChild(QLineEdit) is None
    qtbot.keyClick(table, Qt.Key.Key_Down)
    qtbot.keyClick(table, Qt.Key.Key_Right)
    assert (table.currentIndex().row(), table.currentIndex().column()) == (413, BETA + 1)


def test_tab_enters_the_table_at_the_cursor_and_leaves_it(
    table: NumbersView, window: MainWindow, qtbot: QtBot
) -> None:
    window.schedule.beta.setFocus()
    for _ in range(3):
        if not table.hasFocus():
            qtbot.keyClick(QApplication.focusWidget(), Qt.Key.Key_Tab)
    assert table.hasFocus()
    assert table.currentIndex().row() == 412
    qtbot.keyClick(table, Qt.Key.Key_Tab)
    assert not table.hasFocus()


# --- copy -----------------------------------------------------------------------------------------


def test_selected_cells_are_copied_with_all_their_digits(
    table: NumbersView, parts: Parts, qtbot: QtBot, go: Callable[[int, int], None]
) -> None:
    go(10, BETA)
    qtbot.keyClick(table, Qt.Key.Key_Down, SHIFT)
    qtbot.keyClick(table, Qt.Key.Key_Right, SHIFT)
    qtbot.keyClick(table, Qt.Key.Key_C, CTRL)
    schedule = parts.document.schedule
    rows = [[repr(float(schedule.beta[t])), repr(float(schedule.alpha[t]))] for t in (10, 11)]
    assert _clipboard() == [["beta", "alpha"], *rows]


def test_all_is_copied_and_a_column_by_its_head(table: NumbersView, qtbot: QtBot) -> None:
    qtbot.keyClick(table, Qt.Key.Key_A, CTRL)
    qtbot.keyClick(table, Qt.Key.Key_C, CTRL)
    whole = _clipboard()
    assert whole[0] == list(NAMES)
    assert len(whole) == 1002
    _press_head(qtbot, table, SIGMA)
    qtbot.keyClick(table, Qt.Key.Key_C, CTRL)
    assert [row[0] for row in _clipboard()] == [row[SIGMA] for row in whole]


def test_cells_here_and_there_are_copied_with_blanks_between(
    table: NumbersView, qtbot: QtBot, go: Callable[[int, int], None]
) -> None:
    go(5, BETA)
    table.selectionModel().select(
        table.model_.index(7, ALPHA_BAR), QItemSelectionModel.SelectionFlag.Select
    )
    table.copy()
    header, first, second = _clipboard()
    assert header == ["beta", "alpha_bar"]
    assert (first[1], second[0]) == ("", "")


def test_the_menu_key_offers_copy_at_the_cell(
    table: NumbersView,
    parts: Parts,
    monkeypatch: pytest.MonkeyPatch,
    go: Callable[[int, int], None],
) -> None:
    shown: list[tuple[QMenu, QPoint]] = []  # offscreen cannot pop a menu up
    monkeypatch.setattr(QMenu, "popup", lambda menu, place: shown.append((menu, place)))
    go(412, SIGMA)
    event = QContextMenuEvent(QContextMenuEvent.Reason.Keyboard, QPoint(), QPoint())
    QApplication.sendEvent(table.viewport(), event)
    menu, place = shown[0]
    cell = table.visualRect(table.model_.index(412, SIGMA))
    assert table.viewport().mapFromGlobal(place) == cell.bottomLeft()
    texts = [action.text().split("\t")[0] for action in menu.actions()]
    menu.actions()[texts.index("Copy")].trigger()
    assert _clipboard() == [["sigma"], [repr(float(parts.document.schedule.sigma[412]))]]
    menu.actions()[texts.index("Copy this column")].trigger()
    assert len(_clipboard()) == 1002


# --- paste ----------------------------------------------------------------------------------------


def test_a_copied_column_pasted_back_is_the_same_schedule(
    table: NumbersView, parts: Parts, qtbot: QtBot, go: Callable[[int, int], None]
) -> None:
    before, experiment = parts.document.schedule, parts.document.experiment
    for name in ("beta", "alpha", "alpha_bar", "snr", "sigma"):
        _press_head(qtbot, table, NAMES.index(name))
        qtbot.keyClick(table, Qt.Key.Key_C, CTRL)
        copied = QGuiApplication.clipboard().text()
        go(412, NAMES.index(name))
        _paste(qtbot, table, copied)
        assert parts.document.experiment == experiment  # nothing to do
        parts.document.replace_schedule(ScheduleSpec("linear", 1000), "other")
        _paste(qtbot, table, copied)
        after = parts.document.schedule
        np.testing.assert_allclose(after.alpha_bar, before.alpha_bar, rtol=0, atol=1e-9)
        np.testing.assert_allclose(after.beta, before.beta, rtol=0, atol=1e-9)
        parts.document.history.undo()
        parts.document.history.undo()
        assert parts.document.experiment == experiment


def test_a_column_of_another_length_makes_a_schedule_of_that_length(
    table: NumbersView, parts: Parts, qtbot: QtBot, go: Callable[[int, int], None]
) -> None:
    half = build(ScheduleSpec("linear", 500)).alpha_bar[1:]
    go(1, ALPHA_BAR)
    _paste(qtbot, table, "\n".join(map(repr, half.tolist())))
    assert parts.document.experiment.schedule.T == 500
    assert table.model_.rowCount() == 501
    assert parts.view.T == 500
    np.testing.assert_allclose(parts.document.schedule.alpha_bar[1:], half, atol=1e-9)
    parts.document.history.undo()
    assert parts.document.experiment.schedule == ScheduleSpec()


def test_a_few_betas_are_pasted_downward(
    table: NumbersView, parts: Parts, qtbot: QtBot, go: Callable[[int, int], None]
) -> None:
    go(50, BETA)
    _paste(qtbot, table, "beta\n0,01\n0,02\n0,03")
    assert parts.document.schedule.beta[50:53].tolist() == [0.01, 0.02, 0.03]
    assert parts.document.history.count == 1


def test_what_cannot_be_pasted_is_said_in_one_line_and_changes_nothing(
    table: NumbersView,
    window: MainWindow,
    parts: Parts,
    qtbot: QtBot,
    go: Callable[[int, int], None],
) -> None:
    for place, text, said in (
        (BETA, "hello", "no numbers"),
        (BETA, "0.1\nseven", "line 2"),
        (BETA, "0.1\nnan", "nan at t = 413"),
        (BETA, "0.1\n-1", "is -1 at t = 413"),
        (ALPHA_BAR, "0.3\n0.2", "1,000 numbers"),
        (POSTERIOR, "0.3\n0.2", "change one of"),
        (0, "0.3\n0.2", "change one of"),
    ):
        go(412, place)
        _paste(qtbot, table, text)
        assert said in window.schedule.bar.text
        assert "\n" not in window.schedule.bar.text
    assert parts.document.history.count == 0


def test_the_windows_paste_is_its_own_again_outside_the_table(
    table: NumbersView, window: MainWindow, parts: Parts, qtbot: QtBot
) -> None:
    _paste(qtbot, table, "hello")
    assert "clipboard: value" not in window.schedule.bar.text
    window.toolbar.slider.setFocus()
    qtbot.keyClick(window.toolbar.slider, Qt.Key.Key_V, CTRL)
    assert "clipboard: value 1 is 'hello'" in window.schedule.bar.text
