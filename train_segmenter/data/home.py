"""Where the files of a dataset may lie: below its own folder, whatever its lists, rows and links say."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path, PureWindowsPath

REMEDY = "where that is meant, --allow-outside reads it"
BLOBS = "blobs"  # of the Hub's cache: the files that snapshots beside it link to


@dataclass(frozen=True)
class Home:
    """A dataset's folder. outside: whether what its files name may lie elsewhere; remedy: how to say so."""

    folder: Path
    outside: bool = False
    remedy: str = field(default=REMEDY, repr=False, compare=False)
    _real: dict[str, str] = field(default_factory=dict, repr=False, compare=False)  # folders behind links

    def file(self, name: str, within: Path | None = None) -> Path:
        """The file that data names, relative to a folder (by default the own one); see `path`."""
        if "\0" in name or "://" in name:
            raise ValueError(
                f"the file name {name!r} leads out of {self.folder}: it is no name of a file in it"
            )
        windows = PureWindowsPath(name)
        if not self.outside and (windows.drive or ("\\" in name and (".." in windows.parts or windows.root))):
            raise ValueError(f"the file name {name!r} leads out of {self.folder}; {self.remedy}")
        return self.path((within or self.folder) / name, name)

    def path(self, path: Path, name: str = "") -> Path:
        """The path itself; one that leads out of the folder, by its parts or by a link, is refused.

        Snapshots of the Hub's cache may link to its blobs. name: what data call the path.
        """
        if self.outside:
            return path
        real = os.path.join(self._behind(os.path.dirname(path)), os.path.basename(path))
        if os.path.basename(path) in ("", ".", "..") or os.path.islink(real):
            real = os.path.realpath(real)
        if not self._holds(real):
            raise ValueError(
                f"the file name {name or str(path)!r} leads out of {self.folder}, to {real}; {self.remedy}"
            )
        return path

    def _behind(self, folder: str) -> str:
        if folder not in self._real:
            self._real[folder] = os.path.realpath(folder)
        return self._real[folder]

    def _holds(self, real: str) -> bool:
        own = self._behind(os.fspath(self.folder))
        blobs = os.path.join(os.path.dirname(os.path.dirname(own)), BLOBS)
        snapshot = os.path.basename(os.path.dirname(own)) == "snapshots"
        return any(
            real == root or real.startswith(os.path.join(root, ""))
            for root in (own, *([blobs] if snapshot else []))
        )
