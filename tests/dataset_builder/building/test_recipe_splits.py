"""`splits` of a recipe: every prompt on one side, the same side whatever else is asked for."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import pytest
from datasets import load_dataset

from benchmarks.stages.fault_stages import SAMPLER
from benchmarks.stages.forked_runs import contents
from benchmarks.stages.painted_sampler import PaintedSampler
from dataset_builder.building.builder import DiffuMaskBuilder
from dataset_builder.building.layout import layout_of, split_of
from dataset_builder.building.manifest import Manifest
from dataset_builder.building.run import build
from dataset_builder.dataset_folder import read_rows
from dataset_builder.engine.options import EngineOptions
from dataset_builder.hub.card import write_card
from dataset_builder.planning.run import lines, plan_build
from dataset_builder.prompts import CaptionOptions, PromptOptions, prompt_plan
from dataset_builder.prompts.writer_options import WriterOptions
from dataset_builder.recipe import Recipe
from diffusers_attnmask.ground.own_folder import own_folder
from train_segmenter.data import open_source
from train_segmenter.data.split_parts import parts_of

SHARES = {"train": 0.6, "validation": 0.25, "test": 0.15}


@pytest.fixture
def recipe(recipe) -> Recipe:
    return replace(recipe, pairs=30, splits=SHARES)


def built(recipe: Recipe, out: Path, sampler: PaintedSampler = SAMPLER, workers: int = 0) -> Manifest:
    with own_folder(out, "build"):
        engine = EngineOptions(workers=workers)
        manifest = build(recipe, out, engine, make_sampler=sampler, show_progress=False)
        write_card(out)
    return manifest


def layout(recipe: Recipe):
    return layout_of(recipe, prompt_plan(recipe.prompts, recipe.open_vocabulary(), recipe.seed))


def prompts(folder: Path) -> dict[str, list[str]]:
    return {
        split: [row["prompt"] for row in read_rows(folder, ("prompt",), parts=parts_of(split))]
        for split in SHARES
    }


def test_a_prompt_is_on_one_side_however_often_it_comes(recipe, tmp_path):
    captions = [f"a {colour} star" for colour in ("red", "blue", "green", "grey", "white", "pink")]
    (tmp_path / "captions.txt").write_text("\n".join(captions))
    few = PromptOptions(None, (CaptionOptions(str(tmp_path / "captions.txt")),), classes=("star",))
    again = Recipe("tiny-world", pairs=60, splits={"train": 0.5, "validation": 0.5}, prompts=few)
    of_text = defaultdict(set)
    own = layout(again)
    for split, members in own.members.items():
        for index in members:
            of_text[own.plan[index].text].add(split)
    assert len(of_text) == 6
    assert all(len(splits) == 1 for splits in of_text.values())


def test_shares_are_those_of_many_prompts_and_their_order_says_nothing():
    texts = [f"prompt {number}" for number in range(4000)]
    sides = [split_of(text, SHARES, 0) for text in texts]
    assert {split: round(sides.count(split) / 4000, 1) for split in SHARES} == {
        split: round(share, 1) for split, share in SHARES.items()
    }
    assert [split_of(text, dict(reversed(SHARES.items())), 0) for text in texts] == sides
    assert [split_of(text.upper(), SHARES, 0) for text in texts] == sides
    assert [split_of(text, SHARES, 1) for text in texts] != sides


def test_every_split_is_read_by_its_name(recipe, tmp_path):
    out = tmp_path / "shapes"
    manifest = built(recipe, out)
    own = layout(recipe)
    expected = {split: [own.plan[index].text for index in members] for split, members in own.members.items()}
    assert prompts(out) == expected
    counts = {split: len(members) for split, members in expected.items()}
    assert manifest.splits == counts
    assert sum(counts.values()) == 30
    read = load_dataset(str(out), cache_dir=str(tmp_path / "cache"))
    assert {split: rows["prompt"][:] for split, rows in read.items()} == expected
    (out / "README.md").unlink()  # names of files alone tell as much
    assert {split: len(rows) for split, rows in load_dataset(str(out)).items()} == counts
    assert len(open_source(f"{out}@test")) == counts["test"]
    assert (
        f"split into train {counts['train']}, validation {counts['validation']}, test {counts['test']}"
        in (lines(plan_build(recipe)))
    )


def test_sorting_the_prompts_has_a_bar(recipe, capsys):
    plan = prompt_plan(recipe.prompts, recipe.open_vocabulary(), recipe.seed)
    assert layout_of(recipe, plan, progress=True) == layout_of(recipe, plan)
    assert "sorting prompts" in capsys.readouterr().err


def test_a_plan_of_prompts_that_a_model_will_write_waits_for_none_of_them(recipe, tmp_path):
    written = replace(
        recipe, prompts=PromptOptions(None, writer=WriterOptions(model=str(tmp_path / "no model")))
    )
    planned = plan_build(written)
    assert planned.splits == {"train": 18, "validation": 8, "test": 4}
    assert "split into about train 18, validation 8, test 4" in lines(planned)


def test_worker_processes_change_no_byte(recipe, tmp_path):
    built(recipe, tmp_path / "serial" / "shapes")
    built(recipe, tmp_path / "pool" / "shapes", workers=2)
    assert contents(tmp_path / "pool") == contents(tmp_path / "serial")


def test_a_build_with_splits_grows(recipe, tmp_path):
    for pairs in (17, 30, 41):
        built(replace(recipe, pairs=pairs), tmp_path / "grown" / "shapes")
    built(replace(recipe, pairs=41), tmp_path / "new" / "shapes")
    assert contents(tmp_path / "grown") == contents(tmp_path / "new")
    with pytest.raises(ValueError, match=r"splits\.test was 0\.15, now not given"):
        built(replace(recipe, splits={"train": 0.75, "validation": 0.25}), tmp_path / "new" / "shapes")


def test_the_builder_of_datasets_has_the_same_splits(recipe, tmp_path):
    built(recipe, tmp_path / "shapes")
    builder = DiffuMaskBuilder(str(tmp_path / "cache"), recipe=recipe, make_sampler=SAMPLER)
    builder.download_and_prepare()
    made = builder.as_dataset()
    assert {split: rows["prompt"][:] for split, rows in made.items()} == prompts(tmp_path / "shapes")


def test_a_last_shard_that_comes_to_nothing_says_what_would_help(recipe, tmp_path):
    own = layout(recipe)
    last = own.plan[own.members["test"][-1]].text
    few = replace(recipe, shard_size=len(own.members["test"]) - 1)

    class Refusing(PaintedSampler):
        def painted(self, item, seed):
            return replace(super().painted(item, seed), blanked=item.text == last)

    told = r"shard test-00001 could be kept \(image blanked 1\); with more pairs it has more prompts"
    with pytest.raises(ValueError, match=told):
        built(few, tmp_path / "shapes", Refusing())


def test_a_split_that_no_prompt_is_for_is_told_before_anything_is_written(recipe, tmp_path):
    few = replace(recipe, pairs=2, splits={"train": 0.98, "test": 0.02})
    with pytest.raises(ValueError, match=r"none of 2 prompts is for test: ask for more pairs, or give it a"):
        built(few, tmp_path / "out")
    assert not (tmp_path / "out").exists()
