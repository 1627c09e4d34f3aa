"""What the commands `attnmask train`, `eval` and `segment` share: how options are named, and how typed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from diffusers_attnmask.ground.typed import by_name, named, parsed_names

if TYPE_CHECKING:
    from train_segmenter.evaluation import Inference

DATA_HELP = (
    "Dataset folder, Hub name or s3:// address, VOC:path, Cityscapes:path, COCO:path or folder:path, each "
    "with @split or @split[:10%]."
)
OTHERS_HELP = (
    "What becomes of the data's classes that are not judged or trained: error, background or ignore."
)
GROUP_HELP = "A class that gathers several of the data's, as human=person,rider. Repeatable."

OthersOption = Annotated[str, typer.Option(help=OTHERS_HELP)]
GroupOption = Annotated[list[str] | None, typer.Option("--group", help=GROUP_HELP)]
WindowOption = Annotated[
    int | None, typer.Option(help="Side of sliding windows in pixels; whole images without.")
]
StrideOption = Annotated[
    int | None, typer.Option(help="Pixels between windows. [default: 2/3 of the window]")
]
ScalesOption = Annotated[str, typer.Option(help="Scales to average over, as 0.5,1,1.5.")]
FlipOption = Annotated[bool, typer.Option("--flip", help="Average over mirrored copies.")]
StepsOption = Annotated[int | None, typer.Option(min=1, help="Of seg-diffusion: steps from noise to a mask.")]
PenaltyOption = Annotated[
    float | None,
    typer.Option(
        min=0, max=1, help="Of seg-diffusion: taken from the scores of trained classes, for unseen words."
    ),
]
EnsembleOption = Annotated[
    int | None, typer.Option(min=1, help="Of seg-diffusion: samples that each mask is the median of.")
]
OutsideOption = Annotated[
    bool, typer.Option("--allow-outside", help="Read files, too, that the data name outside.")
]
DeviceOption = Annotated[str, typer.Option(help="auto, cuda, mps or cpu.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


def parsed_groups(words: list[str] | None) -> dict[str, tuple[str, ...]]:
    """Groups of classes as they were typed, each `name=member,member`."""
    typed = (named(word, "--group", "member,member") for word in words or ())
    return by_name(((name, parsed_names(members)) for name, members in typed), "--group")


def parsed_inference(window: int | None, stride: int | None, scales: str, flip: bool) -> Inference:
    """Windows, scales and mirrored copies as they were typed."""
    from train_segmenter.evaluation import Inference

    try:
        factors = tuple(float(word) for word in scales.split(","))
    except ValueError:
        raise ValueError(f"--scales are numbers between commas, as 0.5,1,1.5, not {scales!r}.") from None
    return Inference(window, stride, factors, flip)
