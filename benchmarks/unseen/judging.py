"""Scores of seg-diffusion over seen and unseen classes, and the settings that validation chooses."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice, product

import numpy as np
from tqdm import tqdm

from benchmarks.unseen.masks import Attention, Sampled, Words
from benchmarks.world.sampling import quiet_pipeline
from benchmarks.world.scenes import Scene, scenes
from tiny_world.oracle import CLASS_NAMES
from tiny_world.rendered_pairs import SPLIT_SEEDS
from train_segmenter.evaluation import Report
from train_segmenter.mean_iou import JointHistogram

LOOKS = ((0.3, 1), (0.5, 2), (0.7, 4))  # strength and looks, of which the best is taken
PENALTIES = (0.0, 0.05, 0.1, 0.15, 0.2)  # on trained classes, and
BACKGROUNDS = (0.35, 0.4, 0.45, 0.5)  # scores of the background, of which the best pair is taken


@dataclass(frozen=True)
class Judges:
    """Renders with their exact masks, and the classes that no training shows."""

    shown: Sequence[Scene]
    unseen: tuple[str, ...]

    @classmethod
    def draw(cls, split: str, count: int, unseen: tuple[str, ...]) -> Judges:
        return cls(list(islice(scenes(SPLIT_SEEDS[split]), count)), unseen)

    def scored(self, predict: Callable[[Scene], np.ndarray], title: str) -> Report:
        return self.report(map(predict, tqdm(self.shown, desc=title, leave=False)))

    def report(self, masks: Iterable[np.ndarray]) -> Report:
        """Of masks in ids of the world (H, W), one for each render."""
        histogram = JointHistogram()
        for mask, scene in zip(masks, self.shown, strict=True):
            histogram.add(mask, scene.mask)
        counts = histogram.confusion(len(CLASS_NAMES))
        return Report(CLASS_NAMES, counts, len(self.shown), unseen=self.unseen)


def calibrated(asking: Sequence[Sampled], judges: Judges) -> tuple[Sampled, Sampled]:
    """Of some ways to ask for all words the one with the best harmonic mean, plain and calibrated."""
    found = [
        (quality, plain, replace(plain, penalty=penalty, background=background))
        for plain in asking
        for quality, penalty, background in settings_of(plain, judges)
    ]
    _, plain, best = max(found, key=lambda own: own[0])
    return plain, best


def settings_of(plain: Sampled, judges: Judges) -> Iterator[tuple[float, float, float]]:
    """The harmonic mean by each penalty and background, from one sampling of the renders."""
    maps = [np.asarray(plain.output(own).probabilities[0]) for own in tqdm(judges.shown, "validation")]
    for penalty, background in product(PENALTIES, BACKGROUNDS):
        penalties = plain.model.pipe.penalties(CLASS_NAMES[1:], penalty).numpy()
        scores = judges.report(ids_of(own, penalties, background) for own in maps)
        yield scores.to_dict()["open_vocabulary"]["harmonic"], penalty, background


def ids_of(probabilities: np.ndarray, penalties: np.ndarray, background: float) -> np.ndarray:
    """uint8 (H, W), of probabilities (C, H, W) less the penalties beside a background of one score."""
    ground = np.full_like(probabilities[:1], background)
    return (np.concatenate([ground, probabilities]) - penalties).argmax(0).astype(np.uint8)


def best_attention(words: Words, judges: Judges) -> Attention:
    """Attention's masks at the settings with the best mean IoU."""
    pipe = quiet_pipeline()
    ways = [Attention(pipe, words, strength, looks) for strength, looks in LOOKS]
    return max(ways, key=lambda own: judges.scored(own, "validation").mean_iou)
