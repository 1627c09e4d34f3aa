"""Publishing on the Hub: all of a commit or nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from huggingface_hub import CommitOperationAdd, HfApi

from diffusers_attnmask.ground.hub_errors import clear_errors

PIPELINE_INDEX = "model_index.json"
PIPELINE_FILES = ("*.json", "README.md")
COMPONENT_FILES = ("*.json", "*.safetensors", "*.txt", "*.model")  # configurations, weights, tokenizers


def push_model_files(folder: Path, names: Sequence[str], repo: str, private: bool = False) -> str:
    """Publish files of a folder in a model repository, which is made if need be. Returns its address."""
    api = HfApi()
    address = made_repository(api, repo, "model", private)
    additions = [CommitOperationAdd(name, str(folder / name)) for name in names]
    with clear_errors(repo, api.endpoint):
        api.create_commit(repo, additions, commit_message=f"{len(names)} files of a model", repo_type="model")
    return address


def push_pipeline(folder: Path, repo: str, private: bool = False) -> str:
    """Publish what `save_pretrained` of a pipeline wrote, and the folder's card where it has one."""
    return push_model_files(folder, pipeline_files(folder), repo, private)


def pipeline_files(folder: Path) -> list[str]:
    """The index, our settings, the card and the components' files, as names relative to the folder."""
    index = json.loads((folder / PIPELINE_INDEX).read_text(encoding="utf-8"))
    components = [folder / name for name in index if (folder / name).is_dir()]
    own = [path for kind in PIPELINE_FILES for path in folder.glob(kind)]
    parts = [path for part in components for kind in COMPONENT_FILES for path in part.glob(kind)]
    return sorted(path.relative_to(folder).as_posix() for path in own + parts)


def made_repository(api: HfApi, repo: str, kind: str, private: bool) -> str:
    """The address of a repository ("dataset" or "model"), made if need be. A public one is never taken for a
    private one."""
    if repo.count("/") != 1:
        raise ValueError(f"{repo!r} is no name of a repository: write it as user/name")
    with clear_errors(repo, api.endpoint):
        address = api.create_repo(repo, repo_type=kind, private=private or None, exist_ok=True)
        if private and not api.repo_info(repo, repo_type=kind).private:
            raise ValueError(
                f"{repo} exists and is public: choose another name, or make it private in its settings"
            )
    return str(address)
