"""A folder elsewhere is written under the rules of one that is here."""

from pathlib import Path

import pytest
from huggingface_hub import constants

from diffusers_attnmask.ground.mirror import WRITING, fetched
from diffusers_attnmask.ground.own_folder import MARK, own_folder
from diffusers_attnmask.ground.places import (
    check_new_place,
    check_own_place,
    new_place,
    own_place,
    shown,
    within,
)
from diffusers_attnmask.ground.remote import RemoteFolder, StorageFault


def left_here() -> list[str]:
    """Files of the cache that a run has left for the next one."""
    return sorted(
        path.name for path in (Path(constants.HF_HOME) / "attnmask/work").rglob("*") if path.is_file()
    )


def test_finished_files_are_there_before_the_run_ends(elsewhere):
    with own_place(elsewhere.address, "build") as place:
        assert place.folder.name == "set"
        shard = place.folder / "data/0.parquet"
        shard.parent.mkdir()
        shard.write_bytes(b"pairs")
        place.send(shard)
        assert elsewhere.files() == {MARK: b"build\n", "data/0.parquet": b"pairs"}
        (place.folder / "README.md").write_bytes(b"card")
    assert elsewhere.files() == {MARK: b"build\n", "data/0.parquet": b"pairs", "README.md": b"card"}
    assert left_here() == []


@pytest.mark.parametrize("machine", ["same", "another"])
def test_a_stopped_run_goes_on_with_what_is_there(elsewhere, machine, tmp_path, monkeypatch):
    with pytest.raises(KeyboardInterrupt), own_place(elsewhere.address, "build") as place:
        for name in ("sent", "kept"):
            (place.folder / name).write_bytes(name.encode())
        place.send(place.folder / "sent")
        raise KeyboardInterrupt
    assert set(elsewhere.files()) == {MARK, "sent"}
    if machine == "another":
        monkeypatch.setattr(constants, "HF_HOME", str(tmp_path / "another"))
    with own_place(elsewhere.address, "build") as place:
        assert (place.folder / "sent").read_bytes() == b"sent"
        assert (place.folder / "kept").exists() == (machine == "same")


def test_a_file_that_is_renamed_has_its_new_name_alone(elsewhere):
    with own_place(elsewhere.address, "build") as place:
        (place.folder / "of-1").write_bytes(b"pairs")
    with own_place(elsewhere.address, "build") as place:
        (place.folder / "of-1").rename(place.folder / "of-2")
    assert set(elsewhere.files()) == {MARK, "of-2"}


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("notes.txt", b"mine", "set holds what attnmask build did not write, such as notes"),
        (MARK, b"refine\n", "set was written by attnmask refine, not by build"),
    ],
)
def test_a_folder_of_others_is_refused_and_stays_as_it_is(elsewhere, name, content, told):
    elsewhere.write("some/file", b"theirs")
    elsewhere.write(name, content)
    before = elsewhere.files()
    with (
        pytest.raises(FileExistsError, match=told),
        own_place(elsewhere.address, "build"),
    ):
        pass
    assert elsewhere.files() == before and left_here() == []
    with pytest.raises(FileExistsError, match=told):
        check_own_place(elsewhere.address, "build")
    with pytest.raises(FileExistsError, match="set exists"):
        check_new_place(elsewhere.address, "build")


@pytest.mark.parametrize("check", [check_own_place, check_new_place])
def test_a_check_makes_nothing(elsewhere, check, tmp_path):
    check(elsewhere.address, "build")
    check(tmp_path / "new", "build")
    assert elsewhere.files() == {} and left_here() == [] and not any(tmp_path.iterdir())


@pytest.mark.parametrize("new", [own_place, new_place])
def test_a_run_that_writes_nothing_leaves_nothing(elsewhere, new):
    with pytest.raises(ValueError, match="no such model"), new(elsewhere.address, "build"):
        raise ValueError("no such model")
    assert elsewhere.files() == {} and left_here() == []


def test_a_new_folder_is_complete_or_says_that_it_is_not(elsewhere, monkeypatch):
    put = RemoteFolder.put

    def breaking(own, file, name):
        if name == "b":
            raise StorageFault("the network is gone")
        put(own, file, name)

    with monkeypatch.context() as patch:
        patch.setattr(RemoteFolder, "put", breaking)
        with (
            pytest.raises(StorageFault, match="the network is gone"),
            new_place(elsewhere.address, "augment") as work,
        ):
            for name in ("a", "b", "old"):
                (work / name).write_bytes(name.encode())
    assert elsewhere.files()[WRITING] == b"augment\n"
    with pytest.raises(FileExistsError, match="set exists"), new_place(elsewhere.address, "refine"):
        pass
    with new_place(elsewhere.address, "augment") as work:
        (work / "old").unlink()
        for name in ("a", "b"):
            (work / name).write_bytes(name.encode())
    assert elsewhere.files() == {MARK: b"augment\n", "a": b"a", "b": b"b"}
    assert left_here() == []
    assert (Path(fetched(elsewhere.address)) / "b").read_bytes() == b"b"


def test_what_is_there_is_not_replaced(elsewhere):
    elsewhere.write("a", b"theirs")
    with (
        pytest.raises(FileExistsError, match="set exists"),
        new_place(elsewhere.address, "refine"),
    ):
        pass
    assert elsewhere.files() == {"a": b"theirs"}


def test_a_command_that_writes_only_here_says_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with (
        pytest.raises(ValueError, match="s3:/b/run is no folder"),
        own_folder(Path("s3://b/run"), "train"),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


def test_places_are_told_in_full(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert shown("out") == str(tmp_path / "out") and shown("s3://b/set") == "s3://b/set"
    assert within("s3://b/set", Path("VOC2012")) == "s3://b/set/VOC2012"
    assert within("s3://b/set", Path()) == "s3://b/set" and within("out", Path("a")) == Path("out/a")
