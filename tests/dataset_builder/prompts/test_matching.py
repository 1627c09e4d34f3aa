"""Captions name classes by whole words, synonyms and plurals; the longest phrase wins, decoys name none."""

import pytest

from dataset_builder.prompts.caption_filter import PUBLISHED, CaptionFilter
from dataset_builder.prompts.matching import Matcher, ambiguous, named_classes, plural
from dataset_builder.vocabulary import load_vocabulary
from diffusers_attnmask.words.alignment import phrase_tokens, split_prompt
from tests.small_models import tokenizer

VOC, COCO = Matcher(load_vocabulary("voc")), Matcher(load_vocabulary("coco"))


@pytest.mark.parametrize(
    ("matcher", "text", "classes"),
    [
        (VOC, "An airliner over two Jets.", {"aeroplane": ("airliner", "Jets")}),
        (VOC, "people and their PUPPIES", {"person": ("people",), "dog": ("PUPPIES",)}),
        (VOC, "a catalogue of doggerel", {}),
        (VOC, "a hot dog, dogless", {}),
        (COCO, "a hot dog", {"hot dog": ("hot dog",)}),
        (COCO, "a teddy bear on a bed", {"teddy bear": ("teddy bear",), "bed": ("bed",)}),
        (COCO, "it is hot, dog", {"dog": ("dog",)}),
        (COCO, "a hot-dog and a Wine  glass", {"hot dog": ("hot-dog",), "wine glass": ("Wine  glass",)}),
        (VOC, "a bus stop", {}),
        (VOC, "a bus at a bus stop", {"bus": ("bus",)}),
        (
            COCO,
            "two mice, knives and scissors",
            {"mouse": ("mice",), "knife": ("knives",), "scissors": ("scissors",)},
        ),
    ],
)
def test_the_classes_of_a_text(matcher, text, classes):
    assert dict(named_classes(matcher.mentions(text))) == classes


def test_found_phrases_stand_in_the_prompt_as_the_pipeline_looks_for_them():
    text = "the People of a fish-ing boat, riding two  DOGS"
    classes = named_classes(VOC.mentions(text))
    assert [name for name, _ in classes] == ["person", "boat", "dog"]
    prompt = split_prompt(tokenizer(), text)
    assert all(phrase_tokens(phrase, prompt) for _, phrases in classes for phrase in phrases)


def test_sub_classes_name_their_class_where_they_are_asked_to():
    text = "a golden retriever"
    assert VOC.mentions(text) == []
    named = named_classes(Matcher(load_vocabulary("voc"), subclasses=True).mentions(text))
    assert named == (("dog", ("golden retriever",)),)


def test_a_word_within_another_thing_is_ambiguous():
    for text, expected in [
        ("a dog eats a hot dog", True),
        ("a dog eats pizza", False),
        ("two hot dogs", False),
    ]:
        mentions = COCO.mentions(text)
        assert ambiguous(mentions, named_classes(mentions)) is expected


@pytest.mark.parametrize(
    ("word", "many"),
    [
        ("glass", "glasses"),
        ("box", "boxes"),
        ("baby", "babies"),
        ("boy", "boys"),
        ("old man", "old men"),
        ("", "s"),
    ],
)
def test_plurals(word, many):
    assert plural(word) == many


@pytest.mark.parametrize(
    ("rules", "text", "fault"),
    [
        (PUBLISHED, "a dog runs in the park", None),
        (PUBLISHED, "a dog, stock photo", "says 'stock'"),
        (PUBLISHED, "Close up of a dog", "says 'close-up'"),
        (PUBLISHED, "close-up of a dog", "says 'close-up'"),
        (PUBLISHED, "dog in 3D", "says '3d'"),
        (PUBLISHED, "an evening in the old park with a dog", "names no class in its first 5 words"),
        (PUBLISHED, "dog " * 51, "more than 50 words"),
        (CaptionFilter(min_words=3), "a dog", "fewer than 3 words"),
        (CaptionFilter(), "vector stock dog " * 40, None),
        (CaptionFilter(banned=("very blurry",)), "a very  Blurry dog", "says 'very blurry'"),
    ],
)
def test_the_published_filter_and_its_parts(rules, text, fault):
    assert rules.fault(text, VOC.mentions(text)) == fault


def test_only_classes_named_early_are_what_a_caption_stands_for():
    mentions = VOC.mentions("a dog on the very green lawn beside a horse")
    assert PUBLISHED.near(mentions) == ["dog"] and CaptionFilter().near(mentions) == ["dog", "horse"]
