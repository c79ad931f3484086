"""The shell: composition, main window, actions, crash road.

What needs no Qt is imported before Qt: PySide reads the source of every module that comes after it,
to see whether the module uses PySide.
"""

import diffusion_gui.session.picture_store  # noqa: F401
