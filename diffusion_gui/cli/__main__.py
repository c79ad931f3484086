"""`python -m diffusion_gui.cli` is `diffusion-cli`."""

from diffusion_gui.cli import main

main()
