"""Random scale, crop, flip, colour, blur and noise, each a pure function of the generator it is given."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import numpy as np
import torch
from PIL import Image, ImageFilter
from pydantic import Field

from diffusers_attnmask.ground.ids import IGNORE_ID
from diffusers_attnmask.ground.options import NotNegative, ScaleRange, Share, Side, options

AugmentedPair = tuple[np.ndarray, np.ndarray]  # image uint8 (H, W, 3), mask uint8 (H, W)

CROP_TRIES = 10  # as usual with the single-class limit: then the last crop is taken as it is
LUMA = np.array([0.299, 0.587, 0.114])
# YIQ turns hue into a rotation of its last two axes, so that colour changes are one 3 × 3 matrix.
TO_YIQ = np.array([LUMA, [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])


@options
class Augmentation:
    """Settings of the random transforms; the defaults are those common to the published trainings.

    crop: pixels, both sides; None keeps the image as it is. scale: range of the factor before it. flip:
    probability. largest_class: share of a crop that one class may hold; beyond it another is drawn.
    brightness: ± share of the range. contrast, saturation: ± factor. hue: ± turns. colour: probability of
    each of these four. blur: greatest sigma in pixels. noise: greatest sigma as a share of the range.
    """

    crop: Side | None = 512
    scale: ScaleRange = (0.5, 2.0)
    flip: Share = 0.5
    largest_class: Share = 0.75
    brightness: Share = 0.125
    contrast: NotNegative = 0.5
    saturation: NotNegative = 0.5
    hue: NotNegative = 0.1
    colour: Share = 0.5
    blur: Annotated[float, Field(ge=0, le=1000)] = 0.0
    noise: NotNegative = 0.0

    def resized(self, factor: float) -> Augmentation:
        """The same views, of images whose sides are smaller or larger by a factor."""
        low, high = self.scale
        crop = self.crop and max(1, round(self.crop * factor))
        return replace(self, crop=crop, scale=(low * factor, high * factor))

    @property
    def repeats(self) -> bool:
        """Whether an image comes out in the same few variants again and again: no continuous draw."""
        colours = (self.brightness, self.contrast, self.saturation, self.hue)
        steady_colour = not self.colour or not any(colours)
        return self.scale[0] == self.scale[1] and steady_colour and not self.blur and not self.noise


def augment(
    image: np.ndarray, mask: np.ndarray, options: Augmentation, rng: np.random.Generator
) -> AugmentedPair:
    """Image uint8 (H, W, 3) and mask uint8 (H, W) to a training pair of `crop` pixels (or the same size).

    What a crop takes from beyond the image is black and ignored.
    """
    image, mask = random_scale(image, mask, options.scale, rng)
    if options.crop is not None:
        image, mask = random_crop(image, mask, options.crop, options.largest_class, rng)
    if rng.random() < options.flip:
        image, mask = image[:, ::-1], mask[:, ::-1]
    image = random_colour(image, options, rng)
    if options.blur:
        image = gaussian_blur(image, rng.uniform(0, options.blur))
    if options.noise:
        sigma = 255 * rng.uniform(0, options.noise)
        image = np.clip(image + sigma * rng.standard_normal(image.shape, dtype=np.float32), 0, 255).astype(
            np.uint8
        )
    return np.array(image), np.array(mask)  # copies: contiguous, and writable as torch wants them


def random_scale(
    image: np.ndarray, mask: np.ndarray, scale: tuple[float, float], rng: np.random.Generator
) -> AugmentedPair:
    """Both resized by one factor drawn from `scale`: image bilinear, mask nearest."""
    if scale == (1, 1):
        return image, mask
    factor = rng.uniform(*scale)
    return resize(image, mask, max(1, round(image.shape[0] * factor)), max(1, round(image.shape[1] * factor)))


def resize(image: np.ndarray, mask: np.ndarray, height: int, width: int) -> AugmentedPair:
    """Image bilinear, mask nearest."""
    size = (width, height)
    return (
        np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR)),
        np.asarray(Image.fromarray(mask).resize(size, Image.Resampling.NEAREST)),
    )


def random_crop(
    image: np.ndarray, mask: np.ndarray, crop: int, largest_class: float, rng: np.random.Generator
) -> AugmentedPair:
    """A square of `crop` pixels, padded where the image is smaller; redrawn while a class fills too much."""
    below, right = max(0, crop - mask.shape[0]), max(0, crop - mask.shape[1])
    if below or right:
        image = np.pad(image, ((0, below), (0, right), (0, 0)))
        mask = np.pad(mask, ((0, below), (0, right)), constant_values=IGNORE_ID)
    for _ in range(CROP_TRIES):
        top, left = (int(rng.integers(0, side - crop + 1)) for side in mask.shape)
        window = slice(top, top + crop), slice(left, left + crop)
        if mask.shape == (crop, crop) or largest_class >= 1:
            break
        counts = np.bincount(mask[window].ravel(), minlength=256)[:IGNORE_ID]
        if np.count_nonzero(counts) > 1 and counts.max() < largest_class * counts.sum():
            break
    return image[window], mask[window]


def random_colour(image: np.ndarray, options: Augmentation, rng: np.random.Generator) -> np.ndarray:
    """Brightness, contrast, saturation and hue, each with the probability `colour`."""
    draws = rng.uniform(-1, 1, 4) * (rng.random(4) < options.colour)
    shift, contrast, saturation, hue = draws * (
        options.brightness,
        options.contrast,
        options.saturation,
        options.hue,
    )
    if not (shift or contrast or saturation or hue):
        return image
    angle = 2 * np.pi * hue
    rotation = np.eye(3)
    rotation[1:, 1:] = (1 + saturation) * np.array(
        [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    )
    matrix = (1 + contrast) * np.linalg.inv(TO_YIQ) @ rotation @ TO_YIQ
    grey = image.reshape(-1, 3).mean(axis=0) @ LUMA
    pixels = image.astype(np.float32) @ matrix.T.astype(np.float32)
    return np.clip(pixels + np.float32(255 * shift - contrast * grey), 0, 255).astype(np.uint8)


def gaussian_blur(image: np.ndarray, sigma: float) -> np.ndarray:
    """Image uint8 (H, W, 3) blurred."""
    return np.asarray(Image.fromarray(np.ascontiguousarray(image)).filter(ImageFilter.GaussianBlur(sigma)))


def to_tensor(image: np.ndarray) -> torch.Tensor:
    """Image uint8 (H, W, 3) to float (3, H, W) in [0, 1], as the segmenters take it."""
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).float().div_(255)
