"""Where models run, and in which precision."""

from __future__ import annotations

from typing import Any, Literal

import torch

DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}


def best_device() -> str:
    """The GPU where there is one."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def device_called(word: str) -> str:
    """The device of this name (auto, cuda, mps, cpu), where it is there; "auto" is the best one."""
    if word == "auto":
        return best_device()
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if not there[word]:
        raise ValueError(
            f"there is no {word} on this machine, which has {best_device()}: ask for that, or auto"
        )
    return word


def precision_on(word: str, device: str) -> str:
    """A key of `DTYPES`. "auto" is bf16 on a GPU that computes in it, fp32 elsewhere."""
    if word != "auto":
        return word
    # an older GPU emulates bf16, which is slower there than fp32
    computes = device == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return "bf16" if computes else "fp32"


def fastest_precision(device: str) -> Literal["bf16", "fp32"]:
    """bf16 where the device computes in it, processors included; they are known by a newer PyTorch alone."""
    if device != "cpu":
        return "bf16" if precision_on("auto", device) == "bf16" else "fp32"
    told: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return "bf16" if told.get("amx_bf16") or told.get("avx512_bf16") else "fp32"
