"""How good masks are before refinement: every method against the oracle, on pictures of the bundled model.

    python -m benchmarks.mask_quality --prompts 512 --json mask_quality.json

Captions are those of unseen scenes, half of them with one object and half with two. All methods read the same
generations. Numbers are intersection over union with the oracle, summed over pictures and averaged over the
eight classes; uncertain pixels (255) count as neither. They are of the method's own masks, and, as `best
fixed`, of those with the one threshold that suits all pictures best. Columns with `all seen` leave out the
pictures in which the oracle misses an object of the prompt. A method takes options as JSON, and words for its
row, so that variants compare; what is chosen by comparing is chosen on captions of another split than those
that judge it:

    python -m benchmarks.mask_quality --split validation --method 'daam (late)={"steps": [0.3, 1]}'
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
import typer
from tqdm import tqdm

from benchmarks.report import report
from benchmarks.scenes import CallOption, Scene, call_arguments, pixels, unseen_scenes, world_ids
from diffusers_attnmask import DiffuMaskPipeline, bundled_model, trace
from diffusers_attnmask.families import check_supported
from diffusers_attnmask.ground.ids import IGNORE_ID
from diffusers_attnmask.methods import MaskMethod
from diffusers_attnmask.methods.thresholds import label_above
from tiny_world import CLASSES
from tiny_world.judge import judge

THRESHOLDS = tuple(round(0.05 * step, 2) for step in range(1, 20))
SEEN = 0.01  # share of a picture that an object has when the oracle sees it


@dataclass
class Overlap:
    """Pixels of intersection and union per class, summed over pictures; row 0 is the background."""

    both: np.ndarray = field(default_factory=lambda: np.zeros(len(CLASSES) + 1))
    either: np.ndarray = field(default_factory=lambda: np.zeros(len(CLASSES) + 1))
    uncertain: int = 0
    pixels: int = 0

    def add(self, mask: np.ndarray, truth: np.ndarray) -> None:
        """Ids of the world (H, W) and the oracle's."""
        certain = mask != IGNORE_ID
        self.uncertain += int((~certain).sum())
        self.pixels += mask.size
        for own in range(len(self.both)):
            ours, theirs = mask == own, (truth == own) & certain
            self.both[own] += (ours & theirs).sum()
            self.either[own] += (ours | theirs).sum()

    @property
    def iou(self) -> float:
        seen = self.either[1:] > 0
        return float((self.both[1:][seen] / self.either[1:][seen]).mean())

    @property
    def share_uncertain(self) -> float:
        return self.uncertain / self.pixels


@dataclass
class Score:
    """One method on some pictures: its automatic masks, and masks at every fixed threshold."""

    automatic: Overlap = field(default_factory=Overlap)
    fixed: dict[float, Overlap] = field(default_factory=lambda: {t: Overlap() for t in THRESHOLDS})

    def add(self, automatic: np.ndarray, heatmaps: torch.Tensor, truth: np.ndarray, ids: np.ndarray) -> None:
        """ids: what each id of this picture's masks is in the world, by index."""
        self.automatic.add(ids[automatic], truth)
        for threshold, overlap in self.fixed.items():
            mask = label_above(heatmaps, [threshold] * len(heatmaps)).numpy()
            overlap.add(ids[mask], truth)

    def columns(self, title: str) -> dict[str, object]:
        if not self.automatic.pixels:  # no such picture
            return {}
        best = max(self.fixed, key=lambda threshold: self.fixed[threshold].iou)
        return {
            title: self.automatic.iou,
            f"{title}, uncertain": self.automatic.share_uncertain,
            f"{title}, best fixed": self.fixed[best].iou,
            f"{title}, at": best,
        }


@dataclass
class Scores:
    """All pictures, and those in which the oracle sees every object of the prompt."""

    every: Score = field(default_factory=Score)
    seen: Score = field(default_factory=Score)

    def columns(self, title: str) -> dict[str, object]:
        return {**self.every.columns(title), **self.seen.columns(f"{title}, all seen")}


def parsed_method(text: str) -> tuple[str, str, dict]:
    """What a row is called, the method, and its options, of `NAME`, `NAME={…}` or `NAME (words)={…}`."""
    title, _, options = text.partition("={")
    titled = title if "(" in title else text
    return titled, title.partition(" ")[0], json.loads("{" + options) if options else {}


def sampled(
    pipe: DiffuMaskPipeline,
    batch: Sequence[Scene],
    methods: Sequence[MaskMethod],
    settings: Mapping[str, Any],
) -> tuple[np.ndarray, list[list]]:
    """Images uint8 (B, H, W, 3), and per method a list of (mask, heat maps)."""
    generators = [torch.Generator().manual_seed(scene.seed) for scene in batch]
    with trace(pipe, classes=[list(scene.classes) for scene in batch], methods=methods) as recorded:
        images = pipe(
            [scene.caption for scene in batch],
            generator=generators,
            output_type="np",
            **settings,
        ).images
    readings = []
    for method in methods:
        heatmaps = recorded.heatmaps_by(method)
        masks = [
            method.mask(maps, names).numpy()
            for maps, names in zip(heatmaps, recorded.class_names, strict=True)
        ]
        readings.append(list(zip(masks, heatmaps, strict=True)))
    return pixels(images), readings


def main(
    prompts: Annotated[
        int, typer.Option(min=2, help="Generations; half with one object, half with two.")
    ] = 512,
    steps: Annotated[int, typer.Option(min=1, help="Denoising steps.")] = 20,
    guidance: Annotated[float, typer.Option(help="Guidance scale.")] = 3.0,
    batch: Annotated[int, typer.Option(min=1, help="Pictures sampled at once.")] = 16,
    method: Annotated[
        list[str] | None,
        typer.Option(help="A method, or 'NAME (words)=JSON'. Repeatable; all that fit by default."),
    ] = None,
    split: Annotated[
        Literal["validation", "test"],
        typer.Option(help="Whose captions: validation to choose settings by, test to judge."),
    ] = "test",
    model: Annotated[Path | None, typer.Option(help="Model folder; by default the bundled one.")] = None,
    call: CallOption = "{}",
    json: Annotated[Path | None, typer.Option(help="Where to write the rows.")] = None,
) -> None:
    """Score every method's masks against the oracle's view of the same pictures."""
    pipe = DiffuMaskPipeline.from_pretrained(model or bundled_model())
    pipe.set_progress_bar_config(disable=True)
    family = check_supported(pipe)
    if method is None:
        methods = list(pipe.mask_settings.resolve_all(family, family.sites(pipe)))
        rows: list[dict[str, object]] = [{"method": own.name} for own in methods]
    else:
        parsed = list(map(parsed_method, method))
        rows = [{"method": title} for title, _, _ in parsed]
        methods = [pipe.mask_settings.resolve(name, family, options) for _, name, options in parsed]
    arguments = {"num_inference_steps": steps, "guidance_scale": guidance, **call_arguments(call)}
    for objects, title in enumerate(("one object", "two objects"), 1):
        scores = [Scores() for _ in methods]
        seen = 0
        chosen = unseen_scenes(objects, prompts // 2, split)
        for start in tqdm(range(0, len(chosen), batch), desc=title):
            part = chosen[start : start + batch]
            images, readings = sampled(pipe, part, methods, arguments)
            for index, (scene, truth) in enumerate(zip(part, judge(images), strict=True)):
                ids = world_ids(scene.classes)
                complete = all((truth == own).mean() >= SEEN for own in ids[1 : len(scene.classes) + 1])
                seen += complete
                for score, reading in zip(scores, readings, strict=True):
                    for own in (score.every, score.seen) if complete else (score.every,):
                        own.add(*reading[index], truth, ids)
        for row, score in zip(rows, scores, strict=True):
            row |= {**score.columns(title), f"{title}, share all seen": seen / len(chosen)}
    settings = {
        "prompts": prompts,
        **arguments,
        "split": split,
        "model": str(model or "bundled"),
    }
    report("Masks against the oracle, before refinement", rows, settings, json)


if __name__ == "__main__":
    typer.run(main)
