"""Prompts from templates: every class and kind in its turn, words that the pipeline finds, seeded draws."""

from collections import Counter

import pytest

from dataset_builder.prompts import PromptOptions, TemplateOptions, prompt_plan
from dataset_builder.prompts.draws import shuffled
from dataset_builder.prompts.templates import TemplateSource, indefinite, listed
from dataset_builder.vocabulary import load_vocabulary, vocabulary_names
from diffusers_attnmask.ground.options import read_options
from diffusers_attnmask.words.alignment import align, split_prompt
from diffusers_attnmask.words.classes import class_specs
from tests.small_models import tokenizer

CROWD = PromptOptions(TemplateOptions(objects={1: 0.6, 2: 0.3, 3: 0.1}))


@pytest.mark.parametrize("size", [1, 2, 3, 8, 20, 100])
def test_shuffled_places_are_a_new_permutation_in_every_round(size):
    rounds = [[shuffled(turn * size + i, size, "key") for i in range(size)] for turn in range(3)]
    assert all(sorted(own) == list(range(size)) for own in rounds)
    if size >= 8:
        assert rounds[0] != rounds[1] != rounds[2]
        assert [shuffled(i, size, "other key") for i in range(size)] != rounds[0]


@pytest.mark.parametrize("name", vocabulary_names())
def test_every_prompt_is_one_that_the_pipeline_aligns(name):
    vocabulary = load_vocabulary(name)
    plan = prompt_plan(CROWD if len(vocabulary.classes) > 2 else PromptOptions(), vocabulary, seed=1)
    for index in range(150):
        item = plan[index]
        specs = class_specs(list(item.classes))
        assert align(specs, [split_prompt(tokenizer(), item.text)])
        assert plan.main_class(index) in item.class_names
        assert {spec.name for spec in specs} <= set(vocabulary.class_names)
        assert "{" not in item.text and "  " not in item.text


def test_classes_are_balanced_and_so_are_the_kinds_of_each():
    vocabulary = load_vocabulary("tiny-world")
    plan = prompt_plan(PromptOptions(), vocabulary, seed=0)
    prompts = [plan[i] for i in range(8 * 8)]
    assert Counter(item.class_names[0] for item in prompts) == dict.fromkeys(vocabulary.class_names[1:], 8)
    kinds = Counter(
        next(word for word in item.text.split() if word in vocabulary["star"].subclasses)
        for item in prompts
        if item.class_names == ("fish",)
    )
    assert kinds == dict.fromkeys(vocabulary["star"].subclasses, 1)


def test_a_prompt_depends_on_its_index_and_the_seed_alone():
    vocabulary = load_vocabulary("voc")
    plan, again, other = (prompt_plan(CROWD, vocabulary, seed) for seed in (5, 5, 6))
    backwards = {i: again[i] for i in reversed(range(60))}
    assert [plan[i] for i in range(60)] == [backwards[i] for i in range(60)]
    assert [plan[i] for i in range(60)] != [other[i] for i in range(60)]
    assert plan[10**12].class_names  # as far out as one likes
    assert plan.fingerprint == again.fingerprint != other.fingerprint


def test_the_published_form_names_a_kind_before_its_class_once():
    source = TemplateSource(TemplateOptions(scenes=("",)), load_vocabulary("voc"))
    said = {
        kind: source.prompt("Photo of {objects}", [source.subject(source.vocabulary[name], kind)], "")[:2]
        for name, kind in [("bird", "barn owl"), ("bus", "school bus"), ("person", "old man"), ("car", "SUV")]
    }
    assert said == {
        "barn owl": ("Photo of a barn owl bird", (("bird", ("bird",)),)),
        "school bus": ("Photo of a school bus", (("bus", ("bus",)),)),
        "old man": ("Photo of an old man", (("person", ("old man",)),)),
        "SUV": ("Photo of an SUV", (("car", ("suv",)),)),
    }


def test_a_class_in_the_scene_is_a_class_of_the_prompt():
    source = TemplateSource(TemplateOptions(), load_vocabulary("voc"))
    person = source.subject(source.vocabulary["person"], "woman")
    text, classes, clear = source.prompt("Photo of {objects}", [person], "riding a horse")
    assert (text, clear) == ("Photo of a woman riding a horse", True)
    assert dict(classes) == {"person": ("woman",), "horse": ("horse",)}


def test_a_kind_that_holds_another_class_never_shares_its_words():
    source = TemplateSource(TemplateOptions(), load_vocabulary("voc"))
    dog = source.subject(source.vocabulary["dog"], "Australian cattle dog")
    _, classes, clear = source.prompt("Photo of {objects}", [dog], "")
    assert classes == (("dog", ("dog",)),) and clear
    _, classes, clear = source.prompt("Photo of {objects}", [dog], "beside cattle")
    assert not clear


def test_several_classes_follow_the_co_occurrence_weights():
    options = TemplateOptions(
        objects={2: 1}, co_occurrence={"star": {"moon": 3, "fish": 1}, "moon": {"star": 1}}, scenes=("",)
    )
    plan = prompt_plan(PromptOptions(options, classes=("star", "moon")), load_vocabulary("tiny-world"), 0)
    partners = Counter()
    for index in range(800):
        main, names = plan.main_class(index), set(plan[index].class_names)
        assert len(names) == 2
        (partner,) = names - {main}
        partners[main, partner] += 1
    assert partners["moon", "star"] == 400
    assert partners["star", "moon"] + partners["star", "fish"] == 400
    assert 260 < partners["star", "moon"] < 340  # 300 expected; 5 standard deviations are 43


def test_options_from_a_recipe_survive_json():
    options = read_options(
        PromptOptions,
        {"templates": {"objects": {"1": 0.5, "2": 0.5}, "scenes": ["at night"]}, "negative": "blurry"},
        "prompts",
    )
    assert options.templates.objects == {1: 0.5, 2: 0.5} and options.templates.scenes == ("at night",)
    plan = prompt_plan(options, load_vocabulary("tiny-world"), 0)
    assert all(plan[i].text.endswith("at night") and plan[i].negative == "blurry" for i in range(5))


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"template": {}}, "prompts: there is no option template: did you mean templates"),
        ({"templates": {"objects": {0: 1}}}, "objects: its keys must be at least 1, not '0'"),
        ({"templates": {"objects": {1: 0}}}, "numbers of classes their weights"),
        ({"templates": {"objects": {9: 1}}}, "asks for 9 classes"),
        ({"templates": {"templates": ["a photo"]}}, "must say {objects} once"),
        ({"templates": {"co_occurrence": {"sun": {}}}}, "no class 'sun'"),
        ({"templates": {"weight": 0}}, "templates.weight must be above 0, not 0"),
        ({"templates": None}, "no source of prompts"),
        ({"classes": ["sun"]}, "no class 'sun'"),
        ({"captions": [{"file": "x"}]}, r"prompts: .*captions\[0\] has no option file: did you mean filter"),
        ({"captions": [{"path": "x", "filter": {"words": 3}}]}, r"captions\[0\].filter has no option words"),
        ({"captions": [{"path": "x", "retrieval": {}}]}, r"retrieval.model is missing"),
    ],
)
def test_a_mistake_in_the_recipe_is_named(values, complaint):
    with pytest.raises((ValueError, TypeError), match=complaint):
        prompt_plan(read_options(PromptOptions, values, "prompts"), load_vocabulary("tiny-world"), 0)


def test_articles_and_lists():
    words = (
        "apple",
        "car",
        "SUV",
        "hourglass",
        "unicycle",
        "European robin",
        "umbrella",
        "one-eyed cat",
        "uninteresting",
    )
    assert [indefinite(word) for word in words] == ["an", "a", "an", "an", "a", "a", "an", "a", "an"]
    assert listed(["a"]) == "a" and listed(["a", "b", "c"]) == "a, b and c"
