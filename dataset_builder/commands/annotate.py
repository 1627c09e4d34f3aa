"""`attnmask annotate`: a dataset of a user's own pictures."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from dataset_builder.commands.shared_ending import tell
from dataset_builder.commands.shared_options import (
    Address,
    Engine,
    Gpus,
    Outside,
    Private,
    typed_engine,
)
from diffusers_attnmask.ground.typed import choice, is_trial, parsed_classes
from diffusers_attnmask.loading import flags


def annotate(
    folder: Annotated[str, typer.Argument(help="Folder of pictures, in folders of it too.")],
    out: Annotated[str, typer.Option(help="Folder of the dataset; one begun before is completed.")],
    classes: Annotated[
        list[str] | None,
        typer.Option("--class", "-c", help="A class to label: a word, or name=phrase,phrase. Repeatable."),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(help="YAML file with what else decides a dataset: vocabulary, refinement, maps."),
    ] = None,
    by: Annotated[
        str, typer.Option(help="Who labels: attention, seg-diffusion, sam (a SAM 3) or segmenter.")
    ] = "attention",
    model: Annotated[
        str | None,
        typer.Option(help="The labeller: a folder or repository; of attention by default the bundled one."),
    ] = None,
    revision: flags.Revision = None,
    table: Annotated[
        str | None, typer.Option(help="CSV or JSONL with the columns file, classes and, if known, caption.")
    ] = None,
    captioner: Annotated[
        str | None, typer.Option(help="Image-to-text model that writes a caption of every picture.")
    ] = None,
    strength: Annotated[float, typer.Option(help="Noise that attention looks through, from 0 to 1.")] = 0.5,
    looks: Annotated[int, typer.Option(help="How often attention looks.")] = 2,
    drop_absent: Annotated[
        float | None,
        typer.Option(help="Presence below which attention leaves a class out. [default: the recipe's]"),
    ] = None,
    score: Annotated[float, typer.Option(help="From which on sam counts an object.")] = 0.5,
    longest_side: Annotated[int | None, typer.Option(help="Larger pictures are made smaller.")] = None,
    allow_outside: Outside = False,
    method: flags.RecipeMethod = None,
    method_option: flags.MethodOptions = None,
    maps: Annotated[bool, typer.Option("--maps", help="Keep the class maps, for attnmask refine.")] = False,
    shard_size: Annotated[int | None, typer.Option(help="Pairs in a file. [default: 256]")] = None,
    seed: Annotated[int | None, typer.Option(help="Of attention's noise. [default: 0]")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Pictures at once. [default: 8]")] = None,
    dtype: flags.Dtype = None,
    device: flags.Device = None,
    lora: flags.Loras = None,
    vae: flags.Vae = None,
    scheduler: flags.Scheduler = None,
    offload: flags.Offload = None,
    model_option: flags.ModelOptions = None,
    engine: Engine = "local",
    workers: Annotated[
        int, typer.Option(help="Processes that refine beside the labeller; with ray, labellers.")
    ] = 1,
    address: Address = "local",
    gpus: Gpus = None,
    push_to: Annotated[
        str | None, typer.Option(help="Dataset repository user/name; files are uploaded as they are made.")
    ] = None,
    private: Private = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be labelled, and exit.")] = False,
    measure: Annotated[
        bool, typer.Option("--measure", help="Of --dry-run: label two batches, for the hours.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
) -> None:
    """Label your own pictures: by attention, seg-diffusion, SAM 3 or a trained segmenter."""
    from dataset_builder.annotating.options import PictureOptions
    from dataset_builder.annotating.run import annotate_pictures, lines, plan_annotation
    from dataset_builder.recipe import recipe_over
    from diffusers_attnmask.ground.options import as_flags
    from diffusers_attnmask.ground.places import check_own_place

    with as_flags({**flags.FLAGS, **flags.OF_SAMPLING, "vocabulary": "-c", "pictures.by": "--by"}):
        pictures = PictureOptions(
            folder=folder,
            by=choice(by),
            table=table,
            captioner=captioner,
            strength=strength,
            looks=looks,
            score=score,
            longest_side=longest_side,
            allow_outside=allow_outside,
        )
        asked = recipe_over(
            recipe,
            vocabulary={"classes": parsed_classes(classes)} if classes else None,
            pictures=pictures,
            model=model,
            method=method,
            drop_absent=drop_absent,
            method_options=flags.typed_method_options(method_option) or None,
            maps=maps or None,
            shard_size=shard_size,
            seed=seed,
            revision=revision,
            sampling=flags.typed_model(
                batch_size=batch_size,
                dtype=dtype,
                device=device,
                loras=lora,
                vae=vae,
                scheduler=scheduler,
                offload=offload,
                more=model_option,
            ),
        )
        options = typed_engine(engine, workers, address, gpus)
    if is_trial(dry_run, measure):
        check_own_place(out, "annotate")
        plan = plan_annotation(asked, measure=measure, workers=workers)
        typer.echo(json.dumps(plan.to_dict()) if as_json else "\n".join(lines(plan)))
        return
    tell(
        lambda: annotate_pictures(asked, out, options, push_to=push_to, private=private),
        out,
        "labelled pictures",
        as_json,
    )
