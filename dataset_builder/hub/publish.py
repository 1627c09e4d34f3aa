"""Any folder to the Hub, as what it holds: a segmenter, a pipeline or a dataset."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from dataset_builder.dataset_copies import OpenedDataset, mask_names, open_dataset
from dataset_builder.dataset_folder import check_pairs, write_labels
from dataset_builder.derived_shards import DerivedRows, write_shards
from dataset_builder.engine.workers import Alone
from dataset_builder.hub.card import license_of, write_card
from dataset_builder.hub.push import push_folder
from dataset_builder.origin import identity_of
from diffusers_attnmask.ground.own_folder import held_folder
from diffusers_attnmask.publishing import PIPELINE_INDEX, check_repository_name, push_pipeline
from train_segmenter.data.finished import data_folder
from train_segmenter.data.split_parts import data_word
from train_segmenter.models.base import SPEC_FILE


def publish_folder(folder: str | Path, repo: str, private: bool = False, license: str | None = None) -> str:
    """Publish a folder with its card, or parts of a dataset (`folder@train[:10%]`). Returns the
    repository's address."""
    path, parts = data_word(folder)
    check_repository_name(repo)  # before a card is written
    if not parts:
        return _published_whole(Path(data_folder(path)), repo, private, license)
    opened = open_dataset(folder)
    with TemporaryDirectory() as work:
        own = Path(work) / repo.rpartition("/")[2]
        features, identity = opened.pairs.features, identity_of("push", folder, {})
        rows = DerivedRows(opened.lengths, OpenedDataset.rows, features, identity)
        write_shards(rows, own, Alone(opened), lambda pairs: None)
        write_labels(mask_names(features), own)
        return _published_whole(own, repo, private, license or license_of(opened.path))


def _published_whole(folder: Path, repo: str, private: bool, license: str | None) -> str:
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder} to push")
    if not any((folder / own).is_file() for own in (SPEC_FILE, PIPELINE_INDEX)):
        check_pairs(folder)
    with held_folder(folder):
        return _published(folder, repo, private, license)


def _published(folder: Path, repo: str, private: bool, license: str | None) -> str:
    if (folder / SPEC_FILE).is_file():
        from train_segmenter.card import push_model  # needs the extra that has trained it

        return push_model(folder, repo, private, license=license)
    if (folder / PIPELINE_INDEX).is_file():
        if license:
            raise ValueError(f"--license {license} has no card to stand in: write it into {folder}/README.md")
        return push_pipeline(folder, repo, private)
    write_card(folder, repo, license)
    return push_folder(folder, repo, private)
