"""Datasets of Parquet files, opened where all of them are there, whole, and within their folder."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from datasets.exceptions import DatasetGenerationError, SplitsVerificationError

from diffusers_attnmask.ground.damage import DamagedFile
from diffusers_attnmask.ground.hub_errors import first_line, within_reach
from diffusers_attnmask.ground.json_files import read_json
from train_segmenter.data.home import Home
from train_segmenter.data.names import check_labels, labels_of
from train_segmenter.data.split_parts import no_split, parts_of

NUMBERED = re.compile(r"(.+)-(\d{5})-of-(\d{5})\.parquet")
USUAL = ("train", "validation", "test")  # splits, in this order
UNNAMED = USUAL[0]
PLACES = ("data", ".", "*")  # where Parquet files lie in a dataset's folder
SPLITS, STATE = "dataset_dict.json", "state.json"  # of what `save_to_disk` leaves
CARD = "README.md"
UNREADABLE = (pa.ArrowException, OSError)


def shard_paths(home: Home) -> list[Path]:
    """The Parquet files of a dataset's folder, in order: none is missing, cut off or of other columns."""
    folder = home.folder
    if not folder.is_dir():
        raise FileNotFoundError(
            f"there is no folder {folder}: give a dataset folder, as attnmask build makes"
        )
    script = folder / f"{folder.resolve().name}.py"
    if script.is_file():
        raise ValueError(f"{script} is a loading script, which is not run: remove it, or read another folder")
    found = (sorted(folder.glob(f"{place}/*.parquet")) for place in PLACES)
    paths = next((some for some in found if some), [])
    if not paths:
        raise FileNotFoundError(
            f"{folder} holds no Parquet files: give a dataset folder, such as attnmask build makes"
        )
    _check_numbers(paths)
    for path in paths:
        check_shard(home.path(path), paths[0])
    if not sum(pq.read_metadata(path).num_rows for path in paths):
        raise ValueError(f"{folder} holds no pair: its Parquet files have no row")
    return paths


def check_shard(path: Path, first: Path) -> None:
    """Refuses a file that is no whole Parquet file, or has other columns than the first of its dataset."""
    with readable(path):
        schema, own = pq.read_schema(first), pq.read_schema(path)
    if not own.equals(schema):
        columns = [", ".join(f"{field.name} ({field.type})" for field in each) for each in (own, schema)]
        raise ValueError(f"{path} has the columns {columns[0]}; {first.name} has {columns[1]}")


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Around what reads a Parquet file: what is wrong with it is told by its name."""
    try:
        if not path.stat().st_size:
            raise DamagedFile(f"{path} is not a whole Parquet file: it is empty")
        yield
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no file {path}") from None
    except DamagedFile:
        raise
    except PermissionError as mistake:
        raise PermissionError(mistake.errno, mistake.strerror, str(path)) from mistake
    except UNREADABLE as mistake:
        raise DamagedFile(f"{path} is not a whole Parquet file: {first_line(mistake)}") from mistake


def _check_numbers(paths: Sequence[Path]) -> None:
    """Refuses files named `SPLIT-00000-of-00003.parquet` where one of the three is missing."""
    by_split: dict[str, dict[int, set[int]]] = {}
    for path in paths:
        if match := NUMBERED.fullmatch(path.name):
            split, number, count = match[1], int(match[2]), int(match[3])
            by_split.setdefault(split, {}).setdefault(count, set()).add(number)
    for split, counts in by_split.items():
        if len(counts) > 1:
            listed = " and ".join(f"of {count:05d}" for count in sorted(counts))
            raise ValueError(
                f"{paths[0].parent} mixes files of two datasets: {split} {listed}; a build that was to grow "
                "and stopped goes on if run again"
            )
        for count, numbers in counts.items():
            if missing := sorted(set(range(count)) - numbers):
                name = paths[0].with_name(f"{split}-{missing[0]:05d}-of-{count:05d}.parquet")
                others = f", like {len(missing) - 1} others" if len(missing) > 1 else ""
                raise FileNotFoundError(
                    f"{name} is missing{others}: a build that stopped goes on if run again"
                )


def split_files(paths: Sequence[Path]) -> dict[str, list[Path]]:
    """The Parquet files of each split, by their names; what is named otherwise is for training."""
    files: dict[str, list[Path]] = {}
    for path in paths:
        match = NUMBERED.fullmatch(path.name)
        files.setdefault(match[1] if match else UNNAMED, []).append(path)
    return dict(sorted(files.items(), key=lambda own: split_order(own[0])))


def split_order(split: str) -> tuple[int, str]:
    """Where a split stands among others: train, validation, test, and what else there is."""
    return (USUAL.index(split) if split in USUAL else len(USUAL), split)


def open_rows(path: str, part: str, *, outside: bool = False) -> datasets.Dataset:
    """The rows of a dataset folder (Parquet, or as `save_to_disk` left it) or of a dataset of the Hub.

    part: a split, or what is written `train[:10%]+validation`.
    """
    chosen = []
    for own in parts_of(part):
        rows = _open_split(path, own.split, outside)
        chosen.append(rows.select(own.numbers(len(rows))) if own.piece else rows)
    return datasets.concatenate_datasets(chosen) if len(chosen) > 1 else chosen[0]


def _open_split(path: str, split: str, outside: bool) -> datasets.Dataset:
    folder = Path(path)
    if not folder.exists():
        with within_reach(path, "dataset"):
            return _of_the_hub(path, split)
    home = Home(folder, outside)
    if (folder / SPLITS).is_file() or (folder / STATE).is_file():
        return _saved(home, split)
    shards = shard_paths(home)
    return _rows(_builder(home, shards), split, shards)


def _of_the_hub(path: str, split: str) -> datasets.Dataset:
    try:
        return datasets.load_dataset(path, split=split)
    except ValueError as mistake:
        if split in (known := datasets.get_dataset_split_names(path)):
            raise
        raise no_split(path, split, known) from mistake


def hub_revision(name: str) -> str:
    """The commit at which a dataset of the Hub is read; without a way there, that of the copy here."""
    with within_reach(name, "dataset"):
        return str(datasets.load_dataset_builder(name).hash)


def split_names(path: str, *, outside: bool = False) -> list[str]:
    """The splits of a dataset folder or of a dataset of the Hub."""
    folder = Path(path)
    if not folder.exists():
        with within_reach(path, "dataset"):
            return datasets.get_dataset_split_names(path)
    if (folder / SPLITS).is_file():
        return list(map(str, read_json(folder / SPLITS).get("splits", ())))
    if (folder / STATE).is_file():
        return [str(read_json(folder / STATE).get("_split") or "train")]
    home = Home(folder, outside)
    return list(map(str, _builder(home, shard_paths(home)).config.data_files))


def _builder(home: Home, shards: Sequence[Path]) -> datasets.DatasetBuilder:
    """What reads the files of a folder, as its card or their names say; none of them lies elsewhere."""
    if (where := str(home.folder.absolute())) != glob.escape(where):
        raise ValueError(f"{where} holds one of * ? [, for which other folders would be read, too: rename it")
    try:  # an absolute path, which is never taken for the name of a format
        builder = datasets.load_dataset_builder(where, cache_dir=_cache_of(shards))
    except (yaml.YAMLError, TypeError, KeyError, AttributeError) as mistake:
        raise DamagedFile(
            f"{home.folder / CARD} has a head that cannot be read: {first_line(mistake)}"
        ) from mistake
    for files in builder.config.data_files.values():
        for file in files:
            home.file(file)
    return builder


def _cache_of(shards: Sequence[Path]) -> str:
    """A cache for these files as they are: `datasets` takes folders of one name and one card for the same."""
    states = [(str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns) for path in shards]
    digest = sha256(repr(states).encode()).hexdigest()[:16]
    return str(Path(datasets.config.HF_DATASETS_CACHE) / "attnmask" / digest)


def _rows(builder: datasets.DatasetBuilder, split: str, shards: Sequence[Path]) -> datasets.Dataset:
    if split not in builder.config.data_files:
        raise no_split(builder.base_path, split, builder.config.data_files)
    _check_card(builder.info.features, shards[0], Path(builder.base_path))
    try:
        builder.download_and_prepare()
    except SplitsVerificationError as mistake:
        raise ValueError(
            f"{shards[0].parent} does not hold as many pairs as the card beside it says: "
            "files are missing, or the card is an old one"
        ) from mistake
    except DatasetGenerationError as mistake:
        for path in shards:
            with readable(path), pq.ParquetFile(path) as file:
                for _ in file.iter_batches(batch_size=32):
                    pass
        raise DamagedFile(f"{shards[0].parent} cannot be read: {first_line(_cause(mistake))}") from mistake
    return builder.as_dataset(split=split)


def _check_card(features: datasets.Features | None, shard: Path, folder: Path) -> None:
    """Refuses a card of other labels than its files have, whose numbers would be read as the card's."""
    told = labels_of(features or datasets.Features())
    within = labels_of(datasets.Features.from_arrow_schema(pq.read_schema(shard)))
    if told is not None and within is not None:
        check_labels(told, within, str(folder / CARD), shard.name)


def _saved(home: Home, split: str) -> datasets.Dataset:
    """What `save_to_disk` left, whose list of files leads nowhere else."""
    folder = home.folder
    if (folder / SPLITS).is_file():
        known = split_names(str(folder))
        if split not in known:
            raise no_split(folder, split, known)
        folder = home.file(split)
    state = read_json(folder / STATE)
    try:
        names = [str(file["filename"]) for file in state["_data_files"]]
    except (KeyError, TypeError) as mistake:
        raise DamagedFile(f"{folder / STATE} does not list its files") from mistake
    for name in names:
        home.file(name, folder)
    try:
        return datasets.Dataset.load_from_disk(str(folder))
    except (*UNREADABLE, ValueError, TypeError, KeyError, AttributeError) as mistake:
        raise DamagedFile(f"{folder} is not a whole saved dataset: {first_line(mistake)}") from mistake


def _cause(mistake: BaseException) -> BaseException:
    return mistake.__cause__ or mistake
