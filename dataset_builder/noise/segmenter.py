"""The segmenters of the folds, trained by train_segmenter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dataset_builder.noise.folds import Predict
from diffusers_attnmask.ground.atomic_files import remove_folder
from diffusers_attnmask.ground.device import best_device
from train_segmenter.data import Source
from train_segmenter.evaluation.inference import Inference
from train_segmenter.models import Segmenter, create
from train_segmenter.training.divergence import Diverged
from train_segmenter.training.loop import trained_model
from train_segmenter.training.options import TrainOptions


@dataclass(frozen=True)
class SegmenterTrainer:
    """Trains one model per fold in a folder of its own, and goes on where an earlier call was stopped.

    scale: of the images when the models predict.
    """

    model: str
    options: TrainOptions
    work: Path
    pretrained: str = "auto"
    model_options: Mapping[str, Any] = field(default_factory=dict)
    scale: float = 1.0
    progress: bool = True

    def __call__(self, source: Source, fold: int) -> Predict:
        folder = self.work / f"fold-{fold}"
        options = replace(self.options, seed=self.options.seed + fold)

        def new_model() -> Segmenter:
            torch.manual_seed(options.seed)
            return create(self.model, source.class_names, self.pretrained, **self.model_options)

        try:
            segmenter = trained_model(new_model, source, options, folder, progress=self.progress)
        except Diverged:
            remove_folder(folder)  # nobody can go on with it, and better options could not begin there
            raise
        if (device := best_device()) != "cpu":
            segmenter.to(device)  # one that was complete is loaded where it needs no GPU
        inference = Inference(scales=(self.scale,))

        def predict(image: np.ndarray) -> np.ndarray:
            return inference.mask(segmenter, image)

        return predict
