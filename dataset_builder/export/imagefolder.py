"""Pictures with a `metadata.jsonl`, as `load_dataset("imagefolder")` reads them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dataset_builder.dataset_folder import write_labels
from dataset_builder.export.encoding import mask_file, picture_suffix
from dataset_builder.export.files import existing, file_content
from dataset_builder.export.objects import objects_of
from dataset_builder.export.pair_set import NamedPair, Pairs, PairSet
from dataset_builder.export.writer import Entries, WrittenPair
from diffusers_attnmask.ground.atomic_files import replacing
from diffusers_attnmask.ground.columns import object_facts
from diffusers_attnmask.ground.json_files import read_json_lines
from diffusers_attnmask.ground.palette import Colour
from diffusers_attnmask.ground.pictures import encoded, object_ids, opened_file, read_mask
from train_segmenter.data.home import Home
from train_segmenter.data.names import class_names

METADATA = "metadata.jsonl"
IMAGE, MASK, OBJECTS = "file_name", "mask_file_name", "instances_file_name"  # a column of pictures each
SPLITS = ("train", "validation", "test")


class ImageFolderWriter:
    """A folder for each split; its pictures, `masks` and `instances`, and a line for each pair."""

    def __init__(self, pairs: PairSet, palette: Sequence[Colour]) -> None:
        self.pairs = pairs

    def pair(self, split: str, number: int, pair: NamedPair) -> WrittenPair:
        names = self.pairs.class_names
        objects = objects_of(pair, names)
        image, picture = f"{pair.name}{picture_suffix(pair.image, pair.name)}", f"{pair.name}.png"
        entry = {
            IMAGE: image,
            MASK: f"masks/{picture}",
            OBJECTS: f"instances/{picture}",
            "id": pair.name,
            "classes": sorted({own.name for own in objects}),
            "objects": object_facts(objects, range(len(names))),
        }
        files = {
            f"{split}/{entry[IMAGE]}": pair.image,
            f"{split}/{entry[MASK]}": mask_file(pair.mask),
            f"{split}/{entry[OBJECTS]}": encoded(objects.ids),
        }
        return WrittenPair(files, entry)

    def finish(self, folder: Path, entries: Entries) -> Path:
        for split, of_pairs in entries.items():
            with (
                replacing(folder / split / METADATA) as partial,
                partial.open("w", encoding="utf-8") as lines,
            ):
                lines.writelines(f"{json.dumps(own, ensure_ascii=False)}\n" for own in of_pairs())
        write_labels(self.pairs.class_names, folder)
        return folder


def read_imagefolder(root: Path, split: str | None = None, *, outside: bool = False) -> PairSet:
    """Lines that name a picture and its mask; class names from `id2label.json`."""
    found = existing({name: (root / name / METADATA).is_file() for name in SPLITS}, split, str(root))
    rows = {name: read_json_lines(Home(root, outside).file(f"{name}/{METADATA}")) for name in found}
    tells = all(OBJECTS in row for own in rows.values() for row in own)
    splits = {name: row_pairs(Home(root, outside), name, own) for name, own in rows.items()}
    return PairSet(class_names(root), splits, tells_objects=tells)


def row_pairs(home: Home, split: str, rows: Sequence[Mapping[str, Any]]) -> Pairs:
    folder = home.file(split)
    for number, row in enumerate(rows, start=1):
        if not isinstance(row.get(IMAGE), str) or not isinstance(row.get(MASK), str):
            raise ValueError(f"{folder / METADATA}: line {number} needs {IMAGE} and {MASK}, names of files")

    def read(number: int) -> NamedPair:
        row = rows[number]
        picture, mask = home.file(row[IMAGE], folder), read_mask(home.file(row[MASK], folder))
        objects = None
        if row.get(OBJECTS):
            file = home.file(str(row[OBJECTS]), folder)
            objects = object_ids(opened_file(file), str(file))
        return NamedPair(picture.stem, file_content(picture), mask, str(picture), objects)

    return Pairs([Path(row[IMAGE]).stem for row in rows], read)
