"""Which pairs make which batch, and how each is augmented: functions of seed and position alone.

Position `p` counts every pair that the training draws, over steps, accumulated passes, processes and places
in the batch. Nothing depends on worker processes or on where a training was interrupted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from train_segmenter.augmentation.chain import PairAugmentation
from train_segmenter.augmentation.transforms import augment, to_tensor
from train_segmenter.data.base import Sample, Source, shown_ids
from train_segmenter.data.mixture import draw_order
from train_segmenter.data.segments import Shown, Task, segments_of
from train_segmenter.training.options import TrainOptions


@dataclass(frozen=True)
class DrawnPair:
    """A source's pairs as often as an order names them: one that is drawn from it has a mixture's weights."""

    source: Source
    order: np.ndarray

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, position: int) -> Sample:
        return self.source[int(self.order[position])]


class Batch(NamedTuple):
    """Images float (B, 3, h, w) in [0, 1], masks int64 (B, h, w), and the class ids that each mask shows.

    Where objects are told apart, masks hold numbers of segments, and `shown` has the class of each.
    """

    images: Tensor
    masks: Tensor
    shown: tuple[Shown, ...]


class TrainingPairs(Dataset):
    """Augmented pairs by position: image float (3, crop, crop) in [0, 1] and mask int64 (crop, crop), and
    what it shows."""

    def __init__(self, drawn: DrawnPair, options: TrainOptions, task: Task = "semantic") -> None:
        self.drawn, self.options, self.task = drawn, options, task
        check_task(drawn.source, options, task)
        self.whole = PairAugmentation(options.augment, drawn) if options.augment else None

    def __len__(self) -> int:
        return len(self.drawn)

    def __getitem__(self, position: int) -> tuple[Tensor, Tensor, Shown]:
        sample, seed = self.drawn[position], self.options.seed
        image, mask, classes = sample.image, sample.mask, None
        if self.task != "semantic":
            mask, classes = segments_of(sample, self.drawn.source.class_names, self.task)
        if self.whole is not None:
            image, mask = self.whole(image, mask, np.random.default_rng([seed, 5, position]))
        rng = np.random.default_rng([seed, 3, position])
        image, mask = augment(image, mask, self.options.augmentation, rng)
        shown = shown_ids(mask)
        told = shown if classes is None else {own: classes[own] for own in shown if own in classes}
        return to_tensor(image), torch.from_numpy(mask).long(), told


def check_task(source: Source, options: TrainOptions, task: Task) -> None:
    """Refuse data, and what is done to them, from which a task cannot be learned."""
    if task == "semantic":
        return
    if options.augment and options.augment.splice:
        raise ValueError(f"--task {task} splices no pairs, whose objects would mix: set splice to 0")
    segments_of(source[0], source.class_names, task)


@dataclass(frozen=True)
class Positions:
    """The batches of positions that one process reads, from a step on."""

    options: TrainOptions
    start: int
    process: int
    processes: int

    def __len__(self) -> int:
        return (self.options.steps - self.start) * self.options.accumulate

    def __iter__(self) -> Iterator[list[int]]:
        size = self.options.batch_size
        for batch in range(
            self.start * self.options.accumulate, self.options.steps * self.options.accumulate
        ):
            first = (batch * self.processes + self.process) * size
            yield list(range(first, first + size))


def training_batches(
    source: Source,
    options: TrainOptions,
    start: int,
    process: int,
    processes: int,
    pinned: bool = False,
    task: Task = "semantic",
) -> DataLoader:
    """The `Batch`es of one process from step `start` to the end; a GPU takes `pinned` ones without a wait."""
    count = options.steps * options.accumulate * options.batch_size * processes
    return DataLoader(
        TrainingPairs(DrawnPair(source, draw_order(source, count, options.seed)), options, task),
        batch_sampler=Positions(options, start, process, processes),
        num_workers=options.workers,
        collate_fn=_stack,
        pin_memory=pinned,
    )


def on_device(batch: Batch, device: torch.device) -> Batch:
    """The batch on a device, which may still be copying when this returns."""
    images, masks = (tensor.to(device, non_blocking=True) for tensor in (batch.images, batch.masks))
    return Batch(images, masks, batch.shown)


def _stack(pairs: list[tuple[Tensor, Tensor, Shown]]) -> Batch:
    images, masks, shown = zip(*pairs, strict=True)
    if len({mask.shape for mask in masks}) > 1:
        raise ValueError("The images of a batch differ in size. Set augmentation.crop, or batch_size to 1.")
    return Batch(torch.stack(images), torch.stack(masks), shown)
