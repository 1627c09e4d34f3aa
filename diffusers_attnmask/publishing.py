"""Publishing on the Hub: all of a commit or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from huggingface_hub import CommitOperationAdd, HfApi, constants
from huggingface_hub.utils import validate_repo_id

from diffusers_attnmask.ground.atomic_files import write_text
from diffusers_attnmask.ground.hub_errors import clear_errors
from diffusers_attnmask.ground.json_files import read_json
from diffusers_attnmask.ground.own_folder import bears_line

CARD = "README.md"
CARD_LINE = (
    "<!-- attnmask writes this card anew. Without this line the card is yours, and stays as it is. -->"
)
PIPELINE_INDEX = "model_index.json"
PIPELINE_FILES = ("*.json", CARD)
COMPONENT_FILES = ("*.json", "*.safetensors", "*.txt", "*.model")  # configurations, weights, tokenizers


def is_own_card(folder: Path, license: str | None = None) -> bool:
    """Whether the card of a folder is written by us, or still to be written: one that a person wrote, or took
    over, is left as it is, and a licence cannot be put into it."""
    own = bears_line(folder / CARD, CARD_LINE)
    if license and not own:
        raise ValueError(f"--license {license} has no card to stand in: write it into {folder / CARD}")
    return own


def write_card_file(folder: Path, content: str) -> Path:
    """The card of a folder, with the line that tells that it is ours."""
    write_text(folder / CARD, f"{content.rstrip()}\n\n{CARD_LINE}\n")
    return folder / CARD


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
    index = read_json(folder / PIPELINE_INDEX)
    components = [folder / name for name in index if (folder / name).is_dir()]
    own = [path for kind in PIPELINE_FILES for path in folder.glob(kind)]
    parts = [path for part in components for kind in COMPONENT_FILES for path in part.glob(kind)]
    return sorted(path.relative_to(folder).as_posix() for path in own + parts)


def check_repository_name(repo: str) -> None:
    """Raise unless the Hub can have a repository of that name; it is not asked."""
    if repo.count("/") != 1:
        raise ValueError(f"{repo!r} is no name of a repository: write it as user/name")
    with clear_errors(repo, constants.ENDPOINT):
        validate_repo_id(repo)


def made_repository(api: HfApi, repo: str, kind: str, private: bool) -> str:
    """The address of a repository ("dataset" or "model"), made if need be. A public one is never taken for a
    private one."""
    check_repository_name(repo)
    with clear_errors(repo, api.endpoint):
        address = api.create_repo(repo, repo_type=kind, private=private or None, exist_ok=True)
        if private and not api.repo_info(repo, repo_type=kind).private:
            raise ValueError(
                f"{repo} exists and is public: choose another name, or make it private in its settings"
            )
    return str(address)
