"""What the window is made of below the widgets, built once and passed down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtWidgets import QApplication

from diffusion_gui.engine.experiment import Experiment
from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.session import library
from diffusion_gui.session.picture_store import PictureStore
from diffusion_gui.state.chain import ChainController
from diffusion_gui.state.comparison import Comparison
from diffusion_gui.state.document import Document
from diffusion_gui.state.editor_state import EditorState
from diffusion_gui.state.estimate import Estimator
from diffusion_gui.state.film import Film
from diffusion_gui.state.forecast import Forecaster
from diffusion_gui.state.forward_preview import ForwardPreview
from diffusion_gui.state.measures import Measures
from diffusion_gui.state.networks import Networks
from diffusion_gui.state.picture_set import PictureSet
from diffusion_gui.state.pictures import PictureLoader
from diffusion_gui.state.player import Player
from diffusion_gui.state.run_checks import RunChecks
from diffusion_gui.state.run_comparison import RunComparison
from diffusion_gui.state.run_endings import RunEndings
from diffusion_gui.state.run_view import RunView
from diffusion_gui.state.sampling import SamplingController
from diffusion_gui.state.settings import Settings
from diffusion_gui.state.starts import Starts
from diffusion_gui.state.training import TrainingController
from diffusion_gui.state.training_plans import TrainingPlans
from diffusion_gui.state.user_presets import UserPresets
from diffusion_gui.state.view_state import ViewState

FIRST_T = 0.412
"""Where the time cursor stands at the start, as a share of T: half dissolved."""


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """Document, view state and the controllers; `shutdown` ends their threads."""

    settings: Settings
    theme: Theme
    store: PictureStore
    document: Document
    presets: UserPresets
    view: ViewState
    player: Player
    editor: EditorState
    comparison: Comparison
    preview: ForwardPreview
    film: Film
    measures: Measures
    chain: ChainController
    loader: PictureLoader
    pictures: PictureSet
    networks: Networks
    sampling: SamplingController
    training: TrainingController
    run_view: RunView
    run_checks: RunChecks
    run_comparison: RunComparison
    forecaster: Forecaster
    run_endings: RunEndings
    starts: Starts
    estimator: Estimator
    first_experiment: Experiment

    def shutdown(self) -> None:
        """End the background threads; safe to call twice."""
        self.presets.shutdown()
        self.training.shutdown()
        self.networks.shutdown()
        self.chain.shutdown()
        self.estimator.shutdown()
        self.forecaster.shutdown()
        self.starts.shutdown()
        self.measures.shutdown()
        self.run_comparison.shutdown()
        self.run_checks.shutdown()
        self.run_endings.shutdown()
        self.sampling.shutdown()
        self.loader.shutdown()
        self.film.shutdown()
        self.preview.shutdown()
        self.pictures.shutdown()
        self.store.close()


def build_parts(
    app: QApplication,
    settings: Settings,
    theme: str | None = None,
    device: str | None = None,
    photos: Sequence[str] = library.PHOTOS,
) -> Parts:
    """Build everything below the window; `theme` and `device` override the user's settings."""
    store = PictureStore()
    experiment = Experiment(pictures=tuple(store.defer_photo(name) for name in photos))
    document = Document(experiment, app)
    view = _first_view(document, app)
    presets = UserPresets(settings.home, app)
    document.schedule_changed.connect(lambda: presets.watch(document.experiment.schedule))
    comparison = Comparison(document, app)
    pictures = PictureSet(document, view, store, app)  # first to hear: it says what is shown next
    preview = ForwardPreview(document, view, store, comparison, app)
    player = Player(view, settings, app)
    networks = Networks(app, settings)
    wish = device or settings.device
    sampling = SamplingController(document, store, wish, settings.live, app, networks.store)
    preview.gives_way = lambda: sampling.live and sampling.active
    run_view = RunView(sampling, view, app)
    film = Film(document, view, store, comparison, preview, app)
    loader = PictureLoader(document, view, store, app)
    for reader in (preview, film):
        loader.opened.connect(reader.try_again)
    return Parts(
        settings=settings,
        theme=Theme(app, theme or settings.theme),
        store=store,
        document=document,
        presets=presets,
        view=view,
        player=player,
        editor=EditorState(app),
        comparison=comparison,
        preview=preview,
        film=film,
        measures=Measures(document, view, preview, comparison, app),
        chain=ChainController(document, view, preview, player, app),
        loader=loader,
        networks=networks,
        sampling=sampling,
        training=TrainingController(
            document,
            TrainingPlans(document, store, networks, settings.home, app),
            sampling,
            networks,
            app,
        ),
        run_view=run_view,
        run_checks=RunChecks(sampling, app),
        run_comparison=RunComparison(sampling.runs, run_view, app),
        forecaster=Forecaster(document, sampling, app, networks),
        run_endings=RunEndings(run_view, sampling.runs, app),
        starts=Starts(document, view, sampling, store, app),
        estimator=Estimator(document, view, sampling, app),
        pictures=pictures,
        first_experiment=experiment,
    )


def _first_view(document: Document, app: QApplication) -> ViewState:
    """Return the view state of a new document: its first picture, half dissolved."""
    T, refs = document.schedule.T, document.experiment.pictures
    view = ViewState(T, round(FIRST_T * T), refs[0].id if refs else "", app)
    document.schedule_changed.connect(lambda: view.set_T(document.schedule.T))
    return view
