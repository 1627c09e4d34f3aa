"""A file is the old one or the new one, whatever happens while it is written."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from diffusers_attnmask.ground import atomic_files
from diffusers_attnmask.ground.atomic_files import (
    PARTIAL,
    remove_folder,
    remove_partial,
    replacing,
    share,
    write_bytes,
    write_text,
)


def test_the_new_content_replaces_the_old_and_nothing_else_stays(tmp_path):
    file = tmp_path / "made" / "for it" / "words.txt"
    write_text(file, "old")
    write_text(file, "näw\n")
    assert file.read_bytes() == "näw\n".encode()
    assert [path.name for path in file.parent.iterdir()] == ["words.txt"]


def test_an_error_while_writing_leaves_the_old_content(tmp_path):
    file = tmp_path / "data.bin"
    write_bytes(file, b"old")
    with pytest.raises(ZeroDivisionError), replacing(file) as partial:
        partial.write_bytes(b"half of the n")
        raise ZeroDivisionError
    assert file.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [file]


def test_a_full_disk_leaves_the_old_content(tmp_path, monkeypatch):
    file = tmp_path / "data.bin"
    write_bytes(file, b"old")
    monkeypatch.setattr(atomic_files.os, "fsync", lambda _: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_bytes(file, b"new")
    assert file.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [file]


def test_content_is_on_the_disk_before_it_is_shown(tmp_path, monkeypatch):
    events = []
    sync, replace = os.fsync, type(tmp_path).replace
    monkeypatch.setattr(atomic_files.os, "fsync", lambda handle: events.append("sync") or sync(handle))
    monkeypatch.setattr(
        type(tmp_path), "replace", lambda own, target: events.append("rename") or replace(own, target)
    )
    write_bytes(tmp_path / "data.bin", b"content")
    assert events == ["sync", "rename"]


def test_two_writers_of_one_file_do_not_meet(tmp_path):
    file = tmp_path / "data.bin"
    with replacing(file) as first, replacing(file) as second:
        first.write_bytes(b"first")
        second.write_bytes(b"second")
    assert file.read_bytes() == b"first"  # whose block ended last
    assert list(tmp_path.iterdir()) == [file]


def test_the_temporary_path_keeps_the_name_and_is_not_listed_beside_the_file(tmp_path):
    with replacing(tmp_path / "rows.parquet") as partial:
        partial.touch()
        assert partial.name == "rows.parquet"
        assert not list(tmp_path.glob("*.parquet"))


@pytest.mark.skipif(os.name != "posix", reason="permissions as POSIX has them")
@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600)])
def test_files_have_the_permissions_that_the_user_gives_to_new_ones(tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        with replacing(tmp_path / "private") as partial:
            partial.touch(0o600)
        own = tmp_path / "own"
        own.touch(0o600)
        share(own)
        assert os.umask(umask) == umask  # it was only asked
    finally:
        os.umask(before)
    assert {(tmp_path / name).stat().st_mode & 0o777 for name in ("private", "own")} == {mode}


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_what_a_killed_writer_leaves_is_found_and_removed(tmp_path):
    file = tmp_path / "deep" / "data.bin"
    write_bytes(file, b"old")
    program = (
        "import os, signal, sys, pathlib\n"
        "from diffusers_attnmask.ground.atomic_files import replacing\n"
        "with replacing(pathlib.Path(sys.argv[1])) as partial:\n"
        "    partial.write_bytes(b'new')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(file)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert file.read_bytes() == b"old"
    assert len(list(file.parent.iterdir())) == 2
    remove_partial(tmp_path)
    assert list(file.parent.iterdir()) == [file]


def test_a_writer_that_was_killed_within_another_is_removed_with_it(tmp_path):
    for parent in ("", f"{PARTIAL}outer"):
        write_text(tmp_path / parent / f"{PARTIAL}inner" / "file", "content")
    remove_partial(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_removed_is_never_there_in_part(tmp_path, monkeypatch):
    write_text(tmp_path / "folder" / "file", "content")
    monkeypatch.setattr(atomic_files.shutil, "rmtree", lambda path, **options: None)  # killed on the way
    remove_folder(tmp_path / "folder")
    assert not (tmp_path / "folder").exists()
    monkeypatch.undo()
    remove_partial(tmp_path)
    assert list(tmp_path.iterdir()) == []
