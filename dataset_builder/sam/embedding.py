"""A picture as a SAM has seen it: looked at once, then asked about often."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dataset_builder.sam.frame import Frame, frame_of


@dataclass(frozen=True, eq=False)
class Embedded:
    """What the vision encoder made of a picture, in fp32, and where the picture lies in that."""

    features: Any
    frame: Frame


@torch.no_grad()
def embedded(
    image: np.ndarray, processor: Any, encode: Callable[[Tensor], Any], device: str, dtype: torch.dtype
) -> Embedded:
    """An image uint8 (H, W, 3), prepared as its model's own processor does and encoded in a precision."""
    own = np.array(image)  # torch warns of arrays that nobody may write
    inputs = processor(images=[own], input_data_format="channels_last", return_tensors="pt")
    with torch.autocast(device, dtype, enabled=dtype != torch.float32):
        features = encode(inputs["pixel_values"].to(device))
    return Embedded(features, frame_of(inputs))


def check_torchvision() -> None:
    """The image processors of SAM 2 and 3 are torchvision's."""
    from transformers.utils import is_torchvision_available

    if not is_torchvision_available():
        raise OSError("SAM needs torchvision: pip install 'diffusers-attnmask[train]'")
