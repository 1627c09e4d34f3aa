"""Several pairs in one, as the tiles of a grid."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from train_segmenter.augmentation.transforms import AugmentedPair, resize


def splice(pairs: Sequence[AugmentedPair], rows: int, columns: int, size: tuple[int, int]) -> AugmentedPair:
    """rows × columns pairs, row by row, as one pair of size (H, W); each fills its tile.

    Images are resized with antialiasing, masks by nearest neighbour. Tiles differ by a pixel where the size
    does not divide.
    """
    height, width = size
    if len(pairs) != rows * columns:
        raise ValueError(f"{rows}x{columns} tiles need {rows * columns} pairs, not {len(pairs)}")
    if height < rows or width < columns:
        raise ValueError(f"{rows}x{columns} tiles do not fit into {width}x{height} pixels")
    image, mask = np.empty((height, width, 3), np.uint8), np.empty((height, width), np.uint8)
    tops, lefts = edges(height, rows), edges(width, columns)
    for place, pair in enumerate(pairs):
        row, column = divmod(place, columns)
        tile = slice(tops[row], tops[row + 1]), slice(lefts[column], lefts[column + 1])
        image[tile], mask[tile] = resize(*pair, tops[row + 1] - tops[row], lefts[column + 1] - lefts[column])
    return image, mask


def edges(length: int, parts: int) -> list[int]:
    """Where the parts of a length begin, and its end."""
    return [round(length * part / parts) for part in range(parts + 1)]
