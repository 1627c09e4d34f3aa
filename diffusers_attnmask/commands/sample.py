"""`attnmask sample`: pictures and their masks from one prompt."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import yaml

from diffusers_attnmask.ground.atomic_files import replacing

if TYPE_CHECKING:
    from PIL import Image

    from diffusers_attnmask import DiffuMaskPipeline


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
    import torch

    from diffusers_attnmask.ground.drawing import contact_sheet

    asked = [parsed_class(own) for own in classes]
    options = dict(parsed_option(own) for own in option or [])
    pipe = loaded_pipeline(model, half)
    out.mkdir(parents=True, exist_ok=True)
    written, shown, captions = [], [], []
    for own_seed in range(seed, seed + number):
        pipe.set_progress_bar_config(desc=f"seed {own_seed}")
        sampled = pipe(
            prompt,
            classes=asked,
            mask_method=method,
            mask_options=options,
            num_inference_steps=steps,
            guidance_scale=guidance,
            generator=torch.Generator().manual_seed(own_seed),
        )
        names = sampled.class_names[1:]
        pictures = {"image": sampled.images[0], "mask": sampled.masks[0], "overlay": sampled.overlay(0)}
        files = {kind: out / f"{own_seed:06d}-{kind}.png" for kind in pictures}
        for kind, file in files.items():
            write_picture(pictures[kind], file)
        written.append(
            {"seed": own_seed, "classes": sampled.class_names} | {k: str(f) for k, f in files.items()}
        )
        shown += [pictures["image"], pictures["overlay"]]
        shown += [sampled.heatmap_picture(0, name) for name in names]
        captions += [f"seed {own_seed}", "masks", *names]
    sheet = contact_sheet(shown, columns=len(shown) // number, captions=captions)
    write_picture(sheet, out / "contact-sheet.png")
    typer.echo(json.dumps(written) if as_json else f"samples and their masks are in {out.resolve()}")


def loaded_pipeline(model: str | None, half: bool = False) -> DiffuMaskPipeline:
    """A model folder or repository, by default the bundled model, on the GPU where there is one."""
    import torch

    from diffusers_attnmask import DiffuMaskPipeline, bundled_model

    dtype = torch.float16 if half else torch.float32
    pipe = DiffuMaskPipeline.from_pretrained(model or bundled_model(), dtype=dtype)
    return pipe.to("cuda" if torch.cuda.is_available() else "cpu")


def parsed_class(text: str) -> str | tuple[str, list[str]]:
    """`dog`, or `aeroplane=airplane,jet` for a name and the phrases that stand for it."""
    name, given, phrases = text.partition("=")
    return (name, phrases.split(",")) if given else name


def parsed_option(text: str) -> tuple[str, Any]:
    """`levels=[0, 1]` or `threshold=otsu`: a value is read as YAML."""
    name, given, value = text.partition("=")
    if not given:
        raise ValueError(f"--option {text!r} must be name=value, such as threshold=otsu")
    return name, yaml.safe_load(value)


def write_picture(picture: Image.Image, file: Path) -> None:
    """Write a PNG in one piece."""
    with replacing(file) as partial:
        picture.save(partial, "PNG")
