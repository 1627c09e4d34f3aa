"""A recipe says everything, and says what is wrong with it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

import recipes
from dataset_builder.prompts import PromptOptions, prompt_plan
from dataset_builder.recipe import Recipe, differences, digest


def test_a_file_gives_the_options_it_names_and_defaults_for_the_rest(tmp_path):
    file = tmp_path / "own.yaml"
    file.write_text("vocabulary: voc\npairs: 12\nsampling: {steps: 7, size: [64, 96]}\n")
    recipe = Recipe.read(file)
    assert (recipe.vocabulary, recipe.pairs, recipe.sampling.steps) == ("voc", 12, 7)
    assert recipe.sampling.size == (64, 96)
    assert recipe.shard_size == Recipe("voc").shard_size


def test_a_vocabulary_beside_the_recipe_is_found(tmp_path, monkeypatch):
    (tmp_path / "recipe.yaml").write_text("vocabulary: pets.yaml\n")
    (tmp_path / "pets.yaml").write_text("classes: [cat, dog]\n")
    monkeypatch.chdir("/")
    assert Recipe.read(tmp_path / "recipe.yaml").vocabulary == str(tmp_path / "pets.yaml")


def test_captions_beside_the_recipe_are_found(tmp_path):
    (tmp_path / "captions.txt").write_text("a cat\n")
    (tmp_path / "recipe.yaml").write_text(
        "vocabulary: voc\nprompts: {captions: [{path: captions.txt, weight: 2}, other.txt]}\n"
    )
    captions = Recipe.read(tmp_path / "recipe.yaml").prompts["captions"]
    assert captions == [{"path": str(tmp_path / "captions.txt"), "weight": 2}, "other.txt"]


def test_a_vocabulary_may_stand_in_the_recipe(tmp_path):
    (tmp_path / "recipe.yaml").write_text("vocabulary: {classes: {cat: [cat, kitten], dog: dog}}\n")
    vocabulary = Recipe.read(tmp_path / "recipe.yaml").open_vocabulary()
    assert vocabulary.class_names == ("background", "cat", "dog")
    assert vocabulary["cat"].phrases == ("cat", "kitten")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("pairs: 3", "needs vocabulary"),
        ("vocabulary: voc\nstepps: 3", "no option stepps; it has vocabulary, pairs"),
        ("vocabulary: voc\nsampling: {stpes: 3}", "sampling has no option stpes"),
        ("vocabulary: voc\nsampling: 3", "sampling must be a mapping"),
        ("vocabulary: voc\nprompts: 3", "prompts must be a section"),
        ("vocabulary: voc\npairs: 0", "pairs is a whole number of at least 1, not 0"),
        ("vocabulary: voc\npairs: many", "pairs is a whole number of at least 1, not 'many'"),
        ("vocabulary: voc\nimage_format: gif", "image_format is one of png, jpeg, webp, not 'gif'"),
        ("- 1", "is not a recipe"),
        ("a: [", "not valid YAML"),
        (
            "vocabulary: voc\nrefinement: {method: blur}",
            "refinement.method is one of none, crf",
        ),
        ("vocabulary: voc\nrefinement: {method: affinity}", "refinement.network, the folder"),
    ],
)
def test_a_mistake_is_named(tmp_path, content, message):
    file = tmp_path / "wrong.yaml"
    file.write_text(content)
    with pytest.raises((ValueError, TypeError)) as caught:
        Recipe.read(file)
    assert message in str(caught.value)


def test_plain_values_come_back_as_the_same_recipe():
    recipe = Recipe.from_dict(
        {"vocabulary": "voc", "sampling": {"size": [64, 64]}, "method_options": {"levels": [0, 1]}}
    )
    again = Recipe.from_dict(json.loads(json.dumps(recipe.to_dict())))
    assert again.to_dict() == recipe.to_dict()
    assert again.sampling == recipe.sampling


def test_the_digest_follows_the_values_and_not_their_order():
    assert digest({"a": 1, "b": {"c": 2}}) == digest({"b": {"c": 2}, "a": 1})
    assert digest({"a": 1}) != digest({"a": 2})


def test_differences_name_every_key():
    before = Recipe("voc", seed=1, prompts={"negative": "blur"}).to_dict()
    now = Recipe("coco", seed=1).to_dict()
    assert differences(before, before) == []
    assert differences(before, now) == [
        'vocabulary was "voc", now "coco"',
        'prompts.negative was "blur", now not given',
    ]


def test_changes_of_the_command_line_win_where_given():
    recipe = Recipe("voc", pairs=5, seed=3).with_changes(pairs=9, seed=None)
    assert (recipe.pairs, recipe.seed) == (9, 3)


@pytest.mark.parametrize("name", [name for name in recipes.names() if not name.startswith("train-")])
def test_every_bundled_recipe_makes_prompts_of_its_vocabulary(name):
    recipe = Recipe.read(name)
    vocabulary = recipe.open_vocabulary()
    plan = prompt_plan(PromptOptions.from_mapping(recipe.prompts), vocabulary, recipe.seed)
    named = {own for index in range(50) for own in plan[index].class_names}
    assert named <= set(vocabulary.class_names)
    assert len(named) > 1


@pytest.mark.parametrize("name", [name for name in recipes.names() if not name.startswith("train-")])
def test_every_bundled_recipe_has_options_that_its_method_knows(name):
    from diffusers_attnmask.methods import make_method

    recipe = Recipe.read(name)
    if recipe.method is not None:
        make_method(
            recipe.method,
            {**recipe.open_vocabulary().method_options(recipe.method), **recipe.method_options},
        )


def test_the_recipe_of_the_documentation_is_one():
    page = (Path(__file__).parents[3] / "docs" / "datasets.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    recipe = Recipe.from_dict(yaml.safe_load(block))
    options = PromptOptions.from_mapping(recipe.prompts)
    plan = prompt_plan(options, recipe.open_vocabulary(), recipe.seed)
    assert {plan[index].class_names for index in range(20)} == {("star",), ("fish",)}
