"""How a build goes: live in the terminal, and one line per shard in a log file."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from dataset_builder.building.layout import ShardName
from dataset_builder.building.tally import Tally
from diffusers_attnmask.ground.bars import moving_bar

LOG_NAME = "build.log"


class BuildProgress:
    """Counts what this run adds to what `done` already held of `total` pairs.

    The log begins with the first shard, or the end: a build that fails before leaves none.
    """

    def __init__(self, total: int, done: Tally, log: Path, show: bool = True) -> None:
        self.total, self.tally, self.log, self.show = total, Tally(), log, show
        self.tally.add(done)
        self.before = done.handled
        self.lines: list[str] = []  # that are not in the log yet
        self.logged = log.exists()
        self.started = time.monotonic()
        self.newest = ""  # file

    def __enter__(self) -> BuildProgress:
        self.bar = moving_bar("building", self.total, first=self.before, shown=self.show)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.leave = error is None or self.tally.handled > 0  # else there is nothing to be shown
        self.bar.close()
        if error is not None:
            self.note("stopped", error=f"{type(error).__name__}: {error}")
        else:
            self.log_begins()

    @property
    def rate(self) -> float:
        """Pairs per second of this run."""
        return (self.tally.handled - self.before) / max(time.monotonic() - self.started, 1e-9)

    def add(self, tally: Tally) -> None:
        """Count finished pairs."""
        self.tally.add(tally)
        self.tell()
        self.bar.update(tally.handled)

    def tell(self) -> None:
        self.bar.say(", ".join(filter(None, (summary(self.tally), self.newest))))

    def shard_done(self, name: ShardName, tally: Tally, file: Path) -> None:
        self.newest = str(file)
        self.tell()
        remaining = self.total - self.tally.handled
        self.log_begins()
        self.note(
            "shard",
            shard=str(name),
            pairs=tally.pairs,
            skipped=dict(tally.skipped),
            done=self.tally.handled,
            of=self.total,
            pairs_per_second=round(self.rate, 3),
            seconds_left=round(remaining / self.rate) if self.rate else None,
            classes=dict(self.tally.classes),
        )

    def note(self, event: str, **details: object) -> None:
        """A line of JSON in the log file."""
        moment = time.strftime("%Y-%m-%dT%H:%M:%S%z")
        self.lines.append(json.dumps({"time": moment, "event": event, **details}, ensure_ascii=False) + "\n")
        if self.logged:
            self.log_begins()

    def log_begins(self) -> None:
        """Write the lines that waited."""
        self.logged = True
        with suppress(OSError), self.log.open("a", encoding="utf-8") as stream:  # the disk may be full
            stream.writelines(self.lines)
        self.lines.clear()


def summary(tally: Tally) -> str:
    """`kept 30, skipped 2 (mask empty 2)`"""
    reasons = ", ".join(f"{reason} {count}" for reason, count in tally.skipped.most_common())
    return f"kept {tally.pairs}" + (f", skipped {sum(tally.skipped.values())} ({reasons})" if reasons else "")
