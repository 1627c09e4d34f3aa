"""A build fills a folder that `load_dataset` reads, and accounts for every pair."""

from __future__ import annotations

import errno
import json
from dataclasses import replace

import numpy as np
import pytest
from datasets import load_dataset

from benchmarks.stages.painted_sampler import PaintedSampler
from dataset_builder.building import run, shard
from dataset_builder.building.manifest import Manifest
from dataset_builder.building.progress import BuildProgress
from dataset_builder.building.run import build
from dataset_builder.building.sampler import Refused
from dataset_builder.dataset_folder import read_pairs, shard_paths
from dataset_builder.engine.options import EngineOptions

SERIAL = EngineOptions(workers=0)


def built(recipe, folder, sampler=None, engine=SERIAL):
    return build(recipe, folder, engine, make_sampler=sampler or PaintedSampler(), show_progress=False)


def contents(folder):
    return {path.name: path.read_bytes() for path in (*shard_paths(folder), folder / "manifest.json")}


def test_every_pair_is_in_the_folder_once_and_in_order(recipe, tmp_path):
    manifest = built(recipe, tmp_path)
    assert [path.name for path in shard_paths(tmp_path)] == [
        f"train-{number:05d}-of-00005.parquet" for number in range(5)
    ]
    pairs = list(read_pairs(tmp_path))
    assert [pair.row["id"] for pair in pairs] == [f"{index:08d}" for index in range(22)]
    assert len({pair.row["seed"] for pair in pairs}) == 22
    assert manifest.complete
    assert manifest.tally.pairs == 22


def test_load_dataset_reads_the_folder(recipe, tmp_path):
    built(recipe, tmp_path)
    dataset = load_dataset(str(tmp_path), split="train", cache_dir=str(tmp_path / "cache"))
    assert dataset.features["classes"].feature.names[0] == "background"
    pair = dataset[7]
    assert pair["mask"].mode == "L"
    shown = sorted(set(np.unique(np.asarray(pair["mask"]))) - {0})
    assert pair["classes"] == shown
    names = dataset.features["classes"].feature.int2str(pair["classes"])
    assert any(name in pair["prompt"] for name in names)


def test_the_mask_holds_the_ids_of_the_vocabulary_where_the_sampler_painted(recipe, tmp_path):
    from dataset_builder.prompts import prompt_plan
    from dataset_builder.vocabulary import load_vocabulary

    built(recipe, tmp_path)
    vocabulary = load_vocabulary(recipe.vocabulary)
    plan = prompt_plan(recipe.prompts, vocabulary, recipe.seed)
    for index, pair in enumerate(read_pairs(tmp_path)):
        item = plan[index]
        painted = PaintedSampler().painted(item, pair.row["seed"])
        expected = np.zeros_like(painted.mask)
        for place, name in enumerate(item.class_names):
            expected[painted.mask == place + 1] = vocabulary.class_names.index(name)
        assert pair.row["prompt"] == item.text
        np.testing.assert_array_equal(np.asarray(pair.mask), expected)
        np.testing.assert_array_equal(np.asarray(pair.image), painted.image)


def test_worker_processes_and_shard_order_do_not_change_a_byte(recipe, tmp_path):
    built(recipe, tmp_path / "serial")
    built(recipe, tmp_path / "pool", engine=EngineOptions(workers=2))
    assert contents(tmp_path / "pool") == contents(tmp_path / "serial")


def test_a_shard_that_was_lost_or_cut_is_built_again_to_the_same_bytes(recipe, tmp_path):
    built(recipe, tmp_path)
    before = contents(tmp_path)
    first, second, *_ = shard_paths(tmp_path)
    first.unlink()
    second.write_bytes(second.read_bytes()[:100])
    built(recipe, tmp_path)
    assert contents(tmp_path) == before


def test_a_complete_folder_needs_no_sampler(recipe, tmp_path):
    built(recipe, tmp_path)

    def no_sampler(recipe):
        raise AssertionError("nothing is missing")

    assert built(recipe, tmp_path, no_sampler).tally.pairs == 22


def test_a_changed_recipe_over_an_old_folder_is_refused_with_the_keys_named(recipe, tmp_path):
    built(recipe, tmp_path)
    before = contents(tmp_path)
    changed = replace(recipe, seed=4, sampling=replace(recipe.sampling, steps=9))
    with pytest.raises(ValueError, match=r"seed was 3, now 4; sampling.steps was 50, now 9"):
        built(changed, tmp_path)
    assert contents(tmp_path) == before


def test_a_folder_of_an_earlier_release_is_refused_with_a_remedy(recipe, tmp_path):
    built(recipe, tmp_path)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    del manifest["version"]  # which the first release did not write
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(
        ValueError, match="by an earlier release, whose shards this one cannot go on with: complete"
    ):
        built(recipe, tmp_path)
    assert Manifest.read(tmp_path).version == 1


def test_a_changed_vocabulary_file_is_refused(recipe, tmp_path):
    words = tmp_path / "pets.yaml"
    words.write_text("classes: [cat, dog]\n")
    own = replace(recipe, vocabulary=str(words), pairs=4)
    built(own, tmp_path / "data")
    words.write_text("classes: [cat, dog, horse]\n")
    with pytest.raises(ValueError, match=r"inputs\.vocabulary has changed"):
        built(own, tmp_path / "data")


def test_a_strangers_folder_is_refused_and_stays_as_it_is(recipe, tmp_path):
    (tmp_path / "README.md").write_text("mine")
    with pytest.raises(FileExistsError, match="holds what attnmask build did not write, such as README"):
        built(recipe, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["README.md"]


def test_shards_that_no_manifest_tells_of_are_refused(recipe, tmp_path):
    built(recipe, tmp_path)
    (tmp_path / "manifest.json").unlink()
    with pytest.raises(FileExistsError, match="holds data of something else"):
        built(recipe, tmp_path)


def test_a_recipe_whose_model_turns_out_to_be_no_good_is_followed_by_a_better_one(recipe, tmp_path):
    def no_model(recipe):
        raise ValueError("there is no such model")

    out = tmp_path / "out"
    with pytest.raises(ValueError, match="no such model"):
        built(replace(recipe, seed=9), out, no_model)
    assert not out.exists()
    with pytest.raises(ValueError, match="none of the pairs of shard train-00000 could be kept"):
        built(replace(recipe, seed=9), out, PaintedSampler(blanked=1.0))
    assert not (out / "manifest.json").exists()
    assert built(recipe, out).complete


def test_faulty_images_are_drawn_anew_then_skipped_and_counted(recipe, tmp_path):
    sampler = PaintedSampler(blanked=0.3, not_finite=0.3)
    manifest = built(replace(recipe, pairs=200, shard_size=50), tmp_path, sampler)
    skipped = manifest.tally.skipped
    assert skipped["image blanked"] > 0
    assert skipped["maps not finite"] > 0
    assert manifest.tally.retried > 0
    assert manifest.tally.pairs + sum(skipped.values()) == 200
    assert len(list(read_pairs(tmp_path))) == manifest.tally.pairs
    assert all(np.asarray(pair.mask).any() for pair in read_pairs(tmp_path))
    assert manifest.tally.examples[0]["prompt"]


def test_a_refused_prompt_is_skipped_and_not_tried_with_another_seed(recipe, tmp_path):
    asked = []

    class Refusing(PaintedSampler):
        def draw(self, items, seeds):
            asked.extend(item.text for item in items)
            drawn = super().draw(items, seeds)
            return [
                Refused("no star here") if "star" in item.text else own
                for item, own in zip(items, drawn, strict=True)
            ]

    manifest = built(recipe, tmp_path, Refusing())
    refused = manifest.tally.skipped["prompt refused"]
    assert refused == sum("star" in text for text in asked) > 0
    assert manifest.tally.examples[0]["detail"] == "no star here"
    assert manifest.tally.pairs + refused == 22 == len(asked)


def test_a_pair_whose_mask_is_empty_is_skipped(recipe, tmp_path):
    manifest = built(recipe, tmp_path, PaintedSampler(empty=0.3))
    assert manifest.tally.skipped["mask empty"] > 0
    assert manifest.tally.pairs + manifest.tally.skipped["mask empty"] == 22


def test_a_shard_without_any_pair_stops_the_build_and_says_why(recipe, tmp_path):
    with pytest.raises(
        ValueError, match=r"none of the pairs of shard train-00000 could be kept \(image blanked 5\)"
    ):
        built(recipe, tmp_path, PaintedSampler(blanked=1.0))
    assert not (tmp_path / "data").exists()


def test_a_full_disk_is_tried_again_then_stops_with_everything_before_it_safe(recipe, tmp_path, monkeypatch):
    real, room = shard.write_shard, iter([True, True, False, False, False])

    def write(own, path):
        if not next(room):
            raise OSError(errno.ENOSPC, "No space left on device")
        real(own, path)

    monkeypatch.setattr(run, "write_shard", write)
    monkeypatch.setattr(run, "WRITE_PAUSES", (0.0, 0.0))
    with pytest.raises(OSError, match="is full; all shards before train-00002-of-00005"):
        built(recipe, tmp_path)
    assert len(list((tmp_path / "data").glob("*.parquet"))) == 2  # of five
    assert Manifest.read(tmp_path).incidents == {"disk full": 3}
    monkeypatch.undo()
    assert built(recipe, tmp_path).tally.pairs == 22


def test_the_kept_maps_are_those_of_the_mask(recipe, tmp_path):
    built(replace(recipe, maps=True), tmp_path)
    dataset = load_dataset(str(tmp_path), split="train", cache_dir=str(tmp_path / "cache"))
    for pair in dataset.select(range(5)):
        mask = np.asarray(pair["mask"])
        assert len(pair["maps"]) == len(pair["classes"])
        for own, heatmap in zip(pair["classes"], pair["maps"], strict=True):
            assert (np.asarray(heatmap)[mask == own] == 255).all()


@pytest.mark.parametrize(("image_format", "first_bytes"), [("jpeg", b"\xff\xd8"), ("webp", b"RIFF")])
def test_images_in_another_format_keep_lossless_masks(recipe, tmp_path, image_format, first_bytes):
    built(replace(recipe, image_format=image_format, pairs=5), tmp_path)
    pair = next(read_pairs(tmp_path))
    assert pair.row["image"]["bytes"].startswith(first_bytes)
    assert pair.row["mask"]["bytes"].startswith(b"\x89PNG")


def test_the_log_tells_every_shard(recipe, tmp_path):
    built(recipe, tmp_path)
    events = [json.loads(line) for line in (tmp_path / "build.log").read_text().splitlines()]
    assert [event["event"] for event in events] == ["began", *["shard"] * 5, "complete"]
    assert events[-2]["done"] == 22
    assert sum(events[-2]["classes"].values()) >= 22
    assert events[-2]["pairs_per_second"] > 0


def test_pairs_are_counted_as_they_come_and_not_as_shards_end(recipe, tmp_path, monkeypatch):
    """Otherwise a bar stands still for as long as a shard takes."""
    seen = []
    add, done = BuildProgress.add, BuildProgress.shard_done
    monkeypatch.setattr(
        BuildProgress, "add", lambda own, tally: (add(own, tally), seen.append(own.tally.handled))
    )
    monkeypatch.setattr(
        BuildProgress, "shard_done", lambda own, *told: (done(own, *told), seen.append(told[-1].name))
    )
    built(replace(recipe, pairs=8), tmp_path)
    first, second = (path.name for path in shard_paths(tmp_path))
    assert seen == [1, 2, 3, 4, 5, first, 6, 7, 8, second]


def test_the_bar_ends_with_the_last_file(recipe, tmp_path, capsys):
    build(recipe, tmp_path, EngineOptions(workers=0), make_sampler=PaintedSampler())
    last = capsys.readouterr().err.splitlines()[-1].split("\r")[-1]
    assert "22/22" in last and "train-00004-of-00005.parquet" in last
