"""`attnmask build`: a dataset from a recipe."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from dataset_builder.commands.shared_ending import tell
from dataset_builder.commands.shared_options import Address, Engine, Gpus, Private, typed_engine
from diffusers_attnmask.ground.schema_flag import schema_flag
from diffusers_attnmask.loading import flags


def recipes() -> type:
    from dataset_builder.recipe import Recipe

    return Recipe


def build(
    recipe: Annotated[str, typer.Option(help="YAML file, or the name of a bundled recipe such as tiny.")],
    out: Annotated[
        str, typer.Option(help="Dataset folder, here or at s3://…; one begun before is completed, or grows.")
    ],
    num_pairs: Annotated[int | None, typer.Option(help="Pairs, in place of the recipe's.")] = None,
    shard_size: Annotated[int | None, typer.Option(help="Pairs in a file, in place of the recipe's.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed, in place of the recipe's.")] = None,
    model: flags.RecipeModel = None,
    revision: flags.Revision = None,
    method: flags.RecipeMethod = None,
    method_option: flags.MethodOptions = None,
    steps: flags.Steps = None,
    guidance: flags.Guidance = None,
    batch_size: flags.BatchSize = None,
    size: flags.Size = None,
    dtype: flags.Dtype = None,
    device: flags.Device = None,
    lora: flags.Loras = None,
    vae: flags.Vae = None,
    scheduler: flags.Scheduler = None,
    offload: flags.Offload = None,
    model_option: flags.ModelOptions = None,
    engine: Engine = "local",
    workers: Annotated[
        int, typer.Option(help="Processes that refine beside the sampler; with ray, samplers.")
    ] = 1,
    address: Address = "local",
    gpus: Gpus = None,
    push_to: Annotated[
        str | None, typer.Option(help="Dataset repository user/name; files are uploaded as they are built.")
    ] = None,
    private: Private = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be built, as attnmask plan does, and exit.")
    ] = False,
    measure: Annotated[
        bool, typer.Option("--measure", help="Of --dry-run: time two batches, for the hours.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
    schema: Annotated[bool, schema_flag(recipes)] = False,
) -> None:
    """Build a dataset of images and masks that `load_dataset` reads."""
    from dataset_builder.building.dataset import build_dataset
    from dataset_builder.building.manifest import check_goes_on
    from dataset_builder.planning.run import PlanOptions, lines, plan_build
    from dataset_builder.recipe import Recipe
    from diffusers_attnmask.ground.options import as_flags
    from diffusers_attnmask.ground.places import check_own_place
    from diffusers_attnmask.ground.remote import is_remote
    from diffusers_attnmask.ground.typed import is_trial

    with as_flags({"pairs": "--num-pairs", **flags.FLAGS, **flags.OF_SAMPLING}):
        sampling = flags.typed_model(
            steps=steps,
            guidance=guidance,
            batch_size=batch_size,
            size=size,
            dtype=dtype,
            device=device,
            loras=lora,
            vae=vae,
            scheduler=scheduler,
            offload=offload,
            more=model_option,
        )
        asked = Recipe.read(recipe).with_changes(
            pairs=num_pairs,
            shard_size=shard_size,
            seed=seed,
            model=model,
            revision=revision,
            method=method,
            method_options=flags.typed_method_options(method_option) or None,
            sampling=sampling,
        )
        options = typed_engine(engine, workers, address, gpus)
        if is_trial(dry_run, measure):
            check_own_place(out, "build")
            if not is_remote(out):
                check_goes_on(Path(out), asked)
            plan = plan_build(asked, PlanOptions(measure=measure, workers=workers))
            typer.echo(json.dumps(plan.to_dict()) if as_json else "\n".join(lines(plan)))
            return
    tell(lambda: build_dataset(asked, out, options, push_to=push_to, private=private), out, "pairs", as_json)
