"""`attnmask plan`: what a build will make and need, before its hours."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from diffusers_attnmask.loading import flags


def plan(
    recipe: Annotated[str, typer.Option(help="YAML file, or the name of a bundled recipe such as tiny.")],
    num_pairs: Annotated[int | None, typer.Option(help="Pairs, in place of the recipe's.")] = None,
    model: flags.RecipeModel = None,
    revision: flags.Revision = None,
    size: flags.Size = None,
    batch_size: flags.BatchSize = None,
    dtype: flags.Dtype = None,
    device: flags.Device = None,
    offload: flags.Offload = None,
    model_option: flags.ModelOptions = None,
    measure: Annotated[
        bool, typer.Option("--measure", help="Load the model and time two batches, for the hours.")
    ] = False,
    workers: Annotated[int, typer.Option(help="Processes that refine beside the sampler.")] = 1,
    machines: Annotated[int, typer.Option(help="For how many Ray workers the hours are told, too.")] = 8,
    shown: Annotated[int, typer.Option(help="How many prompts are shown.")] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="Print the plan as JSON.")] = False,
) -> None:
    """Say what a build will make and need: prompts, shards, disk, memory of weights, and hours."""
    from dataset_builder.planning.run import PlanOptions, lines, plan_build
    from dataset_builder.recipe import Recipe
    from diffusers_attnmask.ground.options import as_flags

    with as_flags({"pairs": "--num-pairs", **flags.FLAGS, **flags.OF_SAMPLING}):
        sampling = flags.typed_model(
            size=size, batch_size=batch_size, dtype=dtype, device=device, offload=offload, more=model_option
        )
        asked = Recipe.read(recipe).with_changes(
            pairs=num_pairs, model=model, revision=revision, sampling=sampling
        )
        options = PlanOptions(measure=measure, workers=workers, machines=machines, shown=shown)
        planned = plan_build(asked, options)
    typer.echo(json.dumps(planned.to_dict()) if as_json else "\n".join(lines(planned)))
