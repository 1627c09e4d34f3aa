"""Commands that are killed, that find the disk full, or that meet in one folder lose nothing.

The same command, run again, ends with the same bytes.

The benchmarks `kill_resume` and `disk_full` do this a thousand times.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time

import pytest
from tqdm import tqdm
from tqdm.std import TqdmDefaultWriteLock

from benchmarks.disk_full import filled_over_and_over
from benchmarks.kill_resume import killed_over_and_over
from benchmarks.stages import forked_runs
from benchmarks.stages.fault_stages import Material, all_stages, long_stages
from benchmarks.stages.forked_runs import Stage, one_thread, run_apart
from benchmarks.stages.full_disks import full_disk
from diffusers_attnmask import cli
from diffusers_attnmask.ground.bars import Bar
from diffusers_attnmask.ground.own_folder import held_folder

LONG = ("build", "train", "filter", "refine", "augment", "export", "annotate", "segment")
ALL = ("build, painted", "build", *LONG[1:], "sample", "report", "eval", "push (card)")


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    with one_thread():
        yield Material.make(tmp_path_factory.mktemp("read"))


@pytest.mark.slow
@pytest.mark.parametrize("name", LONG)
def test_a_killed_command_goes_on_to_the_same_bytes(material, tmp_path, name):
    stage = next(own for own in long_stages(material) if own.name == name)
    row = killed_over_and_over(stage, tmp_path, kills=4, seed=1)
    assert (row["kills"], row["names"]) == (4, [])
    assert row["ended after kills"] >= 1


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
def test_a_command_without_room_says_so_and_goes_on_when_there_is(material, tmp_path, name):
    stage = next(own for own in all_stages(material) if own.name == name)
    with full_disk(tmp_path / "disk", "limit") as disk:
        row = filled_over_and_over(stage, disk, material.pairs.parent, fills=2, seed=3)
    assert (row["full"], row["list"]) == (2, {})


@pytest.mark.parametrize("kind", [tqdm, Bar])
def test_a_child_that_dies_while_it_draws_a_bar_keeps_no_other_from_it(kind, tmp_path, monkeypatch):
    def die(out):
        kind.get_lock().acquire()
        os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setattr(forked_runs, "PATIENCE", 20)
    monkeypatch.setattr(kind, "_lock", TqdmDefaultWriteLock(), raising=False)  # as after its first bar
    out = tmp_path / "home" / "out"
    assert run_apart(Stage("dies", die), out).code is None
    assert run_apart(Stage("draws", lambda _: list(kind(range(3)))), out).code == 0


def test_a_child_that_hangs_says_where(tmp_path, monkeypatch):
    monkeypatch.setattr(forked_runs, "PATIENCE", 1)
    with pytest.raises(RuntimeError, match=r"(?s)hangs did not end in 1 seconds: .*in sleeping"):
        run_apart(Stage("hangs", sleeping), tmp_path / "home" / "out")


def sleeping(_):
    time.sleep(60)


@pytest.mark.parametrize(
    ("words", "held"),
    [
        ("sample star -c star --out {out}", "out"),
        ("build --recipe {sampling} --out {out}", "out"),
        ("train --data {pairs} --out {out}", "out"),
        ("demo --out {out}", "out"),
        ("eval --model {model} --data {pairs} --out {out}", "out"),
        ("segment {pictures} --model {model} --out {out}", "out"),
        ("filter --data {pairs} --out {out}", "out.unfinished"),
        ("refine --data {pairs} --out {out}", "out.unfinished"),
        ("augment --data {pairs} --out {out}", "out.unfinished"),
        ("export --data {pairs} --to voc --out {out}", "out.unfinished"),
        ("push someone/shapes --data {out}", "out"),
    ],
    ids=lambda own: own.split()[0],
)
def test_of_two_runs_on_one_folder_the_second_is_refused(material, tmp_path, monkeypatch, capfd, words, held):
    places = {**vars(material), "out": tmp_path / "out"}
    monkeypatch.setattr(sys, "argv", ["attnmask", *words.format(**places).split()])
    monkeypatch.delenv("ATTNMASK_DEBUG", raising=False)
    if words.startswith("push"):  # which looks at the pairs before it holds their folder
        shutil.copytree(material.pairs, tmp_path / held)
    with held_folder(tmp_path / held), pytest.raises(SystemExit) as end:
        cli.main()
    line = capfd.readouterr().err.splitlines()[-1]
    assert line.startswith(f"attnmask: another run is at work in {tmp_path / held}: wait for it"), line
    assert end.value.code == 1
