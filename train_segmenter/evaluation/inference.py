"""Class probabilities of images: whole or in sliding windows, at several scales, with mirrored copies."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, cast

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from diffusers_attnmask.ground.ids import IGNORE_ID
from diffusers_attnmask.ground.options import Fault, OptionsError, Scale, Side, options
from train_segmenter.augmentation.transforms import to_tensor
from train_segmenter.models.base import Segmenter

MOST_WINDOWS = 2**12  # of one picture


@options
class Inference:
    """How a prediction is made; probabilities of windows, scales and mirrored copies are averaged."""

    window: Side | None = None  # pixels of a square window; None for the whole image
    stride: Side | None = None  # pixels between windows; two thirds of the window by default
    scales: Annotated[tuple[Scale, ...], Field(min_length=1)] = (1.0,)
    flip: bool = False

    def __post_init__(self) -> None:
        if self.stride is not None and self.stride > (self.window or 0):
            window = "the window's side" if self.window is None else f"window, {self.window}"
            raise OptionsError([Fault("stride", f" must be at most {window}, not {self.stride}")])

    @property
    def plain(self) -> bool:
        """Whether an image is looked at once, as it is."""
        return self.window is None and self.scales == (1.0,) and not self.flip

    def mask(self, model: Segmenter, image: np.ndarray, confidence: float = 0.0) -> np.ndarray:
        """Class ids uint8 (H, W) of an image uint8 (H, W, 3), 255 where less probable than `confidence`."""
        probabilities = self.probabilities(model, to_tensor(image)[None].to(model.mean.device))[0]
        best, ids = probabilities.max(dim=0)
        return ids.masked_fill(best < confidence, IGNORE_ID).to(torch.uint8).cpu().numpy()

    def probabilities(self, model: Segmenter, images: Tensor) -> Tensor:
        """Probabilities (B, K, H, W) of images (B, 3, H, W) in [0, 1], by the model in evaluation mode."""
        was_training = model.training
        model.eval()
        try:
            with torch.inference_mode():
                return self._merged(model, images)
        finally:
            model.train(was_training)

    def _merged(self, model: Segmenter, images: Tensor) -> Tensor:
        size = images.shape[-2:]
        total: Tensor = torch.zeros(())
        for scale in self.scales:
            scaled = images
            if scale != 1:
                target = [max(1, round(side * scale)) for side in size]
                scaled = functional.interpolate(images, size=target, mode="bilinear", antialias=True)
            for mirrored in (False, True) if self.flip else (False,):
                part = self._one(model, scaled.flip(-1) if mirrored else scaled)
                part = part.flip(-1) if mirrored else part
                if part.shape[-2:] != size:
                    part = functional.interpolate(part, size=size, mode="bilinear")
                total = total + part
        return total / (len(self.scales) * (2 if self.flip else 1))

    def _one(self, model: Segmenter, images: Tensor) -> Tensor:
        def predict(part: Tensor) -> Tensor:
            return model(part).float().softmax(dim=1)

        if self.window is None:
            return predict(images)
        return slide(predict, images, self.window, self.stride or -(-2 * self.window // 3))


def check_windows(size: tuple[int, int], window: int, stride: int) -> None:
    """Refuses windows so small, or so close, that one picture would take minutes without a sign of life."""
    count = math.prod(len(starts(side, window, stride)) for side in size)
    if count > MOST_WINDOWS:
        height, width = size
        raise ValueError(
            f"a window of {window} pixels at every {stride} looks {count:,} times at a picture of "
            f"{width} × {height} pixels, at most {MOST_WINDOWS:,} is allowed: take a larger window or stride"
        )


def slide(predict: Callable[[Tensor], Tensor], images: Tensor, window: int, stride: int) -> Tensor:
    """Mean of `predict` over windows that cover the images (B, 3, H, W); the last ones end at the border."""
    height, width = images.shape[-2:]
    check_windows((height, width), window, stride)
    total: Tensor | None = None
    count = images.new_zeros(height, width)
    for top in starts(height, window, stride):
        for left in starts(width, window, stride):
            area = (..., slice(top, top + window), slice(left, left + window))
            part = predict(images[area])
            if total is None:
                total = part.new_zeros(*part.shape[:2], height, width)
            total[area] += part
            count[area[1:]] += 1
    return cast(Tensor, total) / count  # there is one window at least


def starts(side: int, window: int, stride: int) -> list[int]:
    """First pixels of the windows along one side.

    >>> starts(10, 4, 3), starts(9, 4, 3), starts(3, 4, 3)
    ([0, 3, 6], [0, 3, 5], [0])
    """
    last = max(0, side - window)
    return [*range(0, last, stride), last]
