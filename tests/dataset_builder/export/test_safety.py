"""Foreign data cannot write or read outside of its folder, nor unpack a bomb; nothing half-made stays."""

import json
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dataset_builder.export.convert import ExportOptions, convert, read_any
from dataset_builder.export.pair_set import NamedPair, Pairs, PairSet
from dataset_builder.export.safety import safe_names
from dataset_builder.export.voc import VocWriter
from diffusers_attnmask.ground.own_folder import MARK
from diffusers_attnmask.ground.palette import VOC_PALETTE
from diffusers_attnmask.ground.pictures import encoded, opened
from tests.dataset_builder.export.small_dataset import make_dataset
from train_segmenter.data.home import Home


@pytest.mark.parametrize(
    "name",
    ["../up", "/etc/x", "a/b", r"a\b", "", ".hidden", "a\0b", "C:x", "x" * 300, "dot.", "a..b", "-flag"],
)
def test_ids_that_are_no_file_names_are_refused(name):
    with pytest.raises(ValueError, match="cannot name a file"):
        safe_names([name])


def test_ids_that_differ_in_case_alone_are_refused():
    with pytest.raises(ValueError, match="'Dog' and 'dog' would name the same file"):
        safe_names(["Dog", "cat", "dog"])
    safe_names(["dog-1", "dog_2", "Hund ä.3"])


def test_an_id_cannot_lead_out_of_the_exported_folder(tmp_path):
    make_dataset(tmp_path / "data", ("background", "a"), count=2, names="../../escaped{}")
    with pytest.raises(ValueError, match=r"the id '../../escapedtrain0' cannot name a file"):
        convert(str(tmp_path / "data"), tmp_path / "deep" / "out", ExportOptions("folder"))
    assert not list(tmp_path.rglob("*escaped*"))


@pytest.mark.parametrize("name", ["../x.png", "/etc/passwd", r"..\x.png", r"C:\x.png", "a/../../x", "a\0"])
def test_names_that_lead_out_are_refused(tmp_path, name):
    with pytest.raises(ValueError, match="leads out of"):
        Home(tmp_path).file(name)
    assert Home(tmp_path).file("a/b.png") == tmp_path / "a" / "b.png"


def exported(tmp_path, to):
    make_dataset(tmp_path / "data", ("background", "a"), count=2)
    return convert(str(tmp_path / "data"), tmp_path / "out", ExportOptions(to))[1]


@pytest.mark.parametrize("line", ["../../secret", "/tmp/secret"])
def test_a_voc_list_cannot_read_outside_of_its_folder(tmp_path, line):
    home = exported(tmp_path, "voc")
    (home / "ImageSets" / "Segmentation" / "train.txt").write_text(line + "\n")
    with pytest.raises(ValueError, match="leads out of"):
        read_any(f"voc:{home}")


@pytest.mark.parametrize("where", ["image", "segments"])
def test_coco_json_cannot_read_outside_of_its_folder(tmp_path, where):
    home = exported(tmp_path, "coco")
    file = home / "annotations" / "panoptic_train.json"
    content = json.loads(file.read_text())
    entry = content["images" if where == "image" else "annotations"][0]
    entry["file_name"] = "../../../secret.png"
    file.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"secret\.png' leads out of"):
        next(iter(read_any(f"coco:{home}").splits["train"]))


def bomb(side):
    """A small PNG that claims side × side pixels."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [9000, 12_000, 60_000])
def test_a_picture_that_claims_too_many_pixels_is_not_decoded(side):
    with pytest.raises(ValueError, match=r"claims|not a picture that can be read"):
        opened(bomb(side), "bomb.png")
    assert opened(bomb(100), "small.png").size == (100, 100)


@pytest.mark.parametrize("folder", ["images", "masks"])
def test_a_bomb_in_a_folder_is_named_and_nothing_is_left(tmp_path, folder):
    home = exported(tmp_path, "folder")
    victim = next((home / folder).glob("*.png"))
    victim.write_bytes(bomb(20_000))
    with pytest.raises(ValueError, match=victim.name):
        convert(f"folder:{home}", tmp_path / "back", ExportOptions("dataset"))
    assert not (tmp_path / "back").exists()


def test_faults_are_named_with_their_file(tmp_path):
    home = exported(tmp_path, "folder")
    mask = sorted((home / "masks").iterdir())[0]
    whole = mask.read_bytes()
    mask.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=mask.name):
        list(read_any(f"folder:{home}").splits["train"])
    mask.write_bytes(encoded(np.zeros((3, 4), np.uint8)))
    with pytest.raises(ValueError, match="its mask 4×3"):
        list(read_any(f"folder:{home}").splits["train"])
    mask.write_bytes(b"no picture")
    with pytest.raises(ValueError, match=f"{mask.name} is not a picture"):
        list(read_any(f"folder:{home}").splits["train"])


def test_splits_that_share_an_id_do_not_overwrite_each_other(tmp_path):
    content = encoded(np.zeros((4, 4, 3), np.uint8))
    pairs = Pairs(["x"], lambda number: NamedPair("x", content, np.zeros((4, 4), np.uint8)))
    both = PairSet(("background", "a"), {"train": pairs, "validation": pairs})
    with pytest.raises(ValueError, match="'x' and 'x' would name the same file"):
        VocWriter(both, VOC_PALETTE)


def test_an_export_that_was_stopped_leaves_nothing_in_the_next(tmp_path):
    make_dataset(tmp_path / "data", ("background", "a"), count=2)
    left = tmp_path / "out.unfinished" / "images" / "old.png"
    left.parent.mkdir(parents=True)
    (tmp_path / "out.unfinished" / MARK).write_text("export\n")
    Image.new("L", (2, 2)).save(left)
    home = convert(str(tmp_path / "data"), tmp_path / "out", ExportOptions("folder"))[1]
    assert len(list((home / "images").iterdir())) == 2


@pytest.mark.parametrize(
    ("spec", "options", "complaint"),
    [
        ("data", {"to": "yolo"}, "to must be 'voc', 'cityscapes'"),
        ("yolo:data", {"to": "voc"}, "unknown format"),
        ("voc:none", {"to": "dataset"}, "there is no folder 'none'"),
        ("DATA", {"to": "voc", "vocabulary": "coco"}, "vocabulary 'coco' has the classes background, person"),
        ("DATA", {"to": "voc", "val_share": 2}, "val_share must be below 1, not 2"),
        ("DATA", {"to": "voc", "split": "test"}, "test"),
        ("voc:DATA", {"to": "dataset"}, "has none of the splits train, val"),
    ],
)
def test_a_wrong_request_is_one_clear_error(tmp_path, spec, options, complaint):
    make_dataset(tmp_path / "data", ("background", "a"), count=1)
    with pytest.raises((ValueError, OSError), match=complaint):
        convert(
            spec.replace("DATA", str(tmp_path / "data")), Path(tmp_path / "out"), ExportOptions(**options)
        )
    assert not (tmp_path / "out").exists()
