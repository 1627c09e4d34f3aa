"""Where phrases stand among the tokens."""

import string

import pytest

from diffusers_attnmask.masking.queries import consecutive_tokens
from diffusers_attnmask.words.alignment import check_whole, class_tokens, phrase_tokens, split_prompt
from diffusers_attnmask.words.classes import ClassSpec
from tests.small_models import tokenizer
from tests.small_models.cross_transformers import gemma_tokenizer


def spec(*phrases):
    return ClassSpec(phrases[0], phrases)


def split(text, expand=str):
    return split_prompt(tokenizer(), text, expand)


def test_a_split_shows_the_pieces_of_a_word_joined():
    prompt = split("A dog, an aeroplane!")
    shown = str(prompt)
    assert shown.split()[:3] == ["a", "dog+,", "an"]
    assert shown.replace("+", "").replace(" ", "") == "adog,anaeroplane!"


@pytest.mark.parametrize(
    ("text", "phrase", "count"),
    [
        ("a dog and a Dog and DOGS", "dog", 2),
        ("dog", "dog", 1),
        ("hot dog stand", "hot dog", 1),
        ("dogs dog's", "dog", 1),
        ("dog_house", "dog", 0),
        ("a d.g", "d.g", 1),
        ("a dig", "d.g", 0),
        ("café au lait", "cafe\u0301", 1),
    ],
)
def test_occurrences_are_whole_words(text, phrase, count):
    assert len(phrase_tokens(phrase, split(text))) == count


def test_the_second_encoder_may_have_words_of_its_own():
    first, second = split("a dog"), split("a red dog and a cat")
    assert class_tokens(spec("dog"), [first, second]) == (2, 3)
    assert class_tokens(spec("cat"), [first, second]) == (6,)


def test_a_word_of_several_learned_vectors_is_all_of_them():
    def expand(text):
        return text.replace("dog", "dog cat")

    assert class_tokens(spec("dog"), [split("a dog sitting", expand)]) == (2, 3)


def test_the_occurrence_that_the_model_still_reads_is_enough():
    long = "a dog " + "and a car " * 30 + "dog"
    assert class_tokens(spec("dog"), [split(long)]) == (2,)


def test_class_words_are_placed_one_after_another_even_when_one_holds_another():
    specs = [spec("table"), spec("dining table"), spec("aeroplane")]
    places = consecutive_tokens(specs, "table dining table aeroplane", lambda text: [split(text)])
    assert places[:2] == [(1,), (2, 3)]
    assert places[2][0] == 4


def test_class_words_are_found_whole_where_a_space_before_them_changes_their_tokens():
    """Gemma's `cat` alone is pieces, behind another word it is one token."""
    text = "dog cat"
    places = consecutive_tokens(
        [spec("dog"), spec("cat")], text, lambda own: [split_prompt(gemma_tokenizer(), own)]
    )
    whole = split_prompt(gemma_tokenizer(), text)
    assert ["".join(whole.tokens[place] for place in own) for own in places] == ["dog", "cat"]


def test_more_class_words_than_the_model_reads_are_refused():
    specs = [spec(f"aeroplane {letter}") for letter in string.ascii_lowercase]
    text = " ".join(own.phrases[0] for own in specs)
    with pytest.raises(ValueError, match="77"):
        consecutive_tokens(specs, text, lambda own: [split(own)])


def test_a_slow_tokenizer_is_refused_with_a_remedy():
    class Slow:
        is_fast = False

    with pytest.raises(TypeError, match="transformers"):
        split_prompt(Slow(), "a dog")


def test_words_are_looked_for_within_a_template_and_counted_behind_what_is_dropped_of_it():
    prompt = split_prompt(tokenizer(), "a dog", limit=8, offset=-4, template="a photo of dogs: {}. a room")
    assert prompt.prompt == "a dog"
    assert str(prompt) == "a dog"
    assert class_tokens(spec("dog"), [prompt]) == (6 - 4,)
    with pytest.raises(ValueError, match="does not stand in the prompt 'a dog'"):
        class_tokens(spec("room"), [prompt])


def test_the_last_token_that_is_read_may_be_a_word_where_no_end_token_follows():
    template = "photo: {} room"
    read, lost = (split_prompt(tokenizer(), "a dog", limit=limit, template=template) for limit in (4, 3))
    assert class_tokens(spec("dog"), [read]) == (3,)
    check_whole(read)
    for refused in (check_whole, lambda prompt: class_tokens(spec("dog"), [prompt])):
        with pytest.raises(ValueError, match=r"cut off|truncation"):
            refused(lost)
