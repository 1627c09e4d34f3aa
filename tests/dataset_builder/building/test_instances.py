"""The columns `instances` and `objects`: in builds, and in what is derived of them."""

from __future__ import annotations

from dataclasses import replace

import datasets
import numpy as np
import pytest

import tiny_world
from benchmarks.stages.painted_sampler import PaintedSampler
from dataset_builder.augmentation.run import AugmentRun, augment_dataset
from dataset_builder.building.candidates import Candidate
from dataset_builder.building.row import RowMaker
from dataset_builder.building.run import build
from dataset_builder.building.sampler import Sampled
from dataset_builder.engine.options import EngineOptions
from dataset_builder.prompts import PromptItem
from dataset_builder.recipe import Recipe, SamplingOptions
from dataset_builder.refinement.run import RefineRun, refine_dataset
from dataset_builder.vocabulary import load_vocabulary
from diffusers_attnmask.ground.columns import object_cells, pair_features
from diffusers_attnmask.ground.instances import described
from diffusers_attnmask.ground.pictures import encoded
from diffusers_attnmask.instances.options import InstanceOptions
from tests.dataset_builder.stored_rows import store_rows

SERIAL = EngineOptions(workers=0)
ROUGH = {"steps": 2, "batch_size": 2, "threads": 1, "size": (64, 64)}


def check_row(row: dict, names: list[str]) -> int:
    """Ids, boxes and areas are those of the pixels; returns how many objects there are."""
    mask, ids = np.asarray(row["mask"]), np.asarray(row["instances"])
    assert row["instances"].mode == "I;16" and ids.dtype == np.uint16
    np.testing.assert_array_equal(ids > 0, (mask > 0) & (mask < 255))
    facts = row["objects"]
    assert facts["id"] == list(range(1, ids.max(initial=0) + 1))
    for number, box, category, area, crowd in zip(*(facts[own] for own in FACTS), strict=True):
        rows, columns = np.nonzero(ids == number)
        assert (mask[rows, columns] == category).all() and not crowd and area == len(rows)
        assert box == [columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1]
        assert names[category] != "background"
    return len(facts["id"])


FACTS = ("id", "bbox", "category", "area", "iscrowd")


def test_a_build_with_the_bundled_model_tells_objects_apart(tmp_path):
    recipe = Recipe(
        "tiny-world", pairs=3, sampling=SamplingOptions(**ROUGH), instances=InstanceOptions(least_area=0)
    )
    build(recipe, tmp_path / "with", EngineOptions(workers=0), show_progress=False)
    build(
        replace(recipe, instances=None), tmp_path / "without", EngineOptions(workers=0), show_progress=False
    )
    told, plain = (
        datasets.load_dataset(str(tmp_path / own), split="train", cache_dir=str(tmp_path / "cache"))
        for own in ("with", "without")
    )
    assert set(told.column_names) - set(plain.column_names) == {"instances", "objects"}
    assert told.features["objects"]["category"].feature.names == told.features["classes"].feature.names
    for one, other in zip(told, plain, strict=True):
        assert check_row(one, told.features["classes"].feature.names)
        for column in ("image", "mask"):
            np.testing.assert_array_equal(one[column], other[column])


def test_workers_write_the_same_bytes(tmp_path):
    """Objects travel to the processes that refine."""
    recipe = Recipe("tiny-world", pairs=4, sampling=SamplingOptions(**ROUGH), instances=InstanceOptions())
    for name, workers in (("one", 0), ("two", 1)):
        build(recipe, tmp_path / name, EngineOptions(workers=workers), show_progress=False)
    one, two = (next((tmp_path / own / "data").iterdir()).read_bytes() for own in ("one", "two"))
    assert one == two


def test_objects_have_the_ids_of_a_vocabulary_without_a_background():
    vocabulary = load_vocabulary("cityscapes")
    recipe = Recipe("cityscapes", instances=InstanceOptions())
    mask = np.array([[0, 1, 1, 2]], np.uint8)
    sampled = Sampled(
        np.zeros((1, 4, 3), np.uint8), np.ones((2, 1, 4), np.float32), mask, objects=mask.astype(np.uint16)
    )
    item = PromptItem("a car on a road", (("car", ("car",)), ("road", ("road",))))
    row = RowMaker(recipe, vocabulary, "", "")(Candidate(0, 0, 0, item, sampled)).row
    assert row["objects"]["category"] == [vocabulary["car"].id, vocabulary["road"].id] == [13, 0]


@pytest.mark.parametrize(
    "wanted", [{"instances": InstanceOptions()}, {"presence": True}, {"drop_absent": 0.5}], ids=str
)
def test_what_a_sampler_does_not_tell_is_refused_before_it_draws(tmp_path, wanted):
    class Silent(PaintedSampler):
        def draw(self, items, seeds):
            raise AssertionError("nothing is to be drawn")

    (key,) = wanted
    recipe = Recipe("tiny-world", pairs=2, **wanted)
    with pytest.raises(
        ValueError, match=f"{key} needs a sampler that tells .*'painted' does not: leave {key}"
    ):
        build(recipe, tmp_path, EngineOptions(workers=0), make_sampler=Silent(), show_progress=False)
    assert not any(own for own in tmp_path.rglob("*") if own.suffix in (".parquet", ".json"))


@pytest.fixture
def exact(tmp_path):
    """Rendered twins with their exact objects, and maps that are exact, too."""
    names, rows = ("background", *tiny_world.CLASSES), []
    for seed in range(2):
        image, mask, objects, caption, _ = tiny_world.render_objects(seed, twins=True)
        classes = [int(own) for own in np.unique(mask) if own]
        rows.append(
            {
                "image": {"bytes": encoded(image), "path": None},
                "mask": {"bytes": encoded(mask), "path": None},
                "id": f"{seed:08d}",
                "prompt": caption,
                "classes": classes,
                "seed": seed,
                "method": "exact",
                "model": "",
                "quality": 1.0,
                "maps": [
                    {"bytes": encoded((255 * (mask == own)).astype(np.uint8)), "path": None}
                    for own in classes
                ],
                **object_cells(described(objects, mask, names), range(len(names))),
            }
        )
    folder = tmp_path / "exact"
    folder.mkdir()
    store_rows({"train": rows}, pair_features(names, maps=True, instances=True), names, folder)
    return folder


def test_objects_follow_a_refined_mask(exact, tmp_path):
    refine_dataset(exact, tmp_path / "refined", RefineRun(method="crf"), progress=False)
    before, after = (
        datasets.load_dataset(str(own), split="train", cache_dir=str(tmp_path / "cache"))
        for own in (exact, tmp_path / "refined")
    )
    changed = 0
    for one, other in zip(before, after, strict=True):
        names = after.features["classes"].feature.names
        assert check_row(other, names) == check_row(one, names) >= 2
        ids, refined = (np.asarray(row["instances"]) for row in (one, other))
        both = (ids > 0) & (refined > 0) & (np.asarray(one["mask"]) == np.asarray(other["mask"]))
        np.testing.assert_array_equal(ids[both], refined[both])
        changed += int((ids != refined).sum())
    assert changed


def test_augmented_pairs_leave_the_columns_out(exact, tmp_path):
    augment_dataset(exact, tmp_path / "more", AugmentRun(), progress=False)
    names = datasets.load_dataset(str(tmp_path / "more"), split="train").column_names
    assert not {"instances", "objects", "maps"} & set(names)
