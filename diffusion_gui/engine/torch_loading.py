"""Import PyTorch in a worker thread without freezing the GUI.

A plain ``import torch`` in a thread still stops the other threads, for three
reasons, each with its own remedy here:

* The shared libraries (hundreds of megabytes) are opened while the
  interpreter lock (GIL) is held.  Opening them beforehand through a foreign
  function call, which releases the lock, leaves only a look-up for the import.
* The import creates about 250 000 objects, and the full passes of the cyclic
  garbage collector over them take 40-90 ms each, lock held.  The collector is
  off during the import; what exists then is moved out of its sight
  (``gc.freeze``), or the next pass would cost as much again, in any thread.
* A waiting thread gets the lock only after the switch interval (5 ms), and one
  repaint takes the lock many times.  The interval is shorter for the duration.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import importlib.util
import os
import sys
import threading
from pathlib import Path
from types import ModuleType

__all__ = ["import_torch"]

_SWITCH_INTERVAL = 0.0002  # seconds; see sys.setswitchinterval
_ACCELERATOR_LIBRARIES = ("libtorch_cuda.so", "libtorch_hip.so", "libtorch_xpu.so")
_lock = threading.Lock()


def import_torch(*also: str) -> ModuleType:
    """Import torch, then the modules named in ``also``, and return torch.

    Meant to be called in a worker thread, once the window is on the screen.
    Name ``"torch._dynamo"`` if ``torch.optim`` is going to be used: the first
    optimizer imports it, which takes about as long as torch itself.

    Errors of the imports pass through.  The switch interval and the collector
    are left as they were found, apart from the freeze: cyclic garbage which
    exists at that moment is not freed (unless ``gc.unfreeze`` is called).
    """
    names = ("torch", *also)
    with _lock:
        if any(name not in sys.modules for name in names):
            _import_gently(names)
    return importlib.import_module("torch")


def _import_gently(names: tuple[str, ...]) -> None:
    interval = sys.getswitchinterval()
    collecting = gc.isenabled()
    sys.setswitchinterval(min(interval, _SWITCH_INTERVAL))
    gc.disable()
    try:
        if "torch" not in sys.modules:
            _open_libraries()
        for name in names:
            importlib.import_module(name)
    finally:
        if collecting:
            if hasattr(gc, "freeze"):  # CPython only
                gc.freeze()
            gc.enable()
        sys.setswitchinterval(interval)


def _open_libraries() -> None:
    """Open torch's libraries, lock released; where that fails, do nothing.

    Same files, order and flags as in ``torch/__init__.py``, so the import finds
    them loaded.  libtorch_python is left to the import: it is quick, and its
    initialisers may expect the lock.  On Windows torch does this by itself.
    """
    if sys.platform == "win32":
        return
    try:
        spec = importlib.util.find_spec("torch")
        if spec is None or spec.origin is None:
            return
        folder = Path(spec.origin).parent / "lib"
        if "LD_LIBRARY_PATH" in os.environ and any(
            (folder / name).exists() for name in _ACCELERATOR_LIBRARIES
        ):
            return  # torch then has to choose among several CUDA libraries
        # Calling a function of a CDLL releases the lock; CDLL(path) does not.
        dlopen = ctypes.CDLL(None).dlopen
        dlopen.argtypes, dlopen.restype = (ctypes.c_char_p, ctypes.c_int), ctypes.c_void_p
        suffix = ".dylib" if sys.platform == "darwin" else ".so"
        for stem, flags in (("libtorch_global_deps", os.RTLD_GLOBAL), ("libtorch", 0)):
            if not dlopen(os.fsencode(folder / (stem + suffix)), flags | os.RTLD_NOW):
                return
    except (OSError, AttributeError, ImportError, ValueError):
        return  # an optimisation only: the import itself reports what is wrong
