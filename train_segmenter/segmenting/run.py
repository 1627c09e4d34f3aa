"""Masks of a user's own pictures by whatever model is named."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from diffusers_attnmask.ground.device import best_device
from diffusers_attnmask.ground.options import Count, Share, options
from diffusers_attnmask.ground.typed import given
from train_segmenter.evaluation.inference import Inference
from train_segmenter.models import load
from train_segmenter.models.registry import is_seg_diffusion, model_folder
from train_segmenter.segmenting import with_segmenter

DIFFUSION = (
    *("classes", "denoising_steps", "ensemble_size", "processing_res", "batch_size", "background"),
    *("seen_penalty", "seed", "precision"),
)


@options(kw_only=True)
class SegmentRun:
    """inference: of a segmenter. All else but `cpu` is of seg-diffusion and explained at `MaskSampling`;
    classes: any words, by default those of training."""

    inference: Inference = field(default_factory=Inference)
    classes: tuple[str, ...] | None = None
    denoising_steps: Count | None = None
    ensemble_size: Count | None = None
    processing_res: int | None = None
    batch_size: int | None = None
    background: float | None = None
    seen_penalty: Share | None = None
    seed: int | None = None
    precision: str | None = None
    cpu: bool = False


def segment_pictures(
    pictures: Sequence[str],
    model: str | Path,
    out: str | Path,
    run: SegmentRun | None = None,
    *,
    progress: bool = True,
) -> list[dict[str, Path]]:
    """Write the mask and the overlay of each picture that files, folders and patterns mean.

    One entry per picture says where its files are: "image" (the picture itself), "mask", "overlay", and
    "uncertainty" of an ensemble of seg-diffusion's samples.
    """
    run, model, out = run or SegmentRun(), str(model), Path(out)
    found = with_segmenter.find_images(pictures)
    diffusion = given(**{name: getattr(run, name) for name in DIFFUSION})
    if is_seg_diffusion(str(model_folder(model))):
        if run.inference != Inference():
            raise ValueError(
                "seg-diffusion takes no windows, scales or mirrored copies: see --ensemble-size."
            )
        written = _with_diffusion(model, found, out, best_device(run.cpu), diffusion)
    else:
        if diffusion:
            flags = ", ".join(f"--{name.replace('_', '-')}" for name in diffusion)
            raise ValueError(f"{model} is no seg-diffusion model: leave {flags} out.")
        segmenter = load(model).to(best_device(run.cpu))
        written = with_segmenter.segment(segmenter, found, out, run.inference)
    shown = tqdm(written, total=len(found), desc="segmenting", disable=not progress)
    return [{"image": image, **paths} for image, paths in zip(found, shown, strict=True)]


def _with_diffusion(
    model: str, images: Sequence[Path], out: Path, device: str, asked: dict[str, Any]
) -> Iterator[dict[str, Path]]:
    from diffusers_attnmask.seg_diffusion.sampling import MaskSampling
    from train_segmenter.segmenting.with_diffusion import load_pipeline, segment

    classes, seed = asked.pop("classes", ()), asked.pop("seed", 0)
    pipe = load_pipeline(model, asked.pop("precision", "fp32"), device)
    return segment(pipe, images, out, classes, MaskSampling(**asked), seed)
