"""What benchmarks on the tiny world share: its scenes by what they show, and masks in ids of the world."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from diffusers_attnmask.ground.ids import IGNORE_ID
from tiny_world import render
from tiny_world.oracle import CLASS_NAMES, Renders
from tiny_world.rendered_pairs import SPLIT_SEEDS


@dataclass(frozen=True)
class Scene:
    """One render: image uint8 (128, 128, 3), mask uint8 (128, 128), caption and the classes that it names."""

    seed: int
    image: np.ndarray
    mask: np.ndarray
    caption: str
    classes: tuple[str, ...]


def scenes(seeds: Iterable[int], suits: Callable[[Scene], bool] = lambda scene: True) -> Iterator[Scene]:
    """The scenes that suit, in the order of their seeds."""
    for seed in seeds:
        image, mask, caption, classes = render(seed)
        scene = Scene(seed, image, mask, caption, tuple(classes))
        if suits(scene):
            yield scene


def unseen_scenes(objects: int, count: int, split: str = "test") -> list[Scene]:
    """Scenes with that many objects, of a split that nothing was trained on.

    Settings are chosen on the scenes of "validation", so that those of "test" judge what they never chose.
    """
    return list(islice(scenes(SPLIT_SEEDS[split], lambda scene: len(scene.classes) == objects), count))


def as_source(chosen: Sequence[Scene]) -> Renders:
    """Scenes to train and to judge segmenters on."""
    return Renders([scene.image for scene in chosen], [scene.mask for scene in chosen])


def world_ids(classes: Sequence[str]) -> np.ndarray:
    """(256,): the world's id of every id in a mask of these classes; 255 where there is none."""
    ids = np.full(256, IGNORE_ID, np.uint8)
    ids[: len(classes) + 1] = [0, *(CLASS_NAMES.index(name) for name in classes)]
    return ids
