"""The way to the Hub: files go up one by one, and become visible all at once or not at all."""

from __future__ import annotations

from pathlib import Path

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

from dataset_builder.dataset_folder import shard_paths
from diffusers_attnmask.ground.hub_errors import clear_errors
from diffusers_attnmask.publishing import made_repository

DOCUMENTS = ("README.md", "*.json", "*.csv", "assets/*")


class Push:
    """One push to a dataset repository, which is made if need be.

    `stage` uploads a file's content without showing it, `commit` shows everything. What was staged by a push
    that broke off is found on the Hub again and not sent twice.
    """

    def __init__(self, repo: str, private: bool = False, token: str | None = None) -> None:
        self.repo, self.api = repo, HfApi(token=token)
        self.additions: dict[str, CommitOperationAdd] = {}
        self.address = made_repository(self.api, repo, "dataset", private)

    def stage(self, path: Path, folder: Path) -> None:
        """Upload a file; nobody sees it before `commit`."""
        name = path.relative_to(folder).as_posix()
        addition = CommitOperationAdd(name, str(path))
        with clear_errors(self.repo, self.api.endpoint):
            self.api.preupload_lfs_files(self.repo, [addition], repo_type="dataset", free_memory=False)
        self.additions[name] = addition

    def commit(self, folder: Path) -> str:
        """Show the folder's shards and documents, and no shard of an earlier version. Returns the URL."""
        for path in shard_paths(folder):
            if path.relative_to(folder).as_posix() not in self.additions:
                self.stage(path, folder)
        for pattern in DOCUMENTS:
            for path in sorted(folder.glob(pattern)):
                name = path.relative_to(folder).as_posix()
                self.additions[name] = CommitOperationAdd(name, str(path))
        with clear_errors(self.repo, self.api.endpoint):
            present = self.api.list_repo_files(self.repo, repo_type="dataset")
            stale = [
                CommitOperationDelete(name)
                for name in present
                if name.endswith(".parquet") and name not in self.additions
            ]
            commit = self.api.create_commit(
                self.repo,
                [*self.additions.values(), *stale],
                commit_message=f"{len(shard_paths(folder))} shards of pairs",
                repo_type="dataset",
            )
        return str(commit.commit_url)


def push_folder(folder: Path, repo: str, private: bool = False, token: str | None = None) -> str:
    """Push a dataset folder that has its card. Returns the address of the repository."""
    push = Push(repo, private, token)
    push.commit(folder)
    return push.address
