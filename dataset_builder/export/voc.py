"""PASCAL VOC: JPEG images, palette masks, and a list for each split."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dataset_builder.dataset_folder import write_labels
from dataset_builder.export.encoding import as_kind, write_bytes, write_mask
from dataset_builder.export.files import existing, file_pair_set, own_name
from dataset_builder.export.pair_set import PairSet
from dataset_builder.export.safety import safe_names
from diffusers_attnmask.ground.atomic_files import write_text
from diffusers_attnmask.ground.palette import Colour
from train_segmenter.data.voc import DEVKIT, voc, voc_home

SPLITS = ("train", "val", "test")


def write_voc(pairs: PairSet, out: Path, palette: Sequence[Colour]) -> Path:
    """Write `VOCdevkit/VOC2012`; images that are no JPEG yet are encoded at quality 95."""
    safe_names(name for own in pairs.splits.values() for name in own.names)  # all splits share a folder
    root = out / DEVKIT
    lists: dict[str, list[str]] = {}
    for split, own in pairs.splits.items():
        for pair in own:
            write_bytes(as_kind(pair.image, "JPEG", pair.name), root / "JPEGImages" / f"{pair.name}.jpg")
            write_mask(pair.mask, root / "SegmentationClass" / f"{pair.name}.png", palette)
            lists.setdefault(own_name(split), []).append(pair.name)
    lists["trainval"] = [*lists.get("train", []), *lists.get("val", [])]
    for split, names in lists.items():
        write_text(
            root / "ImageSets" / "Segmentation" / f"{split}.txt", "".join(f"{name}\n" for name in names)
        )
    write_labels(pairs.class_names, root)
    return root


def read_voc(path: Path, split: str | None = None, *, outside: bool = False) -> PairSet:
    """A folder with `JPEGImages`, or the one that holds `VOCdevkit/VOC2012`."""
    root = voc_home(path)
    lists = root / "ImageSets" / "Segmentation"
    found = existing({name: (lists / f"{name}.txt").is_file() for name in SPLITS}, split, str(root))
    sources = {name: voc(path, name, outside=outside) for name in found}
    return file_pair_set(sources)
