"""A whole evaluation: a model by its folder or name, data by their word, and the report with its pictures."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import field
from pathlib import Path

from diffusers_attnmask.ground.device import device_called
from diffusers_attnmask.ground.ids import IGNORE_ID
from diffusers_attnmask.ground.options import Batch, Device, Name, Names, Share, Steps, Whole, options
from diffusers_attnmask.ground.own_folder import own_folder
from diffusers_attnmask.ground.typed import given
from train_segmenter.card import Evaluation
from train_segmenter.data import ClassMap, mapped
from train_segmenter.data.class_map import Others
from train_segmenter.data.registry import open_judged
from train_segmenter.evaluation.charts import check_drawable, write_charts
from train_segmenter.evaluation.inference import Inference
from train_segmenter.evaluation.judge import evaluate
from train_segmenter.evaluation.open_vocabulary import VOC_UNSEEN, check_unseen
from train_segmenter.evaluation.pictures import worst_pictures
from train_segmenter.evaluation.scores import Report
from train_segmenter.models import Segmenter, load

WORST = "worst"  # folder of the worst pictures


@options(kw_only=True)
class EvaluateRun:
    """What an evaluation is asked beside its model and its data.

    denoising_steps, ensemble_size, seen_penalty: of seg-diffusion, by default those of its training. unseen:
    the classes that training has not seen; with open_vocabulary, by default VOC's. others and groups: as in
    `ClassMap`. allow_outside: read files, too, that the data name outside of their folder. worst: how many
    of the worst pictures are written.
    """

    inference: Inference = field(default_factory=Inference)
    denoising_steps: Steps | None = None
    ensemble_size: Batch | None = None
    seen_penalty: Share | None = None
    boundary: bool = False
    open_vocabulary: bool = False
    unseen: Names | None = None
    others: Others = "error"
    groups: Mapping[Name, Names] = field(default_factory=dict)
    allow_outside: bool = False
    worst: Whole = 8
    batch_size: Batch = 8
    device: Device = "auto"


def evaluate_model(
    model: str | Path,
    data: str,
    run: EvaluateRun | None = None,
    out: str | Path | None = None,
    *,
    progress: bool = True,
) -> Report:
    """Judge a model on the pairs of a word (`open_source`); `out` gets JSON, charts and the worst pictures.

    The report has mean IoU, and IoU and accuracy of each class, in [0, 1] (NaN of a class that is in no
    reference and no prediction), and the confusion matrix, counts of pixels int64 (classes + 1, classes + 1),
    rows references. Pixels whose reference is 255 count nowhere.

    A model that takes any words is asked for the data's own classes, unless these are to be mapped.
    """
    if out is not None:
        check_drawable()
    with own_folder(out, "eval") if out is not None else nullcontext() as folder:
        return _judged(model, data, run or EvaluateRun(), folder, progress)


def _judged(model: str | Path, data: str, run: EvaluateRun, out: Path | None, progress: bool) -> Report:
    segmenter = _loaded(str(model), run)
    source = open_judged(data, outside=run.allow_outside)
    if segmenter.open_vocabulary and not run.groups and run.others == "error":
        segmenter = segmenter.for_classes(source.class_names)
    source = mapped(source, ClassMap(tuple(segmenter.class_names), run.groups, run.others))
    unseen = run.unseen or (VOC_UNSEEN if run.open_vocabulary else None)
    check_unseen(source.class_names, unseen or ())
    report = evaluate(
        segmenter,
        source,
        run.inference,
        batch_size=run.batch_size,
        boundary=run.boundary,
        worst=run.worst if out else 0,
        unseen=unseen,
        objects=segmenter.spec.task != "semantic" and source[0].objects is not None,
        progress=progress,
    )
    if not report.confusion[:-1].any():
        raise ValueError(f"{data} has nothing to judge by: its masks are {IGNORE_ID} everywhere")
    if out is not None:
        Evaluation(report, data).write(out)
        write_charts(report, out)
        worst_pictures(report, segmenter, source, run.inference, out / WORST)
    return report


def _loaded(model: str, run: EvaluateRun) -> Segmenter:
    segmenter = load(model).to(device_called(run.device))
    sampling = given(
        denoising_steps=run.denoising_steps, ensemble_size=run.ensemble_size, seen_penalty=run.seen_penalty
    )
    return segmenter.sampled(**sampling) if sampling else segmenter
