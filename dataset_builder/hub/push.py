"""The way to the Hub: files go up one by one, and become visible all at once or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
from huggingface_hub.errors import HfHubHTTPError, HFValidationError

from dataset_builder.pairs import shard_paths

# httpx's root of all errors, under whichever name the client brings httpx along
ConnectionLost = HfHubHTTPError.__bases__[0]
DOCUMENTS = ("README.md", "*.json", "*.csv", "assets/*")


class Push:
    """One push to a dataset repository, which is made if need be.

    `stage` uploads a file's content without showing it, `commit` shows everything. What was staged by a push
    that broke off is found on the Hub again and not sent twice.
    """

    def __init__(self, repo: str, private: bool = False, token: str | None = None) -> None:
        if repo.count("/") != 1:
            raise ValueError(f"{repo!r} is no name of a repository: write it as user/name")
        self.repo, self.api = repo, HfApi(token=token)
        self.additions: dict[str, CommitOperationAdd] = {}
        with clear_errors(repo, self.api.endpoint):
            url = self.api.create_repo(repo, repo_type="dataset", private=private or None, exist_ok=True)
            self.address = str(url)
            if private and not self.api.dataset_info(repo).private:
                raise ValueError(
                    f"{repo} exists and is public: choose another name, or make it private in its settings"
                )

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


@contextmanager
def clear_errors(repo: str, endpoint: str) -> Iterator[None]:
    """What went wrong, in one line with its remedy."""
    try:
        yield
    except HFValidationError as mistake:
        raise ValueError(f"{repo!r} is no name of a repository: {mistake}") from mistake
    except (ConnectionLost, RuntimeError) as mistake:
        cause = mistake
        while cause is not None and not isinstance(cause, ConnectionLost):  # uploads are wrapped
            cause = cause.__cause__
        if cause is None:
            raise
        raise OSError(explained(cause, repo, endpoint)) from mistake


def explained(error: Exception, repo: str, endpoint: str) -> str:
    status = error.response.status_code if isinstance(error, HfHubHTTPError) else None
    if status == 401:
        return (
            f"{endpoint} does not accept the token: it is missing, wrong or expired. Log in with "
            "`hf auth login`; nothing was published."
        )
    if status == 403:
        return f"the token may not write to {repo}: make one with write access; nothing was published."
    if status is not None:
        return f"{endpoint} answered {status} to the push to {repo}: {error}. Nothing was published."
    return (
        f"the connection to {endpoint} was lost ({error}); nothing was published. Run the same command "
        "again: files that arrived are not sent twice."
    )
