"""How well held-out segmenters find wrong masks: rendered pairs, some of them with a random mask.

    python -m benchmarks.label_noise --pairs 600 --steps 400 --json label_noise.json

Half of the planted masks belong to another pair, half are random discs of random classes. Every pair is
judged once by cross-validation; the table then gives, for each rule, the part of the planted pairs that it
finds and the part of the clean ones that it drops. The first row is the default of `attnmask filter`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from tqdm import tqdm

from benchmarks.refining.filtering import RULES, judges
from benchmarks.report import JsonOption, report
from dataset_builder.noise.filtering import judge
from dataset_builder.noise.prune import Judged, PruneOptions, prune
from tiny_world import CLASSES, render
from tiny_world.oracle import Renders
from tiny_world.rendered_pairs import SPLIT_SEEDS
from train_segmenter.augmentation.transforms import resize


def noisy_renders(count: int, share: float, side: int, seed: int) -> tuple[Renders, np.ndarray]:
    """Rendered pairs, and bool (count,): whose mask is a wrong one that was planted."""
    rng = np.random.default_rng(seed)
    rendered = [render(own)[:2] for own in tqdm(SPLIT_SEEDS["train"][:count], "rendering")]
    sized = [resize(image, mask, side, side) for image, mask in rendered]
    exact = [mask for _, mask in sized]
    masks, planted = list(exact), np.zeros(count, bool)
    planted[rng.choice(count, round(share * count), replace=False)] = True
    for turn, index in enumerate(np.flatnonzero(planted)):
        other = int((index + rng.integers(1, count)) % count)
        masks[index] = exact[other] if turn % 2 else random_discs(exact[index].shape, rng)
    return Renders([image for image, _ in sized], masks), planted


def random_discs(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """One to three discs of random classes, sizes and places: uint8 (H, W)."""
    mask = np.zeros(shape, np.uint8)
    y, x = np.mgrid[: shape[0], : shape[1]]
    for _ in range(rng.integers(1, 4)):
        centre, radius = rng.uniform(0, shape), rng.uniform(0.1, 0.3) * min(shape)
        mask[np.hypot(y - centre[0], x - centre[1]) < radius] = rng.integers(1, len(CLASSES) + 1)
    return mask


def main(
    pairs: Annotated[int, typer.Option(min=10, help="Rendered pairs.")] = 600,
    noise: Annotated[float, typer.Option(min=0, max=1, help="Part of them with a random mask.")] = 0.1,
    side: Annotated[int, typer.Option(min=32, help="Pixels of a side; 128 are rendered.")] = 128,
    folds: Annotated[int, typer.Option(min=2, help="Segmenters.")] = 3,
    steps: Annotated[int, typer.Option(min=1, help="Training steps of each.")] = 400,
    batch_size: Annotated[int, typer.Option(min=1, help="Pairs in a step.")] = 8,
    seed: Annotated[int, typer.Option(help="Of the planted masks, folds and training.")] = 0,
    work: Annotated[Path | None, typer.Option(help="Folder of the segmenters, to go on from.")] = None,
    json: JsonOption = None,
) -> None:
    source, planted = noisy_renders(pairs, noise, side, seed)
    with tempfile.TemporaryDirectory() as folder:
        judged = judge(source, folds, seed, judges(work or Path(folder), steps, batch_size, seed))
    rows = [row(name, judged, planted, options) for name, options in RULES.items()]
    settings = {"pairs": pairs, "noise": noise, "side": side, "folds": folds, "steps": steps, "seed": seed}
    report("Planted label noise", rows, settings | {"threads": torch.get_num_threads()}, json)


def row(name: str, judged: Sequence[Judged], planted: np.ndarray, options: PruneOptions) -> dict[str, object]:
    dropped = np.array([bool(reason) for reason in prune(judged, options)])
    return {
        "rule": name,
        "planted found": float(dropped[planted].mean()),
        "clean dropped": float(dropped[~planted].mean()),
        "kept": int((~dropped).sum()),
    }


if __name__ == "__main__":
    typer.run(main)
