"""The filter as the benchmarks try it: its rules, and judges for pictures of the tiny world."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from benchmarks.world.mapped_pairs import Pair
from benchmarks.world.scenes import world_ids
from dataset_builder.noise.filtering import judge
from dataset_builder.noise.prune import DEFAULT_THRESHOLD, PruneOptions, prune
from dataset_builder.noise.segmenter import SegmenterTrainer
from tiny_world.oracle import MODEL, SHAPE, Renders
from train_segmenter.augmentation.transforms import Augmentation
from train_segmenter.training.options import TrainOptions

RULES = {
    f"threshold {DEFAULT_THRESHOLD} (default)": PruneOptions(),
    **{f"threshold {t}": PruneOptions(thresholds={"default": t}) for t in (0.2, 0.3, 0.4, 0.5, 0.6)},
    **{f"keep {share:.0%} of a class": PruneOptions(keep_fraction=share) for share in (0.95, 0.9, 0.85, 0.8)},
}


def judges(work: Path, steps: int, batch_size: int, seed: int, scale: float = 1.0) -> SegmenterTrainer:
    """scale: of the images, in training and in judging."""
    colours = {"contrast": 0.2, "saturation": 0.3, "hue": 0.02}
    training = TrainOptions(
        steps=steps,
        batch_size=batch_size,
        learning_rate=2e-3,
        schedule="cosine",
        loss="ce+dice",
        ema=0.98,
        augmentation=Augmentation(crop=None, scale=(scale, scale), **colours),
        seed=seed,
    )
    return SegmenterTrainer(MODEL, training, work, "none", SHAPE, scale)


def kept_by_rule(
    pairs: Sequence[Pair], labels: Sequence[Tensor], trainer: SegmenterTrainer, seed: int
) -> dict[str, list[int]]:
    """Which pairs each rule keeps, after two judges looked at all of them with these masks (H, W)."""
    masks = [world_ids(pair.names)[own.numpy()] for pair, own in zip(pairs, labels, strict=True)]
    judged = judge(Renders([pair.image.numpy() for pair in pairs], masks), 2, seed, trainer)
    return {
        rule: [index for index, reason in enumerate(prune(judged, options)) if not reason]
        for rule, options in RULES.items()
    }
