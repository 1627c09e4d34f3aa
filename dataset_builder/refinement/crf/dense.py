"""`dense_crf`: input checks, the labels that are present, and the choice of the backend."""

from collections.abc import Callable
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from . import mean_field, pydensecrf_backend

Array = TypeVar("Array", Tensor, np.ndarray)

BACKENDS: dict[str, Callable[..., Tensor]] = {
    "torch": mean_field.mean_field,
    "pydensecrf": pydensecrf_backend.mean_field,
}
# Probabilities below this count as this, as in pydensecrf's `unary_from_softmax`.
SMALLEST_PROBABILITY = 1e-5


def dense_crf(
    image: np.ndarray | Tensor,
    probs: Array,
    *,
    gaussian: tuple[float, float] = (3, 3.0),
    bilateral: tuple[float, float, float] = (80, 13, 10.0),
    iterations: int = 10,
    backend: str = "torch",
) -> Array:
    """Marginals of the fully connected CRF over an image, as an array of the kind and shape of `probs`.

    `image` is uint8 (H, W, 3); `probs` is float (C, H, W), or (K, C, H, W) for K candidates over the same
    image, which then share the image's lattices. `gaussian` is (standard deviation in pixels, weight),
    `bilateral` is (standard deviation in pixels, standard deviation in grey levels, weight).

    A label whose probability is at most 1e-5 at every pixel of every candidate is absent: it is not carried,
    and its marginal is 0. A lone present label has marginal 1 everywhere.

    >>> image = np.zeros((8, 8, 3), np.uint8)
    >>> dense_crf(image, np.full((2, 8, 8), 0.5)).shape
    (2, 8, 8)
    """
    if backend not in BACKENDS:
        raise ValueError(f"unknown CRF backend {backend!r}: use one of {', '.join(BACKENDS)}")
    _check_numbers(gaussian, bilateral, iterations)
    values = _as_tensor(probs)
    pixels = _checked_image(image, values)
    problems = values.reshape(-1, *values.shape[-3:]).float()
    _check_probabilities(problems)

    present = (problems.amax((0, 2, 3)) > SMALLEST_PROBABILITY).nonzero().flatten()
    if len(present) == 0:
        raise ValueError("every label's probability is 0 at every pixel: give at least one label some")
    carried = problems[:, present].clamp_(SMALLEST_PROBABILITY, 1.0)
    if len(present) > 1:
        carried = BACKENDS[backend](pixels, carried, gaussian, bilateral, iterations)
    else:
        carried.fill_(1.0)
    marginals = torch.zeros_like(problems).index_copy_(1, present, carried)
    marginals = marginals.reshape(values.shape)
    return marginals.numpy() if isinstance(probs, np.ndarray) else marginals


def _check_numbers(gaussian: tuple, bilateral: tuple, iterations: int) -> None:
    if len(gaussian) != 2 or len(bilateral) != 3:
        raise ValueError(
            f"gaussian={gaussian!r}, bilateral={bilateral!r}: "
            "give (pixels, weight) and (pixels, grey levels, weight)"
        )
    if min(gaussian[0], *bilateral[:2]) <= 0:
        raise ValueError(
            f"gaussian={gaussian!r}, bilateral={bilateral!r}: standard deviations must be positive"
        )
    if iterations < 0:
        raise ValueError(f"iterations={iterations}: must be 0 or more")


def _as_tensor(values: np.ndarray | Tensor) -> Tensor:
    if isinstance(values, Tensor):
        return values
    return torch.from_numpy(np.require(values, requirements=["C", "W"]))


def _checked_image(image: np.ndarray | Tensor, probs: Tensor) -> Tensor:
    pixels = _as_tensor(image)
    if pixels.dtype != torch.uint8 or pixels.ndim != 3 or pixels.shape[-1] != 3:
        raise ValueError(f"the image must be uint8 (H, W, 3), not {pixels.dtype} {tuple(pixels.shape)}")
    if probs.ndim not in (3, 4) or not probs.is_floating_point():
        raise ValueError(
            f"probs must be float (C, H, W) or (K, C, H, W), not {probs.dtype} {tuple(probs.shape)}"
        )
    if pixels.shape[:2] != probs.shape[-2:] or 0 in probs.shape:
        raise ValueError(
            f"image {tuple(pixels.shape[:2])} and probs {tuple(probs.shape)} differ in size or are empty: "
            "resize the maps to the image first"
        )
    return pixels.to(probs.device)


def _check_probabilities(probs: Tensor) -> None:
    low, high = (bound.item() for bound in probs.aminmax())
    if not (low >= -1e-3 and high <= 1 + 1e-3):  # NaN fails both
        raise ValueError(f"probs span {low:.4g} to {high:.4g}: they must be numbers from 0 to 1")
