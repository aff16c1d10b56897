"""Folders of the user's, also where nobody knows a home folder."""

from pathlib import Path

import platformdirs
import pytest
from torch import nn

from napari_deepheme.core.errors import CannotWriteError, HomeNotKnownError
from napari_deepheme.core.models import fastest
from napari_deepheme.core.models.bringing.library import remove_model
from napari_deepheme.core.models.cache_folder import cache_folder
from napari_deepheme.core.models.openvino.cache import converted
from napari_deepheme.core.models.registry import (
    bundled_models,
    find_model,
    list_models,
    own_models,
    user_folder,
)
from napari_deepheme.core.pseudonyms import Pseudonyms
from napari_deepheme.core.user_folders import config_folder

VARIABLES = {
    "NAPARI_DEEPHEME_CACHE": cache_folder,
    "NAPARI_DEEPHEME_CONFIG": config_folder,
    "NAPARI_DEEPHEME_MODELS": user_folder,
}


def refuse(_):
    raise RuntimeError("could not determine the home directory")


def leave_as_it_is(name):
    return Path("~/.local") / name


@pytest.fixture(params=[refuse, leave_as_it_is], ids=["newer", "older"])
def _homeless(request, monkeypatch):
    """Have platformdirs, newer or older, know no home folder."""
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    for name in ("user_cache_path", "user_config_path", "user_data_path"):
        monkeypatch.setattr(platformdirs, name, request.param)


@pytest.mark.usefixtures("_homeless")
@pytest.mark.parametrize("variable", VARIABLES)
def test_without_a_home_folder_the_variables_are_named(variable, monkeypatch, tmp_path):
    with pytest.raises(HomeNotKnownError, match=f"give a folder .* HOME or {variable}"):
        VARIABLES[variable]()
    monkeypatch.setenv(variable, str(tmp_path))
    assert VARIABLES[variable]() == tmp_path


@pytest.mark.usefixtures("_homeless")
def test_without_a_home_folder_models_are_the_bundled_ones():
    names = [card.name for card in bundled_models()]
    assert [card.name for card in list_models()] == names
    assert own_models() == ((), {})
    assert find_model(names[0]).name == names[0]
    with pytest.raises(HomeNotKnownError):
        remove_model("mine")


def test_a_key_that_cannot_be_looked_for_is_not_made(tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_DEEPHEME_CONFIG", str(tmp_path / ("x" * 300)))
    with pytest.raises(CannotWriteError, match=r"pseudonyms\.key"):
        Pseudonyms.of_this_user()


@pytest.mark.usefixtures("_homeless")
def test_without_a_home_folder_what_can_be_made_again_is_not_kept(caplog):
    class OpenVino:
        __version__ = "1"

    with caplog.at_level("INFO"):
        assert converted(OpenVino, nn.Identity(), lambda network: "made") == "made"
        fastest._remember({"a": 1})
    assert caplog.text.count("NAPARI_DEEPHEME_CACHE") == 2
    assert fastest._remembered() == {}


@pytest.mark.usefixtures("_homeless")
def test_without_a_home_folder_no_name_is_left_out_by_a_key_that_is_lost():
    with pytest.raises(HomeNotKnownError, match="NAPARI_DEEPHEME_CONFIG"):
        Pseudonyms.of_this_user()
