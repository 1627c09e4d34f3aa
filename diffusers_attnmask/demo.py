"""`attnmask demo`: a first look without a network, the bundled model's pictures and their masks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

PROMPTS: tuple[tuple[str, list[str]], ...] = (
    ("a photo of a red star on grass", ["star"]),
    ("a photo of a yellow fish on water", ["fish"]),
    ("a photo of a pink donut on wood", ["donut"]),
    ("a photo of a blue house in snow", ["house"]),
    ("a purple heart on sand", ["heart"]),
    ("a red mushroom and a white moon on grass", ["mushroom", "moon"]),
    ("a green tree next to an orange house on stone", ["tree", "house"]),
    ("a blue fish and a yellow star on sand", ["fish", "star"]),
)


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the pictures.")] = Path("demo"),
    steps: Annotated[int, typer.Option(min=1, help="Denoising steps.")] = 25,
    seed: Annotated[int, typer.Option(help="Seed of the first picture; the next ones count up.")] = 0,
    method: Annotated[
        str | None, typer.Option(help="Mask method; by default the one that suits the model.")
    ] = None,
) -> None:
    """Sample pictures with masks from the bundled model, offline, and write them with a contact sheet."""
    import torch

    from diffusers_attnmask import DiffuMaskPipeline, bundled_model
    from diffusers_attnmask.pictures import contact_sheet

    pipe = DiffuMaskPipeline.from_pretrained(bundled_model())
    pipe.to("cuda" if torch.cuda.is_available() else "cpu")
    pipe.set_progress_bar_config(desc=f"{len(PROMPTS)} pictures")
    sampled = pipe(
        [prompt for prompt, _ in PROMPTS],
        classes=[classes for _, classes in PROMPTS],
        mask_method=method,
        num_inference_steps=steps,
        generator=[torch.Generator().manual_seed(seed + index) for index in range(len(PROMPTS))],
    )

    out.mkdir(parents=True, exist_ok=True)
    overlays = [sampled.overlay(index) for index in range(len(PROMPTS))]
    for index, (image, mask, overlay) in enumerate(zip(sampled.images, sampled.masks, overlays, strict=True)):
        image.save(out / f"{index:02d}-image.png")
        mask.save(out / f"{index:02d}-mask.png")
        overlay.save(out / f"{index:02d}-overlay.png")
    contact_sheet(overlays, captions=[prompt for prompt, _ in PROMPTS]).save(out / "contact-sheet.png")
    typer.echo(
        f"{len(PROMPTS)} pictures, masks and overlays are in {out.resolve()}; look at contact-sheet.png first"
    )
