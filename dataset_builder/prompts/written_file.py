"""The prompts that a language model wrote, kept in a file, so that no run writes them another way."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock


@dataclass(frozen=True)
class Written:
    """A prompt and the class that it was made for; by: "writer", or "template" where it found no words."""

    name: str
    text: str
    by: str = "writer"


@dataclass(frozen=True)
class WrittenFile:
    """A prompt per line, as JSON, in batches: what a killed run left of a batch is written anew."""

    path: Path
    batch_size: int

    def read(self) -> list[Written]:
        """Those of whole batches."""
        return [Written(**json.loads(line)) for line in self._lines()]

    def append(self, batch: Sequence[Written]) -> None:
        """One batch more; it outlives a crash from here on."""
        lines = self._lines()
        lines += [json.dumps(asdict(own), ensure_ascii=False).encode() + b"\n" for own in batch]
        kept = sum(map(len, lines[: -len(batch)]))
        with self.path.open("r+b" if self.path.exists() else "w+b") as stream:
            stream.truncate(kept)
            stream.seek(kept)
            stream.writelines(lines[-len(batch) :])
            stream.flush()
            os.fsync(stream.fileno())

    @contextmanager
    def held(self) -> Iterator[None]:
        """For one process at a time: others wait, and then find what it wrote."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.path.with_name(f".{self.path.name}.lock"))
        while not lock.is_locked:
            lock.acquire()
            if not Path(lock.lock_file).exists():  # who had it before took it away meanwhile
                lock.release()
        try:
            yield
        finally:
            Path(lock.lock_file).unlink(missing_ok=True)
            lock.release()

    def _lines(self) -> list[bytes]:
        if not self.path.exists():
            return []
        lines = self.path.read_bytes().splitlines(keepends=True)
        if lines and not lines[-1].endswith(b"\n"):
            lines.pop()
        return lines[: len(lines) // self.batch_size * self.batch_size]
