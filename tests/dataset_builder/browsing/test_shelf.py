"""Pairs are found by what their rows say, and flags last until they are taken off."""

from __future__ import annotations

import csv
import shutil

import numpy as np
import pytest

from benchmarks.stages.painted_sampler import PaintedSampler
from dataset_builder.browsing.shelf import ORDERS, Shelf, Wanted
from dataset_builder.building.run import EngineOptions, build
from dataset_builder.dataset_folder import FILTER_TABLE, read_pairs
from dataset_builder.noise.filtering import write_table
from dataset_builder.noise.flags import flagged, flags_file, flags_of, read_flags, write_flags
from dataset_builder.noise.prune import Judged, PruneOptions, prune
from dataset_builder.noise.reasons import Verdict
from dataset_builder.recipe import Recipe, SamplingOptions
from train_segmenter.data import open_source


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("browse") / "shapes"
    recipe = Recipe("tiny-world", pairs=12, shard_size=6, sampling=SamplingOptions(batch_size=6))
    build(recipe, folder, EngineOptions(workers=0), make_sampler=PaintedSampler(side=32), show_progress=False)
    return folder


@pytest.fixture
def shelf(built, tmp_path):
    return Shelf.of(str(shutil.copytree(built, tmp_path / "shapes")))


def test_pairs_are_found_by_class_quality_and_words(built, shelf):
    pairs = list(read_pairs(built))
    assert [own.id for own in shelf.found(Wanted())] == [pair.name for pair in pairs]
    name = shelf.entries[0].classes[0]
    found = shelf.found(Wanted(class_name=name))
    assert found and {own.id for own in found} == {own.id for own in shelf.entries if name in own.classes}
    middle = float(np.median([own.quality for own in shelf.entries]))
    assert all(own.quality >= middle for own in shelf.found(Wanted(low=middle)))
    wanted = shelf.entries[3]
    assert wanted in shelf.found(Wanted(words=wanted.prompt.upper()))
    assert shelf.found(Wanted(words="no such words")) == []
    qualities = [own.quality for own in shelf.found(Wanted(order=ORDERS[1]))]
    assert qualities == sorted(qualities)
    assert qualities[::-1] == [own.quality for own in shelf.found(Wanted(order=ORDERS[2]))]


def test_a_pair_is_shown_with_its_mask_or_without(built, shelf):
    pair, entry = next(read_pairs(built)), shelf.entries[0]
    assert np.array_equal(np.asarray(shelf.picture(entry, masks=False))[::16, ::16], np.asarray(pair.image))
    assert shelf.picture(entry).height > 512, "with a legend"


def test_flags_stand_beside_the_dataset_and_come_back(shelf):
    first, second = shelf.entries[:2]
    before = sorted(path.name for path in flags_file(shelf.path).parent.joinpath("shapes").rglob("*"))
    shelf.flag(first, "two\nstars, not one")
    file = shelf.flag(second, "")
    assert read_flags(file) == {first.id: "two stars, not one", second.id: ""}
    again = Shelf.of(shelf.data)
    assert again.found(Wanted(flagged=True)) == [first, second]
    assert again.found(Wanted(words="two stars", flagged=True)) == [first]
    again.unflag(first)
    assert list(read_flags(file)) == [second.id]
    assert sorted(path.name for path in file.parent.joinpath("shapes").rglob("*")) == before


def test_the_filter_drops_what_is_flagged(shelf, tmp_path):
    source, wrong = open_source(shelf.data), shelf.entries[2]
    file = shelf.flag(wrong, "no star")
    reasons = flagged(["", "the mask is empty"] * 6, source, flags_of(file, source))
    assert reasons[2] == "flagged: no star" and reasons[3] == "the mask is empty" and reasons[4] == ""
    write_flags({"ghost": ""}, tmp_path / "ghosts.csv")
    with pytest.raises(ValueError, match="--flags names ghost and no pair that the dataset has"):
        flags_of(tmp_path / "ghosts.csv", source)
    assert flags_of(None, source) == {}
    table = tmp_path / "other.csv"
    with table.open("w", newline="") as stream:
        csv.writer(stream).writerow(["id", "reason"])
    with pytest.raises(ValueError, match="no table of flags: its columns are to be id, why"):
        read_flags(table)


def filtered(folder, pairs, verdict):
    """What a filter leaves of pairs: its table."""
    reasons = prune([verdict(pair) for pair in pairs], PruneOptions(least_clip=0.2, least_agreement=0.5))
    folder.mkdir()
    with (folder / FILTER_TABLE).open("w") as stream:
        write_table([verdict(pair) for pair in pairs], reasons, stream)
    return str(folder)


def test_pairs_are_found_by_what_a_filter_said_of_them(shelf, tmp_path):
    wrong, unlike, empty, *_ = shelf.entries

    def verdict(entry):
        coverage = {} if entry == empty else dict.fromkeys(entry.classes, 0.1)
        scores = dict.fromkeys(coverage, 0.03 if entry == wrong else 0.9)
        return Judged(entry.id, scores, coverage, clip=0.1 if entry in (unlike, empty) else 0.3)

    told = Shelf.of(shelf.data, filtered(tmp_path / "kept", shelf.entries, verdict))
    held, text, nothing = (
        "disagrees with held-out segmenters", "does not resemble its prompt", "the mask is empty"
    )  # fmt: skip
    assert told.kinds == sorted([held, text, nothing]) and told.left_out == 0
    assert told.found(Wanted(verdict=held)) == [wrong]
    assert told.found(Wanted(verdict=text)) == [unlike, empty]
    assert told.found(Wanted(verdict=nothing)) == [empty]
    assert told.found(Wanted(verdict="dropped")) == [wrong, unlike, empty]
    assert told.found(Wanted(verdict="kept")) == list(shelf.entries[3:])
    assert told.found(Wanted(words="IoU 0.030")) == [wrong]
    assert "dropped: " in told.caption(wrong) and "IoU 0.030 below 0.100" in told.caption(wrong)
    assert shelf.kinds == [] and shelf.found(Wanted(verdict="kept")) == []


def test_a_filtered_dataset_says_how_many_it_left_out(shelf):
    ids = ["gone", *(own.id for own in shelf.entries)]
    rows = [
        f"{own},{'no' if own == 'gone' else 'yes'},{'flagged: no star' if own == 'gone' else ''}"
        for own in ids
    ]
    (shelf.path / FILTER_TABLE).write_text("\n".join(["id,kept,reason", *rows]))
    own = Shelf.of(shelf.data)
    assert own.left_out == 1 and own.kinds == []


def test_a_filter_of_other_pairs_is_refused(shelf, tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"holds no filter\.csv: name a folder that attnmask filter made"
    ):
        Shelf.of(shelf.data, str(tmp_path / "nothing"))
    (tmp_path / FILTER_TABLE).write_text("id,kept,reason\nghost,no,flagged\n")
    with pytest.raises(ValueError, match=r"names no pair of .*: it is of another one"):
        Shelf.of(shelf.data, str(tmp_path))
    (tmp_path / FILTER_TABLE).write_text("id,why\n")
    with pytest.raises(ValueError, match="no table of a filter: it lacks the columns kept, reason"):
        Shelf.of(shelf.data, str(tmp_path))


@pytest.mark.parametrize(
    ("reason", "kinds"),
    [
        ("traffic light: covers 0.1%, not 1% to 90%", ["covers too little or too much"]),
        ("fish: second labeller's IoU 0.100 below 0.500", ["disagrees with the second labeller"]),
        ("fish: is there with 0.100, below 0.500", ["is not there for a vision-language model"]),
        ("almost the picture of 000003; flagged: two", ["almost the picture of another", "flagged"]),
        ("of 3 tries 2 failed", ["of … tries … failed"]),
        ("", []),
    ],
)
def test_reasons_are_of_few_kinds(reason, kinds):
    assert list(Verdict("7", reason, ()).kinds) == kinds


def test_a_dataset_without_a_name_is_asked_for():
    with pytest.raises(ValueError, match="name a dataset: a folder, or user/name"):
        Shelf.of(" ")
