"""The main window: places the three panels and wires signals. Nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QMimeData, Qt, Slot
from PySide6.QtGui import (
    QCloseEvent,
    QDragEnterEvent,
    QDragLeaveEvent,
    QDropEvent,
    QGuiApplication,
    QKeyEvent,
)
from PySide6.QtWidgets import QFileDialog, QMainWindow, QMessageBox, QSplitter, QVBoxLayout, QWidget

from diffusion_gui import __version__
from diffusion_gui.app.actions import build_menus
from diffusion_gui.app.leaving import Leaving
from diffusion_gui.app.network_files import NetworkFiles
from diffusion_gui.app.parts import Parts
from diffusion_gui.app.picture_files import PictureFiles
from diffusion_gui.app.process_place import ProcessPlace
from diffusion_gui.app.run_files import RunFiles
from diffusion_gui.app.sample_drags import SampleDrags
from diffusion_gui.app.schedule_files import ScheduleFiles
from diffusion_gui.app.toolbar import Toolbar
from diffusion_gui.app.warming import Warming
from diffusion_gui.engine.image_files import SUFFIXES
from diffusion_gui.panels.common.dropping import PNG, image_from, paths_from
from diffusion_gui.panels.images.panel import ImagePanel, Sources
from diffusion_gui.panels.sampling.panel import SamplingPanel
from diffusion_gui.panels.sampling.sources import Sources as RunSources
from diffusion_gui.panels.schedule.editor import ScheduleEditor

MARGIN = 10
_WIDTHS, _HALVES = (35, 65), (12, 13)
"""Shares of the schedule editor and what is right of it; of the image and the sampling panel."""
_TIME_KEYS = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}


class MainWindow(QMainWindow):
    """Schedule editor on the left, image panel over sampling panel on the right."""

    def __init__(self, parts: Parts) -> None:
        super().__init__()
        self._parts = parts
        self._sure = False
        self.setWindowTitle("Diffusion GUI")
        self.setAcceptDrops(True)
        self.setMinimumSize(1100, 680)
        with parts.theme.undressed():
            self._build_panels()
        self.actions_by_name, menus = build_menus(self, self._handlers())
        self.images.tray.set_actions(self.actions_by_name)
        self.schedule.set_menu(menus["Schedule"], menus["pinPreset"])
        self.picture_files.set_menu(self.actions_by_name)
        self.run_files.set_menu(self.actions_by_name)
        name = f"theme{parts.theme.wish.capitalize()}"
        self.actions_by_name[name].setChecked(True)
        self.leaving = Leaving(parts, self)
        self._bind()
        self.warming = Warming(parts.sampling, self)
        self.warming.ended.connect(self.sampling.prepare)
        self._restore_layout()
        self.toolbar.slider.setFocus()

    def _build_panels(self) -> None:
        p = self._parts
        common = (p.document, p.view)
        self.toolbar = Toolbar(*common, p.player, p.sampling, p.settings, p.theme)
        self.schedule = ScheduleEditor(
            *common, p.run_view, p.editor, p.comparison, p.presets, p.theme
        )
        self.schedule_files = ScheduleFiles(p.document, p.settings, self.schedule)
        sources = Sources(
            p.store, p.preview, p.film, p.loader, p.pictures, p.chain, p.measures, p.estimator
        )
        self.images = ImagePanel(*common, sources, p.theme)
        runs = RunSources(
            *common,
            p.sampling,
            p.run_view,
            p.starts,
            p.forecaster,
            p.run_comparison,
            p.run_checks,
            p.run_endings,
            p.settings,
            p.networks,
        )
        self.sampling = SamplingPanel(runs, p.theme)
        self.picture_files = PictureFiles(p, self.images)
        self.run_files = RunFiles(p, self.sampling)
        self.network_files = NetworkFiles(p, self.sampling)
        self.sample_drags = SampleDrags(p, self.sampling)
        self.process = ProcessPlace(p, self.sampling)
        self._right = _splitter(Qt.Orientation.Vertical, self.images, self.process, _HALVES)
        self._whole = _splitter(Qt.Orientation.Horizontal, self.schedule, self._right, _WIDTHS)
        centre = QWidget()
        centre.setObjectName("centre")
        column = QVBoxLayout(centre)
        column.setContentsMargins(MARGIN, 6, MARGIN, MARGIN)
        column.setSpacing(MARGIN)
        column.addWidget(self.toolbar)
        column.addWidget(self._whole, 1)
        self.setCentralWidget(centre)

    def _bind(self) -> None:
        self.toolbar.open_requested.connect(self._open_images)
        self.toolbar.paste_requested.connect(self._paste)
        self.images.paths_dropped.connect(self.open)
        self.process.paths_dropped.connect(self.open)
        self.sampling.form.network_wished.connect(self.network_files.ask_file)
        self.schedule_files.not_a_schedule.connect(self.network_files.open)
        self.network_files.begun.connect(self.process.show_sampling)
        for said in (
            self.schedule_files.said,
            self.picture_files.said,
            self.schedule.operations.said,
            self.process.said,
            self.leaving.said,
        ):
            said.connect(self.toolbar.say)
        self.leaving.kept.connect(self.process.show_training)
        for of_runs in (self.run_files, self.sample_drags, self.network_files):
            of_runs.said.connect(self.sampling.told.say)

    def _handlers(self) -> dict[str, Callable[[], object]]:
        p, history = self._parts, self._parts.document.history
        return {
            "openImages": self._open_images,
            "openFolder": self._open_folder,
            "quit": self.close,
            "undo": history.undo,
            "redo": history.redo,
            "paste": self._paste,
            "reroll": self.toolbar.new_seed,
            "resetAll": self._reset_all,
            "themeSystem": lambda: self._set_theme("system"),
            "themeLight": lambda: self._set_theme("light"),
            "themeDark": lambda: self._set_theme("dark"),
            "playTime": p.player.toggle,
            "earlier": lambda: p.view.set_t(p.view.t - max(1, p.view.T // 100)),
            "later": lambda: p.view.set_t(p.view.t + max(1, p.view.T // 100)),
            "runPause": self.sampling.toggle,
            "step": p.run_view.step_on,
            "stepBack": p.run_view.step_back,
            "firstStep": p.run_view.first,
            "lastStep": p.run_view.last,
            "stop": p.sampling.stop,
            "forkRun": self.sampling.transport.fork.fork,
            "unforkRun": self.sampling.fork.unfork,
            "showSampling": self.process.show_sampling,
            "showTraining": self.process.show_training,
            "showRuns": self.process.show_runs,
            "denoiseFromHere": p.starts.from_here,
            "startInverted": p.starts.inverted,
            "startFromNoise": p.starts.from_noise,
            "paintMask": self.sampling.start_windows.paint_mask,
            "roundTrip": self.sampling.start_windows.make_trips,
            **self.images.tray.handlers(),
            **self.schedule.handlers(),
            **self.schedule_files.handlers(),
            **self.picture_files.handlers(),
            **self.run_files.handlers(),
            **self.network_files.handlers(),
            "shortcuts": self._show_shortcuts,
            "about": self._show_about,
        }

    @Slot()
    def _open_images(self) -> None:
        endings = " ".join(f"*{suffix}" for suffix in sorted(SUFFIXES))
        files, _ = QFileDialog.getOpenFileNames(
            self, "Open images", self._parts.settings.folder, f"Images ({endings});;All files (*)"
        )
        self.open(files)

    @Slot()
    def _open_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(
            self, "Open a folder of images", self._parts.settings.folder
        )
        self.open([folder] if folder else [])

    @Slot(list)
    def open(self, paths: list[str]) -> None:
        """Open files and folders as if dropped: experiment, network, schedule, or pictures."""
        if not paths:
            return
        self._parts.settings.folder = str(Path(paths[0]).parent)
        rest = self.network_files.take(self.picture_files.restorer.take(paths))
        if pictures := self.schedule_files.take(rest):
            self._parts.loader.open(pictures)

    @Slot()
    def _paste(self) -> None:
        mime = QGuiApplication.clipboard().mimeData() or QMimeData()  # none while it is empty
        if paths := paths_from(mime):
            self.open(paths)
        elif picture := image_from(mime):
            png = bytes(mime.data(PNG).data())
            if not self.picture_files.restorer.take_copied(png, picture):
                self._parts.loader.add(picture, "clipboard")
        elif mime.hasText() and mime.text().strip():
            self.schedule_files.paste(mime.text())
        else:
            self.images.bar.show_lines(
                ["The clipboard holds no picture and no schedule: copy one, then paste"]
            )

    @Slot()
    def _reset_all(self) -> None:
        text = "start over with the bundled pictures"
        self._parts.document.replace(self._parts.first_experiment, text)

    def _set_theme(self, wish: str) -> None:
        self._parts.settings.theme = wish
        self._parts.theme.set_wish(wish)

    def _show_shortcuts(self) -> None:
        from diffusion_gui.app.key_list import KeyList

        KeyList(self).open()

    def _show_about(self) -> None:
        box = QMessageBox(self)
        box.setWindowTitle("About Diffusion GUI")
        box.setTextFormat(Qt.TextFormat.RichText)
        box.setText(
            f"<b>Diffusion GUI {__version__}</b><p>See, touch and tune a diffusion process.</p>"
            "<p>Apache-2.0. Emoji: Noto Color Emoji, OFL 1.1. Icons: Lucide, ISC.</p>"
        )
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        box.open()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Play by Space and move t by the arrows, wherever the focus has no use for them."""
        view, step = self._parts.view, _TIME_KEYS.get(Qt.Key(event.key()))
        if event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier:
            super().keyPressEvent(event)
        elif event.key() == Qt.Key.Key_Space:
            self._parts.player.toggle()
        elif step is not None:
            view.set_t(view.t + step)
        else:
            super().keyPressEvent(event)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """A drop anywhere in the window is a drop on the image panel."""
        self.images.dragEnterEvent(event)

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        """The drag has left the window."""
        self.images.dragLeaveEvent(event)

    def dropEvent(self, event: QDropEvent) -> None:
        """Hand the drop to the image panel."""
        self.images.dropEvent(event)

    def leave(self) -> None:
        """Close without a question."""
        self._sure = True
        self.close()

    def closeEvent(self, event: QCloseEvent) -> None:
        """Remember the layout and end the background threads before anything is destroyed."""
        if not self._sure and not self.leaving.may_close():
            event.ignore()
            return
        settings = self._parts.settings
        settings.save_layout("window", self.saveGeometry())
        settings.save_layout("whole", self._whole.saveState())
        settings.save_layout("right", self._right.saveState())
        settings.sync()
        self.sampling.told.forget()
        self.hide()  # a worker that is loading torch can take a second to end
        self.warming.shutdown()
        self.schedule_files.shutdown()
        self.picture_files.shutdown()
        self.sample_drags.shutdown()
        self.run_files.shutdown()
        self.network_files.shutdown()
        self.process.shutdown()
        self._parts.shutdown()
        super().closeEvent(event)

    def _restore_layout(self) -> None:
        settings = self._parts.settings
        if not self.restoreGeometry(settings.layout("window")):
            self._first_size()
        for splitter, shares in ((self._right, _HALVES), (self._whole, _WIDTHS)):
            splitter.setSizes([share * 20 for share in shares])
        self._whole.restoreState(settings.layout("whole"))
        self._right.restoreState(settings.layout("right"))

    def _first_size(self) -> None:
        """Take most of the screen, but no more than the content can use."""
        screen = QGuiApplication.primaryScreen().availableGeometry()
        self.resize(min(1560, screen.width() - 20), min(920, screen.height() - 40))


def _splitter(
    orientation: Qt.Orientation, first: QWidget, second: QWidget, shares: tuple[int, int]
) -> QSplitter:
    splitter = QSplitter(orientation)
    splitter.setChildrenCollapsible(False)
    splitter.setHandleWidth(MARGIN)
    for index, (widget, share) in enumerate(zip((first, second), shares, strict=True)):
        splitter.addWidget(widget)
        splitter.setStretchFactor(index, share)
    return splitter
