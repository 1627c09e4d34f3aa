"""What is particular to the training of seg-diffusion, beside `TrainOptions`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, field
from typing import Annotated, Any, Literal

from pydantic import Field

from diffusers_attnmask.ground.options import Batch, Positive, Share, Steps, Whole, options
from train_segmenter.augmentation.transforms import Augmentation


@options
class SegDiffusionOptions:
    """Options of the model (`model_options` of a recipe); the published training is a recipe."""

    encoding: Literal["binary", "levels"] = "binary"  # see diffusers_attnmask.seg_diffusion.encoding
    content_attention: bool = False
    noise: Literal["gaussian", "pyramid"] = "gaussian"
    prediction: Literal["epsilon", "v_prediction"] | None = None  # None for the checkpoint's own
    # words for classes whose names are none
    phrases: Mapping[str, Sequence[str]] = field(default_factory=dict)
    # share of the binary masks that are of a class which the image does not show
    absent: Annotated[float, Field(ge=0, lt=1)] = 0.25
    noisiness: Positive = 1.0  # above 1, noisy timesteps come more often: few-step sampling starts at those
    gradient_checkpointing: bool = False  # less memory for more time
    latent_cache: Whole = 512  # megabytes for latents of images that come again unchanged; 0 for none
    # how masks are sampled when the model is judged
    denoising_steps: Steps = 4
    ensemble_size: Batch = 1
    seen_penalty: Share = 0.0  # see SegDiffusionPipeline

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def whole_images(crop: int, height: int, width: int) -> Augmentation:
    """Images of about that size seen whole, at `crop` pixels of their shorter side, and mirrored: no more.

    A model that is asked about whole images should have seen such; and what comes again is encoded once.
    """
    scale = crop / min(height, width)
    return Augmentation(crop=crop, scale=(scale, scale), largest_class=1.0, colour=0.0)
