"""`attnmask sample`: pictures and their masks from one prompt."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def sample(
    prompt: Annotated[str, typer.Argument(help="What to paint.")],
    classes: Annotated[
        list[str],
        typer.Option("--class", "-c", help="A class to mask: a phrase, or name=phrase,phrase. Repeatable."),
    ],
    out: Annotated[Path, typer.Option(help="Folder for the pictures.")] = Path("samples"),
    model: Annotated[
        str | None, typer.Option(help="Model folder or repository; by default the bundled model.")
    ] = None,
    method: Annotated[
        str | None, typer.Option(help="daam, dataset-diffusion, diffumask or ovam; by default the model's.")
    ] = None,
    option: Annotated[
        list[str] | None, typer.Option(help="An option of the method, such as threshold=otsu. Repeatable.")
    ] = None,
    number: Annotated[int, typer.Option("--number", "-n", min=1, help="How many pictures.")] = 1,
    steps: Annotated[int, typer.Option(min=1, help="Denoising steps.")] = 30,
    guidance: Annotated[float, typer.Option(help="Guidance scale.")] = 7.5,
    seed: Annotated[int, typer.Option(help="Seed of the first picture; the next ones count up.")] = 0,
    half: Annotated[bool, typer.Option(help="Sample in float16.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was written as JSON.")] = False,
) -> None:
    """Sample pictures from a prompt and write them with their masks, overlays and a sheet of class maps."""
    from diffusers_attnmask.ground.options import as_flags
    from diffusers_attnmask.ground.typed import by_name, parsed_class, parsed_option
    from diffusers_attnmask.sampling.run import SampleRun, sample_pictures

    with as_flags({"method_options": "--option"}):
        run = SampleRun(
            model=model,
            method=method,
            method_options=by_name(map(parsed_option, option or []), "--option"),
            number=number,
            steps=steps,
            guidance=guidance,
            seed=seed,
            half=half,
        )
    written = sample_pictures(prompt, list(map(parsed_class, classes)), out, run)
    if as_json:
        typer.echo(json.dumps([own.to_dict() for own in written]))
    else:
        typer.echo(f"samples and their masks are in {out.resolve()}")
