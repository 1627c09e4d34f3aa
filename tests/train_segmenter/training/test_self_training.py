"""The second stage learns from the first one's labels, and each stage is done once."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.train_segmenter.shapes import Squares, small_model
from train_segmenter.augmentation.transforms import Augmentation
from train_segmenter.evaluation import Inference
from train_segmenter.models import load
from train_segmenter.training.options import TrainOptions
from train_segmenter.training.self_training import Relabelled, pseudo_label, self_train

OPTIONS = TrainOptions(
    steps=2, batch_size=2, ema=0.0, augmentation=Augmentation(crop=32, scale=(1, 1)), save_every=1
)


def test_labels_are_the_models_own_and_unsure_pixels_are_ignored(tmp_path):
    model, source = small_model(), Squares(3)
    labelled = pseudo_label(model, source, tmp_path / "all", progress=False)
    assert len(labelled) == 3
    for index in range(3):
        sample = labelled[index]
        np.testing.assert_array_equal(sample.image, source[index].image)
        np.testing.assert_array_equal(sample.mask, Inference().mask(model, source[index].image))
    images = torch.from_numpy(source[0].image).permute(2, 0, 1)[None] / 255
    confidence = Inference().probabilities(model, images)[0].amax(0).numpy()
    limit = float(np.median(confidence))
    sure = pseudo_label(model, source, tmp_path / "sure", confidence=limit, progress=False)
    np.testing.assert_array_equal(sure[0].mask == 255, confidence < limit)
    assert 0 < (sure[0].mask == 255).mean() < 1
    with pytest.raises(ValueError, match="confidence"):
        pseudo_label(model, source, tmp_path / "none", confidence=1.0)


def test_both_stages_train_and_what_is_complete_stands(tmp_path):
    source = Squares(4)
    trained = self_train(small_model, source, OPTIONS, tmp_path, cpu=True, progress=False)
    first = load(tmp_path / "first-stage")
    relabelled = Relabelled(source, tmp_path / "pseudo-labels")
    np.testing.assert_array_equal(relabelled[1].mask, Inference().mask(first, source[1].image))
    assert trained.model.class_names == source.class_names and (tmp_path / "config.json").exists()
    weights = (tmp_path / "first-stage/model.safetensors").stat().st_mtime_ns
    self_train(small_model, source, OPTIONS, tmp_path, resume=True, cpu=True, progress=False)
    assert (tmp_path / "first-stage/model.safetensors").stat().st_mtime_ns == weights
    with pytest.raises(FileExistsError):
        self_train(small_model, source, replace(OPTIONS, steps=3), tmp_path, cpu=True, progress=False)
    with pytest.raises(ValueError, match=r"pseudo-labels cannot be resumed .* confidence was 0\.0, now 0\.5"):
        self_train(
            small_model, source, OPTIONS, tmp_path, confidence=0.5, resume=True, cpu=True, progress=False
        )
    with pytest.raises(FileNotFoundError, match=r"no checkpoint in .*first-stage"):
        self_train(small_model, source, OPTIONS, tmp_path / "new", resume=True, cpu=True, progress=False)
