"""The demo's first stages, each of which leaves a folder and costs nothing where that is there."""

from __future__ import annotations

from pathlib import Path

from dataset_builder.building.run import build
from dataset_builder.demo.options import DemoOptions
from dataset_builder.demo.story import CLASSES, PROMPT, SEED
from dataset_builder.demo.trainings import SCALE, TRAINING
from dataset_builder.engine.options import EngineOptions
from dataset_builder.noise.prune import PruneOptions
from dataset_builder.noise.run import FilterRun, filter_dataset
from dataset_builder.recipe import Recipe
from diffusers_attnmask.ground.device import best_device, fastest_precision
from diffusers_attnmask.sampling.run import SampleRun, sample_pictures

FOLDS = 2


def first_picture(options: DemoOptions, folder: Path) -> Path:
    """The overlay of one picture, to look at while the others are drawn."""
    (sampled,) = sample_pictures(PROMPT, CLASSES, folder, SampleRun(steps=options.sampling_steps, seed=SEED))
    return sampled.files["overlay"]


def sample_pairs(options: DemoOptions, folder: Path) -> None:
    """Pairs of the bundled model, as the recipe `tiny` draws them in fewer steps."""
    sampling = {"steps": options.sampling_steps, "dtype": fastest_precision(best_device())}
    recipe = Recipe.read("tiny").with_changes(pairs=options.pairs, seed=options.seed, sampling=sampling)
    build(recipe, folder, EngineOptions(workers=options.workers))


def filter_pairs(data: Path, options: DemoOptions, folder: Path) -> None:
    """The pairs that judges agree with most."""
    if folder.exists():
        return
    run = FilterRun(
        recipe=TRAINING,
        changes={"steps": options.judge_steps, "dtype": fastest_precision(best_device())},
        pretrained="none",
        folds=FOLDS,
        scale=SCALE,
        prune=PruneOptions(keep_fraction=options.keep),
        seed=options.seed,
    )
    filter_dataset(data, folder, run, EngineOptions(workers=options.workers))
