"""How masks are sampled: the options of a call."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class MaskSampling:
    """Options of `SegDiffusionPipeline.__call__`, which explains them; checked as they are made."""

    denoising_steps: int = 10
    ensemble_size: int = 10
    processing_res: int | None = None
    match_input_res: bool = True
    batch_size: int = 0
    background: float = 0.5
    seen_penalty: float = 0.0
    align: bool = False

    def __post_init__(self) -> None:
        for name in ("denoising_steps", "ensemble_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be at least 1")
        if self.batch_size < 0:
            raise ValueError(f"batch_size={self.batch_size} cannot be negative; 0 finds what fits")
        if self.processing_res is not None and self.processing_res < 0:
            raise ValueError(
                f"processing_res={self.processing_res} cannot be negative; 0 is the image's size"
            )
        if not 0 <= self.background <= 1:
            raise ValueError(f"background={self.background} is a score from 0 to 1, as classes have")
        if not 0 <= self.seen_penalty <= 1:
            raise ValueError(f"seen_penalty={self.seen_penalty} is taken from scores: give 0 to 1")
