"""The learning rate of both stages: a short rise, a plateau, and a straight descent to zero."""

from __future__ import annotations


def learning_rate(step: int, steps: int, peak: float, warmup: int = 200, descent: float = 0.3) -> float:
    """The rate at ``step`` of ``steps``; the last ``descent`` share of the steps goes down to zero.

    It depends on the step alone, so a run may be prolonged as long as the descent has not begun.
    """
    rise = min(1.0, (step + 1) / warmup)
    fall = min(1.0, (steps - step) / (descent * steps))
    return peak * min(rise, fall)
