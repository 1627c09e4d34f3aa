"""The changes one after the other, each with its probability: a function of the generator given."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from train_segmenter.augmentation.occlusion import drawn_patches, occlude
from train_segmenter.augmentation.options import AugmentOptions
from train_segmenter.augmentation.splicing import splice
from train_segmenter.augmentation.transforms import AugmentedPair, gaussian_blur
from train_segmenter.augmentation.warping import drawn_corners, frame, turned, warp


class Example(Protocol):
    """A pair as data sources give it."""

    @property
    def image(self) -> np.ndarray: ...

    @property
    def mask(self) -> np.ndarray: ...


class Partners(Protocol):
    """Pairs by index, as a `Source` of `train_segmenter` has them."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Example: ...


@dataclass(frozen=True)
class PairAugmentation:
    """Augments a pair: image uint8 (H, W, 3) and mask uint8 (H, W) to a pair of the same size.

    partners: where the other tiles of spliced pairs come from.

    >>> augment = PairAugmentation(AugmentOptions(splice=0))
    >>> pair = np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8), np.uint8)
    >>> image, mask = augment(*pair, np.random.default_rng(0))
    >>> image.shape, mask.shape
    ((8, 8, 3), (8, 8))
    """

    options: AugmentOptions = field(default_factory=AugmentOptions)
    partners: Partners | None = None

    def __post_init__(self) -> None:
        if self.options.splice and not self.partners:
            raise ValueError("splicing needs other pairs: give them as partners, or set splice=0")

    def __call__(self, image: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> AugmentedPair:
        options = self.options
        # All are drawn first, so that one probability does not shift the draws of another.
        splices, warps, occludes, blurs, turns = rng.random(5) < (
            options.splice,
            options.perspective,
            options.occlude,
            options.blur,
            options.turn,
        )
        if splices and self.partners is not None:
            image, mask = self.spliced(image, mask, self.partners, rng)
        if warps or turns:
            corners = drawn_corners(mask.shape, options.distortion, rng) if warps else frame(mask.shape)
            if turns:
                angle = np.radians(rng.uniform(-options.angle, options.angle))
                corners = turned(corners, angle, rng.uniform(*options.zoom))
            image, mask = warp(image, mask, corners)
        if occludes:
            patches = drawn_patches(mask.shape, options.pieces, options.piece_share, rng)
            image, mask = occlude(image, mask, patches, options.occluded, rng)
        if blurs:
            image = gaussian_blur(image, rng.uniform(*options.blur_sigma))
        return image, mask

    def spliced(
        self, image: np.ndarray, mask: np.ndarray, partners: Partners, rng: np.random.Generator
    ) -> AugmentedPair:
        """The pair in a random tile, partners in the others."""
        rows, columns = self.options.grids[rng.integers(len(self.options.grids))]
        places = rng.integers(len(partners), size=rows * columns - 1)
        tiles = [(other.image, other.mask) for other in (partners[int(place)] for place in places)]
        tiles.insert(int(rng.integers(rows * columns)), (image, mask))
        return splice(tiles, rows, columns, mask.shape)
