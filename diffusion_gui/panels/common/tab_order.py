"""The order of the Tab key: as one reads, also for what was built later."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLayout, QScrollArea, QWidget


def in_order(widget: QWidget) -> Iterator[QWidget]:
    """Yield what takes the focus by Tab in a widget, in the order of its layouts."""
    if widget.focusPolicy() & Qt.FocusPolicy.TabFocus:
        yield widget
    if isinstance(widget, QScrollArea):
        if (inside := widget.widget()) is not None:
            yield from in_order(inside)
    elif (layout := widget.layout()) is not None:
        yield from _of_layout(layout)


def order_tabs(widget: QWidget) -> None:
    """Let Tab go through a widget in the order of its layouts; what is built late is last."""
    for before, after in pairwise(in_order(widget)):
        QWidget.setTabOrder(before, after)


def _of_layout(layout: QLayout) -> Iterator[QWidget]:
    for place in range(layout.count()):
        item = layout.itemAt(place)
        if item is None:
            continue
        if (inside := item.widget()) is not None:
            yield from in_order(inside)
        elif (within := item.layout()) is not None:
            yield from _of_layout(within)
