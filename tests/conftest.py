"""What holds for every test: no network, one thread per worker, caches that are thrown away."""

from __future__ import annotations

import os
import socket
import tempfile

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # two workers share two cores
os.environ.update(HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1", HF_HUB_DISABLE_TELEMETRY="1")
CACHES = tempfile.TemporaryDirectory(prefix="attnmask-caches-", ignore_cleanup_errors=True)
os.environ["HF_HOME"] = CACHES.name
LOOPBACK = ("127.", "::1", "localhost")


@pytest.fixture(scope="session", autouse=True)
def no_network():
    """A connection that leaves the machine fails, whatever library asks for it."""
    connect = socket.socket.connect

    def connect_locally(self: socket.socket, address):
        if self.family in (socket.AF_INET, socket.AF_INET6) and not str(address[0]).startswith(LOOPBACK):
            raise OSError(f"tests run offline, but something connects to {address}")
        return connect(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", connect_locally)
        yield


@pytest.fixture(params=["memory", "file"])
def elsewhere(request, tmp_path, monkeypatch):
    """A folder named `set` in a storage, and a cache of its own for what is on its way."""
    from huggingface_hub import constants

    from tests.elsewhere import Elsewhere

    monkeypatch.setattr(constants, "HF_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "storage"
    return Elsewhere(
        f"file://{folder}/set" if request.param == "file" else f"memory://{folder.parent.name}/set"
    )
