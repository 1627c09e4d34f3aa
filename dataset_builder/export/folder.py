"""Plain folders, `images/` and `masks/`, and the layout of mmsegmentation with its config."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dataset_builder.dataset_folder import write_labels
from dataset_builder.export.encoding import as_kind, mask_file, picture_suffix
from dataset_builder.export.files import existing, file_pair_set, own_name
from dataset_builder.export.pair_set import NamedPair, PairSet
from dataset_builder.export.writer import Entries, WrittenPair
from diffusers_attnmask.ground.atomic_files import write_text
from diffusers_attnmask.ground.ids import IGNORE_ID
from diffusers_attnmask.ground.palette import Colour
from train_segmenter.data.base import FilePairs, image_files, matching_masks
from train_segmenter.data.folder import folder
from train_segmenter.data.home import Home
from train_segmenter.data.names import class_names

CONFIG = "dataset_config.py"
SPLITS = ("train", "val", "test")


class FolderWriter:
    """`images/` and `masks/`, below the name of the split where there are several."""

    def __init__(self, pairs: PairSet, palette: Sequence[Colour]) -> None:
        self.pairs = pairs

    def pair(self, split: str, number: int, pair: NamedPair) -> WrittenPair:
        base = f"{own_name(split)}/" if len(self.pairs.splits) > 1 else ""
        suffix = picture_suffix(pair.image, pair.name)
        return WrittenPair(
            {
                f"{base}images/{pair.name}{suffix}": pair.image,
                f"{base}masks/{pair.name}.png": mask_file(pair.mask),
            }
        )

    def finish(self, folder: Path, entries: Entries) -> Path:
        write_labels(self.pairs.class_names, folder)
        return folder


def read_folder(root: Path, split: str | None = None, *, outside: bool = False) -> PairSet:
    """A folder with `images/` and `masks/`, or with splits that have them."""
    if split is None and (root / "images").is_dir():
        return file_pair_set({"train": folder(root, outside=outside)})
    found = existing({name: (root / name / "images").is_dir() for name in SPLITS}, split, str(root))
    return file_pair_set({name: folder(root, name, outside=outside) for name in found})


class MmsegWriter:
    """`img_dir/SPLIT`, `ann_dir/SPLIT` and a config for mmsegmentation 1 to inherit from."""

    def __init__(self, pairs: PairSet, palette: Sequence[Colour]) -> None:
        self.pairs, self.palette = pairs, palette

    def pair(self, split: str, number: int, pair: NamedPair) -> WrittenPair:
        place = f"{own_name(split)}/{pair.name}.png"
        return WrittenPair(
            {
                f"img_dir/{place}": as_kind(pair.image, "PNG", pair.name),
                f"ann_dir/{place}": mask_file(pair.mask),
            }
        )

    def finish(self, folder: Path, entries: Entries) -> Path:
        write_text(folder / CONFIG, mmseg_config(self.pairs, self.palette))
        write_labels(self.pairs.class_names, folder)
        return folder


def mmseg_config(pairs: PairSet, palette: Sequence[Colour]) -> str:
    """The dataset part of a config; `data_root` is relative to where training is started."""
    colours = [list(colour) for colour in palette[: len(pairs.class_names)]]
    lines = [
        "# The dataset of an mmsegmentation (>= 1.0) config: put it under _base_, and set data_root.",
        'data_root = "."',
        f"metainfo = dict(classes={pairs.class_names!r}, palette={colours!r})",
    ]
    for split in map(own_name, pairs.splits):
        lines += [
            f"{split}_dataset = dict(",
            '    type="BaseSegDataset",',
            "    data_root=data_root,",
            "    metainfo=metainfo,",
            f'    data_prefix=dict(img_path="img_dir/{split}", seg_map_path="ann_dir/{split}"),',
            '    img_suffix=".png",',
            '    seg_map_suffix=".png",',
            "    reduce_zero_label=False,",
            f"    ignore_index={IGNORE_ID},",
            ")",
        ]
    return "\n".join(lines) + "\n"


def read_mmseg(root: Path, split: str | None = None, *, outside: bool = False) -> PairSet:
    """`img_dir` and `ann_dir` with class names in `id2label.json` or `classes.txt`; no config is run."""
    found = existing({name: (root / "img_dir" / name).is_dir() for name in SPLITS}, split, str(root))
    names, home = class_names(root), Home(root, outside)
    sources: dict[str, FilePairs] = {}
    for name in found:
        images = image_files(home.file(f"img_dir/{name}"))
        sources[name] = FilePairs(names, matching_masks(images, root / "ann_dir" / name, home))
    return file_pair_set(sources)
