"""The schedule editor: preset, T and parameters, alpha-bar_t with handles, beta_t, findings."""

from __future__ import annotations

from dataclasses import replace
from html import escape

import numpy as np
from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import QSizePolicy

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.schedules import Schedule, ScheduleSpec, curve
from diffusion_gui.engine.schedules.build import control_points, with_points
from diffusion_gui.engine.schedules.doctor import Severity, examine
from diffusion_gui.panels.common.plot import CurvePlot
from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.panels.common.widgets import Panel, button, label
from diffusion_gui.panels.schedule.handles import HandlePlot
from diffusion_gui.panels.schedule.preset_row import PresetRow, row_of
from diffusion_gui.state.document import Document
from diffusion_gui.state.user_presets import UserPresets
from diffusion_gui.state.view_state import ViewState

FINDING_LINES = 2
"""Lines kept free for the doctor, so that the plots do not move when it has less to say."""
CURVE_POINTS = 600
"""Points drawn per curve, however large T is: more than a plot has pixels to show."""


class ScheduleEditor(Panel):
    """Edits the document's schedule; every change is live and undoable."""

    def __init__(
        self, document: Document, view: ViewState, presets: UserPresets, theme: Theme
    ) -> None:
        super().__init__("scheduleEditor", "Schedule", theme)
        self._document = document
        self._view = view
        self._build_head()
        self._library = presets
        self.presets = PresetRow(theme, presets)
        self.body.addWidget(self.presets)
        self._build_plots()
        self._bind()
        self._show_schedule()

    def _build_head(self) -> None:
        self.reset = button("Reset curve", "Drop the drawn curve and return to the preset", "link")
        self.reset.setObjectName("resetCurveButton")
        keep = self.reset.sizePolicy()
        keep.setRetainSizeWhenHidden(True)  # nothing may move under a held handle
        self.reset.setSizePolicy(keep)
        self.head.addWidget(self.reset)

    def _build_plots(self) -> None:
        self.alpha_bar = HandlePlot(self.theme, "alpha_bar")
        self.alpha_bar.setObjectName("alphaBarPlot")
        self.alpha_bar.setAccessibleName("alpha-bar over t")
        self.alpha_bar.setToolTip(
            "ᾱₜ: share of the signal's variance left at t, 0 to 1.\nDrag a point to reshape the"
            " curve, drag elsewhere to move t.\nKeys: [ ] choose a point, arrows move it, Shift"
            " for fine steps."
        )
        self.beta = CurvePlot(self.theme, "beta", power_ticks=True)
        self.beta.setObjectName("betaPlot")
        self.beta.setAccessibleName("beta over t")
        self.beta.setToolTip("βₜ: variance added by step t, 0 to 1, on a logarithmic axis.")
        for axis in (self.alpha_bar.getAxis("left"), self.beta.getAxis("left")):
            axis.setWidth(38)
        self._finding = label("")
        self._finding.setTextFormat(Qt.TextFormat.RichText)
        self._finding.setObjectName("doctorLabel")
        self._finding.setMinimumHeight(FINDING_LINES * self._finding.fontMetrics().lineSpacing())
        self._finding.setAlignment(Qt.AlignmentFlag.AlignTop)
        self._finding.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.body.addWidget(label("ᾱₜ   signal left, by variance", "caption"))
        self.body.addWidget(self.alpha_bar, 6)
        self.body.addWidget(label("βₜ   noise added per step, by variance", "caption"))
        self.body.addWidget(self.beta, 4)
        self.body.addWidget(self._finding)

    def _bind(self) -> None:
        self.presets.edited.connect(self._replace)
        self.presets.finished.connect(self._document.end_gesture)
        self._library.failed.connect(self._show_failure)
        self.reset.clicked.connect(self._on_reset)
        self.alpha_bar.point_dragged.connect(self._on_point)
        self.alpha_bar.drag_finished.connect(self._document.end_gesture)
        self.alpha_bar.t_dragged.connect(self._view.set_t)
        self.beta.t_dragged.connect(self._view.set_t)
        self._document.schedule_changed.connect(self._show_schedule)
        self._view.t_changed.connect(self._show_time)
        self.theme.changed.connect(self._show_schedule)

    @property
    def _spec(self) -> ScheduleSpec:
        return self._document.experiment.schedule

    @Slot(str)
    def _show_failure(self, line: str) -> None:
        self.bar.show_lines([line])

    @Slot(object, str, str)
    def _replace(self, spec: ScheduleSpec, text: str, merge_key: str = "") -> None:
        try:
            self._document.replace_schedule(spec, text, merge_key)
            self.bar.clear()
        except EngineError as error:
            self.bar.show_lines([str(error)])
            self._show_schedule()

    @Slot()
    def _on_reset(self) -> None:
        self._replace(replace(self._spec, points=(), base_T=0), "reset curve")

    @Slot(int, float, float)
    def _on_point(self, index: int, t: float, alpha_bar: float) -> None:
        spec = self._spec
        u = (t - 1.0) / max(spec.T - 1, 1)
        points = curve.move(control_points(spec), index, u, curve.logit(alpha_bar), spec.T)
        self._replace(with_points(spec, points), "drag curve", "curve")

    @Slot()
    def _show_schedule(self) -> None:
        spec, schedule = self._spec, self._document.schedule
        self.presets.show_spec(spec)
        row = row_of(spec)
        drawn = bool(spec.points) and bool(spec.preset or spec.betas)
        self.caption.setText(f"drawn, from {row.title}" if drawn else f"{row.source}")
        self.reset.setVisible(drawn)
        self._show_curves(schedule)
        self._show_findings()
        self._show_time()

    def _show_curves(self, schedule: Schedule) -> None:
        T = schedule.T
        spread = np.linspace(0, T, min(T + 1, CURVE_POINTS)).round().astype(int)
        t = np.array(sorted({*spread.tolist(), 1, T - 1}))
        self.alpha_bar.set_ranges(T, 0.0, 1.0)
        self.alpha_bar.curve.setData(t, schedule.alpha_bar[t])
        log_beta = np.log10(np.maximum(schedule.beta[1:], 1e-12))
        self.beta.set_ranges(T, float(np.floor(log_beta.min())), 0.0)
        self.beta.curve.setData(t[1:], log_beta[t[1:] - 1])
        points = control_points(self._spec)
        times = [1.0 + p.u * (T - 1) for p in points]
        values = np.interp(times, np.arange(T + 1), schedule.alpha_bar)  # on the curve, if limited
        self.alpha_bar.set_points(list(zip(times, values.tolist(), strict=True)))

    def _show_findings(self) -> None:
        findings = examine(self._spec)
        tokens = self.theme.tokens
        colours = {
            Severity.GOOD: tokens.good,
            Severity.NOTE: tokens.secondary,
            Severity.WARNING: tokens.warning,
            Severity.ERROR: tokens.error,
        }
        lines = (
            f"<span style='color:{colours[finding.severity]}'>●</span> {escape(finding.text)}"
            for finding in findings
        )
        self._finding.setText("<br>".join(lines))
        self._finding.setToolTip("\n".join(finding.text for finding in findings))

    @Slot()
    def _show_time(self) -> None:
        schedule, t = self._document.schedule, min(self._view.t, self._document.schedule.T)
        alpha_bar, beta = float(schedule.alpha_bar[t]), float(schedule.beta[t])
        self.alpha_bar.set_time(t, alpha_bar, f"ᾱ = {alpha_bar:.4g}")
        text = f"β = {beta:.4g}" if t else "β is added from t = 1 on"
        self.beta.set_time(t, float(np.log10(max(beta, 1e-12))), text)
