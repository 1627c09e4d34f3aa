"""A derived dataset appears whole or not at all, made by one run at a time."""

import pytest

from dataset_builder.dataset_copies import new_folder


def test_the_folder_appears_when_the_block_ends(tmp_path):
    with new_folder(tmp_path / "new") as work:
        (work / "row").write_text("1")
        assert not (tmp_path / "new").exists()
    assert (tmp_path / "new" / "row").read_text() == "1"
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


def test_two_runs_do_not_share_a_folder(tmp_path):
    with new_folder(tmp_path / "new") as work:
        (work / "row").write_text("mine")
        with (
            pytest.raises(OSError, match=r"another run is at work on .*new: wait for it"),
            new_folder(tmp_path / "new"),
        ):
            pass
        assert (work / "row").read_text() == "mine"
    assert (tmp_path / "new" / "row").read_text() == "mine"


def test_an_interrupted_run_leaves_its_work_to_the_next(tmp_path):
    with pytest.raises(KeyboardInterrupt), new_folder(tmp_path / "new") as work:
        (work / "row").write_text("1")
        raise KeyboardInterrupt
    with new_folder(tmp_path / "new") as again:
        assert (again / "row").read_text() == "1"
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


def test_a_run_that_fails_at_once_leaves_nothing_behind(tmp_path):
    with pytest.raises(ValueError, match="no data"), new_folder(tmp_path / "new"):
        raise ValueError("no data")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_exists_is_kept(tmp_path):
    (tmp_path / "old").mkdir()
    with pytest.raises(FileExistsError, match="choose another folder"), new_folder(tmp_path / "old"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["old"]
