"""The peak of a process's memory, of one that does nothing else: a process never gives all of it back.

As Linux tells it, which is of the program alone: what `getrusage` tells is at least the memory of the process
that started it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

WHOLE, OWN = "MiB", "MiB without files"  # the latter without pages of files, which are given back at need
MOMENT = 0.01  # seconds between two looks
Peak = Mapping[str, float]


def tell_peak_of(work: Callable[[], object]) -> None:
    """Print the most MiB that this process has until some work is done."""
    with _watched() as seen:
        work()
    print(json.dumps({WHOLE: _memory()["VmHWM"], OWN: seen[0]}))


@contextmanager
def _watched() -> Iterator[list[float]]:
    """What is not of files is told of this moment alone, and so looked at again and again."""
    seen, over = [0.0], threading.Event()

    def watch() -> None:
        while not over.wait(MOMENT):
            now = _memory()
            seen[0] = max(seen[0], now["RssAnon"] + now["RssShmem"])

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield seen
    finally:
        over.set()
        watcher.join()


def _memory() -> dict[str, float]:
    """MiB of this process, by the names of `/proc/PID/status`."""
    lines = (line.split() for line in Path("/proc/self/status").read_text().splitlines())
    return {words[0].rstrip(":"): int(words[1]) / 1024 for words in lines if words[-1:] == ["kB"]}


def peak_apart(benchmark: str, *words: object) -> Peak:
    """What a benchmark tells in a process of its own, with the options that have it tell its own peak."""
    command = [sys.executable, "-m", f"benchmarks.{benchmark}", *map(str, words)]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def beside_first(peak: Peak, first: Peak) -> dict[str, float]:
    """Columns of a table: each kind of memory, and what it is of the first row's."""
    columns = ({kind: own, f"{kind}, of the first": own / first[kind]} for kind, own in peak.items())
    return {name: value for pair in columns for name, value in pair.items()}
