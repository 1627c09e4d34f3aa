"""How much memory some work takes for tensors of the host, whatever else the process holds."""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate

from torch.profiler import ProfilerActivity, profile

MEMORY = "[memory]"  # as torch names what it allocates, and what it gives back


def peak_allocated(work: Callable[[], object]) -> int:
    """Bytes at the peak, of tensors that are made within the work."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True, acc_events=True) as profiled:
        work()
    events = profiled.profiler.kineto_results.events()
    changes = sorted((own for own in events if own.name() == MEMORY), key=lambda own: own.start_ns())
    return max(accumulate(own.nbytes() for own in changes), default=0)
