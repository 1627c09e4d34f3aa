"""The sparse random walk against its dense definition, in turns.

    python -m benchmarks.random_walk_speed --grid 64 --json random_walk_speed.json

The dense walk builds the (h*w, h*w) transition matrix from the same affinities and squares it 8 times, as
public code does. `--clock cpu` counts processor seconds, for a busy machine.
"""

from __future__ import annotations

from functools import partial
from typing import Annotated

import torch
import typer
from torch import Tensor

from benchmarks.report import JsonOption, report
from benchmarks.timing.turns import ClockOption, Turns
from dataset_builder import random_walk
from dataset_builder.refinement.affinity.neighbourhood import affinity, both_ends, half_disc

RADIUS, BETA, LOG2_STEPS = 5, 16, 8


def main(
    grid: Annotated[int, typer.Option(min=2, help="Side of the grid.")] = 64,
    classes: Annotated[int, typer.Option(min=1, help="Maps that walk.")] = 2,
    channels: Annotated[int, typer.Option(min=1, help="Of the features.")] = 448,
    repeats: Annotated[int, typer.Option(min=1, help="Walks of each kind.")] = 3,
    threads: Annotated[int, typer.Option(min=1, help="Of torch, for both.")] = 2,
    clock: ClockOption = "wall",
    json: JsonOption = None,
) -> None:
    torch.set_num_threads(threads)
    generator = torch.Generator().manual_seed(0)
    features = torch.rand(channels, grid, grid, generator=generator)
    maps = torch.rand(classes, grid, grid, generator=generator)
    random_walk(features, maps)  # not timed: torch's first call
    sparse = partial(random_walk, features, maps, radius=RADIUS, beta=BETA, log2_steps=LOG2_STEPS)
    dense = partial(dense_walk, features, maps)
    turns, difference = Turns(clock), 0.0
    for _ in range(repeats):
        walked = turns.take({"sparse": sparse, "dense": dense})
        difference = max(difference, (walked["sparse"] - walked["dense"]).abs().max().item())
    row = {
        "grid": f"{grid} x {grid}",
        "sparse seconds": turns.median("sparse"),
        "dense seconds": turns.median("dense"),
        "times faster": turns.ratio("dense", "sparse"),
        "greatest difference": difference,
    }
    report("Random walk speed", [row], {"repeats": repeats, "threads": threads, "clock": clock}, json)


def dense_walk(features: Tensor, maps: Tensor) -> Tensor:
    number = torch.arange(maps[0].numel()).view(maps.shape[1:])
    transition = torch.eye(maps[0].numel())
    for offset in half_disc(RADIUS):
        near, far = (end.flatten() for end in both_ends(number, offset))
        weight = affinity(features, offset).flatten() ** BETA
        transition[near, far] = weight
        transition[far, near] = weight
    transition /= transition.sum(1, keepdim=True)
    for _ in range(LOG2_STEPS):
        transition = transition @ transition
    return (transition @ maps.flatten(1).T).T.reshape(maps.shape)


if __name__ == "__main__":
    typer.run(main)
