"""What is particular to the training of seg-diffusion, beside `TrainOptions`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from train_segmenter.augmentation.transforms import Augmentation


@dataclass(frozen=True)
class SegDiffusionOptions:
    """Options of the model (`model_options` of a recipe); the published training is a recipe."""

    encoding: str = "binary"  # or "levels", see diffusers_attnmask.seg_diffusion.encoding
    content_attention: bool = True
    noise: str = "gaussian"  # or "pyramid"
    prediction: str | None = None  # "epsilon" or "v_prediction"; None for the checkpoint's own
    phrases: Mapping[str, list[str]] = field(default_factory=dict)  # words for classes whose names are none
    absent: float = 0.25  # share of the binary masks that are of a class which the image does not show
    noisiness: float = 1.0  # above 1, noisy timesteps are drawn more often; few-step sampling starts at those
    gradient_checkpointing: bool = False  # less memory for more time
    latent_cache: int = 512  # megabytes for latents of images that come again unchanged; 0 for none
    # how masks are sampled when the model is judged
    denoising_steps: int = 4
    ensemble_size: int = 1
    seen_penalty: float = 0.0  # see SegDiffusionPipeline

    def __post_init__(self) -> None:
        if not 0 <= self.absent < 1:
            raise ValueError(f"absent is at least 0 and less than 1, not {self.absent}.")
        if self.noisiness <= 0:
            raise ValueError(
                f"noisiness is a positive number, 1 for all timesteps alike, not {self.noisiness}."
            )
        if self.latent_cache < 0:
            raise ValueError(f"latent_cache is a number of megabytes, not {self.latent_cache}.")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> SegDiffusionOptions:
        """Options from plain values; an unknown name is an error."""
        names = [entry.name for entry in fields(cls)]
        if unknown := sorted(set(values) - set(names)):
            raise ValueError(
                f"Unknown seg-diffusion options: {', '.join(unknown)}. Known: {', '.join(names)}."
            )
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def whole_images(crop: int, height: int, width: int) -> Augmentation:
    """Images of about that size seen whole, at `crop` pixels of their shorter side, and mirrored: no more.

    A model that is asked about whole images should have seen such; and what comes again is encoded once.
    """
    scale = crop / min(height, width)
    return Augmentation(crop=crop, scale=(scale, scale), largest_class=1.0, colour=0.0)
