"""One word for what a folder or a file holds."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

SAMPLED_BYTES = 1 << 20  # of each end of a weight file: enough to tell two trainings apart


def content_digest(
    content: Path, sampled: int = SAMPLED_BYTES, counts: Callable[[Path], bool] = lambda path: True
) -> str:
    """A digest of a folder or a file: names, sizes and both ends of every file that counts."""
    whole, folder = sha256(), content if content.is_dir() else content.parent
    found = sorted(path for path in folder.rglob("*") if path.is_file()) if content.is_dir() else [content]
    for path in filter(counts, found):
        size = path.stat().st_size
        whole.update(f"{path.relative_to(folder).as_posix()} {size}\n".encode())
        with path.open("rb") as stream:
            whole.update(stream.read(sampled))
            stream.seek(max(size - sampled, 0))
            whole.update(stream.read(sampled))
    return whole.hexdigest()
