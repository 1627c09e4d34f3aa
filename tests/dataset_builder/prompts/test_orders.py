from random import Random

import pytest

from dataset_builder.prompts.matching import Matcher
from dataset_builder.prompts.orders import Order, drawn_order, read_answer
from dataset_builder.prompts.writer_options import WriterOptions
from dataset_builder.vocabulary import vocabulary_from

VOCABULARY = vocabulary_from(
    {"classes": {"dog": {"decoys": "hot dog"}, "cat": None, "person": ["person", "woman"]}}, "pets"
)
OPTIONS = WriterOptions(model="m", max_words=12)
MATCHER = Matcher(VOCABULARY)


def read(text, order):
    return read_answer(text, order, OPTIONS, MATCHER)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("A dog sleeps.", "has fewer than 4 words"),
        ("A dog " + "very " * 20 + "tired", "has more than 12 words"),
        ("A horse sleeps on a sofa.", "does not name 'dog'"),
        ("A hot dog lies on a sofa.", "does not name 'dog'"),
        ("A dog eats a hot dog today.", "names a class within another word"),
    ],
)
def test_a_prompt_without_its_class_or_of_another_length_is_refused(text, fault):
    assert read(text, Order((VOCABULARY["dog"],))) == fault


def test_a_prompt_names_also_what_was_not_asked_for():
    found = read("A woman walks two dogs in the rain.", Order((VOCABULARY["dog"],)))
    assert found == (("person", ("woman",)), ("dog", ("dogs",)))


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("Two dogs sleep on a sofa.", True),
        ("There are two small black dogs outside.", True),
        ("There are 2 dogs on the sofa.", True),
        ("A dog sleeps on two sofas.", False),
        ("Dogs and two cats sleep here.", False),
        ("There are three dogs on the sofa.", False),
        ("Two women and their many old neighbours walk dogs.", False),
    ],
)
def test_the_number_of_a_class_stands_before_it(text, right):
    found = read(text, Order((VOCABULARY["dog"],), number=2))
    assert isinstance(found, tuple) == right
    assert right or found == "does not say 'two dogs'"


def test_decoys_are_named_and_are_no_classes():
    order = Order((VOCABULARY["dog"],), decoy="traffic light")
    assert read("A dog waits in the street.", order) == "does not name the decoy 'traffic light'"
    assert read("A dog waits at the traffic lights.", order) == (("dog", ("dog",)),)


def test_a_request_says_all_that_is_checked():
    order = Order((VOCABULARY["dog"], VOCABULARY["cat"]), number=3, decoy="umbrella")
    request = order.request(OPTIONS)
    assert "three dogs, a cat and an umbrella" in request
    assert '"three dogs", "cat" and "umbrella"' in request
    assert "4 to 12 words" in request


def test_orders_are_drawn_by_their_weights():
    options = WriterOptions(
        model="m", objects={1: 1, 2: 1}, numbers={1: 3, 2: 1}, decoys=["umbrella"], decoy_share=0.25
    )
    orders = [drawn_order("dog", options, VOCABULARY, Random(seed)) for seed in range(2000)]
    assert {own.name for own in orders} == {"dog"}
    shares = [
        sum(holds(own) for own in orders) / len(orders)
        for holds in (lambda o: len(o.classes) == 2, lambda o: o.number == 2, lambda o: bool(o.decoy))
    ]
    assert shares == pytest.approx([0.5, 0.25, 0.25], abs=0.04)
    assert all(own.classes[1].name != "dog" for own in orders if len(own.classes) == 2)
