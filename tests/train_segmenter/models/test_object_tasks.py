"""Mask2Former on instances and panoptic segments: what it learns, finds, keeps, and what is refused."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from PIL import Image

from tests.train_segmenter.shapes import COLOURS, NAMES, SMALL_MASK2FORMER, SMALL_TRAINING
from train_segmenter.augmentation.options import AugmentOptions
from train_segmenter.data import ClassMap, Sample, mapped
from train_segmenter.data.segments import MOST_SEGMENTS, segments_of
from train_segmenter.evaluation.judge import evaluate
from train_segmenter.models import create, load
from train_segmenter.models.mask2former import matched_targets
from train_segmenter.models.object_queries import found_objects, found_segments
from train_segmenter.segmenting.run import segment
from train_segmenter.training.batches import training_batches
from train_segmenter.training.loop import train
from train_segmenter.training.run import TrainRun, train_model

BACKBONE = "mask2former:resnet10t"


@dataclass(frozen=True)
class Twins:
    """Two squares of one class that touch, and one of the other."""

    count: int
    class_names: tuple[str, ...] = NAMES
    told: bool = True

    def __len__(self) -> int:
        return self.count

    def name(self, index: int) -> str:
        return f"twins-{index}"

    def __getitem__(self, index: int) -> Sample:
        rng = np.random.default_rng(index)
        objects = np.zeros((64, 64), np.uint16)
        top, left = rng.integers(0, 24, 2)
        objects[top : top + 16, left : left + 16] = 1
        objects[top : top + 16, left + 16 : left + 32] = 2
        objects[44:60, 8:40] = 3
        mask = np.array([0, 1, 1, 2], np.uint8)[objects]
        image = COLOURS[mask] + rng.integers(0, 30, (64, 64, 3), dtype=np.uint8)
        image[objects == 2] //= 2
        return Sample(image, mask, self.name(index), objects if self.told else None)


def model(task):
    torch.manual_seed(0)
    return create(BACKBONE, NAMES, "none", task=task, **SMALL_MASK2FORMER)


def test_segments_are_the_objects_and_in_panoptic_tasks_the_rest():
    sample = Twins(1)[0]
    instance, panoptic = (segments_of(sample, NAMES, task) for task in ("instance", "panoptic"))
    assert sorted(instance.classes.values()) == [1, 1, 2] and sorted(panoptic.classes.values()) == [
        0,
        1,
        1,
        2,
    ]
    for number, own in instance.classes.items():
        region = instance.numbers == number
        assert len(np.unique(sample.objects[region])) == 1 and (sample.mask[region] == own).all()
    assert ((instance.numbers == 0) == (sample.mask == 0)).all() and (panoptic.numbers > 0).all()


def test_crowds_that_belong_to_no_object_are_ignored():
    sample = Twins(1)[0]
    crowd = sample.objects == 2
    numbers, classes = segments_of(
        replace(sample, objects=np.where(crowd, 0, sample.objects)), NAMES, "instance"
    )
    assert (numbers[crowd] == 255).all() and sorted(classes.values()) == [1, 2]


def test_the_smallest_of_too_many_segments_are_ignored():
    objects = np.arange(1, 301, dtype=np.uint16).reshape(15, 20).repeat(2, 0)
    objects[:4] = 1
    sample = Sample(np.zeros((30, 20, 3), np.uint8), np.ones((30, 20), np.uint8), "many", objects)
    numbers, classes = segments_of(sample, NAMES, "instance")
    assert len(classes) == MOST_SEGMENTS and (numbers == 255).any() and (numbers[:4] == 1).all()


@pytest.mark.parametrize("task", ["instance", "panoptic"])
def test_batches_hold_segments_with_their_classes(task):
    options = replace(SMALL_TRAINING, steps=2)
    for batch in training_batches(Twins(3), options, 0, 0, 1, task=task):
        labels, masks = matched_targets(batch.masks, batch.shown)
        for shown, own, regions, numbers in zip(batch.shown, labels, masks, batch.masks, strict=True):
            assert own.tolist() == list(shown.values())
            for number, region in zip(shown, regions, strict=True):
                assert torch.equal(region > 0, numbers == number) and region.any()
            assert set(shown) == set(numbers.unique().tolist()) - {0, 255}


@pytest.mark.parametrize("task", ["instance", "panoptic"])
def test_it_learns_to_tell_twins_apart_and_says_how_well(task, tmp_path):
    options = replace(SMALL_TRAINING, steps=4, evaluate_every=4)
    trained = train(model(task), Twins(4), options, tmp_path / "run", validation=Twins(2), progress=False)
    assert trained.report.mean_iou >= 0
    again = load(tmp_path / "run")
    assert again.spec.task == task
    report = evaluate(again, Twins(2), objects=True, progress=False)
    told = report.to_dict()["objects"]
    assert set(told) == {"ap", "ap50", "pq", "pq_things", "pq_stuff", "pq_by_class"}
    assert 0 <= told["ap"] <= told["ap50"] <= 1 and "objects: AP 0." in report.table()
    json.dumps(report.to_dict())
    Image.fromarray(Twins(1)[0].image).save(tmp_path / "a.png")
    [written] = segment(again, [tmp_path / "a.png"], tmp_path)
    with Image.open(written["instances"]) as picture:
        assert picture.mode == "I;16" and picture.size == (64, 64)


def test_what_is_found_exactly_scores_one():
    """A model whose queries are the truth."""
    own = model("panoptic")
    source = Twins(3)

    def exact(images):
        found = []
        for index in range(len(images)):
            numbers, classes = segments_of(source[exact.next + index], NAMES, "panoptic")
            masks = torch.tensor(np.stack([numbers == number for number in classes]))
            labels = torch.tensor(list(classes.values()))
            logits = torch.full((len(labels), 4), -9.0)
            logits[torch.arange(len(labels)), labels] = 9.0
            queries = logits, (masks * 2.0 - 1) * 9
            found.append((found_objects(*queries, [1, 2]), found_segments(*queries, [1, 2])))
        exact.next += len(images)
        return found

    exact.next = 0
    own.objects = exact
    told = evaluate(own, source, objects=True, progress=False).to_dict()["objects"]
    assert told["ap"] == told["pq"] == told["pq_things"] == told["pq_stuff"] == pytest.approx(1)


def test_a_model_of_instances_says_background_where_no_object_is():
    own = model("instance").eval()
    with torch.no_grad():
        scores = own(torch.rand(1, 3, 64, 64)).exp()
    expected = (1 - scores[:, 1:].amax(1)).clamp(min=1e-6)
    torch.testing.assert_close(scores[:, 0], expected)


def test_classes_that_are_mapped_keep_their_objects():
    both = mapped(Twins(1), ClassMap(("background", "thing"), {"thing": ("red", "blue")}))
    sample = both[0]
    assert set(np.unique(sample.objects)) == {0, 1, 2, 3} and sample.mask.max() == 1
    one = mapped(Twins(1), ClassMap(("background", "red"), others="background"))[0]
    assert set(np.unique(one.objects)) == {0, 1, 2}


def test_what_tells_no_objects_apart_is_refused(tmp_path):
    with pytest.raises(ValueError, match="twins-0 tells no objects apart, which --task instance learns"):
        train(model("instance"), Twins(1, told=False), SMALL_TRAINING, tmp_path / "run", progress=False)
    with pytest.raises(ValueError, match="--task instance splices no pairs"):
        options = replace(SMALL_TRAINING, augment=AugmentOptions())
        train(model("instance"), Twins(1), options, tmp_path / "other", progress=False)
    with pytest.raises(ValueError, match="smp:unet:resnet18 tells no objects apart: leave --task"):
        train_model(["none"], tmp_path / "third", TrainRun(task="instance"))
    with pytest.raises(ValueError, match="task is one of semantic, instance, panoptic, not 'boxes'"):
        create(BACKBONE, NAMES, "none", task="boxes")
