"""Where models run."""

from __future__ import annotations

import torch


def best_device(cpu: bool = False) -> str:
    """The GPU where there is one, unless the CPU is asked for."""
    return "cuda" if torch.cuda.is_available() and not cpu else "cpu"
