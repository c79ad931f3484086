"""The pages beside the pictures; each is built when it is first looked at."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtWidgets import QWidget

from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.panels.sampling.sources import Sources
from diffusion_gui.state.run_view import SamplingPage


def make_page(
    page: SamplingPage, of: Sources, theme: Theme, refuse: Callable[[str], None]
) -> QWidget:
    """Return a new page; `refuse` takes the line that says why something cannot be done."""
    if page is SamplingPage.CURVES:
        from diffusion_gui.panels.sampling.step_charts import StepCharts

        return StepCharts(of.shown, of.endings, of.comparison, of.settings, theme)
    if page is SamplingPage.POSTERIOR:
        from diffusion_gui.panels.sampling.posterior_page import PosteriorPage

        return PosteriorPage(of.shown, theme)
    if page is SamplingPage.MAP:
        from diffusion_gui.panels.sampling.map_page import MapPage

        return MapPage(of.shown, of.endings, theme)
    if page is SamplingPage.RUNS:
        from diffusion_gui.panels.sampling.runs_page import RunsPage

        parts = of.document, of.controller, of.shown, of.comparison, of.checks
        runs = RunsPage(*parts, theme)
        runs.refused.connect(refuse)
        return runs
    raise KeyError(page)
