"""A whole refinement: an AffinityNet where the method has one, and a dataset with every mask made anew."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import torch

from dataset_builder.content_digest import content_digest
from dataset_builder.dataset_copies import OpenedDataset, mask_names, open_dataset
from dataset_builder.dataset_folder import write_labels
from dataset_builder.derived_shards import DerivedRows, Row, write_shards
from dataset_builder.engine.kept_parts import KeptParts, Part, remove_parts
from dataset_builder.engine.options import EngineOptions
from dataset_builder.engine.spans import Span, numbers_through, spans
from dataset_builder.engine.workers import OpenedAnew, Workers, working
from dataset_builder.hub.card import write_derived_card
from dataset_builder.origin import identity_of
from dataset_builder.recipe import Refinement
from dataset_builder.refinement.affinity.network import AffinityNet, AffinityNetOptions
from dataset_builder.refinement.affinity.training import (
    MODEL,
    AffinityTraining,
    load_affinity_net,
    train_affinity_net,
)
from dataset_builder.refinement.dataset import ConfidentExamples, MappedPairs, encoded_labels, refined_row
from dataset_builder.refinement.refine_mask import refine_options
from dataset_builder.sam.kinds import asked_sam
from dataset_builder.sam.options import SamOptions
from diffusers_attnmask.ground.bars import moving_bar
from diffusers_attnmask.ground.device import best_device
from diffusers_attnmask.ground.options import Fault, Name, OptionsError, options
from diffusers_attnmask.ground.places import new_place
from diffusers_attnmask.ground.threads import threads
from train_segmenter.training.divergence import Diverged

NETWORK = "affinity"  # folder of the AffinityNet beside the dataset's own


def pretrained_network() -> AffinityNetOptions:
    return AffinityNetOptions(pretrained=True)


@options(kw_only=True)
class RefineRun:
    """How the masks of a dataset are made anew.

    method, whole_regions, snap, fill, uncertain, crf (its backend) and scale_crf: as in `Refinement`;
    model and sam: of the method "sam". net,
    training and thresholds (YAML by class, in place of the published ones): of the method "affinity", which
    trains a network on the dataset's own class maps. allow_outside: read files, too, that the data name
    outside of their folder.
    """

    method: Literal["affinity", "match", "crf", "sam", "none"] = "affinity"
    whole_regions: bool = False
    snap: bool = False
    fill: bool = True
    uncertain: Literal["keep", "decide"] = "keep"
    crf: Literal["torch", "pydensecrf"] = "torch"
    scale_crf: bool = True
    net: AffinityNetOptions = field(default_factory=pretrained_network)
    training: AffinityTraining = field(default_factory=AffinityTraining)
    thresholds: Path | None = None
    model: Name | None = None
    sam: SamOptions = field(default_factory=SamOptions)
    allow_outside: bool = False

    def __post_init__(self) -> None:
        if self.thresholds is not None and self.method != "affinity":
            raise OptionsError([Fault("thresholds", " goes with method affinity")])
        if self.method != "affinity":
            self._check_networkless()
        self.refinement(Path(NETWORK))  # refuses what does not go together

    def _check_networkless(self) -> None:
        """Refuse what is said of a network that is not trained; a seed may be that of all stages."""
        usual = replace(AffinityTraining(), seed=self.training.seed)
        for name, own, expected in (
            ("net", self.net, pretrained_network()),
            ("training", self.training, usual),
        ):
            if changed := [key for key, value in asdict(expected).items() if asdict(own)[key] != value]:
                raise OptionsError([Fault(f"{name}.{changed[0]}", " goes with method affinity")])

    def refinement(self, network: Path) -> Refinement:
        """What is done to each mask; `network` is the folder of the AffinityNet, where there is one."""
        return Refinement(
            self.method,
            str(network) if self.method == "affinity" else None,
            self.crf,
            self.scale_crf,
            fill=self.fill,
            uncertain=self.uncertain,
            whole_regions=self.whole_regions,
            snap=self.snap,
            model=self.model,
            sam=self.sam,
        )


@dataclass(frozen=True)
class RefineStage(OpenedAnew):
    """A dataset and how its masks are made, as every worker opens them.

    network: the folder of the AffinityNet, which all workers must see.
    """

    data: str
    run: RefineRun
    network: Path
    progress: bool

    @cached_property
    def opened(self) -> OpenedDataset:
        return open_dataset(self.data, outside=self.run.allow_outside)

    @cached_property
    def pairs(self) -> MappedPairs:
        return MappedPairs(self.opened.pairs, self.opened.home)

    @property
    def every(self) -> list[Span]:
        """All pairs, whatever their splits."""
        return list(spans({"pairs": len(self.pairs)}))

    @property
    def refinement(self) -> Refinement:
        return self.run.refinement(self.network)

    @property
    def identity(self) -> str:
        """Of the refined rows; where the network lies does not count, but what it is."""
        trained = content_digest(self.network / MODEL) if self.run.method == "affinity" else None
        return identity_of("refine", self.data, {**asdict(self.refinement), "network": trained})

    def read(self, span: Span) -> Span:
        """So that what is wrong with a pair is found before hours of work."""
        for number in span.numbers:
            self.pairs[number]
        return span

    @property
    def labels(self) -> KeptParts:
        """What AffinityNet learns, while it does."""
        thresholds = self.run.thresholds
        decides = asdict(refine_options(self.refinement)) | {
            "thresholds": thresholds and thresholds.read_text(encoding="utf-8")
        }
        return KeptParts(self.network.parent, "labels", identity_of("labels", self.data, decides))

    def label(self, span: Span) -> Part:
        options = replace(refine_options(self.refinement), thresholds=self.run.thresholds)
        with threads(1):
            return Part(span, encoded_labels(self.pairs, span.numbers, options))

    def train(self, folder: Path) -> Path:
        """The AffinityNet of the dataset, or what is left to train of it."""
        torch.manual_seed(self.run.training.seed)
        labels, every = self.labels, self.every
        examples = ConfidentExamples(self.pairs, lambda number: labels.read(every[number // len(every[0])]))
        training, show = self.run.training, self.progress
        try:
            train_affinity_net(
                AffinityNet(self.run.net), examples, training, folder, resume=True, progress=show
            )
        except Diverged:
            shutil.rmtree(folder, ignore_errors=True)  # nobody can go on with it, nor begin there
            raise
        return folder

    @cached_property
    def trained(self) -> AffinityNet | None:
        """On the GPU, where there is one."""
        if self.run.method != "affinity":
            return None
        return load_affinity_net(self.network).to(best_device())

    def rows(self, span: Span) -> Iterator[Row]:
        for number in numbers_through(self.opened.lengths, span):
            with threads(1):
                row = refined_row(self.pairs, number, self.refinement, self.trained)
            yield row


def refine_dataset(
    data: str | Path,
    out: str | Path,
    run: RefineRun | None = None,
    engine: EngineOptions | None = None,
    *,
    progress: bool = True,
) -> int:
    """Write a dataset that has class maps as a new folder with refined masks. Returns the number of pairs.

    data: a folder or Hub name, or parts of its splits (`folder@train[:10%]`). Splits stay what they are.

    A run that was stopped goes on where it was.
    """
    run = run or RefineRun()
    if run.model is not None:
        asked_sam(
            run.model, run.sam
        )  # loaded before anything is written, and so is what AffinityNet is made of
    if run.method == "affinity":
        AffinityNet(run.net)
    with new_place(out, "refine") as work:
        stage = RefineStage(str(data), run, work / NETWORK, progress)
        features = stage.pairs.dataset.features
        with working(stage, engine or EngineOptions(), gpu=run.method in ("affinity", "sam")) as workers:
            with moving_bar("checking pairs", len(stage.pairs), shown=progress, passing=True) as bar:
                for span in workers.results(RefineStage.read, stage.every):
                    bar.update(len(span))
            if run.method == "affinity":
                _train(stage, workers)
            rows = DerivedRows(stage.opened.lengths, RefineStage.rows, features, stage.identity)
            with moving_bar("refining", len(rows), shown=progress) as bar:
                write_shards(rows, work, workers, bar.update)
        write_labels(mask_names(features), work)
        write_derived_card(work, Path(out).resolve().name, stage.opened.path)
        remove_parts(work)
    return len(stage.pairs)


def _train(stage: RefineStage, workers: Workers[RefineStage]) -> None:
    """An AffinityNet, by one of the workers, from labels that all of them make."""
    with moving_bar("confident labels", len(stage.pairs), shown=stage.progress) as bar:
        stage.labels.make(workers, RefineStage.label, stage.every, bar.update)
    for _ in workers.results(RefineStage.train, [stage.network]):
        pass
