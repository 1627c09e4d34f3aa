"""A whole refinement: an AffinityNet where the method has one, and a dataset with every mask made anew."""

from __future__ import annotations

import shutil
from dataclasses import field, replace
from pathlib import Path
from typing import Literal

import torch

from dataset_builder.dataset_copies import mask_names, open_dataset, write_rows
from dataset_builder.hub.card import write_derived_card
from dataset_builder.recipe import Refinement
from dataset_builder.refinement.affinity.network import AffinityNet, AffinityNetOptions
from dataset_builder.refinement.affinity.training import AffinityTraining, train_affinity_net
from dataset_builder.refinement.dataset import ConfidentExamples, MappedPairs, refined_rows
from dataset_builder.refinement.refine_mask import refine_options
from dataset_builder.sam.kinds import asked_sam
from dataset_builder.sam.options import SamOptions
from diffusers_attnmask.ground.options import Name, options
from diffusers_attnmask.ground.places import new_place
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
        self.refinement(Path(NETWORK))  # refuses what does not go together

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


def refine_dataset(
    data: str | Path, out: str | Path, run: RefineRun | None = None, *, progress: bool = True
) -> int:
    """Write a dataset that has class maps as a new folder with refined masks. Returns the number of pairs.

    data: a folder or Hub name, or parts of its splits (`folder@train[:10%]`). Splits stay what they are.

    A run that was stopped goes on where it was.
    """
    run = run or RefineRun()
    if run.model is not None:
        asked_sam(run.model, run.sam)  # loaded before anything is written
    torch.manual_seed(run.training.seed)
    with new_place(out, "refine") as work:
        opened = open_dataset(data, outside=run.allow_outside)
        pairs = MappedPairs(opened.pairs, opened.home)
        pairs.check(progress)
        refinement = run.refinement(work / NETWORK)
        net = _trained_network(pairs, run, refinement, work / NETWORK, progress)
        rows, features = refined_rows(pairs, refinement, net, progress), pairs.dataset.features
        write_rows(opened.by_split(rows), features, mask_names(features), work)
        write_derived_card(work, Path(out).resolve().name, opened.path)
    return len(pairs)


def _trained_network(
    pairs: MappedPairs, run: RefineRun, refinement: Refinement, folder: Path, progress: bool
) -> AffinityNet | None:
    if run.method != "affinity":
        return None
    net = AffinityNet(run.net)
    options = replace(refine_options(refinement), thresholds=run.thresholds)
    examples = ConfidentExamples(pairs, options, progress)
    try:
        train_affinity_net(net, examples, run.training, folder, resume=True, progress=progress)
    except Diverged:
        shutil.rmtree(folder, ignore_errors=True)  # nobody can go on with it, nor better options begin there
        raise
    return net
