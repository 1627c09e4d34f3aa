"""What workers found of a stage's pairs, some pairs in a file, until the stage is complete.

So a run that was stopped goes on behind them, and this process need not hold in memory what it joins at last.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from dataset_builder.engine.spans import Span
from dataset_builder.engine.workers import Workers
from diffusers_attnmask.ground.atomic_files import write_bytes

Stage = TypeVar("Stage")
FOLDER = ".parts"  # of a folder that is being written


@dataclass(frozen=True)
class Part:
    """What came of a span, as bytes; files: what else it makes, by paths below the folder that is written."""

    span: Span
    content: bytes
    files: Mapping[str, bytes] = field(default_factory=dict)

    @classmethod
    def of(cls, span: Span, entries: Sequence[Any], files: Mapping[str, bytes] | None = None) -> Part:
        """A part whose content are plain values, one for each pair."""
        return cls(span, json.dumps(entries).encode(), files or {})


class KeptParts:
    """The parts of one kind in a folder that is being written.

    identity: of all that decides a byte of them; those of another one are removed.
    """

    def __init__(self, folder: Path, kind: str, identity: str) -> None:
        self.folder, self.home = folder, folder / FOLDER / kind / identity[:32]
        if self.home.parent.is_dir():
            for other in self.home.parent.iterdir():
                if other != self.home:
                    shutil.rmtree(other)

    @property
    def begun(self) -> bool:
        return self.home.is_dir()

    def make(
        self,
        workers: Workers[Stage],
        function: Callable[[Stage, Span], Part],
        asked: Iterable[Span],
        advance: Callable[[int], object],
    ) -> None:
        """Make the parts that are missing. advance: is told of every so many pairs."""
        for part in workers.results(function, self._missing(asked, advance)):
            for name, content in part.files.items():
                place = self.folder / name
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(content)
            write_bytes(self._file(part.span), part.content)
            advance(len(part.span))

    def _missing(self, asked: Iterable[Span], advance: Callable[[int], object]) -> Iterator[Span]:
        for span in asked:
            if self._file(span).is_file():
                advance(len(span))
            else:
                yield span

    def read(self, span: Span) -> bytes:
        return self._file(span).read_bytes()

    def entries(self, asked: Iterable[Span]) -> Iterator[Any]:
        """What parts of plain values hold, pair by pair, one part in memory."""
        for span in asked:
            yield from json.loads(self.read(span))

    def _file(self, span: Span) -> Path:
        return self.home / str(span)


def remove_parts(folder: Path) -> None:
    """At the end, of all kinds."""
    shutil.rmtree(folder / FOLDER, ignore_errors=True)
