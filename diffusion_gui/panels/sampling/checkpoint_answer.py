"""Whether a checkpoint's network does what it is taken for: the verdict, or the progress of it."""

from __future__ import annotations

from PySide6.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QWidget

from diffusion_gui.engine.checkpoint_use import WORDS, PixelRange, Use
from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.panels.common.widgets import PADDING, ElidedLabel
from diffusion_gui.state.checkpoint_opening import CheckpointOpening

ROW = 24
"""Height of the line, which the progress has too."""
PIXELS = {PixelRange.SYMMETRIC: "−1 to 1", PixelRange.UNIT: "0 to 1"}
_MARKS = {"yes": "good", "doubtful": "warning", "no": "error"}
"""Which colour of the theme a verdict has."""
_FEW = 0.005
"""A score is spelled with two digits."""


class CheckpointAnswer(QWidget):
    """The verdict and what there is to say of it; while the network is asked, the progress."""

    def __init__(self, opening: CheckpointOpening, theme: Theme) -> None:
        super().__init__()
        self._opening, self._theme = opening, theme
        self.verdict, self.advice = QLabel(), ElidedLabel("caption")
        self.verdict.setObjectName("checkpointVerdict")
        self.verdict.setMinimumHeight(ROW)
        self.progress = QProgressBar()
        self.progress.setObjectName("checkpointProgress")
        self.progress.setAccessibleName("Progress of asking the network")
        self.progress.setMaximumHeight(ROW)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(PADDING)
        row.addWidget(self.verdict)
        row.addWidget(self.advice, 1)
        row.addWidget(self.progress, 1)

    def show_answer(self, use: Use) -> str:
        """Show what came of asking; return "yes", "doubtful", "no", or "" before that."""
        opening, sanity = self._opening, self._opening.sanity
        asking = opening.busy and not opening.problem
        made, total = opening.progress
        self.progress.setVisible(asking)
        self.progress.setMaximum(total)
        self.progress.setValue(made)
        self.progress.setFormat("asking it: %v of %m passes" if total else "reading the weights")
        self.advice.setVisible(not asking)
        if sanity is None:
            self.verdict.setText("" if opening.problem else "Does it do what it says?")
            self.verdict.setStyleSheet("")
            return ""
        from diffusion_gui.engine.sanity import verdict

        score = sanity.score(use)
        said = verdict(score)
        colour = getattr(self._theme.tokens, _MARKS[said])
        self.verdict.setText(f"Predicts {WORDS[use.prediction]}: {said}, {digits(score)}")
        self.verdict.setStyleSheet(f"color: {colour}; font-weight: 600;")
        self.advice.setText(self._advice(use, said))
        return said

    def _advice(self, use: Use, said: str) -> str:
        sanity, found = self._opening.sanity, self._opening.checkpoint
        assert sanity is not None
        assert found is not None
        best = sanity.proposal()
        if (best.prediction, best.pixels) != (use.prediction, use.pixels):
            where = f" of pictures in {PIXELS[best.pixels]}" if best.pixels != use.pixels else ""
            return f"{WORDS[best.prediction]}{where} fits better: {digits(sanity.score(best))}"
        if found.says_prediction and use.prediction != found.use.prediction:
            return f"its file says {WORDS[found.use.prediction]}"
        return {
            "yes": "how near its answers are to the true ones at four levels, 1 at best",
            "doubtful": "of other pictures than yours, or trained for a short time?",
            "no": "never trained, or called otherwise than it was trained: try the fields below",
        }[said]


def digits(score: float) -> str:
    """Return a score with two digits."""
    return f"{0.0 if abs(score) < _FEW else score:.2f}".replace("-", "−")
