"""The demo's stages, each of which leaves its result in a folder and costs nothing where it is there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

import recipes
from dataset_builder.building.run import build
from dataset_builder.demo.options import DemoOptions
from dataset_builder.engine.options import EngineOptions
from dataset_builder.noise.prune import PruneOptions
from dataset_builder.noise.run import FilterRun, filter_dataset
from dataset_builder.recipe import Recipe
from train_segmenter.data import Source
from train_segmenter.evaluation import Inference, Report, evaluate
from train_segmenter.models import Segmenter, create
from train_segmenter.training.loop import trained_model
from train_segmenter.training.options import TrainingRecipe

TRAINING = "train-tiny"  # the recipe of every segmenter here
SCALE = 0.5  # of the pictures when segmenters train and judge: a quarter of the time
FOLDS = 2


def sample_pairs(options: DemoOptions, folder: Path) -> None:
    """Pairs of the bundled model, as the recipe `tiny` draws them in fewer steps."""
    recipe = Recipe.read("tiny")
    sampling = replace(recipe.sampling, steps=options.sampling_steps)
    recipe = recipe.with_changes(pairs=options.pairs, seed=options.seed, sampling=sampling)
    build(recipe, folder, EngineOptions(workers=options.workers))


def filter_pairs(data: Path, options: DemoOptions, folder: Path) -> None:
    """The pairs that judges agree with most."""
    if folder.exists():
        return
    run = FilterRun(
        recipe=TRAINING,
        changes={"steps": options.judge_steps},
        pretrained="none",
        folds=FOLDS,
        scale=SCALE,
        prune=PruneOptions(keep_fraction=options.keep),
        seed=options.seed,
    )
    filter_dataset(data, folder, run)


def trained(source: Source, options: DemoOptions, folder: Path) -> Segmenter:
    """The segmenter in the folder, trained if it is not there, and further if it was stopped."""
    recipe = TrainingRecipe.read(recipes.find(TRAINING, training=True))
    views = recipe.training.augmentation.resized(SCALE)
    training = replace(recipe.training, steps=options.steps, seed=options.seed, augmentation=views)

    def new_model() -> Segmenter:
        torch.manual_seed(options.seed)
        return create(recipe.model, tuple(source.class_names), pretrained="none", **recipe.model_options)

    return trained_model(new_model, source, training, folder, cpu=True)


def judged(model: Segmenter, source: Source) -> Report:
    return evaluate(model, source, Inference(scales=(SCALE,)))
