"""A folder belongs to one command, is written by one run at a time, and nothing of anyone is overwritten."""

import os
import signal
import time

import pytest

from diffusers_attnmask.ground.own_folder import LOCK, MARK, bears_line, held_folder, new_folder, own_folder


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_folder_of_a_command_is_its_own_the_next_time(tmp_path):
    for number in range(2):
        with own_folder(tmp_path / "out", "train") as out:
            (out / f"{number}.txt").write_text("mine")
    assert names(tmp_path / "out") == [MARK, "0.txt", "1.txt"]


def test_a_strangers_folder_is_refused_and_stays_as_it_is(tmp_path):
    (tmp_path / "README.md").write_text("mine")
    with (
        pytest.raises(FileExistsError, match=r"holds what attnmask train did not write, such as README\.md"),
        own_folder(tmp_path, "train"),
    ):
        pass
    assert names(tmp_path) == ["README.md"]


def test_another_commands_folder_is_refused(tmp_path):
    with own_folder(tmp_path / "out", "build") as out:
        (out / "shard").write_text("1")
    with (
        pytest.raises(FileExistsError, match=r"out was written by attnmask build, not by train"),
        own_folder(tmp_path / "out", "train"),
    ):
        pass
    assert names(tmp_path / "out") == [MARK, "shard"]


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "out").write_text("mine")
    with (
        pytest.raises(FileExistsError, match="out is a file: choose a folder"),
        own_folder(tmp_path / "out", "train"),
    ):
        pass
    assert (tmp_path / "out").read_text() == "mine"


def test_a_run_that_writes_nothing_leaves_nothing_so_that_any_command_may_follow(tmp_path):
    with pytest.raises(ValueError, match="no such model"), own_folder(tmp_path / "a" / "b", "train"):
        raise ValueError("no such model")
    assert names(tmp_path) == []
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="no such model"), own_folder(tmp_path / "empty", "train"):
        raise ValueError("no such model")
    assert names(tmp_path / "empty") == []


def test_what_a_killed_run_left_of_its_own_is_in_nobodys_way(tmp_path):
    for name in (MARK, LOCK):
        (tmp_path / name).write_text("build\n")
    (tmp_path / ".partial-abc").mkdir()
    with own_folder(tmp_path, "train") as out:
        (out / "model").write_text("1")
    assert names(tmp_path) == [MARK, "model"]
    assert (tmp_path / MARK).read_text() == "train\n"


def test_the_steps_of_a_command_may_ask_for_its_folder_again(tmp_path):
    with own_folder(tmp_path / "out", "train") as out, own_folder(out, "train") as again:
        (again / "model").write_text("1")
    with own_folder(tmp_path / "out", "train"):  # which is free again
        pass


@pytest.mark.parametrize("hold", [own_folder, new_folder])
def test_two_runs_do_not_share_a_folder(tmp_path, hold):
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        with hold(tmp_path / "out", "train") as out:
            (out / "row").write_text("mine")
            os.write(write, b"!")
            time.sleep(60)
        os._exit(0)
    os.read(read, 1)
    with (
        pytest.raises(OSError, match=r"another run is at work in .*out.*: wait for it"),
        hold(tmp_path / "out", "train"),
    ):
        pass
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    with hold(tmp_path / "out", "train") as out:  # the kernel has freed it
        assert (out / "row").read_text() == "mine"
    assert names(tmp_path / "out") == [MARK, "row"]


def test_whoever_reads_a_folder_may_hold_it_and_leaves_no_trace(tmp_path):
    (tmp_path / "mine").write_text("1")
    with held_folder(tmp_path):
        assert names(tmp_path) == [LOCK, "mine"]
    assert names(tmp_path) == ["mine"]


def test_a_new_folder_appears_when_the_block_ends(tmp_path):
    with new_folder(tmp_path / "new", "filter") as work:
        (work / "row").write_text("1")
        assert not (tmp_path / "new").exists()
    assert (tmp_path / "new" / "row").read_text() == "1"
    assert names(tmp_path) == ["new"]
    assert names(tmp_path / "new") == [MARK, "row"]


def test_an_interrupted_run_leaves_its_work_to_the_next(tmp_path):
    with pytest.raises(KeyboardInterrupt), new_folder(tmp_path / "new", "filter") as work:
        (work / "row").write_text("1")
        raise KeyboardInterrupt
    with new_folder(tmp_path / "new", "filter") as again:
        assert names(again) == [MARK, LOCK, "row"]
    assert names(tmp_path) == ["new"]


def test_an_unfinished_folder_of_another_command_is_refused(tmp_path):
    with pytest.raises(KeyboardInterrupt), new_folder(tmp_path / "new", "filter") as work:
        (work / "row").write_text("1")
        raise KeyboardInterrupt
    with pytest.raises(FileExistsError, match=r"new\.unfinished was written by attnmask filter"):
        new_folder(tmp_path / "new", "refine").__enter__()


def test_a_new_run_that_fails_at_once_leaves_nothing_behind(tmp_path):
    with pytest.raises(ValueError, match="no data"), new_folder(tmp_path / "new", "filter"):
        raise ValueError("no data")
    assert not list(tmp_path.iterdir())


def test_an_empty_folder_is_as_good_as_none_and_any_other_is_kept(tmp_path):
    (tmp_path / "old").mkdir()
    with new_folder(tmp_path / "old", "filter") as work:
        (work / "row").write_text("1")
    with (
        pytest.raises(FileExistsError, match="choose another folder"),
        new_folder(tmp_path / "old", "filter"),
    ):
        pass
    assert names(tmp_path / "old") == [MARK, "row"]


def test_a_file_may_be_written_anew_by_whoever_signs_its_kind(tmp_path):
    page = tmp_path / "page.html"
    assert bears_line(page, "<!-- ours -->")
    page.write_text("<!-- ours -->\n<p>")
    assert bears_line(page, "<!-- ours -->")
    page.write_text("<p>mine")
    assert not bears_line(page, "<!-- ours -->")
    assert not bears_line(tmp_path, "<!-- ours -->")


@pytest.mark.parametrize("below", [".", "model"])
def test_a_link_that_leads_nowhere_is_no_place(tmp_path, below):
    link = tmp_path / "link"
    for target in ("nothing", "link"):
        link.symlink_to(target)
        with (
            pytest.raises(FileNotFoundError, match="link is a link that leads nowhere"),
            own_folder(link / below, "train"),
        ):
            pass
        assert names(tmp_path) == ["link"]
        link.unlink()
