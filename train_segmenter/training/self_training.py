"""Self-training: a trained model labels its own training images, and a new model learns from those labels."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from accelerate import PartialState

from diffusers_attnmask.ground.atomic_files import replacing_folder
from diffusers_attnmask.ground.bars import bar
from diffusers_attnmask.ground.json_files import read_json
from diffusers_attnmask.ground.pictures import encoded, read_mask
from train_segmenter.data.base import Sample, Source
from train_segmenter.data.reading import read_ahead
from train_segmenter.evaluation.inference import Inference
from train_segmenter.models.base import Segmenter
from train_segmenter.training import checkpoint
from train_segmenter.training.fingerprint import check_same
from train_segmenter.training.loop import Trained, train, trained_model, training_folder
from train_segmenter.training.options import TrainOptions

FIRST_STAGE = "first-stage"
LABELS = "pseudo-labels"
SETTINGS = "settings.json"  # beside the labels: how they were made


@dataclass(frozen=True)
class Relabelled:
    """The images of a source with the masks `000000.png`, `000001.png`, … of a folder."""

    source: Source
    folder: Path

    @property
    def class_names(self) -> tuple[str, ...]:
        return self.source.class_names

    def __len__(self) -> int:
        return len(self.source)

    def name(self, index: int) -> str:
        return self.source.name(index)

    def __getitem__(self, index: int) -> Sample:
        sample = self.source[index]
        return Sample(sample.image, read_mask(mask_file(self.folder, index)), sample.name)


def mask_file(folder: Path, index: int) -> Path:
    return folder / f"{index:06d}.png"


def pseudo_label(
    model: Segmenter,
    source: Source,
    folder: Path,
    inference: Inference | None = None,
    confidence: float = 0.0,
    progress: bool = True,
) -> Relabelled:
    """Writes the model's masks of a source's images; pixels less probable than `confidence` are ignored.

    The folder appears when it is complete; a complete one is used again, for the same confidence.
    """
    if not 0 <= confidence < 1:
        raise ValueError(f"confidence is at least 0 and less than 1, not {confidence}.")
    if tuple(model.class_names) != tuple(source.class_names):
        raise ValueError("The model and the images to label name different classes.")
    if not folder.exists():
        inference = inference or Inference()
        samples = read_ahead(source, range(len(source)))
        shown = bar(samples, "labelling", len(source), shown=progress, passing=True)
        with replacing_folder(folder) as partial:
            for index, sample in enumerate(shown):
                ids = inference.mask(model, sample.image, confidence)
                mask_file(partial, index).write_bytes(encoded(ids))
            (partial / SETTINGS).write_text(json.dumps({"confidence": confidence}))
    check_same(read_json(folder / SETTINGS), {"confidence": confidence}, folder)
    return Relabelled(source, folder)


def self_train(
    new_model: Callable[[], Segmenter],
    source: Source,
    options: TrainOptions,
    out: str | Path,
    *,
    validation: Source | None = None,
    inference: Inference | None = None,
    confidence: float = 0.0,
    resume: bool = False,
    cpu: bool = False,
    progress: bool = True,
) -> Trained:
    """Two stages of training, as in Dataset Diffusion (NeurIPS 2023); the second learns the first's labels.

    `out` holds the second model, `out/first-stage` the first and `out/pseudo-labels` its masks. With `resume`
    the stages that are complete stand, and one of them must have begun.
    """
    common: dict[str, Any] = {"validation": validation, "cpu": cpu, "progress": progress}
    with training_folder(out, cpu) as folder:
        if resume:
            if not checkpoint.exists(folder / FIRST_STAGE) and not (folder / LABELS).exists():
                raise checkpoint.nothing_to_resume(folder / FIRST_STAGE)
            first = trained_model(new_model, source, options, folder / FIRST_STAGE, **common)
        else:
            first = train(new_model(), source, options, folder / FIRST_STAGE, **common).model
        with PartialState().main_process_first():  # the other processes find the folder complete
            relabelled = pseudo_label(first, source, folder / LABELS, inference, confidence, progress)
        resume = resume and checkpoint.exists(folder)
        return train(new_model(), relabelled, options, folder, resume=resume, **common)
