"""Commands in forked children, which have all imports, and what such a run leaves behind."""

from __future__ import annotations

import faulthandler
import hashlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from dataset_builder.building.manifest import FILE_NAME
from dataset_builder.building.progress import LOG_NAME
from diffusers_attnmask.cli_errors import STOPPED, told
from diffusers_attnmask.ground.atomic_files import PARTIAL

PATIENCE = 300  # seconds until a child that does not end is taken to hang


@dataclass(frozen=True)
class Stage:
    """A command by its name, and what runs it, or goes on with it, in a folder.

    whole: the folder appears when it is complete, and is then refused to another run.
    """

    name: str
    run: Callable[[Path], None]
    whole: bool = False


@dataclass(frozen=True)
class Ended:
    """A child that is gone: its exit code, None where a signal took it, its words, and its time."""

    code: int | None
    said: str
    seconds: float


def run_apart(
    stage: Stage,
    out: Path,
    *,
    killed: tuple[float, signal.Signals] | None = None,
    within: Callable[[], None] = lambda: None,
) -> Ended:
    """Run a stage in a forked child. killed: after how many seconds, and how. within: what the child does
    before."""
    words = out.parent.with_name(f"{out.parent.name}.said")
    started = time.monotonic()
    child = os.fork()
    if child == 0:
        _be_command(stage, out, words, within)
    if killed is not None:
        time.sleep(killed[0])
        os.kill(child, killed[1])
    status = _waited(child, stage, words)
    seconds = time.monotonic() - started
    code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else None
    return Ended(code, words.read_text(errors="replace") if words.exists() else "", seconds)


def run_to_the_end(stage: Stage, out: Path) -> Ended:
    """The same, of a run that nothing disturbs."""
    ended = run_apart(stage, out)
    if ended.code != 0:
        raise RuntimeError(f"{stage.name} does not run: {ended.said}")
    return ended


def _be_command(stage: Stage, out: Path, words: Path, within: Callable[[], None]) -> None:
    """All that a child does: the stage, and an exit code as the command line gives it."""
    code = 0
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell's background job ignores
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # for which Ray, where the parent used it, left a handler
    try:
        handle = os.open(words, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(handle, 1)
        os.dup2(handle, 2)
        sys.stdout, sys.stderr = (os.fdopen(own, "w", buffering=1) for own in (1, 2))
        faulthandler.register(signal.SIGUSR1)
        _own_bars(tqdm, threading.RLock())
        within()
        stage.run(out)
    except SystemExit as end:
        code = int(end.code or 0)
    except KeyboardInterrupt:
        code = STOPPED
    except Exception as error:
        line, code = told(error)
        print(f"attnmask: {line}", file=sys.stderr)
    finally:
        os._exit(code)


def _own_bars(kind: type[tqdm], lock: Any) -> None:
    """Forks share the usual lock of bars, which a killed one would hold for ever; a kind may have its own."""
    kind.set_lock(lock)
    for own in kind.__subclasses__():
        _own_bars(own, lock)


def _waited(child: int, stage: Stage, words: Path) -> int:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return status
        time.sleep(0.002)
    os.kill(child, signal.SIGUSR1)  # it says where it stands
    time.sleep(1)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    raise RuntimeError(f"{stage.name} did not end in {PATIENCE} seconds: {words.read_text(errors='replace')}")


def contents(folder: Path) -> Mapping[str, str]:
    """The digest of every file of a folder, hidden ones too: what a dead run left shows as one too many.

    What differs by nature is left out: a log tells the time, a manifest what went wrong on the way.
    """
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(_result(path)).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != LOG_NAME
    }


def _result(path: Path) -> bytes:
    if path.name != FILE_NAME:
        return path.read_bytes()
    return json.dumps({**json.loads(path.read_text()), "incidents": None}).encode()


def different(expected: Mapping[str, str], found: Mapping[str, str]) -> set[str]:
    """The files that only one of two folders has, or that differ."""
    return {name for name in {*expected, *found} if expected.get(name) != found.get(name)}


def leftovers(home: Path) -> list[str]:
    """Hidden folders of writers, which only a killed one leaves."""
    return [path.name for path in home.rglob(f"{PARTIAL}*")]


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch in a single thread: its pool of threads would not outlive a fork."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
