"""A second program: shows files side by side and lets them be dragged into other programs.

Started as `python drag_source.py X Y FILES ...`, where FILES are names of files or folders that are
dragged together, with line ends between; it stays above other windows at (X, Y).
"""

from __future__ import annotations

import sys
from pathlib import Path

from PySide6.QtCore import QMimeData, QPoint, Qt, QUrl
from PySide6.QtGui import QDrag, QMouseEvent, QPixmap
from PySide6.QtWidgets import QApplication, QHBoxLayout, QLabel, QWidget

TITLE = "Drag source"
SIDE = 96
"""Side in pixels of one file's square."""


class FileLabel(QLabel):
    """Files that go together: the picture of the first, or its name if it is none."""

    def __init__(self, files: list[Path]) -> None:
        super().__init__(files[0].name)
        self._files = files
        self._pressed = QPoint()
        self._picture = QPixmap(str(files[0]) if files[0].is_file() else "")
        self.setScaledContents(True)
        if not self._picture.isNull():
            self.setPixmap(self._picture)
        self.setFixedSize(SIDE, SIDE)
        self.setAlignment(Qt.AlignmentFlag.AlignCenter)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Remember where a drag may begin."""
        self._pressed = event.position().toPoint()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Start the drag as a file manager does, after a few pixels."""
        way = (event.position().toPoint() - self._pressed).manhattanLength()
        if way < QApplication.startDragDistance():
            return
        mime = QMimeData()
        mime.setUrls([QUrl.fromLocalFile(str(file)) for file in self._files])
        drag = QDrag(self)
        drag.setMimeData(mime)
        drag.setPixmap(self.grab().scaled(32, 32))
        drag.exec(Qt.DropAction.CopyAction)


def main(arguments: list[str]) -> int:
    """Show the window until the program is ended."""
    app = QApplication(sys.argv[:1])
    window = QWidget(None, Qt.WindowType.FramelessWindowHint | Qt.WindowType.WindowStaysOnTopHint)
    window.setWindowTitle(TITLE)
    row = QHBoxLayout(window)
    row.setContentsMargins(0, 0, 0, 0)
    row.setSpacing(0)
    for names in arguments[2:]:
        row.addWidget(FileLabel([Path(name) for name in names.splitlines()]))
    window.move(int(arguments[0]), int(arguments[1]))
    window.show()
    return app.exec()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
