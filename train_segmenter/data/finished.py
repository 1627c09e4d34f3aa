"""Data that are complete: what a command that was stopped has left is no dataset yet."""

from __future__ import annotations

from pathlib import Path

from diffusers_attnmask.ground.json_files import read_json
from diffusers_attnmask.ground.mirror import fetched
from diffusers_attnmask.ground.own_folder import UNFINISHED, owner_of

MANIFEST, COMPLETE = "manifest.json", "complete"  # of a build, whose shards are in their place one by one


def data_folder(word: str | Path) -> str:
    """Where the data of a path or an address lie on this machine, if they are complete; Hub names stay."""
    folder = fetched(word)
    if Path(folder).exists():  # a Hub name is none
        check_finished(Path(folder), str(word))
    return folder


def check_finished(folder: Path, name: str = "") -> None:
    """Refuse a folder, called by a name, that a command has not finished, or what lies in such a one."""
    for own in (folder, *folder.absolute().parents):
        if own.name.endswith(UNFINISHED) and (command := owner_of(own)):
            raise _unfinished(own, command, own.with_name(own.name.removesuffix(UNFINISHED)))
    check_complete(folder, name)


def check_complete(folder: Path, name: str = "") -> None:
    """Refuse the folder of a build that has shards to make."""
    manifest = folder / MANIFEST
    if (command := owner_of(folder)) and manifest.is_file() and not read_json(manifest).get(COMPLETE):
        raise _unfinished(name or folder, command, name or folder)


def _unfinished(folder: object, command: str, out: object) -> ValueError:
    return ValueError(f"{folder} is unfinished: run the same attnmask {command} --out {out} again to resume")
