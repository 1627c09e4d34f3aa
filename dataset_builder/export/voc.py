"""PASCAL VOC: JPEG images, palette masks, and a list for each split."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dataset_builder.dataset_folder import write_labels
from dataset_builder.export.encoding import as_kind, mask_file
from dataset_builder.export.files import existing, file_pair_set, own_name
from dataset_builder.export.pair_set import NamedPair, PairSet
from dataset_builder.export.safety import safe_names
from dataset_builder.export.writer import Entries, WrittenPair
from diffusers_attnmask.ground.atomic_files import write_text
from diffusers_attnmask.ground.palette import Colour
from train_segmenter.data.voc import DEVKIT, voc, voc_home

SPLITS = ("train", "val", "test")


class VocWriter:
    """`VOCdevkit/VOC2012`; images that are no JPEG yet are encoded at quality 95."""

    def __init__(self, pairs: PairSet, palette: Sequence[Colour]) -> None:
        safe_names(name for own in pairs.splits.values() for name in own.names)  # all splits share a folder
        self.pairs, self.palette = pairs, palette

    def pair(self, split: str, number: int, pair: NamedPair) -> WrittenPair:
        image, mask = f"JPEGImages/{pair.name}.jpg", f"SegmentationClass/{pair.name}.png"
        return WrittenPair(
            {
                f"{DEVKIT}/{image}": as_kind(pair.image, "JPEG", pair.name),
                f"{DEVKIT}/{mask}": mask_file(pair.mask, self.palette),
            }
        )

    def finish(self, folder: Path, entries: Entries) -> Path:
        root = folder / DEVKIT
        lists = {own_name(split): own.names for split, own in self.pairs.splits.items() if len(own)}
        lists["trainval"] = [*lists.get("train", []), *lists.get("val", [])]
        for split, names in lists.items():
            text = "".join(f"{name}\n" for name in names)
            write_text(root / "ImageSets" / "Segmentation" / f"{split}.txt", text)
        write_labels(self.pairs.class_names, root)
        return root


def read_voc(path: Path, split: str | None = None, *, outside: bool = False) -> PairSet:
    """A folder with `JPEGImages`, or the one that holds `VOCdevkit/VOC2012`."""
    root = voc_home(path)
    lists = root / "ImageSets" / "Segmentation"
    found = existing({name: (lists / f"{name}.txt").is_file() for name in SPLITS}, split, str(root))
    sources = {name: voc(path, name, outside=outside) for name in found}
    return file_pair_set(sources)
