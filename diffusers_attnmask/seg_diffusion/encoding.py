"""How masks become grey pictures that an autoencoder can encode, and how grey values become a class map.

`binary` has one picture per class; `levels`, the published form, one picture with a grey level for each
class.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor


class MaskEncoding(ABC):
    """What differs between the encodings. C is the number of classes, without the background."""

    name: str

    @abstractmethod
    def conditions(self, embeddings: Tensor) -> Tensor:
        """Text of the passes, (P, T, D), from the text of the classes, (C, T, D)."""

    @abstractmethod
    def probabilities(self, values: Tensor, classes: int, background: float) -> Tensor:
        """Maps (C + 1, H, W), the background's first, from the passes' values (P, H, W) in [0, 1].

        `background` is the score of the background where the encoding itself does not say it.
        """


class Binary(MaskEncoding):
    """One pass per class, whose picture is white where the class is."""

    name = "binary"

    def conditions(self, embeddings: Tensor) -> Tensor:
        return embeddings

    def probabilities(self, values: Tensor, classes: int, background: float) -> Tensor:
        return torch.cat([torch.full_like(values[:1], background), values])


class Levels(MaskEncoding):
    """One pass for all classes: the background is black, the last class white, the others evenly between."""

    name = "levels"

    def conditions(self, embeddings: Tensor) -> Tensor:
        return embeddings.mean(dim=0, keepdim=True)

    def probabilities(self, values: Tensor, classes: int, background: float) -> Tensor:
        return level_shares(values[0], classes)


ENCODINGS: dict[str, MaskEncoding] = {encoding.name: encoding for encoding in (Binary(), Levels())}


def encoding_named(name: str) -> MaskEncoding:
    """The encoding of that name."""
    if name not in ENCODINGS:
        raise ValueError(f"encoding is one of {', '.join(ENCODINGS)}, not {name!r}")
    return ENCODINGS[name]


def binary_pictures(inside: Tensor) -> Tensor:
    """Bool (..., H, W) to pictures (..., 3, H, W): 1 inside, -1 outside."""
    return _grey(inside.float())


def level_pictures(ids: Tensor, classes: int) -> Tensor:
    """Ids 0 to `classes` (..., H, W) to pictures (..., 3, H, W): -1 for the background to 1 for the last."""
    return _grey(ids.float() / classes)


def grey_values(pictures: Tensor) -> Tensor:
    """Decoded pictures (..., 3, H, W) to values in [0, 1], (..., H, W): the mean of the channels."""
    return (pictures.mean(dim=-3) / 2 + 0.5).clamp(0, 1)


def level_shares(values: Tensor, classes: int) -> Tensor:
    """Values in [0, 1] (H, W) to shares (C + 1, H, W) that sum to 1.

    A value between two levels belongs to both, to the nearer one more.
    """
    levels = torch.arange(classes + 1, device=values.device, dtype=values.dtype)
    return (1 - (values * classes - levels[:, None, None]).abs()).clamp(min=0)


def class_map(probabilities: Tensor) -> Tensor:
    """Ids uint8 (H, W) of maps (C + 1, H, W), the background's first; where two are equal, the first wins."""
    return probabilities.argmax(dim=0).to(torch.uint8)


def _grey(values: Tensor) -> Tensor:
    """Values in [0, 1] (..., H, W) as pictures in [-1, 1] with three equal channels."""
    return (2 * values - 1).unsqueeze(-3).expand(*values.shape[:-2], 3, *values.shape[-2:])
