"""A second labeller: a trained segmenter, a SAM, or attention by another method, on the same pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from dataset_builder.noise.coverage import class_coverage
from dataset_builder.noise.sam_labeller import options_for, sam_labeller
from dataset_builder.noise.scores import class_scores
from dataset_builder.prompts.templates import indefinite, listed
from dataset_builder.sam.kinds import check_sam, holds_sam
from diffusers_attnmask.ground.bars import bar
from diffusers_attnmask.ground.device import best_device
from diffusers_attnmask.ground.ids import BACKGROUND, IGNORE_ID
from diffusers_attnmask.ground.options import Fault, OptionsError
from diffusers_attnmask.loading.fitting import check_fit
from diffusers_attnmask.loading.load import load_pipeline
from diffusers_attnmask.loading.options import ModelOptions
from diffusers_attnmask.loading.source import find_model
from diffusers_attnmask.methods import METHODS
from train_segmenter.data import Source
from train_segmenter.evaluation.inference import Inference
from train_segmenter.models import load
from train_segmenter.models.registry import CONFIGS, model_folder, names_saved

# Ids uint8 (H, W) of an image uint8 (H, W, 3), which may ask its mask (H, W) what there is to be labelled.
Label = Callable[[np.ndarray, np.ndarray], np.ndarray]
STRENGTH, LOOKS = 0.5, 2  # of the looks of attention


def agreements(source: Source, label: Label, progress: bool = True) -> list[dict[int, float]]:
    """By class id, the IoU of each pair's mask with what the labeller makes of its image."""
    found = []
    for index in bar(range(len(source)), "labelling a second time", shown=progress):
        sample = source[index]
        found.append(class_scores(label(sample.image, sample.mask), sample.mask, source.class_names))
    return found


def check_labeller(name: str | None, model: str | None) -> None:
    """Raise where a diffusion model is named and no method that would read its attention."""
    if model is not None and name not in METHODS:
        methods = ", ".join(METHODS)
        raise OptionsError(
            [Fault("second_model", f" needs a mask method as second (--second): one of {methods}")]
        )


def check_second(name: str, model: str | None, class_names: tuple[str, ...]) -> None:
    """Raise unless the second labeller is there, and can label the classes; its weights are not read."""
    if name in METHODS:
        check_fit(find_model(model, usual := ModelOptions()), usual)
        return
    folder = model_folder(name, CONFIGS)
    if holds_sam(folder):
        check_sam(str(folder), options_for(str(folder)))
    elif (known := names_saved(folder)) is not None:
        _check_known(folder, class_names, known)


def labeller(name: str, model: str | None, class_names: tuple[str, ...], seed: int) -> Label:
    """A mask method's name, for the attention of a diffusion model, or a trained segmenter or a SAM."""
    if name in METHODS:
        return attention_labeller(name, model, class_names, seed)
    folder = model_folder(name)
    if holds_sam(folder):
        return sam_labeller(str(folder), class_names, unlabelled(class_names))
    return segmenter_labeller(folder, class_names)


def attention_labeller(method: str, model: str | None, class_names: tuple[str, ...], seed: int) -> Label:
    """Masks of existing images by `segment`, of a prompt that says what the mask shows."""
    pipe = load_pipeline(model)
    pipe.set_progress_bar_config(disable=True)
    elsewhere = unlabelled(class_names)

    def label(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
        shown = tuple(class_coverage(mask, class_names))
        names = [class_names[own] for own in shown]
        if not names:
            return np.full(image.shape[:2], elsewhere, np.uint8)
        prompt = f"a photo of {listed([f'{indefinite(own)} {own}' for own in names])}"
        generator = torch.Generator().manual_seed(seed)
        found = pipe.segment(
            Image.fromarray(image),
            prompt,
            names,
            strength=STRENGTH,
            looks=LOOKS,
            mask_method=method,
            generator=generator,
            output_type="np",
            drop_absent=False,
        ).masks[0]
        table = np.arange(256, dtype=np.uint8)
        table[: len(names) + 1] = [elsewhere, *shown]
        return table[found]

    return label


def segmenter_labeller(folder: Path, class_names: tuple[str, ...]) -> Label:
    """A trained segmenter of any kind, seg-diffusion included, its ids brought to the dataset's by name."""
    segmenter = load(folder).to(best_device())
    if segmenter.open_vocabulary:
        segmenter = segmenter.for_classes(class_names)
    _check_known(folder, class_names, segmenter.class_names)
    inference = Inference()
    ids = {own: number for number, own in enumerate(class_names)}
    table = np.array([ids.get(own, unlabelled(class_names)) for own in segmenter.class_names], np.uint8)

    def label(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
        return table[inference.mask(segmenter, image)]

    return label


def _check_known(folder: Path, class_names: Sequence[str], known: Sequence[str]) -> None:
    if missing := [own for own in class_names if own != BACKGROUND and own not in known]:
        raise ValueError(
            f"{folder} does not know {', '.join(missing)}, only {', '.join(known)}: name a second labeller "
            "that knows the classes of the dataset"
        )


def unlabelled(class_names: tuple[str, ...]) -> int:
    """The id of what shows no class: without a background, as in Cityscapes, it is ignored."""
    return class_names.index(BACKGROUND) if BACKGROUND in class_names else IGNORE_ID
