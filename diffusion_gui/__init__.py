"""Diffusion GUI: see, touch and tune a diffusion process.

The layers, top to bottom: `app` (shell), `panels` (widgets), `state` (document, jobs), `session`
(files) and `engine` (mathematics). Imports point down only. Start reading at `engine.experiment`.
"""

__version__ = "0.1.0"
