"""The model card of a trained segmenter, and its way to the Hub."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import EvalResult, ModelCardData
from huggingface_hub.utils import HFValidationError, validate_repo_id

from diffusers_attnmask.ground.atomic_files import write_text
from diffusers_attnmask.ground.json_files import read_json
from diffusers_attnmask.publishing import (
    CARD,
    PIPELINE_INDEX,
    is_own_card,
    pipeline_files,
    push_model_files,
    write_card_file,
)
from hub_cards import rendered
from train_segmenter.evaluation.scores import Report
from train_segmenter.models.base import SPEC_FILE, SegmenterSpec
from train_segmenter.models.registry import kind_of
from train_segmenter.training.loop import PICTURES, SUMMARY_FILE

EVALUATION_FILE = "evaluation.json"
NOT_SETTINGS = ("model", "classes", "pairs", "best_mean_iou", "data", "data_pixels", "validation_pixels")
RESULTS = "model_results.md"  # what all cards of models end with
UPLOADED = ("*.json", "*.safetensors", CARD)  # of the folder itself, not of its checkpoints
LICENSE = "apache-2.0"
METRICS = {"mean_iou": "Mean IoU", "overall_accuracy": "Pixel accuracy"}


@dataclass(frozen=True)
class Evaluation:
    """A report and the words that name its data."""

    report: Report
    data: str

    def write(self, folder: Path) -> None:
        write_text(
            folder / EVALUATION_FILE,
            json.dumps({"data": self.data, **self.report.to_dict()}, indent=2) + "\n",
        )


def write_card(folder: Path, data: str = "", repo: str | None = None, license: str | None = None) -> Path:
    """Writes `README.md` of a model folder from its spec, its training summary and its evaluation, if any.

    A card that is a person's own stays as it is. data: what the model was trained on, in words; it is kept
    for the next card, which need not be told.
    """
    spec = SegmenterSpec.read(folder)
    if spec is None:
        raise FileNotFoundError(f"{folder} holds no trained segmenter: it has no {SPEC_FILE}.")
    summary = _read(folder / SUMMARY_FILE)
    if summary and data:
        write_text(folder / SUMMARY_FILE, json.dumps({**summary, "data": data}, indent=2) + "\n")
    evaluation = _read(folder / EVALUATION_FILE)
    kind = kind_of(spec.model)
    library, _, start = spec.model.partition(":")
    name = (repo or folder.resolve().name).rpartition("/")[2]
    metadata = ModelCardData(
        license=license or LICENSE,
        library_name=kind.library,
        base_model=start if "/" in start else None,
        pipeline_tag="image-segmentation",
        tags=["semantic-segmentation", "diffusers-attnmask"],
        datasets=_on_the_hub(data or summary.get("data", "")) or None,
        metrics=list(METRICS) if evaluation else None,
        model_name=name,
        eval_results=_eval_results(evaluation) if evaluation else None,
    )
    if not is_own_card(folder, license):
        return folder / CARD
    content = rendered(
        f"{kind.card}+{RESULTS}",
        card_data=metadata.to_yaml(),
        title=name,
        model=spec.model,
        library=library,
        repo=repo or str(folder),
        data=data or summary.get("data", ""),
        pairs=summary.get("pairs", "?"),
        classes=spec.class_names,
        mean=list(spec.mean),
        std=list(spec.std),
        scores=evaluation.get("iou"),
        evaluation=evaluation,
        encoding=summary.get("encoding"),
        settings=[(key, value) for key, value in summary.items() if key not in NOT_SETTINGS],
        picture=picture_of(folder),
    )
    return write_card_file(folder, content)


def picture_of(folder: Path) -> str | None:
    """The newest sheet of validation pictures, as a path within the model's folder."""
    newest = max((folder / PICTURES).glob("*.png"), default=None)
    return newest.relative_to(folder).as_posix() if newest else None


def push_model(folder: Path, repo: str, private: bool = False, license: str | None = None) -> str:
    """Publishes a model folder with its card; returns the address."""
    write_card(folder, repo=repo, license=license)
    picture = picture_of(folder)
    names = {path.name for kind in UPLOADED for path in folder.glob(kind)}
    if (folder / PIPELINE_INDEX).is_file():
        names = set(pipeline_files(folder))
    return push_model_files(folder, sorted(names | ({picture} if picture else set())), repo, private)


def _eval_results(evaluation: dict) -> list[EvalResult]:
    return [
        EvalResult(
            task_type="image-segmentation",
            dataset_type=_dataset_type(evaluation["data"]),
            dataset_name=evaluation["data"],
            metric_type=metric,
            metric_name=title,
            metric_value=evaluation[metric],
        )
        for metric, title in METRICS.items()
        if evaluation[metric] is not None
    ]


def _on_the_hub(data: str) -> list[str]:
    """Those of the data, as they were typed, that are names on the Hub."""
    words = (word.partition("@")[0].removeprefix("hub:") for word in data.split(", "))
    return [word for word in words if word.count("/") == 1 and _is_repository(word)]


def _is_repository(word: str) -> bool:
    try:
        validate_repo_id(word)
    except HFValidationError:
        return False
    return not Path(word).exists()


def _dataset_type(data: str) -> str:
    """A Hub-like name: the format and the last part of the path, without the user's folders."""
    prefix, colon, path = data.partition(":")
    last = (path if colon else prefix).rstrip("/").rpartition("/")[2]
    return f"{prefix.lower()}/{last}" if colon else last


def _read(file: Path) -> dict:
    return read_json(file) if file.is_file() else {}
