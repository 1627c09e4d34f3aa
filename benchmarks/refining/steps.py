"""The steps of refinement by name, each with the masks that it makes of the same pairs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from benchmarks.world.mapped_pairs import Pair
from dataset_builder.recipe import Refinement
from dataset_builder.refinement.affinity.augment import ViewOptions, normalised
from dataset_builder.refinement.affinity.diffusion_features import decoder_features
from dataset_builder.refinement.affinity.network import AffinityNet, AffinityNetOptions
from dataset_builder.refinement.affinity.training import (
    AffinityExample,
    AffinityTraining,
    affinity_features,
    train_affinity_net,
)
from dataset_builder.refinement.components import clean_components
from dataset_builder.refinement.crf import crf_labels
from dataset_builder.refinement.diffumask_chain import RefineOptions, affinity_mask, confident_labels
from dataset_builder.refinement.outlines import snapped
from dataset_builder.refinement.refine_mask import refined_mask
from dataset_builder.refinement.regions import whole_regions
from dataset_builder.refinement.threshold import label_map, matching_threshold, threshold_by_match
from diffusers_attnmask import DiffuMaskPipeline
from diffusers_attnmask.ground.ids import BACKGROUND_ID, IGNORE_ID

STRIDE = 4  # of AffinityNet: pictures have 128 pixels, not 512


@dataclass(frozen=True)
class Masks:
    """The masks (H, W) of a step, i+1 for a pair's class i, and the seconds that each took."""

    labels: list[Tensor]
    seconds: float


def refinements(
    pairs: Sequence[Pair], pipe: DiffuMaskPipeline | None, cache: Path, epochs: int, seed: int = 0
) -> Iterator[tuple[str, Masks]]:
    """The masks of every step by name; those with decoder features only where there is a pipeline."""
    options = RefineOptions()
    sized = options.for_size(*pairs[0].truth.shape)
    unfilled = replace(sized, fill=False)
    small = AffinityNetOptions(stride=STRIDE, widths=(32, 64, 64), out_channels=64)
    labels = timed("labels", pairs, lambda pair: confident_labels(pair.image, pair.maps, pair.names, options))
    known = np.mean([(own != IGNORE_ID).float().mean().item() for own in labels.labels])
    print(f"confident labels: {known:.1%} of the pixels, {labels.seconds:.3f} s a pair")

    images = [pair.image for pair in pairs]
    net = trained(small, images, labels.labels, cache / "affinity-small", epochs, seed)
    inputs = [normalised(pair.image) for pair in pairs]
    affinity = timed("affinity", pairs, walk(net, inputs, options))
    yield "raw", timed("raw", pairs, lambda pair: pair.raw)
    yield "threshold", timed("threshold", pairs, plain_match(affinity, sized))
    yield "affinity", affinity
    crf = timed("CRF", pairs, crf_match(affinity, sized))
    yield "CRF", crf
    if pipe is not None:
        given = [decoder_inputs(pipe, pair) for pair in tqdm(pairs, "decoder features")]
        wide = replace(small, backbone="features", in_channels=len(given[0]), widths=(64,))
        net = trained(wide, given, labels.labels, cache / "affinity-decoder", epochs, seed)
        affinity = timed("affinity, decoder", pairs, walk(net, given, options))
        yield "affinity, decoder features", affinity
        yield "CRF, decoder features", timed("CRF, decoder", pairs, crf_match(affinity, sized))
    yield "CRF, whole regions", timed("regions", pairs, in_regions(crf.labels, sized))
    raw = [pair.raw for pair in pairs]
    yield "raw through CRF alone", timed("CRF alone", pairs, crf_alone(raw, sized))
    yield "raw through CRF alone, holes kept", timed("CRF alone", pairs, crf_alone(raw, unfilled))
    regions = timed("regions", pairs, in_regions(raw, sized))
    yield "raw in whole regions", regions
    yield "raw in whole regions, on edges", timed("edges", pairs, on_edges(regions.labels))
    sharp = timed("CRF alone", pairs, crf_alone(regions.labels, unfilled))
    yield "raw in whole regions, CRF alone, holes kept", sharp


def by_sam(pairs: Sequence[Pair], model: str) -> Iterator[tuple[str, Masks]]:
    """The raw masks, and those in whole regions, outlined by a SAM."""
    for name, regions in (("raw outlined by SAM", False), ("raw in whole regions, outlined by SAM", True)):
        refinement = Refinement("sam", model=model, whole_regions=regions)
        yield name, timed(name, pairs, by_recipe(refinement))


def by_recipe(refinement: Refinement) -> Callable[[Pair], Tensor]:
    def mask(pair: Pair) -> Tensor:
        parts = (own.numpy() for own in (pair.image, pair.maps, pair.raw))
        return torch.from_numpy(refined_mask(*parts, pair.names, refinement))

    return mask


def decoder_inputs(pipe: DiffuMaskPipeline, pair: Pair) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    image = Image.fromarray(pair.image.numpy())
    return decoder_features(pipe, image, [pair.prompt], generator=generator)[0]


def trained(
    options: AffinityNetOptions,
    inputs: Sequence[Tensor],
    labels: Sequence[Tensor],
    out: Path,
    epochs: int,
    seed: int,
) -> AffinityNet:
    torch.manual_seed(seed)
    net = AffinityNet(options)
    training = AffinityTraining(epochs=epochs, view=ViewOptions(crop=128), learning_rate=0.005, seed=seed)
    examples = [AffinityExample(*pair) for pair in zip(inputs, labels, strict=True)]
    train_affinity_net(net, examples, training, out, resume=True)
    return net


def walk(net: AffinityNet, inputs: Sequence[Tensor], options: RefineOptions) -> Callable[[Pair], Tensor]:
    waiting = iter(inputs)
    return lambda pair: affinity_mask(affinity_features(net, next(waiting)), pair.maps, options)


def plain_match(references: Masks, options: RefineOptions) -> Callable[[Pair], Tensor]:
    waiting = iter(references.labels)

    def mask(pair: Pair) -> Tensor:
        candidates = torch.stack([label_map(pair.maps, gamma) for gamma in options.gammas])
        labels, _ = matching_threshold(candidates, pair.maps, next(waiting), options.gammas)
        return clean_components(labels, options.final_box_area)

    return mask


def crf_match(references: Masks, options: RefineOptions) -> Callable[[Pair], Tensor]:
    waiting = iter(references.labels)

    def mask(pair: Pair) -> Tensor:
        labels, _ = threshold_by_match(
            pair.image, pair.maps, next(waiting), options.final_crf, options.gammas
        )
        return clean_components(labels, options.final_box_area)

    return mask


def crf_alone(labels: Sequence[Tensor], options: RefineOptions) -> Callable[[Pair], Tensor]:
    waiting = iter(labels)

    def mask(pair: Pair) -> Tensor:
        own = next(waiting)
        sharp = crf_labels(
            pair.image, own.masked_fill(own == IGNORE_ID, BACKGROUND_ID)[None], options.final_crf
        )[0]
        return clean_components(sharp, options.final_box_area, options.fill)

    return mask


def in_regions(labels: Sequence[Tensor], options: RefineOptions) -> Callable[[Pair], Tensor]:
    waiting = iter(labels)
    return lambda pair: whole_regions(next(waiting), pair.maps, options.final_box_area)


def on_edges(labels: Sequence[Tensor]) -> Callable[[Pair], Tensor]:
    waiting = iter(labels)
    return lambda pair: snapped(pair.image.numpy(), next(waiting))


def timed(name: str, pairs: Sequence[Pair], step: Callable[[Pair], Tensor]) -> Masks:
    start = time.perf_counter()
    labels = [step(pair) for pair in tqdm(pairs, name)]
    return Masks(labels, (time.perf_counter() - start) / len(pairs))
