"""The stop of one person's samplings, which leaves those of others alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4


@dataclass(frozen=True)
class Halt:
    """A file, which is there once the samplings that look at it are to end: a lent GPU samples in a process
    of its own, which sees no variable of this one."""

    file: Path

    @property
    def called(self) -> bool:
        return self.file.exists()

    def call(self) -> None:
        self.file.touch()


@dataclass(frozen=True)
class Halts:
    """The halts of all who use a page, in a folder that goes with it."""

    folder: TemporaryDirectory[str] = field(
        default_factory=lambda: TemporaryDirectory(prefix="attnmask-stop-")
    )

    def begin(self, before: Halt | None) -> Halt:
        """For one more sampling of somebody: what still runs of the same person ends with it."""
        if before is not None and not before.called:
            return before
        return Halt(Path(self.folder.name, uuid4().hex))

    @staticmethod
    def stop(halt: Halt | None) -> None:
        """End at the next step what somebody has begun; there may be nothing."""
        if halt is not None:
            halt.call()
