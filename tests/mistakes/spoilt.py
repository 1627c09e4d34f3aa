"""Pictures, datasets and models of which one thing is wrong: a folder each, in it one for every fault."""

from __future__ import annotations

import json
import pickle
import shutil
import struct
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from datasets import DatasetInfo
from datasets.info import DatasetInfosDict
from huggingface_hub import DatasetCardData
from PIL import Image

from diffusers_attnmask.ground.columns import MAPS, pair_features, picture_cell
from diffusers_attnmask.ground.own_folder import MARK
from diffusers_attnmask.ground.pictures import encoded
from tests.small_models import sd15
from tests.small_models.sam import sam2
from tests.train_segmenter.shapes import NAMES, draw, small_mask2former, small_model, write_folder

Rows = list[dict[str, Any]]
SHARD = "data/train-00000-of-00001.parquet"


class Payload:
    """What would leave a file behind if it were unpickled."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return Path.touch, (Path("payload-has-run"),)


def bomb(side: int) -> bytes:
    """A small PNG that claims side × side pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


def pictures(path: Path) -> None:
    whole = encoded(draw(0)[0])
    path.mkdir()
    (path / "empty.png").touch()
    (path / "cut.png").write_bytes(whole[: len(whole) // 2])
    (path / "text.png").write_text("no picture")
    (path / "bomb.png").write_bytes(bomb(20_000))
    (path / "large.png").write_bytes(bomb(9_000))
    Image.new("RGB", (8, 8)).save(path / "page.png", "EPS")
    Image.new("F", (8, 8)).save(path / "fractions.tif")
    Image.fromarray(np.full((8, 8), 70_000, np.int32)).save(path / "deep.tif")
    (path / "folder.png").mkdir()
    (path / "nothing").mkdir()


def dataset_rows() -> Rows:
    rows = []
    for seed in range(2):
        image, mask = draw(seed)
        ids = [int(own) for own in np.unique(mask) if own]
        maps = [picture_cell(encoded(255 * (mask == own).astype(np.uint8))) for own in ids]
        row = {
            "image": picture_cell(encoded(image)),
            "mask": picture_cell(encoded(mask)),
            "id": f"pair-{seed}",
        }
        row |= {"prompt": "red and blue", "classes": ids, "seed": seed, "method": "daam", "model": "none"}
        rows.append({**row, "quality": 0.5, MAPS: maps})
    return rows


def write_dataset(path: Path, rows: Rows, shard: str = SHARD, names: Sequence[str] = NAMES) -> None:
    """Rows as they are: also those that name files, which `datasets` would read when it writes."""
    (path / shard).parent.mkdir(parents=True, exist_ok=True)
    schema = pair_features(names, maps=True).arrow_schema
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), path / shard)
    (path / "id2label.json").write_text(json.dumps({str(i): name for i, name in enumerate(NAMES)}))


def tiff(pixels: np.ndarray) -> bytes:
    return encoded(Image.fromarray(pixels), "tiff")


# What becomes of the cell of the first row; "SECRET" is the path of a picture beside all datasets.
CELLS: dict[str, tuple[str, Any]] = {
    "outside": ("image", {"bytes": None, "path": "SECRET"}),
    "upward": ("image", {"bytes": None, "path": "../secret.png"}),
    "linked": ("mask", {"bytes": None, "path": "link.png"}),
    "nowhere": ("image", {"bytes": None, "path": "nowhere.png"}),
    "address": ("image", {"bytes": None, "path": "https://example.org/a.png"}),
    "no-image": ("image", None),
    "no-mask": ("mask", None),
    "foreign-id": ("mask", picture_cell(encoded(np.full((32, 32), 77, np.uint8)))),
    "other-size": ("mask", picture_cell(encoded(np.zeros((16, 32), np.uint8)))),
    "fractions": ("mask", picture_cell(tiff(np.full((32, 32), 0.5, np.float32)))),
    "colours": ("mask", picture_cell(encoded(np.zeros((32, 32, 3), np.uint8)))),
    "jpeg-mask": ("mask", picture_cell(encoded(draw(0)[1], "jpeg"))),
    "many-ids": ("mask", picture_cell(tiff(np.full((32, 32), 300, np.int32)))),
    "cut-image": ("image", picture_cell(encoded(draw(0)[0])[:900])),
    "cut-mask": ("mask", picture_cell(encoded(draw(0)[1])[:-40])),
    "text": ("image", picture_cell(b"no picture")),
    "bomb": ("image", picture_cell(bomb(20_000))),
    "empty-image": ("image", picture_cell(b"")),
    "no-maps": (MAPS, []),
    "small-maps": (MAPS, [picture_cell(encoded(np.zeros((4, 4), np.uint8)))] * 2),
    "foreign-class": ("classes", [1, 9]),
    "quality": ("quality", 7.0),
}


def with_shard(change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    def spoil(path: Path) -> None:
        (path / SHARD).write_bytes(change((path / SHARD).read_bytes()))

    return spoil


def with_file(name: str, text: str) -> Callable[[Path], None]:
    return lambda path: (path / name).write_text(text) and None


def in_three(path: Path) -> None:
    """Two shards of three."""
    (path / SHARD).unlink()
    for number in (0, 2):
        write_dataset(path, dataset_rows(), f"data/train-0000{number}-of-00003.parquet")


def of_two(path: Path) -> None:
    write_dataset(path, dataset_rows(), "data/train-00001-of-00002.parquet")


def other_columns(path: Path) -> None:
    (path / SHARD).unlink()
    write_dataset(path, dataset_rows(), "data/train-00000-of-00002.parquet")
    table = pa.table({"image": ["a"], "words": ["b"]})
    pq.write_table(table, path / "data/train-00001-of-00002.parquet")


def without_masks(path: Path) -> None:
    pq.write_table(pq.read_table(path / SHARD).drop_columns("mask"), path / SHARD)


def text_as_image(path: Path) -> None:
    pq.write_table(pa.table({"image": ["a"], "mask": ["b"], "id": ["c"]}), path / SHARD)


def linked_shard(path: Path) -> None:
    (path / SHARD).rename(path.parent / "shard-elsewhere.parquet")
    (path / SHARD).symlink_to("../../shard-elsewhere.parquet")


def card_of_others(path: Path) -> None:
    """A card that has its two classes the other way round."""
    info = DatasetInfo(features=pair_features((NAMES[0], NAMES[2], NAMES[1]), maps=True))
    data = DatasetCardData()
    DatasetInfosDict({"default": info}).to_dataset_card_data(data)
    (path / "README.md").write_text(f"---\n{data.to_yaml()}\n---\n")


def unnamed_background(path: Path) -> None:
    """Labels that begin after the background, which is id 0 of the masks."""
    rows = [{**row, "classes": [own - 1 for own in row["classes"]]} for row in dataset_rows()]
    write_dataset(path, rows, names=NAMES[1:])
    (path / "id2label.json").unlink()


def with_masks(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], None]:
    """Every mask changed."""

    def spoil(path: Path) -> None:
        rows = [
            {**row, "mask": picture_cell(encoded(change(draw(seed)[1])))}
            for seed, row in enumerate(dataset_rows())
        ]
        write_dataset(path, rows)

    return spoil


def begun(path: Path) -> None:
    """A build that has a shard to make."""
    (path / MARK).write_text("build\n")
    (path / "manifest.json").write_text('{"complete": false}')


FOLDERS: dict[str, Callable[[Path], None]] = {
    "cut-shard": with_shard(lambda content: content[: len(content) // 2]),
    "empty-shard": with_shard(lambda content: b""),
    "text-shard": with_shard(lambda content: b"no Parquet at all" * 10),
    "damaged-shard": with_shard(lambda content: content[:1000] + bytes(2000) + content[3000:]),
    "in-three": in_three,
    "of-two": of_two,
    "other-columns": other_columns,
    "script": with_file("script.py", "raise SystemExit('payload has run')"),
    "no-rows": lambda path: write_dataset(path, []),
    "without-masks": without_masks,
    "text-as-image": text_as_image,
    "linked-shard": linked_shard,
    "labels-list": with_file("id2label.json", '["background", "red", "blue"]'),
    "labels-cut": with_file("id2label.json", '{"0": "background", '),
    "labels-gap": with_file("id2label.json", '{"0": "background", "2": "blue"}'),
    "labels-twice": with_file("id2label.json", '{"0": "background", "1": "red", "1": "blue"}'),
    "labels-words": with_file("id2label.json", '{"background": 0, "red": 1}'),
    "labels-few": with_file("id2label.json", '{"0": "background", "1": "red"}'),
    "labels-deep": with_file("id2label.json", "[" * 50_000),
    "labels-swapped": with_file("id2label.json", '{"0": "background", "1": "blue", "2": "red"}'),
    "unnamed-background": unnamed_background,
    "begun": begun,
    "two-tones": with_masks(lambda mask: np.where(mask > 0, np.uint8(255), mask)),
    "all-ignored": with_masks(lambda mask: np.full_like(mask, 255)),
    "half.unfinished": with_file(MARK, "refine\n"),
    "card-swapped": card_of_others,
    "card": with_file("README.md", "---\nlicense: [mit\n---\n"),
    "card-outside": with_file(
        "README.md", "---\nconfigs:\n- config_name: default\n  data_files: ../outside/data/*\n---\n"
    ),
}


def spoilt(path: Path) -> None:
    """Datasets of two pairs."""
    path.mkdir()
    (path / "secret.png").write_bytes(encoded(draw(9)[0]))
    for name, (column, cell) in CELLS.items():
        rows = dataset_rows()
        rows[0][column] = cell
        if isinstance(cell, dict) and cell["path"] == "SECRET":
            rows[0][column] = {**cell, "path": str(path / "secret.png")}
        write_dataset(path / name, rows)
    (path / "linked" / "link.png").symlink_to("../secret.png")
    for name, spoil in FOLDERS.items():
        write_dataset(path / name, dataset_rows())
        spoil(path / name)
    (path / "nothing").mkdir()
    (path / "saved").mkdir()
    (path / "saved/state.json").write_text('{"_data_files": [{"filename": "../outside/data.arrow"}]}')


def voc(path: Path, line: str) -> None:
    for part in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation"):
        (path / part).mkdir(parents=True)
    image, mask = draw(0)
    (path / "JPEGImages/a.jpg").write_bytes(encoded(image, "jpeg"))
    (path / "SegmentationClass/a.png").write_bytes(encoded(mask))
    for split in ("train", "val"):
        (path / f"ImageSets/Segmentation/{split}.txt").write_text(line)


def coco(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    folder = path / "images/train2017"
    folder.mkdir(parents=True)
    (folder / "a.png").write_bytes(encoded(draw(0)[0]))
    square = [[2, 2, 12, 2, 12, 12, 2, 12]]
    content: dict[str, Any] = {
        "images": [{"id": 1, "file_name": "a.png", "height": 32, "width": 32}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 7, "area": 100, "segmentation": square}],
        "categories": [{"id": 7, "name": "mushroom"}],
    }
    changed = change(content)
    (path / "annotations").mkdir()
    text = json.dumps(content) if changed is None or not isinstance(changed, str) else changed
    (path / "annotations/instances_train2017.json").write_text(text)


def setting(*keys: Any, to: Any) -> Callable[[dict[str, Any]], None]:
    def change(content: dict[str, Any]) -> None:
        inner: Any = content
        for key in keys[:-1]:
            inner = inner[key]
        inner[keys[-1]] = to

    return change


def dropping(*keys: Any) -> Callable[[dict[str, Any]], None]:
    def change(content: dict[str, Any]) -> None:
        inner: Any = content
        for key in keys[:-1]:
            inner = inner[key]
        del inner[keys[-1]]

    return change


SEGMENTATION = ("annotations", 0, "segmentation")
COCO: dict[str, Callable[[dict[str, Any]], Any]] = {
    "cut": lambda content: '{"images": [',
    "list": lambda content: "[]",
    "no-images": dropping("images"),
    "empty": setting("images", to=[]),
    "no-categories": dropping("categories"),
    "no-file": dropping("images", 0, "file_name"),
    "no-height": dropping("images", 0, "height"),
    "tall": setting("images", 0, "height", to=10**9),
    "no-segmentation": dropping(*SEGMENTATION),
    "no-polygon": setting(*SEGMENTATION, to=[]),
    "two-points": setting(*SEGMENTATION, to=[[1, 2, 3, 4]]),
    "far": setting(*SEGMENTATION, to=[[0, 0, 1e9, 0, 0, 1e9]]),
    "nan": lambda content: json.dumps(content).replace("12, 2", "NaN, 2"),
    "bad-runs": setting(*SEGMENTATION, to={"size": [32, 32], "counts": [1, 2]}),
    "cut-runs": setting(*SEGMENTATION, to={"size": [32, 32], "counts": "0P"}),
    "other-runs": setting(*SEGMENTATION, to={"size": [10**6, 10**6], "counts": [10**12]}),
    "unknown": setting("annotations", 0, "category_id", to=8),
    "nameless": dropping("categories", 0, "name"),
    "stray": setting("annotations", 0, "image_id", to=5),
    "twice": setting("categories", to=[{"id": 7, "name": "a"}, {"id": 7, "name": "b"}]),
    "outside": setting("images", 0, "file_name", to="../../../secret.png"),
    "absolute": setting("images", 0, "file_name", to="/etc/hostname"),
    "other-size": setting("images", 0, "width", to=40),
}


def formats(path: Path) -> None:
    """Datasets in the formats of others."""
    path.mkdir()
    (path / "secret.png").write_bytes(encoded(draw(9)[0]))
    lines = {"outside": "../../secret", "absolute": "/etc/hostname", "empty": "\n", "columns": "a b c"}
    lines |= {"two": "a.jpg ../../secret.png", "lost": "b"}
    for name, line in lines.items():
        voc(path / f"voc-{name}", f"{line}\n")
    voc(path / "voc.unfinished", "a\n")
    (path / "voc.unfinished" / MARK).write_text("export\n")
    voc(path / "voc-linked", "a\n")
    (path / "voc-linked/JPEGImages/a.jpg").unlink()
    (path / "voc-linked/JPEGImages/a.jpg").symlink_to("../../secret.png")
    voc(path / "voc-names", "a\n")
    (path / "voc-names/id2label.json").write_text('{"0": "background"}')
    for name, change in COCO.items():
        coco(path / f"coco-{name}", change)
    city = path / "cityscapes/leftImg8bit/train/bonn"
    city.mkdir(parents=True)
    (city / "a_leftImg8bit.png").symlink_to("../../../../secret.png")
    for name in ("folder-linked", "folder-nameless", "folder-lost", "folder-twins"):
        write_folder(path / name, count=1)
    (path / "folder-linked/masks/0.png").unlink()
    (path / "folder-linked/masks/0.png").symlink_to("../../secret.png")
    (path / "folder-nameless/classes.txt").unlink()
    (path / "folder-lost/masks/0.png").unlink()
    (path / "folder-twins/images/0.jpg").write_bytes(encoded(draw(0)[0], "jpeg"))


def changed_json(name: str, **changes: Any) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        content = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps({**content, **changes}))

    return spoil


def with_weights(change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        file = next(folder.glob("*.safetensors"))
        file.write_bytes(change(file.read_bytes()))

    return spoil


def as_pickle(name: str, torch_archive: bool = False) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        for file in folder.glob("*.safetensors"):
            file.unlink()
        if torch_archive:
            torch.save(Payload(), folder / name)
        else:
            (folder / name).write_bytes(pickle.dumps(Payload()))

    return spoil


def without(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


SEGMENTERS: dict[str, Callable[[Path], None]] = {
    "pickled": as_pickle("model.safetensors"),
    "archived": as_pickle("model.safetensors", torch_archive=True),
    "bin": as_pickle("pytorch_model.bin"),
    "cut": with_weights(lambda content: content[: len(content) // 2]),
    "emptied": with_weights(lambda content: b""),
    "text": with_weights(lambda content: b"no weights"),
    "huge-header": with_weights(lambda content: b"\xff" * 8 + content[8:]),
    "weightless": without("model.safetensors"),
    "config-list": with_file("config.json", "[]"),
    "config-cut": with_file("config.json", '{"_model_class": '),
    "config-none": without("config.json"),
    "class-system": changed_json("config.json", _model_class="os.system"),
    "class-function": changed_json("config.json", _model_class="create_model"),
    "other-sizes": changed_json("config.json", decoder_channels=[32, 8, 8]),
    "encoder": changed_json("config.json", encoder_name="no-such-encoder"),
    "few-names": changed_json("segmenter.json", class_names=["background", "red"]),
    "no-names": changed_json("segmenter.json", class_names=[]),
    "name-numbers": changed_json("segmenter.json", class_names=[0, 1, 2]),
    "two-means": changed_json("segmenter.json", mean=[0.5, 0.5]),
    "std-zero": changed_json("segmenter.json", std=[0, 0, 0]),
    "spec-more": changed_json("segmenter.json", device="cuda"),
    "spec-list": with_file("segmenter.json", "[]"),
    "spec-cut": with_file("segmenter.json", '{"model": '),
}
MASK2FORMERS: dict[str, Callable[[Path], None]] = {
    "m2f-bin": as_pickle("pytorch_model.bin"),
    "m2f-cut": with_weights(lambda content: content[:-100]),
    "m2f-layers": changed_json("config.json", hidden_dim="wide"),
}
PIPELINES: dict[str, Callable[[Path], None]] = {
    "pipe-system": changed_json("model_index.json", unet=["os", "system"]),
    "pipe-list": with_file("model_index.json", "[]"),
    "pipe-cut": with_file("model_index.json", '{"_class_name": "StableDiff'),
    "pipe-unknown": changed_json("model_index.json", _class_name="NoSuchPipeline"),
    "pipe-code": changed_json("model_index.json", _class_name=["code", "Pipeline"]),
    "pipe-config": with_file("unet/config.json", "[]"),
    "pipe-weights": lambda folder: with_weights(lambda content: content[:1000])(folder / "unet"),
    "pipe-bin": lambda folder: as_pickle("diffusion_pytorch_model.bin")(folder / "unet"),
    "pipe-settings": with_file("attnmask_config.json", "[]"),
}


SAMS: dict[str, Callable[[Path], None]] = {
    "sam-cut": with_weights(lambda content: content[:-100]),
    "sam-unprepared": without("preprocessor_config.json"),
}


def models(path: Path) -> None:
    path.mkdir()
    small_model().save_pretrained(path / "whole")
    small_mask2former().save_pretrained(path / "whole-m2f")
    sd15().save_pretrained(path / "whole-pipe")
    sam2(path / "whole-sam")
    kinds = {"whole": SEGMENTERS, "whole-m2f": MASK2FORMERS, "whole-pipe": PIPELINES, "whole-sam": SAMS}
    for whole, spoilers in kinds.items():
        for name, spoil in spoilers.items():
            shutil.copytree(path / whole, path / name)
            spoil(path / name)
    (path / "nothing").mkdir()
    (path / "pipe-code/code.py").write_text("raise SystemExit('payload has run')")


MATERIAL: dict[str, Callable[[Path], None]] = {
    made.__name__: made for made in (pictures, spoilt, formats, models)
}
