"""A training runs in its own precision, whatever was trained before it in the same process."""

from __future__ import annotations

from diffusers_attnmask.ground.accelerators import own_accelerator


def test_precisions_follow_one_another():
    found = [own_accelerator(own, cpu=True).mixed_precision for own in ("bf16", "fp32", "bf16")]
    assert found == ["bf16", "no", "bf16"]
    assert own_accelerator(cpu=True).mixed_precision == "no"
