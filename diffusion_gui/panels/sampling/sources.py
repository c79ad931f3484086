"""What the sampling panel shows and drives, in one bundle."""

from __future__ import annotations

from dataclasses import dataclass

from diffusion_gui.state.document import Document
from diffusion_gui.state.forecast import Forecaster
from diffusion_gui.state.networks import Networks
from diffusion_gui.state.run_checks import RunChecks
from diffusion_gui.state.run_comparison import RunComparison
from diffusion_gui.state.run_endings import RunEndings
from diffusion_gui.state.run_view import RunView
from diffusion_gui.state.sampling import SamplingController
from diffusion_gui.state.settings import Settings
from diffusion_gui.state.starts import Starts
from diffusion_gui.state.view_state import ViewState


@dataclass(frozen=True, slots=True, eq=False)
class Sources:
    """The document and the view, the runs and what is known of them."""

    document: Document
    view: ViewState
    controller: SamplingController
    shown: RunView
    starts: Starts
    forecaster: Forecaster
    comparison: RunComparison
    checks: RunChecks
    endings: RunEndings
    settings: Settings
    networks: Networks
