"""napari's page of preferences, and what comes of it in the widget."""

from types import SimpleNamespace

import pytest
from napari.settings import get_plugin_settings
from npe2 import PluginManifest
from tests.plugin.conftest import MODELS

from napari_deepheme.core.models.registry import DEFAULT_CLASSIFIER
from napari_deepheme.plugin import kept_models
from napari_deepheme.plugin.choices import COUNTS
from napari_deepheme.plugin.desk import Desk
from napari_deepheme.plugin.own_models.model_choice import ModelChoice
from napari_deepheme.plugin.preferences import PLUGIN, Preferences, read_preferences
from napari_deepheme.plugin.preferred import PreferenceKeeper
from napari_deepheme.plugin.reviewing.keeping import FOLDER_VARIABLE, sittings_folder
from napari_deepheme.plugin.session import Session


@pytest.fixture
def page(npe2pm):
    """What napari keeps for the plugin, as its page shows it."""
    npe2pm.register(PluginManifest.from_distribution(PLUGIN))
    return get_plugin_settings(PLUGIN)


@pytest.fixture
def session():
    return Session()


@pytest.fixture
def keep(session, viewer, core):
    """Follow the page for a session, with a model of the user's beside the bundled."""

    class Card:
        kind, title = "classifier", "Mine"

        def __init__(self, name):
            self.name = name

        def describe(self):
            return self.name

    def nothing(*_, **__):
        return None

    # What napari calls back it does not hold.
    held = []

    def begin():
        models = ModelChoice(
            session,
            list_models=lambda: [Card(DEFAULT_CLASSIFIER), Card("mine")],
            import_model=nothing,
            start=nothing,
        )
        desk = Desk(
            viewer,
            session,
            name_boxes=core.name_boxes,
            load_models=nothing,
            start=nothing,
        )
        held.append(PreferenceKeeper(session, models, desk, read_preferences()))
        return held[-1]

    return begin


@pytest.fixture(autouse=True)
def short_notes(monkeypatch):
    from napari_deepheme.plugin.own_models import model_choice

    monkeypatch.setattr(model_choice, "card_note", lambda card: card.name)


def test_the_page_begins_with_the_defaults_of_the_plugin(page):
    assert read_preferences() == Preferences()


def test_each_preference_stands_on_the_page_once_with_words_for_it(page):
    manifest = PluginManifest.from_distribution(PLUGIN)
    groups = manifest.contributions.configurations
    names = [name for group in groups.values() for name in group.properties]
    assert sorted(names) == sorted(Preferences.__dataclass_fields__)
    for group in groups.values():
        assert all(p.title and p.description for p in group.properties.values())


def test_the_page_offers_the_counts_that_the_widget_offers(page):
    manifest = PluginManifest.from_distribution(PLUGIN)
    asked = manifest.contributions.configurations["classifying"].properties["max_cells"]
    assert asked.enum == [n for _, n in COUNTS]


def test_a_plugin_that_is_switched_off_has_the_defaults(npe2pm):
    assert read_preferences() == Preferences()


def test_what_is_set_is_kept_in_a_file_of_the_plugin(page, tmp_path):
    page.reviewing.reader = "AB"
    (kept,) = tmp_path.rglob("napari-deepheme.yaml")
    assert "reader: AB" in kept.read_text()


def test_a_session_begins_with_what_is_preferred(page, keep, session):
    page.classifying.device = "cpu"
    page.classifying.max_cells = 500
    page.classifying.model = "mine"
    page.reviewing.reader = "AB"
    page.reviewing.unidentified_below = 0.7
    page.reviewing.show_codes = False
    keep()
    assert (session.device, session.max_cells, session.model) == ("cpu", 500, "mine")
    assert (session.reader, session.own_threshold) == ("AB", 0.7)
    assert session.show_codes is False


def test_a_change_on_the_page_is_followed_and_leaves_the_rest(page, keep, session):
    keep()
    session.device = "cuda"
    page.reviewing.reader = "CD"
    assert session.reader == "CD"
    assert session.device == "cuda"


@pytest.fixture
def followed(page, controller, slide_layer):
    """A page that a widget follows whose slide is classified."""
    controller.classify_slide()
    controller.finish()
    models = SimpleNamespace(choose=lambda model: None)
    session, desk = controller.session, controller.desk
    controller.held = PreferenceKeeper(session, models, desk, read_preferences())
    return controller


def test_a_threshold_of_the_page_is_followed_at_once(page, followed):
    assert followed.session.n_unidentified == 0
    page.reviewing.unidentified_below = 0.85
    assert (followed.session.threshold, followed.session.n_unidentified) == (0.85, 4)
    page.reviewing.unidentified_below = 0.0
    own = MODELS.classifier.spec.unidentified_below
    assert (followed.session.threshold, followed.session.n_unidentified) == (own, 0)


def test_a_threshold_of_the_page_leaves_that_of_the_reader(page, followed):
    followed.desk.review.set_threshold(0.9)
    page.reviewing.unidentified_below = 0.7
    assert (followed.session.threshold, followed.session.n_unidentified) == (0.9, 4)
    followed.classify_slide()
    followed.finish()
    assert (followed.session.threshold, followed.session.n_unidentified) == (0.9, 4)


def test_a_widget_that_is_gone_follows_no_longer(page, keep, session):
    keep().close()
    page.reviewing.reader = "CD"
    assert session.reader != "CD"


def test_without_a_name_no_reader_is_named(page, keep, session, monkeypatch):
    monkeypatch.setenv("LOGNAME", "root")
    keep()
    assert session.reader == ""


def test_a_model_that_is_not_there_is_told_and_the_bundled_one_taken(
    page, keep, session
):
    page.classifying.model = "theirs"
    keep()
    assert session.model == DEFAULT_CLASSIFIER
    assert session.message_kind == "error"
    assert "'theirs'" in session.message


def test_that_a_model_is_not_there_is_said_no_more_once_another_is_set(
    page, keep, session
):
    keep()
    page.classifying.model = "theirs"
    assert "'theirs'" in session.message
    page.classifying.model = "mine"
    assert session.message == "The model mine is chosen."
    assert session.message_kind == "info"
    page.classifying.model = "theirs"
    session.say("Written to a folder.")
    page.classifying.model = "mine"
    assert session.message == "Written to a folder."


def test_sittings_lie_where_the_page_says_and_the_environment_goes_before(
    page, monkeypatch, tmp_path
):
    monkeypatch.delenv(FOLDER_VARIABLE, raising=False)
    page.keeping.sittings = str(tmp_path / "mine")
    assert sittings_folder() == tmp_path / "mine"
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "else"))
    assert sittings_folder() == tmp_path / "else"
    monkeypatch.delenv(FOLDER_VARIABLE)
    page.keeping.sittings = ""
    assert sittings_folder().name == "sittings"


def test_the_threads_of_the_page_are_those_that_compute(page, monkeypatch):
    asked = {}
    monkeypatch.setattr(kept_models, "load_models", lambda *_, **kw: asked.update(kw))
    kept_models._loaded.cache_clear()
    page.classifying.threads = 3
    kept_models.load_kept(DEFAULT_CLASSIFIER, "peaknet-marrow", "cpu")
    kept_models._loaded.cache_clear()
    assert asked["n_threads"] == 3


@pytest.mark.parametrize(
    "broken", ["classifying: {device: banana}", "classifying: 3", "[", ""]
)
def test_a_file_of_preferences_that_makes_no_sense_does_no_harm(
    page, broken, tmp_path, recwarn
):
    page.reviewing.reader = "AB"
    (kept,) = tmp_path.rglob("napari-deepheme.yaml")
    kept.write_text(broken)
    from napari.settings import _clear_plugin_settings_cache

    _clear_plugin_settings_cache()
    assert read_preferences().device == "auto"
    recwarn.clear()


@pytest.mark.parametrize(("own", "n_unidentified"), [(0.0, 0), (0.85, 4)])
def test_a_threshold_of_the_readers_own_holds_from_the_end_of_a_run_on(
    controller, slide_layer, own, n_unidentified
):
    controller.session.own_threshold = own
    controller.classify_slide()
    controller.finish()
    assert controller.session.n_unidentified == n_unidentified
    _, facts = controller.desk.reviewed_result()
    assert facts.unidentified_below == own
