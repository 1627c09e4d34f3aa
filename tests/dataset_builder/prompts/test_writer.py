"""Prompts by a small random language model: it writes random words, some of which are classes."""

from dataclasses import replace

import datasets
import pytest

from dataset_builder.building.run import EngineOptions, build
from dataset_builder.planning.run import PlanOptions, lines, plan_build
from dataset_builder.prompts import prompt_plan
from dataset_builder.prompts.language_model import LanguageModel
from dataset_builder.prompts.options import PromptOptions
from dataset_builder.prompts.writer_options import WriterOptions
from dataset_builder.recipe import Recipe
from dataset_builder.vocabulary import load_vocabulary, vocabulary_from
from diffusers_attnmask.ground.options import read_options
from tests.small_models.causal import save_causal

SPOKEN = [
    "<pad>",
    "<unk>",
    "<s>",
    "</s>",
    "a",
    "red",
    "photo",
    "of",
    "on",
    "grass",
    "and",
    "in",
    "near",
    "two",
]
SPOKEN += ["star", "stars", "heart", "hearts"]
VOCABULARY = vocabulary_from({"classes": ["star", "heart"]}, "two shapes")
PAIRS = 10


@pytest.fixture(scope="module")
def writer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("writer")
    save_causal(folder, SPOKEN)
    return str(folder)


def options(writer, **changes):
    usual = {"batch_size": 4, "attempts": 100, "max_words": 12, "temperature": 1.0, "top_p": 1.0}
    return WriterOptions(model=writer, **{**usual, **changes})


def plan(writer, folder, seed=0, **changes):
    prompts = PromptOptions(templates=None, writer=options(writer, **changes))
    return prompt_plan(prompts, VOCABULARY, seed, folder)


def texts(planned, count=PAIRS):
    return [planned[index].text for index in range(count)]


def test_written_prompts_name_their_class_and_do_not_repeat(writer, tmp_path):
    planned = plan(writer, tmp_path)
    items = [planned[index] for index in range(PAIRS)]
    for index, item in enumerate(items):
        assert planned.main_class(index) in item.class_names
        assert all(phrase in item.text for _, phrases in item.classes for phrase in phrases)
        assert 4 <= len(item.text.split()) <= 12
    assert len({item.text.casefold() for item in items}) == PAIRS


def test_the_same_seed_writes_the_same_and_no_number_of_pairs_changes_it(writer, tmp_path):
    all_at_once = texts(plan(writer, tmp_path / "a"))
    backwards = plan(writer, tmp_path / "b")
    assert [backwards[index].text for index in reversed(range(PAIRS))] == all_at_once[::-1]
    assert texts(plan(writer, tmp_path / "c"), 3) == all_at_once[:3]
    assert texts(plan(writer, tmp_path / "d", seed=1)) != all_at_once


def test_what_was_written_is_read_and_not_written_again(writer, tmp_path, monkeypatch):
    first = texts(plan(writer, tmp_path))
    (file,) = tmp_path.glob("prompts-*.jsonl")
    content = file.read_bytes()
    monkeypatch.setattr(LanguageModel, "__init__", lambda *_: pytest.fail("the model was loaded"))
    assert texts(plan(writer, tmp_path)) == first
    monkeypatch.undo()
    for torn in (content[:-7], b"".join(content.splitlines(True)[:6]) + b'{"na', b""):
        file.write_bytes(torn)
        assert texts(plan(writer, tmp_path)) == first
        assert file.read_bytes() == content


def test_numbers_and_decoys_are_in_the_prompts(tmp_path):
    save_causal(tmp_path / "counting", [*SPOKEN[:4], "two", "stars", "hearts", "grass"])
    planned = plan(str(tmp_path / "counting"), tmp_path, numbers={2: 1}, decoys=["grass"], decoy_share=1.0)
    for index in range(2):
        text = planned[index].text
        assert "two" in text and f"{planned.main_class(index)}s" in text and "grass" in text


def says(monkeypatch, answer):
    """Let the model answer each request so."""
    monkeypatch.setattr(LanguageModel, "answers", lambda self, requests, seed: list(map(answer, requests)))


def test_a_writer_that_never_finds_a_class_is_named(writer, tmp_path, monkeypatch):
    says(monkeypatch, lambda request: "a star and a moon")
    with pytest.raises(
        ValueError, match=r"wrote no prompt for 'heart' in 3 .* a moon' does not name 'heart'"
    ):
        texts(plan(writer, tmp_path, attempts=3))
    says(monkeypatch, lambda request: "a star and a heart")
    with pytest.raises(ValueError, match=r"no prompt for .* 'a star and a heart' was written before"):
        texts(plan(writer, tmp_path, attempts=3))
    assert not list(tmp_path.glob("prompts-*")), "nothing is kept of it"


def test_templates_take_the_place_of_what_a_writer_repeats(writer, tmp_path, monkeypatch):
    says(monkeypatch, lambda request: f"there is a {'star' if 'a star' in request else 'heart'}")
    planned = plan(writer, tmp_path, attempts=2)
    assert sorted(texts(planned, 2)) == ["there is a heart", "there is a star"]
    assert set(texts(planned, 4)[2:]) == {"Photo of a star", "Photo of a heart"}
    (file,) = tmp_path.glob("prompts-*.jsonl")
    assert [line.endswith('"by": "template"}') for line in file.read_text().splitlines()] == [0, 0, 1, 1]


def test_a_recipe_takes_a_writer_as_its_name_or_with_options(tmp_path):
    short = read_options(PromptOptions, {"writer": "Qwen/Qwen3-0.6B"}, "it")
    assert short.templates is None and short.writer == WriterOptions(model="Qwen/Qwen3-0.6B")
    both = read_options(PromptOptions, {"writer": {"model": "m", "weight": 2.0}, "templates": True}, "it")
    assert both.templates is not None and both.writer.weight == 2
    for own in (short, both):
        assert read_options(PromptOptions, own.to_dict(), "it") == own
    (tmp_path / "words").mkdir()
    (tmp_path / "r.yaml").write_text("vocabulary: voc\nprompts: {writer: {model: words}}\n")
    assert Recipe.read(tmp_path / "r.yaml").prompts.writer.model == str(tmp_path / "words")


def test_a_plan_loads_no_writer(writer, monkeypatch):
    recipe = Recipe("tiny-world", pairs=8, prompts=PromptOptions(templates=None, writer=options(writer)))
    monkeypatch.setattr(LanguageModel, "__init__", lambda *_: pytest.fail("the model was loaded"))
    planned = plan_build(recipe, PlanOptions())
    assert planned.prompts == () and f"prompts are written by {writer} as the build goes" in lines(planned)


def test_a_build_goes_on_and_grows_to_the_same_bytes(tmp_path):
    save_causal(tmp_path / "writer", [*SPOKEN, *load_vocabulary("tiny-world").class_names[1:]])
    recipe = read_options(
        Recipe,
        {
            "vocabulary": "tiny-world",
            "pairs": 4,
            "shard_size": 2,
            "sampling": {"steps": 2, "batch_size": 2},
            "prompts": {"writer": {"model": str(tmp_path / "writer"), "attempts": 200, "batch_size": 4}},
        },
        "it",
    )

    def contents(folder):
        files = [*folder.glob("data/*"), *folder.glob("prompts-*")]
        return {file.name: file.read_bytes() for file in files}

    engine = EngineOptions(workers=0)
    build(replace(recipe, pairs=2), tmp_path / "grown", engine, show_progress=False)
    build(recipe, tmp_path / "grown", engine, show_progress=False)
    build(recipe, tmp_path / "whole", engine, show_progress=False)
    assert contents(tmp_path / "grown") == contents(tmp_path / "whole")
    assert len([name for name in contents(tmp_path / "whole") if name.startswith("prompts-")]) == 1
    built = datasets.load_dataset("parquet", data_dir=str(tmp_path / "whole/data"), split="train")
    assert len(set(built["prompt"])) == len(built)
