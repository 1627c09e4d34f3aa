"""What trainings run on: accelerate, which keeps the first precision for a process's life."""

from __future__ import annotations

from accelerate import Accelerator
from accelerate.state import AcceleratorState

PRECISIONS = {"fp32": "no", "bf16": "bf16", "fp16": "fp16"}  # as accelerate calls them


def own_accelerator(precision: str = "fp32", *, cpu: bool = False) -> Accelerator:
    """Of one training, in a precision of its own, whatever was trained before."""
    AcceleratorState._reset_state()
    return Accelerator(mixed_precision=PRECISIONS[precision], cpu=cpu)
