"""A dataset from elsewhere as a folder."""

from __future__ import annotations

from pathlib import Path

from diffusers_attnmask.ground.hub_errors import within_reach
from train_segmenter.data.finished import data_folder

FILES = ("*.parquet", "*.json", "*.csv")


def local_folder(dataset: str) -> Path:
    """The folder itself, or that of a remote folder or a downloaded `user/name`."""
    dataset = data_folder(dataset)
    if Path(dataset).is_dir():
        return Path(dataset)
    from huggingface_hub import snapshot_download

    with within_reach(dataset, "dataset"):
        return Path(snapshot_download(dataset, repo_type="dataset", allow_patterns=list(FILES)))
