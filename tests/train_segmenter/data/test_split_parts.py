"""`name@split[:10%]`: parts of data as `datasets` itself slices them, whatever the format."""

from __future__ import annotations

import shutil

import datasets
import pytest

from tests.dataset_builder.export.small_dataset import make_dataset
from tests.train_segmenter.shapes import NAMES, write_folder
from train_segmenter.data import check_source, open_source
from train_segmenter.data.split_parts import Part, data_word, parts_of

PIECES = ["[:10%]", "[100:200]", "[-5%:]", "[3:]", "[:-3]", "[10%:60%]", "[:33%](pct1_dropremainder)", ""]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("splits") / "pairs"
    make_dataset(path, NAMES, count=8, splits=("train", "validation"))
    return path


def ids(source) -> list[str]:
    return [source.name(number) for number in range(len(source))]


@pytest.mark.parametrize("piece", PIECES)
def test_pieces_are_those_of_datasets(tmp_path, piece):
    rows = datasets.Dataset.from_dict({"number": list(range(250))})
    rows.to_parquet(tmp_path / "train.parquet")
    sliced = datasets.load_dataset(str(tmp_path), split=f"train{piece}", cache_dir=str(tmp_path / "cache"))
    assert list(Part("train", piece).numbers(250)) == sliced["number"][:]


@pytest.mark.parametrize(
    ("part", "numbers"),
    [
        ("train", ["train0", "train1", "train2", "train3", "train4", "train5", "train6", "train7"]),
        ("validation[:25%]", ["validation0", "validation1"]),
        ("train[-2:]", ["train6", "train7"]),
        ("train[1:2]+validation[:1]", ["train1", "validation0"]),
        ("train[:1] + train[7:]", ["train0", "train7"]),
    ],
)
def test_a_dataset_is_read_in_parts(folder, tmp_path, part, numbers):
    assert ids(open_source(f"{folder}@{part}")) == [f"pair-{number}" for number in numbers]
    saved = datasets.load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))
    saved.save_to_disk(str(tmp_path / "saved"))
    shutil.copy(folder / "id2label.json", tmp_path / "saved")
    assert ids(open_source(f"{tmp_path / 'saved'}@{part}")) == [f"pair-{number}" for number in numbers]


def test_other_formats_are_read_in_parts(tmp_path):
    for split in ("train", "val"):
        write_folder(tmp_path / split)
    whole = open_source(f"folder:{tmp_path}@train")
    part = open_source(f"folder:{tmp_path}@train[50%:]")
    assert (ids(part), part.class_names) == (ids(whole)[2:], whole.class_names)
    assert (part[1].mask == whole[3].mask).all()
    both = open_source(f"folder:{tmp_path}@train[:1]+val[:2]")
    assert ids(both) == [ids(whole)[0], *ids(whole)[:2]]
    check_source(both, progress=False)


def test_a_path_that_is_there_is_no_part(folder, tmp_path):
    odd = shutil.copytree(folder, tmp_path / "pairs@train")
    assert data_word(odd) == (str(odd), ())
    assert len(open_source(str(odd))) == 8
    assert ids(open_source(f"{odd}@validation[:1]")) == ["pair-validation0"]


@pytest.mark.parametrize(
    "word", ["train[:x%]", "train[", "[:3]", "train[1:2:3]", "train[:200%]", "+", "train+"]
)
def test_what_is_no_part_says_how_parts_are_written(folder, word):
    with pytest.raises(ValueError, match=r"is no part of data: write a split as train, or a part .*\[-5%:\]"):
        open_source(f"{folder}@{word}")


def test_a_split_that_is_not_there_lists_those_that_are(folder, tmp_path):
    with pytest.raises(ValueError, match=r"has no split 'test'; it has train, validation"):
        open_source(f"{folder}@test[:10%]")
    write_folder(tmp_path / "plain" / "val")
    with pytest.raises(ValueError, match=r"has no split 'train'; it has val"):
        open_source(f"folder:{tmp_path / 'plain'}@train")
    (tmp_path / "cities/leftImg8bit/val").mkdir(parents=True)
    with pytest.raises(ValueError, match=r"has no split 'train'; it has val"):
        open_source(f"Cityscapes:{tmp_path / 'cities'}")
    (tmp_path / "coco/annotations").mkdir(parents=True)
    (tmp_path / "coco/annotations/instances_val2017.json").write_text("{}")
    with pytest.raises(ValueError, match=r"has no split 'train2017'; it has val2017"):
        open_source(f"COCO:{tmp_path / 'coco'}")


def test_a_name_that_would_mean_other_folders_is_refused(folder, tmp_path):
    for name in ("pairs[1]", "pair*"):
        odd = shutil.copytree(folder, tmp_path / name)
        with pytest.raises(ValueError, match=r"for which other folders would be read, too: rename it"):
            open_source(str(odd))


def test_a_part_without_a_pair_is_refused(folder):
    with pytest.raises(ValueError, match=r"train\[100:200\] holds no pair: train has 8"):
        open_source(f"{folder}@train[100:200]")
    assert parts_of("") == ()
