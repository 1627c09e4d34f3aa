"""What the page shows: counts over all pairs, and a few pairs as pictures, in one pass."""

from __future__ import annotations

import csv
import heapq
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from dataset_builder.building.manifest import Manifest
from dataset_builder.dataset_folder import (
    FILTER_TABLE,
    StoredPair,
    chosen_numbers,
    named_classes,
    quality_of,
    read_pairs,
    split_files,
)
from dataset_builder.hub.dataset_summary import DatasetSummary, summary_of
from dataset_builder.report.about import About, about
from diffusers_attnmask.ground.drawing import Look, outlines
from diffusers_attnmask.ground.ids import IGNORE_ID
from diffusers_attnmask.ground.notebook import picture_address
from diffusers_attnmask.ground.options import Whole, options
from diffusers_attnmask.ground.palette import Colour
from train_segmenter.data.split_parts import Part

COVERAGE_BINS = 10
THUMBNAIL = 224  # pixels, the longer side


@options
class ReportOptions:
    """gallery: pairs spread over the dataset; extremes: of the best, and of the worst; removed: listed.
    allow_outside: read files, too, that the data name outside of their folder."""

    gallery: Whole = 48
    extremes: Whole = 8
    removed: Whole = 200
    allow_outside: bool = False
    progress: bool = True


@dataclass(frozen=True)
class Shown:
    """A pair as the page shows it; pictures are data addresses."""

    id: str
    prompt: str
    classes: list[str]
    quality: float
    coverage: float
    image: str
    overlay: str


@dataclass(frozen=True)
class Removed:
    """A pair that is not in the dataset, and why."""

    id: str
    prompt: str
    reason: str


@dataclass(frozen=True)
class Collected:
    """coverage: pairs per bin of the share that all classes cover. class_coverage: mean share by name."""

    facts: DatasetSummary
    about: About
    pairs: int
    coverage: list[int]
    class_coverage: dict[str, float]
    gallery: list[Shown]
    best: list[Shown]
    worst: list[Shown]
    removed: list[Removed]
    removed_count: int


def collect(folder: Path, options: ReportOptions, parts: Sequence[Part] = ()) -> Collected:
    """From all pairs, or from those of the parts, of which nothing is known that was left out."""
    outside = options.allow_outside
    facts = summary_of(folder, parts=parts, outside=outside)
    files = split_files(folder, outside=outside)
    total = sum(len(numbers) for _, numbers in chosen_numbers(folder, files, parts))
    wanted = set(np.linspace(0, total - 1, min(options.gallery, total)).astype(int).tolist())
    gallery: list[Shown] = []
    best, worst = Extremes(options.extremes, 1), Extremes(options.extremes, -1)
    histogram = [0] * COVERAGE_BINS
    shares: dict[str, float] = defaultdict(float)
    seen: Counter[str] = Counter()
    stored = read_pairs(folder, parts=parts, outside=outside)
    pairs = tqdm(stored, "reading pairs", total, leave=False, disable=not options.progress)
    for index, pair in enumerate(pairs):
        present = class_shares(pair.mask)
        if facts.background:
            present.pop(0, None)
        covered = sum(present.values())
        histogram[min(int(covered * COVERAGE_BINS), COVERAGE_BINS - 1)] += 1
        for own, share in present.items():
            shares[facts.class_names[own]] += share
            seen[facts.class_names[own]] += 1
        quality = quality_of(pair.row, pair.name)
        best.offer(quality, pair)
        worst.offer(quality, pair)
        if index in wanted:
            gallery.append(shown(pair, facts))
    removed, removed_count = ([], 0) if parts else removed_pairs(folder, options.removed)
    return Collected(
        facts,
        about(folder, facts, outside=outside),
        total,
        histogram,
        {name: shares[name] / seen[name] for name in facts.class_names if seen[name]},
        gallery,
        [shown(pair, facts) for pair in best.ranked()],
        [shown(pair, facts) for pair in worst.ranked()],
        removed,
        removed_count,
    )


class Extremes:
    """The pairs with the highest (sign 1) or lowest (sign -1) values; of equal ones the first."""

    def __init__(self, size: int, sign: int) -> None:
        self.size, self.sign, self.order = size, sign, count()
        self.heap: list[tuple[float, int, StoredPair]] = []

    def offer(self, value: float, pair: StoredPair) -> None:
        entry = (self.sign * value, -next(self.order), pair)
        if len(self.heap) < self.size:
            heapq.heappush(self.heap, entry)
        elif self.heap and entry[:2] > self.heap[0][:2]:
            heapq.heapreplace(self.heap, entry)

    def ranked(self) -> list[StoredPair]:
        return [pair for _, _, pair in sorted(self.heap, key=lambda entry: entry[:2], reverse=True)]


def class_shares(mask: np.ndarray) -> dict[int, float]:
    """The share of the pixels of each id in a mask (H, W); ignored ones have none."""
    counts = np.bincount(mask.ravel(), minlength=256)
    return {own: counts[own] / mask.size for own in np.flatnonzero(counts).tolist() if own != IGNORE_ID}


def shown(pair: StoredPair, facts: DatasetSummary) -> Shown:
    mask = pair.mask
    present = class_shares(mask)
    return Shown(
        pair.name,
        pair.row.get("prompt") or "",
        named_classes(pair.row, facts.features, pair.name),
        quality_of(pair.row, pair.name),
        sum(share for own, share in present.items() if own or not facts.background),
        picture_address(fitted(pair.image, Image.Resampling.LANCZOS), "webp"),
        picture_address(
            fitted(coloured(mask, facts.palette, facts.background), Image.Resampling.NEAREST), "png"
        ),
    )


def coloured(mask: np.ndarray, palette: Sequence[Colour], background: bool) -> Image.Image:
    """A mask (H, W) to lie over its image: outlines in full colour, the rest half transparent; the background
    shows the image."""
    alpha = np.where(outlines(mask), 255, round(255 * Look.opacity))
    if background:
        alpha[mask == 0] = 0
    pixels = np.dstack([np.array(palette, np.uint8)[mask], alpha.astype(np.uint8)])
    return Image.fromarray(pixels)


def fitted(picture: Image.Image, resampling: Image.Resampling) -> Image.Image:
    scale = THUMBNAIL / max(picture.size)
    if scale >= 1:
        return picture
    width, height = (max(1, round(side * scale)) for side in picture.size)
    return picture.resize((width, height), resampling)


def removed_pairs(folder: Path, limit: int) -> tuple[list[Removed], int]:
    """Pairs that the build skipped or the filter dropped: at most `limit` of them, and how many there are."""
    removed, total = [], 0
    manifest = Manifest.read(folder)
    if manifest is not None and manifest.tally is not None:
        total += sum(manifest.tally.skipped.values())
        removed += [
            Removed(str(own["index"]), own["prompt"], f"{own['reason']}: {own['detail']}")
            for own in manifest.tally.examples
        ]
    table = folder / FILTER_TABLE
    if table.is_file():
        with table.open(encoding="utf-8", newline="") as stream:
            for row in csv.DictReader(stream):
                if row["kept"] == "no":
                    total += 1
                    removed.append(Removed(row["id"], "", row["reason"]))
    return removed[:limit], total
