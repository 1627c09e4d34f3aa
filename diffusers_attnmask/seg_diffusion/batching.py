"""How many samples go through the networks at once."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

# A processor is busy with a few samples; more of them only cost memory.
CPU_PLACES = 4096


def in_batches(
    run: Callable[[range], Tensor], total: int, batch_size: int, places: int, device: torch.device
):
    """`run(indices)` over all of `range(total)`, the answers (n, ...) one after the other.

    batch_size: indices in one call; 0 finds the most that fit: on a GPU by halving what runs out of memory.
    places: latent positions of one sample.
    """
    size = batch_size or _first_try(total, places, device)
    answers: list[Tensor] = []
    done = 0
    while done < total:
        part = range(done, min(done + size, total))
        answer = _unless_out_of_memory(run, part, give_up=bool(batch_size) or size == 1)
        if answer is None:
            size = (size + 1) // 2
            torch.cuda.empty_cache()
        else:
            answers.append(answer)
            done = part.stop
    return torch.cat(answers)


def _first_try(total: int, places: int, device: torch.device) -> int:
    return min(total, max(1, CPU_PLACES // places)) if device.type == "cpu" else total


def _unless_out_of_memory(run: Callable[[range], Tensor], part: range, give_up: bool) -> Tensor | None:
    """The answer, or None; what the failed call held is free when this returns."""
    try:
        return run(part)
    except torch.OutOfMemoryError as error:
        if give_up:
            raise torch.OutOfMemoryError(
                f"{len(part)} samples at once need more memory than there is: choose a smaller batch_size or "
                "processing_res, or half precision"
            ) from error
        return None
