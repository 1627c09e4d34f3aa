"""A storage elsewhere is asked in one place, and what goes wrong there is one line with its address."""

import threading

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from diffusers_attnmask.ground import remote
from diffusers_attnmask.ground.remote import RemoteFolder, StorageFault, is_remote


class Faulty(MemoryFileSystem):
    """A storage in which every question comes to nothing."""

    protocol = "faulty"
    error: BaseException | None = None

    def info(self, path, **options):
        if self.error is None:
            threading.Event().wait(20)
        raise self.error


@pytest.fixture
def faulty(monkeypatch):
    fsspec.register_implementation("faulty", Faulty, clobber=True)
    return lambda error: monkeypatch.setattr(Faulty, "error", error)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            PermissionError("Access Denied"),
            r"faulty://b/set may not be .* \(Access Denied\): look",
        ),
        (ConnectionRefusedError("refused"), r"not within reach \(ConnectionRefusedError: refused\)"),
        (RuntimeError("Unable to locate credentials"), r"\(RuntimeError: Unable to locate credentials\)"),
    ],
)
def test_what_a_storage_says_is_told_with_its_address(faulty, error, told):
    faulty(error)
    with pytest.raises(StorageFault, match=told):
        RemoteFolder("faulty://b/set").stamps()


def test_a_storage_that_does_not_answer_is_not_waited_for(faulty, monkeypatch):
    faulty(None)
    monkeypatch.setattr(remote, "PATIENCE", 0.1)
    with pytest.raises(StorageFault, match="faulty://b/set did not answer within"):
        RemoteFolder("faulty://b/set").stamps()


def test_a_full_disk_here_is_no_fault_of_the_storage(faulty):
    faulty(OSError(28, "No space left on device", "/here"))
    with pytest.raises(OSError, match="No space left") as full:
        RemoteFolder("faulty://b/set").stamps()
    assert not isinstance(full.value, StorageFault)


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("s3://", "s3:// names no folder: write it as s3://bucket/folder"),
        ("https://host/set", "https://host/set is no folder that can be listed"),
        ("zip://set::s3://b/a.zip", "no folder that can be listed"),
        ("nothing://b/set", "there is no storage nothing://"),
    ],
)
def test_addresses_of_no_folder_are_refused(address, told):
    with pytest.raises(ValueError, match=told):
        RemoteFolder(address).stamps()


def test_a_name_that_leads_out_of_the_folder_is_refused():
    MemoryFileSystem.store["/outside/../../etc/passwd"] = None
    try:
        with pytest.raises(ValueError, match=r"'.*passwd' leads out of memory://outside"):
            RemoteFolder("memory://outside")._name("/outside/../../etc/passwd")
    finally:
        del MemoryFileSystem.store["/outside/../../etc/passwd"]


def test_hub_names_formats_and_paths_are_no_addresses():
    assert not any(map(is_remote, ("user/name", "VOC:data", "C://data", "./a", "s3:/b/set")))
    assert all(map(is_remote, ("s3://b/set", "gs://b", "hf://datasets/user/name", "memory://a")))
