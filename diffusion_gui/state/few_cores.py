"""What a machine of few cores is spared while a run is made. Imports neither Qt nor torch.

The run, what writes it down and the window then have no core each: what the window does is time
that the run does not have.
"""

from __future__ import annotations

import os

FEW_CORES = 4
"""Below so many cores a machine has few."""


def paced(usual: float, few: float) -> float:
    """Return `few` on a machine of few cores, else `usual`."""
    return few if (os.cpu_count() or 1) < FEW_CORES else usual
