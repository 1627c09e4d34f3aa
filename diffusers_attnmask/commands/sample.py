"""`attnmask sample`: pictures and their masks from one prompt."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from diffusers_attnmask.loading import flags


def sample(
    prompt: Annotated[str, typer.Argument(help="What to paint.")],
    classes: Annotated[
        list[str],
        typer.Option("--class", "-c", help="A class to mask: a phrase, or name=phrase,phrase. Repeatable."),
    ],
    out: Annotated[
        str, typer.Option(help="Folder for the pictures: new, empty, or of earlier samples.")
    ] = "samples",
    model: flags.Model = None,
    revision: flags.Revision = None,
    method: flags.Method = None,
    method_option: flags.MethodOptions = None,
    number: Annotated[int, typer.Option("--number", "-n", min=1, help="How many pictures.")] = 1,
    steps: Annotated[int, typer.Option(min=1, help="Denoising steps.")] = 30,
    guidance: flags.Guidance = None,
    size: flags.Size = None,
    seed: Annotated[int, typer.Option(help="Seed of the first picture; the next ones count up.")] = 0,
    drop_absent: Annotated[
        float | None,
        typer.Option(help="Presence below which a class is left out of the mask. [default: warn, and keep]"),
    ] = None,
    dtype: flags.Dtype = None,
    device: flags.Device = None,
    lora: flags.Loras = None,
    vae: flags.Vae = None,
    scheduler: flags.Scheduler = None,
    offload: flags.Offload = None,
    condition: Annotated[
        str | None, typer.Option(help="Picture for the ControlNet or adapter that --model-option names.")
    ] = None,
    model_option: flags.ModelOptions = None,
    opacity: flags.Opacity = 0.4,
    palette: flags.Palette = "safe",
    as_json: Annotated[bool, typer.Option("--json", help="Print what was written as JSON.")] = False,
) -> None:
    """Sample pictures from a prompt and write them with their masks, overlays and a sheet of class maps.

    Terminals that can show pictures show the overlays. Of every class its presence is told: how surely the
    picture shows it at all.
    """
    from diffusers_attnmask.ground.drawing import Look
    from diffusers_attnmask.ground.options import as_flags
    from diffusers_attnmask.ground.places import shown
    from diffusers_attnmask.ground.terminal_pictures import show_pictures
    from diffusers_attnmask.ground.typed import choice, parsed_class
    from diffusers_attnmask.sampling.run import SampleRun, sample_pictures

    with as_flags(flags.FLAGS):
        typed = flags.typed_model(
            guidance=guidance,
            size=size,
            dtype=dtype,
            device=device,
            loras=lora,
            vae=vae,
            scheduler=scheduler,
            offload=offload,
            more=model_option,
        )
        run = SampleRun(
            model=model,
            revision=revision,
            condition=condition,
            method=method,
            method_options=flags.typed_method_options(method_option),
            number=number,
            steps=steps,
            seed=seed,
            drop_absent=drop_absent,
            look=Look(opacity, choice(palette)),
            **typed,
        )
        written = sample_pictures(prompt, list(map(parsed_class, classes)), out, run)
    if as_json:
        typer.echo(json.dumps([own.to_dict() for own in written]))
    else:
        show_pictures(own.files["overlay"] for own in written)
        for own in written:
            typer.echo(own)
        typer.echo(f"samples and their masks are in {shown(out)}")
