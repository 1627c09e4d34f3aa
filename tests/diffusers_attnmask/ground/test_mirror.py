"""A folder elsewhere is copied once, and again only where it has changed."""

from pathlib import Path

import pytest
from huggingface_hub import constants

from diffusers_attnmask.ground.mirror import WRITING, fetched
from diffusers_attnmask.ground.remote import RemoteFolder, StorageFault
from tests.elsewhere import contents


def test_what_is_here_stays_what_it_is(tmp_path):
    assert fetched(tmp_path) == str(tmp_path) and fetched("user/name") == "user/name"


def test_a_folder_is_copied_under_its_own_name(elsewhere):
    elsewhere.write("data/a.txt", b"one")
    elsewhere.write("README.md", b"card")
    copy = Path(fetched(elsewhere.address))
    assert copy.name == "set" and copy.is_relative_to(constants.HF_HOME)
    assert contents(copy) == elsewhere.files()


def test_only_what_has_changed_is_fetched_again(elsewhere, monkeypatch):
    for name in ("same", "other", "gone", "spoilt"):
        elsewhere.write(name, name.encode())
    copy = Path(fetched(elsewhere.address))
    elsewhere.write("other", b"another")
    elsewhere.remove("gone")
    (copy / "spoilt").write_bytes(b"changed here")
    got = []
    get = RemoteFolder.get
    monkeypatch.setattr(RemoteFolder, "get", lambda own, name, file: (got.append(name), get(own, name, file)))
    assert fetched(elsewhere.address) == str(copy)
    assert sorted(got) == ["other", "spoilt"]
    assert contents(copy) == elsewhere.files()


def test_an_interrupted_fetch_goes_on_with_what_it_has(elsewhere, monkeypatch):
    for number in range(20):
        elsewhere.write(f"{number:02d}", bytes([number]))
    get, got = RemoteFolder.get, []

    def breaking(own, name, file):
        if name == "15":
            raise StorageFault("the network is gone")
        got.append(name)
        get(own, name, file)

    with monkeypatch.context() as patch:
        patch.setattr(RemoteFolder, "get", breaking)
        with pytest.raises(StorageFault, match="the network is gone"):
            fetched(elsewhere.address)
    before = set(got)
    monkeypatch.setattr(RemoteFolder, "get", lambda own, name, file: (got.append(name), get(own, name, file)))
    copy = Path(fetched(elsewhere.address))
    assert before and before.isdisjoint(got[len(before) :])
    assert contents(copy) == elsewhere.files()


def test_a_folder_without_files_is_told(elsewhere):
    with pytest.raises(StorageFault, match=f"there is no file in {elsewhere.address}"):
        fetched(elsewhere.address)


def test_a_folder_that_a_command_has_not_finished_is_not_read(elsewhere):
    elsewhere.write("data/a.txt", b"one")
    elsewhere.write(WRITING, b"refine\n")
    with pytest.raises(StorageFault, match="is not complete: run the attnmask refine that"):
        fetched(elsewhere.address)
