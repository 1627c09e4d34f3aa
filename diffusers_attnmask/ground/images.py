"""Pictures of any kind as RGB tensors, and the sizes at which a network sees them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from diffusers_attnmask.ground.pictures import rgb_pixels


def rgb_images(image: Any) -> list[Tensor]:
    """Images float (3, H, W) in [0, 1] of one image or a list of them.

    An image is a PIL picture (read as files are, see `rgb_pixels`), an array (H, W), (H, W, 1), (H, W, 3) or
    (H, W, 4), uint8 or float in [0, 1], or a tensor (1, H, W) or (3, H, W) in [0, 1]. Arrays and tensors may
    have a first axis of images.
    """
    if isinstance(image, (np.ndarray, Tensor)) and image.ndim == 4:
        image = list(image)
    images = list(image) if isinstance(image, (list, tuple)) else [image]
    if not images:
        raise ValueError("there is no image: give one, or a list of at least one")
    return [_rgb(each) for each in images]


def resized_to(pixels: Tensor, longest: int) -> Tensor:
    """Image (3, H, W) whose longer side has `longest` pixels; as it is where `longest` is 0."""
    height, width = pixels.shape[-2:]
    scale = longest / max(height, width) if longest else 1
    return at_size(pixels, (max(1, round(height * scale)), max(1, round(width * scale)))).clamp(0, 1)


def at_size(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Maps (C, H, W) at another size, bilinear."""
    if tuple(maps.shape[-2:]) == size:
        return maps
    return functional.interpolate(maps[None], size=size, mode="bilinear", antialias=True)[0]


def padded(pixels: Tensor, multiple: int) -> Tensor:
    """Image (3, H, W), its lower and right edge repeated until the sides are multiples of a number."""
    height, width = pixels.shape[-2:]
    return functional.pad(pixels[None], (0, -width % multiple, 0, -height % multiple), mode="replicate")[0]


def _rgb(image: Any) -> Tensor:
    if isinstance(image, Image.Image):
        return _from_pil(image)
    if isinstance(image, np.ndarray):
        return _from_array(image)
    if isinstance(image, Tensor):
        return _from_tensor(image)
    raise TypeError(f"an image is a PIL picture, an array or a tensor, not {type(image).__name__}: {image!r}")


def _from_pil(image: Image.Image) -> Tensor:
    if 0 in image.size:
        raise ValueError(f"the picture has no pixels: its size is {image.size[0]}×{image.size[1]}")
    return torch.from_numpy(rgb_pixels(image).copy()).permute(2, 0, 1).float() / 255


def _from_array(array: np.ndarray) -> Tensor:
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)) or 0 in array.shape:
        raise ValueError(f"an array is (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), not {array.shape}")
    if array.dtype == np.uint8:
        return _from_pil(Image.fromarray(array[..., 0] if array.ndim == 3 and array.shape[2] == 1 else array))
    if not np.issubdtype(array.dtype, np.floating):
        raise ValueError(f"an array is uint8, or float in [0, 1], not {array.dtype}: convert it")
    tensor = torch.from_numpy(np.ascontiguousarray(array, np.float32))
    tensor = tensor[None] if tensor.ndim == 2 else tensor.permute(2, 0, 1)
    if len(tensor) == 4:
        tensor = tensor[:3] * tensor[3:] + 1 - tensor[3:]
    return _from_tensor(tensor)


def _from_tensor(tensor: Tensor) -> Tensor:
    if tensor.ndim != 3 or tensor.shape[0] not in (1, 3) or 0 in tensor.shape:
        raise ValueError(f"a tensor is (1, H, W), (3, H, W) or a batch of those, not {tuple(tensor.shape)}")
    tensor = tensor.float()
    low, high = (float(end) for end in tensor.aminmax())
    if not 0 <= low <= high <= 1:
        raise ValueError(f"an image has values in [0, 1], not from {low:g} to {high:g}: rescale it")
    return tensor.expand(3, -1, -1)
