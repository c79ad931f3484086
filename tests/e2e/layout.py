"""Prints where things lie in the main window, as JSON: name -> [x, y, width, height].

Run at the desktop of the program under test: the same window in the same surroundings has the
same layout, so that a test knows where to look and where to put the mouse, and the program needs
no hook for tests.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator

import numpy as np
from PySide6.QtCore import QPoint, QRect, QSize
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QSlider, QStyle, QStyleOptionSlider, QWidget

from diffusion_gui.app.main_window import MainWindow
from diffusion_gui.app.parts import Parts, build_parts
from diffusion_gui.state.run_view import Quantity
from diffusion_gui.state.settings import Settings

NAMED = ("imagePanel", "filmStrip", "tray", "stepsSpin")


def places(window: MainWindow, parts: Parts) -> Iterator[tuple[str, QWidget, QRect]]:
    """Yield (name, widget, rectangle in the widget)."""
    yield "window", window, window.rect()
    for name in NAMED:
        widget = window.findChild(QWidget, name)
        assert widget is not None, f"no widget is named {name}"
        yield name, widget, widget.rect()
    for name in ("x_0", "x_t"):
        picture = getattr(window.images.tiles, name)
        yield name, picture, picture.picture_rect()
    batch = window.sampling.batch
    for name, area in zip(("batch_x_t", "batch_x0_hat"), batch.areas(), strict=True):
        yield name, batch, area
    slider = window.toolbar.slider
    for name, t in (("t_0", 0), ("t_now", parts.view.t), ("t_T", parts.view.T)):
        yield name, slider, _handle(slider, t)
    plot = window.schedule.alpha_bar
    for index, point in enumerate(plot.points):
        yield f"point_{index}", plot, QRect(plot.to_pixel(*point).toPoint(), QSize(1, 1))


def _handle(slider: QSlider, value: int) -> QRect:
    """Return the slider's handle as it lies at `value`."""
    option = QStyleOptionSlider()
    slider.initStyleOption(option)
    option.sliderPosition = option.sliderValue = value
    part = QStyle.SubControl.SC_SliderHandle
    return slider.style().subControlRect(QStyle.ComplexControl.CC_Slider, option, part, slider)


def main() -> int:
    """Build the window as the program does, print its places, end."""
    app = QApplication(sys.argv[:1])
    parts = build_parts(app, Settings())
    window = MainWindow(parts)
    window.show()
    blank = np.zeros((parts.document.experiment.sampling.count, 8, 8, 3), np.uint8)
    window.sampling.batch.set_pictures(dict.fromkeys((Quantity.X_T, Quantity.X0_HAT), blank))
    QTest.qWaitForWindowExposed(window)
    window.grab()  # painting is what settles the plots' axes
    found = {
        name: [*widget.mapTo(window, rect.topLeft()).toTuple(), rect.width(), rect.height()]
        for name, widget, rect in places(window, parts)
    }
    window.images.bar.show_lines(["one line"])
    app.processEvents()
    bar = window.images.bar
    found["messageBar"] = [*bar.mapTo(window, QPoint()).toTuple(), bar.width(), bar.height()]
    parts.shutdown()
    sys.stdout.write(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
