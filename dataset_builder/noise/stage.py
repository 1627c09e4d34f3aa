"""What workers do of a filtering: check pairs, train judges, and judge by them what they have not seen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from dataset_builder.dataset_copies import OpenedDataset, StoredRows, mask_names, open_dataset
from dataset_builder.derived_shards import Row
from dataset_builder.engine.kept_parts import Part
from dataset_builder.engine.spans import Span, numbers_through
from dataset_builder.engine.workers import OpenedAnew
from dataset_builder.noise.filtering import judged_pair
from dataset_builder.noise.folds import Part as FoldPart
from dataset_builder.noise.folds import Predict, other_folds, split_folds
from dataset_builder.noise.options import FilterRun, judges_of
from dataset_builder.noise.prune import PruneOptions
from dataset_builder.noise.scores import class_scores
from dataset_builder.noise.segmenter import SegmenterTrainer
from dataset_builder.noise.witnesses import HeardWitnesses
from diffusers_attnmask.ground.atomic_files import replacing
from diffusers_attnmask.ground.ids import BACKGROUND
from diffusers_attnmask.ground.threads import threads
from train_segmenter.data import HubPairs
from train_segmenter.data.check import faults_of
from train_segmenter.data.hub import from_dataset

KEPT, NUMBER, QUALITY = "kept.npy", "number", "quality"
INDEX = "index"  # of an entry: the number of its pair
PROMPT = "prompt"  # a column


@dataclass(frozen=True)
class FilterStage(OpenedAnew):
    """A dataset and its judges, as every worker opens them.

    work: the folder of the judges, which all workers must see. threads: a judge trains with, whether or not
    the others train beside it.
    """

    data: str
    run: FilterRun
    work: Path
    threads: int
    progress: bool

    @cached_property
    def opened(self) -> tuple[OpenedDataset, HubPairs]:
        return pairs_to_judge(self.data, self.run)

    @property
    def source(self) -> HubPairs:
        return self.opened[1]

    @cached_property
    def folds(self) -> list[np.ndarray]:
        return split_folds(len(self.source), self.run.folds, self.run.seed)

    @cached_property
    def witnesses(self) -> HeardWitnesses:
        return self.run.heard(self.source.class_names, self.run.prune, self.run.seed)

    def faults(self, span: Span) -> tuple[Span, list[tuple[int, Exception]]]:
        return span, faults_of(self.source, span.numbers)

    def judge(self, fold: int) -> Predict:
        """Trained on all other folds, or as it stands where it is."""
        recipe = judges_of(self.run)
        trainer = SegmenterTrainer(
            recipe.model,
            recipe.training,
            self.work,
            self.run.pretrained,
            recipe.model_options,
            self.run.scale,
            self.progress,
        )
        with threads(self.threads):
            return trainer(other_folds(self.source, self.folds, fold), fold)

    def train(self, fold: int) -> int:
        self.judge(fold)
        return fold

    def scored(self, span: Span) -> Part:
        """What the judge of a fold says of some of its pairs; the span is one of places in that fold."""
        fold = int(span.split)
        indices = self.folds[fold][span.start : span.stop].tolist()
        judged = []
        with threads(1):
            predict = self.held_judge(fold)
            for index in indices:
                sample = self.source[index]
                scores = class_scores(predict(sample.image), sample.mask, self.source.class_names)
                judged.append({INDEX: index, **asdict(judged_pair(self.source, index, scores))})
        return Part.of(span, judged)

    def held_judge(self, fold: int) -> Predict:
        """One judge at a time is in memory."""
        if fold not in self.judges:
            self.judges.clear()
            self.judges[fold] = self.judge(fold)
        return self.judges[fold]

    @cached_property
    def judges(self) -> dict[int, Predict]:
        return {}

    def testimony(self, span: Span) -> Part:
        """What others than the judges say of some pairs."""
        pairs = FoldPart(self.source, np.array(span.numbers))
        prompts = self.source.dataset.select(span.numbers)[PROMPT] if self.run.clip else ()
        with threads(1):
            return Part.of(span, self.witnesses.testimony(pairs, prompts))

    @cached_property
    def stored(self) -> StoredRows:
        return StoredRows(self.source.dataset, self.source.home)

    @cached_property
    def kept(self) -> np.ndarray:
        """The numbers of the pairs that stay, with their quality."""
        return np.load(self.work / KEPT, allow_pickle=False)

    def keep(self, pairs: Iterable[tuple[int, float]]) -> None:
        """Leave the numbers and the qualities of the pairs that stay for all workers."""
        with replacing(self.work / KEPT) as partial:
            np.save(partial, np.fromiter(pairs, [(NUMBER, np.int64), (QUALITY, np.float64)]))

    @cached_property
    def kept_lengths(self) -> dict[str, int]:
        return self.opened[0].lengths_of(self.kept[NUMBER])

    def rows(self, span: Span) -> Iterator[Row]:
        places = numbers_through(self.kept_lengths, span)
        for number, quality in self.kept[places.start : places.stop].tolist():
            yield {**self.stored[number], QUALITY: quality}


def pairs_to_judge(data: str | Path, run: FilterRun) -> tuple[OpenedDataset, HubPairs]:
    """The pairs of a dataset as they are stored and as they are judged, in classes that thresholds name."""
    opened = open_dataset(data, outside=run.allow_outside)
    names = tuple(mask_names(opened.pairs.features))
    source = from_dataset(opened.pairs, names, str(data), opened.home)
    _check_classes(run.prune, source.class_names)
    if run.clip:
        _check_prompts(source)
    return opened, source


def _check_prompts(source: HubPairs) -> None:
    """Refuse pairs without words that a CLIP could compare with their pictures."""
    words = source.dataset[PROMPT] if PROMPT in source.dataset.column_names else [""] * len(source)
    bare = next((number for number, own in enumerate(words) if not (own or "").strip()), None)
    if bare is not None:
        raise ValueError(
            f"--clip compares pictures with their prompts, and {source.name(bare)} has none: leave --clip out"
        )


def _check_classes(prune: PruneOptions, class_names: Sequence[str]) -> None:
    named = {*prune.thresholds, *prune.class_coverage} - {"default"}
    if BACKGROUND in named:
        raise ValueError(f"--class-threshold {BACKGROUND}: it is no class, and pairs are not judged by it")
    if unknown := sorted(named - set(class_names)):
        raise ValueError(
            f"--class-threshold {', '.join(unknown)}: the dataset has no such class; it has "
            f"{', '.join(class_names)}"
        )
