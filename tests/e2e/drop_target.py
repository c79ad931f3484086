"""Another program: takes files that are dropped on it, as a file manager does.

Started as `python drop_target.py X Y FOLDER`; it stays above other windows at (X, Y) and copies
every dropped file into FOLDER, whole or not at all.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QApplication, QLabel

TITLE = "Drop target"
SIDE = 96


class Target(QLabel):
    """A square that takes files."""

    def __init__(self, folder: Path) -> None:
        flags = Qt.WindowType.FramelessWindowHint | Qt.WindowType.WindowStaysOnTopHint
        super().__init__("drop here", None, flags)
        self._folder = folder
        self.setWindowTitle(TITLE)
        self.setFixedSize(SIDE, SIDE)
        self.setAcceptDrops(True)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Take files only."""
        if event.mimeData().hasUrls():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Copy what was dropped."""
        for url in event.mimeData().urls():
            source = Path(url.toLocalFile())
            part = self._folder / f".{source.name}.part"
            shutil.copyfile(source, part)
            part.rename(self._folder / source.name)
        event.acceptProposedAction()


def main(arguments: list[str]) -> int:
    """Show the square until the program is ended."""
    app = QApplication(sys.argv[:1])
    target = Target(Path(arguments[2]))
    target.move(int(arguments[0]), int(arguments[1]))
    target.show()
    return app.exec()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
