"""Rows of commands that were measured before: a long benchmark that was stopped goes on after them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from diffusers_attnmask.ground.atomic_files import write_text

WorkOption = Annotated[
    Path | None, typer.Option(help="Folder of the rows of a stopped run, which goes on after them.")
]


@dataclass(frozen=True)
class KeptRows:
    """The rows of a folder, one of each command, that were measured with the same settings; of no folder,
    none."""

    folder: Path | None
    settings: Mapping[str, Any]

    def row(self, name: str, measured: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """The row of a command, measured if it is not there; it is printed as soon as it is known."""
        row = self._kept(name)
        if row is None:
            row = measured()
            self._keep(name, row)
        print(row, flush=True)
        return row

    def _kept(self, name: str) -> dict[str, Any] | None:
        if self.folder is None or not self._file(self.folder, name).is_file():
            return None
        found = json.loads(self._file(self.folder, name).read_text(encoding="utf-8"))
        return found["row"] if found["settings"] == self.settings else None

    def _keep(self, name: str, row: Mapping[str, Any]) -> None:
        if self.folder is None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        found = {"settings": self.settings, "row": row}
        write_text(self._file(self.folder, name), json.dumps(found, indent=2) + "\n")

    def _file(self, folder: Path, name: str) -> Path:
        return folder / f"{name}.json"
