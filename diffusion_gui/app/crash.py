"""The road for unexpected errors: a log file, and one dialog with a report to copy."""

from __future__ import annotations

import logging
import platform
import sys
import threading
import traceback
from pathlib import Path
from types import TracebackType

import numpy as np
from PySide6.QtCore import QObject, QStandardPaths, Signal, Slot, qVersion
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QMessageBox

from diffusion_gui import __version__

_log = logging.getLogger("diffusion_gui")


def log_file() -> Path:
    """Return the path of the log file."""
    kind = QStandardPaths.StandardLocation.AppLocalDataLocation
    return Path(QStandardPaths.writableLocation(kind)) / "diffusion-gui.log"


def versions() -> str:
    """Return versions and platform in one line; torch only if it is loaded."""
    torch = sys.modules.get("torch")
    parts = [
        f"Diffusion GUI {__version__}",
        f"Python {platform.python_version()}",
        f"Qt {qVersion()}",
        f"NumPy {np.__version__}",
        f"torch {torch.__version__}" if torch else "torch not loaded",
        platform.platform(),
    ]
    return ", ".join(parts)


class CrashReporter(QObject):
    """Logs every uncaught error of any thread and shows the first one in a dialog."""

    _caught = Signal(str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._box: QMessageBox | None = None
        self._caught.connect(self._show)

    def install(self) -> None:
        """Start logging and take over the hooks for uncaught errors."""
        from logging.handlers import RotatingFileHandler  # brings sockets and pickles along

        file = log_file()
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            handler = RotatingFileHandler(file, maxBytes=500_000, backupCount=1, encoding="utf-8")
            handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
            _log.addHandler(handler)
        except OSError:
            pass  # a read-only home must not keep the program from starting
        sys.excepthook = self._on_error
        threading.excepthook = lambda args: self._on_error(
            args.exc_type, args.exc_value or args.exc_type(), args.exc_traceback
        )

    def uninstall(self) -> None:
        """Give the hooks back and close the log."""
        sys.excepthook = sys.__excepthook__
        threading.excepthook = threading.__excepthook__
        for handler in list(_log.handlers):
            _log.removeHandler(handler)
            handler.close()

    def _on_error(
        self, kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        if issubclass(kind, KeyboardInterrupt):
            QGuiApplication.quit()
            return
        text = "".join(traceback.format_exception(kind, error, trace))
        _log.error("%s\n%s", versions(), text)
        sys.__stderr__.write(text) if sys.__stderr__ else None
        self._caught.emit(text)

    @Slot(str)
    def _show(self, text: str) -> None:
        """Show the first error; later ones are only logged."""
        if self._box is not None:
            return
        self._box = box = QMessageBox()
        box.setIcon(QMessageBox.Icon.Warning)
        box.setWindowTitle("Diffusion GUI")
        box.setText("Something went wrong that should not have. Your work is still open.")
        box.setInformativeText(f"{text.strip().splitlines()[-1]}\n\nLog: {log_file()}")
        box.setDetailedText(f"{versions()}\n\n{text}")
        copy = box.addButton("Copy report", QMessageBox.ButtonRole.ActionRole)
        copy.clicked.connect(lambda: QGuiApplication.clipboard().setText(f"{versions()}\n\n{text}"))
        box.addButton(QMessageBox.StandardButton.Close)
        box.open()
