"""`attnmask refine`: the masks of a dataset made anew from its class maps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from diffusers_attnmask.ground.typed import choice


def refine(
    data: Annotated[str, typer.Option(help="Dataset folder with class maps (`maps: true` in its recipe).")],
    out: Annotated[str, typer.Option(help="Folder of the refined dataset; a stopped run goes on.")],
    method: Annotated[
        str, typer.Option(help="affinity (published, trains AffinityNet), match, crf or none.")
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
        str, typer.Option(help="Uncertain pixels (255) with --method crf or --snap: keep or decide.")
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
    crf: Annotated[str, typer.Option(help="torch or pydensecrf.")] = "torch",
    scale_crf: Annotated[
        bool, typer.Option(help="Scale the CRF's distances from 512 pixels to the image's size.")
    ] = True,
    seed: Annotated[int, typer.Option(help="Of AffinityNet's weights and views.")] = 0,
    allow_outside: Annotated[
        bool,
        typer.Option("--allow-outside", help="Read files, too, that the data name outside."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Make every mask anew: affinity, random walk, thresholds by match, CRF, whole regions, edges."""
    from dataset_builder.refinement.affinity.augment import ViewOptions
    from dataset_builder.refinement.affinity.network import AffinityNetOptions
    from dataset_builder.refinement.affinity.training import AffinityTraining
    from dataset_builder.refinement.run import RefineRun, refine_dataset
    from diffusers_attnmask.ground.options import as_flags
    from diffusers_attnmask.ground.places import read_with, shown

    with as_flags():
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
            allow_outside=allow_outside,
        )
    pairs = refine_dataset(data, out, run)
    if as_json:
        typer.echo(json.dumps({"out": str(out), "pairs": pairs}))
    else:
        typer.echo(f"{pairs} refined pairs are in {shown(out)}; read them with {read_with(out)}")
