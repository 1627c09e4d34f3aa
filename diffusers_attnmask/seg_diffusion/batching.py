"""How many samples go through a network at once: as many as fit, which is found once."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

# A processor is busy with a few samples; more of them only cost memory.
CPU_PLACES = 4096


class Batching:
    """Runs a network over many samples, and remembers how many of a size fit where there were too many."""

    def __init__(self) -> None:
        self.fitting: dict[tuple[int, torch.dtype, torch.device], int] = {}

    def __call__(self, run: Callable[[range], Tensor], like: Tensor, total: int, batch_size: int) -> Tensor:
        """`run(indices)` over all of `range(total)`, the answers (n, ...) one after the other.

        batch_size: indices in one call; 0 finds the most that fit: on a GPU by halving what runs out of
        memory. like: a latent (1, C, h, w) of the samples' size, precision and device.
        """
        places = like[0, 0].numel()
        kind = (places, like.dtype, like.device)
        size = batch_size or min(total, self.fitting.get(kind) or _first_try(total, places, like.device))
        answers: list[Tensor] = []
        done = 0
        while done < total:
            part = range(done, min(done + size, total))
            answer = _unless_out_of_memory(run, part, give_up=bool(batch_size) or size == 1)
            if answer is None:
                size = self.fitting[kind] = (size + 1) // 2
                torch.cuda.empty_cache()
            else:
                answers.append(answer)
                done = part.stop
        return torch.cat(answers)


def _first_try(total: int, places: int, device: torch.device) -> int:
    return max(1, CPU_PLACES // places) if device.type == "cpu" else total


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
