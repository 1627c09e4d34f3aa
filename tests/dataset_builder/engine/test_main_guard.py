"""A script that starts workers without a guard is told so, once and before any of them; others run."""

from __future__ import annotations

import subprocess
import sys

import pytest

START = """print("begun")
from dataset_builder.engine.pool import WorkerPool
"""
CALL = """with WorkerPool(abs, 1, 2, abs) as pool:
    print(*pool.results([-1, -2]))
"""
BUILD = """
from dataset_builder.building.dataset import build_dataset
from dataset_builder.recipe import Recipe
build_dataset(Recipe("tiny-world", pairs=1), "out", progress=False)
"""


def ran(folder, script: str, *, piped: bool = False) -> subprocess.CompletedProcess[str]:
    file = folder / "script.py"
    file.write_text(script)
    words = [sys.executable, "-"] if piped else [sys.executable, file]
    return subprocess.run(
        words, cwd=folder, input=script if piped else None, capture_output=True, text=True, timeout=120
    )


@pytest.mark.parametrize(("script", "line"), [(START + CALL, 3), (BUILD, 4)])
def test_a_script_without_a_guard_is_refused_before_it_starts_a_worker(tmp_path, script, line):
    end = ran(tmp_path, script)
    assert end.returncode == 1 and end.stdout.count("begun") == script.count("begun")
    assert end.stderr.count("Traceback") == 1
    told = end.stderr.splitlines()[-1]
    assert told.startswith(f"ValueError: {tmp_path}/script.py, line {line}, starts worker processes")
    assert 'if __name__ == "__main__":' in told and "workers=0" in told
    assert [own.name for own in tmp_path.iterdir()] == ["script.py"]


GUARDED = {
    "around": START + 'if __name__ == "__main__":\n' + "".join(f"    {own}\n" for own in CALL.splitlines()),
    "a function": START + "def run():\n" + "".join(f"    {own}\n" for own in CALL.splitlines())
    + 'if __name__ == "__main__":\n    run()\n',
}  # fmt: skip


@pytest.mark.parametrize("guard", GUARDED)
def test_a_script_with_a_guard_runs(tmp_path, guard):
    end = ran(tmp_path, GUARDED[guard])
    assert end.stdout.split()[-2:] == ["1", "2"], end.stderr


def test_what_no_worker_imports_runs(tmp_path):
    end = ran(tmp_path, START + CALL, piped=True)
    assert end.stdout.split()[-2:] == ["1", "2"], end.stderr
