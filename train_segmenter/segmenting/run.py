"""Masks of a user's own pictures by whatever model is named."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import field
from pathlib import Path
from typing import Annotated, Literal

from PIL import Image
from pydantic import Field

from diffusers_attnmask.ground.bars import moving_bar
from diffusers_attnmask.ground.device import device_called
from diffusers_attnmask.ground.drawing import Look
from diffusers_attnmask.ground.options import MOST_SIDE, Batch, Device, Names, Seed, Share, Steps, options
from diffusers_attnmask.ground.own_folder import own_folder
from diffusers_attnmask.ground.pictures import read_image, write_picture
from diffusers_attnmask.ground.typed import given
from train_segmenter.evaluation.inference import Inference
from train_segmenter.models import Segmenter, load
from train_segmenter.segmenting.find_images import find_images

WORDS_AND_SAMPLING = (
    *("classes", "denoising_steps", "ensemble_size", "processing_res", "batch_size", "background"),
    *("seen_penalty", "seed", "dtype"),
)


@options(kw_only=True)
class SegmentRun:
    """inference: of a segmenter. look: of the overlays. All else but `device` is of seg-diffusion and
    explained at `MaskSampling`; classes: any words, by default those of training."""

    inference: Inference = field(default_factory=Inference)
    classes: Names | None = None
    denoising_steps: Steps | None = None
    ensemble_size: Batch | None = None
    processing_res: Annotated[int, Field(ge=0, le=MOST_SIDE)] | None = None
    batch_size: Annotated[int, Field(ge=0, le=2**16)] | None = None
    background: Share | None = None
    seen_penalty: Share | None = None
    seed: Seed | None = None
    dtype: Literal["fp32", "fp16", "bf16"] | None = None
    device: Device = "auto"
    look: Look = field(default_factory=Look)


def segment_pictures(
    pictures: Sequence[str],
    model: str | Path,
    out: str | Path,
    run: SegmentRun | None = None,
    *,
    progress: bool = True,
) -> list[dict[str, Path]]:
    """Write the mask and the overlay of each picture that files, folders and patterns mean.

    A mask is a palette PNG of class ids uint8 (H, W), of the picture's size. pictures: files, folders, or
    patterns such as `photos/*.jpg`. One entry per picture says where its files are: "image" (the picture
    itself), "mask", "overlay", and "uncertainty" of an ensemble of seg-diffusion's samples.
    """
    run = run or SegmentRun()
    found = find_images(pictures)
    with own_folder(out, "segment") as folder:
        segmenter = load(model).to(device_called(run.device))
        sampling = given(**{name: getattr(run, name) for name in WORDS_AND_SAMPLING})
        written = segment(segmenter.for_pictures(**sampling), found, folder, run.inference, run.look)
        results = []
        with moving_bar("segmenting", len(found), unit="picture", shown=progress) as moving:
            for image, paths in zip(found, written, strict=True):
                results.append({"image": image, **paths})
                moving.say(paths["mask"])
                moving.update()
        return results


def segment(
    model: Segmenter,
    images: Sequence[Path],
    out: Path,
    inference: Inference | None = None,
    look: Look | None = None,
) -> Iterator[dict[str, Path]]:
    """Writes `NAME_mask.png`, `NAME_overlay.png` and what else the model shows; yields paths as it goes."""
    for path in images:
        pictures = model.pictures(Image.fromarray(read_image(path)), inference or Inference(), look)
        written = {kind: out / f"{path.stem}_{kind}.png" for kind in pictures}
        for kind, picture in pictures.items():
            write_picture(picture, written[kind])
        yield written
