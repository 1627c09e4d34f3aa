"""`attnmask refine`: the masks of a dataset made anew from its class maps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from dataset_builder.commands.shared_options import Address, Engine, Gpus, Outside, Workers, typed_engine
from diffusers_attnmask.ground.typed import choice, is_trial


def refine(
    data: Annotated[
        str,
        typer.Option(help="Dataset with class maps (`maps: true` in its recipe), or name@split[:10%]."),
    ],
    out: Annotated[str, typer.Option(help="Folder of the refined dataset; a stopped run goes on.")],
    method: Annotated[
        str, typer.Option(help="affinity (published, trains AffinityNet), match, crf, sam or none.")
    ] = "affinity",
    whole_regions: Annotated[
        bool,
        typer.Option("--whole-regions", help="One class for each region: for objects that stand apart."),
    ] = False,
    snap: Annotated[
        bool, typer.Option("--snap", help="Move outlines to the image's own edges (guided filter).")
    ] = False,
    fill: Annotated[bool, typer.Option(help="Close the holes of outlines, as published.")] = True,
    uncertain: Annotated[
        str, typer.Option(help="Uncertain pixels (255) with --method crf, sam or --snap: keep or decide.")
    ] = "keep",
    backbone: Annotated[
        str, typer.Option(help="Of AffinityNet: small, or timm:NAME with pretrained weights if reachable.")
    ] = "small",
    pretrained: Annotated[bool, typer.Option(help="Fetch the weights of a timm backbone.")] = True,
    stride: Annotated[int, typer.Option(min=1, help="Pixels between points of the affinity's grid.")] = 8,
    epochs: Annotated[int, typer.Option(min=1, help="Of AffinityNet's training.")] = 8,
    batch_size: Annotated[int, typer.Option(min=1, help="Of AffinityNet's training.")] = 8,
    learning_rate: Annotated[float, typer.Option(help="Of AffinityNet's backbone.")] = 0.01,
    crop: Annotated[int, typer.Option(min=16, help="Side of AffinityNet's training views.")] = 448,
    thresholds: Annotated[
        Path | None, typer.Option(help="YAML of thresholds by class, in place of the published ones.")
    ] = None,
    sam_model: Annotated[
        str | None, typer.Option(help="Of --method sam: a SAM, SAM 2 or SAM 3, a folder or repository.")
    ] = None,
    sam_prompts: Annotated[
        str, typer.Option(help="SAM is asked by attention (boxes, points, maps) or, SAM 3, by words.")
    ] = "attention",
    agreement: Annotated[
        float, typer.Option(help="Least IoU with the attention's object at which SAM's mask is taken.")
    ] = 0.5,
    points: Annotated[
        int, typer.Option(help="For SAM: on an object, on the background, on other classes.")
    ] = 3,
    margin: Annotated[float, typer.Option(help="For SAM: of a box, as a share of its sides.")] = 0.1,
    score: Annotated[float, typer.Option(help="From which on SAM 3 counts what it found by words.")] = 0.5,
    device: Annotated[str, typer.Option(help="Of SAM: auto, cuda, mps or cpu.")] = "auto",
    dtype: Annotated[
        str, typer.Option(help="In which SAM sees pictures: auto, bf16, fp16 or fp32.")
    ] = "auto",
    crf: Annotated[str, typer.Option(help="torch or pydensecrf.")] = "torch",
    scale_crf: Annotated[
        bool, typer.Option(help="Scale the CRF's distances from 512 pixels to the image's size.")
    ] = True,
    seed: Annotated[int, typer.Option(help="Of AffinityNet's weights and views.")] = 0,
    allow_outside: Outside = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be refined, and exit.")] = False,
    measure: Annotated[
        bool, typer.Option("--measure", help="Of --dry-run: refine a few pairs, for the hours.")
    ] = False,
    engine: Engine = "local",
    workers: Workers = 1,
    address: Address = "local",
    gpus: Gpus = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Make every mask anew: affinity, random walk, thresholds by match, CRF, SAM, whole regions, edges."""
    from dataset_builder.refinement.affinity.augment import ViewOptions
    from dataset_builder.refinement.affinity.network import AffinityNetOptions
    from dataset_builder.refinement.affinity.training import AffinityTraining
    from dataset_builder.refinement.plan import plan_refinement
    from dataset_builder.refinement.run import RefineRun, refine_dataset
    from dataset_builder.sam.options import SamOptions
    from diffusers_attnmask.ground.options import as_flags
    from diffusers_attnmask.ground.places import check_new_place, read_with, shown

    trial = is_trial(dry_run, measure)
    with as_flags(
        {"model": "--sam-model", "prompts": "--sam-prompts", "sam": "--sam-…", "training.view": "--crop"}
    ):
        run = RefineRun(
            method=choice(method),
            whole_regions=whole_regions,
            snap=snap,
            fill=fill,
            uncertain=choice(uncertain),
            crf=choice(crf),
            scale_crf=scale_crf,
            net=AffinityNetOptions(backbone, stride=stride, pretrained=pretrained),
            training=AffinityTraining(
                epochs=epochs,
                batch_size=batch_size,
                learning_rate=learning_rate,
                view=ViewOptions(crop=crop),
                seed=seed,
            ),
            thresholds=thresholds,
            model=sam_model,
            sam=SamOptions(
                prompts=choice(sam_prompts),
                agreement=agreement,
                points=points,
                margin=margin,
                score=score,
                device=choice(device),
                dtype=choice(dtype),
            ),
            allow_outside=allow_outside,
        )
        where = typed_engine(engine, workers, address, gpus)
    if trial:
        check_new_place(out, "refine")
        plan = plan_refinement(data, run, measure=measure)
        typer.echo(json.dumps(plan.to_dict()) if as_json else "\n".join(plan.lines()))
        return
    pairs = refine_dataset(data, out, run, where)
    if as_json:
        typer.echo(json.dumps({"out": str(out), "pairs": pairs}))
    else:
        typer.echo(f"{pairs} refined pairs are in {shown(out)}; read them with {read_with(out)}")
