"""`DiffuMaskBuilder` is a builder of `datasets` and makes the pairs that `build` makes."""

from __future__ import annotations

import pytest
from datasets import GeneratorBasedBuilder, load_dataset

from benchmarks.stages.painted_sampler import PaintedSampler
from dataset_builder import DiffuMaskBuilder
from dataset_builder.building.run import build
from dataset_builder.dataset_folder import read_rows
from dataset_builder.engine.options import EngineOptions
from dataset_builder.recipe import Recipe

SAMPLER = PaintedSampler(blanked=0.1, empty=0.1)


@pytest.fixture
def builder(recipe, tmp_path):
    return DiffuMaskBuilder(cache_dir=str(tmp_path / "cache"), recipe=recipe, make_sampler=SAMPLER)


@pytest.fixture
def rows(recipe, tmp_path):
    build(recipe, tmp_path / "engine", EngineOptions(workers=0), make_sampler=SAMPLER, show_progress=False)
    return list(read_rows(tmp_path / "engine"))


@pytest.mark.parametrize("num_proc", [None, 2])
def test_the_rows_are_those_of_the_engine(builder, rows, tmp_path, num_proc):
    assert isinstance(builder, GeneratorBasedBuilder)
    builder.download_and_prepare(str(tmp_path / "out"), file_format="parquet", num_proc=num_proc)
    built = list(read_rows(tmp_path / "out"))
    assert sorted(row["id"] for row in built) == [row["id"] for row in rows]
    assert {row["id"]: row for row in built} == {row["id"]: row for row in rows}


def test_load_dataset_reads_the_folder(builder, rows, tmp_path):
    builder.download_and_prepare(str(tmp_path / "out"), file_format="parquet")
    dataset = load_dataset(str(tmp_path / "out"), split="train", cache_dir=str(tmp_path / "again"))
    assert len(dataset) == len(rows)
    assert dataset.features["classes"].feature.names[8] == "tree"


def test_as_dataset_gives_pairs(builder, rows):
    builder.download_and_prepare()
    dataset = builder.as_dataset(split="train")
    assert len(dataset) == len(rows)
    assert dataset[0]["mask"].mode == "L"


def test_a_recipe_may_be_a_name_and_numbers_may_be_changed(tmp_path):
    builder = DiffuMaskBuilder(cache_dir=str(tmp_path), recipe="tiny", num_pairs=7, seed=5)
    assert (builder.config.recipe.pairs, builder.config.recipe.seed) == (7, 5)
    assert builder.config.recipe.vocabulary == "tiny-world"


def test_different_recipes_have_different_caches(recipe, tmp_path):
    folders = {
        DiffuMaskBuilder(cache_dir=str(tmp_path), recipe=own, make_sampler=SAMPLER).cache_dir
        for own in (recipe, recipe.with_changes(seed=99))
    }
    assert len(folders) == 2


def test_a_cache_is_that_of_what_decides_a_byte(recipe, tmp_path):
    """As a build's folder: by content where files are named, and wherever the weights lie."""
    file = tmp_path / "recipe.yaml"

    def cache(**changes) -> str:
        own = Recipe.read(file).with_changes(**changes)
        return DiffuMaskBuilder(cache_dir=str(tmp_path / "cache"), recipe=own, make_sampler=SAMPLER).cache_dir

    (tmp_path / "captions.txt").write_text("a red star\n")
    file.write_text("vocabulary: tiny-world\npairs: 4\nprompts: {captions: captions.txt}\n")
    before = cache()
    assert cache(sampling={"device": "cpu", "offload": "group"}) == before
    assert cache(pairs=5) != before
    (tmp_path / "captions.txt").write_text("a blue star\n")
    assert cache() != before


def test_a_builder_without_a_recipe_says_what_to_give(tmp_path):
    with pytest.raises(ValueError, match="needs a recipe"):
        DiffuMaskBuilder(cache_dir=str(tmp_path))
