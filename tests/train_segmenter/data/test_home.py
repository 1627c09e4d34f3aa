"""What data names lies in the data's own folder, whatever names, lists, rows and links say."""

from __future__ import annotations

import datasets
import numpy as np
import pytest

from dataset_builder.export.convert import ExportOptions, convert
from diffusers_attnmask.ground.pictures import encoded, read_image
from tests.mistakes.spoilt import dataset_rows, voc, write_dataset
from tests.train_segmenter.shapes import draw, write_folder
from train_segmenter.data import open_source
from train_segmenter.data.home import Home
from train_segmenter.data.hub import from_dataset


@pytest.mark.parametrize("name", ["a.png", "b/c.png", "b/../a.png", "./a.png", "link-inside.png"])
def test_names_in_the_folder_are_its_files(tmp_path, name):
    home = tmp_path / "home"
    (home / "b").mkdir(parents=True)
    (home / "link-inside.png").symlink_to("b/c.png")
    assert Home(home).file(name) == home / name


@pytest.mark.parametrize(
    "name",
    ["../a.png", "/etc/hostname", "link.png", "linked/a.png", "b/../../a.png", "https://example.org/a.png"],
)
def test_names_that_lead_out_are_refused_unless_they_may(tmp_path, name):
    home = tmp_path / "home"
    home.mkdir()
    (home / "link.png").symlink_to("../a.png")
    (home / "linked").symlink_to("..")
    with pytest.raises(ValueError, match="leads out of"):
        Home(home).file(name)
    if "://" not in name:
        assert Home(home, outside=True).file(name) == home / name


def test_a_folder_may_itself_be_a_link(tmp_path):
    write_folder(tmp_path / "real")
    (tmp_path / "link").symlink_to("real")
    assert len(open_source(str(tmp_path / "link"))) == 4


def test_a_snapshot_of_the_hubs_cache_links_to_its_blobs(tmp_path):
    snapshot = tmp_path / "datasets--user--name" / "snapshots" / "1a2b"
    write_dataset(snapshot, dataset_rows())
    shard = snapshot / "data/train-00000-of-00001.parquet"
    (snapshot.parents[1] / "blobs").mkdir()
    shard.rename(snapshot.parents[1] / "blobs" / "3c4d")
    shard.symlink_to("../../../blobs/3c4d")
    assert len(open_source(str(snapshot))) == 2


def test_rows_may_name_files_of_their_own_folder_and_exports_hold_them(tmp_path):
    rows = dataset_rows()
    rows[0]["image"] = {"bytes": None, "path": "images/a.png"}
    write_dataset(tmp_path / "data", rows)
    (tmp_path / "data/images").mkdir()
    (tmp_path / "data/images/a.png").write_bytes(encoded(draw(0)[0]))
    np.testing.assert_array_equal(open_source(str(tmp_path / "data"))[0].image, draw(0)[0])
    _, home = convert(str(tmp_path / "data"), tmp_path / "out", ExportOptions("dataset"))
    (tmp_path / "data/images/a.png").unlink()
    np.testing.assert_array_equal(open_source(str(home))[0].image, draw(0)[0])


def test_what_lies_elsewhere_is_read_where_that_is_allowed(tmp_path):
    voc(tmp_path / "voc", "a\n")
    picture = tmp_path / "voc/JPEGImages/a.jpg"
    picture.rename(tmp_path / "elsewhere.jpg")
    picture.symlink_to("../../elsewhere.jpg")
    with pytest.raises(ValueError, match=r"a\.jpg' leads out of .*--allow-outside"):
        open_source(f"VOC:{tmp_path / 'voc'}")
    allowed = open_source(f"VOC:{tmp_path / 'voc'}", outside=True)
    np.testing.assert_array_equal(allowed[0].image, read_image(tmp_path / "elsewhere.jpg"))


def test_rows_of_the_hub_name_no_file_of_this_machine(tmp_path):
    (tmp_path / "a.png").write_bytes(encoded(draw(0)[0]))
    image = {"bytes": None, "path": str(tmp_path / "a.png")}
    features = datasets.Features(
        {"image": datasets.Image(decode=False), "mask": datasets.Image(decode=False)}
    )
    rows = datasets.Dataset.from_list([{"image": image, "mask": image}], features=features)
    opened = rows.cast_column("image", datasets.Image()).cast_column("mask", datasets.Image())
    with pytest.raises(ValueError, match=r"image of row 0 is a file on the machine of its maker, .*a\.png"):
        from_dataset(opened, ("background",), home=None)[0]
