"""`python -m diffusion_gui` starts the window."""

import sys

from diffusion_gui.app.application import main

sys.exit(main())
