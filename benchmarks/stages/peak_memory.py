"""The peak of a process's memory, of one that does nothing else: a process never gives all of it back."""

from __future__ import annotations

import resource
import subprocess
import sys


def own_peak() -> float:
    """MiB of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def peak_apart(benchmark: str, *words: object) -> float:
    """What a benchmark prints in a process of its own, with the options that have it print its own peak."""
    command = [sys.executable, "-m", f"benchmarks.{benchmark}", *map(str, words)]
    return float(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
