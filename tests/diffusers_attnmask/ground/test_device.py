"""Where models run, and in which precision."""

from __future__ import annotations

import pytest
import torch

from diffusers_attnmask.ground.device import fastest_precision


@pytest.mark.parametrize(
    ("told", "precision"),
    [
        ({"amx_bf16": True, "avx512_bf16": True}, "bf16"),
        ({"amx_bf16": False, "avx512_bf16": True}, "bf16"),
        ({"amx_bf16": False, "avx512_bf16": False}, "fp32"),
        ({}, "fp32"),
    ],
)
def test_a_processor_trains_in_bf16_where_it_computes_in_it(monkeypatch, told, precision):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: told, raising=False)
    assert fastest_precision("cpu") == precision


def test_a_pytorch_that_tells_nothing_of_the_processor_means_fp32(monkeypatch):
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert fastest_precision("cpu") == "fp32"
