"""Rendered scenes with their exact objects, and masks taken apart into objects of the world's classes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.world.scenes import world_ids
from diffusers_attnmask.ground.connected_parts import nearest
from diffusers_attnmask.ground.ids import BACKGROUND
from diffusers_attnmask.ground.instances import Instances, countable, described
from tiny_world import render_objects
from tiny_world.oracle import CLASS_NAMES
from tiny_world.rendered_pairs import SPLIT_SEEDS


@dataclass(frozen=True)
class ObjectScene:
    """A rendered picture, its caption, the classes in it by name, and its exact objects."""

    seed: int
    image: np.ndarray
    caption: str
    classes: list[str]
    objects: Instances


def object_scenes(count: int, split: str, twins: bool) -> Iterator[ObjectScene]:
    for seed in SPLIT_SEEDS[split][:count]:
        image, mask, objects, caption, names = render_objects(seed, twins)
        exact = described(objects, mask, CLASS_NAMES)
        yield ObjectScene(seed, image, caption, list(dict.fromkeys(names)), exact)


def as_world(found: Instances, mask: np.ndarray, scene: ObjectScene, heatmaps: np.ndarray) -> Instances:
    """The objects with the classes that the world numbers, and their scores."""
    told = described(found.ids, mask, [BACKGROUND, *scene.classes], heatmaps)
    in_world = described(found.ids, world_ids(scene.classes)[mask], CLASS_NAMES)
    scored = zip(in_world, told, strict=True)
    return Instances(told.ids, tuple(replace(own, score=other.score) for own, other in scored))


def as_the_truth_says(mask: np.ndarray, scene: ObjectScene) -> Instances:
    """The class mask (H, W), each pixel with the nearest of the exact objects of its class."""
    ids, numbers = world_ids(scene.classes), np.zeros(mask.shape, np.int32)
    for own in countable(mask):
        exact = [other.id for other in scene.objects if other.class_id == ids[own]]
        known = np.where(np.isin(scene.objects.ids, exact), scene.objects.ids, 0)
        numbers[mask == own] = nearest(known)[mask == own]
    return described(numbers, mask, [BACKGROUND, *scene.classes])
