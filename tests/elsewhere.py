"""A folder elsewhere for a test: in memory, or on the disk by its address."""

from __future__ import annotations

from pathlib import Path

import fsspec


class Elsewhere:
    """A storage's folder; files by name as their contents."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.system, self.root = fsspec.core.url_to_fs(address)

    def files(self) -> dict[str, bytes]:
        found = self.system.find(self.root) if self.system.exists(self.root) else []
        return {
            path.removeprefix(self.root).lstrip("/"): self.system.cat_file(path) for path in sorted(found)
        }

    def beside(self, name: str) -> Elsewhere:
        """Another folder of the storage."""
        return Elsewhere(f"{self.address.rpartition('/')[0]}/{name}")

    def write(self, name: str, content: bytes) -> None:
        self.system.makedirs(f"{self.root}/{name}".rpartition("/")[0], exist_ok=True)
        self.system.pipe_file(f"{self.root}/{name}", content)

    def remove(self, name: str = "") -> None:
        self.system.rm(f"{self.root}/{name}".rstrip("/"), recursive=True)

    def put(self, folder: Path) -> None:
        for file in folder.rglob("*"):
            if file.is_file():
                self.write(file.relative_to(folder).as_posix(), file.read_bytes())


def contents(folder: Path) -> dict[str, bytes]:
    return {
        file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()
    }
