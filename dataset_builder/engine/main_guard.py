"""Scripts that start worker processes: each of these imports the script, and must not run it again."""

from __future__ import annotations

import ast
import sys
import threading
from pathlib import Path
from types import FrameType

OF_A_GUARD = {"__name__", "current_process", "parent_process"}  # names by which a script knows that it is run


def check_main_guard() -> None:
    """Refuse to start workers from a script that would start them again in each of them.

    Workers are spawned: before its first task each imports what Python was given to run.
    """
    frame = _at_work()
    file = None if frame is None else imported_file()
    if frame is None or file is None:
        return
    try:
        script = ast.parse(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, SyntaxError):  # no source; Python says what is wrong, if anything is
        return
    if not is_guarded(script, frame.f_lineno):
        raise ValueError(
            f"{file}, line {frame.f_lineno}, starts worker processes, each of which imports this script and "
            'would run it again: put what it does under if __name__ == "__main__":, or take workers=0'
        )


def imported_file() -> Path | None:
    """The file that workers import as the main module; None where they import nothing."""
    main = sys.modules["__main__"]
    own = getattr(getattr(main, "__spec__", None), "name", "")
    file = getattr(main, "__file__", None)
    return None if file is None or own.rpartition(".")[2] == "__main__" else Path(file)


def is_guarded(script: ast.Module, line: int) -> bool:
    """Whether a line of a script stands in a condition on who runs it.

    >>> is_guarded(ast.parse("if __name__ == '__main__':\\n    build()"), 2)
    True
    >>> is_guarded(ast.parse("build()"), 1)
    False
    """
    return any(
        isinstance(own, ast.If) and own.lineno <= line <= (own.end_lineno or 0) and asks_who_runs(own.test)
        for own in ast.walk(script)
    )


def asks_who_runs(test: ast.expr) -> bool:
    named = {own.id for own in ast.walk(test) if isinstance(own, ast.Name)}
    return bool(
        OF_A_GUARD & named.union(own.attr for own in ast.walk(test) if isinstance(own, ast.Attribute))
    )


def _at_work() -> FrameType | None:
    """Where the main module itself is at work, if it is."""
    frame = sys._current_frames().get(threading.main_thread().ident or 0)
    own = vars(sys.modules["__main__"])
    while frame is not None and not (frame.f_globals is own and frame.f_code.co_name == "<module>"):
        frame = frame.f_back
    return frame
