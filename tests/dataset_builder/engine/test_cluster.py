"""What keeps a stage from a cluster is told at once."""

from __future__ import annotations

import socket
import sys

import pytest

from dataset_builder.engine.cluster import gpus_each
from dataset_builder.engine.options import EngineOptions
from dataset_builder.engine.workers import working


def test_ray_that_is_not_installed_is_named_with_its_remedy(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(OSError, match=r"engine ray needs Ray: pip install 'diffusers-attnmask\[ray\]'"):
        working(None, EngineOptions("ray")).__enter__()


def test_an_address_where_nobody_listens_is_told():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
    with pytest.raises(OSError, match=f"no Ray cluster at '{address}': start one with `ray start --head`"):
        working(None, EngineOptions("ray", address=address)).__enter__()


def test_a_cluster_that_does_not_start_is_a_fault_of_the_machine(monkeypatch):
    def busy(**options):
        raise Exception("The current node timed out during startup. This could happen because …")

    ray = pytest.importorskip("ray")
    monkeypatch.setattr(ray, "init", busy)
    with pytest.raises(OSError, match="Ray did not start on this machine: The current node timed out"):
        working(None, EngineOptions("ray")).__enter__()


def test_a_worker_takes_a_processor_and_a_gpu_where_there_are_some():
    assert gpus_each({"CPU": 4.0}, 4, gpu=True) == 0
    assert gpus_each({"CPU": 4.0, "GPU": 2.0}, 4, gpu=False) == 0
    assert gpus_each({"CPU": 4.0, "GPU": 2.0}, 2, gpu=True) == 1
    with pytest.raises(ValueError, match="--workers 5: the cluster has 4 processors"):
        gpus_each({"CPU": 4.0}, 5, gpu=False)
    with pytest.raises(ValueError, match="--workers 3: the cluster has 2 GPUs"):
        gpus_each({"CPU": 4.0, "GPU": 2.0}, 3, gpu=True)
