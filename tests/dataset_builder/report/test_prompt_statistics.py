import pytest

from dataset_builder.report.prompt_statistics import PromptStatistics


def test_distinct_n_grams_are_those_of_their_definition():
    texts = ["A cat and a dog.", "A cat on a sofa", "a CAT and a dog"]
    statistics = PromptStatistics()
    for text, classes in zip(texts, (2, 1, 2), strict=True):
        statistics.add(text, classes)
    words = [text.lower().replace(".", "").split() for text in texts]
    for n in (1, 2, 3):
        grams = [" ".join(own[at : at + n]) for own in words for at in range(len(own) - n + 1)]
        assert statistics.distinct[n] == pytest.approx(len(set(grams)) / len(grams))
    assert statistics.different == 2 and statistics.mean_words == 5
    assert statistics.classes == {2: 2, 1: 1}
    assert dict(statistics.lines())["different prompts"] == "2 of 3"


def test_parts_that_are_counted_apart_are_the_whole():
    texts = [f"a {kind} on a {place}" for kind in ("cat", "dog") for place in ("sofa", "lawn", "sofa")]
    whole, first, second = PromptStatistics(), PromptStatistics(), PromptStatistics()
    for number, text in enumerate(texts):
        whole.add(text, 1)
        (first if number < 3 else second).add(text, 1)
    first.merge(second)
    assert first == whole


def test_a_dataset_without_prompts_has_nothing_to_say_of_them():
    statistics = PromptStatistics()
    statistics.add("", 1)
    assert statistics.distinct == {} and statistics.mean_words == 0
