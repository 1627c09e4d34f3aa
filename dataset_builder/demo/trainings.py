"""The demo's two segmenters, in a file that imports no diffusion model: each worker reads it anew."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from datasets import load_dataset

import recipes
from dataset_builder.demo.options import DemoOptions
from dataset_builder.engine.options import EngineOptions
from dataset_builder.engine.workers import working
from diffusers_attnmask.ground.device import fastest_precision
from diffusers_attnmask.ground.threads import threads
from tiny_world.oracle import Renders
from train_segmenter.data import Source
from train_segmenter.data.hub import from_dataset
from train_segmenter.evaluation import Inference, Report, evaluate
from train_segmenter.models import Segmenter, create, load
from train_segmenter.training.loop import trained_model
from train_segmenter.training.options import TrainingRecipe

TRAINING = "train-tiny"  # the recipe of every segmenter here
SCALE = 0.5  # of the pictures when segmenters train and judge: a quarter of the time
GENERATED, EXACT = "generated", "exact"
REAL_START = 700_000_000  # renders far from those that the bundled model and the oracle have seen


@dataclass(frozen=True)
class Trainings:
    """A segmenter of the generated pairs that were kept, and one of as many exact ones."""

    out: Path
    options: DemoOptions

    def generated(self) -> Source:
        cache = str(self.out / "cache")
        return from_dataset(load_dataset(str(self.out / "filtered"), split="train", cache_dir=cache))

    def source(self, name: str) -> Source:
        generated = self.generated()
        return generated if name == GENERATED else Renders.draw(len(generated), start=REAL_START)

    def folder(self, name: str) -> Path:
        return self.out / f"segmenter-{name}"

    def train(self, name: str) -> str:
        """One shows its progress: both go at the same pace."""
        with threads(1):
            trained(self.source(name), self.options, self.folder(name), progress=name == GENERATED)
        return name


def train_both(out: Path, options: DemoOptions) -> dict[str, Segmenter]:
    """The segmenters by name, trained side by side."""
    trainings = Trainings(out, options)
    with working(trainings, EngineOptions(workers=options.workers)) as workers:
        names = sorted(workers.results(Trainings.train, (GENERATED, EXACT)), reverse=True)
    return {name: load(trainings.folder(name)) for name in names}


def trained(source: Source, options: DemoOptions, folder: Path, *, progress: bool) -> Segmenter:
    """The segmenter in the folder, trained if it is not there, and further if it was stopped."""
    recipe = TrainingRecipe.read(recipes.find(TRAINING, training=True))
    views = recipe.training.augmentation.resized(SCALE)
    training = replace(
        recipe.training,
        steps=options.steps,
        seed=options.seed,
        augmentation=views,
        dtype=fastest_precision("cpu"),
    )

    def new_model() -> Segmenter:
        torch.manual_seed(options.seed)
        return create(recipe.model, tuple(source.class_names), pretrained="none", **recipe.model_options)

    return trained_model(new_model, source, training, folder, cpu=True, progress=progress)


def judged(model: Segmenter, source: Source) -> Report:
    return evaluate(model, source, Inference(scales=(SCALE,)))
