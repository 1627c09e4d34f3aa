"""What the commands `attnmask train`, `eval` and `segment` share: options, and what they mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from train_segmenter.data import Source
    from train_segmenter.evaluation import Inference
    from train_segmenter.models import Segmenter

DATA_HELP = (
    "a dataset folder or Hub name, VOC:path, Cityscapes:path, COCO:path or folder:path, each with @split"
)
OTHERS_HELP = "what becomes of the data's classes that are not judged or trained: error, background or ignore"
GROUP_HELP = "a class that gathers several of the data's, as human=person,rider; may be repeated"

OthersOption = Annotated[str, typer.Option(help=OTHERS_HELP)]
GroupOption = Annotated[list[str] | None, typer.Option("--group", help=GROUP_HELP)]
WindowOption = Annotated[
    int | None, typer.Option(help="side of sliding windows in pixels; whole images without")
]
StrideOption = Annotated[int | None, typer.Option(help="pixels between windows [default: 2/3 of the window]")]
ScalesOption = Annotated[str, typer.Option(help="scales to average over, as 0.5,1,1.5")]
FlipOption = Annotated[bool, typer.Option("--flip", help="average over mirrored copies")]
StepsOption = Annotated[int | None, typer.Option(min=1, help="of seg-diffusion: steps from noise to a mask")]
PenaltyOption = Annotated[
    float | None,
    typer.Option(
        min=0, max=1, help="of seg-diffusion: taken from the scores of trained classes, for unseen words"
    ),
]
EnsembleOption = Annotated[
    int | None, typer.Option(min=1, help="of seg-diffusion: samples that each mask is the median of")
]
CpuOption = Annotated[bool, typer.Option("--cpu", help="stay on the CPU although there is a GPU")]
JsonOption = Annotated[bool, typer.Option("--json", help="print the result as JSON")]

# What is judged where a word names no split.
JUDGED_SPLIT = {"voc": "val", "cityscapes": "val", "coco": "val2017"}


def given(**values: Any) -> dict[str, Any]:
    """The options that were typed."""
    return {name: value for name, value in values.items() if value is not None}


def names(words: str) -> tuple[str, ...]:
    """Names between commas."""
    return tuple(word.strip() for word in words.split(",") if word.strip())


def device(cpu: bool) -> str:
    import torch

    return "cuda" if torch.cuda.is_available() and not cpu else "cpu"


def loaded(path: str, cpu: bool, **sampling: float | None) -> Segmenter:
    """A trained model, with the options of sampling where it samples."""
    from train_segmenter.models import load

    model = load(path).to(device(cpu))
    chosen = given(**sampling)
    return model.sampled(**chosen) if chosen else model


def judged_source(data: str) -> Source:
    """The data of a word, in the split that is for judging."""
    from train_segmenter.data import open_source

    return open_source(data, JUDGED_SPLIT.get(data.partition(":")[0].lower()))


def in_vocabulary(source: Source, class_names: Sequence[str], others: str, group: list[str] | None) -> Source:
    """A source in other classes, as --others and --group say."""
    from train_segmenter.data import ClassMap, mapped

    groups = {}
    for word in group or ():
        name, equals, members = word.partition("=")
        if not equals:
            raise ValueError(f"A group is written as name=member,member, not {word!r}.")
        groups[name] = names(members)
    return mapped(source, ClassMap(tuple(class_names), groups, others))


def inference(window: int | None, stride: int | None, scales: str, flip: bool) -> Inference:
    """Windows, scales and mirrored copies as they were typed."""
    from train_segmenter.evaluation import Inference

    try:
        factors = tuple(float(word) for word in scales.split(","))
    except ValueError:
        raise ValueError(f"Scales are numbers between commas, as 0.5,1,1.5, not {scales!r}.") from None
    return Inference(window, stride, factors, flip)
