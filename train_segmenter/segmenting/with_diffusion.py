"""Masks, overlays and uncertainty maps of a user's own pictures, for any class words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from PIL import Image

from diffusers_attnmask.ground.atomic_files import replacing
from diffusers_attnmask.seg_diffusion.output import SegDiffusionOutput
from diffusers_attnmask.seg_diffusion.pipeline import SegDiffusionPipeline
from diffusers_attnmask.seg_diffusion.sampling import MaskSampling
from train_segmenter.models.registry import model_folder

PRECISIONS = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


def load_pipeline(name: str, precision: str, device: str) -> SegDiffusionPipeline:
    """The pipeline of a folder or a Hub name."""
    if precision not in PRECISIONS:
        raise ValueError(f"precision is one of {', '.join(PRECISIONS)}, not {precision!r}.")
    pipe = SegDiffusionPipeline.from_pretrained(model_folder(name), dtype=PRECISIONS[precision])
    pipe.set_progress_bar_config(desc="denoising", leave=False)
    return pipe.to(device)


def segment(
    pipe: SegDiffusionPipeline,
    images: Sequence[Path],
    out: Path,
    classes: Sequence[str] = (),
    sampling: MaskSampling | None = None,
    seed: int = 0,
) -> Iterator[dict[str, Path]]:
    """Writes `NAME_mask.png`, `NAME_overlay.png` and, of an ensemble, `NAME_uncertainty.png`; yields paths.

    classes: any words, by default those of training. Every picture is sampled from the same seed.
    """
    classes = list(classes) or pipe.trained_classes
    if not classes:
        raise ValueError("The model does not say which classes it was trained with: name some (--classes).")
    arguments = asdict(sampling or MaskSampling())
    for path in images:
        with Image.open(path) as image:
            found = pipe(image, classes, generator=torch.Generator().manual_seed(seed), **arguments)
        yield _write(found, out / path.stem)


def _write(found: SegDiffusionOutput, stem: Path) -> dict[str, Path]:
    pictures = {"mask": found.masks[0], "overlay": found.overlay()}
    if found.uncertainty is not None:
        pictures["uncertainty"] = found.uncertainty_picture()
    written = {kind: stem.with_name(f"{stem.name}_{kind}.png") for kind in pictures}
    for kind, picture in pictures.items():
        with replacing(written[kind]) as temporary:
            picture.save(temporary)
    return written
