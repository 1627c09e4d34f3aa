"""A whole training: data by their words, a recipe and what changes it, one stage or two, card and export."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from accelerate import PartialState
from pydantic import Field

import recipes
from diffusers_attnmask.ground.device import device_called
from diffusers_attnmask.ground.options import (
    Device,
    Fault,
    Name,
    Names,
    NotNegative,
    OptionsError,
    Side,
    options,
)
from train_segmenter.augmentation.options import AugmentOptions
from train_segmenter.card import Evaluation, write_card
from train_segmenter.data import ClassMap, Mixture, Source, check_source, mapped, open_source
from train_segmenter.data.class_map import Others
from train_segmenter.data.registry import open_judged
from train_segmenter.data.segments import Task
from train_segmenter.evaluation.charts import CURVES, can_draw, training_curves, write_charts
from train_segmenter.evaluation.scores import Report
from train_segmenter.export import export
from train_segmenter.models import Segmenter, create, load
from train_segmenter.models.pretrained import Pretrained
from train_segmenter.models.registry import kind_of
from train_segmenter.training.batches import check_task
from train_segmenter.training.loop import train, training_folder
from train_segmenter.training.options import TrainingRecipe, TrainOptions
from train_segmenter.training.self_training import self_train
from train_segmenter.training.trackers import read_log

DEFAULT_MODEL = "smp:unet:resnet18"
DEFAULT_CROP = 512  # pixels; less where the images are smaller


@options(kw_only=True)
class TrainRun:
    """What a training is asked beside its data and its folder.

    recipe: an object, a YAML file or a bundled recipe's name; by default small settings. model (a name, or
    the folder of a trained one to go on from), model_options and changes (of `TrainOptions`) come over it.
    task: "semantic", or "instance" and "panoptic" of models that tell objects apart; by default the model's.
    crop: side of the training crops. augment: splice, warp, occlude and blur whole pairs, as the recipe says
    or by default. validation: data whose best mean IoU decides what is kept. weights: of each data in their
    mixture. classes: names by id, by default those of the first data; others and groups as in `ClassMap`.
    confidence: of the labels of self-training. allow_outside: read files, too, that data name outside of
    their folder. check: read all pairs first. export: the kind of a file for other runtimes.
    """

    recipe: TrainingRecipe | Path | Name | None = None
    model: Name | None = None
    model_options: Mapping[str, Any] = field(default_factory=dict)
    task: Task | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)
    crop: Side | None = None
    augment: bool = False
    validation: Name | None = None
    weights: tuple[NotNegative, ...] = ()
    classes: Names | None = None
    others: Others = "error"
    groups: Mapping[Name, Names] = field(default_factory=dict)
    pretrained: Pretrained = "auto"
    self_training: bool = False
    confidence: Annotated[float, Field(ge=0, lt=1)] = 0.0
    resume: bool = False
    allow_outside: bool = False
    check: bool = True
    export: Literal["pt2", "onnx"] | None = None
    device: Device = "auto"

    def __post_init__(self) -> None:
        replace(TrainOptions(), **self.changes)  # refuses what no training takes, before anything is read
        if self.weights and not any(self.weights):
            raise OptionsError([Fault("weights", ": all are 0, so that no data would be drawn")])
        if self.confidence and not self.self_training:
            raise OptionsError([Fault("confidence", " is of the labels of self_training: ask for that, too")])

    @property
    def on_cpu(self) -> bool:
        """Whether a GPU is left alone; accelerate takes the best device otherwise."""
        return self.device == "cpu"


@dataclass(frozen=True)
class Prepared:
    """A training that may begin: how, on which pairs, and on which it is judged, if on any."""

    recipe: TrainingRecipe
    source: Source
    options: TrainOptions
    judged: Source | None


@dataclass(frozen=True)
class TrainedRun:
    """The kept model, what it was trained with, and its validation report, if there was one."""

    model: Segmenter
    options: TrainOptions
    report: Report | None


def train_model(
    data: Sequence[str], out: str | Path, run: TrainRun | None = None, *, progress: bool = True
) -> TrainedRun | None:
    """Train on the pairs of words (`open_source`), and leave model, curves, card and evaluation in `out`.

    Masks are class ids uint8 (H, W), of which 255 is left out of the loss. The model that is returned takes
    RGB images float (B, 3, H, W) in [0, 1] and gives logits (B, classes, H, W). Of several processes only the
    main one has a result; the others get None.
    """
    run = run or TrainRun()
    with training_folder(out, run.on_cpu) as folder:
        return _trained(data, folder, run, progress and PartialState().is_main_process)


def prepared(data: Sequence[str], run: TrainRun, progress: bool) -> Prepared:
    """Read the recipe and the data, and settle what they leave open."""
    device_called(run.device)  # refuses one that is not there
    recipe = _recipe(run)
    source = _source(data, run)
    options = _options(recipe, source, run)
    task = recipe.model_options.get("task", "semantic")
    if run.self_training and task != "semantic":
        raise ValueError(f"--task {task} has no --self-training, whose labels tell no objects apart")
    check_task(source, options, task)
    if options.augment is not None:
        options.augment.check_classes(source.class_names)
    judged = _judged(run.validation, source.class_names, run) if run.validation else None
    if run.check and not run.resume:
        for part in (source, judged):
            if part is not None:
                check_source(part, progress=progress)
    return Prepared(recipe, source, options, judged)


def _trained(data: Sequence[str], out: Path, run: TrainRun, progress: bool) -> TrainedRun | None:
    ready = prepared(data, run, progress)
    recipe, source, options = ready.recipe, ready.source, ready.options

    def begun() -> Segmenter:
        return new_model(recipe, source.class_names, run.pretrained, options.seed)

    common: dict[str, Any] = {
        "validation": ready.judged, "resume": run.resume, "cpu": run.on_cpu, "progress": progress,
    }  # fmt: skip
    if run.self_training:
        trained = self_train(begun, source, options, out, confidence=run.confidence, **common)
    else:
        trained = train(begun(), source, options, out, **common)
    if not PartialState().is_main_process:
        return None
    if trained.report is not None and run.validation:
        Evaluation(trained.report, run.validation).write(out)
    if can_draw():
        _draw(trained.report, out)
    write_card(out, data=", ".join(data))
    if run.export:
        side = options.augmentation.crop or DEFAULT_CROP
        export(trained.model, out / f"model.{run.export}", side, side)
    return TrainedRun(trained.model, options, trained.report)


def _draw(report: Report | None, out: Path) -> None:
    """The curves of a training, and what its validation says of each class."""
    log = read_log(out)
    if any("loss" in line for line in log):
        training_curves(log, out / CURVES)
    if report is not None:
        write_charts(report, out)


def adjusted_recipe(
    recipe: TrainingRecipe | Path | str | None,
    otherwise: TrainingRecipe,
    model: str | None = None,
    changes: Mapping[str, Any] | None = None,
) -> TrainingRecipe:
    """A recipe, read where it is only named, or the other one; with a model and changes of its training.

    The recipe's options of its model stay where the other model is of the same architecture.
    """
    if recipe is None:
        recipe = otherwise
    elif not isinstance(recipe, TrainingRecipe):
        recipe = TrainingRecipe.read(recipes.find(recipe, training=True))
    training = replace(recipe.training, **(changes or {}))
    model = model or recipe.model
    kept = recipe.model_options if architecture(model) == architecture(recipe.model) else {}
    return replace(recipe, model=model, model_options=kept, training=training)


def architecture(model: str) -> str:
    """`smp:unet` of `smp:unet:resnet18`."""
    return ":".join(model.split(":")[:2])


def _recipe(run: TrainRun) -> TrainingRecipe:
    """The recipe under what the run says."""
    default = TrainingRecipe(DEFAULT_MODEL, {}, TrainOptions())
    recipe = adjusted_recipe(run.recipe, default, run.model, run.changes)
    kind = kind_of(recipe.model).segmenter_class()
    if kind.own_loss and "loss" in run.changes:
        raise ValueError(f"{recipe.model} learns by its own loss: leave --loss out.")
    if run.export and not kind.exportable:
        raise ValueError(f"{recipe.model} has no export: leave --export out.")
    if run.task is not None and run.task not in kind.tasks:
        raise ValueError(
            f"{recipe.model} tells no objects apart: leave --task {run.task} out, or train "
            "mask2former:BACKBONE"
        )
    if run.model_options and Path(recipe.model).exists():
        raise ValueError(f"{recipe.model} keeps the options that it has: leave --model-option out.")
    if run.pretrained == "none" and Path(recipe.model).exists():
        raise ValueError(f"{recipe.model} keeps the weights that it has: leave --pretrained none out.")
    task = {"task": run.task} if run.task is not None and len(kind.tasks) > 1 else {}
    return replace(recipe, model_options={**recipe.model_options, **run.model_options, **task})


def _source(data: Sequence[str], run: TrainRun) -> Source:
    """The data in the classes to train, mixed where there are several."""
    if run.weights and len(run.weights) != len(data):
        raise ValueError(f"--weight is given {len(run.weights)} times for {len(data)} --data: once for each")
    sources = [open_source(word, outside=run.allow_outside) for word in data]
    class_names = run.classes or tuple(sources[0].class_names)
    sources = [_mapped(source, class_names, run) for source in sources]
    if len(sources) == 1 and not run.weights:
        return sources[0]
    return Mixture(tuple(sources), run.weights or (1.0,) * len(sources))


def _judged(word: str, class_names: Sequence[str], run: TrainRun) -> Source:
    return _mapped(open_judged(word, outside=run.allow_outside), class_names, run)


def _mapped(source: Source, class_names: Sequence[str], run: TrainRun) -> Source:
    return mapped(source, ClassMap(tuple(class_names), run.groups, run.others))


def _options(recipe: TrainingRecipe, source: Source, run: TrainRun) -> TrainOptions:
    """The recipe's settings; what no recipe says depends on the size of the images."""
    options = recipe.training
    if run.augment and options.augment is None:
        options = replace(options, augment=AugmentOptions())
    if run.crop is None and run.recipe is not None:
        return options
    height, width = source[0].mask.shape
    crop = run.crop or min(DEFAULT_CROP, height, width)
    if run.recipe is None and "augmentation" not in run.changes:
        usual = kind_of(recipe.model).segmenter_class().usual_augmentation(crop, height, width)
        return replace(options, augmentation=usual)
    return replace(options, augmentation=replace(options.augmentation, crop=crop))


def new_model(recipe: TrainingRecipe, classes: Sequence[str], pretrained: Pretrained, seed: int) -> Segmenter:
    """The model that a training begins with."""
    torch.manual_seed(seed)
    if Path(recipe.model).exists():
        model = load(recipe.model).for_classes(classes)
        if recipe.model_options.get("task", model.spec.task) != model.spec.task:
            raise ValueError(f"{recipe.model} was trained for --task {model.spec.task}: leave --task out.")
        return model
    return create(recipe.model, tuple(classes), pretrained, **recipe.model_options)
