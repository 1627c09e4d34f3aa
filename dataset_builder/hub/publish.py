"""Any folder to the Hub, as what it holds: a segmenter, a pipeline or a dataset."""

from __future__ import annotations

from pathlib import Path

from dataset_builder.dataset_folder import check_pairs
from dataset_builder.hub.card import write_card
from dataset_builder.hub.push import push_folder
from diffusers_attnmask.ground.mirror import fetched
from diffusers_attnmask.ground.own_folder import held_folder
from diffusers_attnmask.publishing import PIPELINE_INDEX, check_repository_name, push_pipeline
from train_segmenter.models.base import SPEC_FILE


def publish_folder(folder: str | Path, repo: str, private: bool = False, license: str | None = None) -> str:
    """Publish a folder with its card. Returns the repository's address."""
    folder = Path(fetched(folder))
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder} to push")
    check_repository_name(repo)  # before a card is written
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
