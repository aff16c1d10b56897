"""Cards that were edited by hand: what is mistyped or contradictory is refused."""

import copy
import json

import pytest

from napari_deepheme.core.errors import InvalidModelError
from napari_deepheme.core.models.cards.card import ModelCard
from napari_deepheme.core.models.registry import (
    DEFAULT_CLASSIFIER,
    DEFAULT_DETECTOR,
    find_model,
    own_models,
)

MARKS = ["0123456789ab", "fedcba987654"]


def content_of(name):
    return json.loads(find_model(name).path.read_text(encoding="utf-8"))


CLASSIFIER, DETECTOR = content_of(DEFAULT_CLASSIFIER), content_of(DEFAULT_DETECTOR)


@pytest.fixture
def read(tmp_path):
    """Read the card that a change makes of another."""

    def read_changed(change, content=CLASSIFIER):
        content = copy.deepcopy(content)
        change(content)
        path = tmp_path / "edited.json"
        path.write_text(json.dumps(content), encoding="utf-8")
        return ModelCard.read(path)

    return read_changed


def put(value, *way):
    """Put a value where some names and numbers lead."""

    def change(content):
        for step in way[:-1]:
            content = content[step]
        content[way[-1]] = value

    return change


def steps(*ids):
    """Put steps of preprocessing without arguments."""
    return put([{"id": name} for name in ids], "inputs", 0, "preprocessing")


def own(value, *way):
    return put(value, "config", "napari_deepheme", *way)


WHITEN, NORMALISE = "napari_deepheme_whiten", "fixed_zero_mean_unit_variance"

KWARGS = ("inputs", 0, "preprocessing", 1, "kwargs")

HALF = [0.5, 0.5, 0.5]

WRONG = {
    "preprocessing of another name": (
        put("fixed_zero_mean_unit_varianc", *KWARGS[:-1], "id"),
        "no preprocessing 'fixed_zero_mean_unit_varianc': take fixed_zero_mean_unit_v",
    ),
    "preprocessing of BioImage.IO": (
        steps(WHITEN, "scale_linear"),
        "there is no preprocessing 'scale_linear'",
    ),
    "preprocessing twice": (steps(WHITEN, WHITEN), "each once"),
    "preprocessing turned round": (
        lambda card: card["inputs"][0]["preprocessing"].reverse(),
        "must be napari_deepheme_whiten, then fixed_zero",
    ),
    "no mean": (
        put({"std": HALF}, *KWARGS),
        r"lacks 'inputs\[0\]\.preprocessing\[1\]\.kwargs\.mean'",
    ),
    "no arguments": (steps(NORMALISE), "lacks .*mean"),
    "mean of another name": (
        put({"means": HALF, "std": HALF}, *KWARGS),
        "kwargs has no field 'means': take mean",
    ),
    "mean of one number": (put(0.5, *KWARGS, "mean"), r"mean must be a list, not 0\.5"),
    "white that is given": (
        put({"white": 240}, "inputs", 0, "preprocessing", 0, "kwargs"),
        "kwargs has no field 'white': take none",
    ),
    "no input": (put([], "inputs"), r"inputs must be a list of one, not \[\]"),
    "two inputs": (
        lambda card: card["inputs"].append(card["inputs"][0]),
        "inputs must be a list of one",
    ),
    "input by name": (put({}, "inputs"), "inputs must be a list of one, not {}"),
    "sizes": (put(64, "inputs", 0, "axes", 2, "size"), "must have one size"),
    "scales": (put(0.5, "inputs", 0, "axes", 2, "scale"), "must have one scale"),
    "units": (put("nanometer", "inputs", 0, "axes", 3, "unit"), "must have one unit"),
    "unit": (
        lambda card: [
            axis.update(unit="nanometer") for axis in card["inputs"][0]["axes"][2:]
        ],
        "unit of a space axis must be micrometer",
    ),
    "marks in words": (own("abc", "learned_marks"), "twelve digits each.* not 'abc'"),
    "marks in capitals": (own(["0123456789AB"], "learned_marks"), "twelve digits"),
    "marks as numbers": (
        own([123456789012], "learned_marks"),
        r"learned_marks\[0\] must be a text, not 123456789012",
    ),
    "marks by name": (own({}, "learned_marks"), "must be a text or a list, not {}"),
    "group": (
        put("training_onyl", "outputs", 1, "id"),
        "no group of outputs 'training_onyl': take training_only",
    ),
    "group twice": (
        put("class_code", "outputs", 1, "id"),
        "the group of outputs class_code stands twice",
    ),
    "word of training": (
        put(["not_identifiable"], "outputs", 1, "axes", 1, "channel_names"),
        "no training_only 'not_identifiable': take not-identifiable",
    ),
    "two activations": (
        put([{"id": "softmax"}, {"id": "sigmoid"}], "outputs", 0, "postprocessing"),
        "one step at most",
    ),
    "late activation": (
        put([{"id": "sigmoid"}], "outputs", 1, "postprocessing"),
        "of the first of the outputs",
    ),
    "setting of a detector": (
        own(0.3, "settings", "min_score"),
        "min_score is a setting of a detector, not of a classifier",
    ),
    "class of a detector": (
        own(1, "settings", "ignore_class_1"),
        "ignore_class_1 is a setting of a detector",
    ),
    "field of another name": (
        own({}, "setings"),
        "config.napari_deepheme has no field 'setings': take settings",
    ),
    "kind": (own("clasifier", "kind"), "must be classifier or detector"),
    "name": (put(None, "name"), "name must be a text, not null"),
    "version": (put({}, "version"), "version must be a text, not {}"),
    "outputs": (put(None, "outputs"), "outputs must be a list, not null"),
    "config": (put(None, "config"), "config must be an object with fields, not null"),
    "authors": (
        put(["me"], "authors"),
        r'authors\[0\] must be an object with fields, not "me"',
    ),
}


@pytest.mark.parametrize(("change", "told"), WRONG.values(), ids=WRONG)
def test_what_is_mistyped_or_contradictory_is_refused_in_one_line(read, change, told):
    with pytest.raises(InvalidModelError, match=told) as refused:
        read(change)
    assert len(str(refused.value).splitlines()) == 1


def test_a_detector_has_no_settings_of_a_classifier(read):
    with pytest.raises(InvalidModelError, match="n_views is a setting of a classifier"):
        read(own(4, "settings", "n_views"), DETECTOR)


def test_the_outputs_of_a_detector_may_have_any_name(read):
    output = {"id": "output0", "axes": [{"type": "batch"}]}
    assert read(put([output], "outputs"), DETECTOR).kind == "detector"


def test_an_output_that_is_passed_over_may_have_any_name_but_not_almost_a_known(read):
    way = ("outputs", 1, "axes", 1, "channel_names")
    names = ("debris", "not-identifiable")
    assert read(put(names, *way)).outputs["training_only"] == names
    with pytest.raises(InvalidModelError, match="'unidentified': take not-identifi"):
        read(put(["unidentified"], *way))


def test_a_card_without_normalisation_takes_channels_as_they_are(read):
    card = read(steps(WHITEN))
    assert (card.whitened, card.mean, card.std) == (True, (0, 0, 0), (1, 1, 1))
    assert not read(steps()).whitened


@pytest.mark.parametrize("marks", [" ".join(MARKS), MARKS, "", []])
def test_marks_are_a_text_or_a_list(read, marks):
    card = read(own(marks, "learned_marks"))
    assert card.learned_marks == (frozenset(MARKS) if marks else frozenset())


def test_a_card_with_a_mark_at_its_start_is_read(tmp_path):
    path = tmp_path / "edited.json"
    path.write_text("\ufeff" + json.dumps(CLASSIFIER), encoding="utf-8")
    assert ModelCard.read(path).name == DEFAULT_CLASSIFIER


@pytest.mark.parametrize(
    ("written", "told"),
    [
        (b"[]", r"the card must be an object with fields, not \[\]"),
        ('{"name": "Mo\xebl"}'.encode("latin-1"), "letters are not UTF-8: save it as"),
        (b"[" * 100_000, "too deep in each other"),
    ],
)
def test_a_file_that_is_no_card_is_told_what_is_expected(tmp_path, written, told):
    (tmp_path / "edited.json").write_bytes(written)
    with pytest.raises(InvalidModelError, match=told):
        ModelCard.read(tmp_path / "edited.json")


def test_a_card_without_an_input_is_left_out_of_the_user_s_models(tmp_path):
    whole, damaged = tmp_path / "whole.json", tmp_path / "damaged.json"
    whole.write_text(json.dumps(CLASSIFIER), encoding="utf-8")
    damaged.write_text(json.dumps({**CLASSIFIER, "inputs": []}), encoding="utf-8")
    cards, errors = own_models(tmp_path)
    assert [card.path for card in cards] == [whole]
    assert "inputs must be a list of one" in str(errors["damaged"])
