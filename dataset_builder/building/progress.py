"""How a build goes: live in the terminal, and one line per shard in a log file."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from dataset_builder.building.layout import ShardName
from dataset_builder.building.tally import Tally

LOG_NAME = "build.log"
SHOWN_CLASSES = 12


class BuildProgress:
    """Counts what this run adds to what `done` already held of `total` pairs.

    The log begins with the first shard, or the end: a build that fails before leaves none.
    """

    def __init__(self, total: int, done: Tally, log: Path, show: bool = True) -> None:
        self.total, self.tally, self.log = total, Tally(), log
        self.tally.add(done)
        self.before = done.handled
        self.lines: list[str] = []  # that are not in the log yet
        self.logged = log.exists()
        self.started = time.monotonic()
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(elapsed_when_finished=True),
        )
        self.task = self.bar.add_task("building", total=total, completed=self.before, rate="")
        self.live = Live(self.picture(), console=Console(stderr=True), transient=False, auto_refresh=show)
        self.show = show

    def __enter__(self) -> BuildProgress:
        if self.show:
            self.live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.show:
            self.live.transient = error is not None and not self.tally.handled  # nothing there to be shown
            self.live.update(self.picture(), refresh=True)
            self.live.stop()
            if not (self.live.transient or self.live.console.is_terminal):  # where rich ends without a break
                self.live.console.line()
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
        self.bar.update(self.task, completed=self.tally.handled, rate=f"{self.rate:.2f} pairs/s")
        if self.show:
            self.live.update(self.picture())

    def shard_done(self, name: ShardName, tally: Tally) -> None:
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

    def picture(self) -> Group:
        return Group(self.bar, Text(summary(self.tally), overflow="fold"))


def summary(tally: Tally) -> str:
    """`kept 30, skipped 2 (mask empty 2) | star 9, heart 7, …`"""
    skipped = ", ".join(f"{reason} {count}" for reason, count in tally.skipped.most_common())
    shown = ", ".join(f"{name} {count}" for name, count in tally.classes.most_common(SHOWN_CLASSES))
    more = ", …" if len(tally.classes) > SHOWN_CLASSES else ""
    lost = f"skipped {sum(tally.skipped.values())}" + (f" ({skipped})" if skipped else "")
    return f"kept {tally.pairs}, {lost} | {shown}{more}"
