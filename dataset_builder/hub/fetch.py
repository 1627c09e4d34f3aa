"""A dataset of the Hub as a folder."""

from __future__ import annotations

from pathlib import Path

FILES = ("*.parquet", "*.json", "*.csv")


def local_folder(dataset: str) -> Path:
    """The folder itself, or that of a downloaded `user/name`."""
    if Path(dataset).is_dir():
        return Path(dataset)
    if dataset.count("/") != 1 or dataset.startswith((".", "/")):
        raise FileNotFoundError(f"there is no dataset folder {dataset!r}; on the Hub, names are user/name")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(dataset, repo_type="dataset", allow_patterns=list(FILES)))
    except (HfHubHTTPError, LocalEntryNotFoundError) as reason:
        raise OSError(f"{dataset!r} is neither a folder nor a dataset within reach: {reason}") from reason
