"""A recipe says everything, and says what is wrong with it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pytest
import yaml

import recipes
from dataset_builder.plain_values import differences, digest
from dataset_builder.prompts import CaptionOptions, PromptOptions, TemplateOptions, prompt_plan
from dataset_builder.prompts.caption_filter import PUBLISHED, CaptionFilter
from dataset_builder.recipe import Recipe
from diffusers_attnmask.ground.options import OptionsError, json_schema, read_options


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
    captions = Recipe.read(tmp_path / "recipe.yaml").prompts.captions
    assert captions == (CaptionOptions(str(tmp_path / "captions.txt"), weight=2), CaptionOptions("other.txt"))


def test_a_vocabulary_may_stand_in_the_recipe(tmp_path):
    (tmp_path / "recipe.yaml").write_text("vocabulary: {classes: {cat: [cat, kitten], dog: dog}}\n")
    vocabulary = Recipe.read(tmp_path / "recipe.yaml").open_vocabulary()
    assert vocabulary.class_names == ("background", "cat", "dog")
    assert vocabulary["cat"].phrases == ("cat", "kitten")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("pairs: 3", "vocabulary is missing"),
        ("vocabulary: voc\nstepps: 3", "there is no option stepps: it has vocabulary, pairs"),
        ("vocabulary: voc\nsampling: {stpes: 3}", "sampling has no option stpes: did you mean steps?"),
        ("vocabulary: voc\nsampling: 3", "sampling must be a mapping of options, not 3"),
        ("vocabulary: voc\nprompts: 3", "prompts must be a mapping of options, not 3"),
        ("vocabulary: voc\npairs: 0", "pairs must be at least 1, not 0"),
        ("vocabulary: voc\npairs: many", "pairs must be a whole number, not 'many'"),
        ("vocabulary: voc\nimage_format: gif", "image_format must be 'png', 'jpeg' or 'webp', not 'gif'"),
        ("- 1", "is not a recipe"),
        ("a: [", "not valid YAML"),
        (
            "vocabulary: voc\nrefinement: {method: blur}",
            "refinement.method must be 'none', 'crf', 'match', 'affinity' or 'sam', not 'blur'",
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
    recipe = read_options(
        Recipe,
        {"vocabulary": "voc", "sampling": {"size": [64, 64]}, "method_options": {"levels": [0, 1]}},
        "a recipe",
    )
    again = read_options(Recipe, json.loads(json.dumps(recipe.to_dict())), "a recipe")
    assert again == recipe and again.to_dict() == recipe.to_dict()


@pytest.mark.parametrize(
    ("given", "sources"),
    [
        (None, PromptOptions()),
        ("{negative: blurry}", PromptOptions(negative="blurry")),
        ("{captions: a.txt}", PromptOptions(None, (CaptionOptions("a.txt"),))),
        ("{captions: a.txt, templates: true}", PromptOptions(captions=(CaptionOptions("a.txt"),))),
        ("{captions: a.txt, templates: false}", PromptOptions(None, (CaptionOptions("a.txt"),))),
        ("{captions: {path: a.txt}}", PromptOptions(None, (CaptionOptions("a.txt"),))),
        (
            "{captions: [a.txt, {path: b.txt, filter: published}], templates: {subclasses: false}}",
            PromptOptions(
                TemplateOptions(subclasses=False),
                (CaptionOptions("a.txt"), CaptionOptions("b.txt", filter=PUBLISHED)),
            ),
        ),
        (
            "{captions: {path: a.txt, filter: {banned: vector}}}",
            PromptOptions(None, (CaptionOptions("a.txt", filter=CaptionFilter(("vector",))),)),
        ),
    ],
)
def test_short_forms_of_prompts_are_spelled_out_and_come_back(given, sources):
    values = {"vocabulary": "voc", **({"prompts": yaml.safe_load(given)} if given else {})}
    recipe = read_options(Recipe, values, "a recipe")
    assert recipe.prompts == sources
    assert read_options(Recipe, recipe.to_dict(), "a manifest") == recipe


def test_all_faults_of_a_recipe_are_told_at_once_with_the_file(tmp_path):
    file = tmp_path / "wrong.yaml"
    file.write_text(
        "vocabulary:\n"
        "  classes: {dog: {colour: red, articel: no}, cat: {subclasses: $breeds, article: maybe}}\n"
        "pairs: 2.5\n"
        "maps: yes please\n"
        "sampling: {guidance: .nan, stpes: 3}\n"
        "prompts: {captions: [{path: a.txt, weight: 0}, {path: b.txt, retrieval: {query: a dog}}]}\n"
        "refinement: {method: affinity}\n"
    )
    with pytest.raises(OptionsError) as caught:
        Recipe.read(file)
    told = {str(fault) for fault in caught.value.faults}
    (lists,) = (
        own for own in told if own.startswith("vocabulary.classes.cat.subclasses: there is no word list")
    )
    assert told - {lists} == {
        "vocabulary.classes.dog.colour: colour 'red' must be '#rrggbb' or three numbers from 0 to 255",
        "vocabulary.classes.dog has no option articel: did you mean article?",
        "vocabulary.classes.cat.article must be true or false, not 'maybe'",
        "pairs must be a whole number, not 2.5",
        "maps must be true or false, not 'yes please'",
        "sampling.guidance must be a finite number, not nan",
        "sampling has no option stpes: did you mean steps?",
        "prompts.captions[0].weight must be above 0, not 0",
        "prompts.captions[1].retrieval.model is missing and has no default",
        "prompts.captions[1].retrieval.query: 'a dog' must say {class}",
        "refinement.network, the folder of a trained AffinityNet, goes with method affinity, and the method "
        "with it",
    }
    assert str(caught.value).startswith(f"{file}: 12 faults: ")


def test_the_digest_follows_the_values_and_not_their_order():
    assert digest({"a": 1, "b": {"c": 2}}) == digest({"b": {"c": 2}, "a": 1})
    assert digest({"a": 1}) != digest({"a": 2})


def test_differences_name_every_key():
    before = Recipe("voc", seed=1, prompts=PromptOptions(negative="blur")).to_dict()
    now = Recipe("coco", seed=1).to_dict()
    assert differences(before, before) == []
    assert differences(before, now) == [
        'vocabulary was "voc", now "coco"',
        'prompts.negative was "blur", now not given',
    ]


def test_changes_of_the_command_line_win_where_given():
    recipe = Recipe("voc", pairs=5, seed=3).with_changes(pairs=9, seed=None)
    assert (recipe.pairs, recipe.seed) == (9, 3)


@pytest.mark.parametrize("name", recipes.names(training=False))
def test_every_bundled_recipe_makes_prompts_of_its_vocabulary(name):
    recipe = Recipe.read(name)
    vocabulary = recipe.open_vocabulary()
    plan = prompt_plan(recipe.prompts, vocabulary, recipe.seed)
    named = {own for index in range(50) for own in plan[index].class_names}
    assert named <= set(vocabulary.class_names)
    assert len(named) > 1


@pytest.mark.parametrize("name", recipes.names(training=False))
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
    block, *_ = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    recipe = read_options(Recipe, yaml.safe_load(block), "datasets.md")
    plan = prompt_plan(recipe.prompts, recipe.open_vocabulary(), recipe.seed)
    assert {plan[index].class_names for index in range(20)} == {("star",), ("fish",)}


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("method: dam", r"mask method 'dam' is unknown: use one of concept-attention, daam"),
        (
            "method: daam\nmethod_options: {levls: [0]}",
            r"daam: there is no option levls: did you mean levels",
        ),
    ],
)
def test_a_method_and_its_options_are_checked_with_all_else(tmp_path, content, fault):
    file = tmp_path / "own.yaml"
    file.write_text(f"vocabulary: voc\npairs: 0\n{content}\n")
    with pytest.raises(ValueError, match=rf"(?s)own\.yaml: 2 faults.*pairs must be at least 1.*{fault}"):
        Recipe.read(file)


def test_the_schema_describes_a_vocabulary_within_a_recipe():
    knows = jsonschema.Draft202012Validator(json_schema(Recipe)).is_valid
    for own in (
        "voc",
        {"classes": ["dog", "cat"]},
        {"classes": {"dog": None, "cat": ["kitten"], "cow": {"phrases": "cow", "colour": "#ff0000"}}},
        {"table": "coco", "classes": {"person": {"subclasses": "$people"}}, "scenes": ["in the street"]},
    ):
        assert knows({"vocabulary": own})
        assert read_options(Recipe, {"vocabulary": own}, "own.yaml").vocabulary == own
    for own in (7, ["dog"], {"classes": ["dog"], "colour": "red"}, {"classes": {"dog": {"fraises": 1}}}):
        assert not knows({"vocabulary": own})
        with pytest.raises(OptionsError):
            read_options(Recipe, {"vocabulary": own}, "own.yaml")
