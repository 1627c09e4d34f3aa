"""How a command ends that cannot do what it was asked: one line, and an exit code that says whose fault.

2, a mistake of the user: the command or a file that it names must be changed. 1, a fault of the world (disk,
network, memory, a damaged file, a library that is missing) or of the program: the command may stay as it is.
A traceback is shown only with ATTNMASK_DEBUG=1.
"""

from __future__ import annotations

import dis
import errno
import sys
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import typer

MISTAKE, FAULT, STOPPED = 2, 1, 130
UsageError: Any = typer.BadParameter.__bases__[0]  # click's, which some releases of typer bring along
LONGEST = 600  # characters of the line
NOTED = "raised_on_purpose"  # the answer, on an error that comes from another process without its traceback

NO_MEMORY = ("out of memory", "can't allocate memory", "Unable to allocate")  # torch's words, and numpy's
WITHOUT_MEMORY = "the memory is used up: ask for less at once (a smaller batch, smaller images)"
NO_PERMISSION = "{file} may not be read or written: the permission is missing"
PLACES: Mapping[int | None, str] = {  # of paths that cannot be what they are named for
    errno.ENOENT: "there is no file or folder {file}",
    errno.EEXIST: "{file} is there already",
    errno.EACCES: NO_PERMISSION,
    errno.EPERM: NO_PERMISSION,
    errno.EROFS: "{file} lies on a disk that is read-only: choose another folder",
    errno.ENOTDIR: "{file} needs a folder where there is a file",
    errno.EISDIR: "{file} is a folder, and a file is needed",
    errno.ENAMETOOLONG: "the name {file} is longer than the system allows",
    errno.ELOOP: "{file} is a link that leads to itself",
}
FAULTS: Mapping[int | None, str] = {
    errno.ENOSPC: "the disk is full, and {file} could not be written: make room and run the command again",
    errno.EDQUOT: "the disk's quota is used up, and {file} could not be written: make room and run it again",
    errno.EMFILE: "too many files are open: raise the limit (ulimit -n), or ask for fewer workers",
    errno.ENOMEM: WITHOUT_MEMORY,
}


def told(error: BaseException) -> tuple[str, int]:
    """The line of an error, and the exit code."""
    line, code = _told(error)
    line = " ".join(line.split())
    return (line if len(line) <= LONGEST else f"{line[: LONGEST - 3]}..."), code


def _told(error: BaseException) -> tuple[str, int]:
    if isinstance(error, UsageError):
        return _usage(error), MISTAKE
    if isinstance(error, MemoryError) or any(words in str(error) for words in NO_MEMORY):
        return WITHOUT_MEMORY, FAULT
    if isinstance(error, OSError):
        return _of_the_system(error)
    if isinstance(error, UnicodeEncodeError) and "surrogates" in error.reason:
        return f"{error.object!a} is no name in UTF-8, which libraries need: rename it", MISTAKE
    if isinstance(error, ValueError | TypeError) and str(error) and raised_on_purpose(error):
        return str(error), MISTAKE
    name = type(error).__name__
    return f"{name}: {error} (unexpected here: ATTNMASK_DEBUG=1 shows where it comes from)", FAULT


def _usage(error: Any) -> str:
    """Click's own sentence, with the value that it leaves out."""
    command = error.ctx.command_path if error.ctx else "attnmask"
    said = error.format_message().rstrip(".").replace("Input should be", "it must be")
    value = _typed(getattr(getattr(error, "param", None), "opts", ()))
    told = "" if value is None or value in said else f", not {value!r}"
    return f"{said}{told} ({command} --help says what there is)"


def _typed(flags: Sequence[str]) -> str | None:
    """The last word that was typed after one of the flags."""
    words = sys.argv[1:]
    found = [after for flag, after in pairwise(words) if flag in flags]
    found += [word.partition("=")[2] for word in words if word.partition("=")[0] in flags and "=" in word]
    return found[-1] if found else None


def _of_the_system(error: OSError) -> tuple[str, int]:
    misplaced = isinstance(error, FileNotFoundError | FileExistsError) or error.errno in PLACES
    misplaced = misplaced and not isinstance(error, ConnectionError)
    code = MISTAKE if misplaced else FAULT
    if error.errno is None or (error.filename is None and error.errno in PLACES):
        return str(error) or type(error).__name__, code
    known = {**PLACES, **FAULTS}.get(error.errno, "{file}: " + (error.strerror or type(error).__name__))
    return known.format(file="a file" if error.filename is None else error.filename), code


def raised_on_purpose(error: BaseException) -> bool:
    """Whether a `raise` statement made the error, whose words are then meant for a reader.

    What the interpreter itself finds ("'<' not supported between ...") is no sentence for a user, and a
    fault of the program.
    """
    if hasattr(error, NOTED):
        return bool(getattr(error, NOTED))
    trace = error.__traceback__
    if trace is None:
        return True
    while trace.tb_next is not None:
        trace = trace.tb_next
    code = trace.tb_frame.f_code.co_code
    return dis.opname[code[trace.tb_lasti]] in ("RAISE_VARARGS", "RERAISE")


def note_purpose(error: BaseException) -> None:
    """Keep the answer on the error itself, before it goes to another process."""
    setattr(error, NOTED, raised_on_purpose(error))


def close_bars() -> None:
    """End the lines of progress bars, so that an error stands on a line of its own."""
    tqdm = sys.modules.get("tqdm")
    for bar in list(getattr(getattr(tqdm, "tqdm", None), "_instances", ())):
        bar.close()
