"""From Mask2Former's answers to a mask: ours, and transformers' own way, in turns.

    python -m benchmarks.post_processing --json post_processing.json

The answers are those of a model that has learned the world, to rendered scenes of each size: a query that is
sure of each class, with a noisy mask of a quarter of the side, and many that are sure of nothing. `ours` is
what `attnmask segment` does with them; `transformers` is `post_process_semantic_segmentation`, which goes
through 384 × 384 whatever the picture's size, so that the two agree most at that size. Both are compared with
the exact mask, too. `MiB at the peak` is of the tensors that each makes, weighed apart from the times.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import numpy as np
import torch
import typer
from tqdm import tqdm
from transformers import Mask2FormerImageProcessor

from benchmarks.recording.allocations import peak_allocated
from benchmarks.report import JsonOption, Row, report
from benchmarks.timing.turns import ClockOption, Turns
from benchmarks.world.query_answers import Answering, answers_to, enlarged
from benchmarks.world.scenes import unseen_scenes
from tiny_world.oracle import CLASS_NAMES
from train_segmenter.evaluation import Inference
from train_segmenter.models.base import SegmenterSpec
from train_segmenter.models.mask2former import Mask2FormerSegmenter

SIDES = (256, 384, 512, 1024)
OURS, THEIRS = "ours", "transformers"


def main(
    side: Annotated[list[int] | None, typer.Option(min=32, help="Of the pictures; repeatable.")] = None,
    scenes: Annotated[int, typer.Option(min=1, help="Pictures of each size, with two objects.")] = 8,
    clock: ClockOption = "wall",
    json: JsonOption = None,
) -> None:
    masks = [scene.mask for scene in unseen_scenes(2, scenes)]
    rows = [row(own, masks, clock) for own in tqdm(side or SIDES, "sizes")]
    report("Masks of Mask2Former's answers", rows, {"scenes": scenes, "clock": clock}, json)


def row(side: int, masks: list[np.ndarray], clock: str) -> Row:
    turns = Turns(clock)
    equal, right = [], {OURS: [], THEIRS: []}
    for seed, mask in enumerate(masks):
        exact = enlarged(mask, side)
        ways = ways_from(answers_to(exact, seed), side)
        if seed == 0:
            Turns().take(ways)  # not timed: torch's first call
        found = turns.take(ways)
        equal.append(share_equal(found[OURS], found[THEIRS]))
        for name, own in found.items():
            right[name].append(share_equal(own, exact))
    return {
        "side": side,
        **{f"ms, {name}": 1000 * turns.median(name) for name in ways},
        "times faster": turns.ratio(THEIRS, OURS),
        **{f"MiB at the peak, {name}": peak_allocated(way) / 2**20 for name, way in ways.items()},
        "least share of equal pixels": min(equal),
        **{f"right pixels, {name}": float(np.mean(own)) for name, own in right.items()},
    }


def ways_from(answers: object, side: int) -> dict[str, Callable[[], torch.Tensor]]:
    """Each from the answers to class ids (side, side)."""
    segmenter = Mask2FormerSegmenter(Answering(answers), SegmenterSpec("mask2former:answers", CLASS_NAMES))
    picture = np.zeros((side, side, 3), np.uint8)
    processor = Mask2FormerImageProcessor(do_resize=False, num_labels=len(CLASS_NAMES))
    return {
        OURS: lambda: torch.from_numpy(Inference().mask(segmenter, picture)),
        THEIRS: lambda: processor.post_process_semantic_segmentation(answers, [(side, side)])[0],
    }


def share_equal(one: torch.Tensor, other: torch.Tensor) -> float:
    return (one == other).float().mean().item()


if __name__ == "__main__":
    typer.run(main)
