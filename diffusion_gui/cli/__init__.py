"""`diffusion-cli`: the engine and the files of the window, without it. Knows no Qt."""

from diffusion_gui.cli.commands import app, main

__all__ = ["app", "main"]
