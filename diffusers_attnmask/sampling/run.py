"""A few pictures of one prompt, each with its mask and overlay, and one sheet of all class maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from diffusers_attnmask.ground.bars import style
from diffusers_attnmask.ground.drawing import Look, beside, contact_sheet, mask_picture
from diffusers_attnmask.ground.heat import heat_bar, heat_picture
from diffusers_attnmask.ground.options import Count, Name, Seed, Share, Steps, options
from diffusers_attnmask.ground.own_folder import own_folder
from diffusers_attnmask.ground.pictures import write_picture
from diffusers_attnmask.loading.asking import call_arguments
from diffusers_attnmask.loading.load import load_pipeline
from diffusers_attnmask.loading.options import DrawingOptions
from diffusers_attnmask.words.classes import ClassLike

SHEET = "contact-sheet.png"


@options(kw_only=True)
class SampleRun(DrawingOptions):
    """model: a folder, repository or single file, by default the bundled model. method: a mask method's name,
    by default the model's own, with its options. seed: of the first of `number` pictures; the next ones count
    up. drop_absent: the presence below which a class is left out of a mask; by default a warning names those
    that are rather absent. condition: the picture that a ControlNet or an adapter looks at. look: of the
    overlays."""

    model: Name | None = None
    revision: Name | None = None
    method: Name | None = None
    method_options: Mapping[str, Any] = field(default_factory=dict)
    number: Count = 1
    steps: Steps = 30
    seed: Seed = 0
    drop_absent: Share | None = None
    condition: Name | None = None
    look: Look = field(default_factory=Look)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_conditions("condition", self.condition is not None, self.condition is not None)


@dataclass(frozen=True)
class SampledFiles:
    """What was written of one picture: "image", "mask" and "overlay". presence: of each class in it."""

    seed: int
    class_names: tuple[str, ...]
    presence: Mapping[str, float]
    files: Mapping[str, Path]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as JSON takes them."""
        paths = {kind: str(file) for kind, file in self.files.items()}
        named = {"seed": self.seed, "classes": list(self.class_names), "presence": dict(self.presence)}
        return {**named, **paths}

    def __str__(self) -> str:
        told = ", ".join(f"{name} {value:.2f}" for name, value in self.presence.items())
        return f"seed {self.seed}, presence of {told}"


def sample_pictures(
    prompt: str, classes: Sequence[ClassLike], out: str | Path, run: SampleRun | None = None
) -> list[SampledFiles]:
    """Write `SEED-image.png`, `SEED-mask.png` (a palette PNG of ids: 0 background, i + 1 the i-th class, 255
    uncertain) and `SEED-overlay.png` of each seed, and the sheet.
    """
    with own_folder(out, "sample") as folder:
        return _sampled(prompt, classes, folder, run or SampleRun())


def _sampled(prompt: str, classes: Sequence[ClassLike], out: Path, run: SampleRun) -> list[SampledFiles]:
    pipe = load_pipeline(run.model, run, run.revision)
    arguments = call_arguments(pipe, run, run.steps, [run.condition] if run.condition else [])
    written: list[SampledFiles] = []
    shown: list[Image.Image] = []
    captions: list[str] = []
    for seed in range(run.seed, run.seed + run.number):
        pipe.set_progress_bar_config(**style(f"seed {seed}"))
        sampled = pipe(
            prompt,
            classes=list(classes),
            mask_method=run.method,
            mask_options=dict(run.method_options),
            generator=torch.Generator().manual_seed(seed),
            drop_absent=run.drop_absent,
            **arguments,
        )
        pictures = {
            "image": sampled.images[0],
            "mask": mask_picture(sampled.ids(0), run.look.colours),
            "overlay": sampled.overlay(0, run.look.opacity, run.look.palette),
        }
        files = {kind: out / f"{seed:06d}-{kind}.png" for kind in pictures}
        for kind, file in files.items():
            write_picture(pictures[kind], file)
        names = sampled.class_names[1:]
        presence = dict(zip(names, sampled.presence[0].tolist(), strict=True))
        written.append(SampledFiles(seed, tuple(sampled.class_names), presence, files))
        shown += [pictures["image"], pictures["overlay"]]
        shown += [heat_picture(sampled.heatmap(0, name)) for name in names]
        captions += [f"seed {seed}", "masks", *(f"{name} {value:.2f}" for name, value in presence.items())]
    sheet = contact_sheet(shown, columns=len(shown) // run.number, captions=captions)
    write_picture(beside(sheet, heat_bar(shown[0].height)), out / SHEET)
    return written
