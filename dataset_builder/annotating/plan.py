"""The pictures of a folder as the prompts of a build, one for each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

from dataset_builder.annotating.options import PictureOptions
from dataset_builder.annotating.table import read_table
from dataset_builder.annotating.wording import captioned, described
from dataset_builder.prompts import PromptItem, PromptReport
from dataset_builder.vocabulary import Vocabulary
from train_segmenter.data.base import IMAGE_SUFFIXES
from train_segmenter.data.finished import check_finished
from train_segmenter.data.home import Home

REMEDY = "where that is meant, --allow-outside reads it (in a recipe, pictures.allow_outside)"


@dataclass(frozen=True)
class PicturePlan:
    """Item i says of picture i what it may show, and where it is (`condition`)."""

    items: Sequence[PromptItem]
    report: PromptReport
    fingerprint: str

    def __getitem__(self, index: int) -> PromptItem:
        if index >= len(self.items):
            raise ValueError(f"there are {len(self.items)} pictures: ask for as many pairs, and not for more")
        return self.items[index]

    def __len__(self) -> int:
        return len(self.items)


def picture_plan(options: PictureOptions, vocabulary: Vocabulary) -> PicturePlan:
    """The plan of a folder, whose pictures are only counted."""
    folder = Path(options.folder)
    pictures = pictures_below(folder, options.allow_outside)
    files = {path.relative_to(folder).as_posix(): path for path in pictures}
    items = listed_items(options, vocabulary, files) if options.table else every_class(vocabulary, files)
    counted = Counter(name for item in items for name in item.class_names)
    names = [own.name for own in vocabulary.classes]
    report = PromptReport(
        {name: counted[name] for name in names}, tuple(own for own in names if not counted[own])
    )
    digest = sha256(repr((options.deciding(), asdict(vocabulary))).encode())
    for item in items:
        assert item.condition is not None  # the picture
        path = Path(item.condition)
        stored = (path.relative_to(folder).as_posix(), path.stat().st_size, item.text, item.classes)
        digest.update(repr(stored).encode())
    return PicturePlan(items, report, digest.hexdigest())


def pictures_below(folder: Path, outside: bool = False) -> list[Path]:
    """The pictures of a folder and of those in it, by name; outside: those, too, that links lead to."""
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder of pictures {folder}")
    check_finished(folder)
    files = [path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file()]
    if not files:
        raise FileNotFoundError(f"the folder {folder} holds no picture ({', '.join(IMAGE_SUFFIXES)})")
    home = Home(folder, outside, REMEDY)
    for path in files:
        home.path(path)
        if (known := path.name.encode(errors="replace").decode()) != path.name:
            raise ValueError(f"{path.parent} holds {known}, whose name is not UTF-8: rename it")
    return sorted(files, key=lambda path: path.relative_to(folder).as_posix())


def every_class(vocabulary: Vocabulary, files: dict[str, Path]) -> list[PromptItem]:
    """Every picture may show every class."""
    names = [own.name for own in vocabulary.classes]
    return [described(names, vocabulary, str(path)) for path in files.values()]


def listed_items(options: PictureOptions, vocabulary: Vocabulary, files: dict[str, Path]) -> list[PromptItem]:
    """The pictures that the table lists, with the classes that it gives them."""
    assert options.table is not None
    items = []
    for file, entry in read_table(Path(options.table), vocabulary).items():
        if file not in files:
            raise FileNotFoundError(f"{options.table} lists {file}, which is no picture of {options.folder}")
        picture = str(files[file])
        item = captioned(entry.caption, entry.classes, vocabulary, picture) if entry.caption else None
        items.append(item or described(entry.classes, vocabulary, picture))
    return items
