"""Whatever stands in a file of options is read, and read again as the same, or refused by one clear error."""

from __future__ import annotations

import json
from dataclasses import asdict, fields

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from dataset_builder.noise.prune import PruneOptions
from dataset_builder.recipe import Recipe
from dataset_builder.vocabulary import vocabulary_from
from diffusers_attnmask.ground.options import OptionsError, read_options
from diffusers_attnmask.ground.yaml_files import read_value, read_yaml
from train_segmenter.augmentation.options import AugmentOptions
from train_segmenter.training.options import TrainingRecipe, TrainOptions

QUICKLY = settings(
    max_examples=50, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck), database=None
)
SCALARS = (
    some.none()
    | some.booleans()
    | some.integers(-(10**20), 10**20)
    | some.floats()
    | some.text(max_size=8)
    | some.sampled_from(["", "published", "$birds", "daam", "otsu", "{objects}", "star", "a\x00b", "\ud800"])
)
UTF8 = some.characters(codec="utf-8")
VALUES = some.recursive(
    SCALARS,
    lambda own: some.lists(own, max_size=4) | some.dictionaries(SCALARS, own, max_size=4),
    max_leaves=8,
)
KINDS = (Recipe, TrainingRecipe, TrainOptions, AugmentOptions, PruneOptions)
GOOD = {
    Recipe: {"vocabulary": "voc", "sampling": {"size": [64, 64]}, "prompts": {"classes": ["cat"]}},
    TrainingRecipe: {"model": "smp:unet:resnet18", "training": {"steps": 3, "augmentation": {"crop": 32}}},
    TrainOptions: {"steps": 3, "augment": {"splice": 0.5, "grids": [[2, 2]]}},
    AugmentOptions: {"grids": [[1, 2]], "blur_sigma": [0.1, 1]},
    PruneOptions: {"thresholds": {"default": 0.2}, "coverage": {"low": 0.1, "high": 0.9}},
}


def dumped(value: object) -> dict:
    """The plain values of options, as a file would hold them."""
    own = value.to_dict() if isinstance(value, Recipe) else asdict(value)
    return json.loads(json.dumps(own))


def read(kind: type, values: object) -> object | None:
    """The options that the values mean, or None where they are refused as they should be."""
    try:
        return read_options(kind, values, "own.yaml")
    except OptionsError as mistake:
        assert mistake.faults
        assert str(mistake).startswith("own.yaml: ")
        names = [field.name for field in fields(kind)]
        for fault in mistake.faults:
            assert fault.says.strip(), mistake
            known = (*names, *(map(str, values) if isinstance(values, dict) else ()))
            assert not fault.key or fault.key.startswith(known), mistake
        return None


def changed(draw: some.DrawFn, values: dict, depth: int = 0) -> dict:
    """Good values with one place made into anything."""
    key = draw(some.sampled_from([*values, "stranger"]) | some.text(max_size=5))
    inner = values.get(key)
    if isinstance(inner, dict) and inner and depth < 3 and draw(some.booleans()):
        return {**values, key: changed(draw, inner, depth + 1)}
    if isinstance(inner, list) and inner and draw(some.booleans()):
        place = draw(some.integers(0, len(inner) - 1))
        return {**values, key: [draw(VALUES) if own == place else old for own, old in enumerate(inner)]}
    return {**values, key: draw(VALUES)}


@pytest.mark.parametrize("kind", KINDS)
@QUICKLY
@given(data=some.data())
def test_a_place_of_good_options_made_into_anything_is_read_the_same_again_or_named(kind, data):
    made = read(kind, changed(data.draw, GOOD[kind]))
    if made is not None:
        assert read_options(kind, dumped(made), "own.yaml") == made


@pytest.mark.parametrize("kind", KINDS)
@QUICKLY
@given(values=VALUES)
def test_anything_in_place_of_options_is_read_the_same_again_or_refused(kind, values):
    made = read(kind, values)
    if made is not None:
        assert read_options(kind, dumped(made), "own.yaml") == made


@QUICKLY
@given(data=some.data())
def test_options_from_python_are_made_or_refused_by_the_name_of_an_option(data):
    kind = data.draw(some.sampled_from([TrainOptions, AugmentOptions, PruneOptions]))
    name = data.draw(some.sampled_from([field.name for field in fields(kind)]))
    try:
        made = kind(**{name: data.draw(VALUES)})
    except OptionsError as mistake:
        assert all(fault.key.startswith(name) or not fault.key for fault in mistake.faults), mistake
    else:
        assert read_options(kind, dumped(made), "own.yaml") == made


@QUICKLY
@given(content=some.dictionaries(some.sampled_from(["classes", "table", "scenes", "ignore_index"]), VALUES))
def test_any_vocabulary_is_made_or_refused(content):
    try:
        made = vocabulary_from(content, "own")
    except OptionsError as mistake:
        assert str(mistake).strip()
    else:
        assert made.class_names


@QUICKLY
@given(text=some.text(max_size=30) | VALUES.map(lambda own: yaml.safe_dump(own, allow_unicode=True)))
def test_any_text_is_a_value_of_yaml_or_refused_in_one_sentence(text):
    try:
        read_value(text)
    except ValueError as mistake:
        assert "is not valid YAML" in str(mistake)


@QUICKLY
@given(content=some.binary(max_size=40) | some.text(UTF8, max_size=40).map(str.encode))
def test_any_file_is_a_mapping_of_yaml_or_refused_by_name(tmp_path_factory, content):
    file = tmp_path_factory.getbasetemp() / "any.yaml"
    file.write_bytes(content)
    try:
        assert isinstance(read_yaml(file, "a recipe"), dict)
    except ValueError as mistake:
        assert str(mistake).startswith(str(file))
