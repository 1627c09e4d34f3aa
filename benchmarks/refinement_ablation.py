"""What each step of refinement adds on the bundled world: mean IoU of the masks against the oracle.

    python -m benchmarks.refinement_ablation --pairs 128 --cache ablation --json refinement_ablation.json
    python -m benchmarks.refinement_ablation --maps simulated --cache ablation-simulated

Pairs are sampled once with the bundled model and kept in `--cache`, so that a stopped run goes on. Simulated
maps tell refinement from the model's quality: they are exact masks of renders, averaged over a 16 x 16 grid,
blurred, mixed with noise and enlarged, and judged by the exact masks.

Rows, each over the same pairs: the raw mask (the method's own; of simulated maps, above 0.5); the threshold
that matches the affinity mask best, without a CRF; the affinity mask itself; the CRF'd match (the published
result), and it in whole regions; affinity and CRF again with an AffinityNet over the diffusion model's own
decoder features; the raw mask through the CRF alone, with its outlines on the image's edges, in whole
regions, and in those on edges or through the CRF; with `--sam`, a folder of a SAM, the raw mask and its whole
regions outlined by that; and what the filter leaves of the best of these, by several rules. IoU is summed
over all pictures and averaged over the eight classes; pixels that a step leaves uncertain do not count, and
their share is a column.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Literal

import torch
import typer
from torch import Tensor

from benchmarks.refining.filtering import judges, kept_by_rule
from benchmarks.refining.steps import Masks, by_sam, refinements
from benchmarks.report import JsonOption, Row, over_seeds, report
from benchmarks.world.mapped_pairs import Pair, sampled_pairs, simulated_pairs
from benchmarks.world.mask_scores import Overlap
from benchmarks.world.sampling import GuidanceOption, ModelOption, StepsOption, quiet_pipeline
from benchmarks.world.scenes import world_ids
from diffusers_attnmask.families import check_supported

FILTER_SCALE = 0.5  # of the images, for a quarter of the time


def main(
    cache: Annotated[Path, typer.Option(help="Folder of the sampled pairs and the trained networks.")],
    pairs: Annotated[int, typer.Option(min=4, help="Half with one object, half with two.")] = 128,
    maps: Annotated[
        Literal["bundled", "simulated"], typer.Option(help="Sampled with the model, or simulated.")
    ] = "bundled",
    decoder: Annotated[bool, typer.Option(help="Also learn affinities over the decoder's features.")] = True,
    method: Annotated[str | None, typer.Option(help="Mask method; by default the bundled model's.")] = None,
    sampling_steps: StepsOption = 20,
    guidance: GuidanceOption = 3.0,
    epochs: Annotated[int, typer.Option(min=1, help="Of AffinityNet's training.")] = 6,
    filter_steps: Annotated[
        int, typer.Option(min=0, help="Training steps of each of the filter's 2 segmenters; 0 for no filter.")
    ] = 1000,
    sam: Annotated[str | None, typer.Option(help="Also outline masks by this SAM, SAM 2 or SAM 3.")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Of noise and trainings, each with all steps.")] = 1,
    model: ModelOption = None,
    json: JsonOption = None,
) -> None:
    pipe = None
    if maps == "bundled" or decoder:
        pipe = quiet_pipeline(model, dtype=torch.float32)
    sampling = {"num_inference_steps": sampling_steps, "guidance_scale": guidance}
    runs = []
    for seed in range(seeds):
        folder = cache if seed == 0 else cache / f"seed-{seed}"
        if maps == "bundled":
            chosen = pipe.mask_settings.resolve(method, check_supported(pipe), {})
            found = sampled_pairs(folder, pipe, pairs, chosen, sampling, seed)
        else:
            found = simulated_pairs(pairs)
        steps = dict(refinements(found, pipe if decoder else None, folder, epochs, seed))
        if sam is not None:
            steps |= by_sam(found, sam)
        rows = [row(name, found, masks) for name, masks in steps.items()]
        if filter_steps:
            best = max(steps, key=lambda name: score(found, steps[name].labels).iou)
            rows += filtered_rows(best, found, steps[best], folder, filter_steps, seed)
        runs.append(rows)
    settings = {"maps": maps, "pairs": pairs, "method": method or "the model's", "guidance": guidance}
    settings |= {"epochs": epochs, "seeds": seeds}
    report("Refinement against the oracle", over_seeds(runs), settings, json)


def score(pairs: Sequence[Pair], labels: Sequence[Tensor]) -> Overlap:
    overlap = Overlap()
    for pair, own in zip(pairs, labels, strict=True):
        overlap.add(world_ids(pair.names)[own.numpy()], pair.truth)
    return overlap


def row(name: str, pairs: Sequence[Pair], masks: Masks) -> Row:
    overlap = score(pairs, masks.labels)
    return {
        "step": name,
        "pairs": len(pairs),
        "mean IoU": overlap.iou,
        "uncertain": overlap.share_uncertain,
        "seconds a pair": masks.seconds,
        **overlap.by_class,
    }


def filtered_rows(
    name: str, pairs: Sequence[Pair], masks: Masks, cache: Path, steps: int, seed: int
) -> Iterator[Row]:
    """The best step's masks without the pairs that the filter drops, by each rule."""
    work = cache / f"filter-{name.replace(' ', '-')}"
    kept = kept_by_rule(pairs, masks.labels, judges(work, steps, 16, seed, FILTER_SCALE), seed)
    for rule, left in kept.items():
        title, labels = f"{name}; {rule}", Masks([masks.labels[index] for index in left])
        yield row(title, [pairs[index] for index in left], labels) if left else {"step": title, "pairs": 0}


if __name__ == "__main__":
    typer.run(main)
