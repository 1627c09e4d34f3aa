"""Reading pairs one at a time costs what their pictures cost: a dataset that is asked for its features copies
all of them, and one that is asked for a column makes a table of it."""

from __future__ import annotations

from collections import Counter

import datasets
import pytest

from benchmarks.stages.painted_sampler import PaintedSampler
from dataset_builder.augmentation.rows import AugmentedRows
from dataset_builder.building.run import EngineOptions, build
from dataset_builder.dataset_copies import OpenedDataset, StoredRows, open_dataset
from dataset_builder.recipe import Recipe, Refinement, SamplingOptions
from dataset_builder.refinement.dataset import MappedPairs, refined_row
from train_segmenter.augmentation.options import AugmentOptions
from train_segmenter.data.hub import from_dataset

PAIRS = 6


@pytest.fixture(scope="module")
def opened(tmp_path_factory) -> OpenedDataset:
    folder = tmp_path_factory.mktemp("rows") / "shapes"
    sampling = SamplingOptions(batch_size=PAIRS)
    recipe = Recipe("tiny-world", pairs=PAIRS, maps=True, preview=True, sampling=sampling)
    build(recipe, folder, EngineOptions(workers=0), make_sampler=PaintedSampler(side=32), show_progress=False)
    return open_dataset(folder)


READERS = {
    "training": lambda opened: from_dataset(opened.pairs),
    "copies": lambda opened: StoredRows(opened.pairs, None),
    "augmented": lambda opened: AugmentedRows(from_dataset(opened.pairs), AugmentOptions()),
    "mapped": lambda opened: MappedPairs(opened.pairs),
    "refined": lambda opened: Refined(MappedPairs(opened.pairs)),
}


class Refined:
    def __init__(self, pairs: MappedPairs) -> None:
        self.pairs = pairs

    def __getitem__(self, number: int) -> dict:
        return refined_row(self.pairs, number, Refinement("crf"), None)


@pytest.mark.parametrize("reader", READERS)
def test_no_pair_asks_for_features_or_columns_anew(reader, opened, monkeypatch):
    read = READERS[reader](opened)
    read[0], read[1]  # of augmented rows the first is a pair as it is
    asked = Counter()
    for owner, name in ((datasets.Features, "copy"), (datasets.Dataset, "select_columns")):
        counted(owner, name, asked, monkeypatch)
    for number in range(2, PAIRS):
        read[number]
    assert not asked


def counted(owner: type, name: str, asked: Counter, monkeypatch) -> None:
    original = getattr(owner, name)

    def counting(*args, **options):
        asked[name] += 1
        return original(*args, **options)

    monkeypatch.setattr(owner, name, counting)
