"""The trainings of seg-diffusion on renders that show no object of the unseen classes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import torch

from benchmarks.world.scenes import as_source, scenes
from tiny_world.oracle import CLASS_NAMES
from tiny_world.rendered_pairs import SPLIT_SEEDS
from tiny_world.scene import SIZE
from train_segmenter.data import ClassMap, Source, mapped
from train_segmenter.models import Segmenter, create
from train_segmenter.models.seg_diffusion.options import whole_images
from train_segmenter.training.loop import trained_model
from train_segmenter.training.options import TrainOptions

FIRST_SEED = 900_000_000  # of the training split, far from what the bundled model was trained on
UNSEEN = ("moon", "house")
RENDERS, HALF_STEPS, FULL_STEPS = 4000, 3000, 600  # half size, of 16 pairs, then full size, of 8
RATE = 5e-4  # at half size
NOISINESS = 3.0  # how much more often noisy timesteps are learned


def renders_without(unseen: Sequence[str], count: int) -> Source:
    """Training renders, and the classes that they may show."""
    found = scenes(SPLIT_SEEDS["train"][FIRST_SEED:], lambda scene: not set(scene.classes) & set(unseen))
    names = tuple(name for name in CLASS_NAMES if name not in unseen)
    return mapped(as_source(list(islice(found, count))), ClassMap(names, others="ignore"))


def options_at(side: int, steps: int, batch_size: int, learning_rate: float, seed: int) -> TrainOptions:
    """Whole renders at a size; the averaged weights follow the last few hundred steps."""
    return TrainOptions(
        steps=steps,
        batch_size=batch_size,
        learning_rate=learning_rate,
        weight_decay=1e-2,
        schedule="cosine",
        warmup=min(100, steps),
        ema=0.995,
        augmentation=whole_images(side, SIZE, SIZE),
        seed=seed,
        log_every=50,
        save_every=250,
    )


def trained(
    work: Path,
    unseen: Sequence[str],
    half_steps: int,
    full_steps: int,
    *,
    renders: int = RENDERS,
    rate: float = RATE,
    noisiness: float = NOISINESS,
    attention: bool = False,
    seed: int = 0,
) -> Segmenter:
    """Seg-diffusion after both phases: many small images first. attention: with content attention."""
    seen = renders_without(unseen, renders)
    phases = (
        options_at(SIZE // 2, half_steps, 16, rate, seed),
        options_at(SIZE, full_steps, 8, rate / 2, seed),
    )
    names = tuple(seen.class_names)
    torch.manual_seed(seed)

    def start() -> Segmenter:
        return create("seg-diffusion", names, content_attention=attention, noisiness=noisiness)

    for number, options in enumerate(phases):
        folder = work / f"{'content-attention' if attention else 'plain'}-{number}"
        model = trained_model(start, seen, options, folder, cpu=True)

        def start(model: Segmenter = model) -> Segmenter:
            return model

    return model
