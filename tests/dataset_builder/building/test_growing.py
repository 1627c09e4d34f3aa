"""A build grows to what it would have been from the beginning; it does not shrink."""

from __future__ import annotations

import signal
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.kill_resume import killed_over_and_over
from benchmarks.stages.fault_stages import PAIRS, SAMPLER
from benchmarks.stages.forked_runs import Stage, contents
from benchmarks.stages.painted_sampler import PaintedSampler
from dataset_builder.building.manifest import Manifest
from dataset_builder.building.run import build
from dataset_builder.dataset_folder import read_pairs, shard_paths
from dataset_builder.engine.options import EngineOptions
from dataset_builder.hub.card import write_card
from dataset_builder.prompts import CaptionOptions, PromptOptions, TemplateOptions
from dataset_builder.recipe import Recipe
from diffusers_attnmask.ground.own_folder import own_folder
from tests.small_models import picture

TEMPLATES = TemplateOptions(objects={1: 1, 2: 1}, co_occurrence={"star": {"fish": 2, "moon": 1}})


def built(recipe: Recipe, folder: Path, sampler: PaintedSampler | None = None) -> Manifest:
    """A build in the folder `shapes` of a folder, since cards tell its name."""
    out, engine = folder / "shapes", EngineOptions(workers=0)
    with own_folder(out, "build"):
        manifest = build(recipe, out, engine, make_sampler=sampler or SAMPLER, show_progress=False)
        write_card(out)
    return manifest


def of(recipe: Recipe, pairs: int) -> Recipe:
    return replace(recipe, pairs=pairs)


@pytest.mark.parametrize("numbers", [(10, 22), (7, 8, 22), (3, 5), (21, 22), (1, 10)])
def test_a_grown_build_has_the_bytes_of_one_from_the_beginning(recipe, tmp_path, numbers):
    for number in numbers:
        built(of(recipe, number), tmp_path / "grown")
    built(of(recipe, numbers[-1]), tmp_path / "new")
    assert contents(tmp_path / "grown") == contents(tmp_path / "new")


def test_full_shards_are_not_written_again(recipe, tmp_path):
    def files() -> dict[str, int]:
        return {
            path.name[: len("train-00000")]: path.stat().st_ino for path in shard_paths(tmp_path / "shapes")
        }

    built(of(recipe, 12), tmp_path)
    before = files()
    built(of(recipe, 22), tmp_path)
    same = [name for name, file in files().items() if before.get(name) == file]
    assert same == ["train-00000", "train-00001"]  # the third had two pairs of five


@pytest.mark.parametrize("prompts", ["templates", "captions", "both", "conditions"])
def test_the_first_prompts_stay_whatever_their_source(recipe, tmp_path, prompts):
    """Captions are so few that they come again and again."""
    file = tmp_path / "captions.txt"
    file.write_text("a star\na fish on sand\ntwo hearts and a star\na moon\n")
    edges = tmp_path / "edges"
    edges.mkdir()
    for number in range(3):
        picture(number).save(edges / f"{number}.png")
    captions = (CaptionOptions(str(file)),)
    sampling = replace(recipe.sampling, controlnet="edges" if prompts == "conditions" else None)
    options = {
        "templates": PromptOptions(TEMPLATES),
        "captions": PromptOptions(None, captions),
        "both": PromptOptions(TEMPLATES, captions),
        "conditions": PromptOptions(TEMPLATES, conditions=str(edges)),
    }[prompts]
    own = replace(recipe, prompts=options, sampling=sampling)
    seen = []
    for number in (8, 22):
        built(of(own, number), tmp_path / "data")
        seen.append([pair.row["prompt"] for pair in read_pairs(tmp_path / "data" / "shapes")])
    few, many = seen
    assert (few, len(many)) == (many[:8], 22)


def test_skipped_pairs_are_counted_as_if_all_were_built_at_once(recipe, tmp_path):
    sampler = PaintedSampler(blanked=0.5)
    built(of(recipe, 12), tmp_path / "grown", sampler)
    grown = built(of(recipe, 40), tmp_path / "grown", sampler)
    new = built(of(recipe, 40), tmp_path / "new", sampler)
    assert grown.tally == new.tally
    assert grown.tally.skipped["image blanked"] > 0
    assert contents(tmp_path / "grown") == contents(tmp_path / "new")


def test_a_build_does_not_shrink(recipe, tmp_path):
    built(recipe, tmp_path)
    before = contents(tmp_path)
    with pytest.raises(
        ValueError, match=r"a build of 22 pairs, and 21 are asked for: a build grows and does"
    ):
        built(of(recipe, 21), tmp_path)
    with pytest.raises(ValueError, match=r"another recipe: seed was 3, now 4; inputs"):
        built(replace(recipe, seed=4, pairs=99), tmp_path)
    assert contents(tmp_path) == before


def test_a_build_that_cannot_grow_stays_as_it_was(recipe, tmp_path):
    """Nothing is renamed before there is a shard to write."""
    built(of(recipe, 12), tmp_path)
    before = contents(tmp_path)

    def no_model(recipe):
        raise ValueError("there is no such model")

    with pytest.raises(ValueError, match="no such model"):
        built(recipe, tmp_path, no_model)
    assert contents(tmp_path) == before
    assert built(of(recipe, 12), tmp_path).tally.pairs == 12


def test_names_of_both_counts_are_what_a_stopped_build_goes_on_with(recipe, tmp_path):
    built(of(recipe, 12), tmp_path / "grown")
    first, *_ = shard_paths(tmp_path / "grown" / "shapes")
    first.rename(first.with_name("train-00000-of-00005.parquet"))
    with pytest.raises(
        ValueError, match=r"of 00003 and of 00005; a build that was to grow and stopped goes on"
    ):
        shard_paths(tmp_path / "grown" / "shapes")
    built(recipe, tmp_path / "grown")
    built(recipe, tmp_path / "new")
    assert contents(tmp_path / "grown") == contents(tmp_path / "new")


@pytest.mark.parametrize("number", [0, 2])
def test_a_shard_that_is_there_under_two_names_is_there_once(recipe, tmp_path, number):
    """As in a copy of a folder elsewhere whose build was stopped while it grew."""
    built(of(recipe, 12), tmp_path / "grown")
    old = shard_paths(tmp_path / "grown" / "shapes")[number]
    before = old.read_bytes()
    built(recipe, tmp_path / "grown")
    old.write_bytes(before)
    built(recipe, tmp_path / "grown")
    built(recipe, tmp_path / "new")
    assert contents(tmp_path / "grown") == contents(tmp_path / "new")


def test_a_growing_build_that_is_killed_over_and_over_ends_with_the_same_bytes(tmp_path):
    def grown(out: Path) -> None:
        before = Manifest.read(out)
        if before is None or (before.recipe["pairs"] == 6 and not before.complete):
            built(of(PAIRS, 6), out.parent)
        built(PAIRS, out.parent)

    home = tmp_path / "home"
    home.mkdir()
    row = killed_over_and_over(Stage("grow", grown), home, 20, seed=5, signals=[signal.SIGKILL])
    assert (row["kills"], row["names"], row["files"]) == (20, [], 8)
