"""What each step of refinement adds on the bundled world: mean IoU of the masks against the oracle.

    python -m benchmarks.refinement_ablation --pairs 512 --cache ablation --json refinement_ablation.json
    python -m benchmarks.refinement_ablation --maps simulated --cache ablation-simulated

Pairs are sampled once with the bundled model and kept in `--cache`, so that a stopped run goes on. Simulated
maps tell refinement from the model's quality: they are exact masks of renders, averaged over a 16 x 16 grid,
blurred, mixed with noise and enlarged, and judged by the exact masks.

Rows, each over the same pairs: the raw mask (the method's own; of simulated maps, above 0.5); the threshold
that matches the affinity mask best, without a CRF; the affinity mask itself; the CRF'd match (the published
result), and it in whole regions; affinity and CRF again with an AffinityNet over the diffusion model's own
decoder features; the raw mask through the CRF alone, in whole regions, and in those with its outlines on the
image's edges, or through the CRF; with `--sam`, a folder of a SAM, the raw mask and its whole regions
outlined by that; and what the filter leaves of the best of these, by several rules. IoU is
summed over all pictures and averaged over the eight classes; pixels that a step leaves uncertain do not
count, and their share is a column.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from PIL import Image
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, avg_pool2d, interpolate
from tqdm import tqdm

from benchmarks.label_noise import RULES
from benchmarks.mask_quality import Overlap, sampled
from benchmarks.report import report
from benchmarks.scenes import Scene, unseen_scenes, world_ids
from dataset_builder.noise.filtering import judge as judge_pairs
from dataset_builder.noise.prune import prune
from dataset_builder.noise.segmenter import SegmenterTrainer
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
from diffusers_attnmask import DiffuMaskPipeline, bundled_model
from diffusers_attnmask.families import check_supported
from diffusers_attnmask.ground.atomic_files import replacing
from diffusers_attnmask.ground.ids import BACKGROUND_ID, IGNORE_ID
from tiny_world import CLASSES
from tiny_world.judge import judge
from tiny_world.oracle import MODEL, SHAPE, Renders
from train_segmenter.augmentation.transforms import Augmentation
from train_segmenter.training.options import TrainOptions

STRIDE = 4  # of AffinityNet: pictures have 128 pixels, not 512
NOISE = 0.08  # deviation, in simulated maps
FILTER_SCALE = 0.5  # of the images, for a quarter of the time


@dataclass(frozen=True)
class Pair:
    """An image uint8 (H, W, 3), class maps (C, H, W), the method's mask and the oracle's ids (H, W)."""

    image: Tensor
    maps: Tensor
    raw: Tensor
    truth: np.ndarray
    names: tuple[str, ...]
    prompt: str

    @classmethod
    def load(cls, path: Path) -> Pair:
        with np.load(path) as stored:
            image, maps, raw = (torch.from_numpy(stored[name]) for name in ("image", "maps", "raw"))
            names = tuple(str(stored["names"]).split())
            return cls(image, maps.float(), raw, stored["truth"], names, str(stored["prompt"]))


@dataclass(frozen=True)
class Masks:
    """The masks (H, W) of a step, i+1 for a pair's class i, and the seconds that each took."""

    labels: list[Tensor]
    seconds: float


def main(
    cache: Annotated[Path, typer.Option(help="Folder of the sampled pairs and the trained networks.")],
    pairs: Annotated[int, typer.Option(min=4, help="Half with one object, half with two.")] = 512,
    maps: Annotated[str, typer.Option(help="bundled (sampled with the model) or simulated.")] = "bundled",
    decoder: Annotated[bool, typer.Option(help="Also learn affinities over the decoder's features.")] = True,
    method: Annotated[str | None, typer.Option(help="Mask method; by default the bundled model's.")] = None,
    sampling_steps: Annotated[int, typer.Option(min=1, help="Denoising steps.")] = 20,
    guidance: Annotated[float, typer.Option(help="Guidance scale.")] = 3.0,
    epochs: Annotated[int, typer.Option(min=1, help="Of AffinityNet's training.")] = 6,
    filter_steps: Annotated[
        int, typer.Option(min=0, help="Training steps of each of the filter's 2 segmenters; 0 for no filter.")
    ] = 1000,
    sam: Annotated[str | None, typer.Option(help="Also outline masks by this SAM, SAM 2 or SAM 3.")] = None,
    model: Annotated[Path | None, typer.Option(help="Model folder; by default the bundled one.")] = None,
    json: Annotated[Path | None, typer.Option(help="Also write the rows here.")] = None,
) -> None:
    if maps not in ("bundled", "simulated"):
        raise typer.BadParameter(f"--maps is bundled or simulated, not {maps}")
    pipe = None
    if maps == "bundled" or decoder:
        pipe = DiffuMaskPipeline.from_pretrained(model or bundled_model(), dtype=torch.float32)
        pipe.set_progress_bar_config(disable=True)
    if maps == "bundled":
        fill(cache, pipe, pairs, method, sampling_steps, guidance)
        found = [Pair.load(path) for path in sorted(cache.glob("pair-*.npz"))[:pairs]]
    else:
        found = [simulated(scene) for scene in wanted_scenes(pairs)]
    steps = dict(refinements(found, pipe if decoder else None, cache, epochs))
    if sam is not None:
        steps |= by_sam(found, sam)
    rows = [row(name, found, masks) for name, masks in steps.items()]
    best = max(steps, key=lambda name: score(found, steps[name].labels).iou)
    if filter_steps:
        rows += filtered_rows(best, found, steps[best], cache, filter_steps)
    settings = {"maps": maps, "pairs": len(found), "method": method or "the model's", "guidance": guidance}
    report("Refinement against the oracle", rows, settings | {"epochs": epochs}, json)


def wanted_scenes(count: int) -> list[Scene]:
    """One object and two objects in turns, so that more pairs are the same ones and some more."""
    half = -(-count // 2)
    turns = zip(unseen_scenes(1, half), unseen_scenes(2, half), strict=True)
    return [scene for turn in turns for scene in turn][:count]


def simulated(scene: Scene) -> Pair:
    """A render with maps as attention gives them: coarse, soft and noisy."""
    generator = torch.Generator().manual_seed(scene.seed)
    ids = [CLASSES.index(name) + 1 for name in scene.classes]
    exact = torch.stack([torch.from_numpy((scene.mask == own).astype(np.float32)) for own in ids])
    coarse = avg_pool2d(adaptive_avg_pool2d(exact[None], 16), 3, stride=1, padding=1)
    coarse = coarse + NOISE * torch.randn(coarse.shape, generator=generator)
    maps = interpolate(coarse, scene.mask.shape, mode="bicubic", align_corners=False)[0].clamp(min=0)
    maps = maps / maps.amax((1, 2), keepdim=True).clamp(min=1e-6)
    image, raw = torch.from_numpy(scene.image.copy()), label_map(maps, 0.5).byte()
    return Pair(image, maps, raw, scene.mask, scene.classes, scene.caption)


def fill(
    cache: Path, pipe: DiffuMaskPipeline, count: int, name: str | None, steps: int, guidance: float
) -> None:
    """Sample the pairs that the cache lacks."""
    method = pipe.mask_settings.resolve(name, check_supported(pipe), {})
    wanted = wanted_scenes(count)
    paths = [cache / f"pair-{index:05d}.npz" for index in range(len(wanted))]
    missing = [index for index, path in enumerate(paths) if not path.exists()]
    for batch in tqdm(list(batches(missing, 8)), "sampling"):
        asked = [wanted[index] for index in batch]
        images, readings = sampled(pipe, asked, [method], steps, guidance)
        for index, scene, image, truth, (mask, maps) in zip(
            batch, asked, images, judge(images), readings[0], strict=True
        ):
            content = {"image": image, "maps": maps.half().numpy(), "raw": mask, "truth": truth}
            with replacing(paths[index]) as path, path.open("wb") as stream:
                np.savez(stream, **content, names=" ".join(scene.classes), prompt=scene.caption)


def refinements(
    pairs: Sequence[Pair], pipe: DiffuMaskPipeline | None, cache: Path, epochs: int
) -> Iterator[tuple[str, Masks]]:
    """The masks of every step by name; those with decoder features only where there is a pipeline."""
    options = RefineOptions()
    sized = options.for_size(*pairs[0].truth.shape)
    unfilled = replace(sized, fill=False)
    small = AffinityNetOptions(stride=STRIDE, widths=(32, 64, 64), out_channels=64)
    labels = timed("labels", pairs, lambda pair: confident_labels(pair.image, pair.maps, pair.names, options))
    known = np.mean([(own != IGNORE_ID).float().mean().item() for own in labels.labels])
    print(f"confident labels: {known:.1%} of the pixels, {labels.seconds:.3f} s a pair")

    net = trained(small, [pair.image for pair in pairs], labels.labels, cache / "affinity-small", epochs)
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
        net = trained(wide, given, labels.labels, cache / "affinity-decoder", epochs)
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
    options: AffinityNetOptions, inputs: Sequence[Tensor], labels: Sequence[Tensor], out: Path, epochs: int
) -> AffinityNet:
    torch.manual_seed(0)
    net = AffinityNet(options)
    training = AffinityTraining(epochs=epochs, view=ViewOptions(crop=128), learning_rate=0.005)
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


def score(pairs: Sequence[Pair], labels: Sequence[Tensor]) -> Overlap:
    overlap = Overlap()
    for pair, own in zip(pairs, labels, strict=True):
        overlap.add(world_ids(pair.names)[own.numpy()], pair.truth)
    return overlap


def row(name: str, pairs: Sequence[Pair], masks: Masks) -> dict[str, object]:
    overlap = score(pairs, masks.labels)
    by_class = overlap.both[1:] / np.maximum(overlap.either[1:], 1)
    return {
        "step": name,
        "pairs": len(pairs),
        "mean IoU": overlap.iou,
        "uncertain": overlap.share_uncertain,
        "seconds a pair": masks.seconds,
        **{own: float(value) for own, value in zip(CLASSES, by_class, strict=True)},
    }


def filtered_rows(
    name: str, pairs: Sequence[Pair], masks: Masks, cache: Path, steps: int
) -> Iterator[dict[str, object]]:
    """The best step's masks without the pairs that the filter drops, by each rule."""
    training = TrainOptions(
        steps=steps,
        batch_size=16,
        learning_rate=2e-3,
        schedule="cosine",
        loss="ce+dice",
        ema=0.98,
        augmentation=Augmentation(
            crop=None, scale=(FILTER_SCALE, FILTER_SCALE), contrast=0.2, saturation=0.3, hue=0.02
        ),
    )
    start = time.perf_counter()
    work = cache / f"filter-{name.replace(' ', '-')}"
    trainer = SegmenterTrainer(MODEL, training, work, "none", SHAPE, FILTER_SCALE)
    source = Renders(
        [pair.image.numpy() for pair in pairs],
        [world_ids(pair.names)[own.numpy()] for pair, own in zip(pairs, masks.labels, strict=True)],
    )
    judged = judge_pairs(source, 2, 0, trainer)
    seconds = (time.perf_counter() - start) / len(pairs)
    for rule, options in RULES.items():
        kept = [index for index, reason in enumerate(prune(judged, options)) if not reason]
        left = Masks([masks.labels[index] for index in kept], seconds)
        yield row(f"{name}; {rule}", [pairs[index] for index in kept], left)


def batches(indices: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    for start in range(0, len(indices), size):
        yield indices[start : start + size]


if __name__ == "__main__":
    typer.run(main)
