"""`dense_crf`: input checks, the labels that are present, and the choice of the backend."""

import math
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from dataset_builder.refinement.crf.mean_field import TorchCRF
from dataset_builder.refinement.crf.pydensecrf_backend import PyDenseCRF

Array = TypeVar("Array", Tensor, np.ndarray)

BACKENDS: dict[str, type[TorchCRF] | type[PyDenseCRF]] = {"torch": TorchCRF, "pydensecrf": PyDenseCRF}
# Candidates are inferred in groups of about this many probabilities, so that memory is bounded and reused.
VALUES_AT_ONCE = 2**23
# Probabilities below this count as this, as in pydensecrf's `unary_from_softmax`.
SMALLEST_PROBABILITY = 1e-5
MOST_ITERATIONS = 1000


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

    `image` is uint8 (H, W, 3); `probs` is float (C, H, W) in [0, 1], or (K, C, H, W) for K candidates over
    the same image, which then share the image's lattices. `gaussian` is (standard deviation in pixels,
    weight), `bilateral` is (standard deviation in pixels, standard deviation in grey levels, weight).

    A label whose probability is at most 1e-5 at every pixel of every candidate is absent: it is not carried,
    and its marginal is 0. A lone present label has marginal 1 everywhere.

    >>> image = np.zeros((8, 8, 3), np.uint8)
    >>> dense_crf(image, np.full((2, 8, 8), 0.5)).shape
    (2, 8, 8)
    """
    values = _as_tensor(probs)
    pixels = checked_image(image, values)
    problems = values.reshape(-1, *values.shape[-3:]).float()
    _check_probabilities(problems)
    build = crf_builder(gaussian, bilateral, iterations, backend)

    present = (problems.amax((0, 2, 3)) > SMALLEST_PROBABILITY).nonzero().flatten()
    if len(present) == 0:
        raise ValueError("every label's probability is 0 at every pixel: give at least one label some")
    marginals = torch.zeros_like(problems)
    if len(present) == 1:
        marginals[:, present] = 1.0
    else:
        crf = build(pixels)
        for group in candidate_groups(len(problems), len(present) * pixels[..., 0].numel()):
            carried = problems[group][:, present].clamp_(SMALLEST_PROBABILITY, 1.0)
            marginals[group, present] = crf.marginals(carried, iterations)
    marginals = marginals.reshape(values.shape)
    return marginals.numpy() if isinstance(probs, np.ndarray) else marginals


def crf_builder(
    gaussian: tuple[float, float], bilateral: tuple[float, float, float], iterations: int, backend: str
) -> Callable[[Tensor], TorchCRF | PyDenseCRF]:
    """What makes the CRF of an image uint8 (H, W, 3) by a backend, its numbers checked."""
    if backend not in BACKENDS:
        raise ValueError(f"unknown CRF backend {backend!r}: use one of {', '.join(BACKENDS)}")
    _check_numbers(gaussian, bilateral, iterations)
    return lambda pixels: BACKENDS[backend].build(pixels, gaussian, bilateral)


def candidate_groups(candidates: int, values: int) -> Iterator[slice]:
    """Slices of about equal length that cover candidates of so many probabilities each."""
    groups = min(candidates, math.ceil(candidates * values / VALUES_AT_ONCE))
    size = math.ceil(candidates / groups)
    return (slice(start, start + size) for start in range(0, candidates, size))


def _check_numbers(gaussian: tuple, bilateral: tuple, iterations: int) -> None:
    if not (_are_numbers(gaussian, 2) and _are_numbers(bilateral, 3)):
        raise ValueError(
            f"gaussian={gaussian!r}, bilateral={bilateral!r}: "
            "give (pixels, weight) and (pixels, grey levels, weight)"
        )
    if not all(0 < deviation < math.inf for deviation in (gaussian[0], *bilateral[:2])):
        raise ValueError(
            f"gaussian={gaussian!r}, bilateral={bilateral!r}: standard deviations must be positive and finite"
        )
    if not (math.isfinite(gaussian[1]) and math.isfinite(bilateral[2])):
        raise ValueError(f"gaussian={gaussian!r}, bilateral={bilateral!r}: weights must be finite")
    if not (isinstance(iterations, int) and 0 <= iterations <= MOST_ITERATIONS):
        raise ValueError(
            f"iterations={iterations}: it must be a whole number from 0 to {MOST_ITERATIONS:,}; marginals "
            "rest after some ten"
        )


def _are_numbers(values: Any, count: int) -> bool:
    return (
        isinstance(values, list | tuple)
        and len(values) == count
        and all(isinstance(own, int | float) for own in values)
    )


def _as_tensor(values: np.ndarray | Tensor) -> Tensor:
    if isinstance(values, Tensor):
        return values
    return torch.from_numpy(np.require(values, requirements=["C", "W"]))


def checked_image(image: np.ndarray | Tensor, maps: Tensor) -> Tensor:
    """The image uint8 (H, W, 3) as a tensor beside maps (C, H, W) or (K, C, H, W) that fit it."""
    pixels = _as_tensor(image)
    if pixels.dtype != torch.uint8 or pixels.ndim != 3 or pixels.shape[-1] != 3:
        raise ValueError(f"the image must be uint8 (H, W, 3), not {pixels.dtype} {tuple(pixels.shape)}")
    if maps.ndim not in (3, 4) or 0 in maps.shape or pixels.shape[:2] != maps.shape[-2:]:
        raise ValueError(
            f"image {tuple(pixels.shape[:2])} and maps {tuple(maps.shape)} differ in size or are empty: give "
            "maps (C, H, W) or (K, C, H, W), resized to the image"
        )
    return pixels.to(maps.device)


def _check_probabilities(probs: Tensor) -> None:
    low, high = (bound.item() for bound in probs.aminmax())
    if not (low >= -1e-3 and high <= 1 + 1e-3):  # NaN fails both
        raise ValueError(f"probs span {low:.4g} to {high:.4g}: they must be numbers from 0 to 1")
