"""The steps of refinement by name, each with the masks that it makes of the same pairs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from benchmarks.refining.affinities import SMALL, decoder_inputs, trained
from benchmarks.world.mapped_pairs import Pair
from dataset_builder.recipe import Refinement
from dataset_builder.refinement.affinity.augment import normalised
from dataset_builder.refinement.affinity.network import AffinityNet
from dataset_builder.refinement.affinity.training import affinity_features
from dataset_builder.refinement.components import clean_components
from dataset_builder.refinement.crf import crf_labels
from dataset_builder.refinement.diffumask_chain import RefineOptions, affinity_mask, confident_labels
from dataset_builder.refinement.outlines import snapped
from dataset_builder.refinement.refine_mask import refined_mask
from dataset_builder.refinement.regions import whole_regions
from dataset_builder.refinement.threshold import label_map, matching_threshold, threshold_by_match
from diffusers_attnmask import DiffuMaskPipeline
from diffusers_attnmask.ground.ids import BACKGROUND_ID, IGNORE_ID


@dataclass(frozen=True)
class Masks:
    """The masks (H, W) of a step, i+1 for a pair's class i, and the seconds that each took, where known."""

    labels: list[Tensor]
    seconds: float | None = None


def timed(name: str, pairs: Sequence[Pair], step: Callable[..., Tensor], *given: Sequence[Tensor]) -> Masks:
    """A step of every pair. given: what else it takes of each."""
    start = time.perf_counter()
    labels = [step(*own) for own in tqdm(zip(pairs, *given, strict=True), name, total=len(pairs))]
    return Masks(labels, (time.perf_counter() - start) / len(pairs))


def refinements(
    pairs: Sequence[Pair], pipe: DiffuMaskPipeline | None, cache: Path, epochs: int, seed: int = 0
) -> Iterator[tuple[str, Masks]]:
    """The masks of every step by name; those with decoder features only where there is a pipeline."""
    options = RefineOptions()
    sized = options.for_size(*pairs[0].truth.shape)
    unfilled = replace(sized, fill=False)
    labels = timed("labels", pairs, lambda pair: confident_labels(pair.image, pair.maps, pair.names, options))
    known = np.mean([(own != IGNORE_ID).float().mean().item() for own in labels.labels])
    print(f"confident labels: {known:.1%} of the pixels, {labels.seconds:.3f} s a pair")

    images = [pair.image for pair in pairs]
    net = trained(SMALL, images, labels.labels, cache / "affinity-small", epochs, seed)
    inputs = [normalised(pair.image) for pair in pairs]
    affinity = timed("affinity", pairs, partial(walked, net, options), inputs)
    raw = [pair.raw for pair in pairs]
    yield "raw", Masks(raw)
    yield "threshold", timed("threshold", pairs, partial(plainly_matched, sized), affinity.labels)
    yield "affinity", affinity
    crf = timed("CRF", pairs, partial(matched, sized), affinity.labels)
    yield "CRF", crf
    if pipe is not None:
        given = [decoder_inputs(pipe, pair) for pair in tqdm(pairs, "decoder features")]
        wide = replace(SMALL, backbone="features", in_channels=len(given[0]), widths=(64,))
        net = trained(wide, given, labels.labels, cache / "affinity-decoder", epochs, seed)
        affinity = timed("affinity, decoder", pairs, partial(walked, net, options), given)
        yield "affinity, decoder features", affinity
        yield "CRF, decoder features", timed("CRF, decoder", pairs, partial(matched, sized), affinity.labels)
    yield "CRF, whole regions", timed("regions", pairs, partial(in_regions, sized), crf.labels)
    yield "raw through CRF alone", timed("CRF alone", pairs, partial(sharpened, sized), raw)
    yield "raw through CRF alone, holes kept", timed("CRF alone", pairs, partial(sharpened, unfilled), raw)
    yield "raw on edges", timed("edges", pairs, on_edges, raw)
    regions = timed("regions", pairs, partial(in_regions, sized), raw)
    yield "raw in whole regions", regions
    yield "raw in whole regions, on edges", timed("edges", pairs, on_edges, regions.labels)
    sharp = timed("CRF alone", pairs, partial(sharpened, unfilled), regions.labels)
    yield "raw in whole regions, CRF alone, holes kept", sharp


def walked(net: AffinityNet, options: RefineOptions, pair: Pair, own: Tensor) -> Tensor:
    return affinity_mask(affinity_features(net, own), pair.maps, options)


def plainly_matched(options: RefineOptions, pair: Pair, reference: Tensor) -> Tensor:
    candidates = torch.stack([label_map(pair.maps, gamma) for gamma in options.gammas])
    labels, _ = matching_threshold(candidates, pair.maps, reference, options.gammas)
    return clean_components(labels, options.final_box_area)


def matched(options: RefineOptions, pair: Pair, reference: Tensor) -> Tensor:
    labels, _ = threshold_by_match(pair.image, pair.maps, reference, options.final_crf, options.gammas)
    return clean_components(labels, options.final_box_area)


def sharpened(options: RefineOptions, pair: Pair, mask: Tensor) -> Tensor:
    """Through the CRF alone."""
    decided = mask.masked_fill(mask == IGNORE_ID, BACKGROUND_ID)
    labels = crf_labels(pair.image, decided[None], options.final_crf)[0]
    return clean_components(labels, options.final_box_area, options.fill)


def in_regions(options: RefineOptions, pair: Pair, mask: Tensor) -> Tensor:
    return whole_regions(mask, pair.maps, options.final_box_area)


def on_edges(pair: Pair, mask: Tensor) -> Tensor:
    return snapped(pair.image.numpy(), mask)


def by_sam(pairs: Sequence[Pair], model: str) -> Iterator[tuple[str, Masks]]:
    """The raw masks, and those in whole regions, outlined by a SAM."""
    for name, regions in (("raw outlined by SAM", False), ("raw in whole regions, outlined by SAM", True)):
        refinement = Refinement("sam", model=model, whole_regions=regions)
        yield name, timed(name, pairs, partial(by_recipe, refinement))


def by_recipe(refinement: Refinement, pair: Pair) -> Tensor:
    parts = (own.numpy() for own in (pair.image, pair.maps, pair.raw))
    return torch.from_numpy(refined_mask(*parts, pair.names, refinement))
