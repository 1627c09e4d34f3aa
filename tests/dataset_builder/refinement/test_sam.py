"""Refinement by SAM: what is asked of each object, which answer is kept, and what becomes of the mask."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from dataset_builder.building import settled_sampler
from dataset_builder.building.row import refined
from dataset_builder.building.sampler import Refused, Sampled
from dataset_builder.dataset_folder import read_pairs
from dataset_builder.prompts import PromptItem
from dataset_builder.recipe import Recipe, Refinement
from dataset_builder.refinement.run import RefineRun, refine_dataset
from dataset_builder.refinement.sam import objects, refine
from dataset_builder.refinement.sam.choice import agreement, chosen, united
from dataset_builder.refinement.sam.objects import Objects, objects_of
from dataset_builder.refinement.sam.prompts import grown_box, peaks_within, prompts_of
from dataset_builder.refinement.sam.refine import sam_labels
from dataset_builder.sam.options import SamOptions
from dataset_builder.sam.prompted import LOGIT, NONE, OFF, ON
from diffusers_attnmask.ground.ids import IGNORE_ID
from tests.mistakes.material import mapped_dataset
from tests.small_models.sam import sam2, sam3

HEIGHT, WIDTH = 48, 64


@pytest.fixture
def scene():
    """Two rings of class 1, and a bar of class 2 on one of them; labels (H, W) and maps (2, H, W)."""
    labels = torch.zeros(HEIGHT, WIDTH, dtype=torch.uint8)
    y, x = torch.meshgrid(torch.arange(HEIGHT), torch.arange(WIDTH), indexing="ij")
    for row, column in ((14, 14), (30, 48)):
        far = torch.hypot(y - row * 1.0, x - column * 1.0)
        labels[(far < 11) & (far > 4)] = 1
    labels[40:43, 4:40] = 2
    labels[2, 30:34] = IGNORE_ID
    generator = torch.Generator().manual_seed(0)
    maps = torch.rand(2, HEIGHT, WIDTH, generator=generator) * 0.3
    maps[0][labels == 1] += 0.5
    maps[1][labels == 2] += 0.4
    return labels, maps


@pytest.fixture
def image():
    return np.random.default_rng(1).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)


def all_objects(labels, maps) -> list[tuple[int, np.ndarray, np.ndarray, np.ndarray]]:
    return [
        (int(own.classes[index]), *(part[index].numpy() for part in (own.inside, own.evidence, own.weights)))
        for own in objects_of(labels, maps)
        for index in range(len(own))
    ]


def flooded(labels: np.ndarray) -> list[tuple[int, np.ndarray]]:
    """Connected parts by class and place, found by flooding from pixel to pixel."""
    left, found = labels.copy(), []
    for own in (1, 2):
        for start in zip(*np.nonzero(labels == own), strict=True):
            if left[start] != own:
                continue
            part, waiting = np.zeros(labels.shape, bool), [start]
            while waiting:
                row, column = waiting.pop()
                if 0 <= row < HEIGHT and 0 <= column < WIDTH and left[row, column] == own:
                    left[row, column], part[row, column] = 0, True
                    waiting += [(row + dy, column + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
            found.append((own - 1, part))
    return found


@pytest.mark.parametrize("at_once", [1, 8])
def test_every_connected_part_of_a_class_is_an_object(scene, at_once, monkeypatch):
    labels, maps = scene
    monkeypatch.setattr(objects, "AT_ONCE", at_once)
    found, expected = all_objects(labels, maps), flooded(labels.numpy())
    assert len(found) == len(expected) == 3
    for (place, inside, evidence, weights), (expected_place, part) in zip(found, expected, strict=True):
        assert place == expected_place and (inside == part).all()
        own = maps[place].numpy()
        peak = max(own[row, column] for row, column in zip(*np.nonzero(part), strict=True))
        for row in range(HEIGHT):
            for column in range(WIDTH):
                sure = min(own[row, column] / peak, 1)
                assert evidence[row, column] == pytest.approx(sure, abs=1e-6)
                if labels[row, column] == IGNORE_ID:
                    weight = 0
                elif part[row, column]:
                    weight = sure
                else:
                    weight = 1 if labels[row, column] else 1 - sure
                assert weights[row, column] == pytest.approx(weight, abs=1e-6)


def slow_peaks(strength, region, count):
    """The strongest points, with the depth of each counted pixel by pixel."""
    rows, columns = np.nonzero(np.pad(~region, 1, constant_values=True))
    score = {}
    for row, column in zip(*np.nonzero(region), strict=True):
        depth = np.sqrt(((rows - 1 - row) ** 2 + (columns - 1 - column) ** 2).min())
        score[int(row), int(column)] = strength[row, column] * depth
    radius = np.sqrt(region.sum() / np.pi / count)
    found = []
    while score and len(found) < count:
        best = max(score, key=lambda point: (score[point], -point[0], -point[1]))
        if score[best] <= 0:
            break
        found.append(best)
        score = {own: value for own, value in score.items() if np.hypot(*np.subtract(own, best)) > radius}
    return found


@pytest.mark.parametrize("count", [1, 3, 6])
def test_points_are_strong_deep_and_apart(scene, count):
    labels, maps = scene
    for place, inside, _, _ in all_objects(labels, maps):
        found = peaks_within(maps[place].numpy(), inside, count)
        assert found == slow_peaks(maps[place].numpy(), inside, count)
        assert all(inside[point] for point in found)
    assert len(peaks_within(np.ones((3, 3)), np.eye(3, dtype=bool), 5)) <= 3
    assert peaks_within(np.zeros((4, 4)), np.ones((4, 4), bool), 2) == []


def test_a_box_has_a_margin_and_ends_at_the_picture():
    inside = np.zeros((40, 60), bool)
    inside[10:20, 0:30] = True
    assert grown_box(inside, 0.0) == (0, 10, 29, 19)
    assert grown_box(inside, 0.2) == (0, 8, 35, 21)
    assert grown_box(inside, 3.0) == (0, 0, 59, 39)


def test_an_object_is_asked_for_by_what_attention_knows(scene):
    labels, maps = scene
    options = SamOptions(points=3)
    (found,) = objects_of(labels, maps)
    asked = prompts_of(found, labels, maps, options)
    assert asked.boxes.shape == (3, 4) and asked.points.shape == (3, 9, 2)
    for index in range(3):
        own = {ON: [], OFF: [], NONE: []}
        for point, sign in zip(asked.points[index].int().tolist(), asked.labels[index].tolist(), strict=True):
            own[sign].append(int(labels[point[1], point[0]]))
        assert own[ON] == [found.classes[index] + 1] * 3
        other = 2 - int(found.classes[index])
        assert sorted(own[OFF]) == [0, 0, 0, other]
        assert len(own[NONE]) == 2
    ring = asked.points[0][asked.labels[0] == OFF]
    assert (torch.hypot(ring[:, 0] - 14, ring[:, 1] - 14) < 4).any()  # the hole is not the ring
    expected = torch.where(found.inside, found.weights, -found.weights) * LOGIT
    assert torch.equal(asked.masks, expected)
    assert (asked.masks[:, labels == IGNORE_ID] == 0).all()


def test_without_background_in_the_box_there_are_no_points_on_it():
    labels = torch.ones(6, 6, dtype=torch.uint8)
    (found,) = objects_of(labels, torch.ones(1, 6, 6))
    asked = prompts_of(found, labels, torch.ones(1, 6, 6), SamOptions(points=2))
    assert (asked.labels[0] == OFF).sum() == 0


def slow_agreement(mask, inside, weights):
    both = either = 0.0
    for one, other, weight in zip(mask.flatten(), inside.flatten(), weights.flatten(), strict=True):
        both += weight * (one and other)
        either += weight * (one or other)
    return both / either if either else 0.0


def test_agreement_is_a_weighted_iou(scene):
    (found,) = objects_of(*scene)
    candidates = torch.rand(3, 4, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(2)) > 0.5
    candidates[:, 3] = found.inside
    score = agreement(candidates, found.inside, found.weights)
    for index in range(3):
        for place in range(4):
            parts = (candidates[index, place], found.inside[index], found.weights[index])
            expected = slow_agreement(*(own.numpy() for own in parts))
            assert score[index, place] == pytest.approx(expected, rel=1e-4)
    assert torch.allclose(score[:, 3], torch.ones(3))
    nothing = torch.zeros(1, 1, 4, 4)
    assert agreement(nothing.bool(), nothing[:, 0].bool(), nothing[:, 0]) == 0


def test_the_best_candidate_wins_and_without_one_the_object_stays(scene):
    (found,) = objects_of(*scene)
    good, poor = found.inside.clone(), torch.zeros_like(found.inside)
    good[:, ::7] = False
    poor[:, :5] = True
    kept = chosen(torch.stack([poor, good], 1), found, 0.5)
    assert torch.equal(kept, good)
    assert torch.equal(chosen(torch.stack([poor, poor], 1), found, 0.5), found.inside)
    assert torch.equal(chosen(torch.stack([poor, good], 1), found, 1.0), found.inside)
    assert torch.equal(chosen(torch.stack([poor, poor], 1), found, 0.0), poor)


def test_two_objects_that_touch_are_found_together():
    inside = torch.zeros(6, 12, dtype=torch.bool)
    inside[1:5, 1:11] = True
    left, right, elsewhere = (torch.zeros_like(inside) for _ in range(3))
    left[1:5, 1:6], right[1:5, 6:11], elsewhere[:, 9:] = True, True, True
    elsewhere[1:5] = False
    assert torch.equal(united(torch.stack([left, right, elsewhere]), inside), inside)
    assert not united(torch.zeros(0, 6, 12, dtype=torch.bool), inside).any()


class Drawing:
    """Answers every question with the same masks, and remembers what it was asked."""

    def __init__(self, *masks: torch.Tensor) -> None:
        self.masks, self.asked = torch.stack(masks), []

    def __call__(self, found: Objects) -> torch.Tensor:
        self.asked.append(len(found))
        return self.masks.expand(len(found), *self.masks.shape)


def test_what_sam_outlines_becomes_the_mask(scene, image, monkeypatch):
    labels, maps = scene
    moved = labels.roll(1, 1)
    left = torch.arange(WIDTH) < 30
    drawing = Drawing((moved == 1) & left, (moved == 1) & ~left, moved == 2)
    monkeypatch.setattr(refine, "asking", lambda *_: drawing)
    found = sam_labels(image, labels, maps, ["ring", "bar"], "", SamOptions(agreement=0.3))
    assert drawing.asked == [3]
    assert torch.equal(found, moved.where(moved != IGNORE_ID, 0))
    kept = sam_labels(image, labels, maps, ["ring", "bar"], "", SamOptions(agreement=1.0))
    assert torch.equal(kept, labels.where(labels != IGNORE_ID, 0))


def test_a_pixel_of_two_classes_is_the_stronger_ones(scene, image, monkeypatch):
    labels, maps = scene
    everything = torch.ones(HEIGHT, WIDTH, dtype=torch.bool)
    monkeypatch.setattr(refine, "asking", lambda *_: Drawing(everything))
    found = sam_labels(image, labels, maps, ["ring", "bar"], "", SamOptions(agreement=0.0))
    assert torch.equal(found.long(), maps.argmax(0) + 1)


def test_a_picture_without_objects_is_not_looked_at(image):
    nothing = torch.zeros(HEIGHT, WIDTH, dtype=torch.uint8)
    found = sam_labels(image, nothing, torch.zeros(1, HEIGHT, WIDTH), ["ring"], "no/model", SamOptions())
    assert torch.equal(found, nothing)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    made = {make.__name__: tmp_path_factory.mktemp(make.__name__) for make in (sam2, sam3)}
    sam2(made["sam2"])
    sam3(made["sam3"])
    return {name: str(folder) for name, folder in made.items()}


@pytest.mark.parametrize(
    ("kind", "asked"), [("sam2", SamOptions()), ("sam3", SamOptions(prompts="words", score=0.0))]
)
def test_a_mask_is_refined_by_a_real_network(scene, image, models, kind, asked):
    labels, maps = scene
    sampled = Sampled(image, maps.numpy(), labels.numpy())
    own = Refinement("sam", model=models[kind], box_area=0, sam=asked)
    never = replace(own, sam=replace(own.sam, agreement=1.0))
    always = replace(own, sam=replace(own.sam, agreement=0.0))
    assert (refined(sampled, ["star", "moon"], never) == sampled.mask).all()
    changed = refined(sampled, ["star", "moon"], always)
    assert changed.dtype == np.uint8 and (changed != sampled.mask).any()
    assert (changed[sampled.mask == IGNORE_ID] == IGNORE_ID).all()
    decided = refined(sampled, ["star", "moon"], replace(always, uncertain="decide"))
    assert (decided != IGNORE_ID).all()
    assert (changed == refined(sampled, ["star", "moon"], always)).all()


def test_small_parts_are_no_objects(scene, image, models):
    labels, maps = scene
    sampled = Sampled(image, maps.numpy(), labels.numpy())
    own = Refinement("sam", model=models["sam2"], box_area=21 * 21 * 512**2 / HEIGHT / WIDTH)
    assert not (refined(sampled, ["ring", "bar"], own) == 2).any()


class Fixed:
    model, method = "fixed", "daam"

    def __init__(self, *drawn) -> None:
        self.drawn = drawn

    def __call__(self, items, seeds):
        return list(self.drawn)


def test_where_there_is_a_gpu_masks_arrive_refined(scene, image, models, monkeypatch):
    labels, maps = scene
    sampled = Sampled(image, maps.numpy(), labels.numpy())
    blank = replace(sampled, blanked=True)
    own = Refinement("sam", model=models["sam2"], box_area=0, sam=SamOptions(agreement=0.0, device="cpu"))
    sampler = Fixed(sampled, Refused("long"), blank)
    assert settled_sampler.settled(sampler, own) is sampler
    monkeypatch.setattr(settled_sampler, "device_called", lambda word: "cuda")
    item = PromptItem("a ring and a bar", (("ring", ("ring",)), ("bar", ("bar",))))
    first, refused, unsound = settled_sampler.settled(sampler, own)([item] * 3, [0, 1, 2])
    assert (first.refined == refined(sampled, ["ring", "bar"], own)).all()
    assert refined(first, ["ring", "bar"], own) is first.refined
    assert first.mask is sampled.mask
    assert isinstance(refused, Refused) and unsound is blank


def test_a_recipe_names_its_sam():
    with pytest.raises(ValueError, match="model, the folder or repository of a SAM, goes with method sam"):
        Refinement("sam")
    with pytest.raises(ValueError, match="model, the folder or repository of a SAM, goes with method sam"):
        Refinement("crf", model="facebook/sam2.1-hiera-small")
    with pytest.raises(ValueError, match="sam goes with method sam"):
        Refinement("crf", sam=SamOptions(points=4))


def test_where_sam_runs_is_no_part_of_a_recipe_and_its_precision_is():
    own = Refinement("sam", model="m", sam=SamOptions(device="cpu"))
    recipe = Recipe("tiny-world", refinement=own).on_this_machine()
    assert recipe.deciding()["refinement"]["sam"] | {} == {
        "prompts": "attention",
        "agreement": 0.5,
        "points": 3,
        "margin": 0.1,
        "score": 0.5,
        "dtype": "fp32",
    }


def test_the_masks_of_a_dataset_are_outlined(models, tmp_path):
    mapped_dataset(tmp_path / "pairs")
    options = SamOptions(agreement=0.0)
    run = RefineRun(method="sam", model=models["sam2"], sam=options)
    assert refine_dataset(tmp_path / "pairs", tmp_path / "out", run, progress=False) == 2
    for before, after in zip(read_pairs(tmp_path / "pairs"), read_pairs(tmp_path / "out"), strict=True):
        assert (before.mask != after.mask).any()
        assert after.row["method"] == "daam+refined"
