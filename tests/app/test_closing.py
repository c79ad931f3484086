"""The window is closed at the worst moments: the program ends, by itself and without a word."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from diffusion_gui.app.leaving import LeaveQuestion
from diffusion_gui.app.main_window import MainWindow
from diffusion_gui.app.parts import Parts
from diffusion_gui.engine.denoisers.unet_config import UNetConfig
from diffusion_gui.engine.training.options import TrainOptions
from diffusion_gui.session import training_home
from diffusion_gui.state.sampling import RunState
from diffusion_gui.state.training import TrainState

TIMEOUT = 60_000
SECONDS = 90
"""Far more than an end may take on a busy machine; a hang is longer."""

PROGRAM = """
import sys
from PySide6.QtCore import QTimer
from diffusion_gui.app import application

class Closer(application.Starter):
    def _start(self):
        sampling, document = self._parts.sampling, self._parts.document
        if {when!r} == "building":
            document.replace_sampling("slow to build", model="stack", count=4)
        super()._start()
        if {when!r} == "loading torch":
            QTimer.singleShot(30, self._window.close)
            return
        self._poll = QTimer(self, interval=5)
        self._poll.timeout.connect(self._look)
        self._poll.start()

    def _look(self):
        worker = sys.modules.get("diffusion_gui.engine.denoisers." + {module!r})
        if worker is not None:  # imported by the thread as it sets about it
            self._poll.stop()
            QTimer.singleShot(50, self._window.close)

application.Starter = Closer
code = application.main(["--size", "1280x800", "--device", "cpu"])
print("ended", code, flush=True)
sys.exit(code)
"""


@pytest.mark.parametrize(("when", "module"), [("loading torch", ""), ("building", "stack")])
def test_the_program_ends_when_it_is_closed_while_it_is(
    tmp_path: Path, when: str, module: str
) -> None:
    environment = os.environ | {
        "QT_QPA_PLATFORM": "offscreen",
        "HOME": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "XDG_DATA_HOME": str(tmp_path / "data"),
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(when=when, module=module)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "ended 0\n"), done.stderr
    said = [line for line in done.stderr.splitlines() if "propagateSizeHints" not in line]
    assert said == []


def test_closing_asks_only_where_runs_are_pinned_named_or_noted(
    window: MainWindow, parts: Parts, qtbot: QtBot
) -> None:
    parts.sampling.live = False
    parts.document.replace_sampling("few", model="gaussian", steps=2, count=1, size=16)
    parts.sampling.run()
    qtbot.waitUntil(lambda: parts.sampling.state is RunState.DONE, timeout=TIMEOUT)
    run = parts.sampling.recorded
    assert run is not None
    parts.sampling.runs.annotate(run, "the best so far")
    for answer in ("Esc", "Enter", "Stay", "Close"):
        assert not window.close()
        assert not window.close(), "it is asked once"
        [question] = window.findChildren(LeaveQuestion)
        assert question.text() == "Close and lose a run that you pinned, named or noted?"
        assert question.informativeText().startswith(f"{run.title}.")
        assert window.isVisible()
        if answer == "Close":
            qtbot.mouseClick(question.close_button, Qt.MouseButton.LeftButton)
        elif answer == "Stay":
            qtbot.mouseClick(question.stay_button, Qt.MouseButton.LeftButton)
        else:
            key = Qt.Key.Key_Escape if answer == "Esc" else Qt.Key.Key_Return
            qtbot.keyClick(question, key)
        qtbot.waitUntil(lambda: not window.findChildren(LeaveQuestion))
        assert window.isVisible() is (answer != "Close")
    assert not parts.sampling._thread._runner._thread.isRunning()


def test_closing_ends_a_run_that_is_paused_and_a_model_that_is_being_built(
    parts: Parts, qtbot: QtBot
) -> None:
    window = MainWindow(parts)
    qtbot.addWidget(window)
    window.show()
    parts.sampling.live = False
    parts.sampling.step()
    qtbot.waitUntil(
        lambda: parts.sampling.recorded is not None and parts.sampling.state is RunState.PAUSED,
        timeout=TIMEOUT,
    )
    parts.document.replace_sampling("slow to build", model="stack", count=2)
    parts.sampling.run()
    qtbot.wait(50)
    assert parts.sampling.state is RunState.LOADING
    parts.sampling.stop()
    parts.document.history.undo()
    parts.sampling.step()
    qtbot.waitUntil(lambda: not parts.sampling._thread._runner._pending[:-1], timeout=TIMEOUT)
    assert parts.sampling.state is RunState.PAUSED
    window.close()
    assert not parts.sampling._thread._runner._thread.isRunning()


def test_closing_waits_until_a_training_is_saved_and_stays_where_it_cannot_be(
    window: MainWindow, parts: Parts, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = parts.training
    network, options = UNetConfig(32, 8, (16,), 1, 16), TrainOptions(batch=4)
    training.plans.change(network=network, options=options, minutes=None)

    def begin() -> None:
        training.start()
        qtbot.waitUntil(lambda: training.state is TrainState.RUNNING, timeout=TIMEOUT)

    def full(_file: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    begin()
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        assert not window.close()
        qtbot.waitUntil(lambda: not training.active, timeout=TIMEOUT)
        assert window.isVisible()
        assert "No space left" in window.process.training.bar.text
        assert window.process.currentWidget() is window.process.training
    begin()
    assert not window.close()
    qtbot.waitUntil(lambda: not window.isVisible(), timeout=TIMEOUT)
    assert training.state is TrainState.STOPPED
    assert training.plans.opened is not None


INTERRUPTED = """
import sys
from diffusion_gui.app import application
from diffusion_gui.engine.denoisers.unet_config import UNetConfig
from diffusion_gui.engine.training.options import TrainOptions

class Trainer(application.Starter):
    def _start(self):
        training = self._parts.training
        network, options = UNetConfig(32, 8, (16,), 1, 16), TrainOptions(batch=4)
        training.plans.change(network=network, options=options, minutes=None)
        training.start()
        training.progressed.connect(self._tell)

    def _tell(self):
        if self._parts.training.news is not None:
            print(self._parts.training.plans.folder, flush=True)
            self._parts.training.progressed.disconnect(self._tell)

application.Starter = Trainer
sys.exit(application.main(["--device", "cpu"]))
"""


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_closes_the_window_and_saves_the_training(tmp_path: Path, number: int) -> None:
    environment = os.environ | {
        "QT_QPA_PLATFORM": "offscreen",
        "HOME": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "XDG_DATA_HOME": str(tmp_path / "data"),
    }
    with subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED], env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as program:  # fmt: skip
        assert program.stdout is not None
        folder = program.stdout.readline().strip()
        program.send_signal(number)
        _, errors = program.communicate(timeout=SECONDS)
    assert program.returncode == 128 + number
    assert [line for line in errors.splitlines() if "propagateSizeHints" not in line] == []
    found = training_home.newest(folder)
    assert found is not None
    assert found.header.step >= 1


def test_closing_while_pictures_are_read_for_a_training_closes_at_once(
    window: MainWindow, parts: Parts
) -> None:
    parts.training.start()
    assert parts.training.state is TrainState.LOADING
    assert window.close()
    assert not window.isVisible()
