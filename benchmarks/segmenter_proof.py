r"""How good a segmenter of the tiny world becomes on generated pairs, beside one trained on exact renders.

    python -m benchmarks.segmenter_proof --work arms --scale 0.5 --json segmenter_proof.json

Every arm trains the same model from random weights for the same number of steps and is judged on renders
that nothing was trained on, at two scales and mirrored: (a) N renders with exact masks; (b) N generated
pairs, raw, and with their outlines on edges; (c) the same, refined: whole regions, on edges; (d) refined and
filtered (`proof/pairs.py` makes them, in --work); (e) the best of raw (b) to (d) with augmentation, pairs
turned and zoomed as they are drawn; (f) self-training: the best of raw (b) to (e) labels its own images
again; (g) a third of the steps on the pairs of the best of these, the others on N / 10 renders. "Best" is
chosen on validation renders, never on the held-out ones. Arms that are complete in --work stand.
`--scale 0.5` trains at half size, for a quarter of the time, and judges there and a quarter larger.
`--arm 'TITLE=FOLDER'` adds an arm on pairs made in another way, with which (e) to (g) have nothing to do.

The last rows tell what (g) owes to what: its renders alone, trained as the other arms and at the learning
rates of (g), which rise again after a third of the steps; the renders of (a) at those rates; and fewer
renders, with and without the generated pairs before them.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.proof.arms import all_arms, first_renders
from benchmarks.proof.bench import Arm, Bench, judging_at, training_at
from benchmarks.proof.pairs import generated_pairs, pairs_of, pairs_on_edges
from benchmarks.report import JsonOption, Row, over_seeds, report
from tiny_world.oracle import CLASS_NAMES, MODEL


def main(
    work: Annotated[Path, typer.Option(help="folder for the arms' models and the generated pairs")],
    pairs: Annotated[int, typer.Option(min=0, help="generated, of (b) to (d); 0 for none")] = 600,
    judge_steps: Annotated[int, typer.Option(min=1, help="of the judges that filter (d)")] = 750,
    arm: Annotated[list[str] | None, typer.Option(help="TITLE=FOLDER of other pairs; repeatable")] = None,
    real: Annotated[int, typer.Option(min=1, help="N, the renders of arm (a)")] = 600,
    held_out: Annotated[int, typer.Option(min=1, help="renders that judge")] = 300,
    validation: Annotated[int, typer.Option(min=1, help="renders that choose the best arm")] = 150,
    steps: int = 1000,
    batch_size: int = 16,
    learning_rate: float = 3e-3,
    dtype: str = "fp32",
    scale: Annotated[float, typer.Option(help="of the images in training, and the smaller in judging")] = 1.0,
    seeds: Annotated[int, typer.Option(min=1, help="of trainings, each of all arms, on the same pairs")] = 1,
    cpu: bool = False,
    json: JsonOption = None,
) -> None:
    options = training_at(scale, steps, batch_size=batch_size, learning_rate=learning_rate, dtype=dtype)
    judges = first_renders(validation, "validation"), first_renders(held_out, "test")
    generated = generated_pairs(work / "pairs", pairs, judge_steps) if pairs else {}
    others = {title: pairs_of(path) for title, _, path in (own.rpartition("=") for own in arm or [])}
    if pairs:
        others["(b) on edges"] = pairs_on_edges(work / "pairs")
    runs = []
    for seed in range(seeds):
        folder = work if seed == 0 else work / f"seed-{seed}"
        bench = Bench(folder, replace(options, seed=seed), judging_at(scale), *judges, cpu)
        runs.append(rows(all_arms(bench, real, generated, others)))
    settings = {**options.to_dict(), "model": MODEL, "pairs": pairs, "real": real}
    settings |= {"held_out": held_out, "scale": scale, "seeds": seeds}
    report(f"segmenters judged on {held_out} held-out renders", over_seeds(runs), settings, json)


def rows(arms: list[Arm]) -> list[Row]:
    exact = arms[0].report.mean_iou
    return [
        {
            "arm": arm.title,
            "pairs": len(arm.source),
            "mean IoU": arm.report.mean_iou,
            "share of (a)": arm.report.mean_iou / exact,
            **{name: float(value) for name, value in zip(CLASS_NAMES, arm.report.iou, strict=True)},
        }
        for arm in arms
    ]


if __name__ == "__main__":
    typer.run(main)
