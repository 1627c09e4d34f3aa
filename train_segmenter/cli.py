"""The commands `attnmask train`, `attnmask eval` and `attnmask segment`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from train_segmenter.data import Source
    from train_segmenter.evaluation import Inference
    from train_segmenter.models import Segmenter
    from train_segmenter.options import Recipe

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
CpuOption = Annotated[bool, typer.Option("--cpu", help="stay on the CPU although there is a GPU")]
JsonOption = Annotated[bool, typer.Option("--json", help="print the result as JSON")]


def train(
    data: Annotated[list[str], typer.Option(help=f"{DATA_HELP}; repeated: a mixture")],
    out: Annotated[Path, typer.Option(help="folder of the model, its checkpoints and curves")],
    model: Annotated[
        str | None,
        typer.Option(
            help="smp:ARCHITECTURE:ENCODER, mask2former:BACKBONE, or a trained model to go on from "
            "[default: smp:unet:resnet18]"
        ),
    ] = None,
    recipe: Annotated[
        str | None, typer.Option(help="YAML recipe whose settings the options below override")
    ] = None,
    steps: Annotated[int | None, typer.Option(help="optimiser steps [default: 20000]")] = None,
    batch_size: Annotated[int | None, typer.Option(help="pairs in a forward pass [default: 16]")] = None,
    accumulate: Annotated[int | None, typer.Option(help="forward passes in a step [default: 1]")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="of AdamW [default: 0.0005]")] = None,
    schedule: Annotated[str | None, typer.Option(help="poly or cosine [default: poly]")] = None,
    loss: Annotated[
        str | None, typer.Option(help="ce, dice, focal or sums such as ce+0.5*dice [default: ce]")
    ] = None,
    precision: Annotated[str | None, typer.Option(help="fp32, bf16 or fp16 [default: fp32]")] = None,
    ema: Annotated[
        float | None, typer.Option(help="decay of the averaged weights, 0 for none [default: 0.999]")
    ] = None,
    crop: Annotated[
        int | None, typer.Option(help="side of training crops [default: 512 or the images' side]")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="of order, augmentation and weights [default: 0]")] = None,
    workers: Annotated[int | None, typer.Option(help="processes that read data [default: 0]")] = None,
    evaluate_every: Annotated[
        int | None, typer.Option(help="steps between validations [default: 1000]")
    ] = None,
    save_every: Annotated[int | None, typer.Option(help="steps between checkpoints [default: 1000]")] = None,
    log_every: Annotated[
        int | None, typer.Option(help="steps between points of the curves [default: 10]")
    ] = None,
    tracker: Annotated[list[str] | None, typer.Option(help="jsonl or tensorboard; may be repeated")] = None,
    validation: Annotated[
        str | None, typer.Option(help="data whose best mean IoU decides what is kept")
    ] = None,
    weight: Annotated[
        list[float] | None, typer.Option(help="of each --data in the mixture [default: 1]")
    ] = None,
    classes: Annotated[
        str | None, typer.Option(help="names by id, as background,dog,cat [default: the data's]")
    ] = None,
    others: OthersOption = "error",
    group: GroupOption = None,
    pretrained: Annotated[str, typer.Option(help="weights: auto (when reachable), require or none")] = "auto",
    self_training: Annotated[
        bool,
        typer.Option("--self-training", help="train a second model on the first one's labels of the data"),
    ] = False,
    confidence: Annotated[
        float, typer.Option(help="of self-training labels; less sure pixels are ignored")
    ] = 0.0,
    resume: Annotated[
        bool, typer.Option("--resume", help="go on from the newest checkpoint in --out")
    ] = False,
    check: Annotated[bool, typer.Option(help="read all pairs first and name the faulty ones")] = True,
    export: Annotated[str | None, typer.Option(help="also write the model as pt2 or onnx")] = None,
    cpu: CpuOption = False,
    as_json: JsonOption = False,
) -> None:
    """Train a segmenter on generated or real pairs."""
    from train_segmenter.card import Evaluation, write_card
    from train_segmenter.data import check_source
    from train_segmenter.export import export as write_export
    from train_segmenter.self_training import self_train
    from train_segmenter.training import train as run

    settings = _settings(recipe)
    source = _training_source(data, weight, classes, others, group)
    given = _given(
        steps=steps,
        batch_size=batch_size,
        accumulate=accumulate,
        learning_rate=learning_rate,
        schedule=schedule,
        loss=loss,
        precision=precision,
        ema=ema,
        seed=seed,
        workers=workers,
        evaluate_every=evaluate_every,
        save_every=save_every,
        log_every=log_every,
        trackers=tuple(tracker) if tracker else None,
    )
    options = replace(settings.training, **given)
    if crop or not recipe:
        crop = crop or min(512, *source[0].mask.shape)
        options = replace(options, augmentation=replace(options.augmentation, crop=crop))
    judged = _in_vocabulary(validation, source.class_names, others, group) if validation else None
    if check and not resume:
        for part in (source, judged):
            if part is not None:
                check_source(part, progress=not as_json)

    def new_model() -> Segmenter:
        return _model(
            model or settings.model, source.class_names, pretrained, options.seed, settings.model_options
        )

    common = {"validation": judged, "resume": resume, "cpu": cpu, "progress": not as_json}
    if self_training:
        trained = self_train(new_model, source, options, out, confidence=confidence, **common)
    else:
        trained = run(new_model(), source, options, out, **common)
    if not _main_process():
        return
    if trained.report is not None:
        Evaluation(trained.report, validation).write(out)
    write_card(out, data=", ".join(data))
    if export:
        side = options.augmentation.crop or 512
        write_export(trained.model, out / f"model.{export}", side, side)
    score = trained.report.mean_iou if trained.report else None
    result = {"model": str(out), "steps": options.steps, "mean_iou": score}
    typer.echo(
        json.dumps(result) if as_json else f"trained {out}" + (f": mean IoU {score:.4f}" if score else "")
    )


def evaluate(
    model: Annotated[str, typer.Option(help="a trained model: a folder or a Hub name")],
    data: Annotated[str, typer.Option(help=DATA_HELP)],
    out: Annotated[
        Path | None, typer.Option(help="folder for the JSON, the chart and the worst pictures")
    ] = None,
    window: WindowOption = None,
    stride: StrideOption = None,
    scales: ScalesOption = "1",
    flip: FlipOption = False,
    boundary: Annotated[bool, typer.Option("--boundary", help="boundary IoU, too")] = False,
    open_vocabulary: Annotated[
        bool,
        typer.Option("--open-vocabulary", help="seen, unseen and harmonic mean; VOC's 15/5 split by default"),
    ] = False,
    unseen: Annotated[str | None, typer.Option(help="names of the unseen classes, as sofa,train")] = None,
    others: OthersOption = "error",
    group: GroupOption = None,
    worst: Annotated[int, typer.Option(help="number of worst pictures to write to --out")] = 8,
    batch_size: Annotated[int, typer.Option(help="images of equal size in a forward pass")] = 8,
    cpu: CpuOption = False,
    as_json: JsonOption = False,
) -> None:
    """Judge a segmenter on real pairs."""
    from train_segmenter.card import Evaluation
    from train_segmenter.evaluation import evaluate as judge
    from train_segmenter.evaluation.open_vocabulary import VOC_UNSEEN
    from train_segmenter.evaluation.pictures import class_chart, worst_pictures

    inference = _inference(window, stride, scales, flip)
    segmenter = _loaded(model, cpu)
    source = _in_vocabulary(data, segmenter.class_names, others, group)
    hidden = tuple(_names(unseen)) if unseen else VOC_UNSEEN if open_vocabulary else None
    report = judge(
        segmenter,
        source,
        inference,
        batch_size=batch_size,
        boundary=boundary,
        worst=worst if out else 0,
        unseen=hidden,
        progress=not as_json,
    )
    if out is not None:
        Evaluation(report, data).write(out)
        class_chart(report, out / "iou.png")
        worst_pictures(report, segmenter, source, inference, out / "worst")
    typer.echo(json.dumps({"data": data, **report.to_dict()}) if as_json else report.table())


def segment(
    images: Annotated[list[str], typer.Argument(help="pictures, folders or patterns such as 'photos/*.jpg'")],
    model: Annotated[str, typer.Option(help="a trained model: a folder or a Hub name")],
    out: Annotated[Path, typer.Option(help="folder for the masks and overlays")] = Path("masks"),
    window: WindowOption = None,
    stride: StrideOption = None,
    scales: ScalesOption = "1",
    flip: FlipOption = False,
    cpu: CpuOption = False,
    as_json: JsonOption = False,
) -> None:
    """Write masks and overlays of your own pictures."""
    from tqdm import tqdm

    from train_segmenter.segment import find_images
    from train_segmenter.segment import segment as run

    inference = _inference(window, stride, scales, flip)
    found = find_images(images)
    segmenter = _loaded(model, cpu)
    written = list(
        tqdm(run(segmenter, found, out, inference), total=len(found), desc="segmenting", disable=as_json)
    )
    if as_json:
        rows = zip(found, written, strict=True)
        typer.echo(json.dumps([{"image": str(i), "mask": str(m), "overlay": str(o)} for i, (m, o) in rows]))
    else:
        typer.echo(f"{len(written)} masks and overlays in {out}")


def _given(**values) -> dict:
    return {name: value for name, value in values.items() if value is not None}


def _settings(recipe: str | None) -> Recipe:
    from train_segmenter.options import Recipe, TrainOptions

    if recipe is None:
        return Recipe("smp:unet:resnet18", {}, TrainOptions())
    from recipes import find

    return Recipe.read(find(recipe))


def _training_source(data, weights, classes, others, group) -> Source:
    from train_segmenter.data import Mixture, open_source

    sources = [open_source(word) for word in data]
    names = tuple(_names(classes)) if classes else tuple(sources[0].class_names)
    sources = [_mapped(source, names, others, group) for source in sources]
    if len(sources) == 1 and not weights:
        return sources[0]
    return Mixture(tuple(sources), tuple(weights or [1.0] * len(sources)))


def _in_vocabulary(data: str, names: Sequence[str], others: str, group: list[str] | None) -> Source:
    from train_segmenter.data import open_source

    return _mapped(open_source(data, JUDGED_SPLIT.get(data.partition(":")[0].lower())), names, others, group)


# What is judged where a word names no split.
JUDGED_SPLIT = {"voc": "val", "cityscapes": "val", "coco": "val2017"}


def _mapped(source: Source, names: Sequence[str], others: str, group: list[str] | None) -> Source:
    from train_segmenter.data import ClassMap, mapped

    groups = {}
    for word in group or ():
        name, equals, members = word.partition("=")
        if not equals:
            raise ValueError(f"A group is written as name=member,member, not {word!r}.")
        groups[name] = tuple(_names(members))
    return mapped(source, ClassMap(tuple(names), groups, others))


def _model(name: str, classes: Sequence[str], pretrained: str, seed: int, options: dict) -> Segmenter:
    import torch

    from train_segmenter.models import create, load

    if not Path(name).exists():
        torch.manual_seed(seed)
        return create(name, tuple(classes), pretrained, **options)
    model = load(name)
    if tuple(model.class_names) != tuple(classes):
        raise ValueError(
            f"The model {name} knows {', '.join(model.class_names)}, the data {', '.join(classes)}; name the "
            "model's classes with --classes."
        )
    return model


def _loaded(path: str, cpu: bool) -> Segmenter:
    import torch

    from train_segmenter.models import load

    return load(path).to("cuda" if torch.cuda.is_available() and not cpu else "cpu")


def _inference(window: int | None, stride: int | None, scales: str, flip: bool) -> Inference:
    from train_segmenter.evaluation import Inference

    try:
        factors = tuple(float(word) for word in scales.split(","))
    except ValueError:
        raise ValueError(f"Scales are numbers between commas, as 0.5,1,1.5, not {scales!r}.") from None
    return Inference(window, stride, factors, flip)


def _names(words: str) -> list[str]:
    return [word.strip() for word in words.split(",") if word.strip()]


def _main_process() -> bool:
    from accelerate import PartialState

    return PartialState().is_main_process
