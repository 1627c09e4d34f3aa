"""Make a virtual environment, also on a Debian whose Python has no ensurepip (it is in python3-venv)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import venv
from importlib.util import find_spec
from pathlib import Path

NEEDED = (3, 10)


def main(folder: Path) -> None:
    if sys.version_info < NEEDED:
        sys.exit(f"Python {'.'.join(map(str, NEEDED))} or newer is needed: make PYTHON=/path/to/python")
    try:
        if find_spec("ensurepip"):
            venv.create(folder, clear=True, with_pip=True)
        elif find_spec("pip"):
            by_virtualenv(folder)
        else:
            sys.exit("This Python can make no virtual environment. On Debian: apt install python3-venv")
    except subprocess.CalledProcessError as reason:
        shutil.rmtree(folder, ignore_errors=True)
        sys.exit(f"No virtual environment was made ({reason}). On Debian: apt install python3-venv")


def by_virtualenv(folder: Path) -> None:
    """virtualenv carries its own pip; to a temporary folder Debian lets pip install it."""
    with tempfile.TemporaryDirectory() as tools:
        run = [sys.executable, "-m"]
        subprocess.run([*run, "pip", "install", "--quiet", "--target", tools, "virtualenv"], check=True)
        subprocess.run(
            [*run, "virtualenv", "--quiet", "--clear", str(folder)],
            check=True,
            env={**os.environ, "PYTHONPATH": tools},
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
